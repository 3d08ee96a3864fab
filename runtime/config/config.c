/* config.c -- names in a config: targets by hash, models by binary search.
 *
 * What was listed never changes after the load, so every look-up of it goes without a lock. Targets that clients name are made.c's.
 * SPDX-License-Identifier: MIT */
#include "config/config_private.h"
#include "base/hash.h"
#include "config/model_name.h"
#include <stdlib.h>

enum {
    ARENA_MAX = 512 * 1024 * 1024,
    SLOT_COUNT = 2 * TARGETS_MAX, /* a power of two, half full at most */
    MODEL_NAME_MAX = 200,         /* of a model that comes ad hoc */
};

/* ---------------------------------------------------------------- life */

struct config *config_new(void)
{
    struct config *config = xcalloc(1, sizeof *config);
    arena_init(&config->arena, NULL, ARENA_MAX);
    pthread_mutex_init(&config->ad_hoc_lock, NULL);
    hash_random(config->hash_key, sizeof config->hash_key);
    config->targets = xcalloc(TARGETS_MAX, sizeof(struct target *));
    config->target_slots = xcalloc(SLOT_COUNT, sizeof *config->target_slots);
    config->made = made_table_new();
    return config;
}

void config_free(struct config *config)
{
    keyring_free(config->keyring);
    made_table_free(config);
    pthread_mutex_destroy(&config->ad_hoc_lock);
    free(config->targets);
    free(config->target_slots);
    arena_free(&config->arena);
    free(config);
}

static int compare_models(const void *a, const void *b)
{
    struct slice left = ((const struct model *)a)->name, right = ((const struct model *)b)->name;
    int order = memcmp(left.ptr, right.ptr, left.len < right.len ? left.len : right.len);
    return order != 0 ? order : (left.len > right.len) - (left.len < right.len);
}

void config_seal(struct config *config)
{
    if (config->model_count > 0)
        qsort(config->models, config->model_count, sizeof *config->models, compare_models);
    config->listed_target_count = atomic_load(&config->target_count);
}

/* ---------------------------------------------------------------- targets */

struct target *config_target(const struct config *config, struct slice name)
{
    size_t slot = hash_sip(config->hash_key, name) & (SLOT_COUNT - 1);
    for (;; slot = (slot + 1) & (SLOT_COUNT - 1)) {
        struct target *target = atomic_load_explicit(&config->target_slots[slot], memory_order_acquire);
        if (target == NULL || slice_equals(target->name, name))
            return target;
    }
}

/* Of two with one name the first is found: it is first in their chain. */
static void publish(struct config *config, struct target *target)
{
    size_t slot = hash_sip(config->hash_key, target->name) & (SLOT_COUNT - 1);
    while (atomic_load_explicit(&config->target_slots[slot], memory_order_relaxed) != NULL)
        slot = (slot + 1) & (SLOT_COUNT - 1);
    config->targets[target->index] = target;
    atomic_store_explicit(&config->target_count, target->index + 1, memory_order_release);
    atomic_store_explicit(&config->target_slots[slot], target, memory_order_release);
}

static bool limit_target(struct target *target, struct arena *arena, const char *kind, struct slice name, const struct limit_rule *rule)
{
    if (rule == NULL)
        return true;
    struct slice full = arena_printf(arena, "%s:%.*s", kind, (int)name.len, name.ptr);
    if (full.ptr != NULL)
        target->limits[target->limit_count++] = (struct limit_ask){full, rule};
    return full.ptr != NULL;
}

void config_limit_target(struct config *config, struct target *target, const char *kind, struct slice name, const struct limit_rule *rule)
{
    limit_target(target, &config->arena, kind, name, rule);
}

/* Nothing is known about the model: do not forbid what it may be able to do. */
bool config_fill_target(struct config *config, struct target *target, struct arena *arena, struct provider *provider, struct slice model)
{
    target->name = arena_printf(arena, "%.*s/%.*s", (int)provider->name.len, provider->name.ptr, (int)model.len, model.ptr);
    target->model.model = arena_copy(arena, model);
    if (target->name.ptr == NULL || target->model.model.ptr == NULL)
        return false;
    target->provider = provider;
    target->weight = 1;
    target->priority = 1;
    target->max_temperature = slice_equals(slice_of(provider->vendor->wire->name), LIT("anthropic")) ? 1 : 2;
    target->model.capabilities = NEED_TOOLS | NEED_VISION | NEED_JSON_SCHEMA | NEED_REASONING | NEED_AUDIO | NEED_DOCUMENT;
    for (unsigned i = 0; i < PRICE_LIST; i++)
        target->price[i] = -1;
    if (config->provider_times != NULL) {
        target->timeout_us = config->provider_times[provider->index].timeout_us;
        target->first_token_us = config->provider_times[provider->index].first_token_us;
    }
    return config->provider_limits == NULL ||
           limit_target(target, arena, "provider", provider->name, config->provider_limits[provider->index]);
}

static struct target *find_by_model(const struct config *config, const struct provider *provider, struct slice model)
{
    char name[2 * MODEL_NAME_MAX + 2];
    size_t len = provider->name.len + 1 + model.len;
    if (len > sizeof name)
        return NULL;
    memcpy(name, provider->name.ptr, provider->name.len);
    name[provider->name.len] = '/';
    memcpy(name + provider->name.len + 1, model.ptr, model.len);
    return config_target(config, (struct slice){name, len});
}

struct target *config_add_target(struct config *config, struct provider *provider, struct slice model)
{
    unsigned count = atomic_load(&config->target_count);
    struct target *target = count < TARGETS_MAX ? arena_zalloc(&config->arena, sizeof *target) : NULL;
    if (target == NULL || !config_fill_target(config, target, &config->arena, provider, model))
        return NULL;
    target->index = count;
    publish(config, target);
    return target;
}

/* ---------------------------------------------------------------- what comes ad hoc */

static bool may_be_made(struct slice name)
{
    return name.len <= MODEL_NAME_MAX && memchr(name.ptr, ' ', name.len) == NULL && model_name_is_plain(name);
}

/* A dated version is the model that is known without its date. */
static void take_facts(struct target *target, const struct target *known)
{
    struct slice model = target->model.model;
    target->model = known->model;
    target->model.model = model;
    target->weight = known->weight;
    target->quality = known->quality;
    target->leaderboard = known->leaderboard;
    target->max_temperature = known->max_temperature;
    target->priority = known->priority;
    target->makes = known->makes;
    target->context = known->context;
    target->timeout_us = known->timeout_us;
    target->first_token_us = known->first_token_us;
    memcpy(target->price, known->price, sizeof target->price);
}

void config_take_dated_facts(struct config *config, struct target *target)
{
    struct slice dateless = model_name_without_date(target->model.model);
    const struct target *known = dateless.len == 0 ? NULL : find_by_model(config, target->provider, dateless);
    if (known != NULL)
        take_facts(target, known);
}

static struct target *add_ad_hoc(struct config *config, struct provider *provider, struct slice model, struct holds *holds)
{
    struct target *target = find_by_model(config, provider, model);
    return target != NULL || !may_be_made(model) ? target : made_target(config, provider, model, holds);
}

struct provider *config_provider(const struct config *config, struct slice name)
{
    for (unsigned i = 0; i < config->provider_count; i++)
        if (slice_equals(config->providers[i].name, name))
            return &config->providers[i];
    return NULL;
}

/* By name, else by another prefix of its vendor ("together_ai/..."). */
static struct provider *provider_of_prefix(const struct config *config, struct slice prefix)
{
    struct provider *provider = config_provider(config, prefix);
    for (unsigned i = 0; provider == NULL && i < config->provider_count; i++)
        for (unsigned p = 0; p < 3 && config->providers[i].vendor->prefix[p] != NULL; p++)
            if (slice_equals(slice_of(config->providers[i].vendor->prefix[p]), prefix))
                provider = &config->providers[i];
    return provider;
}

struct target *config_named_target(struct config *config, struct slice name, struct holds *holds)
{
    struct target *target = name.len > 2 * MODEL_NAME_MAX ? NULL : config_target(config, name);
    const char *slash = target == NULL && name.len > 0 ? memchr(name.ptr, '/', name.len) : NULL;
    if (slash == NULL)
        return target;
    size_t len = (size_t)(slash - name.ptr);
    struct provider *provider = provider_of_prefix(config, (struct slice){name.ptr, len});
    return provider == NULL ? NULL : add_ad_hoc(config, provider, (struct slice){slash + 1, name.len - len - 1}, holds);
}

/* ---------------------------------------------------------------- models */

static const struct model *find_model(const struct config *config, struct slice name)
{
    struct model wanted = {.name = name};
    return config->model_count == 0 || name.len == 0
               ? NULL
               : bsearch(&wanted, config->models, config->model_count, sizeof *config->models, compare_models);
}

static struct model *new_model(struct arena *arena, struct slice name, unsigned targets)
{
    struct model *model = arena_zalloc(arena, sizeof *model);
    if (model == NULL || (model->targets = arena_alloc(arena, targets * sizeof(struct target *))) == NULL)
        return NULL;
    model->name = name;
    return model;
}

/* A bare name with a date, of a model that the catalog knows without: at the same providers, under its full name. */
static const struct model *dated_model(struct config *config, struct slice name, struct arena *arena, struct holds *holds)
{
    struct slice dateless = model_name_without_date(name);
    const struct model *known = find_model(config, dateless);
    if (known == NULL || !known->from_catalog)
        return NULL;
    struct model *model = new_model(arena, name, known->target_count);
    for (unsigned i = 0; model != NULL && i < known->target_count; i++) {
        struct target *target = add_ad_hoc(config, known->targets[i]->provider, name, holds);
        if (target != NULL)
            model->targets[model->target_count++] = target;
    }
    return model == NULL || model->target_count == 0 ? NULL : model;
}

const struct model *config_model(struct config *config, struct slice name, struct arena *arena, struct holds *holds)
{
    const struct model *known = find_model(config, name);
    if (known != NULL)
        return known;
    struct target *target = config_named_target(config, name, holds);
    if (target == NULL)
        return dated_model(config, name, arena, holds);
    struct model *model = new_model(arena, target->name, 1);
    if (model != NULL)
        model->targets[model->target_count++] = target;
    return model;
}
