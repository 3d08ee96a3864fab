/* service.c -- see service.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/service.h"
#include "base/file.h"
#include "gateway/access.h"
#include "gateway/attempt.h"
#include "gateway/life.h"
#include "gateway/record.h"
#include "gateway/reload.h"
#include "gateway/routes.h"
#include "gateway/waiting.h"
#include "gateway/walker.h"
#include "gateway/worker.h"
#include "shared/bodies.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { CONNECTIONS_MAX = 10000 };

static const int64_t HANDSHAKE_US = 250 * US_PER_MS; /* a round trip to the other side of the world */

struct service {
    size_t body_limit; /* bytes: larger is a 413 */
    unsigned shed;     /* refused for want of memory since the log said so */
    int64_t shed_said_us;
    atomic_bool wants_quiesce, wants_stop;
    atomic_bool quiet; /* quiesced, and no connection can bring a request any more */
};

/* ---------------------------------------------------------------- events of the server */

static bool has_body(const struct exchange *exchange)
{
    return exchange_header(exchange, "content-length").len > 0 || exchange_header(exchange, "transfer-encoding").len > 0;
}

/* Refusals that do not depend on the body come before it is read: pages always; keys for clients that ask first (Expect: 100-continue). For a large
 * body `whose` checks the key; reading a small one costs less than looking up the key twice. */
static int on_head(void *owner, struct exchange *exchange)
{
    struct worker *worker = owner;
    if (!has_body(exchange))
        return 0;
    const struct route *route = route_find(exchange_method(exchange), exchange_path(exchange));
    const struct config *config = worker_generation(worker)->generation->config;
    bool keys = exchange_header(exchange, "expect").len > 0;
    return access_may_send_body(config, route, exchange, keys, loop_wall_us(worker->loop)) ? 0 : HEAD_SUFFICES;
}

/* Health checks are too many to be worth a line each. */
static bool is_logged(const struct route *route)
{
    return route->access != ACCESS_ALL || route->path[0] == '\0';
}

static uint64_t whose(void *owner, struct exchange *exchange)
{
    struct worker *worker = owner;
    const struct route *route = route_find(exchange_method(exchange), exchange_path(exchange));
    return access_share(worker_generation(worker)->generation->config, route, exchange, loop_wall_us(worker->loop));
}

static void serve(struct request *request)
{
    if (!access_check(request))
        request_refuse(request, &request->failure);
    else
        request->route->serve(request);
    if (request->waits_for_reload)
        return;
    request->over = true;
    request->ended_us = loop_now_us(request->worker->loop);
    if (is_logged(request->route))
        request_record(request, SLICE_NONE);
    request_release(request);
}

static void on_request(void *owner, struct exchange *exchange)
{
    struct worker *worker = owner;
    const struct route *route = route_find(exchange_method(exchange), exchange_path(exchange));
    waiting_catch_up(worker);
    struct request *request = request_new(worker, exchange, route);
    if (route->serve != NULL)
        serve(request);
    else
        request_begin(request);
}

static void on_gone(void *owner, struct exchange *exchange)
{
    (void)owner;
    struct request *request = exchange_tag(exchange);
    if (request != NULL)
        request_gone(request);
}

static void on_drained(void *owner, struct exchange *exchange)
{
    (void)owner;
    struct request *request = exchange_tag(exchange);
    if (request != NULL)
        request_drained(request);
}

/* It was refused before it became a request, so it has no log line of its own: one line a second says how many. */
static void note_shed(struct worker *worker)
{
    const struct memory *memory = worker->gateway->memory;
    int64_t now_us = loop_now_us(worker->loop);
    worker->service->shed++;
    if (memory == NULL || now_us < worker->service->shed_said_us + US_PER_S)
        return;
    log_event(worker->gateway->log, LOG_WARN, "shedding", log_number("refused", worker->service->shed),
              log_number("held_mb", (int64_t)(memory_held(memory) >> 20)), log_number("room_mb", (int64_t)(memory->limit >> 20)),
              log_number("bodies_mb", (int64_t)(bodies_held(worker->gateway->bodies) >> 20)));
    worker->service->shed = 0;
    worker->service->shed_said_us = now_us;
}

/* What the server refuses by itself, before there is a request: framing, size, time. */
static void write_refusal(void *owner, const struct refusal *refusal, struct buffer *body, char id[REFUSAL_ID_SIZE])
{
    struct worker *worker = owner;
    int status = refusal->status;
    if (status == 503)
        note_shed(worker);
    worker_make_id(worker, id);
    struct failure failure = failure_make(status == 413   ? FAILURE_TOO_LARGE
                                          : status == 503 ? FAILURE_SHEDDING
                                                          : FAILURE_BAD_PARAMETER,
                                          refusal->reason);
    char code[16], size[96];
    if (status == 413) {
        int len = snprintf(size, sizeof size, "%.*s: at most %zu bytes", (int)refusal->reason.len, refusal->reason.ptr,
                           worker->service->body_limit);
        failure.message = (struct slice){size, len < (int)sizeof size ? (size_t)len : sizeof size - 1};
    }
    if (status != 413 && status != 503) {
        int len = snprintf(code, sizeof code, "http_%d", status);
        failure.code = (struct slice){code, (size_t)len};
    }
    if (refusal->is_request) /* refused connections are counted, and logged once (on_accept_trouble) */
        record_refusal(worker, refusal, &failure, id);
    route_find(LIT("POST"), refusal->path)->wire->write_failure(&failure, slice_of(id), false, body);
}

static const char *what_to_do(int error)
{
    if (error == 0)
        return "as many connections are open as a worker takes: more workers, or clients that close what they do not need";
    if (file_advice(error) != NULL)
        return file_advice(error);
    return error == ENOBUFS || error == ENOMEM ? "the system is out of memory for sockets" : "the system does not let the gateway accept";
}

static void on_accept_trouble(void *owner, const struct accept_trouble *trouble)
{
    const struct worker *worker = owner;
    const char *name = trouble->error == 0 ? "connection limit" : strerrorname_np(trouble->error);
    char message[128];
    snprintf(message, sizeof message, "new clients wait: %s", what_to_do(trouble->error));
    if (!trouble->over)
        log_event(worker->gateway->log, LOG_WARN, "accept", log_text("result", LIT("failing")), log_number("worker", worker->index),
                  log_text("error", slice_of(name == NULL ? "unknown" : name)), log_text("message", slice_of(message)));
    else
        log_event(worker->gateway->log, LOG_INFO, "accept", log_text("result", LIT("ok")), log_number("worker", worker->index),
                  log_number("errors", (int64_t)trouble->errors), log_number("turned_away", (int64_t)trouble->turned_away),
                  log_number("lasted_ms", trouble->lasted_us / US_PER_MS));
}

/* ---------------------------------------------------------------- drain and stop */

static void cut(struct exchange *exchange)
{
    struct request *request = exchange_tag(exchange);
    if (request != NULL)
        request_cut(request);
}

static void on_quiet(void *owner)
{
    struct worker *worker = owner;
    atomic_store(&worker->service->quiet, true);
    gateway_wake_process(worker->gateway);
}

static void on_wake(void *owner)
{
    struct worker *worker = owner;
    worker_generation(worker); /* lets go of the old generation without waiting for a request */
    waiting_woken(worker);
    reload_deliver(worker);
    if (atomic_load(&worker->gateway->draining)) {
        server_answer_last(worker->server);
        reload_deliver_last(worker);
    }
    if (atomic_exchange(&worker->service->wants_quiesce, false))
        server_quiesce(worker->server);
    if (atomic_load(&worker->service->wants_stop)) {
        server_each(worker->server, cut); /* this turn's end sends what the clients' sockets take */
        loop_stop(worker->loop);
    }
}

void service_quiesce(struct worker *worker)
{
    atomic_store(&worker->service->wants_quiesce, true);
    worker_wake(worker);
}

bool service_is_quiet(const struct worker *worker)
{
    return atomic_load(&worker->service->quiet);
}

void service_stop(struct worker *worker)
{
    atomic_store(&worker->service->wants_stop, true);
    worker_wake(worker);
}

/* ---------------------------------------------------------------- life */

bool service_open(struct worker *worker, int listen_fd)
{
    const struct gateway *gateway = worker->gateway;
    const struct config *config = gateway->current->config;
    struct service *service = worker->service = xcalloc(1, sizeof *service);
    service->body_limit = bodies_largest(gateway->bodies);
    worker->reload = reload_new();
    struct server_settings settings = {
        .listen_fd = listen_fd,
        .body_limit = service->body_limit,
        .memory = gateway->memory,
        .bodies = gateway->bodies,
        .connection_limit = CONNECTIONS_MAX,
        .idle_timeout_s = 75,
        .head_us = 10 * US_PER_S,
        .body_us = 30 * US_PER_S,
        .handshake_us = config->listen_is_loopback ? 0 : HANDSHAKE_US,
        .write_stall_us = 30 * US_PER_S,
        .stream_high = STREAM_HIGH,
        .stream_low = STREAM_LOW,
    };
    struct server_owner owner = {worker, on_head, whose, on_request, on_gone, on_drained, write_refusal, on_accept_trouble, on_quiet};
    worker->server = server_new(worker->loop, &settings, &owner);
    loop_set_wake(worker->loop, on_wake, worker);
    return worker->server != NULL;
}

void service_close(struct worker *worker)
{
    if (atomic_load(&worker->in_flight) > 0 || server_exchanges(worker->server) > 0)
        return;
    server_free(worker->server);
    attempt_free_all(worker->free_attempts);
    reload_free(worker->reload);
    free(worker->service);
    worker_free(worker);
}
