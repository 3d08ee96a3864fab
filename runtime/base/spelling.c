/* spelling.c -- see spelling.h.
 * SPDX-License-Identifier: MIT */
#include "base/spelling.h"
#include <ctype.h>
#include <stdio.h>

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* In one row. */
unsigned spelling_distance(struct slice a, struct slice b)
{
    unsigned row[SPELLING_MAX + 1];
    for (unsigned j = 0; j <= b.len; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.len; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.len; j++) {
            unsigned above = row[j], change = diagonal + (a.ptr[i - 1] != b.ptr[j - 1]);
            row[j] = least(least(above, row[j - 1]) + 1, change);
            diagonal = above;
        }
    }
    return row[b.len];
}

static struct slice fold(const char *word, char out[SPELLING_MAX])
{
    size_t len = 0;
    for (; len < SPELLING_MAX && word[len] != '\0'; len++)
        out[len] = (char)tolower((unsigned char)word[len]);
    return (struct slice){out, len};
}

/* "-v" is short for --version, "--gap" for --gap-ms; "--port=80" has no blank. */
static bool is_short_for(struct slice wanted, const char *word)
{
    size_t len = strlen(word);
    if (wanted.len > 4 && strncmp(word, wanted.ptr, wanted.len < len ? wanted.len : len) == 0 &&
        (wanted.len <= len || wanted.ptr[len] == '='))
        return true;
    return wanted.len == 2 && wanted.ptr[0] == '-' && strncmp(word, "--", 2) == 0 && word[2] == wanted.ptr[1];
}

/* That one of `words` (ends with NULL) that is nearest, case folded; a dash and one letter, or the beginning of an option, mean that option. NULL: none is near. */
static const char *nearest_of(const char *word, const char *const *words)
{
    char folded[SPELLING_MAX];
    struct slice wanted = fold(word, folded);
    unsigned best = (unsigned)wanted.len / 3 + 2;
    const char *nearest = NULL;
    for (; *words != NULL; words++) {
        unsigned score = is_short_for(wanted, *words) ? 0 : spelling_distance(wanted, slice_of(*words));
        if (score < best) {
            best = score;
            nearest = *words;
        }
    }
    return nearest;
}

const char *spelling_hint(const char *word, const char *const *words, char hint[SPELLING_MAX])
{
    const char *nearest = nearest_of(word, words);
    snprintf(hint, SPELLING_MAX, nearest == NULL ? "%s" : ": did you mean '%s'?", nearest == NULL ? "" : nearest);
    return hint;
}
