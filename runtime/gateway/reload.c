/* reload.c -- see reload.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/reload.h"
#include "gateway/answer.h"
#include "gateway/life.h"
#include "gateway/record.h"
#include "gateway/walker.h"
#include "gateway/worker.h"
#include <stdlib.h>

struct reload {
    struct request *waiters;
    pthread_mutex_t lock; /* guards the verdict, which the process writes */
    struct verdict verdict;
};

struct reload *reload_new(void)
{
    struct reload *reload = xcalloc(1, sizeof *reload);
    pthread_mutex_init(&reload->lock, NULL);
    return reload;
}

void reload_free(struct reload *reload)
{
    pthread_mutex_destroy(&reload->lock);
    free(reload);
}

/* The reload runs on the process's thread; the request is answered when its verdict comes (reload_deliver). */
void reload_page(struct request *request)
{
    struct worker *worker = request->worker;
    if (atomic_load(&worker->gateway->draining)) {
        struct failure failure = failure_make(FAILURE_DRAINING, LIT("The gateway is stopping."));
        request_refuse(request, &failure);
        return;
    }
    request->waits_for_reload = true;
    request->next = worker->reload->waiters;
    worker->reload->waiters = request;
    request->reload_ticket = gateway_ask_reload(worker->gateway);
}

static void answer_reload(struct request *request, const struct verdict *verdict)
{
    if (verdict->ok) {
        struct slice body = arena_printf(&request->arena, "{\"ok\":true,\"generation\":%u}", verdict->generation);
        answer_json(request, 200, body);
    } else {
        struct failure failure = failure_make(FAILURE_BAD_PARAMETER, slice_of(verdict->text));
        failure.code = LIT("reload_refused");
        request_refuse(request, &failure);
    }
    request->over = true;
    request->ended_us = loop_now_us(request->worker->loop);
    request_record(request, SLICE_NONE);
    request_release(request);
}

static void deliver(struct worker *worker, const struct verdict *verdict)
{
    struct request *waiting = worker->reload->waiters;
    worker->reload->waiters = NULL;
    while (waiting != NULL) {
        struct request *next = waiting->next;
        if (waiting->reload_ticket <= verdict->upto) {
            answer_reload(waiting, verdict);
        } else {
            waiting->next = worker->reload->waiters;
            worker->reload->waiters = waiting;
        }
        waiting = next;
    }
}

void reload_deliver(struct worker *worker)
{
    pthread_mutex_lock(&worker->reload->lock);
    struct verdict verdict = worker->reload->verdict;
    pthread_mutex_unlock(&worker->reload->lock);
    deliver(worker, &verdict);
}

void reload_deliver_last(struct worker *worker)
{
    static const struct verdict stopping = {.upto = UINT64_MAX, .text = "the gateway is stopping"};
    deliver(worker, &stopping);
}

void reload_post(struct worker *worker, const struct verdict *verdict)
{
    pthread_mutex_lock(&worker->reload->lock);
    worker->reload->verdict = *verdict;
    pthread_mutex_unlock(&worker->reload->lock);
    worker_wake(worker);
}
