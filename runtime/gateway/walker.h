/* walker.h -- carries out the actions of a request's walk (walk.h): begins and ends attempts, answers the client, asks the pipeline.
 *
 * A walk that is over resumes the pipeline, which may release the request: draining the walk is the last call of whatever does it.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WALKER_H
#define GATEWAY_WALKER_H
#include "gateway/request.h"

/* ---- called by the pipeline */

/* Begins the walk, or answers its ask. The caller then waits; engine->resume is called when request->ask is set or request->over. `plan` is copied, without the
 * steps that the model has no spare attempts for. */
void request_walk(struct request *request, struct plan *plan);
/* Answers the ask with: no plan. request->over follows through engine->resume, never inside this call. */
void request_give_up(struct request *request);
/* Ends it with a failure of our own (or a policy's). Answers the client at once; request->over is set when it returns. */
void request_refuse(struct request *request, const struct failure *failure);

/* ---- called by the server: the request may be gone when they return */

void request_gone(struct request *request);    /* the client left */
void request_cut(struct request *request);     /* the process ends: the client gets an error if one can be sent at once */
void request_drained(struct request *request); /* the client took what was buffered */
#endif
