/* walk_decide.c -- what a walk may start: the next step, the same target again, a hedge. See walk.h for the rules.
 * SPDX-License-Identifier: MIT */
#include "base/random.h"
#include "routing/walk_private.h"

static bool is_dead(const struct walk *walk, unsigned target)
{
    for (unsigned i = 0; i < walk->attempt_count; i++)
        if (walk->attempts[i].state == ATTEMPT_FAILED && walk->attempts[i].target == target)
            return true;
    return false;
}

static bool is_in_flight(const struct walk *walk, unsigned target)
{
    for (unsigned i = 0; i < walk->attempt_count; i++)
        if (is_running(&walk->attempts[i]) && walk->attempts[i].target == target)
            return true;
    return false;
}

/* Attempts that ended badly and may have been done and billed all the same. */
static unsigned count_uncertain(const struct walk *walk)
{
    unsigned count = 0;
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        const struct walk_attempt *attempt = &walk->attempts[i];
        count += attempt->state == ATTEMPT_FAILED && attempt->failure.sent >= SENT_UNCERTAIN;
    }
    return count;
}

static bool is_used_up(const struct walk *walk)
{
    return walk->attempt_count >= walk->settings.attempts || count_uncertain(walk) > (walk->settings.replay_uncertain ? 1u : 0u);
}

static bool may_start(const struct walk *walk, int64_t now_us)
{
    return now_us < walk->total_due_us && !is_used_up(walk);
}

unsigned walk_next_startable(const struct walk *walk)
{
    unsigned step = walk->next_step;
    while (step < walk->plan.count && (is_dead(walk, walk->plan.steps[step].target) || is_in_flight(walk, walk->plan.steps[step].target)))
        step++;
    return step;
}

void walk_start(struct walk *walk, unsigned index, bool hedge, bool fresh, int64_t now_us)
{
    const struct step *step = &walk->plan.steps[index];
    const struct walk_settings *settings = &walk->settings;
    unsigned number = walk->attempt_count++;
    struct walk_attempt *attempt = &walk->attempts[number];
    *attempt = (struct walk_attempt){
        .target = step->target, .step = index, .state = ATTEMPT_CONNECTING, .began_us = now_us, .hedge = hedge, .fresh = fresh};
    attempt->phase_due_us = after(now_us, settings->connect_us);
    attempt->content_due_us = NEVER;
    if (settings->stream)
        attempt->content_due_us = after(now_us, step->first_token_us > 0 ? step->first_token_us : settings->first_token_us);
    attempt->timeout_due_us = after(now_us, step->timeout_us);
    attempt->hedge_due_us = settings->hedge && settings->replay_uncertain ? after(now_us, step->hedge_after_us) : NEVER;
    walk->in_flight++;
    walk->stage = STAGE_RUNNING;
    walk->retry_due_us = NEVER;
    walk->next_step = index + 1; /* also for a retry: the steps that a hedge began behind it have failed by then */
    walk_push(walk, ACTION_START, number);
}

void walk_start_hedge(struct walk *walk, int64_t now_us)
{
    unsigned step = walk_next_startable(walk);
    if (walk->settings.hedge && !walk->settings.frugal && walk->in_flight == 1 && step < walk->plan.count && may_start(walk, now_us) &&
        count_uncertain(walk) == 0)
        walk_start(walk, step, true, false, now_us);
}

/* ---------------------------------------------------------------- what follows a failure */

static int64_t back_off(struct walk *walk, unsigned tries)
{
    int64_t most = walk->settings.backoff_base_us;
    for (unsigned i = 0; i < tries && most < walk->settings.backoff_max_us; i++)
        most *= 2;
    most = earlier(most, walk->settings.backoff_max_us);
    return most > 0 ? (int64_t)(random_next(&walk->random) % ((uint64_t)most + 1)) : 0;
}

unsigned walk_count_tries(const struct walk *walk, unsigned step, bool fresh)
{
    unsigned count = 0;
    for (unsigned i = walk->plan_began; i < walk->attempt_count; i++)
        count += walk->attempts[i].step == step && walk->attempts[i].fresh == fresh;
    return count;
}

/* The provider closed the pooled connection before it saw the request, or may have. */
static bool is_left_connection(const struct failure *failure, bool reused)
{
    return reused && failure->kind == FAILURE_UNAVAILABLE && failure->status == 0 &&
           (failure->sent == SENT_NOT || failure->sent == SENT_UNCERTAIN);
}

static bool try_same_target(struct walk *walk, unsigned number, bool reused, int64_t now_us)
{
    const struct walk_attempt *attempt = &walk->attempts[number];
    const struct failure *failure = &attempt->failure;
    if (is_left_connection(failure, reused) && walk_count_tries(walk, attempt->step, true) == 0) {
        if (failure->sent == SENT_UNCERTAIN && walk_has_other(walk))
            return false; /* there is one replay at most, and another target need not fail for the same cause */
        walk_start(walk, attempt->step, false, true, now_us);
        return true;
    }
    if (failure->other_key) { /* bounded by the attempt budget */
        walk_start(walk, attempt->step, false, false, now_us);
        return true;
    }
    unsigned tries = walk_count_tries(walk, attempt->step, false);
    if (walk->settings.frugal || (failure_row(failure->kind)->follows & FAILURE_RETRY) == 0 ||
        tries > walk->plan.steps[attempt->step].retries || failure->retry_after_us > walk->settings.retry_after_max_us)
        return false;
    int64_t delay = back_off(walk, tries - 1);
    if (delay < failure->retry_after_us)
        delay = failure->retry_after_us;
    if (delay >= walk->total_due_us - now_us)
        return false;
    if (delay == 0) {
        walk_start(walk, attempt->step, false, false, now_us);
    } else {
        walk->retry_of = number;
        walk->retry_due_us = now_us + delay;
    }
    return true;
}

void walk_decide(struct walk *walk, unsigned number, bool reused, int64_t now_us)
{
    if (!may_start(walk, now_us)) {
        walk->exhausted = true;
        walk_fail(walk, number, &walk->attempts[number].failure, now_us);
    } else if (!try_same_target(walk, number, reused, now_us)) {
        walk->stage = STAGE_ASKING;
        walk_push(walk, ACTION_ASK, number);
    }
}

/* ---------------------------------------------------------------- questions from outside */

void walk_rest(const struct walk *walk, struct plan *rest)
{
    rest->count = 0;
    for (unsigned i = walk->next_step; i < walk->plan.count; i++)
        if (!is_dead(walk, walk->plan.steps[i].target))
            rest->steps[rest->count++] = walk->plan.steps[i];
}

bool walk_may_start(const struct walk *walk)
{
    return walk->stage != STAGE_OVER && walk->stage != STAGE_COMMITTED && !is_used_up(walk);
}

bool walk_has_other(const struct walk *walk)
{
    return walk->settings.fallback && walk_next_startable(walk) < walk->plan.count;
}

bool walk_is_exhausted(const struct walk *walk)
{
    return walk->exhausted || is_used_up(walk);
}
