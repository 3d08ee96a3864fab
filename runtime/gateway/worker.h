/* worker.h -- a worker: a thread with its loop, server, upstream, and the generations that its requests use. Workers share nothing but struct gateway.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H
#include "gateway/generation.h"
#include "net/server.h"
#include "routing/wait_queue.h"

struct attempt;

/* A worker's hold on one generation. */
struct local_generation {
    struct generation *generation;
    struct script *script;
    struct slice policy_label; /* "default@3" */
    struct origin **origins;   /* by provider index, found when first asked for */
    unsigned in_flight;
    struct local_generation *next;
};

enum { FREE_REQUESTS_MAX = 256, FREE_ATTEMPTS_MAX = 256 };

struct worker {
    struct gateway *gateway;
    unsigned index;
    pthread_t thread;
    bool started;
    struct loop *loop;
    struct server *server;   /* NULL, as the two below: no clients (explain, the trial) */
    struct service *service; /* service.c */
    struct reload *reload;   /* reload.c */
    struct upstream *upstream;
    struct local_generation *generations; /* the current one first, then older ones that still have requests */
    struct arena_cache arena_cache;
    void *free_requests[FREE_REQUESTS_MAX]; /* blocks for requests to come: a burst gives its memory back */
    struct attempt *free_attempts;          /* with their buffers, where those are small; at most FREE_ATTEMPTS_MAX */
    unsigned free_attempt_count;
    unsigned free_request_count;
    struct wait_queue *wait_queue; /* of requests that wait for capacity (waiting.h); NULL: none ever did */
    struct timer wait_timer;
    bool wait_poked;        /* capacity was given back since they were tried */
    atomic_uint waiting;    /* how many; read by all workers */
    atomic_bool wants_poke; /* set by another worker: capacity was given back */
    struct buffer line;     /* the log line being made */
    uint64_t random[4];     /* xoshiro256** */
    atomic_uint in_flight;  /* read by the process while draining */
};

/* A worker without a server; service.h adds one. NULL: out of descriptors or memory. */
MUST_USE struct worker *worker_new(struct gateway *gateway, unsigned index);
MUST_USE bool worker_start(struct worker *worker);
void worker_wake(struct worker *worker); /* any thread: look for a new generation, a verdict, a quiesce */
void worker_join(struct worker *worker);
void worker_free(struct worker *worker); /* nothing, where requests are in flight: see service_close */

/* ---- in the worker's own thread */
struct local_generation *worker_generation(struct worker *worker);                     /* of the generation in force now */
void worker_generation_release(struct worker *worker, struct local_generation *local); /* one request of it is over */
double worker_random(struct worker *worker);                                           /* 0 <= x < 1 */
uint64_t worker_random64(struct worker *worker);
void worker_make_id(struct worker *worker, char id[33]); /* 32 hex digits and a NUL */
struct origin *worker_origin(struct worker *worker, struct local_generation *local, const struct provider *provider);
/* Capacity was given back: requests that wait for it (waiting.h) are tried, in the next turn or by waiting_catch_up. */
void worker_poke(struct worker *worker);
/* The same in all workers; the others as soon as they wake. */
void worker_poke_all(struct worker *worker);
#endif
