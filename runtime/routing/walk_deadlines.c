/* walk_deadlines.c -- which deadline of a walk is due, and what it ends. See walk.h for the rules.
 * SPDX-License-Identifier: MIT */
#include "routing/walk_private.h"

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

/* A provider acts only on a whole request: one that was not sent to its end cannot have been carried out. */
static enum sent sent_of(enum attempt_state state)
{
    return state < ATTEMPT_SENT ? SENT_NOT : state == ATTEMPT_STREAMING ? SENT_CONTENT : SENT_UNCERTAIN;
}

static struct failure make_timeout(const struct walk *walk, const struct walk_attempt *attempt, enum deadline deadline)
{
    struct failure failure = failure_make(FAILURE_TIMEOUT, slice_of(deadline_message(deadline)));
    failure.deadline = deadline;
    if (attempt != NULL) {
        failure.phase = phase_of(attempt->state, walk->settings.stream);
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

int64_t walk_earliest_due(const struct walk *walk)
{
    int64_t due = earlier(earlier(walk->total_due_us, walk->retry_due_us), walk->ping_due_us);
    enum deadline ignored;
    for (unsigned i = 0; i < walk->attempt_count; i++)
        if (is_running(&walk->attempts[i]))
            due = earlier(due, earlier(attempt_due(&walk->attempts[i], &ignored), walk->attempts[i].hedge_due_us));
    return due;
}

void walk_total_passed(struct walk *walk, int64_t now_us)
{
    unsigned furthest = NO_ATTEMPT;
    for (unsigned i = 0; i < walk->attempt_count; i++)
        if (is_running(&walk->attempts[i]) && (furthest == NO_ATTEMPT || walk->attempts[i].state > walk->attempts[furthest].state))
            furthest = i;
    struct failure failure = make_timeout(walk, furthest == NO_ATTEMPT ? NULL : &walk->attempts[furthest], DEADLINE_TOTAL);
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        if (is_running(&walk->attempts[i])) {
            walk->attempts[i].failure = make_timeout(walk, &walk->attempts[i], DEADLINE_TOTAL);
            walk_end_attempt(walk, i, ATTEMPT_FAILED, now_us);
            walk_push(walk, ACTION_CANCEL, i);
        }
    }
    walk->exhausted = true;
    walk_fail(walk, furthest == NO_ATTEMPT ? walk->last_failed : furthest, &failure, now_us);
}

void walk_time_has_come(struct walk *walk, int64_t now_us)
{
    walk->wake_us = NEVER;
    if (now_us >= walk->total_due_us) {
        (walk->stage == STAGE_LEFT ? walk_stop : walk_total_passed)(walk, now_us);
        return;
    }
    for (unsigned i = 0; i < walk->attempt_count && walk->stage != STAGE_OVER; i++) {
        struct walk_attempt *attempt = &walk->attempts[i];
        enum deadline deadline;
        if (is_running(attempt) && attempt_due(attempt, &deadline) <= now_us) {
            struct failure failure = make_timeout(walk, attempt, deadline);
            walk_push(walk, ACTION_CANCEL, i);
            walk_attempt_failed(walk, i, &failure, false, now_us);
        }
    }
    for (unsigned i = 0; i < walk->attempt_count && walk->stage == STAGE_RUNNING; i++) {
        struct walk_attempt *attempt = &walk->attempts[i];
        if (is_running(attempt) && attempt->hedge_due_us <= now_us) {
            attempt->hedge_due_us = NEVER;
            walk_start_hedge(walk, now_us);
        }
    }
    if (walk->stage == STAGE_RUNNING && walk->retry_due_us <= now_us)
        walk_start(walk, walk->attempts[walk->retry_of].step, false, false, now_us);
    if (walk->stage == STAGE_COMMITTED && walk->ping_due_us <= now_us) {
        walk->ping_due_us = after(now_us, walk->settings.ping_us);
        walk_push(walk, ACTION_PING, NO_ATTEMPT);
    }
}

bool walk_is_due(const struct walk *walk, unsigned attempt, int64_t now_us)
{
    enum deadline ignored;
    return is_running(&walk->attempts[attempt]) && earlier(walk->total_due_us, attempt_due(&walk->attempts[attempt], &ignored)) <= now_us;
}
