/* schedule.c -- see schedule.h.
 * SPDX-License-Identifier: MIT */
#include "routing/schedule.h"
#include "base/clock.h"
#include "base/random.h"

#define FIRST_WITHIN_US (2 * US_PER_S)

void schedule_begin(struct schedule *schedule, int64_t every_us, int64_t retry_us, uint64_t seed, int64_t now_us)
{
    int64_t within = every_us < FIRST_WITHIN_US ? every_us : FIRST_WITHIN_US;
    *schedule = (struct schedule){.every_us = every_us, .retry_us = retry_us, .random = seed};
    schedule->due_us = now_us + (int64_t)((double)within * random_share(&schedule->random));
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
    schedule->due_us = asked_us + (int64_t)((double)span * (0.8 + 0.4 * random_share(&schedule->random)));
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
