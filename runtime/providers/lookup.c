/* lookup.c -- see lookup.h.
 * SPDX-License-Identifier: MIT */
#include "providers/lookup.h"
#include "base/json.h"
#include <stdlib.h>

static uint64_t tail_of(struct slice name)
{
    uint64_t tail = 0;
    size_t len = name.len < sizeof tail ? name.len : sizeof tail;
    if (len > 0)
        memcpy(&tail, name.ptr + name.len - len, len);
    return tail;
}

bool lookup_add(struct lookup *lookup, struct arena *arena, struct slice name, const void *value)
{
    if (lookup->count == lookup->room) {
        size_t room = 2 * lookup->room + 2;
        struct lookup_entry *entries = arena_alloc(arena, room * sizeof *entries);
        if (entries == NULL)
            return false;
        if (lookup->count > 0)
            memcpy(entries, lookup->entries, lookup->count * sizeof *entries);
        lookup->entries = entries;
        lookup->room = room;
    }
    lookup->entries[lookup->count] = (struct lookup_entry){name, tail_of(name), lookup->count, value};
    lookup->count++;
    lookup->sorted = false;
    return true;
}

static int compare(const struct lookup_entry *a, const struct lookup_entry *b)
{
    if (a->name.len != b->name.len)
        return a->name.len < b->name.len ? -1 : 1;
    if (a->tail != b->tail)
        return a->tail < b->tail ? -1 : 1;
    int names = a->name.len <= sizeof a->tail ? 0 : memcmp(a->name.ptr, b->name.ptr, a->name.len - sizeof a->tail);
    return names != 0 ? names : a->order < b->order ? -1 : a->order > b->order;
}

static int compare_entries(const void *a, const void *b)
{
    return compare(a, b);
}

/* How many entries stand before one of this name and order. */
static size_t count_before(struct lookup *lookup, struct slice name, size_t order)
{
    const struct lookup_entry sought = {name, tail_of(name), order, NULL};
    size_t low = 0, high = lookup->count;
    if (!lookup->sorted && lookup->count > 1)
        qsort(lookup->entries, lookup->count, sizeof *lookup->entries, compare_entries);
    lookup->sorted = true;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&lookup->entries[middle], &sought) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct lookup_entry *lookup_first(struct lookup *lookup, struct slice name)
{
    size_t at = count_before(lookup, name, 0);
    return at < lookup->count && slice_equals(lookup->entries[at].name, name) ? &lookup->entries[at] : NULL;
}

struct lookup_entry *lookup_before(struct lookup *lookup, struct slice name, size_t order)
{
    size_t behind = count_before(lookup, name, order);
    return behind > 0 && slice_equals(lookup->entries[behind - 1].name, name) ? &lookup->entries[behind - 1] : NULL;
}

bool lookup_members(struct lookup *lookup, struct arena *arena, struct slice object_json)
{
    struct json json = json_members(object_json);
    struct slice key, value;
    while (json_pair(&json, &key, &value)) {
        struct slice *kept = arena_alloc(arena, sizeof *kept);
        if (kept == NULL || !lookup_add(lookup, arena, key, kept))
            return false;
        *kept = value;
    }
    return true;
}
