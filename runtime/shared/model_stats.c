/* model_stats.c -- see model_stats.h.
 *
 * Entries are made under a lock and never move or go away while the table lives, so that a generation keeps the pointer and counts
 * without asking again. Names come from configs, never from clients.
 * SPDX-License-Identifier: MIT */
#include "shared/model_stats.h"
#include "base/hash.h"
#include "shared/named.h"
#include <pthread.h>
#include <stdlib.h>

/* A model that was not asked for yet may fail a few times. */
enum { SPARE_BEGIN = 10 * SPARE_UNIT };

struct entry {
    struct named named;
    struct model_stats stats;
};

struct model_stats_table {
    pthread_mutex_t lock;
    uint8_t key[16];
    struct named_table entries;
    struct model_stats rest; /* of all names beyond the limit */
};

static const struct named_kind entry_kind = {.size = sizeof(struct entry), .is_named_while_held = true};

static void begin(struct model_stats *stats)
{
    atomic_init(&stats->spare, SPARE_BEGIN);
    atomic_init(&stats->hedges, HEDGES_MAX * HEDGE_UNIT);
    atomic_init(&stats->output_p95, -1);
}

struct model_stats_table *model_stats_new(size_t limit)
{
    struct model_stats_table *table = xcalloc(1, sizeof *table);
    named_init(&table->entries, &entry_kind, limit);
    hash_random(table->key, sizeof table->key);
    begin(&table->rest);
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

void model_stats_free(struct model_stats_table *table)
{
    if (table == NULL)
        return;
    named_fini(&table->entries);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

struct model_stats *model_stats_find(struct model_stats_table *table, struct slice name)
{
    uint64_t hash = hash_sip(table->key, name);
    bool fresh;
    pthread_mutex_lock(&table->lock);
    struct entry *entry = (struct entry *)named_find(&table->entries, name, hash, 0, &fresh);
    if (entry != NULL && fresh)
        begin(&entry->stats);
    pthread_mutex_unlock(&table->lock);
    return entry == NULL ? &table->rest : &entry->stats;
}

void model_asked(struct model_stats *stats)
{
    if (atomic_load_explicit(&stats->spare, memory_order_relaxed) < SPARE_MAX * SPARE_UNIT)
        atomic_fetch_add_explicit(&stats->spare, 1, memory_order_relaxed);
    if (atomic_load_explicit(&stats->hedges, memory_order_relaxed) < HEDGES_MAX * HEDGE_UNIT)
        atomic_fetch_add_explicit(&stats->hedges, 1, memory_order_relaxed);
}

bool model_has_spare(const struct model_stats *stats)
{
    return atomic_load_explicit(&stats->spare, memory_order_relaxed) >= SPARE_UNIT;
}

void model_spend(struct model_stats *stats)
{
    atomic_fetch_sub_explicit(&stats->spare, SPARE_UNIT, memory_order_relaxed);
}

bool model_has_hedge(const struct model_stats *stats)
{
    return atomic_load_explicit(&stats->hedges, memory_order_relaxed) >= HEDGE_UNIT;
}

void model_hedge(struct model_stats *stats)
{
    atomic_fetch_sub_explicit(&stats->hedges, HEDGE_UNIT, memory_order_relaxed);
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
static void look_at_outputs(struct model_stats *stats)
{
    enum { KEPT_MAX = 1024 };
    unsigned total = 0, seen = 0, bucket = 0;
    for (unsigned i = 0; i < OUTPUT_BUCKETS; i++)
        total += atomic_load_explicit(&stats->outputs[i], memory_order_relaxed);
    while (bucket < OUTPUT_BUCKETS - 1 && (seen += atomic_load_explicit(&stats->outputs[bucket], memory_order_relaxed)) * 20 < total * 19)
        bucket++;
    atomic_store_explicit(&stats->output_p95, edge_of(bucket), memory_order_relaxed);
    for (unsigned i = 0; total > KEPT_MAX && i < OUTPUT_BUCKETS; i++) /* older ones fade */
        atomic_store_explicit(&stats->outputs[i], (uint16_t)(atomic_load_explicit(&stats->outputs[i], memory_order_relaxed) / 2),
                              memory_order_relaxed);
}

void model_answered(struct model_stats *stats, int64_t tokens)
{
    atomic_fetch_add_explicit(&stats->outputs[bucket_of(tokens > 0 ? tokens : 1)], 1, memory_order_relaxed);
    if (atomic_fetch_add_explicit(&stats->answers, 1, memory_order_relaxed) % OUTPUT_LOOK == OUTPUT_LOOK - 1)
        look_at_outputs(stats);
}

int64_t model_output_p95(const struct model_stats *stats)
{
    return atomic_load_explicit(&stats->output_p95, memory_order_relaxed);
}
