/* arena.h -- memory that dies with its request.
 *
 * Blocks are taken from a cache that belongs to one thread and go back to it, so most requests need no
 * malloc. The arena has a limit; an allocation past it returns NULL and sets `overflow`, which the request's
 * owner turns into a refusal; where memory cannot be had `starved` is set as well. Nothing is freed by hand.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H
#include "base/bytes.h"

enum { ARENA_BLOCK = 4096 };

/* Spare blocks of one thread. Zero-initialised is ready. */
struct arena_cache {
    struct arena_block *free;
    unsigned count;        /* at most ARENA_CACHE_MAX are kept, the rest is freed */
    struct memory *memory; /* the account that counts its arenas; borrowed; NULL: none */
};

struct arena {
    struct arena_block *blocks;
    char *at, *end;
    size_t used, limit;
    size_t counted; /* bytes that `memory` counts; the first MEMORY_LARGE bytes are part of the request's flat amount */
    bool overflow, starved;
    struct arena_cache *cache; /* borrowed, may be NULL */
};

static inline struct memory *arena_memory(const struct arena *arena)
{
    return arena->cache == NULL ? NULL : arena->cache->memory;
}

void arena_init(struct arena *arena, struct arena_cache *cache, size_t limit); /* allocates nothing yet */
void arena_free(struct arena *arena);
void arena_cache_free(struct arena_cache *cache);
/* Aligned for any type, not zeroed. NULL past the limit. What does not fit into ARENA_BLOCK gets a block of its own. */
MUST_USE void *arena_alloc(struct arena *arena, size_t size);
MUST_USE void *arena_zalloc(struct arena *arena, size_t size);
/* Copies. The copy carries a NUL behind its end that is not counted. {NULL,0} past the limit. */
struct slice arena_copy(struct arena *arena, struct slice text);
/* A text that grows: what it held is copied each time it doubles, so that many pieces cost no more than their bytes. Zeroed: empty. */
struct arena_text {
    char *ptr;
    size_t len, size;
};
bool arena_append(struct arena *arena, struct arena_text *text, struct slice more); /* false past the limit; the text is as it was */
/* Texts with `between` between them. One alone is borrowed, not copied: it may be as large as a body. Zeroed: none. */
struct arena_joined {
    struct slice one;
    struct arena_text all;
};
bool arena_join(struct arena *arena, struct arena_joined *joined, struct slice between, struct slice more); /* false past the limit */
struct slice arena_joined_text(const struct arena_joined *joined);
/* Its limit was reached, and the owner needs a little more memory to report that. `starved` is kept. */
void arena_reopen(struct arena *arena);
/* Copies the text of a buffer and frees the buffer; a buffer that overflowed makes the arena overflow. */
struct slice arena_take_buffer(struct arena *arena, struct buffer *buffer);
struct slice arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
#endif
