/* named.c -- see named.h. Buckets with chains, twice as many whenever there are as many records.
 * SPDX-License-Identifier: MIT */
#include "shared/named.h"
#include "base/list.h"
#include <stdlib.h>

enum { BUCKETS_MIN = 16 };

void named_init(struct named_table *table, const struct named_kind *kind, size_t limit)
{
    *table = (struct named_table){.kind = kind, .limit = limit, .bucket_count = BUCKETS_MIN};
    table->buckets = xcalloc(BUCKETS_MIN, sizeof *table->buckets);
}

static void free_record(const struct named_table *table, struct named *record)
{
    if (table->kind->fini != NULL)
        table->kind->fini(record);
    free(record);
}

void named_fini(struct named_table *table)
{
    for (size_t i = 0; i < table->bucket_count; i++) {
        for (struct named *record = table->buckets[i], *chain; record != NULL; record = chain) {
            chain = record->chain;
            free_record(table, record);
        }
    }
    free(table->buckets);
}

static struct named **bucket_of(const struct named_table *table, uint64_t hash)
{
    return &table->buckets[(hash >> 6) & (table->bucket_count - 1)];
}

static void link_record(const struct named_table *table, struct named *record)
{
    struct named **bucket = bucket_of(table, record->hash);
    record->chain = *bucket;
    *bucket = record;
}

static bool is_in_line(const struct named_table *table, const struct named *record)
{
    return record->references == 0 || !table->kind->is_named_while_held;
}

static void drop(struct named_table *table, struct named *record)
{
    struct named **at = bucket_of(table, record->hash);
    while (*at != record)
        at = &(*at)->chain;
    *at = record->chain;
    table->count--;
    free_record(table, record);
}

void named_forget(struct named_table *table, struct named *record)
{
    if (is_in_line(table, record))
        list_remove(table->newest, table->oldest, record);
    drop(table, record);
}

static void evict(struct named_table *table, struct named *record)
{
    list_remove(table->newest, table->oldest, record);
    drop(table, record);
    table->evictions++;
}

static bool make_room(struct named_table *table)
{
    struct named *record = table->oldest;
    while (record != NULL && record->references > 0)
        record = record->previous;
    if (record != NULL)
        evict(table, record);
    return record != NULL;
}

static void grow(struct named_table *table)
{
    struct named **old = table->buckets, **wider = calloc(2 * table->bucket_count, sizeof *wider);
    size_t old_count = table->bucket_count;
    if (wider == NULL) /* no memory: its chains get longer */
        return;
    table->bucket_count = 2 * old_count;
    table->buckets = wider;
    for (size_t i = 0; i < old_count; i++) {
        for (struct named *record = old[i], *chain; record != NULL; record = chain) {
            chain = record->chain;
            link_record(table, record);
        }
    }
    free(old);
}

static char *name_of(const struct named_table *table, struct named *record)
{
    return (char *)record + table->kind->size;
}

static struct named *make(struct named_table *table, struct slice name, uint64_t hash)
{
    if (table->count >= table->limit && !make_room(table))
        return NULL;
    if (table->count >= table->bucket_count)
        grow(table);
    struct named *record = xcalloc(1, table->kind->size + name.len);
    record->hash = hash;
    record->name_len = (unsigned)name.len;
    if (name.len > 0)
        memcpy(name_of(table, record), name.ptr, name.len);
    link_record(table, record);
    table->count++;
    return record;
}

struct named *named_find(struct named_table *table, struct slice name, uint64_t hash, int64_t now_us, bool *fresh)
{
    struct named *record = *bucket_of(table, hash);
    while (record != NULL && (record->hash != hash || !slice_equals((struct slice){name_of(table, record), record->name_len}, name)))
        record = record->chain;
    *fresh = record == NULL;
    if (record == NULL && (record = make(table, name, hash)) == NULL)
        return NULL;
    if (!*fresh && is_in_line(table, record))
        list_remove(table->newest, table->oldest, record);
    record->references++;
    record->named_us = table->now_us = now_us;
    if (is_in_line(table, record))
        list_prepend(table->newest, table->oldest, record);
    return record;
}

void named_release(struct named_table *table, struct named *record)
{
    if (--record->references > 0 || !table->kind->is_named_while_held)
        return;
    record->named_us = table->now_us;
    list_prepend(table->newest, table->oldest, record);
}

/* A record that is not idle (it holds a day's tokens) goes to the front of the list and is looked at again later. */
void named_evict(struct named_table *table, int64_t now_us, size_t looks)
{
    table->now_us = now_us;
    while (looks-- > 0 && table->oldest != NULL && now_us - table->oldest->named_us >= table->kind->kept_us) {
        struct named *record = table->oldest;
        if (record->references == 0 && (table->kind->is_idle == NULL || table->kind->is_idle(record, now_us))) {
            evict(table, record);
        } else {
            list_remove(table->newest, table->oldest, record);
            list_prepend(table->newest, table->oldest, record);
        }
    }
}
