/* pools.c -- see pools.h.
 *
 * Entries are made under a lock and never move or go away while the table lives, so that a generation keeps the pointer and counts
 * without asking again. Names come from configs, never from clients.
 * SPDX-License-Identifier: MIT */
#include "shared/pools.h"
#include "base/hash.h"
#include "shared/named.h"
#include <pthread.h>
#include <stdlib.h>

/* A pool that nobody used yet may fail a few times. */
enum { SPARE_BEGIN = 10 * SPARE_UNIT };

struct entry {
    struct named named;
    struct pool pool;
};

struct pools {
    pthread_mutex_t lock;
    uint8_t key[16];
    struct named_table entries;
    struct pool rest; /* of all names beyond the limit */
};

static const struct named_kind entry_kind = {.size = sizeof(struct entry), .is_named_while_held = true};

static void begin(struct pool *pool)
{
    atomic_init(&pool->spare, SPARE_BEGIN);
    atomic_init(&pool->hedges, HEDGES_MAX * HEDGE_UNIT);
    atomic_init(&pool->output_p95, -1);
}

struct pools *pools_new(size_t limit)
{
    struct pools *pools = xcalloc(1, sizeof *pools);
    named_init(&pools->entries, &entry_kind, limit);
    hash_random(pools->key, sizeof pools->key);
    begin(&pools->rest);
    pthread_mutex_init(&pools->lock, NULL);
    return pools;
}

void pools_free(struct pools *pools)
{
    if (pools == NULL)
        return;
    named_fini(&pools->entries);
    pthread_mutex_destroy(&pools->lock);
    free(pools);
}

struct pool *pools_find(struct pools *pools, struct slice name)
{
    uint64_t hash = hash_sip(pools->key, name);
    bool fresh;
    pthread_mutex_lock(&pools->lock);
    struct entry *entry = (struct entry *)named_find(&pools->entries, name, hash, 0, &fresh);
    if (entry != NULL && fresh)
        begin(&entry->pool);
    pthread_mutex_unlock(&pools->lock);
    return entry == NULL ? &pools->rest : &entry->pool;
}

void pool_request(struct pool *pool)
{
    if (atomic_load_explicit(&pool->spare, memory_order_relaxed) < SPARE_MAX * SPARE_UNIT)
        atomic_fetch_add_explicit(&pool->spare, 1, memory_order_relaxed);
    if (atomic_load_explicit(&pool->hedges, memory_order_relaxed) < HEDGES_MAX * HEDGE_UNIT)
        atomic_fetch_add_explicit(&pool->hedges, 1, memory_order_relaxed);
}

bool pool_has_spare(const struct pool *pool)
{
    return atomic_load_explicit(&pool->spare, memory_order_relaxed) >= SPARE_UNIT;
}

void pool_spend(struct pool *pool)
{
    atomic_fetch_sub_explicit(&pool->spare, SPARE_UNIT, memory_order_relaxed);
}

bool pool_has_hedge(const struct pool *pool)
{
    return atomic_load_explicit(&pool->hedges, memory_order_relaxed) >= HEDGE_UNIT;
}

void pool_hedge(struct pool *pool)
{
    atomic_fetch_sub_explicit(&pool->hedges, HEDGE_UNIT, memory_order_relaxed);
}

/* ---------------------------------------------------------------- how long answers are */

static unsigned bucket_of(int64_t tokens)
{
    unsigned octave = 0;
    if (tokens >> OUTPUT_OCTAVES > 0)
        return OUTPUT_BUCKETS - 1;
    while (tokens >> (octave + 1) > 0)
        octave++;
    int64_t within = tokens - ((int64_t)1 << octave);
    return octave * OUTPUT_FINE + (unsigned)(within * OUTPUT_FINE >> octave);
}

/* The most that falls into a bucket. */
static int64_t edge_of(unsigned bucket)
{
    int64_t low = (int64_t)1 << bucket / OUTPUT_FINE;
    int64_t edge = (low * (OUTPUT_FINE + bucket % OUTPUT_FINE + 1) + OUTPUT_FINE - 1) / OUTPUT_FINE - 1;
    return edge > low ? edge : low;
}

/* Of two that look at the same moment one may miss what the other counts: it is there the next time. */
static void look_at_outputs(struct pool *pool)
{
    enum { KEPT_MAX = 1024 };
    unsigned total = 0, seen = 0, bucket = 0;
    for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
        total += atomic_load_explicit(&pool->outputs[i], memory_order_relaxed);
    while (bucket < OUTPUT_BUCKETS - 1 && (seen += atomic_load_explicit(&pool->outputs[bucket], memory_order_relaxed)) * 20 < total * 19)
        bucket++;
    atomic_store_explicit(&pool->output_p95, edge_of(bucket), memory_order_relaxed);
    for (unsigned i = 0; total > KEPT_MAX && i < OUTPUT_BUCKETS; i++) /* older ones fade */
        atomic_store_explicit(&pool->outputs[i], (uint16_t)(atomic_load_explicit(&pool->outputs[i], memory_order_relaxed) / 2),
                              memory_order_relaxed);
}

void pool_answered(struct pool *pool, int64_t tokens)
{
    atomic_fetch_add_explicit(&pool->outputs[bucket_of(tokens > 0 ? tokens : 1)], 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&pool->answers, 1, memory_order_relaxed) % OUTPUT_LOOK == OUTPUT_LOOK - 1)
        look_at_outputs(pool);
}

int64_t pool_output_p95(const struct pool *pool)
{
    return atomic_load_explicit(&pool->output_p95, memory_order_relaxed);
}
