/* capacity.h -- what providers let us send: the `limits` of config entries, per provider and per target.
 *
 * The same counters as policies' limits (shared/limiter), under the names "provider:groq" and "target:groq/llama-3.1-8b-instant". A target without
 * capacity is no candidate; an attempt takes its share when it begins, and says when it ends what it used.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_CAPACITY_H
#define GATEWAY_CAPACITY_H
#include "gateway/request.h"

/* Would this request fit there now? Takes nothing. *wait_us: how long until it might (-1: never). */
bool capacity_has(const struct request *request, const struct target *target, int64_t *wait_us);
/* Takes it for the attempt that will begin with this target. Between looking and beginning other workers look as well; what is held is sure.
 * False: there is none any more. */
MUST_USE bool capacity_hold(struct request *request, const struct target *target);
/* What was held for nothing goes back. Again does nothing. */
void capacity_drop(struct request *request);
/* Takes it for an attempt that begins. False: there is none any more; *failure is the attempt's. */
MUST_USE bool capacity_take(struct request *request, const struct target *target, struct reservation *reservation, struct failure *failure);
/* The attempt is over: all of it where nothing was sent, else what the tokens used leave of it. -1: what was reserved stands. */
void capacity_give_back(struct worker *worker, struct reservation *reservation, bool was_sent, int64_t tokens);
#endif
