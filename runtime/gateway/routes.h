/* routes.h -- the table of routes: path, method, who may, what answers. One row each; a path that has no row is 404.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H
#include "gateway/request.h"

enum access {
    ACCESS_ALL,   /* no key */
    ACCESS_USER,  /* a user's key where there are any */
    ACCESS_ADMIN, /* the admin key; without any key in the config a loopback listener's caller */
};

/* From which pages it may be asked where no key is wanted (access.h). */
enum pages {
    PAGES_LISTED, /* of origins that the config lists, by a Host that a loopback listener knows */
    PAGES_ANY,    /* it costs nothing and tells little */
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

/* The row for a request. Never NULL: rows of their own answer 404 and 405. */
const struct route *route_find(struct slice method, struct slice path);
const struct wire *route_wire(const struct route *route);
/* The methods this route's path knows, for Allow. NUL-terminated. */
struct slice route_allow(const struct route *route);
#endif
