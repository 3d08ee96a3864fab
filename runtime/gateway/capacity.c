/* capacity.c -- see capacity.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/capacity.h"
#include "gateway/attempt.h"
#include "gateway/limits.h"
#include "gateway/routes.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"

struct held_room {
    const struct target *target;
    struct reservation reservation;
};

static bool charge(const struct request *request, const struct target *target, struct reservation *reservation, int64_t *wait_us)
{
    struct limit_verdict verdict;
    if (target->limit_count == 0)
        return true;
    bool fits = limiter_charge(request->worker->gateway->limiter, target->limits, target->limit_count, limits_tokens_wanted(request),
                               loop_now_us(request->worker->loop), reservation, &verdict);
    *wait_us = verdict.retry_after_us;
    return fits;
}

bool capacity_has_room(const struct request *request, const struct target *target, int64_t *wait_us)
{
    return charge(request, target, NULL, wait_us);
}

bool capacity_hold(struct request *request, const struct target *target)
{
    int64_t wait_us;
    if (target->limit_count == 0)
        return true;
    if (request->held == NULL)
        request->held = arena_zalloc(&request->arena, sizeof *request->held);
    if (request->held == NULL)
        return true; /* the request's memory is used up: its attempt will say so */
    capacity_drop(request);
    request->held->target = target;
    return charge(request, target, &request->held->reservation, &wait_us);
}

void capacity_drop(struct request *request)
{
    if (request->held == NULL || request->held->reservation.count == 0)
        return;
    limiter_cancel(request->worker->gateway->limiter, &request->held->reservation, loop_now_us(request->worker->loop));
    waiting_poke(request->worker);
}

bool capacity_take(struct attempt *attempt, struct failure *failure)
{
    int64_t wait_us = -1;
    struct held_room *held = attempt->request->held;
    if (held != NULL && held->target == attempt->target && held->reservation.count > 0) {
        attempt->capacity = held->reservation;
        held->reservation.count = 0;
        return true;
    }
    if (charge(attempt->request, attempt->target, &attempt->capacity, &wait_us))
        return true;
    *failure = failure_make(FAILURE_RATE_LIMITED, LIT("the limits that the config sets for this provider leave no room now"));
    failure->sent = SENT_NOT;
    failure->phase = PHASE_CONNECT;
    failure->retry_after_us = wait_us;
    return false;
}

/* A request is read whole or not at all. */
static bool was_sent(const struct attempt *attempt)
{
    return attempt->sent_us > 0 || attempt->status > 0;
}

/* -1: nobody can say, what was reserved stands. */
static int64_t tokens_used(const struct attempt *attempt)
{
    if (route_wire(attempt->request->route)->operation == OPERATION_COUNT)
        return 0; /* nobody bills a count */
    struct usage usage = attempt_billed(attempt, attempt->capacity.tokens);
    if (usage.known && (attempt->usage.known || attempt->content || attempt->left))
        return usage_total(&usage);
    bool refused = attempt->failed && (attempt->failure.sent == SENT_NOT || attempt->failure.sent == SENT_REFUSED);
    return refused ? 0 : -1;
}

void capacity_give_back(struct attempt *attempt)
{
    struct limiter *limiter = attempt->request->worker->gateway->limiter;
    int64_t now_us = loop_now_us(attempt->request->worker->loop);
    if (attempt->capacity.count == 0)
        return;
    if (!was_sent(attempt) || (attempt->failed && attempt->failure.sent == SENT_NOT))
        limiter_cancel(limiter, &attempt->capacity, now_us);
    else
        limiter_settle(limiter, &attempt->capacity, tokens_used(attempt), now_us);
    waiting_poke(attempt->request->worker);
}
