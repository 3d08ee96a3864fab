/* stops.c -- see stops.h.
 * SPDX-License-Identifier: MIT */
#include "routing/stops.h"
#include "base/clock.h"

static const int64_t slot_us = 10 * US_PER_S, minute_us = STOPS_SLOTS * 10 * US_PER_S, off_us = 60 * US_PER_S;

/* The slot of the current ten seconds. */
static unsigned slot_of(struct stops *stops, int64_t now_us)
{
    unsigned slot = (unsigned)(now_us / slot_us % STOPS_SLOTS);
    if (now_us - stops->slots[slot].began_us >= slot_us) {
        stops->slots[slot].began_us = now_us / slot_us * slot_us;
        stops->slots[slot].calls = 0;
        stops->slots[slot].stopped = 0;
    }
    return slot;
}

void stops_called(struct stops *stops, int64_t now_us)
{
    stops->slots[slot_of(stops, now_us)].calls++;
}

static void note_user(struct stops *stops, uint64_t user, int64_t now_us)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < stops->user_count; i++) {
        if (stops->users[i].user == user) {
            stops->users[i].at_us = now_us;
            return;
        }
        if (stops->users[i].at_us < stops->users[oldest].at_us)
            oldest = i;
    }
    unsigned place = stops->user_count < STOPS_USERS ? stops->user_count++ : oldest;
    stops->users[place].user = user;
    stops->users[place].at_us = now_us;
}

static unsigned count_users(const struct stops *stops, int64_t now_us)
{
    unsigned count = 0;
    for (unsigned i = 0; i < stops->user_count; i++)
        count += now_us - stops->users[i].at_us < minute_us;
    return count;
}

static bool is_too_often(const struct stops *stops, unsigned known, int64_t now_us)
{
    uint64_t calls = 0, stopped = 0;
    for (unsigned i = 0; i < STOPS_SLOTS; i++)
        if (now_us - stops->slots[i].began_us < minute_us) {
            calls += stops->slots[i].calls;
            stopped += stops->slots[i].stopped;
        }
    if (known < STOPS_USERS)
        return stopped >= STOPS_LEAST && 2 * stopped >= calls;
    return count_users(stops, now_us) >= STOPS_USERS && 10 * stopped >= calls;
}

bool stops_add(struct stops *stops, uint64_t user, unsigned known, int64_t now_us)
{
    stops->slots[slot_of(stops, now_us)].stopped++;
    note_user(stops, user, now_us);
    if (stops_off_us(stops, now_us) > 0 || !is_too_often(stops, known, now_us))
        return false;
    *stops = (struct stops){.off_until_us = now_us + off_us};
    return true;
}

/* Several keys may belong to one user. A linear search, which happens only when a function was stopped. */
static uint64_t number_of(struct slice id, const struct user *users, unsigned user_count)
{
    for (unsigned i = 0; i < user_count; i++)
        if (slice_equals(users[i].id, id))
            return i + 1;
    return 0;
}

bool stops_add_user(struct stops *stops, const struct user *user, const struct user *users, unsigned user_count, int64_t now_us)
{
    unsigned known = 0;
    for (unsigned i = 0; i < user_count && known < STOPS_USERS; i++)
        known += number_of(users[i].id, users, i) == 0; /* none of those before it */
    return stops_add(stops, user == NULL ? 0 : number_of(user->id, users, user_count), known, now_us);
}

int64_t stops_off_us(const struct stops *stops, int64_t now_us)
{
    return stops->off_until_us > now_us ? stops->off_until_us - now_us : 0;
}
