/* waiting.h -- requests whose policy lets them wait until a target has capacity, in their worker's queue (wait_queue.h).
 *
 * They are tried when an attempt gives capacity back, in any worker, and when a rate limit predicts capacity: their candidates are searched
 * again, and where there is one the pipeline goes on with its route step. A request keeps its place until it has reserved capacity.
 * There is no order between the queues of workers.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WAITING_H
#define GATEWAY_WAITING_H
#include "gateway/request.h"

/* Joins the queue. The caller then sleeps until engine->resume: there is capacity, or request->wait_over, or request->over. False: the queue is full,
 * and request->failure says so (call request_refuse). */
MUST_USE bool request_wait(struct request *request, int64_t wait_us, unsigned priority);
/* It reserved its capacity: leaves the queue. Does nothing where it never waited. */
void waiting_served(struct request *request);
/* It is over, for whatever reason: leaves the queue. Does nothing where it does not wait. */
void waiting_leave(struct request *request);

/* Call it before a new request looks for capacity: waiting requests go first. Requests may be gone when it returns. */
void waiting_catch_up(struct worker *worker);
/* The worker was woken. */
void waiting_woken(struct worker *worker);
#endif
