/* load.c -- see load.h.
 * SPDX-License-Identifier: MIT */
#include "process/load.h"
#include "base/file.h"
#include "mock/mock.h"
#include "process/trial.h"
#include "providers/credentials/google.h"
#include <stdio.h>

/* ---------------------------------------------------------------- what outlives generations */

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
    if (config->access_tokens == NULL)
        config->access_tokens = arena_zalloc(&config->arena, sizeof *config->access_tokens * (config->provider_count + 1));
    for (unsigned i = 0; config->access_tokens != NULL && i < config->provider_count; i++) {
        uint8_t digest[SHA256_BYTES];
        if (config->providers[i].credential == NULL)
            continue;
        google_digest(config->providers[i].credential, digest);
        config->access_tokens[i] = access_tokens_find(gateway->access_tokens, digest);
    }
    return config->access_tokens != NULL;
}

/* What outlives generations is found by name. False: the config's memory is used up. */
static bool bind_shared(struct gateway *gateway, struct config *config, int64_t now_us)
{
    if (!bind_keys(gateway, config) || !bind_tokens(gateway, config))
        return false;
    for (unsigned i = 0; i < config->model_count; i++)
        config->models[i].stats = model_stats_find(gateway->model_stats, config->models[i].name);
    for (unsigned i = 0; i < config->listed_target_count; i++)
        target_bind(gateway, config, config->targets[i], now_us);
    return true;
}

/* ---------------------------------------------------------------- the load */

static bool say_too_large(char complaint[COMPLAINT_MAX])
{
    snprintf(complaint, COMPLAINT_MAX, "the config is too large");
    return false;
}

/* A policy file that is missing for a moment must not be replaced by the built-in policy, which has no limits. */
static bool loses_policy(const struct generation *current, const struct config *config)
{
    return current != NULL && current->config->policy_file.len > 0 && config->policy_file.len == 0;
}

/* A reload does not move the listener, so the safety of the new config is judged by the listener that is open. */
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

/* Access tokens are fetched only once it is in force: the trial treats them as fetched. */
void generation_pretend_tokens(struct config *config)
{
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->access_tokens[i] != NULL)
            access_token_put(config->access_tokens[i], LIT("none"), INT64_MAX, INT64_MAX);
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

/* The trial of its policy, with a script and counters of its own, so that it leaves no trace in what serves afterwards. */
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
    generation_unbind(config);
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
    generation_unref(generation);
    return NULL;
}

/* ---------------------------------------------------------------- probation */

/* Counts users up to the number that a probation distinguishes. */
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
