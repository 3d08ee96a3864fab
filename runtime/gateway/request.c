/* request.c -- see request.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/request.h"
#include "gateway/worker.h"
#include "shared/bodies.h"

const char *cause_name(enum cause cause)
{
    static const char *const names[] = {"ok", "client_closed", "limited", "refused", "failed", "policy"};
    return names[cause];
}

bool request_is_large(const struct request *request)
{
    return request->body.len > BODY_SMALL;
}

void request_look_at_stats(const struct request *request, struct walk_settings *settings)
{
    settings->frugal = !model_has_spare(request->stats);
    settings->hedge = request->fallback && model_has_hedge(request->stats);
}

void request_event(struct request *request, const struct walk_event *event)
{
    request_look_at_stats(request, &request->walk.settings);
    walk_event(&request->walk, event, loop_now_us(request->worker->loop));
}

/* ---------------------------------------------------------------- tokens and prices */

/* Clients may send any number: values above what a limit can hold are cut to that. */
static int64_t times(int64_t tokens, int64_t count)
{
    int64_t product;
    return __builtin_mul_overflow(tokens, count, &product) || product > LIMIT_COUNT_MAX ? LIMIT_COUNT_MAX : product;
}

int64_t request_tokens_wanted(const struct request *request)
{
    const struct facts *facts = &request->facts;
    if (request->route->wire->operation == OPERATION_COUNT)
        return 0; /* no provider bills a count */
    int64_t each = facts->max_tokens >= 0 ? facts->max_tokens : request->output_tokens;
    int64_t all = times(each, facts->answer_count > 0 ? facts->answer_count : 1);
    return request->input_tokens + times(all, facts->prompt_count > 0 ? (int64_t)facts->prompt_count : 1);
}

static int64_t priced(int64_t tokens, int64_t price)
{
    return tokens > 0 && price > 0 ? tokens * price : 0;
}

int64_t request_cost_pico(const struct request *request, const struct target *target)
{
    const int64_t *price = price_rates(target->price, request->input_tokens);
    if (price[PRICE_INPUT] < 0 || price[PRICE_OUTPUT] < 0)
        return -1;
    return priced(request->input_tokens, price[PRICE_INPUT]) + priced(request->expected_tokens, price[PRICE_OUTPUT]);
}

int64_t request_usage_pico(const struct request *request)
{
    return request->served == NULL ? -1 : usage_cost_pico(&request->usage, request->served->price);
}
