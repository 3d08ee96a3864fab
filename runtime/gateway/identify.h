/* identify.h -- the first step of the pipeline: the user, the model, and the targets that could serve the request.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_IDENTIFY_H
#define GATEWAY_IDENTIFY_H
#include "gateway/request.h"

/* key -> user, body -> facts, name -> model, candidates. False: request->failure says why (call request_refuse). */
MUST_USE bool request_identify(struct request *request);
/* Finds the candidates: fills targets and unfits. Called by request_identify; a second call is cheap. */
void request_candidates(struct request *request);
/* Why this target cannot serve this request, or NULL; also used for the targets that recover returns. */
const char *request_unfit_reason(struct request *request, const struct target *target, bool *permanent);
#endif
