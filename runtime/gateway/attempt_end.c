/* attempt_end.c -- the end of an attempt: what it means for its key, its access token and its target, and what may be billed for it. See attempt.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt_private.h"
#include "gateway/capacity.h"
#include "gateway/worker.h"

/* An operator has to act: nothing else mends a key. The line says which one it is, and not the key. */
static void log_refused_key(const struct attempt *attempt, const struct failure *failure, int64_t aside_us)
{
    const struct provider *provider = attempt->target->provider;
    log_event(attempt->request->worker->gateway->log, LOG_WARN, "key_refused", log_text("request_id", slice_of(attempt->request->id)),
              log_text("provider", provider->name), log_number("key", attempt->key + 1), log_number("of", provider->key_count),
              log_number("status", failure->status), log_number("set_aside_s", aside_us / US_PER_S));
}

/* Applies the provider's verdict on the key. Where one key of a key pool fails, this is not the target's failure: another key may work at once. */
static void note_key(struct attempt *attempt, struct failure *failure)
{
    const struct provider *provider = attempt->target->provider;
    struct key_state *const *pool = attempt->request->config->key_pools[provider->index];
    bool refused = failure->kind == FAILURE_AUTH, throttled = failure->kind == FAILURE_RATE_LIMITED || failure->kind == FAILURE_QUOTA;
    int64_t now = loop_now_us(attempt->request->worker->loop);
    if (provider->key_count == 0 || (!refused && !throttled))
        return;
    if (refused && key_refused(pool[attempt->key], now))
        log_refused_key(attempt, failure, key_aside_until_us(pool[attempt->key]) - now);
    else if (throttled && provider->key_count > 1)
        key_throttled(pool[attempt->key], failure->retry_after_us, now);
    failure->other_key = key_has_other(pool, provider->key_count, attempt->key, now);
}

bool attempt_note_memory(const struct attempt *attempt, struct failure *failure)
{
    const struct failure shed = failure_shed();
    if (!attempt->request->arena.starved && !attempt->encoded.starved && !answer_starved(&attempt->answer))
        return false;
    failure->kind = shed.kind;
    failure->message = shed.message;
    failure->retry_after_us = shed.retry_after_us;
    failure->code = failure->param = failure->details_json = SLICE_NONE;
    return true;
}

/* A provider acts only on a whole request. */
static bool was_sent(const struct attempt *attempt)
{
    return attempt->sent_us > 0 || attempt->status > 0;
}

/* -1: not known; what was reserved is charged. */
static int64_t tokens_used(const struct attempt *attempt)
{
    if (attempt->request->route->wire->operation == OPERATION_COUNT)
        return 0; /* no provider bills a count */
    struct usage usage = attempt_billed(attempt, attempt->capacity.tokens);
    if (usage.known && (attempt->answer.usage.known || attempt->answer.content || attempt->left))
        return usage_total(&usage);
    bool refused = attempt->failed && (attempt->failure.sent == SENT_NOT || attempt->failure.sent == SENT_REFUSED);
    return refused ? 0 : -1;
}

/* Gives back what the attempt reserved of its target's rate limits and did not use. A second call does nothing. */
static void give_back(struct attempt *attempt)
{
    if (attempt->capacity.count == 0)
        return;
    bool sent = was_sent(attempt) && !(attempt->failed && attempt->failure.sent == SENT_NOT);
    capacity_give_back(attempt->request->worker, &attempt->capacity, sent, sent ? tokens_used(attempt) : 0);
}

void attempt_settle_health(struct attempt *attempt, bool ok, bool neutral)
{
    if (attempt->settled)
        return;
    attempt->settled = true;
    give_back(attempt);
    if (attempt->target->health == NULL)
        return;
    const struct walk_attempt *walked = &attempt->request->walk.attempts[attempt->number];
    const struct usage usage = attempt_billed(attempt, 0);
    int64_t now = loop_now_us(attempt->request->worker->loop);
    struct health_outcome outcome = {
        .ok = ok,
        .neutral = neutral,
        .failure = attempt->failure,
        .duration_us = now - walked->began_us,
        .first_token_us = walked->content_us == 0 ? 0 : walked->content_us - walked->began_us,
        .input_tokens = usage.known ? usage.input : -1,
        .output_tokens = usage.known ? usage.output : -1,
        .cost_pico = usage_cost_pico(&usage, attempt->target->price),
    };
    health_end(attempt->target->health, &outcome, attempt->probe, now);
}

/* A pooled connection that the provider had closed is no verdict on its health; the repetition on a fresh one is. Where another target is asked
 * instead, it counts. */
static bool is_neutral_for_health(const struct attempt *attempt, const struct failure *failure)
{
    if (failure->sent == SENT_UNCERTAIN && walk_has_other(&attempt->request->walk))
        return false;
    return attempt->reused && failure->kind == FAILURE_UNAVAILABLE && attempt->status == 0 && failure->sent != SENT_REFUSED;
}

void attempt_note_failure(struct attempt *attempt, const struct failure *failure)
{
    attempt->failed = true;
    attempt->failure = *failure;
    bool starved = attempt_note_memory(attempt, &attempt->failure);
    failure_hide(&attempt->failure, attempt->target->provider, attempt->access_token, &attempt->request->arena);
    note_key(attempt, &attempt->failure);
    attempt_note_token(attempt);
    attempt_hang_up(attempt);
    bool renewed = attempt->access_token.len > 0 && failure->kind == FAILURE_AUTH; /* a new one will be fetched */
    attempt_settle_health(attempt, false, starved || attempt->failure.other_key || renewed || is_neutral_for_health(attempt, failure));
}

/* The client ended it before the usage came: it left, or its x-request-timeout-ms was over. */
static bool was_cut_short(const struct attempt *attempt)
{
    const struct request *request = attempt->request;
    const struct walk_attempt *walked = &request->walk.attempts[attempt->number];
    bool counted = attempt->answer.ended || (attempt->answer.usage.known && attempt->answer.finish != FINISH_NONE);
    bool own_time = walked->failure.deadline == DEADLINE_TOTAL && request->walk.settings.total_us == request->time_us;
    return !counted && (attempt->left || (own_time && attempt->answer.content));
}

struct usage attempt_billed(const struct attempt *attempt, int64_t reserved)
{
    const struct request *request = attempt->request;
    struct usage usage = attempt->answer.usage;
    bool refused = attempt->failure.sent == SENT_NOT || attempt->failure.sent == SENT_REFUSED;
    bool failed = attempt->failed || request->walk.attempts[attempt->number].state == ATTEMPT_FAILED;
    bool cut_short = was_cut_short(attempt);
    if ((usage.known && !cut_short) || !was_sent(attempt) || (failed && refused && !attempt->answer.content) ||
        request->route->wire->operation == OPERATION_COUNT)
        return usage;
    size_t bytes = attempt->left && !attempt->answer.content ? attempt->answer.body.len : attempt->answer.text_bytes;
    int64_t output = (int64_t)(bytes / BYTES_PER_TOKEN) + (bytes > 0);
    if (!usage.known)
        usage.input = request->input_tokens;
    if (cut_short && output < reserved - usage.input)
        output = reserved - usage.input;
    if (output > usage.output)
        usage.output = output;
    usage.known = usage.estimated = true;
    usage.billed = false;
    usage.total = -1;
    return usage;
}
