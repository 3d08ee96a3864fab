/* capacity.h -- the rate limits that the config sets for providers and targets (`limits`).
 *
 * The same counters as policies' limits (shared/limiter), under the names "provider:groq" and "target:groq/llama-3.1-8b-instant". A target without
 * capacity is not a candidate. An attempt reserves when it begins, and is charged for what it used when it ends.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CAPACITY_H
#define GATEWAY_CAPACITY_H
#include "gateway/request.h"

/* Is there capacity for this request now? Takes nothing. *wait_us: how long until it might (-1: never). */
bool capacity_has(const struct request *request, const struct target *target, int64_t *wait_us);
/* Takes it for the attempt that will begin with this target. Between looking and beginning other workers look as well; what is held is sure.
 * False: there is none any more. */
MUST_USE bool capacity_hold(struct request *request, const struct target *target);
/* Gives back what was reserved and not used by an attempt. A second call does nothing. */
void capacity_drop(struct request *request);
/* Reserves it for an attempt that begins. False: there is none any more; *failure is the attempt's. */
MUST_USE bool capacity_take(struct request *request, const struct target *target, struct reservation *reservation, struct failure *failure);
/* The attempt is over: gives everything back where nothing was sent, else what was not used. `tokens` -1: unknown; what was reserved is charged. */
void capacity_give_back(struct worker *worker, struct reservation *reservation, bool was_sent, int64_t tokens);
#endif
