/* limits.c -- see limits.h. The counters themselves are shared/limiter's; they hang off struct gateway, so that a reload finds them again.
 * SPDX-License-Identifier: MIT */
#include "gateway/limits.h"
#include "gateway/attempt.h"
#include "gateway/worker.h"

static bool refuse(struct request *request, const struct limit_rule *rule, const struct limit_verdict *verdict)
{
    struct buffer text;
    buffer_init(&text, FAILURE_MESSAGE_MAX);
    limit_write_refusal(&text, rule, verdict);
    struct failure failure = failure_make(FAILURE_LIMITED, arena_copy(&request->arena, buffer_slice(&text)));
    buffer_free(&text);
    failure.retry_after_us = verdict->retry_after_us;
    request->limits->refused = arena_copy(&request->arena, slice_of(rule->name));
    request->failure = failure;
    return false;
}

bool limits_charge(struct request *request, const struct limit_rule *const *rules, unsigned count)
{
    struct limit_ask asks[LIMITS_MAX];
    struct buffer names[LIMITS_MAX];
    struct limit_verdict verdict;
    struct slice user = request->user == NULL ? LIT("anonymous") : request->user->id;
    if (count == 0)
        return true;
    request->limits = arena_zalloc(&request->arena, sizeof *request->limits);
    if (request->limits == NULL) {
        request->failure = failure_make(FAILURE_TOO_LARGE, LIT("the request needs too much memory"));
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        buffer_init(&names[i], LIMIT_FULL_NAME_MAX);
        limit_write_name(&names[i], rules[i], user, request->model_name);
        asks[i] = (struct limit_ask){buffer_slice(&names[i]), rules[i]};
    }
    bool charged = limiter_charge(request->worker->gateway->limiter, asks, count, request_tokens_wanted(request),
                                  loop_now_us(request->worker->loop), &request->limits->reservation, &verdict);
    for (unsigned i = 0; i < count; i++)
        buffer_free(&names[i]);
    memcpy(request->limits->facts, verdict.facts, sizeof verdict.facts);
    return charged || refuse(request, rules[verdict.ask], &verdict);
}

/* ---------------------------------------------------------------- the real usage */

/* What an attempt used at its provider, which may bill discarded answers too; -1: not known, up to what was reserved. */
static int64_t tokens_of_attempt(const struct request *request, const struct attempt *attempt, const struct walk_attempt *walked)
{
    if (attempt == request->winner && request->usage.known)
        return usage_total(&request->usage);
    if (attempt->answer.usage.known || attempt->answer.content) {
        const struct usage usage = attempt_billed(attempt, 0);
        return usage_total(&usage);
    }
    if (attempt->failed && attempt->failure.sent == SENT_REFUSED) /* also where it was cancelled meanwhile */
        return 0;
    if (walked->state == ATTEMPT_FAILED)
        return walked->failure.sent == SENT_NOT || walked->failure.sent == SENT_REFUSED ? 0 : -1;
    if (walked->state == ATTEMPT_DONE)
        return -1;
    return attempt->sent_us > 0 ? request->input_tokens : 0; /* it was cancelled: the prompt may have been read */
}

static int64_t tokens_used(const struct request *request)
{
    int64_t sum = 0, reserved = request->limits->reservation.tokens;
    bool known = true;
    if (request->route->wire->operation == OPERATION_COUNT)
        return 0;
    for (unsigned i = 0; i < request->walk.attempt_count; i++) {
        if (request->attempts[i] == NULL)
            continue;
        int64_t tokens = tokens_of_attempt(request, request->attempts[i], &request->walk.attempts[i]);
        known &= tokens >= 0;
        sum += tokens > 0 ? tokens : 0;
    }
    return known || sum > reserved ? sum : reserved;
}

void limits_settle(struct request *request)
{
    if (request->limits != NULL && request->limits->reservation.count > 0)
        limiter_settle(request->worker->gateway->limiter, &request->limits->reservation, tokens_used(request),
                       loop_now_us(request->worker->loop));
}
