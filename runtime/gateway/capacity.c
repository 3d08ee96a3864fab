/* capacity.c -- see capacity.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/capacity.h"
#include "gateway/worker.h"

struct held_capacity {
    const struct target *target;
    struct reservation reservation;
};

static bool charge(const struct request *request, const struct target *target, struct reservation *reservation, int64_t *wait_us)
{
    struct limit_verdict verdict;
    if (target->limit_count == 0)
        return true;
    bool fits = limiter_charge(request->worker->gateway->limiter, target->limits, target->limit_count, request_tokens_wanted(request),
                               loop_now_us(request->worker->loop), reservation, &verdict);
    *wait_us = verdict.retry_after_us;
    return fits;
}

bool capacity_has(const struct request *request, const struct target *target, int64_t *wait_us)
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
        return true; /* the request's arena is full: its attempt will fail with that */
    capacity_drop(request);
    request->held->target = target;
    return charge(request, target, &request->held->reservation, &wait_us);
}

void capacity_drop(struct request *request)
{
    if (request->held == NULL || request->held->reservation.count == 0)
        return;
    limiter_cancel(request->worker->gateway->limiter, &request->held->reservation, loop_now_us(request->worker->loop));
    worker_poke_all(request->worker);
}

bool capacity_take(struct request *request, const struct target *target, struct reservation *reservation, struct failure *failure)
{
    int64_t wait_us = -1;
    struct held_capacity *held = request->held;
    if (held != NULL && held->target == target && held->reservation.count > 0) {
        *reservation = held->reservation;
        held->reservation.count = 0;
        return true;
    }
    if (charge(request, target, reservation, &wait_us))
        return true;
    *failure = failure_make(FAILURE_RATE_LIMITED, LIT("the limits that the config sets for this provider leave no room now"));
    failure->sent = SENT_NOT;
    failure->phase = PHASE_CONNECT;
    failure->retry_after_us = wait_us;
    return false;
}

void capacity_give_back(struct worker *worker, struct reservation *reservation, bool was_sent, int64_t tokens)
{
    if (!was_sent)
        limiter_cancel(worker->gateway->limiter, reservation, loop_now_us(worker->loop));
    else
        limiter_settle(worker->gateway->limiter, reservation, tokens, loop_now_us(worker->loop));
    worker_poke_all(worker);
}
