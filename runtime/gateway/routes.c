/* routes.c -- see routes.h: the table, and the small answers that need no pipeline.
 * SPDX-License-Identifier: MIT */
#include "gateway/routes.h"
#include "gateway/answer.h"
#include "gateway/health_pages.h"
#include "gateway/model_pages.h"
#include "gateway/reload.h"
#include "gateway/walker.h"

static void serve_not_found(struct request *request);
static void serve_bad_method(struct request *request);
static void serve_preflight(struct request *request);

static const struct route routes[] = {
    {"chat_completions", "POST", "/v1/chat/completions", false, ACCESS_USER, PAGES_LISTED, &wire_openai, NULL},
    {"completions", "POST", "/v1/completions", false, ACCESS_USER, PAGES_LISTED, &wire_completions, NULL},
    {"embeddings", "POST", "/v1/embeddings", false, ACCESS_USER, PAGES_LISTED, &wire_embeddings, NULL},
    {"messages", "POST", "/v1/messages", false, ACCESS_USER, PAGES_LISTED, &wire_anthropic, NULL},
    {"count_tokens", "POST", "/v1/messages/count_tokens", false, ACCESS_USER, PAGES_LISTED, &wire_count_tokens, NULL},
    {"responses", "POST", "/v1/responses", false, ACCESS_USER, PAGES_LISTED, &wire_responses, NULL},
    {"completion", "POST", "/completion", false, ACCESS_USER, PAGES_LISTED, &wire_simple, NULL},
    {"models", "GET", "/v1/models", false, ACCESS_USER, PAGES_LISTED, &wire_openai, model_page_list},
    {"model", "GET", "/v1/models/", true, ACCESS_USER, PAGES_LISTED, &wire_openai, model_page_one},
    {"health", "GET", "/health", false, ACCESS_ALL, PAGES_ANY, &wire_openai, health_page_summary},
    {"health_live", "GET", "/health/live", false, ACCESS_ALL, PAGES_ANY, &wire_openai, health_page_live},
    {"health_ready", "GET", "/health/ready", false, ACCESS_ALL, PAGES_ANY, &wire_openai, health_page_ready},
    {"providers", "GET", "/providers", false, ACCESS_ADMIN, PAGES_LISTED, &wire_openai, health_page_providers},
    {"admin_breaker", "GET", "/admin/providers/", true, ACCESS_ADMIN, PAGES_LISTED, &wire_openai, health_page_breaker},
    {"admin_breaker_reset", "POST", "/admin/providers/", true, ACCESS_ADMIN, PAGES_LISTED, &wire_openai, health_page_breaker_reset},
    {"admin_reload", "POST", "/admin/reload", false, ACCESS_ADMIN, PAGES_LISTED, &wire_openai, reload_page},
};
enum { ROUTE_COUNT = sizeof routes / sizeof *routes };

static const struct route not_found = {"not_found", "", "", false, ACCESS_ALL, PAGES_LISTED, &wire_openai, serve_not_found};
static const struct route bad_get = {"method_not_allowed", "GET", "", false, ACCESS_ALL, PAGES_LISTED, &wire_openai, serve_bad_method};
static const struct route bad_post = {"method_not_allowed", "POST", "", false, ACCESS_ALL, PAGES_LISTED, &wire_openai, serve_bad_method};
/* A 404 or 405 has the error shape of the paths that its own begins like. */
static const struct route not_found_messages = {"not_found", "", "", false, ACCESS_ALL, PAGES_LISTED, &wire_anthropic, serve_not_found};
static const struct route bad_post_messages = {"method_not_allowed", "POST",          "", false, ACCESS_ALL, PAGES_LISTED,
                                               &wire_anthropic,      serve_bad_method};
static const struct route preflight = {"preflight", "OPTIONS", "", false, ACCESS_ALL, PAGES_LISTED, &wire_openai, serve_preflight};
static const struct route preflight_any = {"preflight", "OPTIONS", "", false, ACCESS_ALL, PAGES_ANY, &wire_openai, serve_preflight};

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
            return route->pages == PAGES_ANY ? &preflight_any : &preflight;
        other = other == NULL ? route : other;
    }
    bool messages = slice_starts_with(path, LIT("/v1/messages"));
    if (other == NULL)
        return messages ? &not_found_messages : &not_found;
    return other->method[0] == 'G' ? &bad_get : messages ? &bad_post_messages : &bad_post;
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
