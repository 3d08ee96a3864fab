/* turns.c -- a counter per model name: see turns.h.
 *
 * Entries are made under a lock and never move or go away while the table lives, so that a generation keeps the pointer and counts
 * without asking again. Names come from configs, never from clients.
 * SPDX-License-Identifier: MIT */
#include "shared/turns.h"
#include "base/hash.h"
#include <pthread.h>
#include <stdlib.h>

struct entry {
    struct entry *next;
    atomic_uint_fast64_t turn;
    size_t len;
    char name[];
};

struct turns {
    pthread_mutex_t lock;
    uint8_t key[16];
    size_t count, limit, mask;
    atomic_uint_fast64_t rest; /* of all names beyond the limit */
    struct entry **buckets;
};

struct turns *turns_new(size_t limit)
{
    struct turns *turns = xcalloc(1, sizeof *turns);
    size_t buckets = 16;
    while (buckets < limit)
        buckets *= 2;
    turns->limit = limit;
    turns->mask = buckets - 1;
    turns->buckets = xcalloc(buckets, sizeof(struct entry *));
    hash_random(turns->key, sizeof turns->key);
    pthread_mutex_init(&turns->lock, NULL);
    return turns;
}

void turns_free(struct turns *turns)
{
    if (turns == NULL)
        return;
    for (size_t i = 0; i <= turns->mask; i++) {
        while (turns->buckets[i] != NULL) {
            struct entry *entry = turns->buckets[i];
            turns->buckets[i] = entry->next;
            free(entry);
        }
    }
    pthread_mutex_destroy(&turns->lock);
    free(turns->buckets);
    free(turns);
}

static struct entry *new_entry(struct turns *turns, struct slice name)
{
    struct entry *entry = xcalloc(1, sizeof *entry + name.len);
    entry->len = name.len;
    memcpy(entry->name, name.ptr, name.len);
    turns->count++;
    return entry;
}

atomic_uint_fast64_t *turns_find(struct turns *turns, struct slice name)
{
    struct entry **at = &turns->buckets[hash_sip(turns->key, name) & turns->mask];
    pthread_mutex_lock(&turns->lock);
    while (*at != NULL && !slice_equals((struct slice){(*at)->name, (*at)->len}, name))
        at = &(*at)->next;
    if (*at == NULL && turns->count < turns->limit)
        *at = new_entry(turns, name);
    atomic_uint_fast64_t *turn = *at == NULL ? &turns->rest : &(*at)->turn;
    pthread_mutex_unlock(&turns->lock);
    return turn;
}
