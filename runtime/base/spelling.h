/* spelling.h -- words that people mistyped, and what they may have meant.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SPELLING_H
#define BASE_SPELLING_H
#include "base/bytes.h"

enum { SPELLING_MAX = 256 };

/* Edit distance. Both are at most SPELLING_MAX long. */
unsigned spelling_distance(struct slice a, struct slice b);
/* The one of `words` (ends with NULL) that is nearest, case folded; a dash and one letter, or the beginning of an option, mean that option. NULL: none is near. */
const char *spelling_nearest(const char *word, const char *const *words);
/* ": did you mean 'x'?", or nothing. */
const char *spelling_hint(const char *word, const char *const *words, char hint[SPELLING_MAX]);
#endif
