/* worker.h -- a thread with its loop, its server, its upstream and the generations it serves with. Workers share nothing but struct gateway.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H
#include "gateway/generation.h"
#include "gateway/request.h"

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

/* What a reload came to, for those who asked for it by HTTP. */
struct verdict {
    uint64_t upto; /* answers every ask with a ticket up to this one */
    bool ok;
    unsigned generation;
    char text[COMPLAINT_MAX];
};

struct worker {
    struct gateway *gateway;
    unsigned index;
    pthread_t thread;
    bool started;
    size_t body_limit; /* bytes: larger is a 413 */
    struct loop *loop;
    struct server *server;
    struct upstream *upstream;
    struct local_generation *generations; /* the current one first, then older ones that still have requests */
    struct arena_cache arena_cache;
    struct request *free_requests; /* at most FREE_REQUESTS_MAX: a burst gives its memory back */
    struct attempt *free_attempts; /* with their buffers, where those are small; at most FREE_ATTEMPTS_MAX */
    unsigned free_attempt_count;
    unsigned free_request_count;
    struct request *reload_waiters;
    struct wait_queue *wait_queue; /* who waits for room (waiting.h); NULL: nobody ever did */
    struct timer wait_timer;
    bool wait_poked;        /* something came back to a limit since they were tried */
    atomic_uint waiting;    /* how many; read by all workers */
    atomic_bool wants_room; /* set by another worker: something came back */
    struct buffer line;     /* the log line being made */
    uint64_t random[4];     /* xoshiro256** */
    atomic_uint in_flight;  /* read by the process while draining */
    uint64_t requests;
    unsigned shed; /* refused for want of memory since the log said so */
    int64_t shed_said_us;
    atomic_bool wants_quiesce, wants_stop;
    atomic_bool quiet;            /* quiesced, and no connection can bring a request any more */
    pthread_mutex_t verdict_lock; /* guards verdict: written by the process */
    struct verdict verdict;
    uint64_t verdict_seen;
};

/* listen_fd -1: without clients (explain). NULL: out of descriptors or memory. */
struct worker *worker_new(struct gateway *gateway, unsigned index, int listen_fd);
bool worker_start(struct worker *worker);
void worker_wake(struct worker *worker); /* any thread: look for a new generation, a verdict, a quiesce */
void worker_quiesce(
    struct worker
        *worker); /* any thread: stop accepting (the listener is hidden), close connections as they fall silent; then it is `quiet` */
void worker_stop(struct worker *worker); /* any thread: ends its loop at once */
void worker_join(struct worker *worker);
void worker_free(struct worker *worker);
void worker_post_verdict(struct worker *worker, const struct verdict *verdict); /* any thread */

/* ---- in the worker's own thread */
struct local_generation *worker_generation(struct worker *worker);                     /* of the generation in force now */
void worker_generation_release(struct worker *worker, struct local_generation *local); /* one request of it is over */
double worker_random(struct worker *worker);                                           /* 0 <= x < 1 */
uint64_t worker_random64(struct worker *worker);
void worker_make_id(struct worker *worker, char id[33]); /* 32 hex digits and a NUL */
struct origin *worker_origin(struct worker *worker, struct local_generation *local, const struct provider *provider);
/* Asks for a reload; the request is answered when its verdict comes. */
void worker_ask_reload(struct worker *worker, struct request *request);
#endif
