/* health.h -- how each target is doing, from real traffic: in flight, success, latency, breaker, cool-down.
 *
 * One record per target name ("openai/gpt-4o"), shared by all workers and found by name, so that a reload finds it again. Each record has
 * its own lock; no call blocks beyond it, none reads a clock. A record that no generation held for an hour is evicted and counted.
 * Breaker: open on 5 consecutive failures or >= 50 % of >= 10 in 30 s; open 5 s * 2^k up to 300 s, +-20 % jitter; one half-open
 * probe at a time, 2 successes close, one failure opens again with the next k; slow start for 30 s from 10 %. k begins again only
 * when the slow start was survived. What counts as failure is the FAILURE_HEALTH column; everything else (the client's cancel and
 * 4xx, 429, quota, a refused key) is neutral and only frees the slot. While the breaker is not closed only probes move it.
 * Cool-down, apart from the breaker: RATE_LIMITED by its hint clamped to 1..60 s (5 s without), QUOTA the same (60 s without),
 * AUTH 60 s (the provider accepts none of the keys of its pool), OVERLOADED only when it hints. The later end wins.
 * Down, apart from both: a health check of its provider failed (health_check). The target is not usable then; traffic that is sent there anyway counts as
 * usual. When its checks succeed again it starts slowly, as after a breaker. Health checks are not traffic: they move neither breaker nor measures.
 * A target that was never measured is usable here; the caller, who knows the model's other targets, compares it with them by `samples`. The caller also
 * ensures that at most half of a model's targets are taken out.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_HEALTH_H
#define SHARED_HEALTH_H
#include "base/failure.h"

struct health_table; /* all records */
struct health;       /* one target's record; refcounted */

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct health_settings { /* config `breaker`; a member that is 0 has its default */
    unsigned failures;   /* consecutive, default 5 */
    int64_t open_us;     /* first open time, default 5 s */
};

enum { HEALTH_HISTORY_MAX = 8 };

struct health_change { /* a change of the breaker's state */
    int64_t at_us;
    enum breaker_state state;
};

/* A consistent copy of one record's values, taken under its lock. */
struct health_view {
    unsigned in_flight;
    double success_rate;                    /* of the last 30 s (since the breaker closed), 1.0 when there was no traffic */
    uint64_t successes, failures, requests; /* since the record was made; requests: all that ended, neutral ones too */
    enum breaker_state breaker;
    int64_t opened_us, retry_at_us; /* breaker not closed; else 0 */
    int64_t cooldown_until_us;      /* 0: none */
    unsigned consecutive_failures;
    bool down;                           /* its health check failed */
    bool warming;                        /* slow start after recovery */
    double warm_share;                   /* 0.1 .. 1.0 while warming */
    double first_token_ms, per_token_ms; /* decayed averages; NAN where never measured */
    double p50_ms, p95_ms, p99_ms;       /* duration of whole answers, decayed; NAN where never measured */
    double first_token_p95_ms;           /* streams: what hedge_after = "p95" means for them; NAN where never measured */
    uint64_t samples;                    /* answers measured */
    uint64_t input_tokens, output_tokens;
    int64_t cost_pico; /* of all answers that have a price */
};

/* The few values that choosing among many targets needs; much cheaper than a view. */
struct health_glance {
    unsigned in_flight;
    double first_token_ms, per_token_ms; /* as in a view */
    double whole_ms;                     /* p50_ms of a view, where per_token_ms is unknown; else NAN */
};

struct health_outcome {
    bool ok;
    bool neutral;           /* cancelled by the client or by us: frees the slot, counts for nothing */
    struct failure failure; /* when !ok && !neutral */
    int64_t duration_us;
    int64_t first_token_us;              /* since the attempt began; 0 unknown */
    int64_t input_tokens, output_tokens; /* -1 unknown */
    int64_t cost_pico;                   /* -1 unknown */
};

MUST_USE struct health_table *health_table_new(size_t limit /* records */, uint64_t seed);
void health_table_free(struct health_table *table);
/* Finds or makes the record and takes a reference; a full table evicts the record that was released first. NULL when all are held. `settings` (NULL: the defaults)
 * apply from now on, also to a record that existed: so a reload changes them. */
MUST_USE struct health *health_find(struct health_table *table, struct slice name, const struct health_settings *settings, int64_t now_us);
void health_unref(struct health *health);
/* Evicts records that were not held for an hour. Each look-up does a little of it; the process calls this for the rest, so that it needs no traffic. */
void health_evict(struct health_table *table, int64_t now_us);
uint64_t health_evictions(struct health_table *table);

/* An attempt begins. *probe says whether it is the half-open probe. False: breaker open or cooling down (nothing was taken).
 * A warming target is not refused here: health_is_usable does that, before a plan is made. */
MUST_USE bool health_begin(struct health *health, int64_t now_us, bool *probe);
/* The same without asking the breaker: a last resort. */
void health_begin_anyway(struct health *health, int64_t now_us);
/* The attempt is over: exactly once per begin, with the `probe` that begin gave. */
void health_end(struct health *health, const struct health_outcome *outcome, bool probe, int64_t now_us);
/* The result of its provider's health checks; the same result again changes nothing. From down to up: the slow start begins. */
void health_check(struct health *health, bool up, int64_t now_us);
/* May a request be sent there now? Without side effects. `chance` 0..1 decides the warming share. */
bool health_is_usable(struct health *health, int64_t now_us, double chance,
                      const char **reason /* "breaker" "check" "cooldown" "warming" */);
/* Breaker closed, not down, no cool-down, and no failure since the last success. */
bool health_is_healthy(struct health *health, int64_t now_us);
void health_view(struct health *health, int64_t now_us, struct health_view *view);
void health_glance(struct health *health, struct health_glance *glance);
/* The last changes of the breaker's state, oldest first; returns how many. */
unsigned health_history(struct health *health, int64_t now_us, struct health_change changes[HEALTH_HISTORY_MAX]);
void health_reset(struct health *health, int64_t now_us); /* admin: closes the breaker, ends the cool-down; `down` is kept */
const char *breaker_name(enum breaker_state state);       /* "closed" "open" "half_open" */
#endif
