/* memory.c -- see memory.h.
 * SPDX-License-Identifier: MIT */
#include "base/memory.h"
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

void memory_init(struct memory *memory, size_t limit)
{
    memory->limit = limit;
    memory->large = limit / 4 * 3;
    atomic_init(&memory->held, 0);
    atomic_init(&memory->refused, 0);
}

static bool take(struct memory *memory, size_t bytes, size_t limit)
{
    size_t before = atomic_fetch_add_explicit(&memory->held, bytes, memory_order_relaxed);
    if (bytes <= limit && before <= limit - bytes)
        return true;
    atomic_fetch_sub_explicit(&memory->held, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&memory->refused, 1, memory_order_relaxed);
    return false;
}

bool memory_take(struct memory *memory, size_t bytes)
{
    return memory == NULL || bytes == 0 || take(memory, bytes, memory->large);
}

bool memory_take_small(struct memory *memory, size_t bytes)
{
    return memory == NULL || bytes == 0 || take(memory, bytes, memory->limit);
}

void memory_add(struct memory *memory, size_t bytes)
{
    if (memory != NULL && bytes > 0)
        atomic_fetch_add_explicit(&memory->held, bytes, memory_order_relaxed);
}

void memory_give(struct memory *memory, size_t bytes)
{
    if (memory != NULL && bytes > 0)
        atomic_fetch_sub_explicit(&memory->held, bytes, memory_order_relaxed);
}

size_t memory_held(const struct memory *memory)
{
    return atomic_load_explicit(&((struct memory *)memory)->held, memory_order_relaxed);
}

/* Written and ended without another allocation. */
void memory_is_out(void)
{
    static const char text[] = "gateway: out of memory: give it more, or a lower 'memory' in the config\n";
    static const char json[] =
        "{\"level\":\"error\",\"event\":\"out_of_memory\",\"message\":\"give it more, or a lower 'memory' in the config\"}\n";
    bool terminal = isatty(STDERR_FILENO);
    if (write(STDERR_FILENO, terminal ? text : json, terminal ? sizeof text - 1 : sizeof json - 1) < 0)
        _exit(70);
    _exit(70); /* EX_SOFTWARE */
}
