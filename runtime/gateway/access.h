/* access.h -- who may: whose key it is, and which pages and hosts a listener believes where no key is asked for.
 *
 * A browser sends what any page tells it to, from the inside of a network. So where a route wants no key, a page may ask only from an origin
 * that `cors.origins` lists, and on a loopback listener only by a Host that cannot be a foreign name led here (DNS rebinding).
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H
#include "gateway/request.h"

/* May its caller use its route? It then has its user. Missing, wrong, expired and good keys take the same path at the same cost. False: request->failure says
 * why. */
MUST_USE bool access_check(struct request *request);
/* What can be said before the body is read: pages and hosts always, keys (they cost a digest) where `keys` says so. False: access_check will say why. */
bool access_may_send_body(const struct config *config, const struct route *route, const struct exchange *exchange, bool keys,
                          int64_t wall_us);
/* Whose large bodies a head announces: a number for each user, or address where there are no keys. 0: a caller that is refused. */
uint64_t access_share(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us);
/* The admin by its key, or a loopback listener's caller: may be told how providers are doing. */
bool access_sees_providers(const struct request *request);
/* Does `cors.origins` list it? `*` lists all but "null", which any page can be by a trick (a sandboxed frame). */
bool access_lists_origin(const struct config *config, struct slice origin);
#endif
