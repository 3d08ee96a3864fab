/* identify.h -- who asks, for what, and who could serve it; and what follows from prices.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_IDENTIFY_H
#define GATEWAY_IDENTIFY_H
#include "gateway/request.h"

/* The key of an Authorization: Bearer or x-api-key header; empty without one. */
struct slice identify_key(const struct exchange *exchange);
/* May this caller use a route of that access? Sets request->user. False: request->failure. Same answer, same path for no key and wrong key. */
bool identify_caller(struct request *request);
/* The same from a head alone, without a request: false is what identify_caller will say. */
bool identify_knows(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us);
/* Whose large bodies a head announces: a number for each user, or address where there are no keys. 0: a caller that is not known. */
uint64_t identify_share(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us);
/* What the tokens used have cost at the target that served; -1 unpriced or unknown. */
int64_t request_usage_pico(const struct request *request);
#endif
