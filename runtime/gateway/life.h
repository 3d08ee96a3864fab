/* life.h -- a request's beginning, the resuming of its pipeline, and its release. In the worker's thread.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_LIFE_H
#define GATEWAY_LIFE_H
#include "gateway/request.h"

/* A new request for this exchange, with its generation; never NULL. */
MUST_USE struct request *request_new(struct worker *worker, struct exchange *exchange, const struct route *route);
void request_begin(struct request *request); /* starts the pipeline; the request may be gone when it returns */
/* The pipeline is due: it runs now, or as soon as the script that is running returns. It may release the request: the last call of its caller. */
void request_wake_script(struct request *request);
/* The last call: everything is released, the handle must be dead. */
void request_release(struct request *request);
#endif
