/* limits.h -- the rate limits that policy.admit returned: charged for a request, all or none, and settled when it is over.
 *
 * A request counts as soon as it is admitted, whatever its outcome. Tokens are reserved by the estimate of the prompt and
 * max_tokens (without it: the estimated answer), times the answers asked for, and corrected to what was used.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_LIMITS_H
#define GATEWAY_LIMITS_H
#include "gateway/request.h"
#include "shared/limiter.h"

struct request_limits {
    struct reservation reservation;
    struct limit_facts facts[LIMIT_UNITS]; /* for the headers, as of the charge */
    struct slice refused;                  /* the name of the limit that refused it, or empty */
};

/* Charges them. False: request->failure says why (429; call request_refuse). The rules are borrowed. */
MUST_USE bool limits_charge(struct request *request, const struct limit_rule *const *rules, unsigned count);
/* Settles them when the request is over; a second call does nothing. */
void limits_settle(struct request *request);
#endif
