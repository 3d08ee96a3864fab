/* made.c -- targets that are made when a client first names them. See config.h.
 *
 * All of it is under the config's ad_hoc_lock. A made target keeps its place and its memory for as long as the config lives; when all places are taken the
 * one that was named longest ago, and that no request holds, is made anew under another name. So code that looks at a made target holds it, or has the lock.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "base/list.h"
#include "config/config_private.h"
#include <stdlib.h>

enum { BUCKETS = TARGETS_MAX, HOLDS_MAX = 64, MADE_ARENA_MAX = 256 * 1024 };

struct made {
    struct target target;         /* the first member */
    struct arena arena;           /* its texts */
    struct made *chain;           /* of its bucket */
    struct made *next, *previous; /* by when they were named, newest first */
};

struct made_table {
    struct made *buckets[BUCKETS];
    struct made *newest, *oldest;
    struct made *spare; /* places whose target could not be made */
};

struct made_table *made_table_new(void)
{
    return xcalloc(1, sizeof(struct made_table));
}

void made_table_free(struct config *config)
{
    for (struct made *made = config->made->newest; made != NULL; made = made->next)
        arena_free(&made->arena);
    free(config->made);
}

/* ---------------------------------------------------------------- holds */

static bool hold(struct holds *holds, struct target *target)
{
    if (holds == NULL)
        return true;
    for (unsigned i = 0; i < holds->count; i++)
        if (holds->list[i] == target)
            return true;
    if (holds->list == NULL)
        holds->list = arena_alloc(holds->arena, HOLDS_MAX * sizeof *holds->list);
    if (holds->list == NULL || holds->count == HOLDS_MAX)
        return false;
    holds->list[holds->count++] = target;
    atomic_fetch_add_explicit(&target->holds, 1, memory_order_relaxed);
    return true;
}

void config_release(struct holds *holds)
{
    for (unsigned i = 0; i < holds->count; i++)
        atomic_fetch_sub_explicit(&holds->list[i]->holds, 1, memory_order_release);
    holds->count = 0;
}

bool config_holds(const struct config *config, const struct holds *holds, const struct target *target)
{
    bool held = target->index < config->listed_target_count;
    for (unsigned i = 0; !held && i < holds->count; i++)
        held = holds->list[i] == target;
    return held;
}

/* ---------------------------------------------------------------- the table */

static struct made **bucket_of(struct config *config, struct slice name)
{
    return &config->made->buckets[hash_sip(config->hash_key, name) & (BUCKETS - 1)];
}

static void forget(struct config *config, struct made *made)
{
    struct made **at = bucket_of(config, made->target.name);
    while (*at != made)
        at = &(*at)->chain;
    *at = made->chain;
    list_remove(config->made->newest, config->made->oldest, made);
    if (made->target.health != NULL)
        health_unref(made->target.health);
    made->target.health = NULL;
    arena_free(&made->arena);
}

/* An unused place while there are some; then that of the target that was named longest ago. */
static struct made *take_place(struct config *config)
{
    unsigned count = atomic_load(&config->target_count);
    struct made *made = config->made->spare;
    if (made != NULL) {
        config->made->spare = made->chain;
        return made;
    }
    if (count < TARGETS_MAX && (made = arena_zalloc(&config->arena, sizeof *made)) != NULL) {
        made->target.index = count;
        config->targets[count] = &made->target;
        atomic_store_explicit(&config->target_count, count + 1, memory_order_release);
        return made;
    }
    for (made = config->made->oldest; made != NULL; made = made->previous)
        if (atomic_load_explicit(&made->target.holds, memory_order_acquire) == 0) {
            forget(config, made);
            return made;
        }
    return NULL;
}

static struct made *make(struct config *config, struct provider *provider, struct slice model)
{
    struct made *made = take_place(config);
    if (made == NULL)
        return NULL;
    unsigned index = made->target.index, serial = made->target.serial;
    memset(&made->target, 0, sizeof made->target);
    made->target.index = index;
    made->target.serial = serial + 1;
    arena_init(&made->arena, NULL, MADE_ARENA_MAX);
    bool filled = config_fill_target(config, &made->target, &made->arena, provider, model);
    if (filled)
        config_take_dated_facts(config, &made->target);
    if (!filled || !config_fill_heads(&made->target, &made->arena)) {
        arena_free(&made->arena);
        made->target.name = SLICE_NONE;
        made->chain = config->made->spare;
        config->made->spare = made;
        return NULL;
    }
    struct made **bucket = bucket_of(config, made->target.name);
    made->chain = *bucket;
    *bucket = made;
    list_prepend(config->made->newest, config->made->oldest, made);
    return made;
}

static struct made *find(struct config *config, const struct provider *provider, struct slice model, struct slice name)
{
    struct made *made = *bucket_of(config, name);
    while (made != NULL && !(made->target.provider == provider && slice_equals(made->target.model.model, model)))
        made = made->chain;
    return made;
}

/* For only_looks: makes nothing; the description is in the caller's arena. */
static struct target *describe(struct config *config, struct provider *provider, struct slice model, struct arena *arena)
{
    struct target *target = arena_zalloc(arena, sizeof *target);
    if (target == NULL || !config_fill_target(config, target, arena, provider, model))
        return NULL;
    config_take_dated_facts(config, target);
    return target;
}

struct target *made_target(struct config *config, struct provider *provider, struct slice model, struct holds *holds)
{
    char text[MADE_NAME_MAX];
    size_t len = provider->name.len + 1 + model.len;
    if (len > sizeof text)
        return NULL;
    if (holds != NULL && holds->only_looks)
        return describe(config, provider, model, holds->arena);
    memcpy(text, provider->name.ptr, provider->name.len);
    text[provider->name.len] = '/';
    memcpy(text + provider->name.len + 1, model.ptr, model.len);
    pthread_mutex_lock(&config->ad_hoc_lock);
    struct made *made = find(config, provider, model, (struct slice){text, len});
    if (made != NULL) {
        list_remove(config->made->newest, config->made->oldest, made);
        list_prepend(config->made->newest, config->made->oldest, made);
    } else {
        made = make(config, provider, model);
    }
    struct target *target = made != NULL && hold(holds, &made->target) ? &made->target : NULL;
    pthread_mutex_unlock(&config->ad_hoc_lock);
    return target;
}

void config_forget_ad_hoc(struct config *config)
{
    pthread_mutex_lock(&config->ad_hoc_lock);
    while (config->made->oldest != NULL) {
        struct made *made = config->made->oldest;
        forget(config, made);
        made->target.name = SLICE_NONE;
        made->chain = config->made->spare;
        config->made->spare = made;
    }
    pthread_mutex_unlock(&config->ad_hoc_lock);
}
