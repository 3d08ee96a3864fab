/* limiter.h -- who may use how much: requests, tokens and slots, charged all or none, found by name, shared by all workers.
 *
 * One record per (limit, subject), "limit:pro/alice", holds all its meters, so that a charge is usually one lock; the shards of
 * several limits are locked in one order, everything is checked, everything taken, unlocked. Nothing is given back after a refusal,
 * since nothing was taken. A reservation is settled exactly once: tokens trued up to the real usage, slots given back.
 *   window  at most `count` in any window_us: a sliding ring of 64 slots whose oldest counts whole. Never more, up to 1.6 % less.
 *   bucket  where `burst` is given: as many at once, refilled by `count` per window_us; promises nothing per window.
 *   slots   at most `count` at a time.
 * A record is the same after a reload, and each of its meters as well as long as unit and window are; a changed `count` holds from
 * the next charge on. Records that hold nothing any more and were not named for an hour are evicted and counted; a full table gives
 * up the one that was named longest ago. No call reads a clock: `now_us` is monotonic.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_LIMITER_H
#define SHARED_LIMITER_H
#include "shared/limit_rule.h"

enum {
    LIMITS_MAX = 8, /* charged together */
    LIMIT_FULL_NAME_MAX = 512,
};

/* A rule and who is charged. Both are borrowed during the call only. */
struct limit_ask {
    struct slice name; /* "limit:pro/alice" */
    const struct limit_rule *rule;
};

struct limit_verdict {
    bool refused;
    unsigned ask;           /* refused: which of them (the one to wait longest for) */
    enum limit_unit unit;   /* and which promise of it */
    int64_t count;          /* its count (a bucket's burst) */
    int64_t window_us;      /* 0: slots */
    int64_t retry_after_us; /* from now; -1: never, it asks for more than there can be */
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

/* The name of the record: "limit:", the rule's name, and what it is per. What passes the buffer's limit is cut off: such names share. */
void limit_write_name(struct buffer *out, const struct limit_rule *rule, struct slice user, struct slice model);
/* What the caller is told. */
void limit_write_refusal(struct buffer *out, const struct limit_rule *rule, const struct limit_verdict *verdict);

/* Charges one request, `tokens` tokens and one slot to each of them, or nothing at all: false. A record named twice is charged once.
 * `reservation` is empty before; NULL: only look. `verdict` is filled in both cases. `count` at most LIMITS_MAX. */
MUST_USE bool limiter_charge(struct limiter *limiter, const struct limit_ask *asks, unsigned count, int64_t tokens, int64_t now_us,
                             struct reservation *reservation, struct limit_verdict *verdict);
/* It was `tokens` in truth (-1: unknown, what was reserved stands). Slots are given back. Again does nothing. */
void limiter_settle(struct limiter *limiter, struct reservation *reservation, int64_t tokens, int64_t now_us);
/* It was never sent: all of it is given back, the request too. Again does nothing. */
void limiter_cancel(struct limiter *limiter, struct reservation *reservation, int64_t now_us);

/* Records that hold nothing and were not named for an hour; charges do a little of it by themselves. */
void limiter_evict(struct limiter *limiter, int64_t now_us);
uint64_t limiter_evictions(struct limiter *limiter);
size_t limiter_count(struct limiter *limiter);     /* records */
const char *limit_unit_name(enum limit_unit unit); /* "requests" "tokens" "concurrent" */
#endif
