/* spelling.h -- suggestions for mistyped words.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SPELLING_H
#define BASE_SPELLING_H
#include "base/bytes.h"

enum { SPELLING_MAX = 256 };

/* Edit distance. Both are at most SPELLING_MAX long. */
unsigned spelling_distance(struct slice a, struct slice b);
/* ": did you mean 'x'?" of that of `words` (ends with NULL) which is nearest, or nothing. */
const char *spelling_hint(const char *word, const char *const *words, char hint[SPELLING_MAX]);
#endif
