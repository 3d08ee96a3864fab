/* identify.h -- for what a request asks, and who could serve it.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_IDENTIFY_H
#define GATEWAY_IDENTIFY_H
#include "gateway/request.h"

/* key -> user, body -> facts, name -> model, candidates. False: request->failure says why (call request_refuse). */
MUST_USE bool request_identify(struct request *request);
/* Who can serve it: fills targets and unfits. Called by request_identify; again is cheap. */
void request_candidates(struct request *request);
/* What keeps this target from serving this request, or NULL: also asked for whatever recover returns. */
const char *request_unfit_reason(struct request *request, const struct target *target, bool *permanent);
#endif
