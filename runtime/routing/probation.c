/* probation.c -- see probation.h.
 * SPDX-License-Identifier: MIT */
#include "routing/probation.h"
#include "base/hash.h"

void probation_begin(struct probation *probation, unsigned known, int64_t now_us)
{
    probation->users_wanted = known < PROBATION_USERS ? 1 : PROBATION_USERS;
    atomic_store(&probation->calls, 0);
    atomic_store(&probation->failures, 0);
    for (unsigned i = 0; i < PROBATION_USERS; i++)
        atomic_store(&probation->users[i], 0);
    atomic_store(&probation->is_lost, false);
    atomic_store(&probation->until_us, now_us + PROBATION_US);
}

bool probation_looks_good(struct probation *probation)
{
    return 2 * atomic_load(&probation->failures) < atomic_load(&probation->calls);
}

/* Read with every request, most of which come long after its end. */
static bool is_over(const struct probation *probation, int64_t now_us)
{
    return now_us >= atomic_load_explicit(&probation->until_us, memory_order_relaxed);
}

unsigned probation_user_count(struct probation *probation)
{
    unsigned count = 0;
    for (unsigned i = 0; i < PROBATION_USERS; i++)
        count += atomic_load(&probation->users[i]) != 0;
    return count;
}

/* True, once: with so many calls it is lost. */
static bool judge(struct probation *probation, unsigned calls)
{
    return calls >= PROBATION_CALLS && 2 * atomic_load(&probation->failures) >= calls &&
           probation_user_count(probation) >= probation->users_wanted && !atomic_exchange(&probation->is_lost, true);
}

bool probation_call(struct probation *probation, int64_t now_us)
{
    return !is_over(probation, now_us) && judge(probation, atomic_fetch_add(&probation->calls, 1));
}

static void add_user(struct probation *probation, struct slice user)
{
    static const uint8_t key[16] = {0};
    uint64_t hash = hash_sip(key, user) | 1;
    for (unsigned i = 0; i < PROBATION_USERS; i++) {
        uint_fast64_t held = 0;
        if (atomic_compare_exchange_strong(&probation->users[i], &held, hash) || held == hash)
            return;
    }
}

bool probation_failure(struct probation *probation, struct slice user, int64_t now_us)
{
    if (is_over(probation, now_us))
        return false;
    add_user(probation, user);
    atomic_fetch_add(&probation->failures, 1);
    return judge(probation, atomic_load(&probation->calls));
}

bool probation_is_lost(struct probation *probation)
{
    judge(probation, atomic_load(&probation->calls));
    return atomic_load(&probation->is_lost);
}
