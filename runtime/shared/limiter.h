/* limiter.h -- rate limits: requests, tokens and slots, charged all or none, found by name, shared by all workers.
 *
 * One record per (limit, subject), "limit:pro/alice", holds all its meters, so that a charge is usually one lock; the shards of
 * several limits are locked in one order, then everything is checked, then everything taken. So a refusal has nothing to give back. A reservation is settled exactly once: tokens corrected to the real usage, slots given back.
 *   window  at most `count` in any window_us: a ring of 64 slots, of which the oldest counts whole: never more than `count`, up to 1.6 % less.
 *   bucket  where `burst` is given: up to `burst` at once, refilled by `count` per window_us; a single window may see more than `count`.
 *   slots   at most `count` at a time.
 * A record survives a reload, and so does each meter whose unit and window are unchanged; a changed `count` applies from the
 * next charge on. Records that hold nothing and were not used for an hour are evicted and counted; a full table evicts
 * the one that was used longest ago. No call reads a clock: `now_us` is monotonic.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_LIMITER_H
#define SHARED_LIMITER_H
#include "shared/limit_rule.h"

enum {
    LIMITS_MAX = 8, /* charged together */
    LIMIT_FULL_NAME_MAX = 512,
};

/* A rule, and the record that is charged. Both are borrowed during the call only. */
struct limit_ask {
    struct slice name; /* "limit:pro/alice" */
    const struct limit_rule *rule;
};

struct limit_verdict {
    bool refused;
    unsigned ask;           /* refused: index of the ask that takes longest to be possible */
    enum limit_unit unit;   /* and the unit of the meter that refused */
    int64_t count;          /* its count (a bucket's burst) */
    int64_t window_us;      /* 0: slots */
    int64_t retry_after_us; /* from now; -1: never, the request is larger than the limit */
    struct limit_facts facts[LIMIT_UNITS];
};

struct limit_record;

struct limit_hold {
    struct limit_record *record;
    unsigned meter_count;
    uint8_t meters[LIMIT_METERS_MAX]; /* which of the record's */
    int64_t slots[LIMIT_METERS_MAX];  /* where it was booked */
};

/* What one request took. Zeroed: nothing. */
struct reservation {
    int64_t tokens; /* reserved */
    unsigned count; /* of holds; 0: nothing, or settled */
    struct limit_hold holds[LIMITS_MAX];
};

struct limiter;

MUST_USE struct limiter *limiter_new(size_t limit /* records */);
void limiter_free(struct limiter *limiter);

/* The name of the record: "limit:", the rule's name, and what it is per. It is cut off at the buffer's limit; names that are equal up to there share a record. */
void limit_write_name(struct buffer *out, const struct limit_rule *rule, struct slice user, struct slice model);
/* The message for the client. */
void limit_write_refusal(struct buffer *out, const struct limit_rule *rule, const struct limit_verdict *verdict);

/* Charges one request, `tokens` tokens and one slot to each of them, or nothing at all: false. A record named twice is charged once.
 * `reservation` is empty before; NULL: only look. `verdict` is filled in both cases. `count` at most LIMITS_MAX. */
MUST_USE bool limiter_charge(struct limiter *limiter, const struct limit_ask *asks, unsigned count, int64_t tokens, int64_t now_us,
                             struct reservation *reservation, struct limit_verdict *verdict);
/* The request used `tokens` (-1: unknown; what was reserved is charged). Slots are given back. A second call does nothing. */
void limiter_settle(struct limiter *limiter, struct reservation *reservation, int64_t tokens, int64_t now_us);
/* The request was never sent: everything is given back, also the count of the request. A second call does nothing. */
void limiter_cancel(struct limiter *limiter, struct reservation *reservation, int64_t now_us);

/* Evicts records that hold nothing and were not used for an hour; each charge does a little of it too. */
void limiter_evict(struct limiter *limiter, int64_t now_us);
uint64_t limiter_evictions(struct limiter *limiter);
size_t limiter_count(struct limiter *limiter);     /* records */
const char *limit_unit_name(enum limit_unit unit); /* "requests" "tokens" "concurrent" */
#endif
