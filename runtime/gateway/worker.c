/* worker.c -- see worker.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/worker.h"
#include "gateway/access.h"
#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/routes.h"
#include "gateway/waiting.h"
#include "shared/bodies.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LOG_LINE_MAX = 64 * 1024, CONNECTIONS_MAX = 10000 };

static const int64_t HANDSHAKE_US = 250 * US_PER_MS; /* a round trip to the other side of the world */

/* ---------------------------------------------------------------- chance */

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* xoshiro256** (Blackman, Vigna), seeded from the kernel. */
uint64_t worker_random64(struct worker *worker)
{
    uint64_t *s = worker->random;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Unpredictable, so that nobody can name another's request. */
void worker_make_id(struct worker *worker, char id[33])
{
    uint64_t words[2] = {worker_random64(worker), worker_random64(worker)};
    hash_to_hex((const uint8_t *)words, sizeof words, id);
    id[32] = '\0';
}

double worker_random(struct worker *worker)
{
    return (double)(worker_random64(worker) >> 11) * 0x1p-53;
}

/* ---------------------------------------------------------------- generations */

static void local_free(struct local_generation *local)
{
    free((char *)local->policy_label.ptr);
    free(local->origins);
    generation_unref(local->generation);
    free(local);
}

static struct local_generation *local_new(struct worker *worker)
{
    struct local_generation *local = xcalloc(1, sizeof *local);
    char label[128];
    local->generation = generation_current(worker->gateway);
    local->script = local->generation->scripts[worker->index];
    struct slice name = local->generation->config->policy_name;
    int len = snprintf(label, sizeof label, "%.*s@%u", name.len < 100 ? (int)name.len : 100, name.ptr, local->generation->number);
    local->policy_label = (struct slice){xstrndup(label, (size_t)len), (size_t)len};
    local->origins = xcalloc(local->generation->config->provider_count + 1, sizeof *local->origins);
    return local;
}

struct local_generation *worker_generation(struct worker *worker)
{
    struct local_generation *local = worker->generations;
    if (local != NULL && local->generation->number == atomic_load_explicit(&worker->gateway->number, memory_order_acquire))
        return local;
    struct local_generation *fresh = local_new(worker);
    fresh->next = local;
    worker->generations = fresh;
    if (local != NULL && local->in_flight == 0) {
        fresh->next = local->next;
        local_free(local);
    }
    return fresh;
}

void worker_generation_release(struct worker *worker, struct local_generation *local)
{
    if (--local->in_flight > 0 || local == worker->generations)
        return;
    struct local_generation **at = &worker->generations;
    while (*at != local)
        at = &(*at)->next;
    *at = local->next;
    local_free(local);
}

struct origin *worker_origin(struct worker *worker, struct local_generation *local, const struct provider *provider)
{
    struct origin **at = &local->origins[provider->index];
    if (*at == NULL)
        *at = upstream_origin(worker->upstream, provider->origin, provider->proxy);
    return *at;
}

/* ---------------------------------------------------------------- what the server tells */

static bool has_body(const struct exchange *exchange)
{
    return exchange_header(exchange, "content-length").len > 0 || exchange_header(exchange, "transfer-encoding").len > 0;
}

/* What no body could change is said before it is read: a page that may not ask may not with any body; and a key that is not good, to those who ask
 * first. For a large body `whose` asks for the key; a small one costs less than looking for it twice. */
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

/* Refused before it was a request, so it has no line of its own: one line a second says how many. */
static void note_shed(struct worker *worker)
{
    const struct memory *memory = worker->gateway->memory;
    int64_t now_us = loop_now_us(worker->loop);
    worker->shed++;
    if (memory == NULL || now_us < worker->shed_said_us + US_PER_S)
        return;
    log_event(worker->gateway->log, LOG_WARN, "shedding", ",\"refused\":%u,\"held_mb\":%zu,\"room_mb\":%zu,\"bodies_mb\":%zu", worker->shed,
              memory_held(memory) >> 20, memory->room >> 20, bodies_held(worker->gateway->bodies) >> 20);
    worker->shed = 0;
    worker->shed_said_us = now_us;
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
        int len = snprintf(size, sizeof size, "%.*s: at most %zu bytes", (int)refusal->reason.len, refusal->reason.ptr, worker->body_limit);
        failure.message = (struct slice){size, len < (int)sizeof size ? (size_t)len : sizeof size - 1};
    }
    if (status != 413 && status != 503) {
        int len = snprintf(code, sizeof code, "http_%d", status);
        failure.code = (struct slice){code, (size_t)len};
    }
    if (refusal->is_request) /* connections that are turned away are counted, and said once (on_accept_trouble) */
        record_refusal(worker, refusal, &failure, id);
    route_wire(route_find(LIT("POST"), refusal->path))->write_failure(&failure, slice_of(id), false, body);
}

static const char *what_to_do(int error)
{
    switch (error) {
    case 0:
        return "as many connections are open as a worker takes: more workers, or clients that close what they do not need";
    case EMFILE:
        return "raise the limit of open files (ulimit -n, LimitNOFILE=)";
    case ENFILE:
        return "raise the system's limit of open files (sysctl fs.file-max)";
    case ENOBUFS:
    case ENOMEM:
        return "the system is out of memory for sockets";
    default:
        return "the system does not let the gateway accept";
    }
}

static void on_accept_trouble(void *owner, const struct accept_trouble *trouble)
{
    const struct worker *worker = owner;
    const char *name = trouble->error == 0 ? "connection limit" : strerrorname_np(trouble->error);
    if (!trouble->over)
        log_event(worker->gateway->log, LOG_WARN, "accept",
                  ",\"result\":\"failing\",\"worker\":%u,\"error\":\"%s\",\"message\":\"new clients wait: %s\"", worker->index,
                  name == NULL ? "unknown" : name, what_to_do(trouble->error));
    else
        log_event(worker->gateway->log, LOG_INFO, "accept",
                  ",\"result\":\"ok\",\"worker\":%u,\"errors\":%llu,\"turned_away\":%llu,\"lasted_ms\":%lld", worker->index,
                  (unsigned long long)trouble->errors, (unsigned long long)trouble->turned_away,
                  (long long)(trouble->lasted_us / US_PER_MS));
}

/* ---------------------------------------------------------------- reload and drain */

void worker_ask_reload(struct worker *worker, struct request *request)
{
    uint64_t one = 1;
    request->reload_ticket = atomic_fetch_add(&worker->gateway->reload_asked, 1) + 1;
    request->next = worker->reload_waiters;
    worker->reload_waiters = request;
    if (write(worker->gateway->reload_fd, &one, sizeof one) < 0)
        return; /* the counter is at its maximum: a reload is due in any case */
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

static void deliver_verdict(struct worker *worker, const struct verdict *verdict)
{
    struct request *waiting = worker->reload_waiters;
    worker->reload_waiters = NULL;
    while (waiting != NULL) {
        struct request *next = waiting->next;
        if (waiting->reload_ticket <= verdict->upto) {
            answer_reload(waiting, verdict);
        } else {
            waiting->next = worker->reload_waiters;
            worker->reload_waiters = waiting;
        }
        waiting = next;
    }
}

void worker_post_verdict(struct worker *worker, const struct verdict *verdict)
{
    pthread_mutex_lock(&worker->verdict_lock);
    worker->verdict = *verdict;
    pthread_mutex_unlock(&worker->verdict_lock);
    worker_wake(worker);
}

static void cut(struct exchange *exchange)
{
    struct request *request = exchange_tag(exchange);
    if (request != NULL)
        request_cut(request);
}

static void on_quiet(void *owner)
{
    struct worker *worker = owner;
    uint64_t one = 1;
    atomic_store(&worker->quiet, true);
    if (write(worker->gateway->reload_fd, &one, sizeof one) < 0)
        return; /* the counter is at its maximum: the process looks in any case */
}

static void on_wake(void *owner)
{
    static const struct verdict stopping = {.upto = UINT64_MAX, .text = "the gateway is stopping"};
    struct worker *worker = owner;
    worker_generation(worker); /* lets go of the old generation without waiting for a request */
    waiting_woken(worker);
    pthread_mutex_lock(&worker->verdict_lock);
    struct verdict verdict = worker->verdict;
    pthread_mutex_unlock(&worker->verdict_lock);
    deliver_verdict(worker, &verdict);
    if (atomic_load(&worker->gateway->draining)) {
        server_answer_last(worker->server);
        deliver_verdict(worker, &stopping); /* nobody reloads any more */
    }
    if (atomic_exchange(&worker->wants_quiesce, false))
        server_quiesce(worker->server);
    if (atomic_load(&worker->wants_stop)) {
        if (worker->server != NULL)
            server_each(worker->server, cut); /* this turn's end sends what the clients' sockets take */
        loop_stop(worker->loop);
    }
}

void worker_wake(struct worker *worker)
{
    loop_wake(worker->loop);
}

void worker_quiesce(struct worker *worker)
{
    atomic_store(&worker->wants_quiesce, true);
    worker_wake(worker);
}

void worker_stop(struct worker *worker)
{
    atomic_store(&worker->wants_stop, true);
    worker_wake(worker);
}

/* ---------------------------------------------------------------- life */

/* What it says is another client's, or nonsense: an operator should know of a provider that costs a connection per request. */
static void on_stray(void *owner, struct slice url)
{
    const struct worker *worker = owner;
    log_event(
        worker->gateway->log, LOG_WARN, "no_reuse",
        ",\"origin\":\"%.*s\",\"message\":\"it answered more than it was asked: none of its connections is used twice until a restart\"",
        (int)url.len, url.ptr);
}

struct worker *worker_new(struct gateway *gateway, unsigned index, int listen_fd)
{
    struct worker *worker = xcalloc(1, sizeof *worker);
    const struct config *config = gateway->current->config;
    worker->gateway = gateway;
    worker->index = index;
    hash_random(worker->random, sizeof worker->random);
    worker->arena_cache.memory = gateway->memory;
    buffer_init(&worker->line, LOG_LINE_MAX);
    pthread_mutex_init(&worker->verdict_lock, NULL);
    worker->loop = loop_new();
    if (worker->loop == NULL)
        return worker_free(worker), NULL;
    struct upstream_settings upstream = {
        .idle_us = 30 * US_PER_S, .lifetime_us = 600 * US_PER_S, .idle_max = 256, .on_stray = on_stray, .owner = worker};
    worker->body_limit = gateway->bodies == NULL ? config->body_limit : bodies_largest(gateway->bodies);
    worker->upstream = upstream_new(worker->loop, gateway->trust, &upstream);
    struct server_settings settings = {
        .listen_fd = listen_fd,
        .body_limit = worker->body_limit,
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
    if (listen_fd >= 0)
        worker->server = server_new(worker->loop, &settings, &owner);
    if (worker->upstream == NULL || (listen_fd >= 0 && worker->server == NULL))
        return worker_free(worker), NULL;
    loop_set_wake(worker->loop, on_wake, worker);
    worker_generation(worker);
    return worker;
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

bool worker_start(struct worker *worker)
{
    worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->started;
}

void worker_join(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

/* After a clean drain nothing is under way; after a hard stop the process ends and the kernel closes what is left. */
void worker_free(struct worker *worker)
{
    if (atomic_load(&worker->in_flight) > 0 || (worker->server != NULL && server_exchanges(worker->server) > 0))
        return;
    if (worker->server != NULL)
        server_free(worker->server);
    upstream_free(worker->upstream);
    while (worker->generations != NULL) {
        struct local_generation *local = worker->generations;
        worker->generations = local->next;
        local_free(local);
    }
    while (worker->free_requests != NULL) {
        struct request *request = worker->free_requests;
        worker->free_requests = request->next;
        free(request);
    }
    attempt_free_all(worker->free_attempts);
    loop_timer_clear(worker->loop, &worker->wait_timer);
    wait_queue_free(worker->wait_queue);
    arena_cache_free(&worker->arena_cache);
    buffer_free(&worker->line);
    loop_free(worker->loop);
    pthread_mutex_destroy(&worker->verdict_lock);
    free(worker);
}
