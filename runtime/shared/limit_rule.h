/* limit_rule.h -- a rate limit as the policy wrote it, and how much of it is left: plain structs without pointers.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_LIMIT_RULE_H
#define SHARED_LIMIT_RULE_H
#include "base/bytes.h"

enum limit_unit { LIMIT_REQUESTS, LIMIT_TOKENS, LIMIT_CONCURRENT, LIMIT_UNITS };

enum {
    LIMIT_METERS_MAX = 6, /* of one limit */
    LIMIT_NAME_MAX = 64,  /* "pro" */
    LIMIT_PER_MAX = 4,    /* parts of what it is per */
};
#define LIMIT_COUNT_MAX  (1LL << 50)
#define LIMIT_WINDOW_MIN 1000LL                      /* us */
#define LIMIT_WINDOW_MAX (366 * 86400LL * 1000000LL) /* us */

/* One meter of a limit: at most `count` of a unit in a window, or at a time. */
struct meter_rule {
    enum limit_unit unit;
    int64_t count;     /* 1 .. LIMIT_COUNT_MAX */
    int64_t window_us; /* 0: slots, held until settled */
    int64_t burst;     /* 0: a window; else the size of the bucket */
};

enum limit_per { LIMIT_PER_USER, LIMIT_PER_MODEL };

/* What gateway.limit made. */
struct limit_rule {
    char name[LIMIT_NAME_MAX + 1];
    unsigned per_count; /* 0: one record for all callers */
    enum limit_per per[LIMIT_PER_MAX];
    unsigned meter_count;
    struct meter_rule meters[LIMIT_METERS_MAX];
};

/* How much of a unit is left, by the meter with the least. limit 0: no meter counts this unit. */
struct limit_facts {
    int64_t limit, remaining;
    int64_t reset_us; /* when all of it is available again */
};
#endif
