/* routes.c -- see routes.h: the table, and the small answers that need no pipeline.
 * SPDX-License-Identifier: MIT */
#include "gateway/routes.h"
#include "base/json.h"
#include "gateway/answer.h"
#include "gateway/worker.h"
#include <math.h>

static void serve_models(struct request *request);
static void serve_model(struct request *request);
static void serve_health(struct request *request);
static void serve_live(struct request *request);
static void serve_ready(struct request *request);
static void serve_reload(struct request *request);
static void serve_not_found(struct request *request);
static void serve_bad_method(struct request *request);
static void serve_preflight(struct request *request);

static const struct route routes[] = {
    {"chat_completions", "POST", "/v1/chat/completions", false, ACCESS_USER, &wire_openai, NULL},
    {"completions", "POST", "/v1/completions", false, ACCESS_USER, &wire_completions, NULL},
    {"embeddings", "POST", "/v1/embeddings", false, ACCESS_USER, &wire_embeddings, NULL},
    {"completion", "POST", "/completion", false, ACCESS_USER, &wire_simple, NULL},
    {"models", "GET", "/v1/models", false, ACCESS_USER, &wire_openai, serve_models},
    {"model", "GET", "/v1/models/", true, ACCESS_USER, &wire_openai, serve_model},
    {"health", "GET", "/health", false, ACCESS_ALL, &wire_openai, serve_health},
    {"health_live", "GET", "/health/live", false, ACCESS_ALL, &wire_openai, serve_live},
    {"health_ready", "GET", "/health/ready", false, ACCESS_ALL, &wire_openai, serve_ready},
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
    for (unsigned i = 0; i < ROUTE_COUNT; i++) {
        const struct route *route = &routes[i];
        if (!path_matches(route, path))
            continue;
        if (slice_equals(method, slice_of(route->method)) ||
            (slice_equals(method, LIT("HEAD")) && slice_equals(slice_of(route->method), LIT("GET"))))
            return route;
        if (slice_equals(method, LIT("OPTIONS")))
            return &preflight;
        return route->method[0] == 'G' ? &bad_get : &bad_post;
    }
    return &not_found;
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

static void put_model(struct buffer *out, const struct request *request, const struct model *model)
{
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
    buffer_init(&out, 4 * 1024 * 1024);
    buffer_append_lit(&out, "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; i < config->model_count; i++) {
        if (!may_see(request, &config->models[i]))
            continue;
        if (!first)
            buffer_append_byte(&out, ',');
        first = false;
        put_model(&out, request, &config->models[i]);
    }
    buffer_append_lit(&out, "]}");
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

/* ---------------------------------------------------------------- health */

static void serve_live(struct request *request)
{
    answer_json(request, 200, LIT("{\"status\":\"alive\"}"));
}

/* Never depends on a provider: an orchestrator must not restart us because somebody else is down. */
static void serve_ready(struct request *request)
{
    if (atomic_load(&request->worker->gateway->draining))
        answer_json(request, 503, LIT("{\"status\":\"draining\",\"checks\":{\"policy\":\"ok\"}}"));
    else
        answer_json(request, 200, LIT("{\"status\":\"ready\",\"checks\":{\"policy\":\"ok\"}}"));
}

/* A provider is the sum of its targets: worst breaker, pooled rates, the slowest percentiles. */
struct provider_health {
    enum breaker_state breaker;
    uint64_t successes, failures;
    double p50, p95, p99;
    bool measured;
};

static double slower(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

static struct provider_health add_up(const struct request *request, const struct provider *provider)
{
    const struct config *config = request->config;
    struct provider_health sum = {.breaker = BREAKER_CLOSED, .p50 = NAN, .p95 = NAN, .p99 = NAN};
    unsigned count = atomic_load(&config->target_count);
    for (unsigned i = 0; i < count; i++) {
        struct health_view view;
        if (config->targets[i]->provider != provider || config->targets[i]->health == NULL)
            continue;
        health_view(config->targets[i]->health, loop_now_us(request->worker->loop), &view);
        sum.successes += view.successes;
        sum.failures += view.failures;
        if (view.breaker == BREAKER_OPEN || (view.breaker == BREAKER_HALF_OPEN && sum.breaker == BREAKER_CLOSED))
            sum.breaker = view.breaker;
        if (view.samples > 0 && !isnan(view.p50_ms)) {
            sum.measured = true;
            sum.p50 = slower(sum.p50, view.p50_ms);
            sum.p95 = slower(sum.p95, view.p95_ms);
            sum.p99 = slower(sum.p99, view.p99_ms);
        }
    }
    return sum;
}

static void put_provider(struct buffer *out, const struct provider *provider, const struct provider_health *health)
{
    uint64_t all = health->successes + health->failures;
    double rate = all == 0 ? 1.0 : (double)health->successes / (double)all;
    json_append_string(out, provider->name);
    buffer_printf(out, ":{\"status\":\"%s\",\"breaker\":\"%s\",\"success_rate\":%.4f,\"error_rate\":%.4f,\"latency_ms\":",
                  health->breaker == BREAKER_OPEN        ? "unhealthy"
                  : health->breaker == BREAKER_HALF_OPEN ? "degraded"
                                                         : "healthy",
                  breaker_name(health->breaker), rate, 1.0 - rate);
    if (health->measured)
        buffer_printf(out, "{\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f}}", health->p50, health->p95, health->p99);
    else
        buffer_append_lit(out, "{\"p50\":null,\"p95\":null,\"p99\":null}}");
}

static void serve_health(struct request *request)
{
    const struct config *config = request->config;
    const struct gateway *gateway = request->worker->gateway;
    struct buffer providers, out;
    unsigned open = 0;
    char time[25];
    buffer_init(&providers, 1024 * 1024);
    buffer_init(&out, 1024 * 1024);
    for (unsigned i = 0; i < config->provider_count; i++) {
        struct provider_health health = add_up(request, &config->providers[i]);
        open += health.breaker == BREAKER_OPEN;
        if (i > 0)
            buffer_append_byte(&providers, ',');
        put_provider(&providers, &config->providers[i], &health);
    }
    clock_format(request->began_wall_us, time);
    const char *status = open == 0 ? "healthy" : open < config->provider_count ? "degraded" : "unhealthy";
    buffer_printf(&out, "{\"status\":\"%s\",\"version\":\"%s\",\"timestamp\":\"%s\",\"uptime_s\":%lld,\"generation\":%u,\"providers\":{",
                  status, GATEWAY_VERSION, time, (long long)((request->began_us - gateway->started_us) / US_PER_S),
                  request->engine->generation->number);
    buffer_append_slice(&out, buffer_slice(&providers));
    buffer_append_lit(&out, "}}");
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&providers);
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
