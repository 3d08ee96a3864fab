/* generation.h -- config + policies under one number, and struct gateway: everything mutable that workers share.
 *
 * The process builds a generation, from files read once; one swap puts it in force. A worker holds a reference as long as one of its requests uses the
 * generation; the last release frees it.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_GENERATION_H
#define GATEWAY_GENERATION_H
#include "routing/probation.h"
#include "gateway/engine.h"
#include "net/upstream.h"
#include "shared/limiter.h"

struct worker;

struct generation {
    unsigned number;
    struct gateway *gateway;
    struct config *config;
    struct sources *sources;
    struct script **scripts; /* one per worker */
    unsigned script_count;
    struct probation probation;
    bool uses_mock; /* a provider of it is the embedded one */
    atomic_uint references;
};

struct gateway {
    const struct engine *engine;
    struct log *log;
    struct health_table *health;
    struct model_stats_table *model_stats;
    struct model_stats *other_stats;     /* of all names that no config lists */
    struct key_states *keys;             /* of providers */
    struct access_tokens *access_tokens; /* of those that have credentials */
    struct limiter *limiter;
    struct copies *copies; /* of what is fetched */
    struct memory *memory; /* the memory account of the process; NULL where nothing is counted (check, explain) */
    struct bodies *bodies; /* how much of the memory for request bodies each user holds; NULL as well */
    struct trust *trust;
    struct generation *current; /* guarded by swap_lock; `number` tells workers that it changed */
    atomic_uint number;
    atomic_uint taken_back; /* the number of the generation that failed and in whose place an earlier one is in force; 0: none */
    pthread_mutex_t swap_lock;
    struct worker **workers;
    unsigned worker_count;
    unsigned cores;                    /* workers = "auto": one per core */
    bool listens, listens_on_loopback; /* set by the process once its listeners are open; a reload does not change them */
    atomic_bool draining;
    atomic_uint_fast64_t reload_asked; /* tickets given out */
    int reload_fd; /* eventfd of the process: a reload is asked for, a generation lost its probation or, while draining, a worker is quiet */
    int token_fd;  /* eventfd of the keeper: a provider refused a token */
    struct embedded_mock *mock; /* NULL where nothing is sent (check, explain, the trial) */
    int64_t started_us, started_wall_us;
};

enum { HEALTH_RECORDS_MAX = 16384, MODEL_STATS_MAX = 4096, KEY_STATES_MAX = 4096, LIMIT_RECORDS_MAX = 262144 };

/* Everything but log, memory, bodies, mock, trust, workers, reload_fd and token_fd; the caller sets those. */
void gateway_init(struct gateway *gateway, const struct engine *engine, int64_t now_us, int64_t wall_us);
void gateway_fini(struct gateway *gateway);
/* Wakes the process's thread. Any thread, as below. */
void gateway_wake_process(const struct gateway *gateway);
/* Asks for a reload -> the ticket: a verdict with `upto` at or above it is the answer. */
uint64_t gateway_ask_reload(struct gateway *gateway);

/* A decision of its policy begins; one failed for the user of this name. Wakes the process when the probation is lost. Any worker. */
void generation_asked(struct generation *generation, int64_t now_us);
void generation_failed(struct generation *generation, struct slice user, int64_t now_us);
/* Puts it in force; the old one loses the gateway's reference. */
void generation_swap(struct gateway *gateway, struct generation *generation);
/* The one in force, with a reference. */
MUST_USE struct generation *generation_current(struct gateway *gateway);
void generation_unref(struct generation *generation);
/* Releases the health records and access tokens that its config found by name. */
void generation_unbind(struct config *config);
/* The health record of a target that was made on demand (listed ones have theirs since the load). Any thread. */
void target_bind(struct gateway *gateway, struct config *config, struct target *target, int64_t now_us);
#endif
