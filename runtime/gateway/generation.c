/* generation.c -- see generation.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/generation.h"
#include "mock/mock.h"
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>

static unsigned core_count(void)
{
    cpu_set_t cores;
    if (sched_getaffinity(0, sizeof cores, &cores) != 0)
        return 1;
    int count = CPU_COUNT(&cores);
    return count < 1 ? 1 : (unsigned)count;
}

void gateway_init(struct gateway *gateway, const struct engine *engine, int64_t now_us, int64_t wall_us)
{
    uint64_t seed = 0;
    hash_random(&seed, sizeof seed);
    *gateway = (struct gateway){.engine = engine, .started_us = now_us, .started_wall_us = wall_us, .reload_fd = -1, .token_fd = -1};
    gateway->cores = core_count();
    gateway->health = health_table_new(HEALTH_RECORDS_MAX, seed);
    gateway->model_stats = model_stats_new(MODEL_STATS_MAX);
    gateway->other_stats = model_stats_find(gateway->model_stats, SLICE_NONE);
    gateway->keys = key_states_new(KEY_STATES_MAX);
    gateway->access_tokens = access_tokens_new();
    gateway->limiter = limiter_new(LIMIT_RECORDS_MAX);
    gateway->copies = copies_new();
    pthread_mutex_init(&gateway->swap_lock, NULL);
}

void gateway_fini(struct gateway *gateway)
{
    if (gateway->current != NULL)
        generation_unref(gateway->current);
    health_table_free(gateway->health);
    model_stats_free(gateway->model_stats);
    key_states_free(gateway->keys);
    access_tokens_free(gateway->access_tokens);
    limiter_free(gateway->limiter);
    copies_free(gateway->copies);
    pthread_mutex_destroy(&gateway->swap_lock);
}

void target_bind(struct gateway *gateway, struct config *config, struct target *target, int64_t now_us)
{
    pthread_mutex_lock(&config->ad_hoc_lock);
    if (target->health == NULL) {
        const struct check *check = config->checks[target->provider->index];
        target->health = health_find(gateway->health, target->name, &config->health, now_us);
        if (target->health != NULL &&
            target->index >= config->listed_target_count) /* the keeper sees to the others before it is asked for one */
            health_check(target->health, check == NULL || !atomic_load(&check->down), now_us);
    }
    pthread_mutex_unlock(&config->ad_hoc_lock);
}

void generation_unbind(struct config *config)
{
    for (unsigned i = 0; i < atomic_load(&config->target_count); i++) {
        if (config->targets[i]->health != NULL)
            health_unref(config->targets[i]->health);
        config->targets[i]->health = NULL;
    }
    for (unsigned i = 0; config->access_tokens != NULL && i < config->provider_count; i++) {
        if (config->access_tokens[i] != NULL)
            access_token_unref(config->access_tokens[i]);
        config->access_tokens[i] = NULL;
    }
}

static void generation_free(struct generation *generation)
{
    const struct engine *engine = generation->gateway->engine;
    struct config *config = generation->config;
    for (unsigned i = 0; i < generation->script_count; i++)
        engine->close(generation->scripts[i]);
    free(generation->scripts);
    if (config != NULL)
        generation_unbind(config);
    if (generation->sources != NULL)
        engine->sources_free(generation->sources);
    if (config != NULL)
        config_free(config);
    if (generation->uses_mock)
        embedded_mock_leave(generation->gateway->mock);
    free(generation);
}

/* ---------------------------------------------------------------- probation */

void gateway_wake_process(const struct gateway *gateway)
{
    (void)eventfd_write(gateway->reload_fd, 1); /* fails where the counter is at its maximum: the process is due in any case */
}

uint64_t gateway_ask_reload(struct gateway *gateway)
{
    uint64_t ticket = atomic_fetch_add(&gateway->reload_asked, 1) + 1;
    gateway_wake_process(gateway);
    return ticket;
}

void generation_asked(struct generation *generation, int64_t now_us)
{
    if (probation_call(&generation->probation, now_us))
        gateway_wake_process(generation->gateway);
}

void generation_failed(struct generation *generation, struct slice user, int64_t now_us)
{
    if (probation_failure(&generation->probation, user, now_us))
        gateway_wake_process(generation->gateway);
}

/* ---------------------------------------------------------------- in force */

void generation_swap(struct gateway *gateway, struct generation *generation)
{
    pthread_mutex_lock(&gateway->swap_lock);
    struct generation *old = gateway->current;
    gateway->current = generation;
    atomic_store(&gateway->number, generation->number);
    pthread_mutex_unlock(&gateway->swap_lock);
    if (old != NULL)
        generation_unref(old);
}

struct generation *generation_current(struct gateway *gateway)
{
    pthread_mutex_lock(&gateway->swap_lock);
    struct generation *generation = gateway->current;
    atomic_fetch_add(&generation->references, 1);
    pthread_mutex_unlock(&gateway->swap_lock);
    return generation;
}

void generation_unref(struct generation *generation)
{
    if (atomic_fetch_sub(&generation->references, 1) == 1)
        generation_free(generation);
}
