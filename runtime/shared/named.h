/* named.h -- records found by name: bounded, counted by reference, forgotten by age.
 *
 * The owner of a table defines its records: a struct whose first member is a struct named. The table locks nothing; its owner's lock guards it. A record
 * that is held is never evicted; the others are in a list by age, and a full table evicts the one that was named longest ago.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_NAMED_H
#define SHARED_NAMED_H
#include "base/bytes.h"

/* The head of a record; its name is stored behind the record. */
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
    /* True: a record's age counts from its release, and it is in the list only then. False: from when it was last found. */
    bool is_named_while_held;
    bool (*is_idle)(struct named *, int64_t now_us); /* the record may be dropped; else it is kept longer. NULL: always */
    void (*fini)(struct named *);                    /* gives up what a record owns. NULL: nothing */
};

struct named_table {
    const struct named_kind *kind;
    struct named **buckets, *newest, *oldest;
    size_t bucket_count, count, limit;
    int64_t now_us; /* the latest time it was passed */
    uint64_t evictions;
};

void named_init(struct named_table *table, const struct named_kind *kind, size_t limit);
void named_fini(struct named_table *table); /* with all records, held or not */
/* Finds the record or makes it, zeroed but for its head; the caller gets a reference. `*fresh`: it was made. NULL: the table is full of records that are
 * held. `hash` is any of 64 bits that is the same for the same name; its lowest six bits are not used. */
struct named *named_find(struct named_table *table, struct slice name, uint64_t hash, int64_t now_us, bool *fresh);
void named_release(struct named_table *table, struct named *record); /* one reference less */
void named_forget(struct named_table *table,
                  struct named *record); /* drops a record that only the caller holds; not counted as an eviction */
/* Looks at `looks` records at most that were named longest ago, and evicts what is old enough, not held and idle. */
void named_evict(struct named_table *table, int64_t now_us, size_t looks);
#endif
