/* usage.h -- what an answer used, in tokens, and what it cost, in integers.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_USAGE_H
#define PROVIDERS_USAGE_H
#include "base/bytes.h"

/* Counts of tokens; -1 unknown. input excludes what was read from or written to a cache, and includes audio_input and image_input; output
 * includes reasoning and audio_output. total is the provider's own sum, to check ours against. */
struct usage {
    int64_t input, cache_read, cache_write, output, reasoning, audio_input, audio_output, image_input, total;
    bool known;
    bool estimated;    /* the provider said nothing: our own count */
    bool billed;       /* the provider says what it cost: */
    int64_t cost_pico; /* in pico-dollars */
};
#define USAGE_UNKNOWN ((struct usage){-1, -1, -1, -1, -1, -1, -1, -1, -1, false, false, false, 0})

/* A price list: four rates; then how long a prompt must be at most for them (0 and less: no matter), and the four rates of longer ones. */
enum {
    PRICE_INPUT,
    PRICE_OUTPUT,
    PRICE_CACHE_READ,
    PRICE_CACHE_WRITE,
    PRICE_COUNT,
    PRICE_ABOVE = PRICE_COUNT,
    PRICE_LONG,
    PRICE_LIST = PRICE_LONG + PRICE_COUNT
};
/* The rates that hold for a request with a prompt of so many tokens: for all of it, not for the excess alone. */
const int64_t *price_rates(const int64_t *price, int64_t prompt);
/* Pico-dollars, from pico-dollars per token (-1: unpriced; a NULL list: nothing is). -1: not known, or not priced. */
int64_t usage_cost_pico(const struct usage *usage, const int64_t *price);
/* A count that a provider says; where it says none, what is there stays. */
void usage_take_count(struct slice object, const char *name, int64_t *into);
/* A count for a dialect that knows no -1. */
static inline int64_t usage_count(int64_t count)
{
    return count > 0 ? count : 0;
}
/* For counts whose input includes what was cached. A provider's nonsense (more cached than there was) is cut, never negative. */
void usage_make_disjoint(struct usage *usage);
/* All tokens of it. */
int64_t usage_total(const struct usage *usage);
/* The provider's own total is ours, or it gave none. */
bool usage_adds_up(const struct usage *usage);
#endif
