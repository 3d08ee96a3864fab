/* blocks.h -- small blocks of memory from free lists of one's own, large ones from malloc.
 *
 * For a Lua state: a decision makes some twenty small objects and drops them, and the collector frees them in bursts that malloc's own cache
 * is too short for. One thread at a time: no locks. What was given back is used again, and goes back to the system with the whole.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_BLOCKS_H
#define BASE_BLOCKS_H
#include "base/memory.h"

struct blocks;

/* `memory` (borrowed; NULL: none) counts them, small ones in steps. A small block is never refused by it, a large one may be. */
MUST_USE struct blocks *blocks_new(struct memory *memory); /* NULL: out of memory */
void blocks_free(struct blocks *blocks);                   /* with all small blocks; large ones must have been given back */
/* Like realloc, but the caller remembers sizes: `block` NULL allocates, `new_size` 0 frees. Aligned to 16. NULL: out of memory, and the old block is
 * unchanged. */
void *blocks_resize(struct blocks *blocks, void *block, size_t old_size, size_t new_size);
#endif
