/* access.h -- access control: which user a key belongs to, and which web pages and hosts may ask where no key is required.
 *
 * A browser sends whatever a page tells it to, from inside the user's network. So where a route requires no key, a page may ask only from an origin
 * that `cors.origins` lists, and on a loopback listener only with a Host that a foreign DNS name cannot have (DNS rebinding).
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ACCESS_H
#define GATEWAY_ACCESS_H
#include "gateway/request.h"

/* May the caller use the route? Sets the request's user. Missing, wrong, expired and valid keys take the same path at the same cost. False:
 * request->failure says why. */
MUST_USE bool access_check(struct request *request);
/* The check before the body is read: pages and hosts always; the key, which costs a digest, only with `keys`. False: access_check will say why. */
bool access_may_send_body(const struct config *config, const struct route *route, const struct exchange *exchange, bool keys,
                          int64_t wall_us);
/* A number that identifies the user (without keys: the address) that a large body is counted for. 0: the caller is refused. */
uint64_t access_share(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us);
/* May the caller see the state of providers? The admin may, and any caller of a loopback listener. */
bool access_sees_providers(const struct request *request);
/* Does `cors.origins` list it? `*` lists all but "null", which any page can claim (from a sandboxed frame). */
bool access_lists_origin(const struct config *config, struct slice origin);
#endif
