/* walk.c -- how a plan is walked: retries, hedges, fallback, deadlines and the attempt budget, as one pure state machine.
 *
 * The one idea: every attempt carries its own due times, the walk carries total and back-off, and whatever happens ends in one of
 * four places: start() begins an attempt, decide() says what follows when nothing runs any more, commit() ends the choice, finish()
 * ends the walk. Who is dead and how often a step was tried is read off the attempts themselves; there is no second book.
 * Bytes of a stream only push the idle deadline away: no wake is computed for them. The wake given earlier simply comes early
 * and is answered with a later one. Bytes for the client do the same to its ping.
 * SPDX-License-Identifier: MIT */
#include "routing/walk.h"
#include "base/random.h"

#define NEVER INT64_MAX

_Static_assert(sizeof(struct walk) <= 4096, "a walk lives in every request");
_Static_assert(WALK_ATTEMPTS_MAX < UINT8_MAX, "the queue names attempts in a byte");

enum { NOBODY = UINT8_MAX };

static int64_t after(int64_t now_us, int64_t span_us)
{
    return span_us > 0 && span_us < NEVER - now_us ? now_us + span_us : NEVER;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static bool is_running(const struct walk_attempt *attempt)
{
    return attempt->state >= ATTEMPT_CONNECTING && attempt->state <= ATTEMPT_STREAMING;
}

static void push(struct walk *walk, enum walk_action_kind kind, unsigned attempt)
{
    if (walk->queue_tail >= WALK_QUEUE_MAX) {
        return; /* cannot happen: WALK_QUEUE_MAX bounds what comes before a drain */
    }
    walk->queue[walk->queue_tail].kind = (uint8_t)kind;
    walk->queue[walk->queue_tail].attempt = (uint8_t)attempt;
    walk->queue_tail++;
}

/* --- what may be started ------------------------------------------------------------------------------------- */

static bool is_dead(const struct walk *walk, unsigned target)
{
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (walk->attempts[i].state == ATTEMPT_FAILED && walk->attempts[i].target == target) {
            return true;
        }
    }
    return false;
}

static bool is_in_flight(const struct walk *walk, unsigned target)
{
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (is_running(&walk->attempts[i]) && walk->attempts[i].target == target) {
            return true;
        }
    }
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
    return walk->attempt_count >= walk->limits.attempts || count_uncertain(walk) > (walk->limits.replay_uncertain ? 1u : 0u);
}

static bool may_start(const struct walk *walk, int64_t now_us)
{
    return now_us < walk->total_due_us && !is_used_up(walk);
}

/* The first step not begun whose target neither failed nor runs; plan.count when there is none. */
static unsigned next_startable(const struct walk *walk)
{
    unsigned step = walk->next_step;
    while (step < walk->plan.count && (is_dead(walk, walk->plan.steps[step].target) || is_in_flight(walk, walk->plan.steps[step].target))) {
        step++;
    }
    return step;
}

static void start(struct walk *walk, unsigned index, bool hedge, bool fresh, int64_t now_us)
{
    const struct step *step = &walk->plan.steps[index];
    const struct walk_limits *limits = &walk->limits;
    unsigned number = walk->attempt_count++;
    struct walk_attempt *attempt = &walk->attempts[number];
    *attempt = (struct walk_attempt){
        .target = step->target, .step = index, .state = ATTEMPT_CONNECTING, .began_us = now_us, .hedge = hedge, .fresh = fresh};
    attempt->phase_due_us = after(now_us, limits->connect_us);
    attempt->content_due_us = NEVER;
    if (limits->stream) {
        attempt->content_due_us = after(now_us, step->first_token_us > 0 ? step->first_token_us : limits->first_token_us);
    }
    attempt->timeout_due_us = after(now_us, step->timeout_us);
    attempt->hedge_due_us = limits->hedge && limits->replay_uncertain ? after(now_us, step->hedge_after_us) : NEVER;
    walk->in_flight++;
    walk->stage = STAGE_RUNNING;
    walk->retry_due_us = NEVER;
    walk->next_step = index + 1; /* also for a retry: what a hedge began behind it has failed by then */
    push(walk, ACTION_START, number);
}

/* --- how it ends ----------------------------------------------------------------------------------------------- */

static void end_attempt(struct walk *walk, unsigned number, enum attempt_state state, int64_t now_us)
{
    walk->attempts[number].state = state;
    walk->attempts[number].ended_us = now_us;
    walk->in_flight--;
}

static void cancel_others(struct walk *walk, unsigned winner, int64_t now_us)
{
    for (unsigned i = 0; i < walk->attempt_count && walk->in_flight > 0; i++) {
        if (i != winner && is_running(&walk->attempts[i])) {
            end_attempt(walk, i, ATTEMPT_CANCELLED, now_us);
            push(walk, ACTION_CANCEL, i);
        }
    }
}

static void finish(struct walk *walk, enum walk_action_kind kind, unsigned attempt)
{
    walk->stage = STAGE_OVER;
    push(walk, kind, attempt);
}

/* When every target throttles us the caller may come back when the first of them is free, not the last one asked. */
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

static void fail(struct walk *walk, unsigned number, const struct failure *failure, int64_t now_us)
{
    walk->failure = *failure;
    if (failure->kind == FAILURE_RATE_LIMITED || failure->kind == FAILURE_OVERLOADED) {
        walk->failure.retry_after_us = soonest_hint(walk, now_us);
    }
    finish(walk, ACTION_FAIL, number);
}

/* FAIL with what the last failed attempt said, or with `otherwise` where none failed. */
static void fail_with_last(struct walk *walk, enum failure_kind otherwise, const char *message, int64_t now_us)
{
    struct failure failure = walk->last_failed == NOBODY ? failure_make(otherwise, slice_of(message))
                                                         : walk->attempts[walk->last_failed].failure;
    fail(walk, walk->last_failed, &failure, now_us);
}

/* --- what follows a failure ------------------------------------------------------------------------------------ */

static int64_t back_off(struct walk *walk, unsigned tries)
{
    int64_t most = walk->limits.backoff_base_us;
    for (unsigned i = 0; i < tries && most < walk->limits.backoff_max_us; i++) {
        most *= 2;
    }
    most = earlier(most, walk->limits.backoff_max_us);
    return most > 0 ? (int64_t)(random_next(&walk->random) % ((uint64_t)most + 1)) : 0;
}

/* How often this step was begun already under the plan in force; attempts that only replaced a stale connection count apart. */
static unsigned count_tries(const struct walk *walk, unsigned step, bool fresh)
{
    unsigned count = 0;
    for (unsigned i = walk->plan_began; i < walk->attempt_count; i++) {
        count += walk->attempts[i].step == step && walk->attempts[i].fresh == fresh;
    }
    return count;
}

static bool is_stale(const struct failure *failure, bool reused)
{
    return reused && failure->kind == FAILURE_UNAVAILABLE && failure->status == 0 &&
           (failure->sent == SENT_NOT || failure->sent == SENT_UNCERTAIN);
}

static bool try_same_target(struct walk *walk, unsigned number, bool reused, int64_t now_us)
{
    const struct walk_attempt *attempt = &walk->attempts[number];
    const struct failure *failure = &attempt->failure;
    if (is_stale(failure, reused) && count_tries(walk, attempt->step, true) == 0) {
        if (failure->sent == SENT_UNCERTAIN && walk_has_other(walk))
            return false; /* there is one replay at most: elsewhere it fails for no cause that this one failed for */
        start(walk, attempt->step, false, true, now_us);
        return true;
    }
    if (failure->other_key) { /* bounded by the attempt budget */
        start(walk, attempt->step, false, false, now_us);
        return true;
    }
    unsigned tries = count_tries(walk, attempt->step, false);
    if (walk->limits.frugal || (failure_row(failure->kind)->follows & FAILURE_RETRY) == 0 ||
        tries > walk->plan.steps[attempt->step].retries || failure->retry_after_us > walk->limits.retry_after_max_us) {
        return false;
    }
    int64_t delay = back_off(walk, tries - 1);
    if (delay < failure->retry_after_us) {
        delay = failure->retry_after_us;
    }
    if (delay >= walk->total_due_us - now_us) {
        return false;
    }
    if (delay == 0) {
        start(walk, attempt->step, false, false, now_us);
    } else {
        walk->retry_of = number;
        walk->retry_due_us = now_us + delay;
    }
    return true;
}

/* Nothing runs any more: the same target, another one by the policy's word, or the end. */
static void decide(struct walk *walk, unsigned number, bool reused, int64_t now_us)
{
    if (!may_start(walk, now_us)) {
        walk->exhausted = true;
        fail(walk, number, &walk->attempts[number].failure, now_us);
    } else if (!try_same_target(walk, number, reused, now_us)) {
        walk->stage = STAGE_ASKING;
        push(walk, ACTION_ASK, number);
    }
}

static void attempt_failed(struct walk *walk, unsigned number, const struct failure *failure, bool reused, int64_t now_us)
{
    struct walk_attempt *attempt = &walk->attempts[number];
    attempt->failure = *failure;
    end_attempt(walk, number, ATTEMPT_FAILED, now_us);
    walk->last_failed = number;
    if (walk->stage == STAGE_LEFT) {
        finish(walk, ACTION_OVER, number);
    } else if (walk->stage == STAGE_COMMITTED) {
        attempt->failure.sent = SENT_CONTENT;
        fail(walk, number, &attempt->failure, now_us);
    } else if (walk->in_flight == 0) {
        decide(walk, number, reused, now_us);
    }
}

/* --- deadlines ------------------------------------------------------------------------------------------------- */

static const char *deadline_message(enum deadline deadline)
{
    static const char *const messages[DEADLINE_COUNT] = {
        "timeout of the step passed",  "deadline connect passed", "deadline tls passed",   "deadline headers passed",
        "deadline first_token passed", "deadline idle passed",    "deadline total passed",
    };
    return messages[deadline];
}

static enum phase phase_of(enum attempt_state state, bool stream)
{
    switch (state) {
    case ATTEMPT_CONNECTING:
        return PHASE_CONNECT;
    case ATTEMPT_TLS:
        return PHASE_TLS;
    case ATTEMPT_SENDING:
        return PHASE_SEND;
    case ATTEMPT_SENT:
    case ATTEMPT_REFUSED:
        return PHASE_HEADERS;
    case ATTEMPT_HEADERS:
        return stream ? PHASE_FIRST_TOKEN : PHASE_BODY;
    case ATTEMPT_STREAMING:
        return PHASE_STREAM;
    default:
        return PHASE_NONE;
    }
}

/* The request is read whole or not at all: what was not sent to its end cannot have been done. */
static enum sent sent_of(enum attempt_state state)
{
    return state < ATTEMPT_SENT ? SENT_NOT : state == ATTEMPT_STREAMING ? SENT_CONTENT : SENT_UNCERTAIN;
}

static struct failure make_timeout(const struct walk *walk, const struct walk_attempt *attempt, enum deadline deadline)
{
    struct failure failure = failure_make(FAILURE_TIMEOUT, slice_of(deadline_message(deadline)));
    failure.deadline = deadline;
    if (attempt != NULL) {
        failure.phase = phase_of(attempt->state, walk->limits.stream);
        failure.sent = sent_of(attempt->state);
    }
    return failure;
}

static int64_t attempt_due(const struct walk_attempt *attempt, enum deadline *deadline)
{
    static const enum deadline by_state[] = {
        [ATTEMPT_CONNECTING] = DEADLINE_CONNECT, [ATTEMPT_TLS] = DEADLINE_TLS,      [ATTEMPT_SENDING] = DEADLINE_HEADERS,
        [ATTEMPT_SENT] = DEADLINE_HEADERS,       [ATTEMPT_REFUSED] = DEADLINE_NONE, [ATTEMPT_HEADERS] = DEADLINE_IDLE,
        [ATTEMPT_STREAMING] = DEADLINE_IDLE,
    };
    int64_t due = attempt->phase_due_us;
    *deadline = by_state[attempt->state];
    if (attempt->content_due_us < due) {
        due = attempt->content_due_us;
        *deadline = DEADLINE_FIRST_TOKEN;
    }
    if (attempt->timeout_due_us < due) {
        due = attempt->timeout_due_us;
        *deadline = DEADLINE_NONE;
    }
    return due;
}

static int64_t earliest_due(const struct walk *walk)
{
    int64_t due = earlier(earlier(walk->total_due_us, walk->retry_due_us), walk->ping_due_us);
    enum deadline ignored;
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (is_running(&walk->attempts[i])) {
            due = earlier(due, earlier(attempt_due(&walk->attempts[i], &ignored), walk->attempts[i].hedge_due_us));
        }
    }
    return due;
}

/* Nothing is wanted any more. */
static void stop(struct walk *walk, int64_t now_us)
{
    unsigned left = walk_read_on(walk); /* before it is cancelled */
    cancel_others(walk, WALK_NO_ATTEMPT, now_us);
    finish(walk, ACTION_OVER, left == WALK_NO_ATTEMPT ? NOBODY : left);
}

static void client_left(struct walk *walk, int64_t now_us)
{
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (walk->attempts[i].state != (walk->limits.stream ? ATTEMPT_STREAMING : ATTEMPT_HEADERS)) {
            continue;
        }
        cancel_others(walk, i, now_us);
        walk->stage = STAGE_LEFT;
        walk->ping_due_us = walk->attempts[i].hedge_due_us = NEVER;
        walk->total_due_us = earlier(walk->total_due_us, after(now_us, WALK_LEFT_US));
        return;
    }
    stop(walk, now_us);
}

static void total_passed(struct walk *walk, int64_t now_us)
{
    unsigned furthest = NOBODY;
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (is_running(&walk->attempts[i]) && (furthest == NOBODY || walk->attempts[i].state > walk->attempts[furthest].state)) {
            furthest = i;
        }
    }
    struct failure failure = make_timeout(walk, furthest == NOBODY ? NULL : &walk->attempts[furthest], DEADLINE_TOTAL);
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (is_running(&walk->attempts[i])) {
            walk->attempts[i].failure = make_timeout(walk, &walk->attempts[i], DEADLINE_TOTAL);
            end_attempt(walk, i, ATTEMPT_FAILED, now_us);
            push(walk, ACTION_CANCEL, i);
        }
    }
    walk->exhausted = true;
    fail(walk, furthest == NOBODY ? walk->last_failed : furthest, &failure, now_us);
}

static void start_hedge(struct walk *walk, int64_t now_us)
{
    unsigned step = next_startable(walk);
    if (walk->limits.hedge && !walk->limits.frugal && walk->in_flight == 1 && step < walk->plan.count && may_start(walk, now_us) &&
        count_uncertain(walk) == 0) {
        start(walk, step, true, false, now_us);
    }
}

static void time_has_come(struct walk *walk, int64_t now_us)
{
    walk->wake_us = NEVER;
    if (now_us >= walk->total_due_us) {
        (walk->stage == STAGE_LEFT ? stop : total_passed)(walk, now_us);
        return;
    }
    for (unsigned i = 0; i < walk->attempt_count && walk->stage != STAGE_OVER; i++) {
        struct walk_attempt *attempt = &walk->attempts[i];
        enum deadline deadline;
        if (is_running(attempt) && attempt_due(attempt, &deadline) <= now_us) {
            struct failure failure = make_timeout(walk, attempt, deadline);
            push(walk, ACTION_CANCEL, i);
            attempt_failed(walk, i, &failure, false, now_us);
        }
    }
    for (unsigned i = 0; i < walk->attempt_count && walk->stage == STAGE_RUNNING; i++) {
        struct walk_attempt *attempt = &walk->attempts[i];
        if (is_running(attempt) && attempt->hedge_due_us <= now_us) {
            attempt->hedge_due_us = NEVER;
            start_hedge(walk, now_us);
        }
    }
    if (walk->stage == STAGE_RUNNING && walk->retry_due_us <= now_us) {
        start(walk, walk->attempts[walk->retry_of].step, false, false, now_us);
    }
    if (walk->stage == STAGE_COMMITTED && walk->ping_due_us <= now_us) {
        walk->ping_due_us = after(now_us, walk->limits.ping_us);
        push(walk, ACTION_PING, NOBODY);
    }
}

/* --- events ---------------------------------------------------------------------------------------------------- */

static void commit(struct walk *walk, unsigned number, int64_t now_us)
{
    struct walk_attempt *attempt = &walk->attempts[number];
    if (walk->stage == STAGE_COMMITTED || walk->stage == STAGE_LEFT) {
        return; /* running and committed: this is the winner */
    }
    attempt->state = ATTEMPT_STREAMING;
    attempt->content_us = now_us;
    attempt->content_due_us = attempt->hedge_due_us = NEVER;
    walk->stage = STAGE_COMMITTED;
    walk->ping_due_us = after(now_us, walk->limits.ping_us);
    push(walk, ACTION_COMMIT, number);
    cancel_others(walk, number, now_us);
}

/* Reports may skip states (a pooled connection, an answer before the request was out) but never go back. */
static void advance(struct walk *walk, struct walk_attempt *attempt, enum attempt_state state, int64_t now_us)
{
    if (state <= attempt->state) {
        return;
    }
    if (state == ATTEMPT_TLS) {
        attempt->phase_due_us = after(now_us, walk->limits.tls_us);
    } else if (state == ATTEMPT_REFUSED) {
        attempt->phase_due_us = after(now_us, WALK_REFUSAL_US);
    } else if (state == ATTEMPT_HEADERS) { /* of a stream first_token goes on */
        attempt->phase_due_us = walk->limits.stream ? NEVER : after(now_us, walk->limits.idle_us);
    } else if (attempt->state < ATTEMPT_SENDING) {
        attempt->phase_due_us = after(now_us, walk->limits.headers_us);
    }
    attempt->state = state;
}

static void attempt_done(struct walk *walk, unsigned number, int64_t now_us)
{
    if (walk->limits.stream) {
        commit(walk, number, now_us); /* an answer that ended without any content is still an answer */
    } else {
        walk->attempts[number].content_us = now_us;
    }
    end_attempt(walk, number, ATTEMPT_DONE, now_us);
    cancel_others(walk, number, now_us);
    finish(walk, walk->stage == STAGE_LEFT ? ACTION_OVER : ACTION_ANSWER, number);
}

/* What is no attempt's. */
static bool is_of_the_walk(struct walk *walk, const struct walk_event *event, int64_t now_us)
{
    if (event->kind == WALK_TIME) {
        time_has_come(walk, now_us);
    } else if (event->kind == WALK_STOP) {
        stop(walk, now_us);
    } else if (event->kind == WALK_GONE && walk->stage != STAGE_LEFT) {
        client_left(walk, now_us);
    } else if (event->kind != WALK_GONE) {
        return false;
    }
    walk->dirty = true;
    return true;
}

void walk_event(struct walk *walk, const struct walk_event *event, int64_t now_us)
{
    if (walk->stage == STAGE_OVER) {
        return;
    }
    if (is_of_the_walk(walk, event, now_us)) {
        return;
    }
    if (event->attempt >= walk->attempt_count || !is_running(&walk->attempts[event->attempt])) {
        return; /* late word from an attempt that has ended */
    }
    struct walk_attempt *attempt = &walk->attempts[event->attempt];
    bool is_body = attempt->state == ATTEMPT_HEADERS && !walk->limits.stream;
    if ((attempt->state == ATTEMPT_STREAMING || is_body) && (event->kind == WALK_CHUNK || event->kind == WALK_CONTENT)) {
        attempt->phase_due_us = after(now_us, walk->limits.idle_us);
        if (event->wrote) {
            walk->ping_due_us = after(now_us, walk->limits.ping_us);
        }
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
        if (walk->limits.stream) {
            attempt->phase_due_us = after(now_us, walk->limits.idle_us);
            commit(walk, event->attempt, now_us);
        }
        break;
    case WALK_DONE:
        attempt_done(walk, event->attempt, now_us);
        break;
    case WALK_FAILED:
        attempt_failed(walk, event->attempt, &event->failure, event->reused, now_us);
        break;
    default: /* a chunk: before content first_token rules */
        break;
    }
}

/* --- the door ---------------------------------------------------------------------------------------------------- */

void walk_begin(struct walk *walk, const struct walk_limits *limits, int64_t now_us)
{
    walk->limits = *limits;
    if (walk->limits.attempts < 1) {
        walk->limits.attempts = 1;
    } else if (walk->limits.attempts > WALK_ATTEMPTS_MAX) {
        walk->limits.attempts = WALK_ATTEMPTS_MAX;
    }
    walk->plan.count = 0;
    walk->attempt_count = walk->next_step = 0;
    walk->stage = STAGE_NEW;
    walk->in_flight = walk->plan_began = walk->retry_of = 0;
    walk->last_failed = NOBODY;
    walk->dirty = true;
    walk->exhausted = false;
    walk->began_us = now_us;
    walk->total_due_us = after(now_us, limits->total_us);
    walk->retry_due_us = walk->ping_due_us = walk->wake_us = NEVER;
    walk->random = limits->seed;
    walk->failure = failure_make(FAILURE_NONE, SLICE_NONE);
    walk->queue_head = walk->queue_tail = 0;
}

void walk_plan(struct walk *walk, const struct plan *plan, int64_t now_us)
{
    if (walk->stage != STAGE_NEW && walk->stage != STAGE_ASKING) {
        return;
    }
    walk->dirty = true;
    if (now_us >= walk->total_due_us) {
        total_passed(walk, now_us);
        return;
    }
    walk->plan.count = plan->count < PLAN_STEPS_MAX ? plan->count : PLAN_STEPS_MAX;
    memcpy(walk->plan.steps, plan->steps, walk->plan.count * sizeof(plan->steps[0]));
    walk->next_step = 0;
    walk->plan_began = walk->attempt_count;
    unsigned step = next_startable(walk);
    if (step < walk->plan.count) {
        start(walk, step, false, false, now_us); /* ASK was given because this is allowed */
    } else {
        fail_with_last(walk, FAILURE_POLICY_BAD_PLAN, "the plan is empty", now_us);
    }
}

void walk_give_up(struct walk *walk, int64_t now_us)
{
    if (walk->stage == STAGE_NEW || walk->stage == STAGE_ASKING) {
        fail_with_last(walk, FAILURE_NO_TARGET, "nothing was tried", now_us);
    }
}

bool walk_next(struct walk *walk, struct walk_action *action)
{
    if (walk->queue_head == walk->queue_tail) {
        walk->queue_head = walk->queue_tail = 0; /* pings go on for as long as the provider is silent */
        if (!walk->dirty || walk->stage == STAGE_OVER) {
            return false;
        }
        walk->dirty = false;
        int64_t due = earliest_due(walk);
        if (due >= walk->wake_us) {
            return false;
        }
        walk->wake_us = due;
        *action = (struct walk_action){.kind = ACTION_WAKE, .attempt = WALK_NO_ATTEMPT, .at_us = due};
        return true;
    }
    enum walk_action_kind kind = (enum walk_action_kind)walk->queue[walk->queue_head].kind;
    unsigned number = walk->queue[walk->queue_head].attempt;
    walk->queue_head++;
    *action = (struct walk_action){.kind = kind, .attempt = number == NOBODY ? WALK_NO_ATTEMPT : number};
    if (kind == ACTION_START) {
        action->target = walk->attempts[number].target;
        /* once one connection of the pool was stale its neighbours are suspect too */
        action->fresh = count_tries(walk, walk->attempts[number].step, true) > 0;
    } else if (kind == ACTION_ASK) {
        action->failure = &walk->attempts[number].failure;
    } else if (kind == ACTION_FAIL) {
        action->failure = &walk->failure;
    }
    return true;
}

void walk_rest(const struct walk *walk, struct plan *rest)
{
    rest->count = 0;
    for (unsigned i = walk->next_step; i < walk->plan.count; i++) {
        if (!is_dead(walk, walk->plan.steps[i].target)) {
            rest->steps[rest->count++] = walk->plan.steps[i];
        }
    }
}

bool walk_is_due(const struct walk *walk, unsigned attempt, int64_t now_us)
{
    enum deadline ignored;
    return is_running(&walk->attempts[attempt]) && earlier(walk->total_due_us, attempt_due(&walk->attempts[attempt], &ignored)) <= now_us;
}

bool walk_may_start(const struct walk *walk)
{
    return walk->stage != STAGE_OVER && walk->stage != STAGE_COMMITTED && !is_used_up(walk);
}

bool walk_has_other(const struct walk *walk)
{
    return walk->limits.fallback && next_startable(walk) < walk->plan.count;
}

unsigned walk_read_on(const struct walk *walk)
{
    for (unsigned i = 0; i < walk->attempt_count && walk->stage == STAGE_LEFT; i++) {
        if (is_running(&walk->attempts[i])) {
            return i;
        }
    }
    return WALK_NO_ATTEMPT;
}

bool walk_is_over(const struct walk *walk)
{
    return walk->stage == STAGE_OVER;
}

/* Not only the stage: an answer or a cut after the commit is still a committed one. */
bool walk_is_committed(const struct walk *walk)
{
    if (walk->stage == STAGE_COMMITTED) {
        return true;
    }
    for (unsigned i = 0; i < walk->attempt_count && walk->limits.stream; i++) {
        if (walk->attempts[i].content_us > 0) {
            return true;
        }
    }
    return false;
}

bool walk_is_exhausted(const struct walk *walk)
{
    return walk->exhausted || is_used_up(walk);
}
