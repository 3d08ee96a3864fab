/* attempt_end.c -- what the end of an attempt says of the key that it was made with, and what may be billed for it. See attempt.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt.h"
#include "gateway/routes.h"
#include "gateway/worker.h"

/* Somebody has to see to it: nothing else mends a key. Which one, without telling it. */
static void log_refused_key(const struct attempt *attempt, const struct failure *failure, int64_t aside_us)
{
    const struct provider *provider = attempt->target->provider;
    log_event(attempt->request->worker->gateway->log, LOG_WARN, "key_refused",
              ",\"request_id\":\"%.32s\",\"provider\":\"%.*s\",\"key\":%u,\"of\":%u,\"status\":%d,\"set_aside_s\":%lld",
              attempt->request->id, (int)provider->name.len, provider->name.ptr, attempt->key + 1, provider->key_count, failure->status,
              (long long)(aside_us / US_PER_S));
}

void attempt_note_key(struct attempt *attempt, struct failure *failure)
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

struct usage attempt_billed(const struct attempt *attempt)
{
    const struct request *request = attempt->request;
    struct usage usage = attempt->usage;
    bool refused = attempt->failure.sent == SENT_NOT || attempt->failure.sent == SENT_REFUSED;
    bool failed = attempt->failed || request->walk.attempts[attempt->number].state == ATTEMPT_FAILED;
    bool sent = attempt->sent_us > 0 || attempt->status > 0;
    if (usage.known || !sent || (failed && refused && !attempt->content) || route_wire(request->route)->operation == OPERATION_COUNT)
        return usage;
    usage.input = request->input_tokens;
    usage.output = (int64_t)(attempt->text_bytes / BYTES_PER_TOKEN) + (attempt->text_bytes > 0);
    usage.known = usage.estimated = true;
    return usage;
}
