/* routes.c -- see routes.h: the table, and the small answers that need no pipeline.
 * SPDX-License-Identifier: MIT */
#include "gateway/routes.h"
#include "base/json.h"
#include "gateway/answer.h"
#include "gateway/health_pages.h"
#include "gateway/worker.h"

static void serve_models(struct request *request);
static void serve_model(struct request *request);
static void serve_reload(struct request *request);
static void serve_not_found(struct request *request);
static void serve_bad_method(struct request *request);
static void serve_preflight(struct request *request);

static const struct route routes[] = {
    {"chat_completions", "POST", "/v1/chat/completions", false, ACCESS_USER, &wire_openai, NULL},
    {"completions", "POST", "/v1/completions", false, ACCESS_USER, &wire_completions, NULL},
    {"embeddings", "POST", "/v1/embeddings", false, ACCESS_USER, &wire_embeddings, NULL},
    {"messages", "POST", "/v1/messages", false, ACCESS_USER, &wire_anthropic, NULL},
    {"count_tokens", "POST", "/v1/messages/count_tokens", false, ACCESS_USER, &wire_count_tokens, NULL},
    {"responses", "POST", "/v1/responses", false, ACCESS_USER, &wire_responses, NULL},
    {"completion", "POST", "/completion", false, ACCESS_USER, &wire_simple, NULL},
    {"models", "GET", "/v1/models", false, ACCESS_USER, &wire_openai, serve_models},
    {"model", "GET", "/v1/models/", true, ACCESS_USER, &wire_openai, serve_model},
    {"health", "GET", "/health", false, ACCESS_ALL, &wire_openai, health_page_summary},
    {"health_live", "GET", "/health/live", false, ACCESS_ALL, &wire_openai, health_page_live},
    {"health_ready", "GET", "/health/ready", false, ACCESS_ALL, &wire_openai, health_page_ready},
    {"providers", "GET", "/providers", false, ACCESS_ADMIN, &wire_openai, health_page_providers},
    {"admin_breaker", "GET", "/admin/providers/", true, ACCESS_ADMIN, &wire_openai, health_page_breaker},
    {"admin_breaker_reset", "POST", "/admin/providers/", true, ACCESS_ADMIN, &wire_openai, health_page_breaker_reset},
    {"admin_reload", "POST", "/admin/reload", false, ACCESS_ADMIN, &wire_openai, serve_reload},
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

static const struct route not_found = {"not_found", "", "", false, ACCESS_ALL, &wire_openai, serve_not_found};
static const struct route bad_get = {"method_not_allowed", "GET", "", false, ACCESS_ALL, &wire_openai, serve_bad_method};
static const struct route bad_post = {"method_not_allowed", "POST", "", false, ACCESS_ALL, &wire_openai, serve_bad_method};
static const struct route preflight = {"preflight", "OPTIONS", "", false, ACCESS_ALL, &wire_openai, serve_preflight};

static bool path_matches(const struct route *route, struct slice path)
{
    struct slice own = slice_of(route->path);
    return route->prefix ? path.len > own.len && slice_starts_with(path, own) : slice_equals(path, own);
}

const struct route *route_find(struct slice method, struct slice path)
{
    const struct route *other = NULL; /* knows the path by another method */
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &routes[i];
        if (!path_matches(route, path))
            continue;
        if (slice_equals(method, slice_of(route->method)) ||
            (slice_equals(method, LIT("HEAD")) && slice_equals(slice_of(route->method), LIT("GET"))))
            return route;
        if (slice_equals(method, LIT("OPTIONS")))
            return &preflight;
        other = other == NULL ? route : other;
    }
    return other == NULL ? &not_found : other->method[0] == 'G' ? &bad_get : &bad_post;
}

const struct wire *route_wire(const struct route *route)
{
    return route->wire;
}

struct slice route_allow(const struct route *route)
{
    return route->method[0] == 'G' ? LIT("GET, HEAD, OPTIONS") : LIT("POST, OPTIONS");
}

/* ---------------------------------------------------------------- refusals */

static void serve_not_found(struct request *request)
{
    struct failure failure = failure_make(FAILURE_NO_ROUTE, LIT("There is nothing at this path. Try POST /v1/chat/completions."));
    request_refuse(request, &failure);
}

static void serve_bad_method(struct request *request)
{
    struct failure failure = failure_make(FAILURE_BAD_METHOD, LIT("This path does not know that method."));
    request_refuse(request, &failure);
}

static void serve_preflight(struct request *request)
{
    answer_empty(request, 204);
}

/* ---------------------------------------------------------------- models */

/* Anthropic's clients say so in their head; the same path serves both dialects. */
static bool is_anthropic(const struct request *request)
{
    return request->exchange != NULL && exchange_header(request->exchange, "anthropic-version").len > 0;
}

static void put_anthropic_model(struct buffer *out, const struct request *request, const struct model *model)
{
    const struct target *target = model->target_count > 0 ? model->targets[0] : NULL;
    char time[25];
    clock_format(request->worker->gateway->started_wall_us, time);
    buffer_append_lit(out, "{\"type\":\"model\",\"id\":");
    json_append_string(out, model->name);
    buffer_append_lit(out, ",\"display_name\":");
    json_append_string(out, model->name);
    buffer_printf(out, ",\"created_at\":\"%s\"", time);
    if (target != NULL && target->context > 0)
        buffer_printf(out, ",\"max_input_tokens\":%lld", (long long)target->context);
    if (target != NULL && target->model.max_output > 0)
        buffer_printf(out, ",\"max_tokens\":%lld", (long long)target->model.max_output);
    buffer_append_byte(out, '}');
}

static void put_model(struct buffer *out, const struct request *request, const struct model *model)
{
    if (is_anthropic(request)) {
        put_anthropic_model(out, request, model);
        return;
    }
    buffer_append_lit(out, "{\"id\":");
    json_append_string(out, model->name);
    buffer_append_lit(out, ",\"object\":\"model\",\"created\":");
    buffer_append_int(out, request->worker->gateway->started_wall_us / US_PER_S);
    buffer_append_lit(out, ",\"owned_by\":");
    json_append_string(out, model->target_count > 0 ? model->targets[0]->provider->name : LIT("gateway"));
    buffer_append_byte(out, '}');
}

static bool may_see(const struct request *request, const struct model *model)
{
    return request->user == NULL || user_may_use(request->user, model->name);
}

static void serve_models(struct request *request)
{
    const struct config *config = request->config;
    struct buffer out;
    bool first = true;
    struct slice first_id = SLICE_NONE, last_id = SLICE_NONE;
    buffer_init(&out, 4 * 1024 * 1024);
    buffer_append_slice(&out, is_anthropic(request) ? LIT("{\"data\":[") : LIT("{\"object\":\"list\",\"data\":["));
    for (unsigned i = 0; i < config->model_count; i++) {
        if (!may_see(request, &config->models[i]))
            continue;
        if (!first)
            buffer_append_byte(&out, ',');
        if (first)
            first_id = config->models[i].name;
        last_id = config->models[i].name;
        first = false;
        put_model(&out, request, &config->models[i]);
    }
    buffer_append_byte(&out, ']');
    if (is_anthropic(request)) { /* one page holds them all */
        buffer_append_lit(&out, ",\"has_more\":false,\"first_id\":");
        json_append_string(&out, first_id);
        buffer_append_lit(&out, ",\"last_id\":");
        json_append_string(&out, last_id);
    }
    buffer_append_byte(&out, '}');
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}

static void serve_model(struct request *request)
{
    struct slice path = exchange_path(request->exchange), prefix = slice_of(request->route->path);
    struct slice name = {path.ptr + prefix.len, path.len - prefix.len};
    const struct model *model = config_model(request->config, name, &request->arena);
    if (model == NULL || !may_see(request, model)) {
        struct failure failure = failure_make(FAILURE_NO_MODEL, LIT("The model does not exist or its provider is not on."));
        failure.param = LIT("model");
        request_refuse(request, &failure);
        return;
    }
    struct buffer out;
    buffer_init(&out, 4096);
    put_model(&out, request, model);
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}

/* ---------------------------------------------------------------- reload */

/* The reload runs on the process's thread; its verdict comes back through worker_reload_done in this worker's own turn. */
static void serve_reload(struct request *request)
{
    if (atomic_load(&request->worker->gateway->draining)) {
        struct failure failure = failure_make(FAILURE_DRAINING, LIT("The gateway is stopping."));
        request_refuse(request, &failure);
        return;
    }
    request->waits_for_reload = true;
    worker_ask_reload(request->worker, request);
}
