/* route.h -- a row of the table of routes (routes.c).
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ROUTE_H
#define GATEWAY_ROUTE_H
#include "providers/provider.h"

struct request;

enum access {
    ACCESS_ALL,   /* no key */
    ACCESS_USER,  /* a user's key where there are any */
    ACCESS_ADMIN, /* the admin key; without any key in the config a loopback listener's caller */
};

/* Which web pages may ask where no key is required (access.h). */
enum pages {
    PAGES_LISTED, /* those of origins that the config lists, with a Host that a loopback listener accepts */
    PAGES_ANY,    /* any: the route costs nothing and reveals little */
};

struct route {
    const char *name; /* for logs and metrics, "chat_completions" */
    const char *method, *path;
    bool prefix; /* the path goes on behind it: /v1/models/{id} */
    enum access access;
    enum pages pages;
    const struct wire *wire;                /* the dialect of its errors; with `serve` NULL also of its requests */
    void (*serve)(struct request *request); /* answers by itself; NULL: the pipeline does */
};
/* Anthropic's paths, and refusals in its shape. On /v1/models the client's head tells (model_pages.c). */
static inline bool route_is_anthropic(const struct route *route)
{
    return route->wire == &wire_anthropic || route->wire == &wire_count_tokens;
}
#endif
