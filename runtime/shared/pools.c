/* pools.c -- see pools.h.
 *
 * Entries are made under a lock and never move or go away while the table lives, so that a generation keeps the pointer and counts
 * without asking again. Names come from configs, never from clients.
 * SPDX-License-Identifier: MIT */
#include "shared/pools.h"
#include "base/hash.h"
#include <pthread.h>
#include <stdlib.h>

/* A pool that nobody used yet may fail a few times. */
enum { SPARE_BEGIN = 10 * SPARE_UNIT };

struct entry {
    struct entry *next;
    struct pool pool;
    size_t len;
    char name[];
};

struct pools {
    pthread_mutex_t lock;
    uint8_t key[16];
    size_t count, limit, mask;
    struct pool rest; /* of all names beyond the limit */
    struct entry **buckets;
};

struct pools *pools_new(size_t limit)
{
    struct pools *pools = xcalloc(1, sizeof *pools);
    size_t buckets = 16;
    while (buckets < limit)
        buckets *= 2;
    pools->limit = limit;
    pools->mask = buckets - 1;
    pools->buckets = xcalloc(buckets, sizeof(struct entry *));
    hash_random(pools->key, sizeof pools->key);
    atomic_init(&pools->rest.spare, SPARE_BEGIN);
    pthread_mutex_init(&pools->lock, NULL);
    return pools;
}

void pools_free(struct pools *pools)
{
    if (pools == NULL)
        return;
    for (size_t i = 0; i <= pools->mask; i++) {
        while (pools->buckets[i] != NULL) {
            struct entry *entry = pools->buckets[i];
            pools->buckets[i] = entry->next;
            free(entry);
        }
    }
    pthread_mutex_destroy(&pools->lock);
    free(pools->buckets);
    free(pools);
}

static struct entry *new_entry(struct pools *pools, struct slice name)
{
    struct entry *entry = xcalloc(1, sizeof *entry + name.len);
    entry->len = name.len;
    if (name.len > 0)
        memcpy(entry->name, name.ptr, name.len);
    atomic_init(&entry->pool.spare, SPARE_BEGIN);
    pools->count++;
    return entry;
}

struct pool *pools_find(struct pools *pools, struct slice name)
{
    struct entry **at = &pools->buckets[hash_sip(pools->key, name) & pools->mask];
    pthread_mutex_lock(&pools->lock);
    while (*at != NULL && !slice_equals((struct slice){(*at)->name, (*at)->len}, name))
        at = &(*at)->next;
    if (*at == NULL && pools->count < pools->limit)
        *at = new_entry(pools, name);
    struct pool *pool = *at == NULL ? &pools->rest : &(*at)->pool;
    pthread_mutex_unlock(&pools->lock);
    return pool;
}

void pool_request(struct pool *pool)
{
    if (atomic_load_explicit(&pool->spare, memory_order_relaxed) < SPARE_MAX * SPARE_UNIT)
        atomic_fetch_add_explicit(&pool->spare, 1, memory_order_relaxed);
}

bool pool_has_spare(const struct pool *pool)
{
    return atomic_load_explicit(&pool->spare, memory_order_relaxed) >= SPARE_UNIT;
}

void pool_spend(struct pool *pool)
{
    atomic_fetch_sub_explicit(&pool->spare, SPARE_UNIT, memory_order_relaxed);
}
