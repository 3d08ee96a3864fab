/* named.h -- records found by name: bounded, counted by reference, forgotten by age.
 *
 * What a table's records are is its owner's: a struct whose first member is a struct named. The table locks nothing: its owner's lock guards it. A record
 * that is held is never evicted; the others stand in a line, and a full table gives up the one that was named longest ago.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_NAMED_H
#define SHARED_NAMED_H
#include "base/bytes.h"

/* The head of a record; its name stands behind the record. */
struct named {
    struct named *chain;           /* of its bucket */
    struct named *next, *previous; /* in the line: the next one was named before it */
    uint64_t hash;
    int64_t named_us; /* its age counts from here */
    unsigned references, name_len;
};

struct named_kind {
    size_t size;     /* of a whole record */
    int64_t kept_us; /* how long a record is kept that is not held */
    /* A record that is held counts as named all the while: its age begins at its release, and it is not in the line before. Else it begins when it was found. */
    bool is_named_while_held;
    bool (*is_idle)(struct named *, int64_t now_us); /* nothing would be lost with it; else it is kept longer. NULL: always */
    void (*fini)(struct named *);                    /* gives up what a record owns. NULL: nothing */
};

struct named_table {
    const struct named_kind *kind;
    struct named **buckets, *newest, *oldest;
    size_t bucket_count, count, limit;
    int64_t now_us; /* the latest moment it was told */
    uint64_t evictions;
};

void named_init(struct named_table *table, const struct named_kind *kind, size_t limit);
void named_fini(struct named_table *table); /* with all records, held or not */
/* Finds the record or makes it, zeroed but for its head; the caller gets a reference. `*fresh`: it was made. NULL: the table is full of records that are
 * held. `hash` is any of 64 bits that is the same for the same name; its lowest six bits are not used. */
struct named *named_find(struct named_table *table, struct slice name, uint64_t hash, int64_t now_us, bool *fresh);
void named_release(struct named_table *table, struct named *record); /* one reference less */
void named_forget(struct named_table *table, struct named *record);  /* a record that only the caller holds; no eviction */
/* Looks at `looks` records at most that were named longest ago, and evicts what is old enough, not held and idle. */
void named_evict(struct named_table *table, int64_t now_us, size_t looks);
#endif
