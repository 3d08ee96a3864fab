/* model_stats.h -- counters of a model name: its turn in round robin, how many extra attempts it may still spend, and how long its answers
 * are.
 *
 * Shared by all workers and found by name, so that a reload goes on where it was. Bounded; names beyond the limit share one record. Any
 * thread; lock-free once a record was found.
 * Spare attempts: each request adds a sixth of one; each retry on a target that just failed, each hedge and each fallback to a target that is not
 * healthy takes one; at most SPARE_MAX are saved up. So an outage costs its providers at most 1.17 attempts a request, and a few failures cost none
 * (other proxies use 0.1 to 0.2).
 * Each hedge also takes a hedge from a second account: each request adds a fiftieth of one, at most HEDGES_MAX are saved up, so at most 2 % of a model's
 * requests are sent twice on purpose.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_MODEL_STATS_H
#define SHARED_MODEL_STATS_H
#include "base/bytes.h"
#include <stdatomic.h>

/* Lengths of answers: four buckets to an octave, up to 2^24 tokens. */
enum { OUTPUT_OCTAVES = 24, OUTPUT_FINE = 4, OUTPUT_BUCKETS = OUTPUT_OCTAVES * OUTPUT_FINE };
enum { SPARE_UNIT = 6, SPARE_MAX = 100, HEDGE_UNIT = 50, HEDGES_MAX = 10, OUTPUT_LOOK = 16 };

struct model_stats {
    atomic_uint_fast64_t turn;
    atomic_int_fast64_t spare;  /* in SPARE_UNITs of an attempt */
    atomic_int_fast64_t hedges; /* in HEDGE_UNITs of a hedge */
    atomic_int_fast64_t output_p95;
    atomic_uint answers;
    _Atomic uint16_t outputs[OUTPUT_BUCKETS];
};

struct model_stats_table;
MUST_USE struct model_stats_table *model_stats_new(size_t limit);
void model_stats_free(struct model_stats_table *table);
/* Lives as long as the table. */
struct model_stats *model_stats_find(struct model_stats_table *table, struct slice name);

void model_asked(struct model_stats *stats);           /* a request has come */
bool model_has_spare(const struct model_stats *stats); /* may one more attempt be spent? */
void model_spend(struct model_stats *stats); /* one was spent; workers that decide at the same moment may take the account below zero */
bool model_has_hedge(const struct model_stats *stats); /* may one more be begun? */
void model_hedge(struct model_stats *stats);           /* one was; likewise */
/* An answer of so many tokens was given. */
void model_answered(struct model_stats *stats, int64_t tokens);
/* The 95th percentile of recent answers in tokens, at most a quarter too high; -1: fewer than OUTPUT_LOOK were counted. */
int64_t model_output_p95(const struct model_stats *stats);
#endif
