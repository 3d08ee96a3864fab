/* generation.c -- see generation.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/generation.h"
#include "base/file.h"
#include "gateway/trial.h"
#include "mock/mock.h"
#include "providers/credentials/google.h"
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    if (config->key_pools == NULL)
        config->key_pools = arena_zalloc(&config->arena, sizeof *config->key_pools * (config->provider_count + 1));
    for (unsigned i = 0; config->key_pools != NULL && i < config->provider_count; i++) {
        const struct provider *provider = &config->providers[i];
        struct key_state **pool = config->key_pools[i];
        if (pool == NULL && (pool = arena_zalloc(&config->arena, sizeof *pool * (provider->key_count + 1))) == NULL)
            return false;
        for (unsigned k = 0; k < provider->key_count; k++)
            pool[k] = key_states_find(gateway->keys, provider->name, provider->keys[k]);
        config->key_pools[i] = pool;
    }
    return config->key_pools != NULL;
}

static bool bind_tokens(struct gateway *gateway, struct config *config)
{
    if (config->tokens == NULL)
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

/* What outlives generations is found by name. False: the config's memory is used up. */
static bool bind_shared(struct gateway *gateway, struct config *config, int64_t now_us)
{
    if (!bind_keys(gateway, config) || !bind_tokens(gateway, config))
        return false;
    for (unsigned i = 0; i < config->model_count; i++)
        config->models[i].pool = pools_find(gateway->pools, config->models[i].name);
    for (unsigned i = 0; i < config->listed_target_count; i++)
        target_bind(gateway, config, config->targets[i], now_us);
    return true;
}

static void unbind_shared(struct config *config)
{
    for (unsigned i = 0; i < atomic_load(&config->target_count); i++) {
        if (config->targets[i]->health != NULL)
            health_unref(config->targets[i]->health);
        config->targets[i]->health = NULL;
    }
    for (unsigned i = 0; config->tokens != NULL && i < config->provider_count; i++) {
        if (config->tokens[i] != NULL)
            token_unref(config->tokens[i]);
        config->tokens[i] = NULL;
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
        unbind_shared(config);
    if (generation->sources != NULL)
        engine->sources_free(generation->sources);
    if (config != NULL)
        config_free(config);
    if (generation->uses_mock)
        embedded_mock_leave(generation->gateway->mock);
    free(generation);
}

static bool say_too_large(char complaint[COMPLAINT_MAX])
{
    snprintf(complaint, COMPLAINT_MAX, "the config is too large");
    return false;
}

/* A file that is away for a moment must not take limits and refusals with it. */
static bool loses_policy(const struct generation *current, const struct config *config)
{
    return current != NULL && current->config->policy_file.len > 0 && config->policy_file.len == 0;
}

/* A reload moves no listener: what the config says of another one must not open this. */
static bool fits_listener(const struct gateway *gateway, struct config *config, char complaint[COMPLAINT_MAX])
{
    if (!gateway->listens)
        return true;
    config->listen_is_loopback = gateway->listens_on_loopback;
    if (gateway->listens_on_loopback || config->user_count > 0 || config->open)
        return true;
    snprintf(complaint, COMPLAINT_MAX,
             "%.*s: keys: the open listener can be reached from outside, and there are no keys: restart to listen elsewhere",
             (int)config->path.len, config->path.ptr);
    return false;
}

/* Nothing is asked for before it is in force: the policy is asked as if access tokens had come. */
void generation_pretend_tokens(struct config *config)
{
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->tokens[i] != NULL)
            token_put(config->tokens[i], LIT("none"), INT64_MAX, INT64_MAX);
}

static bool open_script(struct generation *generation, struct log *log, char complaint[COMPLAINT_MAX])
{
    struct script *script = generation->gateway->engine->open(generation->sources, generation->config, log, complaint);
    if (script == NULL)
        return false;
    generation->scripts[generation->script_count++] = script;
    return true;
}

static void close_scripts(struct generation *generation)
{
    while (generation->script_count > 0)
        generation->gateway->engine->close(generation->scripts[--generation->script_count]);
}

/* The trial of its policy, with a script and counters of its own: what serves afterwards is as good as new. */
static bool try_aside(struct generation *generation, int64_t now_us, char complaint[COMPLAINT_MAX])
{
    const struct gateway *gateway = generation->gateway;
    struct config *config = generation->config;
    struct gateway aside;
    gateway_init(&aside, gateway->engine, now_us, gateway->started_wall_us);
    bool ok = bind_shared(&aside, config, now_us);
    if (!ok)
        say_too_large(complaint);
    if (ok && (ok = open_script(generation, NULL, complaint))) {
        generation_pretend_tokens(config);
        atomic_fetch_add(&generation->references, 1);
        generation_swap(&aside, generation);
        ok = trial_run(&aside, complaint);
    }
    close_scripts(generation);
    unbind_shared(config);
    config_forget_ad_hoc(config);
    gateway_fini(&aside);
    return ok;
}

static bool load_scripts(struct generation *generation, unsigned scripts, char complaint[COMPLAINT_MAX])
{
    while (generation->script_count < scripts)
        if (!open_script(generation, generation->gateway->log, complaint))
            return false;
    return true;
}

/* A provider without an origin is the embedded mock. */
static bool use_mock(struct generation *generation, char complaint[COMPLAINT_MAX])
{
    struct config *config = generation->config;
    char origin[MOCK_ORIGIN_SIZE], why[FILE_WHY_MAX];
    if (!config->wants_mock || generation->gateway->mock == NULL)
        return true;
    int error = embedded_mock_use(generation->gateway->mock, origin);
    if (error != 0) {
        file_write_why(error, why);
        snprintf(complaint, COMPLAINT_MAX, "the embedded mock provider cannot listen on the loopback: %s", why);
        return false;
    }
    generation->uses_mock = true;
    struct slice copy = arena_copy(&config->arena, slice_of(origin));
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->providers[i].origin.len == 0)
            config->providers[i].origin = copy;
    return copy.len > 0 || say_too_large(complaint);
}

static bool build(struct generation *generation, const struct load *load, int64_t now_us, char complaint[COMPLAINT_MAX])
{
    struct gateway *gateway = generation->gateway;
    struct config *config = generation->config;
    if (!fits_listener(gateway, config, complaint))
        return false;
    if (loses_policy(gateway->current, config)) {
        snprintf(
            complaint, COMPLAINT_MAX,
            "policies/default.lua: there is no such file, and a reload never goes from a policy's file to the built-in policy: put the "
            "file back, or restart the gateway without it");
        return false;
    }
    config->memory = gateway->memory;
    unsigned scripts = load->scripts > 0 ? load->scripts : config->workers > 0 ? config->workers : gateway->cores;
    generation->scripts = xcalloc(scripts, sizeof *generation->scripts);
    if (!load->untried && !try_aside(generation, now_us, complaint))
        return false;
    if (!bind_shared(gateway, config, now_us))
        return say_too_large(complaint);
    return use_mock(generation, complaint) && load_scripts(generation, scripts, complaint);
}

struct generation *generation_load(struct gateway *gateway, const struct load *load, int64_t now_us, char complaint[COMPLAINT_MAX])
{
    struct generation *generation = xcalloc(1, sizeof *generation);
    generation->gateway = gateway;
    generation->number = load->number;
    atomic_init(&generation->references, 1);
    generation->sources = gateway->engine->read(load->path, gateway->copies, &generation->config, complaint);
    if (generation->config != NULL && build(generation, load, now_us, complaint))
        return generation;
    if (load->refused != NULL) {
        *load->refused = generation->sources;
        generation->sources = NULL;
    }
    generation_free(generation);
    return NULL;
}

/* ---------------------------------------------------------------- probation */

/* As many as a probation wants to tell apart. */
static unsigned known_users(const struct config *config)
{
    const struct user *known[PROBATION_USERS];
    unsigned count = 0;
    for (unsigned i = 0; i < config->user_count && count < PROBATION_USERS; i++) {
        bool is_new = true;
        for (unsigned k = 0; k < count; k++)
            is_new &= !slice_equals(known[k]->id, config->users[i].id);
        if (is_new)
            known[count++] = &config->users[i];
    }
    return count;
}

void generation_begin_probation(struct generation *generation, int64_t now_us)
{
    probation_begin(&generation->probation, known_users(generation->config), now_us);
}

static void tell_process(const struct gateway *gateway)
{
    uint64_t one = 1;
    if (write(gateway->reload_fd, &one, sizeof one) < 0)
        return; /* the counter is at its maximum: the process is due in any case */
}

void generation_asked(struct generation *generation, int64_t now_us)
{
    if (probation_call(&generation->probation, now_us))
        tell_process(generation->gateway);
}

void generation_failed(struct generation *generation, struct slice user, int64_t now_us)
{
    if (probation_failure(&generation->probation, user, now_us))
        tell_process(generation->gateway);
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
