/* file.c -- see file.h.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_SIZE = 16384 };

bool file_is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

const char *file_advice(int error)
{
    return error == EMFILE ? "raise ulimit -n or LimitNOFILE" : error == ENFILE ? "of the whole system: raise fs.file-max" : NULL;
}

void file_write_why(int error, char why[FILE_WHY_MAX])
{
    const char *advice = file_advice(error);
    snprintf(why, FILE_WHY_MAX, advice == NULL ? "%s" : "%s (%s)", strerror(error), advice);
}

bool file_is_absent(const char *path)
{
    struct stat status;
    return lstat(path, &status) != 0 && errno == ENOENT;
}

/* NULL: a regular file. */
static const char *other_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return NULL;
    case S_IFDIR:
        return "directory";
    case S_IFIFO:
        return "FIFO (named pipe)";
    case S_IFSOCK:
        return "socket";
    default:
        return "device";
    }
}

static bool refuse(int error, char why[FILE_WHY_MAX])
{
    file_write_why(error, why);
    errno = error;
    return false;
}

static bool is_regular(const struct stat *status, char why[FILE_WHY_MAX])
{
    const char *kind = other_kind(status->st_mode);
    if (kind == NULL)
        return true;
    snprintf(why, FILE_WHY_MAX, "is a %s, expected a regular file", kind);
    errno = 0;
    return false;
}

/* Looked at before it is opened, since opening alone does something to some devices; and after, since it may be another by then. */
static int open_regular(const char *path, char why[FILE_WHY_MAX])
{
    struct stat status;
    if (stat(path, &status) != 0)
        return refuse(errno, why), -1;
    if (!is_regular(&status, why))
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) != 0)
        refuse(errno, why);
    else if (is_regular(&status, why))
        return fd;
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return -1;
}

static bool too_large(const struct buffer *out, char why[FILE_WHY_MAX])
{
    snprintf(why, FILE_WHY_MAX, "is too large, expected at most %zu KB", out->limit / 1024);
    errno = EFBIG;
    return false;
}

static bool read_all(int fd, struct buffer *out, char why[FILE_WHY_MAX])
{
    for (;;) {
        char *room = buffer_reserve(out, READ_SIZE);
        if (room == NULL)
            return too_large(out, why);
        ssize_t count = read(fd, room, READ_SIZE);
        if (count == 0)
            return true;
        if (count > 0)
            out->len += (size_t)count;
        else if (errno != EINTR)
            return refuse(errno, why);
    }
}

bool file_read(const char *path, struct buffer *out, char why[FILE_WHY_MAX])
{
    int fd = open_regular(path, why);
    if (fd < 0)
        return false;
    bool whole = read_all(fd, out, why);
    int error = errno;
    close(fd);
    buffer_trim(out); /* kept for as long as its generation serves */
    errno = error;
    return whole;
}
