/* schedule.c -- see schedule.h.
 * SPDX-License-Identifier: MIT */
#include "routing/schedule.h"
#include "base/clock.h"

#define FIRST_WITHIN_US (2 * US_PER_S)

/* 0 <= x < 1 */
static double chance(struct schedule *schedule)
{
    uint64_t z = (schedule->random += 0x9e3779b97f4a7c15ULL); /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

void schedule_begin(struct schedule *schedule, int64_t every_us, int64_t retry_us, uint64_t seed, int64_t now_us)
{
    int64_t within = every_us < FIRST_WITHIN_US ? every_us : FIRST_WITHIN_US;
    *schedule = (struct schedule){.every_us = every_us, .retry_us = retry_us, .random = seed};
    schedule->due_us = now_us + (int64_t)((double)within * chance(schedule));
}

void schedule_next(struct schedule *schedule, bool ok, int64_t asked_us)
{
    int64_t span = schedule->every_us;
    schedule->failures = ok ? 0 : schedule->failures + 1;
    if (!ok && schedule->retry_us > 0) {
        int64_t wait = schedule->retry_us;
        for (unsigned i = 1; i < schedule->failures && wait < span; i++)
            wait *= 2;
        span = wait < span ? wait : span;
    }
    schedule->due_us = asked_us + (int64_t)((double)span * (0.8 + 0.4 * chance(schedule)));
}

bool tally_count(struct tally *tally, bool ok)
{
    if (ok != tally->down) { /* as it is already */
        tally->row = 0;
        return false;
    }
    if (++tally->row < (ok ? tally->rise : tally->fall))
        return false;
    tally->row = 0;
    tally->down = !ok;
    return true;
}
