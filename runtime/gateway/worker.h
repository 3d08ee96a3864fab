/* worker.h -- a thread with its loop, its two doors and its engines. Workers share nothing but struct gateway.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_WORKER_H
#define GATEWAY_WORKER_H
#include "gateway/request.h"
#include "gateway/script.h"

/* Config + policies under one number. Held by the gateway (the current one) and by every worker that still has requests of it. */
struct generation {
    unsigned number;
    struct config *config;
    struct sources *sources;
    struct script **scripts; /* one per worker */
    unsigned script_count;
    atomic_uint references;
    const struct script_engine *engine;
};

/* What all workers share. Everything mutable hangs here. */
struct gateway {
    const struct script_engine *engine;
    struct log *log;
    struct health_table *health;
    struct turns *turns;
    struct trust *trust;
    _Atomic(struct generation *) current;
    pthread_mutex_t swap_lock;       /* guards current together with its reference */
    struct worker **workers;
    unsigned worker_count;
    atomic_bool draining;
    int64_t started_us, started_wall_us;
    uint8_t secret[16];              /* SipHash key for ids and affinities */
    void (*request_reload)(struct gateway *gateway, void (*done)(void *arg, bool ok, const char *verdict), void *arg);
    void *process;                   /* struct process: who fills request_reload */
};

/* A worker's hold on one generation. */
struct engine {
    struct generation *generation;
    struct script *script;
    unsigned in_flight;
    struct engine *next;
};

struct worker {
    struct gateway *gateway;
    unsigned index;
    pthread_t thread;
    struct loop *loop;
    struct server *server;
    struct upstream *upstream;
    struct engine *engines;          /* the current one first */
    struct arena_cache arena_cache;
    struct request *free_requests;
    struct origin **origins;         /* by provider index of the current generation; see worker_origin */
    uint64_t random[2];
    unsigned in_flight, streams;
    uint64_t requests;
    char id_prefix[17];
    uint64_t next_id;
};

struct worker *worker_new(struct gateway *gateway, unsigned index, int listen_fd);
bool worker_start(struct worker *worker);
void worker_quiesce(struct worker *worker); /* any thread */
void worker_stop(struct worker *worker);    /* any thread: ends its loop at once */
void worker_join(struct worker *worker);
void worker_free(struct worker *worker);

void generation_unref(struct generation *generation);
double worker_random(struct worker *worker); /* 0..1 */
struct origin *worker_origin(struct worker *worker, const struct provider *provider);
#endif
