/* blocks.c -- blocks of memory by their size.
 *
 * The caller that gives a block back says how large it is, so a block needs no header and finding its list takes one shift. Under a sanitizer every
 * block comes from malloc, so that it sees them.
 * SPDX-License-Identifier: MIT */
#include "base/blocks.h"
#include <stdalign.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SMALL_MAX = 0 };
#else
enum { SMALL_MAX = 512 };
#endif
enum { GRAIN = 16, CLASSES = SMALL_MAX / GRAIN + 1, CHUNK = 16 * 1024 };

struct free_block {
    struct free_block *next;
};

struct chunk {
    struct chunk *next;
    alignas(GRAIN) char bytes[];
};

struct blocks {
    struct free_block *free[CLASSES]; /* by size / GRAIN, rounded up */
    struct chunk *chunks;
    char *fresh; /* of the newest chunk: never used yet */
    size_t fresh_len;
    struct memory *memory;
    size_t held, counted; /* bytes from malloc; of them in `memory`, in whole steps */
};

struct blocks *blocks_new(struct memory *memory)
{
    struct blocks *blocks = calloc(1, sizeof(struct blocks));
    if (blocks != NULL)
        blocks->memory = memory;
    return blocks;
}

/* From `before` bytes of malloc's to `after`. False: it would be a large block, and the memory account refuses it. */
static bool count(struct blocks *blocks, size_t before, size_t after)
{
    size_t held = blocks->held - before + after;
    if (held > blocks->counted) {
        size_t step = (held - blocks->counted + MEMORY_LARGE - 1) / MEMORY_LARGE * MEMORY_LARGE;
        if (after > MEMORY_LARGE && !memory_take(blocks->memory, step))
            return false;
        if (after <= MEMORY_LARGE)
            memory_add(blocks->memory, step);
        blocks->counted += step;
    } else if (blocks->counted - held > 2 * MEMORY_LARGE) {
        memory_give(blocks->memory, blocks->counted - held);
        blocks->counted = held;
    }
    blocks->held = held;
    return true;
}

void blocks_free(struct blocks *blocks)
{
    memory_give(blocks->memory, blocks->counted);
    while (blocks->chunks != NULL) {
        struct chunk *chunk = blocks->chunks;
        blocks->chunks = chunk->next;
        free(chunk);
    }
    free(blocks);
}

static size_t class_of(size_t size)
{
    return (size + GRAIN - 1) / GRAIN;
}

static void keep(struct blocks *blocks, void *block, size_t class)
{
    struct free_block *kept = block;
    kept->next = blocks->free[class];
    blocks->free[class] = kept;
}

/* What is left of the old chunk is kept as one block of its size. */
static bool add_chunk(struct blocks *blocks)
{
    struct chunk *chunk = malloc(sizeof *chunk + CHUNK);
    if (chunk == NULL)
        return false;
    count(blocks, 0, CHUNK);
    if (blocks->fresh_len > 0)
        keep(blocks, blocks->fresh, blocks->fresh_len / GRAIN);
    chunk->next = blocks->chunks;
    blocks->chunks = chunk;
    blocks->fresh = chunk->bytes;
    blocks->fresh_len = CHUNK;
    return true;
}

/* realloc of a block that is not small; `old_size` 0: a new one. */
static void *resize_counted(struct blocks *blocks, void *block, size_t old_size, size_t new_size)
{
    if (!count(blocks, old_size, new_size))
        return NULL;
    void *moved = realloc(block, new_size);
    if (moved == NULL)
        count(blocks, new_size, old_size);
    return moved;
}

static void *take(struct blocks *blocks, size_t size)
{
    if (size > SMALL_MAX)
        return resize_counted(blocks, NULL, 0, size);
    size_t class = class_of(size);
    struct free_block *block = blocks->free[class];
    if (block != NULL) {
        blocks->free[class] = block->next;
        return block;
    }
    if (blocks->fresh_len < class * GRAIN && !add_chunk(blocks))
        return NULL;
    void *fresh = blocks->fresh;
    blocks->fresh += class * GRAIN;
    blocks->fresh_len -= class * GRAIN;
    return fresh;
}

static void give(struct blocks *blocks, void *block, size_t size)
{
    if (size > SMALL_MAX) {
        count(blocks, size, 0);
        free(block);
    } else {
        keep(blocks, block, class_of(size));
    }
}

static void *move(struct blocks *blocks, void *block, size_t old_size, size_t new_size)
{
    if (old_size > SMALL_MAX && new_size > SMALL_MAX)
        return resize_counted(blocks, block, old_size, new_size);
    if (old_size <= SMALL_MAX && new_size <= SMALL_MAX && class_of(old_size) == class_of(new_size))
        return block;
    void *moved = take(blocks, new_size);
    if (moved == NULL)
        return NULL;
    memcpy(moved, block, old_size < new_size ? old_size : new_size);
    give(blocks, block, old_size);
    return moved;
}

void *blocks_resize(struct blocks *blocks, void *block, size_t old_size, size_t new_size)
{
    if (block == NULL)
        return new_size == 0 ? NULL : take(blocks, new_size);
    if (new_size > 0)
        return move(blocks, block, old_size, new_size);
    give(blocks, block, old_size);
    return NULL;
}
