/* timers.c -- the mock provider's waits: a binary heap of timers that live inside their owners.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { FIRST_TIMERS = 64 };

static void put(struct mock_timers *timers, unsigned at, struct mock_timer *timer)
{
    timers->heap[at] = timer;
    timer->at = at;
}

static void move_up(struct mock_timers *timers, unsigned at)
{
    struct mock_timer *timer = timers->heap[at];
    for (; at > 0 && timers->heap[(at - 1) / 2]->due_us > timer->due_us; at = (at - 1) / 2)
        put(timers, at, timers->heap[(at - 1) / 2]);
    put(timers, at, timer);
}

static void move_down(struct mock_timers *timers, unsigned at)
{
    struct mock_timer *timer = timers->heap[at];
    for (;;) {
        unsigned child = 2 * at + 1;
        if (child + 1 < timers->count && timers->heap[child + 1]->due_us < timers->heap[child]->due_us)
            child++;
        if (child >= timers->count || timers->heap[child]->due_us >= timer->due_us)
            break;
        put(timers, at, timers->heap[child]);
        at = child;
    }
    put(timers, at, timer);
}

void mock_timer_clear(struct mock_timers *timers, struct mock_timer *timer)
{
    if (timer->due_us == 0)
        return;
    timer->due_us = 0;
    struct mock_timer *last = timers->heap[--timers->count];
    if (last == timer)
        return;
    put(timers, timer->at, last);
    move_up(timers, last->at);
    move_down(timers, last->at);
}

void mock_timer_set(struct mock_timers *timers, struct mock_timer *timer, int64_t due_us)
{
    mock_timer_clear(timers, timer);
    if (timers->count == timers->cap) {
        timers->cap = timers->cap == 0 ? FIRST_TIMERS : timers->cap * 2;
        timers->heap = xrealloc(timers->heap, timers->cap * sizeof *timers->heap);
    }
    timer->due_us = due_us;
    put(timers, timers->count, timer);
    move_up(timers, timers->count++);
}

struct mock_timer *mock_timers_first(const struct mock_timers *timers)
{
    return timers->count == 0 ? NULL : timers->heap[0];
}

void mock_timers_free(struct mock_timers *timers)
{
    free(timers->heap);
    *timers = (struct mock_timers){NULL, 0, 0};
}
