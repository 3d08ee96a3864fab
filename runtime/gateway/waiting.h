/* waiting.h -- requests whose policy lets them wait until a target has capacity, in their worker's line (wait_queue.h).
 *
 * They are tried when an attempt gives back what it took, in any worker, and when a limit says that there will be capacity: their candidates are looked for
 * again, and where there is one the pipeline goes on with its route step. A request keeps its place until it has taken its capacity.
 * Workers do not order their lines among each other.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WAITING_H
#define GATEWAY_WAITING_H
#include "gateway/request.h"

/* Joins the line. The caller then sleeps until script->resume: there is capacity, or request->wait_over, or request->over. False: the line is full, and
 * request->failure says so (call request_refuse). */
MUST_USE bool request_wait(struct request *request, int64_t wait_us, unsigned priority);
/* It took its capacity: the turn passes to the next. Without a wait nothing. */
void waiting_served(struct request *request);
/* It is over, for whatever reason. Without a wait nothing. */
void waiting_leave(struct request *request);

/* Before a new request looks for capacity: those that wait go first. Requests may be gone when it returns. */
void waiting_catch_up(struct worker *worker);
/* The worker was woken. */
void waiting_woken(struct worker *worker);
#endif
