/* life.c -- see life.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/life.h"
#include "base/hash.h"
#include "gateway/attempt.h"
#include "gateway/record.h"
#include "gateway/worker.h"
#include <stdlib.h>

/* ---------------------------------------------------------------- birth and death */

static bool is_id_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '.' || byte == '_' ||
           byte == '-';
}

/* The caller's id is a label only: echoed and logged when it cannot do harm. */
static struct slice clean_id(struct slice id)
{
    if (id.len == 0 || id.len > REQUEST_ID_MAX)
        return SLICE_NONE;
    for (size_t i = 0; i < id.len; i++)
        if (!is_id_byte(id.ptr[i]))
            return SLICE_NONE;
    return id;
}

/* W3C Trace Context: "00-" 32 hex "-" 16 hex "-" 2 hex. The caller's trace goes on, else our id begins one. */
static struct slice trace_of(struct request *request)
{
    struct slice given = request->exchange == NULL ? SLICE_NONE : exchange_header(request->exchange, "traceparent");
    uint8_t bytes[16];
    if (given.len == 55 && memcmp(given.ptr, "00-", 3) == 0 && given.ptr[35] == '-' &&
        hash_from_hex((struct slice){given.ptr + 3, 32}, bytes, sizeof bytes))
        return (struct slice){given.ptr + 3, 32};
    return (struct slice){request->id, 32};
}

struct request *request_new(struct worker *worker, struct exchange *exchange, const struct route *route)
{
    struct request *request = worker->free_request_count > 0 ? worker->free_requests[--worker->free_request_count]
                                                             : xmalloc(sizeof *request);
    memset(request, 0, sizeof *request);
    request->worker = worker;
    request->exchange = exchange;
    request->route = route;
    request->local = worker_generation(worker);
    request->config = request->local->generation->config;
    request->policy_label = request->local->policy_label;
    request->local->in_flight++;
    arena_init(&request->arena, &worker->arena_cache, REQUEST_ARENA_MAX);
    request->holds.arena = &request->arena;
    buffer_init_counted(&request->out, ANSWER_BODY_MAX, worker->gateway->memory);
    request->usage = USAGE_UNKNOWN;
    request->cost_pico = -1;
    request->began_wall_us = loop_wall_us(worker->loop);
    request->began_us = loop_now_us(worker->loop);
    request->step = "identify";
    worker_make_id(worker, request->id);
    if (exchange != NULL) {
        request->body = exchange_body(exchange);
        request->client_request_id = clean_id(exchange_header(exchange, "x-request-id"));
        exchange_set_tag(exchange, request);
    }
    request->trace_id = trace_of(request);
    atomic_fetch_add_explicit(&worker->in_flight, 1, memory_order_relaxed);
    return request;
}

/* The client has its answer: nothing of this request is needed any more. */
static void recycle(void *arg)
{
    struct request *request = arg;
    struct worker *worker = request->worker;
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (request->attempts[i] != NULL)
            attempt_release(request->attempts[i]);
    buffer_free(&request->out);
    arena_free(&request->arena);
    atomic_fetch_sub_explicit(&worker->in_flight, 1, memory_order_relaxed); /* only now: a drain waits for the last byte */
    if (worker->free_request_count < FREE_REQUESTS_MAX)
        worker->free_requests[worker->free_request_count++] = request;
    else
        free(request);
}

/* Attempts hold connections and health slots: those end with the request, not with the client's last byte. */
static void let_go(struct request *request)
{
    struct worker *worker = request->worker;
    struct exchange *exchange = request->exchange;
    loop_timer_clear(worker->loop, &request->timer);
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (request->attempts[i] != NULL)
            attempt_stop(request->attempts[i]);
    config_release(&request->holds);
    worker_generation_release(worker, request->local); /* its config may go with it: nothing below looks there */
    request->local = NULL;
    if (exchange == NULL) {
        recycle(request);
        return;
    }
    exchange_set_tag(exchange, NULL);
    exchange_drop_body(exchange); /* the client may take its time to read */
    exchange_close(exchange, recycle, request);
}

void request_release(struct request *request)
{
    request->released = true;
    if (!request->in_script)
        let_go(request);
}

/* ---------------------------------------------------------------- the script's turns */

/* Runs what is due; the request may be gone afterwards. */
static void run_script(struct request *request, void (*run)(struct script *script, struct request *request))
{
    struct script *script = request->local->script;
    request->in_script = true;
    run(script, request);
    while (request->wants_resume && !request->released) {
        request->wants_resume = false;
        request->worker->gateway->engine->resume(script, request);
    }
    request->in_script = false;
    if (request->released)
        let_go(request);
}

void request_wake_script(struct request *request)
{
    if (request->in_script) {
        request->wants_resume = true;
        return;
    }
    run_script(request, request->worker->gateway->engine->resume);
}

void request_begin(struct request *request)
{
    request_record_start(request);
    run_script(request, request->worker->gateway->engine->begin);
}
