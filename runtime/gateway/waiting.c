/* waiting.c -- see waiting.h. The order is wait_queue.c's; here are the clock, the timer and the wake across workers.
 * SPDX-License-Identifier: MIT */
#include "gateway/waiting.h"
#include "base/hash.h"
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/worker.h"

/* A rate limit that predicts capacity at once and then has none must not make the loop spin. */
static const int64_t PAUSE_US = US_PER_MS;

static struct request *request_of(struct wait_entry *entry)
{
    return container_of(entry, struct request, wait);
}

static void note_time(struct request *request)
{
    request->waited_us = loop_now_us(request->worker->loop) - request->wait.since_us;
}

/* ---------------------------------------------------------------- trying */

/* Tries the requests in order -> in how long there may be capacity for one of the others; -1: not known. */
static int64_t try_all(struct worker *worker)
{
    struct wait_queue *queue = worker->wait_queue;
    struct wait_entry *entry;
    int64_t now_us = loop_now_us(worker->loop), soonest_us = -1;
    wait_queue_round(queue);
    while ((entry = wait_queue_next(queue, now_us)) != NULL) {
        struct request *request = request_of(entry);
        int64_t capacity_in_us = 0;
        request_candidates(request);
        if (request->target_count > 0) {
            note_time(request);
            request_wake_script(request); /* it may be gone now */
        } else {
            capacity_in_us = request->capacity_in_us;
        }
        if (wait_queue_next(queue, now_us) != entry)
            continue;
        wait_queue_block(queue, entry); /* there was no capacity, or another worker took it */
        if (capacity_in_us >= 0 && (soonest_us < 0 || capacity_in_us < soonest_us))
            soonest_us = capacity_in_us;
    }
    return soonest_us;
}

static void end_waits(struct worker *worker)
{
    struct wait_entry *entry;
    while ((entry = wait_queue_expired(worker->wait_queue, loop_now_us(worker->loop))) != NULL) {
        struct request *request = request_of(entry);
        waiting_leave(request);
        request->wait_over = true;
        request_candidates(request);
        request_wake_script(request);
    }
}

static void try_and_arm(struct worker *worker)
{
    int64_t now_us = loop_now_us(worker->loop);
    worker->wait_poked = false;
    int64_t capacity_in_us = try_all(worker);
    end_waits(worker);
    int64_t at_us = wait_queue_deadline_us(worker->wait_queue);
    if (at_us < 0) {
        if (!worker->wait_poked)
            loop_timer_clear(worker->loop, &worker->wait_timer);
        return;
    }
    if (capacity_in_us >= 0 && now_us + capacity_in_us < at_us)
        at_us = now_us + capacity_in_us;
    if (at_us < now_us + PAUSE_US)
        at_us = now_us + PAUSE_US;
    loop_timer_set(worker->loop, &worker->wait_timer, worker->wait_poked ? now_us : at_us);
}

static void on_timer(struct timer *timer)
{
    try_and_arm(container_of(timer, struct worker, wait_timer));
}

/* ---------------------------------------------------------------- coming and leaving */

/* Requests that wait for the same targets share one lane. */
static uint64_t lane_of(const struct request *request)
{
    uint8_t key[16] = {0};
    uint64_t lane = 0;
    for (unsigned i = 0; i < request->unfit_count; i++) {
        if (request->unfits[i].permanent || strcmp(request->unfits[i].reason, "limit") != 0)
            continue;
        memcpy(key, &lane, sizeof lane);
        lane = hash_sip(key, request->unfits[i].target->name);
    }
    return lane;
}

static uint64_t user_of(const struct request *request)
{
    static const uint8_t key[16] = {0};
    return request->user == NULL ? 0 : hash_sip(key, request->user->id);
}

bool request_wait(struct request *request, int64_t wait_us, unsigned priority)
{
    struct worker *worker = request->worker;
    int64_t now_us = loop_now_us(worker->loop);
    if (worker->wait_queue == NULL) {
        worker->wait_queue = wait_queue_new(WAIT_QUEUE_MAX);
        worker->wait_timer.due = on_timer;
    }
    request->wait.user = user_of(request);
    request->wait.lane = lane_of(request);
    request->wait.priority = priority;
    request->wait.since_us = now_us;
    request->wait.until_us = now_us + wait_us;
    if (!wait_queue_add(worker->wait_queue, &request->wait)) {
        request->failure = failure_make(FAILURE_SHEDDING, LIT("too many requests wait for room already"));
        request->failure.retry_after_us = request->capacity_in_us >= 0 ? request->capacity_in_us : US_PER_S;
        return false;
    }
    atomic_fetch_add(&worker->waiting, 1);
    worker_poke_all(worker); /* another worker may have given something back before it could see us */
    return true;
}

static void left(struct request *request)
{
    atomic_fetch_sub(&request->worker->waiting, 1);
    note_time(request);
}

void waiting_served(struct request *request)
{
    if (!wait_queue_holds(&request->wait))
        return;
    wait_queue_serve(request->worker->wait_queue, &request->wait);
    left(request);
}

void waiting_leave(struct request *request)
{
    if (!wait_queue_holds(&request->wait))
        return;
    wait_queue_remove(request->worker->wait_queue, &request->wait);
    left(request);
    worker_poke(request->worker); /* those behind it may need less capacity */
}

/* ---------------------------------------------------------------- capacity */

void waiting_catch_up(struct worker *worker)
{
    if (worker->wait_poked)
        try_and_arm(worker);
}

void waiting_woken(struct worker *worker)
{
    if (atomic_exchange(&worker->wants_poke, false))
        worker_poke(worker);
}
