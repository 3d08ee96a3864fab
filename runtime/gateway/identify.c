/* identify.c -- the first step of the pipeline: key -> user (access.c), body -> facts, name -> model, model -> candidates.
 * SPDX-License-Identifier: MIT */
#include "gateway/identify.h"
#include "gateway/access.h"
#include "gateway/capacity.h"
#include "gateway/body.h"
#include "config/model_name.h"
#include "gateway/worker.h"
#include <math.h>

enum { NEAREST_MAX = 3, DEFAULT_OUTPUT_TOKENS = 500 };

static bool refuse(struct request *request, enum failure_kind kind, struct slice message, struct slice param)
{
    request->failure = request->arena.starved ? failure_shed() : failure_make(kind, message);
    request->failure.param = request->arena.starved ? SLICE_NONE : param;
    return false;
}

/* ---------------------------------------------------------------- the body */

static bool read_media_type(struct request *request)
{
    struct slice type = exchange_header(request->exchange, "content-type");
    struct slice coding = exchange_header(request->exchange, "content-encoding");
    if (coding.len > 0 && !slice_equals_nocase(coding, LIT("identity")))
        return refuse(request, FAILURE_BAD_MEDIA_TYPE, LIT("compressed request bodies are not accepted"), SLICE_NONE);
    /* No type at all is taken for JSON: curl -d without -H is the first thing people try, and says form-urlencoded. */
    struct slice json = LIT("application/json"), form = LIT("application/x-www-form-urlencoded");
    if (type.len == 0 || (type.len >= json.len && slice_equals_nocase((struct slice){type.ptr, json.len}, json)) ||
        (type.len >= form.len && slice_equals_nocase((struct slice){type.ptr, form.len}, form)))
        return true;
    return refuse(request, FAILURE_BAD_MEDIA_TYPE, LIT("the request body must be application/json"), SLICE_NONE);
}

static bool read_body(struct request *request)
{
    struct complaint complaint = {FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    if (request->exchange != NULL && !read_media_type(request))
        return false;
    if (!request->route->wire->read_facts(request->body, &request->arena, &request->facts, &complaint))
        return refuse(request, complaint.kind, complaint.message, complaint.param);
    request_keep_apart(request);
    struct slice model = json_unescape(&request->arena, request->facts.model_raw);
    if (memchr(model.ptr, '\0', model.len) != NULL)
        return refuse(request, FAILURE_BAD_PARAMETER, LIT("Invalid 'model': it contains a NUL character."), LIT("model"));
    if (request->route->wire->operation != OPERATION_CHAT)
        request->facts.stream = false;
    request->model_name = model;
    return true;
}

/* How long the caller will wait, in milliseconds. */
static bool read_time(struct request *request)
{
    int64_t ms;
    struct slice text = request->exchange == NULL ? SLICE_NONE : exchange_header(request->exchange, "x-request-timeout-ms");
    if (text.len == 0)
        return true;
    if (!slice_to_int(slice_trim(text), &ms) || ms <= 0)
        return refuse(request, FAILURE_BAD_PARAMETER, LIT("Invalid header 'x-request-timeout-ms': expected milliseconds above zero."),
                      LIT("x-request-timeout-ms"));
    request->time_us = ms < INT64_MAX / US_PER_MS ? ms * US_PER_MS : 0;
    return true;
}

/* Body first, then header, then the config. */
static void read_wishes(struct request *request)
{
    const struct facts *facts = &request->facts;
    struct slice strategy = json_unescape(&request->arena, facts->strategy_raw);
    struct slice preference = json_unescape(&request->arena, facts->provider_raw);
    if (request->exchange != NULL && strategy.len == 0)
        strategy = exchange_header(request->exchange, "x-routing-strategy");
    if (request->exchange != NULL && preference.len == 0)
        preference = exchange_header(request->exchange, "x-provider");
    request->strategy = strategy.len > 0 ? strategy : request->config->strategy;
    request->preference = preference;
    request->fallback = facts->fallback != 0;
    request->replayable = facts->replayable && request->config->walk.replay_uncertain;
}

/* ---------------------------------------------------------------- the model */

static bool unknown_model(struct request *request)
{
    struct slice names[NEAREST_MAX];
    unsigned count = config_nearest(request->config, request->user, request->model_name, names, NEAREST_MAX);
    struct buffer text;
    buffer_init(&text, 1024);
    buffer_append_lit(&text, "The model '");
    buffer_append(&text, request->model_name.ptr, request->model_name.len < 200 ? request->model_name.len : 200);
    buffer_append_lit(&text, "' does not exist or its provider is not on.");
    for (unsigned i = 0; i < count; i++) {
        buffer_append_slice(&text, i == 0 ? LIT(" Did you mean '") : LIT(", '"));
        buffer_append_slice(&text, names[i]);
        buffer_append_lit(&text, "'");
    }
    if (count > 0)
        buffer_append_lit(&text, "?");
    struct slice message = arena_copy(&request->arena, buffer_slice(&text));
    buffer_free(&text);
    return refuse(request, FAILURE_NO_MODEL, message, LIT("model"));
}

static bool find_model(struct request *request)
{
    if (request->model_name.len > 0 && !model_name_is_plain(request->model_name)) /* it must not be read as a pattern */
        return unknown_model(request);
    if (request->user != NULL && !user_may_use(request->user, request->model_name)) /* before a name is made for it */
        return refuse(request, FAILURE_FORBIDDEN, LIT("This key may not use this model."), LIT("model"));
    request->model = config_model(request->config, request->model_name, &request->arena, &request->holds);
    if (request->model == NULL)
        return unknown_model(request);
    request->stats = request->model->stats == NULL ? request->worker->gateway->other_stats : request->model->stats;
    request->turn = request->model->stats == NULL ? 0 : atomic_fetch_add_explicit(&request->stats->turn, 1, memory_order_relaxed);
    model_asked(request->stats);
    return true;
}

static bool unknown_provider(struct request *request)
{
    const struct config *config = request->config;
    struct buffer text;
    buffer_init(&text, 1024);
    buffer_append_lit(&text, "Unknown provider.");
    const char *separator = " Providers that are on: ";
    for (unsigned i = 0; i < config->provider_count; i++) {
        if (!config_may_name(config, request->user, &config->providers[i]))
            continue;
        buffer_append(&text, separator, strlen(separator));
        buffer_append_slice(&text, config->providers[i].name);
        separator = ", ";
    }
    struct slice message = arena_copy(&request->arena, buffer_slice(&text));
    buffer_free(&text);
    return refuse(request, FAILURE_BAD_PARAMETER, message, LIT("provider"));
}

/* A provider that the key may not use is reported as unknown. Checked after the model, so that a refused model reveals nothing else. */
static bool check_preference(struct request *request)
{
    if (request->preference.len == 0)
        return true;
    const struct provider *provider = config_provider(request->config, request->preference);
    for (unsigned i = 0; provider != NULL && i < request->model->target_count; i++)
        if (request->model->targets[i]->provider == provider)
            return true;
    return (provider != NULL && config_may_name(request->config, request->user, provider)) || unknown_provider(request);
}

static void estimate(struct request *request)
{
    const struct facts *facts = &request->facts;
    request->input_tokens = facts_tokens(facts);
    request->output_tokens = request->route->wire->operation == OPERATION_CHAT ? DEFAULT_OUTPUT_TOKENS : 0;
    /* Choosing uses the usual length of this model's answers; a reservation must not depend on the requests of others. */
    int64_t usual = request->output_tokens > 0 && request->model->stats != NULL ? model_output_p95(request->stats) : -1;
    request->expected_tokens = usual > 0 ? usual : request->output_tokens;
    if (facts->max_tokens >= 0 && facts->max_tokens < request->output_tokens)
        request->output_tokens = facts->max_tokens;
    if (facts->max_tokens >= 0 && facts->max_tokens < request->expected_tokens)
        request->expected_tokens = facts->max_tokens;
}

bool request_identify(struct request *request)
{
    request->random = worker_random(request->worker);
    if (!access_check(request) || !read_body(request) || !read_time(request))
        return false;
    read_wishes(request);
    if (!find_model(request) || !check_preference(request))
        return false;
    estimate(request);
    request_candidates(request);
    return !request->arena.overflow || refuse(request, FAILURE_TOO_LARGE, LIT("the request needs too much memory"), SLICE_NONE);
}

/* ---------------------------------------------------------------- the candidates */

/* A key's list names models; a target that a policy adds from another model must be on the list itself. */
static bool key_allows(const struct request *request, const struct target *target)
{
    if (request->user == NULL)
        return true;
    for (unsigned i = 0; i < request->model->target_count; i++)
        if (request->model->targets[i] == target)
            return true;
    return user_may_use(request->user, target->name);
}

/* Without an access token nothing can be sent there. */
static bool lacks_token(const struct request *request, const struct target *target)
{
    struct access_token *token = request->config->access_tokens[target->provider->index];
    return token != NULL && !access_token_is_good(token, loop_now_us(request->worker->loop));
}

const char *request_unfit_reason(struct request *request, const struct target *target, bool *permanent)
{
    static const struct {
        unsigned need;
        const char *reason;
    } needs[] = {{NEED_TOOLS, "tools"},         {NEED_VISION, "vision"}, {NEED_JSON_SCHEMA, "json_schema"},
                 {NEED_REASONING, "reasoning"}, {NEED_AUDIO, "audio"},   {NEED_DOCUMENT, "document"}};
    unsigned missing = request->facts.needs & ~target->model.capabilities;
    const struct wire *client = request->route->wire, *wire = provider_wire(target->provider, client);
    *permanent = true;
    if (client->operation == OPERATION_EMBED && wire != client && wire->write_embed == NULL)
        return "embeddings";
    if (target->makes != MAKES_ANYTHING && (target->makes == MAKES_VECTORS) != (client->operation == OPERATION_EMBED))
        return target->makes == MAKES_VECTORS ? "chat" : "embeddings";
    for (unsigned i = 0; i < sizeof needs / sizeof *needs; i++)
        if (missing & needs[i].need)
            return needs[i].reason;
    /* By texts and pictures only: the estimate for sound and files is too rough to refuse a request by it. */
    if (target->context > 0 && request->input_tokens - request->facts.media_tokens > target->context)
        return "context";
    if (request->preference.len > 0 && !slice_equals(request->preference, target->provider->name))
        return "provider";
    if (!key_allows(request, target))
        return "key";
    *permanent = false;
    return lacks_token(request, target) ? "token" : NULL;
}

/* All targets without capacity under the config's rate limits are left out: sending there would break the limit. */
static void leave_out_full(struct request *request)
{
    unsigned kept = 0;
    int64_t soonest = -1;
    for (unsigned i = 0; i < request->target_count; i++) {
        struct target *target = request->targets[i];
        int64_t wait_us = -1;
        if (capacity_has(request, target, &wait_us)) {
            request->targets[kept++] = target;
            continue;
        }
        request->unfits[request->unfit_count++] = (struct unfit){target, "limit", wait_us < 0};
        if (wait_us >= 0 && (soonest < 0 || wait_us < soonest))
            soonest = wait_us;
    }
    request->target_count = kept;
    request->capacity_in_us = kept > 0 ? -1 : soonest;
}

static bool is_usable(struct request *request, struct target *target, int64_t now_us, const char **reason)
{
    if (target->index >= request->config->listed_target_count)
        target_bind(request->worker->gateway, request->config, target, now_us);
    return target->health == NULL || health_is_usable(target->health, now_us, request->random, reason);
}

/* Unhealthy targets (breaker, check, cool-down, warming) are left out, but never more than half of those that can serve the request: where most look
 * unhealthy the cause is as likely on our side, and trying is better than refusing. */
static void leave_out_ill(struct request *request)
{
    int64_t now_us = loop_now_us(request->worker->loop);
    struct target **able = request->targets;
    unsigned count = request->target_count, ill = 0, kept = 0;
    const char **reasons = arena_zalloc(&request->arena, sizeof *reasons * (count + 1));
    if (reasons == NULL)
        return;
    for (unsigned i = 0; i < count; i++)
        if (!is_usable(request, able[i], now_us, &reasons[i]))
            ill++;
        else
            reasons[i] = NULL;
    if (ill == 0 || 2 * ill > count)
        return;
    for (unsigned i = 0; i < count; i++) {
        if (reasons[i] == NULL)
            able[kept++] = able[i];
        else
            request->unfits[request->unfit_count++] = (struct unfit){able[i], reasons[i], false};
    }
    request->target_count = kept;
}

void request_candidates(struct request *request)
{
    const struct model *model = request->model;
    request->target_count = request->unfit_count = 0;
    if (request->targets == NULL) { /* requests that wait come here repeatedly: allocate once */
        request->targets = arena_alloc(&request->arena, sizeof(struct target *) * (model->target_count + 1));
        request->unfits = arena_alloc(&request->arena, sizeof *request->unfits * (model->target_count + 1));
    }
    if (request->targets == NULL || request->unfits == NULL)
        return;
    for (unsigned i = 0; i < model->target_count; i++) {
        bool permanent = false;
        const char *reason = request_unfit_reason(request, model->targets[i], &permanent);
        if (reason == NULL)
            request->targets[request->target_count++] = model->targets[i];
        else
            request->unfits[request->unfit_count++] = (struct unfit){model->targets[i], reason, permanent};
    }
    leave_out_full(request);
    if (request->target_count > 0)
        leave_out_ill(request);
}
