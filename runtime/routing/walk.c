/* walk.c -- how a plan is carried out: the events and ends of attempts, and what the outside calls.
 *
 * Every attempt carries its own due times, the walk those of total and back-off. Every event ends in one of four functions: walk_start()
 * begins an attempt, walk_decide() says what follows when none runs any more, commit() chooses the winner, finish() ends the walk. Which targets
 * failed, and how often a step was tried, is computed from the attempts; it is not stored a second time.
 * Bytes of a stream only push the idle deadline away: no wake is computed for them. The wake given earlier simply comes early
 * and is answered with a later one. Bytes for the client do the same to its ping.
 * SPDX-License-Identifier: MIT */
#include "routing/walk_private.h"

_Static_assert(sizeof(struct walk) <= 4096, "a walk lives in every request");
_Static_assert(WALK_ATTEMPTS_MAX < UINT8_MAX, "the queue names attempts in a byte");

void walk_push(struct walk *walk, enum walk_action_kind kind, unsigned attempt)
{
    if (walk->queue_tail >= WALK_QUEUE_MAX)
        return; /* cannot happen: WALK_QUEUE_MAX bounds what comes before a drain */
    walk->queue[walk->queue_tail].kind = (uint8_t)kind;
    walk->queue[walk->queue_tail].attempt = (uint8_t)attempt;
    walk->queue_tail++;
}

/* ---------------------------------------------------------------- how it ends */

void walk_end_attempt(struct walk *walk, unsigned number, enum attempt_state state, int64_t now_us)
{
    walk->attempts[number].state = state;
    walk->attempts[number].ended_us = now_us;
    walk->in_flight--;
}

static void cancel_others(struct walk *walk, unsigned winner, int64_t now_us)
{
    for (unsigned i = 0; i < walk->attempt_count && walk->in_flight > 0; i++) {
        if (i != winner && is_running(&walk->attempts[i])) {
            walk_end_attempt(walk, i, ATTEMPT_CANCELLED, now_us);
            walk_push(walk, ACTION_CANCEL, i);
        }
    }
}

static void finish(struct walk *walk, enum walk_action_kind kind, unsigned attempt)
{
    walk->stage = STAGE_OVER;
    walk_push(walk, kind, attempt);
}

/* When every target throttles us, the caller may come back as soon as the first of them is free, which need not be the last one asked. */
static int64_t soonest_hint(const struct walk *walk, int64_t now_us)
{
    int64_t soonest = NEVER;
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        const struct walk_attempt *attempt = &walk->attempts[i];
        if (attempt->state == ATTEMPT_FAILED && attempt->failure.retry_after_us >= 0) {
            int64_t left = attempt->failure.retry_after_us - (now_us - attempt->ended_us);
            soonest = earlier(soonest, left > 0 ? left : 0);
        }
    }
    return soonest == NEVER ? -1 : soonest;
}

void walk_fail(struct walk *walk, unsigned number, const struct failure *failure, int64_t now_us)
{
    walk->failure = *failure;
    if (failure->kind == FAILURE_RATE_LIMITED || failure->kind == FAILURE_OVERLOADED)
        walk->failure.retry_after_us = soonest_hint(walk, now_us);
    finish(walk, ACTION_FAIL, number);
}

/* FAIL with the failure of the last failed attempt, or with `otherwise` where none failed. */
static void fail_with_last(struct walk *walk, enum failure_kind otherwise, const char *message, int64_t now_us)
{
    struct failure failure = walk->last_failed == NO_ATTEMPT ? failure_make(otherwise, slice_of(message))
                                                             : walk->attempts[walk->last_failed].failure;
    walk_fail(walk, walk->last_failed, &failure, now_us);
}

void walk_attempt_failed(struct walk *walk, unsigned number, const struct failure *failure, bool reused, int64_t now_us)
{
    struct walk_attempt *attempt = &walk->attempts[number];
    attempt->failure = *failure;
    walk_end_attempt(walk, number, ATTEMPT_FAILED, now_us);
    walk->last_failed = number;
    if (walk->stage == STAGE_LEFT) {
        finish(walk, ACTION_OVER, number);
    } else if (walk->stage == STAGE_COMMITTED) {
        attempt->failure.sent = SENT_CONTENT;
        walk_fail(walk, number, &attempt->failure, now_us);
    } else if (walk->in_flight == 0) {
        walk_decide(walk, number, reused, now_us);
    }
}

void walk_stop(struct walk *walk, int64_t now_us)
{
    unsigned left = walk_read_on(walk); /* before it is cancelled */
    cancel_others(walk, WALK_NO_ATTEMPT, now_us);
    finish(walk, ACTION_OVER, left == WALK_NO_ATTEMPT ? NO_ATTEMPT : left);
}

static void client_left(struct walk *walk, int64_t now_us)
{
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (walk->attempts[i].state != (walk->settings.stream ? ATTEMPT_STREAMING : ATTEMPT_HEADERS))
            continue;
        cancel_others(walk, i, now_us);
        walk->stage = STAGE_LEFT;
        walk->ping_due_us = walk->attempts[i].hedge_due_us = NEVER;
        walk->total_due_us = earlier(walk->total_due_us, after(now_us, WALK_LEFT_US));
        return;
    }
    walk_stop(walk, now_us);
}

/* ---------------------------------------------------------------- events */

static void commit(struct walk *walk, unsigned number, int64_t now_us)
{
    struct walk_attempt *attempt = &walk->attempts[number];
    if (walk->stage == STAGE_COMMITTED || walk->stage == STAGE_LEFT)
        return; /* running and committed: this is the winner */
    attempt->state = ATTEMPT_STREAMING;
    attempt->content_us = now_us;
    attempt->content_due_us = attempt->hedge_due_us = NEVER;
    walk->stage = STAGE_COMMITTED;
    walk->ping_due_us = after(now_us, walk->settings.ping_us);
    walk_push(walk, ACTION_COMMIT, number);
    cancel_others(walk, number, now_us);
}

/* Reports may skip states (a pooled connection, an answer before the request was out) but never go back. */
static void advance(struct walk *walk, struct walk_attempt *attempt, enum attempt_state state, int64_t now_us)
{
    if (state <= attempt->state)
        return;
    if (state == ATTEMPT_TLS)
        attempt->phase_due_us = after(now_us, walk->settings.tls_us);
    else if (state == ATTEMPT_REFUSED)
        attempt->phase_due_us = after(now_us, WALK_REFUSAL_US);
    else if (state == ATTEMPT_HEADERS) /* of a stream first_token goes on */
        attempt->phase_due_us = walk->settings.stream ? NEVER : after(now_us, walk->settings.idle_us);
    else if (attempt->state < ATTEMPT_SENDING)
        attempt->phase_due_us = after(now_us, walk->settings.headers_us);
    attempt->state = state;
}

static void attempt_done(struct walk *walk, unsigned number, int64_t now_us)
{
    if (walk->settings.stream)
        commit(walk, number, now_us); /* an answer that ended without any content is still an answer */
    else
        walk->attempts[number].content_us = now_us;
    walk_end_attempt(walk, number, ATTEMPT_DONE, now_us);
    cancel_others(walk, number, now_us);
    finish(walk, walk->stage == STAGE_LEFT ? ACTION_OVER : ACTION_ANSWER, number);
}

/* Events that belong to no attempt. */
static bool is_of_the_walk(struct walk *walk, const struct walk_event *event, int64_t now_us)
{
    if (event->kind == WALK_TIME)
        walk_time_has_come(walk, now_us);
    else if (event->kind == WALK_STOP)
        walk_stop(walk, now_us);
    else if (event->kind == WALK_GONE && walk->stage != STAGE_LEFT)
        client_left(walk, now_us);
    else if (event->kind != WALK_GONE)
        return false;
    walk->dirty = true;
    return true;
}

void walk_event(struct walk *walk, const struct walk_event *event, int64_t now_us)
{
    if (walk->stage == STAGE_OVER)
        return;
    if (is_of_the_walk(walk, event, now_us))
        return;
    if (event->attempt >= walk->attempt_count || !is_running(&walk->attempts[event->attempt]))
        return; /* a late event of an attempt that has ended */
    struct walk_attempt *attempt = &walk->attempts[event->attempt];
    bool is_body = attempt->state == ATTEMPT_HEADERS && !walk->settings.stream;
    if ((attempt->state == ATTEMPT_STREAMING || is_body) && (event->kind == WALK_CHUNK || event->kind == WALK_CONTENT)) {
        attempt->phase_due_us = after(now_us, walk->settings.idle_us);
        if (event->wrote)
            walk->ping_due_us = after(now_us, walk->settings.ping_us);
        return; /* later than before: the wake given covers it */
    }
    walk->dirty = true;
    switch (event->kind) {
    case WALK_CONNECTED:
        advance(walk, attempt, ATTEMPT_TLS, now_us);
        break;
    case WALK_READY:
        advance(walk, attempt, ATTEMPT_SENDING, now_us);
        break;
    case WALK_SENT:
        advance(walk, attempt, ATTEMPT_SENT, now_us);
        break;
    case WALK_HEADERS:
        advance(walk, attempt, ATTEMPT_HEADERS, now_us);
        break;
    case WALK_REFUSED:
        advance(walk, attempt, ATTEMPT_REFUSED, now_us);
        break;
    case WALK_CONTENT:
        if (walk->settings.stream) {
            attempt->phase_due_us = after(now_us, walk->settings.idle_us);
            commit(walk, event->attempt, now_us);
        }
        break;
    case WALK_DONE:
        attempt_done(walk, event->attempt, now_us);
        break;
    case WALK_FAILED:
        walk_attempt_failed(walk, event->attempt, &event->failure, event->reused, now_us);
        break;
    default: /* a chunk: before content the first_token deadline applies */
        break;
    }
}

/* ---------------------------------------------------------------- calls from outside */

void walk_begin(struct walk *walk, const struct walk_settings *settings, int64_t now_us)
{
    walk->settings = *settings;
    if (walk->settings.attempts < 1)
        walk->settings.attempts = 1;
    else if (walk->settings.attempts > WALK_ATTEMPTS_MAX)
        walk->settings.attempts = WALK_ATTEMPTS_MAX;
    walk->plan.count = 0;
    walk->attempt_count = walk->next_step = 0;
    walk->stage = STAGE_NEW;
    walk->in_flight = walk->plan_began = walk->retry_of = 0;
    walk->last_failed = NO_ATTEMPT;
    walk->dirty = true;
    walk->exhausted = false;
    walk->began_us = now_us;
    walk->total_due_us = after(now_us, settings->total_us);
    walk->retry_due_us = walk->ping_due_us = walk->wake_us = NEVER;
    walk->random = settings->seed;
    walk->failure = failure_make(FAILURE_NONE, SLICE_NONE);
    walk->queue_head = walk->queue_tail = 0;
}

void walk_plan(struct walk *walk, const struct plan *plan, int64_t now_us)
{
    if (walk->stage != STAGE_NEW && walk->stage != STAGE_ASKING)
        return;
    walk->dirty = true;
    if (now_us >= walk->total_due_us) {
        walk_total_passed(walk, now_us);
        return;
    }
    walk->plan.count = plan->count < PLAN_STEPS_MAX ? plan->count : PLAN_STEPS_MAX;
    memcpy(walk->plan.steps, plan->steps, walk->plan.count * sizeof(plan->steps[0]));
    walk->next_step = 0;
    walk->plan_began = walk->attempt_count;
    unsigned step = walk_next_startable(walk);
    if (step < walk->plan.count)
        walk_start(walk, step, false, false, now_us); /* ASK was given because this is allowed */
    else
        fail_with_last(walk, FAILURE_POLICY_BAD_PLAN, "the plan is empty", now_us);
}

void walk_give_up(struct walk *walk, int64_t now_us)
{
    if (walk->stage == STAGE_NEW || walk->stage == STAGE_ASKING)
        fail_with_last(walk, FAILURE_NO_TARGET, "nothing was tried", now_us);
}

bool walk_next(struct walk *walk, struct walk_action *action)
{
    if (walk->queue_head == walk->queue_tail) {
        walk->queue_head = walk->queue_tail = 0; /* pings go on for as long as the provider is silent */
        if (!walk->dirty || walk->stage == STAGE_OVER)
            return false;
        walk->dirty = false;
        int64_t due = walk_earliest_due(walk);
        if (due >= walk->wake_us)
            return false;
        walk->wake_us = due;
        *action = (struct walk_action){.kind = ACTION_WAKE, .attempt = WALK_NO_ATTEMPT, .at_us = due};
        return true;
    }
    enum walk_action_kind kind = (enum walk_action_kind)walk->queue[walk->queue_head].kind;
    unsigned number = walk->queue[walk->queue_head].attempt;
    walk->queue_head++;
    *action = (struct walk_action){.kind = kind, .attempt = number == NO_ATTEMPT ? WALK_NO_ATTEMPT : number};
    if (kind == ACTION_START) {
        action->target = walk->attempts[number].target;
        /* one connection of the pool was stale, so the others are suspect too */
        action->fresh = walk_count_tries(walk, walk->attempts[number].step, true) > 0;
    } else if (kind == ACTION_ASK) {
        action->failure = &walk->attempts[number].failure;
    } else if (kind == ACTION_FAIL) {
        action->failure = &walk->failure;
    }
    return true;
}

unsigned walk_read_on(const struct walk *walk)
{
    for (unsigned i = 0; i < walk->attempt_count && walk->stage == STAGE_LEFT; i++)
        if (is_running(&walk->attempts[i]))
            return i;
    return WALK_NO_ATTEMPT;
}

bool walk_is_over(const struct walk *walk)
{
    return walk->stage == STAGE_OVER;
}

/* Not only the stage: an answer or a cut after the commit is still a committed one. */
bool walk_is_committed(const struct walk *walk)
{
    if (walk->stage == STAGE_COMMITTED)
        return true;
    for (unsigned i = 0; i < walk->attempt_count && walk->settings.stream; i++)
        if (walk->attempts[i].content_us > 0)
            return true;
    return false;
}
