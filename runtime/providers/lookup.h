/* lookup.h -- things found by the names that a client or a provider gave them, however many there are.
 *
 * Sorted, not hashed: no choice of names makes it slow. What is added is sorted at the next look. Names are raw and borrowed; all memory is the arena's.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_LOOKUP_H
#define PROVIDERS_LOOKUP_H
#include "base/arena.h"

struct lookup_entry {
    struct slice name;
    uint64_t tail; /* its last bytes, where names of one length differ first: most are told apart without a look at the text */
    size_t order;  /* which of those that were added, from 0 */
    const void *value;
};

/* Zeroed: empty. */
struct lookup {
    struct lookup_entry *entries;
    size_t count, room;
    bool sorted;
};

MUST_USE bool lookup_add(struct lookup *lookup, struct arena *arena, struct slice name, const void *value); /* false: the arena is full */
/* Of those with this name the one that was added first; NULL: there is none. The others of that name stand behind it, in order. */
struct lookup_entry *lookup_first(struct lookup *lookup, struct slice name);
/* The last one that was added before the `order`-th of all; SIZE_MAX: the last one. NULL: there is none. */
struct lookup_entry *lookup_before(struct lookup *lookup, struct slice name, size_t order);
/* The members of a JSON object by their names, as they stand there: value points at the member's text, a struct slice. False: the arena is full. */
bool lookup_members(struct lookup *lookup, struct arena *arena, struct slice object_json);
#endif
