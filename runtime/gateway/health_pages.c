/* health_pages.c -- see health_pages.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/health_pages.h"
#include "base/json.h"
#include "gateway/access.h"
#include "gateway/answer.h"
#include "gateway/walker.h"
#include "gateway/worker.h"
#include <math.h>

enum { PAGE_MAX = 8 * 1024 * 1024 };

void health_page_live(struct request *request)
{
    answer_json(request, 200, LIT("{\"status\":\"alive\"}"));
}

/* Never depends on a provider: an orchestrator must not restart us because a provider is down. */
void health_page_ready(struct request *request)
{
    unsigned taken_back = atomic_load(&request->worker->gateway->taken_back);
    if (atomic_load(&request->worker->gateway->draining))
        answer_json(request, 503, LIT("{\"status\":\"draining\",\"checks\":{\"policy\":\"ok\"}}"));
    else if (taken_back > 0)
        answer_json(
            request, 200,
            arena_printf(&request->arena,
                         "{\"status\":\"ready\",\"checks\":{\"policy\":\"degraded: generation %u failed and was taken back, %s is in "
                         "force\"}}",
                         taken_back, request->policy_label.ptr));
    else
        answer_json(request, 200, LIT("{\"status\":\"ready\",\"checks\":{\"policy\":\"ok\"}}"));
}

/* ---------------------------------------------------------------- a provider */

/* The sum of its targets: the worst breaker, pooled rates, the slowest percentiles. */
struct provider_health {
    enum breaker_state breaker;
    uint64_t successes, failures, requests, input_tokens, output_tokens;
    unsigned in_flight;
    int64_t cost_pico, cooldown_until_us;
    double p50, p95, p99;
    bool measured;
    bool checked, down;          /* the config has a health check; it failed */
    bool wants_token, tokenless; /* it wants an access token; there is none */
};

static double slower(double a, double b)
{
    return isnan(a) || b > a ? b : a;
}

/* Open is worse than half open, and that is worse than closed. */
static bool is_worse(enum breaker_state a, enum breaker_state b)
{
    return a == BREAKER_OPEN ? b != BREAKER_OPEN : a == BREAKER_HALF_OPEN && b == BREAKER_CLOSED;
}

static void add_target(struct provider_health *sum, const struct health_view *view)
{
    sum->successes += view->successes;
    sum->failures += view->failures;
    sum->requests += view->requests;
    sum->input_tokens += view->input_tokens;
    sum->output_tokens += view->output_tokens;
    sum->in_flight += view->in_flight;
    sum->cost_pico += view->cost_pico;
    if (view->cooldown_until_us > sum->cooldown_until_us)
        sum->cooldown_until_us = view->cooldown_until_us;
    if (is_worse(view->breaker, sum->breaker))
        sum->breaker = view->breaker;
    if (view->samples > 0 && !isnan(view->p50_ms)) {
        sum->measured = true;
        sum->p50 = slower(sum->p50, view->p50_ms);
        sum->p95 = slower(sum->p95, view->p95_ms);
        sum->p99 = slower(sum->p99, view->p99_ms);
    }
}

/* Two lists with different settings for one target make two targets with one health record: only the first is counted. */
static bool is_repeated(const struct config *config, const struct target *target)
{
    for (unsigned i = 0; i < target->index && target->index < config->listed_target_count; i++)
        if (config->targets[i]->health == target->health)
            return true;
    return false;
}

/* The next target of this provider from *at on that has a record of its own; NULL behind the last one. Under the config's ad_hoc_lock. */
static struct target *next_target(const struct request *request, const struct provider *provider, unsigned *at)
{
    const struct config *config = request->config;
    unsigned count = atomic_load(&config->target_count);
    while (*at < count) {
        struct target *target = config->targets[(*at)++];
        if (target->provider == provider && target->health != NULL && !is_repeated(config, target))
            return target;
    }
    return NULL;
}

static struct health_view view_of(const struct request *request, const struct target *target)
{
    struct health_view view;
    health_view(target->health, loop_now_us(request->worker->loop), &view);
    return view;
}

static struct provider_health add_up(const struct request *request, const struct provider *provider)
{
    struct provider_health sum = {.breaker = BREAKER_CLOSED, .p50 = NAN, .p95 = NAN, .p99 = NAN};
    const struct check *check = request->config->checks[provider->index];
    sum.checked = check != NULL;
    sum.down = check != NULL && atomic_load(&check->down);
    struct access_token *token = request->config->access_tokens[provider->index];
    sum.wants_token = token != NULL;
    sum.tokenless = token != NULL && !access_token_is_good(token, loop_now_us(request->worker->loop));
    unsigned at = 0;
    pthread_mutex_lock(&request->config->ad_hoc_lock);
    for (struct target *target; (target = next_target(request, provider, &at)) != NULL;) {
        struct health_view view = view_of(request, target);
        add_target(&sum, &view);
    }
    pthread_mutex_unlock(&request->config->ad_hoc_lock);
    return sum;
}

static double success_rate(const struct provider_health *health)
{
    uint64_t all = health->successes + health->failures;
    return all == 0 ? 1.0 : (double)health->successes / (double)all;
}

static bool is_ill(const struct provider_health *health)
{
    return health->down || health->tokenless || health->breaker == BREAKER_OPEN;
}

static const char *status_name(const struct provider_health *health)
{
    if (is_ill(health))
        return "unhealthy";
    return health->breaker == BREAKER_HALF_OPEN ? "degraded" : "healthy";
}

static void put_check(struct buffer *out, const struct provider_health *health)
{
    if (health->checked)
        buffer_printf(out, ",\"check\":\"%s\"", health->down ? "down" : "up");
    if (health->wants_token)
        buffer_printf(out, ",\"token\":\"%s\"", health->tokenless ? "missing" : "good");
}

static void put_latency(struct buffer *out, const struct provider_health *health)
{
    buffer_append_lit(out, ",\"latency_ms\":");
    if (health->measured)
        buffer_printf(out, "{\"p50\":%.3f,\"p95\":%.3f,\"p99\":%.3f}", health->p50, health->p95, health->p99);
    else
        buffer_append_lit(out, "{\"p50\":null,\"p95\":null,\"p99\":null}");
}

static void put_seconds(struct buffer *out, const char *name, int64_t until_us, int64_t now_us)
{
    buffer_printf(out, ",\"%s\":%.3f", name, until_us > now_us ? (double)(until_us - now_us) / US_PER_S : 0.0);
}

/* ---------------------------------------------------------------- GET /health */

static void put_provider(struct buffer *out, const struct provider *provider, const struct provider_health *health)
{
    json_append_string(out, provider->name);
    buffer_printf(out, ":{\"status\":\"%s\",\"breaker\":\"%s\",\"success_rate\":%.4f,\"error_rate\":%.4f", status_name(health),
                  breaker_name(health->breaker), success_rate(health), 1.0 - success_rate(health));
    put_check(out, health);
    put_latency(out, health);
    buffer_append_byte(out, '}');
}

/* How often a client could not be accepted, for want of descriptors as a rule. */
static uint64_t accept_errors(const struct gateway *gateway)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < gateway->worker_count; i++)
        sum += server_accept_errors(gateway->workers[i]->server);
    return sum;
}

void health_page_summary(struct request *request)
{
    const struct config *config = request->config;
    const struct gateway *gateway = request->worker->gateway;
    struct buffer providers, out;
    unsigned ill = 0;
    char time[25];
    buffer_init(&providers, 1024 * 1024);
    buffer_init(&out, 1024 * 1024);
    for (unsigned i = 0; i < config->provider_count; i++) {
        struct provider_health health = add_up(request, &config->providers[i]);
        ill += is_ill(&health);
        if (i > 0)
            buffer_append_byte(&providers, ',');
        put_provider(&providers, &config->providers[i], &health);
    }
    clock_format(request->began_wall_us, time);
    const char *status = ill == 0 ? "healthy" : ill < config->provider_count ? "degraded" : "unhealthy";
    buffer_printf(&out, "{\"status\":\"%s\",\"version\":\"%s\",\"uptime_s\":%lld", status, GATEWAY_VERSION,
                  (long long)((request->began_us - gateway->started_us) / US_PER_S));
    if (access_sees_providers(request)) { /* the rest is not public */
        buffer_printf(&out, ",\"timestamp\":\"%s\",\"generation\":%u,\"accept_errors\":%llu,\"providers\":{", time,
                      request->local->generation->number, (unsigned long long)accept_errors(gateway));
        buffer_append_slice(&out, buffer_slice(&providers));
        buffer_append_byte(&out, '}');
    }
    buffer_append_byte(&out, '}');
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&providers);
    buffer_free(&out);
}

/* ---------------------------------------------------------------- GET /providers */

static void put_models(struct buffer *out, const struct request *request, const struct provider *provider)
{
    unsigned at = 0;
    bool first = true;
    buffer_append_lit(out, ",\"models\":[");
    pthread_mutex_lock(&request->config->ad_hoc_lock);
    for (struct target *target; (target = next_target(request, provider, &at)) != NULL; first = false) {
        if (!first)
            buffer_append_byte(out, ',');
        json_append_string(out, target->model.model);
    }
    pthread_mutex_unlock(&request->config->ad_hoc_lock);
    buffer_append_byte(out, ']');
}

/* How many keys there are, and how many of them are set aside. */
static void put_keys(struct buffer *out, const struct request *request, const struct provider *provider, int64_t now_us)
{
    unsigned aside = 0;
    for (unsigned i = 0; i < provider->key_count; i++)
        aside += key_aside_until_us(request->config->key_pools[provider->index][i]) > now_us;
    buffer_printf(out, ",\"keys\":{\"count\":%u,\"set_aside\":%u}", provider->key_count, aside);
}

static void put_page_of(struct buffer *out, const struct request *request, const struct provider *provider)
{
    struct provider_health health = add_up(request, provider);
    int64_t now_us = loop_now_us(request->worker->loop);
    buffer_append_lit(out, "{\"provider\":");
    json_append_string(out, provider->name);
    buffer_printf(out, ",\"kind\":\"%s\",\"status\":\"%s\",\"breaker\":\"%s\",\"in_flight\":%u,\"requests\":%llu,\"success_rate\":%.4f",
                  provider->vendor->name, status_name(&health), breaker_name(health.breaker), health.in_flight,
                  (unsigned long long)health.requests, success_rate(&health));
    put_check(out, &health);
    put_seconds(out, "cooldown_s", health.cooldown_until_us, now_us);
    put_latency(out, &health);
    buffer_printf(out, ",\"tokens\":{\"input\":%llu,\"output\":%llu},\"cost_usd\":%.12g", (unsigned long long)health.input_tokens,
                  (unsigned long long)health.output_tokens, (double)health.cost_pico / 1e12);
    put_keys(out, request, provider, now_us);
    put_models(out, request, provider);
    buffer_append_byte(out, '}');
}

static void put_off(struct buffer *out, const struct provider_status *status)
{
    buffer_append_lit(out, "{\"provider\":");
    json_append_string(out, status->name);
    buffer_append_lit(out, ",\"status\":\"off\",\"reason\":");
    json_append_string(out, status->why_off);
    buffer_append_byte(out, '}');
}

void health_page_providers(struct request *request)
{
    const struct config *config = request->config;
    struct buffer out;
    bool first = true;
    buffer_init(&out, PAGE_MAX);
    buffer_append_lit(&out, "{\"providers\":[");
    for (unsigned i = 0; i < config->provider_count; i++, first = false) {
        if (!first)
            buffer_append_byte(&out, ',');
        put_page_of(&out, request, &config->providers[i]);
    }
    for (unsigned i = 0; i < config->status_count; i++) {
        if (config->statuses[i].why_off.len == 0)
            continue;
        if (!first)
            buffer_append_byte(&out, ',');
        first = false;
        put_off(&out, &config->statuses[i]);
    }
    buffer_append_lit(&out, "]}");
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}

/* ---------------------------------------------------------------- breakers */

/* /admin/providers/{provider}/circuit-breaker{rest}: the provider, or NULL. */
static const struct provider *provider_in_path(const struct request *request, struct slice rest)
{
    struct slice path = exchange_path(request->exchange), prefix = slice_of(request->route->path), verb = LIT("/circuit-breaker");
    struct slice name = {path.ptr + prefix.len, path.len - prefix.len};
    if (name.len < verb.len + rest.len)
        return NULL;
    name.len -= verb.len + rest.len;
    struct slice behind = {name.ptr + name.len, verb.len}, end = {name.ptr + name.len + verb.len, rest.len};
    if (!slice_equals(behind, verb) || !slice_equals(end, rest))
        return NULL;
    return config_provider(request->config, name);
}

static void refuse_unknown(struct request *request)
{
    struct failure failure = failure_make(FAILURE_NO_ROUTE, LIT("No provider of that name is on, or there is nothing at this path."));
    request_refuse(request, &failure);
}

static void put_history(struct buffer *out, const struct request *request, const struct target *target)
{
    struct health_change changes[HEALTH_HISTORY_MAX];
    int64_t now_us = loop_now_us(request->worker->loop);
    unsigned count = health_history(target->health, now_us, changes);
    buffer_append_lit(out, ",\"history\":[");
    for (unsigned i = 0; i < count; i++)
        buffer_printf(out, "%s{\"state\":\"%s\",\"seconds_ago\":%.3f}", i == 0 ? "" : ",", breaker_name(changes[i].state),
                      (double)(now_us - changes[i].at_us) / US_PER_S);
    buffer_append_byte(out, ']');
}

/* The members that a target and its provider share. */
static void put_breaker(struct buffer *out, const struct request *request, const struct target *target, const struct health_view *view)
{
    int64_t now_us = loop_now_us(request->worker->loop);
    buffer_printf(out, "\"state\":\"%s\",\"failures\":%u,\"failure_rate\":%.4f,\"opened_at\":", breaker_name(view->breaker),
                  view->consecutive_failures, 1.0 - view->success_rate);
    if (view->opened_us > 0) {
        char time[25];
        clock_format(loop_wall_us(request->worker->loop) - (now_us - view->opened_us), time);
        buffer_printf(out, "\"%s\"", time);
    } else {
        buffer_append_lit(out, "null");
    }
    put_seconds(out, "retry_in_s", view->retry_at_us, now_us);
    put_seconds(out, "cooldown_s", view->cooldown_until_us, now_us);
    put_history(out, request, target);
}

static void put_breakers(struct buffer *out, const struct request *request, const struct provider *provider)
{
    const struct target *worst = NULL;
    struct health_view worst_view = {.breaker = BREAKER_CLOSED};
    unsigned at = 0;
    for (struct target *target; (target = next_target(request, provider, &at)) != NULL;) {
        struct health_view view = view_of(request, target);
        if (worst == NULL || is_worse(view.breaker, worst_view.breaker)) {
            worst = target;
            worst_view = view;
        }
    }
    buffer_append_lit(out, "{\"provider\":");
    json_append_string(out, provider->name);
    buffer_append_byte(out, ',');
    if (worst == NULL)
        buffer_append_lit(out, "\"state\":\"closed\",\"failures\":0,\"failure_rate\":0,\"opened_at\":null,\"retry_in_s\":0,\"history\":[]");
    else
        put_breaker(out, request, worst, &worst_view);
    buffer_append_lit(out, ",\"targets\":[");
    at = 0;
    bool first = true;
    for (struct target *target; (target = next_target(request, provider, &at)) != NULL; first = false) {
        struct health_view view = view_of(request, target);
        buffer_append_slice(out, first ? LIT("{\"target\":") : LIT(",{\"target\":"));
        json_append_string(out, target->name);
        buffer_append_byte(out, ',');
        put_breaker(out, request, target, &view);
        buffer_append_byte(out, '}');
    }
    buffer_append_lit(out, "]}");
}

static void answer_breakers(struct request *request, const struct provider *provider)
{
    struct buffer out;
    buffer_init(&out, PAGE_MAX);
    pthread_mutex_lock(&request->config->ad_hoc_lock);
    put_breakers(&out, request, provider);
    pthread_mutex_unlock(&request->config->ad_hoc_lock);
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}

void health_page_breaker(struct request *request)
{
    const struct provider *provider = provider_in_path(request, SLICE_NONE);
    if (provider == NULL)
        refuse_unknown(request);
    else
        answer_breakers(request, provider);
}

void health_page_breaker_reset(struct request *request)
{
    const struct provider *provider = provider_in_path(request, LIT("/reset"));
    unsigned at = 0;
    if (provider == NULL) {
        refuse_unknown(request);
        return;
    }
    pthread_mutex_lock(&request->config->ad_hoc_lock);
    for (struct target *target; (target = next_target(request, provider, &at)) != NULL;)
        health_reset(target->health, loop_now_us(request->worker->loop));
    pthread_mutex_unlock(&request->config->ad_hoc_lock);
    for (unsigned i = 0; i < provider->key_count; i++)
        key_reset(request->config->key_pools[provider->index][i]);
    answer_breakers(request, provider);
}
