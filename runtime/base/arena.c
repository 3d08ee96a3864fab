/* arena.c -- see arena.h.
 * SPDX-License-Identifier: MIT */
#include "base/arena.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ARENA_CACHE_MAX = 256, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of the bytes behind this header */
};

static const size_t HEADER = (sizeof(struct arena_block) + ALIGN - 1) / ALIGN * ALIGN;

void arena_init(struct arena *arena, struct arena_cache *cache, size_t limit)
{
    *arena = (struct arena){.limit = limit, .cache = cache};
}

/* What an arena takes beyond an ordinary request's needs is counted, in steps. */
static bool count(struct arena *arena, size_t size)
{
    size_t above = arena->used + size > MEMORY_LARGE ? arena->used + size - MEMORY_LARGE : 0;
    if (above <= arena->counted)
        return true;
    size_t step = above - arena->counted < MEMORY_LARGE ? MEMORY_LARGE : above - arena->counted;
    if (!memory_take(arena_memory(arena), step))
        return false;
    arena->counted += step;
    return true;
}

/* NULL: no memory, which is the arena's end. */
static struct arena_block *take_block(struct arena *arena, size_t size)
{
    struct arena_cache *cache = arena->cache;
    struct arena_block *block = NULL;
    bool counted = count(arena, size), spare = size == ARENA_BLOCK - HEADER && cache != NULL && cache->free != NULL;
    if (counted && spare) {
        block = cache->free;
        cache->free = block->next;
        cache->count--;
        return block;
    }
    if (counted)
        block = malloc(HEADER + size);
    if (block != NULL)
        block->size = size;
    else if (counted && HEADER + size <= MEMORY_LARGE)
        memory_is_out();
    else
        arena->overflow = arena->starved = true;
    return block;
}

static void give_block(struct arena *arena, struct arena_block *block)
{
    struct arena_cache *cache = arena->cache;
    if (cache == NULL || block->size != ARENA_BLOCK - HEADER || cache->count >= ARENA_CACHE_MAX) {
        free(block);
        return;
    }
    block->next = cache->free;
    cache->free = block;
    cache->count++;
}

void arena_free(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->next;
        give_block(arena, block);
    }
    memory_give(arena_memory(arena), arena->counted);
    arena_init(arena, arena->cache, arena->limit);
}

void arena_cache_free(struct arena_cache *cache)
{
    while (cache->free != NULL) {
        struct arena_block *block = cache->free;
        cache->free = block->next;
        free(block);
    }
    cache->count = 0;
}

/* A large piece gets a block of its own, put behind the current one so that the current one goes on being filled. */
static void *alloc_alone(struct arena *arena, size_t size)
{
    struct arena_block *block = take_block(arena, size);
    if (block == NULL)
        return NULL;
    if (arena->blocks == NULL) {
        block->next = NULL;
        arena->blocks = block;
    } else {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    }
    arena->used += size;
    return (char *)block + HEADER;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    const size_t room = ARENA_BLOCK - HEADER;
    if (arena->overflow || size > arena->limit || arena->limit - size < arena->used + ALIGN) {
        arena->overflow = true;
        return NULL;
    }
    size = size == 0 ? ALIGN : (size + ALIGN - 1) / ALIGN * ALIGN; /* NULL says overflow and nothing else */
    if (size > (size_t)(arena->end - arena->at)) {
        if (size > room / 2)
            return alloc_alone(arena, size);
        struct arena_block *block = take_block(arena, room);
        if (block == NULL)
            return NULL;
        block->next = arena->blocks;
        arena->blocks = block;
        arena->at = (char *)block + HEADER;
        arena->end = arena->at + room;
    }
    void *memory = arena->at;
    arena->at += size;
    arena->used += size;
    return memory;
}

void *arena_zalloc(struct arena *arena, size_t size)
{
    void *memory = arena_alloc(arena, size);
    return memory == NULL ? NULL : memset(memory, 0, size);
}

struct slice arena_copy(struct arena *arena, struct slice text)
{
    char *copy = arena_alloc(arena, text.len + 1);
    if (copy == NULL)
        return SLICE_NONE;
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    return (struct slice){copy, text.len};
}

bool arena_append(struct arena *arena, struct arena_text *text, struct slice more)
{
    if (more.len == 0)
        return true;
    if (more.len > text->size - text->len) {
        size_t size = 2 * (text->len + more.len) + 64;
        char *grown = arena_alloc(arena, size);
        if (grown == NULL)
            return false;
        if (text->len > 0)
            memcpy(grown, text->ptr, text->len);
        text->ptr = grown;
        text->size = size;
    }
    memcpy(text->ptr + text->len, more.ptr, more.len);
    text->len += more.len;
    return true;
}

bool arena_join(struct arena *arena, struct arena_joined *joined, struct slice between, struct slice more)
{
    if (more.len == 0)
        return true;
    if (joined->one.len == 0 && joined->all.len == 0) {
        joined->one = more;
        return true;
    }
    if (joined->all.len == 0 && !arena_append(arena, &joined->all, joined->one))
        return false;
    return arena_append(arena, &joined->all, between) && arena_append(arena, &joined->all, more);
}

struct slice arena_joined_text(const struct arena_joined *joined)
{
    return joined->all.len > 0 ? (struct slice){joined->all.ptr, joined->all.len} : joined->one;
}

void arena_reopen(struct arena *arena)
{
    enum { SPARE = 16 * 1024 };
    if (!arena->overflow)
        return;
    arena->overflow = false;
    arena->limit = arena->used + SPARE;
    memory_add(arena_memory(arena), SPARE + MEMORY_LARGE);
    arena->counted += SPARE + MEMORY_LARGE;
}

struct slice arena_take_buffer(struct arena *arena, struct buffer *buffer)
{
    arena->overflow |= buffer->overflow;
    arena->starved |= buffer->starved;
    struct slice copy = arena_copy(arena, buffer_slice(buffer));
    buffer_free(buffer);
    return copy;
}

struct slice arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = len < 0 ? NULL : arena_alloc(arena, (size_t)len + 1);
    if (text != NULL)
        vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text == NULL ? SLICE_NONE : (struct slice){text, (size_t)len};
}
