/* health.h -- how each target is doing, from real traffic: in flight, success, latency, breaker, cool-down.
 *
 * One record per target name ("openai/gpt-4o"), shared by all workers and found by name, so that a reload finds it again. Each record has
 * its own lock; no call blocks beyond it, none reads a clock. Records nobody names for an hour are evicted and counted.
 * Breaker and cool-down follow field numbers: open on 5 consecutive failures or >= 50 % of >= 10 in 30 s; open 5 s * 2^k up to 300 s,
 * +-20 % jitter; one half-open probe at a time, 2 successes close; slow start 30 s from 10 %; 429 cools down by its hint clamped
 * to 1..60 s (5 s without), later and longer wins. The client's own cancels and 4xx never count.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_HEALTH_H
#define SHARED_HEALTH_H
#include "base/failure.h"

struct health_table; /* all records */
struct health;       /* one target's record; refcounted */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct health_settings { /* config `breaker` */
    unsigned failures;   /* consecutive, default 5 */
    int64_t open_us;     /* first open time, default 5 s */
};

/* A picture of one record, taken under its lock. */
struct health_view {
    unsigned in_flight;
    double success_rate;              /* of the last 30 s window, 1.0 when there was no traffic */
    uint64_t successes, failures, requests;
    enum breaker_state breaker;
    int64_t opened_us, retry_at_us;   /* breaker not closed */
    int64_t cooldown_until_us;        /* 0: none */
    unsigned consecutive_failures;
    bool warming;                     /* slow start after recovery */
    double warm_share;                /* 0.1 .. 1.0 while warming */
    double first_token_ms, per_token_ms; /* decayed averages; NAN where never measured */
    double p50_ms, p95_ms, p99_ms;    /* duration of whole answers; NAN where never measured */
    uint64_t samples;
    uint64_t input_tokens, output_tokens;
};

struct health_outcome {
    bool ok;
    bool neutral;                 /* cancelled by the client or by us: frees the slot, counts for nothing */
    struct failure failure;       /* when !ok && !neutral */
    int64_t duration_us;
    int64_t first_token_us;       /* since the attempt began; 0 unknown */
    int64_t input_tokens, output_tokens; /* -1 unknown */
};

struct health_table *health_table_new(size_t limit /* records */, uint64_t seed);
void health_table_free(struct health_table *table);
/* Finds or makes the record and takes a reference. NULL when the table is full of records in use. */
struct health *health_find(struct health_table *table, struct slice name, const struct health_settings *settings, int64_t now_us);
void health_unref(struct health *health);
void health_evict(struct health_table *table, int64_t now_us); /* records without references for an hour */
uint64_t health_evictions(const struct health_table *table);

/* An attempt begins. *probe is set when it is the half-open probe. False: breaker open or cooling down (nothing was taken). */
bool health_begin(struct health *health, int64_t now_us, bool *probe);
/* The same without asking the breaker: last resort. */
void health_begin_anyway(struct health *health, int64_t now_us);
/* The attempt is over: exactly once per begin. */
void health_end(struct health *health, const struct health_outcome *outcome, bool probe, int64_t now_us);
/* May a request be sent there now? Without side effects. `chance` 0..1 decides the warming share. */
bool health_is_fit(struct health *health, int64_t now_us, double chance, const char **reason /* "breaker" "cooldown" "warming" */);
void health_view(struct health *health, int64_t now_us, struct health_view *view);
void health_reset(struct health *health, int64_t now_us); /* admin: closed, cool-down over */
const char *breaker_name(enum breaker_state state); /* "closed" "open" "half_open" */
#endif
