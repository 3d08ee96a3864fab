/* answer.c -- see answer.h. The names of the headers are the contract's, section 4.
 * SPDX-License-Identifier: MIT */
#include "gateway/answer.h"
#include "gateway/access.h"
#include "gateway/limits.h"
#include "gateway/worker.h"
#include <stdio.h>

enum { HEADERS_MAX = 32 };

struct headers {
    struct request *request;
    struct answer_header list[HEADERS_MAX];
    unsigned count;
};

static void add(struct headers *headers, const char *name, struct slice value)
{
    if (headers->count == HEADERS_MAX || value.ptr == NULL)
        return;
    headers->list[headers->count++] = (struct answer_header){name, value.ptr};
}

/* A value that carries no NUL behind it. */
static void add_copy(struct headers *headers, const char *name, struct slice value)
{
    if (value.len > 0)
        add(headers, name, arena_copy(&headers->request->arena, value));
}

/* 12345 us -> "12.345" */
static char *put_ms(char *at, int64_t us)
{
    char digits[24];
    int count = 0;
    if (us < 0)
        us = 0;
    for (int64_t left = us; left > 0 || count < 4; left /= 10)
        digits[count++] = (char)('0' + left % 10);
    while (count > 0) {
        *at++ = digits[--count];
        if (count == 3)
            *at++ = '.';
    }
    return at;
}

/* How long attempts were out; the rest of the request's time is our own. */
static int64_t upstream_us(const struct request *request, int64_t now)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < request->walk.attempt_count; i++) {
        const struct walk_attempt *walked = &request->walk.attempts[i];
        if (!walked->hedge)
            sum += (walked->ended_us == 0 ? now : walked->ended_us) - walked->began_us;
    }
    return sum;
}

static void add_timing(struct headers *headers)
{
    struct request *request = headers->request;
    int64_t now = loop_refresh_us(request->worker->loop);
    int64_t upstream = request->walk_begun ? upstream_us(request, now) : 0;
    char *text = arena_alloc(&request->arena, 96), *at = text;
    request->overhead_us = now - request->began_us - upstream - request->waited_us;
    if (text == NULL)
        return;
    at = mempcpy(at, "gateway;dur=", 12);
    at = put_ms(at, request->overhead_us);
    at = mempcpy(at, ", upstream;dur=", 15);
    at = put_ms(at, upstream);
    *at = '\0';
    add(headers, "Server-Timing", (struct slice){text, (size_t)(at - text)});
}

static void add_cors(struct headers *headers)
{
    const struct config *config = headers->request->config;
    struct slice origin = headers->request->exchange == NULL ? SLICE_NONE : exchange_header(headers->request->exchange, "origin");
    if (origin.len == 0 || !access_lists_origin(config, origin))
        return;
    add_copy(headers, "Access-Control-Allow-Origin", config->cors_any ? LIT("*") : origin);
    if (!config->cors_any)
        add(headers, "Vary", LIT("Origin"));
    add(headers, "Access-Control-Expose-Headers",
        LIT("X-Request-ID, request-id, X-Provider, X-Model, X-Cache-Status, X-Attempts, X-Policy, X-Dropped-Params, "
            "X-Tokens-Estimated, Server-Timing, Retry-After, x-should-retry, "
            "x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
            "x-ratelimit-limit-tokens, x-ratelimit-remaining-tokens, x-ratelimit-reset-tokens"));
}

/* On every answer; `type` may be SLICE_NONE. */
static void begin(struct headers *headers, struct request *request, struct slice type)
{
    headers->request = request;
    headers->count = 0;
    if (request->client_request_id.len > 0)
        add_copy(headers, "X-Request-ID", request->client_request_id);
    else
        add(headers, "X-Request-ID", (struct slice){request->id, 32});
    if (route_is_anthropic(request->route)) /* its SDKs read this one */
        add(headers, "request-id", (struct slice){request->id, 32});
    add_cors(headers);
    add(headers, "Content-Type", type);
}

/* 372000000 us -> "6m12s", as OpenAI writes it; below a second "250ms". Rounded up: what was promised is there by then. */
static struct slice write_reset(struct arena *arena, int64_t us)
{
    if (us < US_PER_S)
        return arena_printf(arena, "%lldms", (long long)((us + US_PER_MS - 1) / US_PER_MS));
    long long s = (us + US_PER_S - 1) / US_PER_S;
    if (s < 60)
        return arena_printf(arena, "%llds", s);
    if (s < 3600)
        return arena_printf(arena, "%lldm%llds", s / 60, s % 60);
    return arena_printf(arena, "%lldh%lldm%llds", s / 3600, s / 60 % 60, s % 60);
}

static struct slice write_reset_time(struct request *request, int64_t us)
{
    char *text = arena_alloc(&request->arena, 25);
    if (text == NULL)
        return SLICE_NONE;
    return (struct slice){text, clock_format(loop_wall_us(request->worker->loop) + us, text)};
}

/* On every answer of a request that was charged: what is left, in the words of the caller's dialect. */
static void add_limits(struct headers *headers)
{
    static const char *const openai[][3] = {
        {"x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
        {"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"},
    };
    static const char *const anthropic[][3] = {
        {"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"},
        {"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"},
    };
    struct request *request = headers->request;
    bool is_anthropic = route_is_anthropic(request->route);
    for (int unit = LIMIT_REQUESTS; request->limits != NULL && unit <= LIMIT_TOKENS; unit++) {
        const char *const *names = is_anthropic ? anthropic[unit] : openai[unit];
        const struct limit_facts *facts = &request->limits->facts[unit];
        int64_t left_us = facts->reset_us - loop_now_us(request->worker->loop);
        if (facts->limit == 0)
            continue;
        left_us = left_us > 0 ? left_us : 0;
        add(headers, names[0], arena_printf(&request->arena, "%lld", (long long)facts->limit));
        add(headers, names[1], arena_printf(&request->arena, "%lld", (long long)facts->remaining));
        add(headers, names[2], is_anthropic ? write_reset_time(request, left_us) : write_reset(&request->arena, left_us));
    }
}

/* Where a target was asked. */
static void add_served(struct headers *headers, const struct target *target)
{
    struct request *request = headers->request;
    if (target != NULL) {
        add(headers, "X-Provider", target->provider->name);
        add(headers, "X-Model", target->model.model);
    }
    static const char counts[WALK_ATTEMPTS_MAX + 1][2] = {"0", "1", "2", "3", "4", "5", "6", "7", "8"};
    if (request->walk_begun) {
        add(headers, "X-Cache-Status", LIT("BYPASS"));
        add(headers, "X-Attempts", slice_of(counts[request->walk.attempt_count]));
    }
    if (request->policy_label.len > 0)
        add(headers, "X-Policy", request->policy_label);
    if (request->dropped.len > 0)
        add(headers, "X-Dropped-Params", request->dropped);
    add_limits(headers);
    add_timing(headers);
}

static void send_whole(struct headers *headers, int status, struct slice body)
{
    struct request *request = headers->request;
    request->status = status;
    request->answered = true;
    if (request->exchange != NULL && !request->gone)
        exchange_answer(request->exchange, status, headers->list, headers->count, body);
}

static void take_outcome(struct request *request)
{
    const struct attempt *winner = request->winner;
    request->served = winner->target;
    request->usage = winner->answer.usage;
    request->finish = winner->answer.finish;
}

void answer_whole(struct request *request)
{
    struct headers headers;
    struct attempt *winner = request->winner;
    take_outcome(request);
    begin(&headers, request, LIT("application/json"));
    add_served(&headers, winner->target);
    if (winner->answer.usage.estimated)
        add(&headers, "X-Tokens-Estimated", LIT("true"));
    send_whole(&headers, 200, buffer_slice(winner->answer.writer == NULL ? &winner->answer.body : &winner->answer.held));
}

void answer_stream(struct request *request)
{
    struct headers headers;
    take_outcome(request);
    begin(&headers, request, LIT("text/event-stream"));
    add(&headers, "Cache-Control", LIT("no-cache, no-transform"));
    add(&headers, "X-Accel-Buffering", LIT("no"));
    add_served(&headers, request->winner->target);
    request->status = 200;
    request->answered = true;
    request->streaming = true;
    if (request->exchange != NULL && !request->gone)
        exchange_stream(request->exchange, 200, headers.list, headers.count);
}

/* Whole seconds for Retry-After (RFC 9110 10.2.3), rounded up; milliseconds for those who read retry-after-ms. */
static void add_retry_after(struct headers *headers, int64_t us)
{
    if (us < 0)
        return;
    struct arena *arena = &headers->request->arena;
    add(headers, "Retry-After", arena_printf(arena, "%lld", (long long)((us + US_PER_S - 1) / US_PER_S)));
    add(headers, "retry-after-ms", arena_printf(arena, "%lld", (long long)(us / US_PER_MS)));
}

/* The SDKs retry by themselves; once our attempts are used up theirs would only multiply them. A true hint to come
 * back later stays an invitation. */
static bool should_say_no_retry(const struct request *request, const struct failure *failure)
{
    bool can_never_pass = request->limits != NULL && request->limits->refused.len > 0;
    bool was_tried = request->walk_begun && request->walk.attempt_count > 0;
    bool elsewhere = failure->kind == FAILURE_DRAINING; /* our successor may do better */
    return (can_never_pass || was_tried) && !elsewhere && failure->retry_after_us < 0;
}

static const struct target *last_target(const struct request *request)
{
    if (!request->walk_begun || request->walk.attempt_count == 0)
        return NULL;
    return request->config->targets[request->walk.attempts[request->walk.attempt_count - 1].target];
}

/* The methods that its path knows. */
static struct slice allowed(const struct route *route)
{
    return route->method[0] == 'G' ? LIT("GET, HEAD, OPTIONS") : LIT("POST, OPTIONS");
}

void answer_failure(struct request *request, const struct failure *failure)
{
    const struct wire *wire = request->route->wire;
    struct headers headers;
    int status = wire->failure_status(failure);
    request->failure = *failure;
    arena_reopen(&request->arena);
    if (request->streaming) {
        take_outcome(request);
        answer_write_failure(wire, request->winner->answer.writer, failure, (struct slice){request->id, 32}, true, &request->out);
        if (request->exchange != NULL && !request->gone) {
            exchange_write(request->exchange, buffer_slice(&request->out));
            exchange_end(request->exchange, true);
        }
        return;
    }
    wire->write_failure(failure, (struct slice){request->id, 32}, false, &request->out);
    begin(&headers, request, LIT("application/json"));
    if (status == 405 && request->route != NULL)
        add(&headers, "Allow", allowed(request->route));
    if (should_say_no_retry(request, failure))
        add(&headers, "x-should-retry", LIT("false"));
    add_retry_after(&headers, failure->retry_after_us);
    add_served(&headers, last_target(request));
    send_whole(&headers, status, buffer_slice(&request->out));
}

void answer_json(struct request *request, int status, struct slice body)
{
    struct headers headers;
    buffer_append_slice(&request->out, body);
    if (request->out.overflow) {
        const struct failure failure = failure_shed();
        buffer_clear(&request->out);
        return answer_failure(request, &failure);
    }
    begin(&headers, request, LIT("application/json"));
    add(&headers, "Cache-Control", LIT("no-store"));
    send_whole(&headers, status, buffer_slice(&request->out));
}

void answer_empty(struct request *request, int status)
{
    struct headers headers;
    begin(&headers, request, SLICE_NONE);
    add(&headers, "Access-Control-Allow-Methods", LIT("GET, POST, OPTIONS"));
    add(&headers, "Access-Control-Allow-Headers", LIT("*, Authorization"));
    add(&headers, "Access-Control-Max-Age", LIT("86400"));
    send_whole(&headers, status, SLICE_NONE);
}
