/* meter.c -- windows, buckets and slots: the arithmetic of shared/limiter.
 *
 * A window is cut into slots of a 63rd of it and remembers 64: what was taken counts until its whole slot has left, so that no window,
 * wherever it begins, holds more than was promised; for a 63rd of the time it holds less. Only slots in which something was taken are kept.
 * A bucket is one number, the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371, read backwards):
 * to take is to move it into the future, and nothing has to be refilled.
 * Time never runs backwards in here: workers' clocks may lag each other by a turn of the loop.
 * SPDX-License-Identifier: MIT */
#include "shared/meter.h"
#include "base/clock.h"
#include <stdlib.h>

enum { ROOM_MIN = 4, NS_PER_US = 1000 };

#define FAR (INT64_MAX / 4) /* further than any request lives */

static int64_t scale(int64_t amount, int64_t by, int64_t over)
{
    __int128 scaled = (__int128)amount * by / over;
    return scaled < FAR ? (int64_t)scaled : FAR;
}

void meter_init(struct meter *meter, const struct meter_rule *rule)
{
    *meter = (struct meter){.unit = rule->unit, .window_us = rule->window_us, .count = rule->count, .burst = rule->burst};
}

void meter_fini(struct meter *meter)
{
    free(meter->slots);
}

bool meter_keeps(const struct meter *meter, const struct meter_rule *rule)
{
    return meter->unit == rule->unit && meter->window_us == rule->window_us && (meter->burst > 0) == (rule->burst > 0);
}

/* ---------------------------------------------------------------- windows */

static int64_t slot_width(const struct meter *meter)
{
    return (meter->window_us + METER_SLOTS - 2) / (METER_SLOTS - 1);
}

static struct meter_slot *slot_at(const struct meter *meter, unsigned index) /* 0: the oldest */
{
    return &meter->slots[(meter->first + index) & (meter->room - 1u)];
}

/* When a slot no longer counts. */
static int64_t slot_leaves_us(const struct meter *meter, const struct meter_slot *slot)
{
    return (slot->number + METER_SLOTS) * slot_width(meter);
}

/* Drops the slots that are older than the window -> the number of the current slot. */
static int64_t slide(struct meter *meter, int64_t now_us)
{
    int64_t number = now_us / slot_width(meter);
    if (meter->length > 0 && slot_at(meter, meter->length - 1u)->number > number)
        number = slot_at(meter, meter->length - 1u)->number;
    while (meter->length > 0 && slot_at(meter, 0)->number <= number - METER_SLOTS) {
        meter->used -= slot_at(meter, 0)->amount;
        meter->first = (uint8_t)((meter->first + 1u) & (meter->room - 1u));
        meter->length--;
    }
    return number;
}

static void make_room(struct meter *meter)
{
    unsigned room = meter->room == 0 ? ROOM_MIN : 2u * meter->room;
    struct meter_slot *slots = xcalloc(room, sizeof *slots);
    for (unsigned i = 0; i < meter->length; i++)
        slots[i] = *slot_at(meter, i);
    free(meter->slots);
    meter->slots = slots;
    meter->first = 0;
    meter->room = (uint8_t)room;
}

static int64_t window_take(struct meter *meter, int64_t amount, int64_t now_us)
{
    int64_t number = slide(meter, now_us);
    if (meter->length == 0 || slot_at(meter, meter->length - 1u)->number != number) {
        if (meter->length == meter->room) /* at most METER_SLOTS: what is older has left */
            make_room(meter);
        *slot_at(meter, meter->length++) = (struct meter_slot){number, 0};
    }
    if (amount > FAR - meter->used) /* only what was not reserved, and so is not given back */
        amount = FAR - meter->used;
    slot_at(meter, meter->length - 1u)->amount += amount;
    meter->used += amount;
    return number;
}

static void window_give_back(struct meter *meter, int64_t number, int64_t amount, int64_t now_us)
{
    slide(meter, now_us);
    for (unsigned i = meter->length; i-- > 0;) {
        struct meter_slot *slot = slot_at(meter, i);
        if (slot->number > number)
            continue;
        if (slot->number == number) {
            slot->amount -= amount;
            meter->used -= amount;
        }
        return;
    }
}

static int64_t window_wait_us(struct meter *meter, int64_t amount, int64_t now_us)
{
    int64_t number = slide(meter, now_us), over = meter->used + amount - meter->count;
    if (over <= 0)
        return 0;
    for (unsigned i = 0; i < meter->length; i++) {
        over -= slot_at(meter, i)->amount;
        if (over <= 0)
            return slot_leaves_us(meter, slot_at(meter, i)) - now_us;
    }
    return (number + METER_SLOTS) * slot_width(meter) - now_us; /* never reached: the slots sum up to what is used */
}

static struct limit_facts window_facts(struct meter *meter, int64_t now_us)
{
    slide(meter, now_us);
    struct limit_facts facts = {.limit = meter->count, .remaining = meter->count - meter->used, .reset_us = now_us};
    for (unsigned i = meter->length; i-- > 0;) {
        if (slot_at(meter, i)->amount > 0) {
            facts.reset_us = slot_leaves_us(meter, slot_at(meter, i));
            break;
        }
    }
    return facts;
}

/* ---------------------------------------------------------------- buckets */

static int64_t fill_ns(const struct meter *meter, int64_t amount)
{
    return scale(amount, meter->window_us * NS_PER_US, meter->count);
}

static int64_t bucket_full_ns(const struct meter *meter, int64_t now_us)
{
    int64_t now_ns = now_us * NS_PER_US;
    return meter->full_ns > now_ns ? meter->full_ns : now_ns;
}

static void bucket_take(struct meter *meter, int64_t amount, int64_t now_us)
{
    int64_t full_ns = bucket_full_ns(meter, now_us) + fill_ns(meter, amount); /* neither is above FAR and something */
    meter->full_ns = full_ns < FAR ? full_ns : FAR;
}

static void bucket_give_back(struct meter *meter, int64_t amount)
{
    int64_t less_ns = fill_ns(meter, amount);
    meter->full_ns = meter->full_ns > less_ns ? meter->full_ns - less_ns : 0;
}

static int64_t bucket_wait_us(const struct meter *meter, int64_t amount, int64_t now_us)
{
    int64_t early_ns = bucket_full_ns(meter, now_us) + fill_ns(meter, amount) - fill_ns(meter, meter->burst) - now_us * NS_PER_US;
    return early_ns <= 0 ? 0 : (early_ns + NS_PER_US - 1) / NS_PER_US;
}

static struct limit_facts bucket_facts(const struct meter *meter, int64_t now_us)
{
    int64_t full_ns = bucket_full_ns(meter, now_us), left_ns = fill_ns(meter, meter->burst) - (full_ns - now_us * NS_PER_US);
    /* One more nanosecond: what fill_ns rounded down must not take away a whole request. */
    int64_t remaining = left_ns < 0 ? 0 : scale(left_ns + 1, meter->count, meter->window_us * NS_PER_US);
    return (struct limit_facts){
        .limit = meter->burst,
        .remaining = remaining < meter->burst ? remaining : meter->burst,
        .reset_us = (full_ns + NS_PER_US - 1) / NS_PER_US,
    };
}

/* ---------------------------------------------------------------- all three */

void meter_follow(struct meter *meter, const struct meter_rule *rule, int64_t now_us)
{
    if (meter->burst > 0 && meter->count != rule->count) {
        int64_t now_ns = now_us * NS_PER_US, missing_ns = bucket_full_ns(meter, now_us) - now_ns;
        meter->full_ns = now_ns + scale(missing_ns, meter->count, rule->count);
    }
    meter->count = rule->count;
    meter->burst = rule->burst;
}

int64_t meter_wait_us(struct meter *meter, int64_t amount, int64_t now_us)
{
    if (amount == 0)
        return 0; /* also where more was used than there is */
    if (amount > (meter->burst > 0 ? meter->burst : meter->count))
        return -1;
    if (meter->burst > 0)
        return bucket_wait_us(meter, amount, now_us);
    if (meter->window_us > 0)
        return window_wait_us(meter, amount, now_us);
    return meter->used + amount <= meter->count ? 0 : US_PER_S; /* when a slot comes free is not known */
}

int64_t meter_take(struct meter *meter, int64_t amount, int64_t now_us)
{
    if (meter->burst > 0) {
        bucket_take(meter, amount, now_us);
        return 0;
    }
    if (meter->window_us > 0)
        return window_take(meter, amount, now_us);
    meter->used += amount;
    return 0;
}

void meter_true_up(struct meter *meter, int64_t slot, int64_t taken, int64_t real, int64_t now_us)
{
    if (real > taken)
        meter_take(meter, real - taken, now_us); /* used by now, whatever was reserved then */
    else if (meter->burst > 0)
        bucket_give_back(meter, taken - real);
    else if (meter->window_us > 0)
        window_give_back(meter, slot, taken - real, now_us);
    else
        meter->used -= taken - real;
}

struct limit_facts meter_facts(struct meter *meter, int64_t now_us)
{
    struct limit_facts facts;
    if (meter->burst > 0)
        facts = bucket_facts(meter, now_us);
    else if (meter->window_us > 0)
        facts = window_facts(meter, now_us);
    else
        facts = (struct limit_facts){meter->count, meter->count - meter->used, now_us};
    if (facts.remaining < 0)
        facts.remaining = 0;
    return facts;
}

bool meter_is_idle(struct meter *meter, int64_t now_us)
{
    if (meter->open > 0)
        return false;
    if (meter->burst > 0)
        return meter->full_ns <= now_us * NS_PER_US;
    if (meter->window_us > 0)
        slide(meter, now_us);
    return meter->used == 0;
}
