/* meter.h -- the state of one meter: a sliding window, a bucket, or slots. Private to the limiter, under its lock.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_METER_H
#define SHARED_METER_H
#include "shared/limit_rule.h"

/* Slots of a window, with the current one; the other 63 cover the whole window. */
enum { METER_SLOTS = 64 };

struct meter_slot {
    int64_t number; /* since the clock's beginning */
    int64_t amount;
};

struct meter {
    enum limit_unit unit;
    unsigned open;            /* reservations that hold some of it */
    int64_t window_us;        /* 0: slots */
    int64_t count, burst;     /* of the rule at the last charge; burst 0: no bucket */
    int64_t used;             /* window: the sum of its slots; slots: held now */
    int64_t full_ns;          /* bucket: the moment at which it is full again */
    struct meter_slot *slots; /* window: only those in which something was taken, oldest first, a ring */
    uint8_t first, length, room;
};

void meter_init(struct meter *meter, const struct meter_rule *rule);
void meter_fini(struct meter *meter);
/* Is it the meter of this rule: the same unit, window and kind? The count may differ. */
bool meter_keeps(const struct meter *meter, const struct meter_rule *rule);
/* Takes over the rule's count and burst. What is missing from a bucket stays missing, and is refilled at the new rate. */
void meter_follow(struct meter *meter, const struct meter_rule *rule, int64_t now_us);
/* How long until `amount` may be taken: 0 now, -1 never. */
int64_t meter_wait_us(struct meter *meter, int64_t amount, int64_t now_us);
/* Takes it without a check -> the slot it was booked in. */
int64_t meter_take(struct meter *meter, int64_t amount, int64_t now_us);
/* Corrects `taken`, booked in `slot`, to `real`. */
void meter_true_up(struct meter *meter, int64_t slot, int64_t taken, int64_t real, int64_t now_us);
struct limit_facts meter_facts(struct meter *meter, int64_t now_us);
/* It holds nothing, so it may be dropped. */
bool meter_is_idle(struct meter *meter, int64_t now_us);
#endif
