/* file.h -- reads a small regular file whole, and says in words why it cannot.
 *
 * Never waits: a FIFO, a terminal or a device in the place of a file is refused before anything is read of it.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FILE_H
#define BASE_FILE_H
#include "base/bytes.h"

enum { FILE_WHY_MAX = 128 };

/* Appends the file to `out`, at most up to its limit. False: `why` says it in words without the name ("Permission denied", "is a directory, expected a
 * file"); errno is the system's own word, 0 where the file is none to read. */
MUST_USE bool file_read(const char *path, struct buffer *out, char why[FILE_WHY_MAX]);
/* What to do about a shortage of descriptors; NULL: it is none. */
const char *file_advice(int error);
/* The words for an errno, with what to do about a shortage. */
void file_write_why(int error, char why[FILE_WHY_MAX]);
/* It is not the file that is wrong: descriptors or memory are used up, or the disk fails. */
bool file_is_shortage(int error);
/* There is nothing at this path. False also where that is unknown: a name that may not be looked up, a dangling link. */
bool file_is_absent(const char *path);
#endif
