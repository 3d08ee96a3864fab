/* pools.h -- what belongs to a model name and its targets as a whole: the turn counter, and how many more attempts may be spent on targets in trouble.
 *
 * Shared by all workers and found by name, so that a reload goes on where it was. Bounded; names beyond the limit share one record. Any
 * thread; lock-free once a pool was found.
 * Spare attempts: each request brings a sixth of one, each retry on a target that just failed, each hedge and each fallback to a target that is not
 * well takes one; at most SPARE_MAX are saved up. So an outage costs its providers at most 1.17 attempts a request, and a few failures none
 * (field/reliability: 0.1 to 0.2 is what others use).
 * Hedges, which also take a spare attempt each: a request brings a fiftieth of one, at most HEDGES_MAX are saved up, so no more than 2 % of a model's
 * requests are asked twice on purpose.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_POOLS_H
#define SHARED_POOLS_H
#include "base/bytes.h"
#include <stdatomic.h>

/* Lengths of answers: four buckets to an octave, up to 2^24 tokens. */
enum { OUTPUT_OCTAVES = 24, OUTPUT_FINE = 4, OUTPUT_BUCKETS = OUTPUT_OCTAVES * OUTPUT_FINE };
enum { SPARE_UNIT = 6, SPARE_MAX = 100, HEDGE_UNIT = 50, HEDGES_MAX = 10, OUTPUT_LOOK = 16 };

struct pool {
    atomic_uint_fast64_t turn;
    atomic_int_fast64_t spare;  /* in SPARE_UNITs of an attempt */
    atomic_int_fast64_t hedges; /* in HEDGE_UNITs of a hedge */
    atomic_int_fast64_t output_p95;
    atomic_uint answers;
    _Atomic uint16_t outputs[OUTPUT_BUCKETS];
};

struct pools;
MUST_USE struct pools *pools_new(size_t limit);
void pools_free(struct pools *pools);
/* Lives as long as the table. */
struct pool *pools_find(struct pools *pools, struct slice name);

void pool_request(struct pool *pool);         /* a request has come */
bool pool_has_spare(const struct pool *pool); /* may one more attempt be spent? */
void pool_spend(struct pool *pool);           /* one was: may go below zero by as many as decided at the same moment */
bool pool_has_hedge(const struct pool *pool); /* may one more be begun? */
void pool_hedge(struct pool *pool);           /* one was; likewise */
/* An answer of so many tokens was given. */
void pool_answered(struct pool *pool, int64_t tokens);
/* As long as all but one of twenty answers of late, at most a quarter over; -1: fewer than OUTPUT_LOOK were counted. */
int64_t pool_output_p95(const struct pool *pool);
#endif
