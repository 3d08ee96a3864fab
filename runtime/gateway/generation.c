/* generation.c -- see generation.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/generation.h"
#include "providers/google.h"
#include <stdio.h>
#include <stdlib.h>

void gateway_init(struct gateway *gateway, const struct script_engine *engine, int64_t now_us, int64_t wall_us)
{
    uint64_t seed = 0;
    hash_random(&seed, sizeof seed);
    *gateway = (struct gateway){.engine = engine, .started_us = now_us, .started_wall_us = wall_us, .reload_fd = -1, .token_fd = -1};
    gateway->health = health_table_new(HEALTH_RECORDS_MAX, seed);
    gateway->pools = pools_new(POOLS_MAX);
    gateway->other_pool = pools_find(gateway->pools, SLICE_NONE);
    gateway->keys = key_states_new(KEY_STATES_MAX);
    gateway->tokens = tokens_new();
    gateway->limiter = limiter_new(LIMIT_RECORDS_MAX);
    gateway->copies = copies_new();
    pthread_mutex_init(&gateway->swap_lock, NULL);
}

void gateway_fini(struct gateway *gateway)
{
    if (gateway->current != NULL)
        generation_unref(gateway->current);
    health_table_free(gateway->health);
    pools_free(gateway->pools);
    key_states_free(gateway->keys);
    tokens_free(gateway->tokens);
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

/* False: the config's memory is used up. */
static bool bind_keys(struct gateway *gateway, struct config *config)
{
    config->key_pools = arena_zalloc(&config->arena, sizeof *config->key_pools * (config->provider_count + 1));
    for (unsigned i = 0; config->key_pools != NULL && i < config->provider_count; i++) {
        const struct provider *provider = &config->providers[i];
        struct key_state **pool = arena_zalloc(&config->arena, sizeof *pool * (provider->key_count + 1));
        if (pool == NULL)
            return false;
        for (unsigned k = 0; k < provider->key_count; k++)
            pool[k] = key_states_find(gateway->keys, provider->name, provider->keys[k]);
        config->key_pools[i] = pool;
    }
    return config->key_pools != NULL;
}

static bool bind_tokens(struct gateway *gateway, struct config *config)
{
    config->tokens = arena_zalloc(&config->arena, sizeof *config->tokens * (config->provider_count + 1));
    for (unsigned i = 0; config->tokens != NULL && i < config->provider_count; i++) {
        uint8_t digest[SHA256_BYTES];
        if (config->providers[i].credential == NULL)
            continue;
        google_digest(config->providers[i].credential, digest);
        config->tokens[i] = tokens_find(gateway->tokens, digest);
    }
    return config->tokens != NULL;
}

/* What outlives generations is found by name. */
static void bind_shared(struct gateway *gateway, struct config *config, int64_t now_us)
{
    for (unsigned i = 0; i < config->model_count; i++)
        config->models[i].pool = pools_find(gateway->pools, config->models[i].name);
    for (unsigned i = 0; i < config->listed_target_count; i++)
        target_bind(gateway, config, config->targets[i], now_us);
    for (unsigned i = 0; i < config->provider_count; i++)
        if (slice_equals(slice_of(config->providers[i].vendor->name), LIT("mock")) && config->providers[i].origin.len == 0)
            config->providers[i].origin = gateway->mock_origin;
}

static void generation_free(struct generation *generation)
{
    const struct script_engine *engine = generation->gateway->engine;
    struct config *config = generation->config;
    for (unsigned i = 0; i < generation->script_count; i++)
        engine->close(generation->scripts[i]);
    free(generation->scripts);
    for (unsigned i = 0; config != NULL && i < atomic_load(&config->target_count); i++)
        if (config->targets[i]->health != NULL)
            health_unref(config->targets[i]->health);
    for (unsigned i = 0; config != NULL && config->tokens != NULL && i < config->provider_count; i++)
        if (config->tokens[i] != NULL)
            token_unref(config->tokens[i]);
    if (generation->sources != NULL)
        engine->sources_free(generation->sources);
    if (config != NULL)
        config_free(config);
    free(generation);
}

/* A file that is away for a moment must not take limits and refusals with it. */
static bool loses_policy(const struct generation *current, const struct config *config)
{
    return current != NULL && current->config->has_policy_file && !config->has_policy_file;
}

struct generation *generation_load(struct gateway *gateway, const char *config_path, unsigned scripts, unsigned number, int64_t now_us,
                                   char complaint[COMPLAINT_MAX])
{
    struct generation *generation = xcalloc(1, sizeof *generation);
    generation->gateway = gateway;
    generation->number = number;
    atomic_init(&generation->references, 1);
    generation->sources = gateway->engine->read(config_path, gateway->copies, &generation->config, complaint);
    if (generation->sources == NULL) {
        generation->config = NULL;
        generation_free(generation);
        return NULL;
    }
    if (loses_policy(gateway->current, generation->config)) {
        snprintf(
            complaint, COMPLAINT_MAX,
            "policies/default.lua: there is no such file, and a reload never goes from a policy's file to the built-in policy: put the "
            "file back, or restart the gateway without it");
        generation_free(generation);
        return NULL;
    }
    generation->config->memory = gateway->memory;
    if (!bind_keys(gateway, generation->config) || !bind_tokens(gateway, generation->config)) {
        snprintf(complaint, COMPLAINT_MAX, "the config is too large");
        generation_free(generation);
        return NULL;
    }
    bind_shared(gateway, generation->config, now_us);
    if (scripts == 0)
        scripts = generation->config->workers == 0 ? gateway->cores : generation->config->workers;
    generation->scripts = xcalloc(scripts, sizeof *generation->scripts);
    while (generation->script_count < scripts) {
        struct script *script = gateway->engine->open(generation->sources, generation->config, gateway->log, complaint);
        if (script == NULL) {
            generation_free(generation);
            return NULL;
        }
        generation->scripts[generation->script_count++] = script;
    }
    return generation;
}

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
