/* record.c -- the last step: one log line per request. The names are the contract's, section 5; secrets and bodies are never logged here.
 * SPDX-License-Identifier: MIT */
#include "gateway/record.h"
#include "base/json.h"
#include "gateway/attempt.h"
#include "gateway/client.h"
#include "gateway/limits.h"
#include "gateway/worker.h"

static void member(struct buffer *out, const char *name)
{
    buffer_append_lit(out, ",\"");
    buffer_append(out, name, strlen(name));
    buffer_append_lit(out, "\":");
}

static void put_text(struct buffer *out, const char *name, struct slice text)
{
    member(out, name);
    json_append_string(out, text);
}

static void put_int(struct buffer *out, const char *name, int64_t number)
{
    member(out, name);
    buffer_append_int(out, number);
}

static void put_bool(struct buffer *out, const char *name, bool value)
{
    member(out, name);
    buffer_append_slice(out, value ? LIT("true") : LIT("false"));
}

/* 1234567 us -> 1234.567, with three digits behind the point. */
static void put_ms(struct buffer *out, const char *name, int64_t us)
{
    member(out, name);
    if (us < 0)
        us = 0;
    buffer_append_int(out, us / US_PER_MS);
    buffer_append_byte(out, '.');
    buffer_append_byte(out, (char)('0' + us / 100 % 10));
    buffer_append_byte(out, (char)('0' + us / 10 % 10));
    buffer_append_byte(out, (char)('0' + us % 10));
}

/* pico-dollars -> dollars with twelve digits behind the point: exact. */
static void put_usd(struct buffer *out, const char *name, int64_t pico)
{
    const int64_t one = 1000000000000LL;
    member(out, name);
    buffer_append_int(out, pico / one);
    buffer_append_byte(out, '.');
    int64_t rest = pico % one;
    for (int64_t unit = one / 10; unit > 0; unit /= 10)
        buffer_append_byte(out, (char)('0' + rest / unit % 10));
}

static const char *outcome_name(const struct walk_attempt *walked)
{
    if (walked->state == ATTEMPT_DONE)
        return "ok";
    if (walked->state == ATTEMPT_FAILED)
        return failure_row(walked->failure.kind)->name;
    return "cancelled";
}

static void put_tokens(struct buffer *out, const struct usage *usage);

/* What an attempt that did not win may be billed for; the winner's are the request's own. */
static void put_billed(struct buffer *out, const struct request *request, unsigned number)
{
    const struct attempt *attempt = request->attempts[number];
    if (attempt == NULL || attempt == request->winner)
        return;
    struct usage usage = attempt_billed(attempt, 0);
    int64_t pico = usage_cost_pico(&usage, attempt->target->price);
    if (usage.known)
        put_tokens(out, &usage);
    if (usage.known && pico >= 0)
        put_usd(out, "cost_usd", pico);
}

static void put_attempt(struct buffer *out, const struct request *request, const struct walk_attempt *walked)
{
    const struct failure *failure = &walked->failure;
    buffer_append_lit(out, "{\"target\":");
    json_append_string(out, request->config->targets[walked->target]->name);
    put_text(out, "outcome", slice_of(outcome_name(walked)));
    put_ms(out, "ms", (walked->ended_us == 0 ? request->ended_us : walked->ended_us) - walked->began_us);
    if (walked->state == ATTEMPT_FAILED) {
        put_text(out, "phase", slice_of(phase_name(failure->phase)));
        put_text(out, "sent", slice_of(sent_name(failure->sent)));
        if (failure->deadline != DEADLINE_NONE)
            put_text(out, "deadline", slice_of(deadline_name(failure->deadline)));
        if (failure->status != 0)
            put_int(out, "status", failure->status);
        put_text(out, "message", failure->message);
    }
    if (walked->hedge)
        put_bool(out, "hedge", true);
    if (walked->fresh)
        put_bool(out, "fresh", true);
    put_billed(out, request, (unsigned)(walked - request->walk.attempts));
    buffer_append_byte(out, '}');
}

static void put_attempts(struct buffer *out, const struct request *request)
{
    member(out, "attempts");
    buffer_append_byte(out, '[');
    for (unsigned i = 0; i < request->walk.attempt_count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        put_attempt(out, request, &request->walk.attempts[i]);
    }
    buffer_append_byte(out, ']');
}

enum { LEFT_OUT_SHOWN_MAX = 16 };

/* Targets of the model that could not serve this request, and why. */
static void put_left_out(struct buffer *out, const struct request *request)
{
    if (request->unfit_count == 0)
        return;
    member(out, "left_out");
    for (unsigned i = 0; i < request->unfit_count && i < LEFT_OUT_SHOWN_MAX; i++) {
        buffer_append_byte(out, i == 0 ? '[' : ',');
        buffer_append_lit(out, "{\"target\":");
        json_append_string(out, request->unfits[i].target->name);
        put_text(out, "reason", slice_of(request->unfits[i].reason));
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

static void put_tokens(struct buffer *out, const struct usage *usage)
{
    member(out, "tokens");
    buffer_append_lit(out, "{\"input\":");
    buffer_append_int(out, usage->input);
    put_int(out, "output", usage->output);
    if (usage->cache_read > 0)
        put_int(out, "cache_read", usage->cache_read);
    if (usage->cache_write > 0)
        put_int(out, "cache_write", usage->cache_write);
    if (usage->reasoning > 0)
        put_int(out, "reasoning", usage->reasoning);
    if (usage->audio_input > 0)
        put_int(out, "audio_input", usage->audio_input);
    if (usage->audio_output > 0)
        put_int(out, "audio_output", usage->audio_output);
    if (usage->image_input > 0)
        put_int(out, "image_input", usage->image_input);
    if (!usage_adds_up(usage))
        put_int(out, "provider_total", usage->total);
    if (usage->estimated)
        put_bool(out, "estimated", true);
    buffer_append_byte(out, '}');
}

static void put_ids(struct buffer *out, const struct request *request)
{
    member(out, "request_id");
    buffer_append_byte(out, '"');
    buffer_append(out, request->id, 32);
    buffer_append_byte(out, '"');
    if (request->client_request_id.len > 0)
        put_text(out, "client_request_id", request->client_request_id);
    put_text(out, "route", slice_of(request->route->name));
}

enum { PATH_SHOWN_MAX = 256 };

/* What was called, and from where. The query is left out: people put keys there. */
static void put_call(struct buffer *out, struct slice method, struct slice path, struct slice address)
{
    if (method.len > 0)
        put_text(out, "method", method);
    if (path.len > 0)
        put_text(out, "path", (struct slice){path.ptr, path.len < PATH_SHOWN_MAX ? path.len : PATH_SHOWN_MAX});
    if (address.len > 0)
        put_text(out, "client_address", address);
}

static void put_who(struct buffer *out, struct request *request)
{
    put_ids(out, request);
    if (request->exchange != NULL)
        put_call(out, exchange_method(request->exchange), exchange_path(request->exchange), request_client_address(request));
    if (request->user != NULL || request->is_admin)
        put_text(out, "key_name", request->is_admin ? LIT("admin") : request->user->name);
    put_text(out, "user", request->user == NULL ? LIT("anonymous") : request->user->id);
    put_text(out, "tier", request->user == NULL || request->user->tier.len == 0 ? LIT("default") : request->user->tier);
}

static void put_what(struct buffer *out, const struct request *request)
{
    const struct slice model = request->model_name;
    if (model.len > 0)
        put_text(out, "model", (struct slice){model.ptr, model.len < 256 ? model.len : 256});
    if (request->served != NULL) {
        put_text(out, "served_model", request->served->model.model);
        put_text(out, "provider", request->served->provider->name);
    }
    put_text(out, "policy", request->policy_label);
    if (request->strategy.len > 0 && request->strategy.len <= 64)
        put_text(out, "strategy", request->strategy);
    put_int(out, "status", request->status);
    put_text(out, "cause", slice_of(cause_name(request->cause)));
    put_bool(out, "stream", request->facts.stream);
    put_bool(out, "cached", false);
}

static void put_failure(struct buffer *out, const struct request *request)
{
    const struct failure *failure = &request->failure;
    if (request->cause == CAUSE_OK)
        return;
    put_text(out, "step", slice_of(request->step));
    put_text(out, "error", slice_of(failure_row(failure->kind)->name));
    put_text(out, "error_message", failure->message);
    if (request->limits != NULL && request->limits->refused.len > 0)
        put_text(out, "limit", request->limits->refused);
}

void request_record_start(struct request *request)
{
    struct worker *worker = request->worker;
    struct log *log = worker->gateway->log;
    struct buffer *out = &worker->line;
    if (!log_wants(log, LOG_DEBUG))
        return;
    buffer_clear(out);
    log_begin(out, request->began_wall_us, LOG_DEBUG, "request_start");
    put_ids(out, request);
    put_int(out, "body_bytes", (int64_t)request->body.len);
    buffer_append_byte(out, '}');
    log_line(log, buffer_slice(out));
}

void request_record(struct request *request, struct slice labels)
{
    struct worker *worker = request->worker;
    struct log *log = worker->gateway->log;
    if (!log_wants(log, LOG_INFO))
        return;
    struct buffer *out = &worker->line;
    buffer_clear(out);
    log_begin(out, loop_wall_us(worker->loop), LOG_INFO, "request_complete");
    put_who(out, request);
    put_what(out, request);
    put_attempts(out, request);
    put_left_out(out, request);
    if (request->usage.known)
        put_tokens(out, &request->usage);
    if (request->cost_pico >= 0)
        put_usd(out, "cost_usd", request->cost_pico);
    put_ms(out, "duration_ms", request->ended_us - request->began_us);
    if (request->first_content_us > 0)
        put_ms(out, "ttft_ms", request->first_content_us - request->began_us);
    if (request->waited_us > 0)
        put_ms(out, "queued_ms", request->waited_us);
    put_int(out, "overhead_us", request->overhead_us);
    put_failure(out, request);
    if (labels.len > 0)
        buffer_append_slice(out, labels);
    buffer_append_byte(out, '}');
    if (!out->overflow)
        log_line(log, buffer_slice(out));
    else
        log_event(log, LOG_WARN, "log_line_too_long", log_text("request_id", slice_of(request->id)), log_number("status", request->status));
}

void record_refusal(struct worker *worker, const struct refusal *refusal, const struct failure *failure, const char *id)
{
    struct log *log = worker->gateway->log;
    struct buffer *out = &worker->line;
    if (!log_wants(log, LOG_INFO))
        return;
    buffer_clear(out);
    log_begin(out, loop_wall_us(worker->loop), LOG_INFO, "request_complete");
    put_text(out, "request_id", slice_of(id));
    put_text(out, "route", LIT("refused"));
    put_call(out, refusal->method, refusal->path, refusal->peer);
    put_text(out, "user", LIT("anonymous"));
    put_int(out, "status", refusal->status);
    put_text(out, "cause", slice_of(cause_name(CAUSE_REFUSED)));
    put_text(out, "step", LIT("accept"));
    put_text(out, "error", failure->code.len > 0 ? failure->code : slice_of(failure_row(failure->kind)->name));
    put_text(out, "error_message", failure->message);
    buffer_append_byte(out, '}');
    log_line(log, buffer_slice(out));
}
