/* memory.h -- what the process may hold in all, counted before it is taken.
 *
 * One for the process, any thread. Two kinds are counted: what is large, exactly and piece by piece (bodies, answers, what waits for a slow client,
 * Lua's), and what is many, by what one of them is worth (a connection, a request). The large may fill three quarters; the rest is for the small, so that
 * a request that needs little is served while large ones are refused. What is neither, like the house's own tables, is in the state at the start.
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
    size_t room, large; /* bytes that may be held; by the taking of large things */
    atomic_uint_fast64_t refused;
};

void memory_init(struct memory *memory, size_t room);
/* False: there is no room, and nothing was taken. Where `memory` is NULL nothing is counted and there is always room. */
MUST_USE bool memory_take(struct memory *memory, size_t bytes);       /* for something large */
MUST_USE bool memory_take_small(struct memory *memory, size_t bytes); /* for a connection, a request */
void memory_add(struct memory *memory, size_t bytes);                 /* it is taken already, or must be had */
void memory_give(struct memory *memory, size_t bytes);
size_t memory_held(const struct memory *memory);

/* What a block of `size` counts for. */
static inline size_t memory_counted(size_t size)
{
    return size > MEMORY_LARGE ? size : 0;
}

/* A small allocation failed: says so in one line and ends the process. */
void memory_is_out(void) __attribute__((noreturn));
#endif
