/* request.c -- see request.h: a request's life, and the carrying out of what its walk wants.
 *
 * Two things may end a request from below its own feet: a drained walk that is over resumes the pipeline, which releases the request. So
 * request_drain and request_wake_script are always the last call of whoever makes them.
 * SPDX-License-Identifier: MIT */
#include "gateway/request.h"
#include "base/hash.h"
#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/capacity.h"
#include "gateway/identify.h"
#include "gateway/limits.h"
#include "gateway/routes.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"
#include <stdlib.h>

const char *cause_name(enum cause cause)
{
    static const char *const names[] = {"ok", "client_closed", "limited", "refused", "failed", "policy"};
    return names[cause];
}

static enum cause cause_of(const struct failure *failure)
{
    switch (failure->kind) {
    case FAILURE_LIMITED:
        return CAUSE_LIMITED;
    case FAILURE_CANCELED:
        return CAUSE_CLIENT_CLOSED;
    case FAILURE_POLICY_ERROR:
    case FAILURE_POLICY_TIMEOUT:
    case FAILURE_POLICY_MEMORY:
    case FAILURE_POLICY_BAD_PLAN:
    case FAILURE_POLICY_BAD_RESULT:
    case FAILURE_POLICY_UNKNOWN_TARGET:
    case FAILURE_POLICY_DISABLED:
        return CAUSE_POLICY;
    default:
        return failure_row(failure->kind)->follows & FAILURE_OURS ? CAUSE_REFUSED : CAUSE_FAILED;
    }
}

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

static void on_timer(struct timer *timer);

struct request *request_new(struct worker *worker, struct exchange *exchange, const struct route *route)
{
    struct request *request = worker->free_requests;
    if (request != NULL) {
        worker->free_requests = request->next;
        worker->free_request_count--;
    } else {
        request = xmalloc(sizeof *request);
    }
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
    buffer_init_counted(&request->out, ATTEMPT_BODY_MAX, worker->gateway->memory);
    request->timer.due = on_timer;
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
    worker->requests++;
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
    if (worker->free_request_count >= FREE_REQUESTS_MAX) {
        free(request);
        return;
    }
    request->next = worker->free_requests;
    worker->free_requests = request;
    worker->free_request_count++;
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

/* ---------------------------------------------------------------- the walk */

/* A stream that was cut, or a provider that does not count: what went in and came out is billed all the same. */
static struct usage usage_of(const struct request *request, const struct attempt *winner)
{
    bool reserved = request->limits != NULL && request->limits->facts[LIMIT_TOKENS].limit > 0;
    if (!winner->content && !winner->left)
        return winner->usage;
    return attempt_billed(winner, reserved ? request->limits->reservation.tokens : 0);
}

static void finish(struct request *request, enum cause cause)
{
    request->over = true;
    request->cause = cause;
    request->ask = NULL;
    request->ended_us = loop_now_us(request->worker->loop);
    loop_timer_clear(request->worker->loop, &request->timer);
    if (request->winner != NULL) {
        request->usage = usage_of(request, request->winner);
        request->finish = request->winner->finish;
        request->served = request->winner->target;
        request->cost_pico = request_usage_pico(request);
        if (cause == CAUSE_OK && request->model->pool != NULL && request->usage.known && request->usage.output > 0)
            pool_answered(request->pool, request->usage.output + (request->usage.reasoning > 0 ? request->usage.reasoning : 0));
        request->first_content_us = request->walk.attempts[request->winner->number].content_us;
    }
    waiting_leave(request);
    capacity_drop(request);
    limits_settle(request);
}

static void on_answer(struct request *request, struct attempt *winner)
{
    request->winner = winner;
    if (!request->facts.stream) {
        answer_whole(request);
    } else {
        if (!request->streaming)
            answer_stream(request);
        attempt_commit(winner);
        if (request->exchange != NULL && !request->gone)
            exchange_end(request->exchange, true);
    }
    finish(request, CAUSE_OK);
}

static void on_fail(struct request *request, const struct failure *failure)
{
    /* Copied: its slices lie in the arena, but the walk's own record may be written over. */
    struct failure shown = *failure;
    answer_failure(request, &shown);
    finish(request, cause_of(&shown));
}

/* `last`: what was read on for its usage, or NULL. */
static void on_gone(struct request *request, struct attempt *last)
{
    if (last != NULL)
        request->winner = last;
    request->failure = failure_make(FAILURE_CANCELED, LIT("the client closed the connection"));
    request->status = 499;
    finish(request, CAUSE_CLIENT_CLOSED);
}

static bool lingers(const struct request *request)
{
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (request->attempts[i] != NULL && request->attempts[i]->ended && request->attempts[i]->call != NULL)
            return true;
    return false;
}

static void set_wake(struct request *request, int64_t at_us)
{
    struct loop *loop = request->worker->loop;
    if (lingers(request) && at_us > loop_now_us(loop) + 50 * US_PER_MS)
        at_us = loop_now_us(loop) + 50 * US_PER_MS;
    loop_timer_set(loop, &request->timer, at_us);
}

/* True: the pipeline must be told. */
static bool carry_out(struct request *request, const struct walk_action *action)
{
    switch (action->kind) {
    case ACTION_START:
        attempt_start(request, action);
        return false;
    case ACTION_CANCEL:
        attempt_cancel(request->attempts[action->attempt]);
        return false;
    case ACTION_WAKE:
        set_wake(request, action->at_us);
        return false;
    case ACTION_COMMIT:
        request->winner = request->attempts[action->attempt];
        answer_stream(request);
        attempt_commit(request->winner);
        return false;
    case ACTION_PING:
        attempt_ping(request->winner);
        return false;
    case ACTION_ASK:
        request->ask = action->failure;
        return true;
    case ACTION_ANSWER:
        on_answer(request, request->attempts[action->attempt]);
        return true;
    case ACTION_FAIL:
        on_fail(request, action->failure);
        return true;
    case ACTION_OVER:
        on_gone(request, action->attempt == WALK_NO_ATTEMPT ? NULL : request->attempts[action->attempt]);
        return true;
    }
    return false;
}

void request_drain(struct request *request)
{
    struct walk_action action;
    bool tell = false;
    while (walk_next(&request->walk, &action))
        tell |= carry_out(request, &action);
    request_drop_body(request);
    if (tell)
        request_wake_script(request);
}

/* What the pool has to give now. */
static void look_at_pool(const struct request *request, struct walk_limits *limits)
{
    limits->frugal = !pool_has_spare(request->pool);
    limits->hedge = request->fallback && pool_has_hedge(request->pool);
}

void request_event(struct request *request, const struct walk_event *event)
{
    look_at_pool(request, &request->walk.limits);
    walk_event(&request->walk, event, loop_now_us(request->worker->loop));
}

static void on_timer(struct timer *timer)
{
    struct request *request = (struct request *)((char *)timer - offsetof(struct request, timer));
    for (unsigned i = 0; i < request->walk.attempt_count; i++) {
        struct attempt *attempt = request->attempts[i];
        if (attempt == NULL)
            continue;
        if (attempt_conclude(attempt))
            continue;
        if (attempt->paused) { /* it is the client who is slow, not the provider */
            struct walk_event chunk = {.kind = WALK_CHUNK, .attempt = attempt->number, .wrote = true}; /* and has enough to read */
            request_event(request, &chunk);
        }
    }
    struct walk_event event = {.kind = WALK_TIME};
    request_event(request, &event);
    request_drain(request);
}

void request_gone(struct request *request)
{
    request->gone = true;
    if (wait_queue_holds(&request->wait)) {
        on_gone(request, NULL);
        request_wake_script(request);
        return;
    }
    if (!request->walk_begun || walk_is_over(&request->walk))
        return;
    request_event(request, &(struct walk_event){.kind = WALK_GONE});
    unsigned last = walk_read_on(&request->walk);
    if (last != WALK_NO_ATTEMPT)
        attempt_read_on(request->attempts[last]);
    request_drain(request);
}

void request_cut(struct request *request)
{
    struct failure failure = failure_make(FAILURE_DRAINING, LIT("The gateway is stopping."));
    if (request->over || request->waits_for_reload)
        return;
    if (request->walk_begun && walk_read_on(&request->walk) != WALK_NO_ATTEMPT) { /* its client needs no word */
        request_event(request, &(struct walk_event){.kind = WALK_STOP});
        request_drain(request);
        return;
    }
    request_refuse(request, &failure);
    request_wake_script(request);
}

void request_drained(struct request *request)
{
    struct attempt *winner = request->winner;
    if (winner == NULL || !winner->paused)
        return;
    winner->paused = false;
    if (winner->call != NULL)
        call_resume(winner->call);
}

/* ---------------------------------------------------------------- what the pipeline calls */

/* Well below the minute after which load balancers (nginx's proxy_read_timeout, AWS's ALB) take a silent stream for dead. Anthropic's API pings
 * about as often, and its clients go by that. */
static const int64_t PING_US = 15 * US_PER_S;

static void begin_walk(struct request *request)
{
    struct walk_limits limits = request->config->limits;
    limits.stream = request->facts.stream;
    limits.replay_uncertain = limits.replay_uncertain && request->replayable;
    look_at_pool(request, &limits);
    limits.fallback = request->fallback;
    limits.ping_us = PING_US;
    limits.seed = worker_random64(request->worker);
    if (request->time_us > 0 && (limits.total_us == 0 || request->time_us < limits.total_us))
        limits.total_us = request->time_us;
    walk_begin(&request->walk, &limits, loop_now_us(request->worker->loop));
    request->walk_begun = true;
}

static bool is_well(struct request *request, const struct target *target)
{
    return target->health == NULL || health_is_well(target->health, loop_now_us(request->worker->loop));
}

/* Where the pool has no attempts to spare, a fallback goes to targets that are well and to no other: in an outage each request would else ask them
 * all. The first attempt of a request is never taken from it. */
static void leave_out_hopeless(struct request *request, struct plan *plan)
{
    unsigned kept = 0;
    if (request->walk.attempt_count == 0 || pool_has_spare(request->pool))
        return;
    for (unsigned i = 0; i < plan->count; i++)
        if (is_well(request, request->config->targets[plan->steps[i].target]))
            plan->steps[kept++] = plan->steps[i];
    plan->count = kept;
}

void request_walk(struct request *request, struct plan *plan)
{
    if (!request->walk_begun)
        begin_walk(request);
    leave_out_hopeless(request, plan);
    request->ask = NULL;
    if (request->gone) /* before its walk began: nothing is sent for nobody */
        request_event(request, &(struct walk_event){.kind = WALK_GONE});
    walk_plan(&request->walk, plan, loop_now_us(request->worker->loop));
    request_drain(request);
}

void request_give_up(struct request *request)
{
    request->ask = NULL;
    walk_give_up(&request->walk, loop_now_us(request->worker->loop));
    request_drain(request);
}

/* A walk that has not come to its end must not go on behind an answer of our own. */
static void stop_walk(struct request *request)
{
    struct walk_action action;
    if (!request->walk_begun || walk_is_over(&request->walk))
        return;
    request_event(request, &(struct walk_event){.kind = WALK_STOP});
    while (walk_next(&request->walk, &action))
        if (action.kind == ACTION_CANCEL)
            attempt_cancel(request->attempts[action.attempt]);
}

void request_refuse(struct request *request, const struct failure *failure)
{
    if (request->over)
        return;
    stop_walk(request);
    answer_failure(request, failure);
    finish(request, cause_of(failure));
}
