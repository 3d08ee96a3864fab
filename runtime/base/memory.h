/* memory.h -- the process's memory account: how much it may hold, counted before it is allocated.
 *
 * One for the process, any thread. Two kinds are counted: each large allocation by its size (bodies, answers, output for a slow client, Lua's blocks),
 * and each connection and request by a flat amount. Large allocations may fill three quarters of the limit; the rest is kept for connections and
 * requests, so that small requests are served while large ones are refused. The gateway's own tables are not counted: `limit` was reduced by them.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H
#include "base/must_use.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

enum { MEMORY_LARGE = 64 * 1024 }; /* an allocation above this is counted, and may fail without harm */

struct memory {
    atomic_size_t held;
    size_t limit, large; /* bytes that may be held in all; by `held` after a large allocation */
    atomic_uint_fast64_t refused;
};

void memory_init(struct memory *memory, size_t limit);
/* False: the limit forbids it, and nothing was taken. Where `memory` is NULL nothing is counted and the answer is true. */
MUST_USE bool memory_take(struct memory *memory, size_t bytes);       /* for something large */
MUST_USE bool memory_take_small(struct memory *memory, size_t bytes); /* for a connection, a request */
void memory_add(struct memory *memory, size_t bytes);                 /* counts it without a limit: it is allocated already */
void memory_give(struct memory *memory, size_t bytes);
size_t memory_held(const struct memory *memory);

/* The bytes for which a block of `size` is counted. */
static inline size_t memory_counted(size_t size)
{
    return size > MEMORY_LARGE ? size : 0;
}

/* A small allocation failed: says so in one line and ends the process. */
void memory_is_out(void) __attribute__((noreturn));
#endif
