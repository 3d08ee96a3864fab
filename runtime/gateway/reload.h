/* reload.h -- POST /admin/reload: requests wait in their worker until the process reports the result of the reload.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_RELOAD_H
#define GATEWAY_RELOAD_H
#include "gateway/engine.h"

struct request;
struct worker;

/* The result of a reload. */
struct verdict {
    uint64_t upto; /* answers every ask with a ticket up to this one */
    bool ok;
    unsigned generation;
    char text[COMPLAINT_MAX];
};

struct reload; /* a worker's */

MUST_USE struct reload *reload_new(void);
void reload_free(struct reload *reload);
void reload_post(struct worker *worker, const struct verdict *verdict); /* the process's thread */

/* ---- in the worker's own thread */
void reload_page(struct request *request);
void reload_deliver(struct worker *worker);      /* answers those whose verdict has come */
void reload_deliver_last(struct worker *worker); /* the gateway is stopping, and reloads no more: answers all */
#endif
