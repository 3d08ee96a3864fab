/* meter.h -- one promise being kept: a sliding window, a bucket, or slots. Private to the limiter, under its lock.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_METER_H
#define SHARED_METER_H
#include "shared/limit_rule.h"

/* A window remembers that many slots, the one of now among them: the others cover the whole window. */
enum { METER_SLOTS = 64 };

struct meter_slot {
    int64_t number; /* since the clock's beginning */
    int64_t amount;
};

struct meter {
    enum limit_unit unit;
    unsigned open;            /* reservations that hold some of it */
    int64_t window_us;        /* 0: slots */
    int64_t count, burst;     /* as the last charge said; burst 0: no bucket */
    int64_t used;             /* window: the sum of its slots; slots: held now */
    int64_t full_ns;          /* bucket: the moment at which it is full again */
    struct meter_slot *slots; /* window: only those in which something was taken, oldest first, a ring */
    uint8_t first, length, room;
};

void meter_init(struct meter *meter, const struct meter_rule *rule);
void meter_fini(struct meter *meter);
/* Does it keep this promise, whatever its count? */
bool meter_keeps(const struct meter *meter, const struct meter_rule *rule);
/* From now on it is this much. What is missing from a bucket stays, and comes back at the new rate. */
void meter_follow(struct meter *meter, const struct meter_rule *rule, int64_t now_us);
/* How long until `amount` fits: 0 now, -1 never. */
int64_t meter_wait_us(struct meter *meter, int64_t amount, int64_t now_us);
/* Takes it, fitting or not -> where it was booked. */
int64_t meter_take(struct meter *meter, int64_t amount, int64_t now_us);
/* `taken` at `slot` was `real` in truth. */
void meter_true_up(struct meter *meter, int64_t slot, int64_t taken, int64_t real, int64_t now_us);
struct limit_facts meter_facts(struct meter *meter, int64_t now_us);
/* Nothing would be lost with it. */
bool meter_is_idle(struct meter *meter, int64_t now_us);
#endif
