/* routes.h -- the table of routes: path, method, access, handler. One row each; a path that has no row is 404.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ROUTES_H
#define GATEWAY_ROUTES_H
#include "gateway/route.h"

/* The row for a request. Never NULL: rows of their own answer 404 and 405. */
const struct route *route_find(struct slice method, struct slice path);
#endif
