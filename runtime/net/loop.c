/* loop.c -- one epoll, a binary heap of timers, and the order of a turn.
 *
 * The loop knows each descriptor by number and generation: the kernel hands back both, so an event that was
 * collected for a watch that is gone (or for a descriptor closed and opened again within the turn) finds an
 * older generation and is dropped. Forgetting a watch is therefore O(1) and safe anywhere.
 * A turn runs only the timers that were armed before it, so a timer that re-arms itself for now cannot starve
 * the descriptors. They come last: where the process itself was held up, what arrived meanwhile is no late answer.
 * SPDX-License-Identifier: MIT */
#include "net/loop.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"

enum {
    EVENT_BATCH = 256,
    HOOK_PASSES_MAX = 4,
    TIMERS_MIN = 65536, /* room for those of 10,000 connections and what serves them: it costs addresses, and memory only as it is used */
};

struct slot {
    struct watch *watch; /* NULL: this descriptor is not watched */
    uint32_t events, generation;
};

struct loop {
    struct watch *aside; /* waited for with poll, not in our epoll */
    bool aside_ready;
    int epoll_fd;
    struct slot *slots; /* by descriptor */
    size_t slot_count;
    struct timer **heap; /* the soonest at 0 */
    size_t timer_count, timer_cap;
    struct turn_hook *hooks;
    int64_t now_us, wall_us, wait_us;
    bool wall_known, stopping, coarse, again;
    struct watch wake_watch;
    void (*on_wake)(void *owner);
    void *wake_owner;
    struct epoll_event events[EVENT_BATCH];
};

/* ---- timers ---- */

static void heap_put(struct loop *loop, size_t at, struct timer *timer)
{
    loop->heap[at] = timer;
    timer->heap_index = (int)at + 1;
}

static void heap_up(struct loop *loop, size_t at, struct timer *timer)
{
    while (at > 0) {
        size_t parent = (at - 1) / 2;
        if (loop->heap[parent]->at_us <= timer->at_us)
            break;
        heap_put(loop, at, loop->heap[parent]);
        at = parent;
    }
    heap_put(loop, at, timer);
}

static void heap_down(struct loop *loop, size_t at, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= loop->timer_count)
            break;
        if (child + 1 < loop->timer_count && loop->heap[child + 1]->at_us < loop->heap[child]->at_us)
            child++;
        if (timer->at_us <= loop->heap[child]->at_us)
            break;
        heap_put(loop, at, loop->heap[child]);
        at = child;
    }
    heap_put(loop, at, timer);
}

static void heap_settle(struct loop *loop, size_t at, struct timer *timer)
{
    if (at > 0 && loop->heap[(at - 1) / 2]->at_us > timer->at_us)
        heap_up(loop, at, timer);
    else
        heap_down(loop, at, timer);
}

void loop_watch_aside(struct loop *loop, struct watch *watch)
{
    loop->aside = watch;
    loop->aside_ready = false;
}

void loop_timer_set(struct loop *loop, struct timer *timer, int64_t at_us)
{
    timer->at_us = at_us;
    if (timer->heap_index != 0) {
        heap_settle(loop, (size_t)timer->heap_index - 1, timer);
        return;
    }
    if (loop->timer_count == loop->timer_cap) {
        loop->timer_cap *= 2;
        loop->heap = xrealloc(loop->heap, loop->timer_cap * sizeof(struct timer *));
    }
    heap_up(loop, loop->timer_count++, timer);
}

void loop_timer_clear(struct loop *loop, struct timer *timer)
{
    if (timer->heap_index == 0)
        return;
    size_t at = (size_t)timer->heap_index - 1;
    timer->heap_index = 0;
    struct timer *last = loop->heap[--loop->timer_count];
    if (last != timer)
        heap_settle(loop, at, last);
}

static bool timers_are_due(const struct loop *loop)
{
    return loop->timer_count > 0 && loop->heap[0]->at_us <= loop->now_us;
}

static void run_timers(struct loop *loop)
{
    for (size_t left = loop->timer_count; left > 0 && loop->timer_count > 0; left--) {
        struct timer *timer = loop->heap[0];
        if (timer->at_us > loop->now_us)
            break;
        loop_timer_clear(loop, timer);
        timer->due(timer);
    }
}

/* ---- descriptors ---- */

/* NULL: no memory for a table so large. */
static struct slot *slot_of(struct loop *loop, int fd)
{
    assert(fd >= 0);
    if ((size_t)fd >= loop->slot_count) {
        size_t count = loop->slot_count == 0 ? 256 : loop->slot_count;
        while (count <= (size_t)fd)
            count *= 2;
        struct slot *slots = realloc(loop->slots, count * sizeof(struct slot));
        if (slots == NULL)
            return NULL;
        loop->slots = slots;
        memset(loop->slots + loop->slot_count, 0, (count - loop->slot_count) * sizeof(struct slot));
        loop->slot_count = count;
    }
    return &loop->slots[fd];
}

bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    struct slot *slot = slot_of(loop, watch->fd);
    if (slot == NULL)
        return false;
    if (slot->watch == watch && slot->events == events)
        return true;
    bool known = slot->watch != NULL;
    if (slot->watch != watch)
        slot->generation++;
    struct epoll_event event = {.events = events, .data.u64 = (uint64_t)slot->generation << 32 | (uint32_t)watch->fd};
    /* The descriptor may have been closed without telling the loop: then the kernel's view decides. */
    int failed = epoll_ctl(loop->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event);
    if (failed != 0 && errno == (known ? ENOENT : EEXIST))
        failed = epoll_ctl(loop->epoll_fd, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, watch->fd, &event);
    if (failed != 0) {
        slot->watch = NULL;
        return false;
    }
    slot->watch = watch;
    slot->events = events;
    return true;
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    if (watch->fd < 0 || (size_t)watch->fd >= loop->slot_count)
        return;
    struct slot *slot = &loop->slots[watch->fd];
    if (slot->watch != watch)
        return;
    slot->watch = NULL;
    slot->generation++;
    struct epoll_event unused = {0};
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, &unused); /* fails only when it was closed already */
}

static void run_watches(struct loop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t data = loop->events[i].data.u64;
        struct slot *slot = &loop->slots[(uint32_t)data];
        if (slot->watch == NULL || slot->generation != (uint32_t)(data >> 32))
            continue;
        slot->watch->ready(slot->watch, loop->events[i].events);
    }
}

/* ---- waking from another thread ---- */

static void wake_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct loop *loop = container_of(watch, struct loop, wake_watch);
    uint64_t count;
    if (read(watch->fd, &count, sizeof(count)) == (ssize_t)sizeof(count) && loop->on_wake != NULL)
        loop->on_wake(loop->wake_owner);
}

void loop_set_wake(struct loop *loop, void (*on_wake)(void *owner), void *owner)
{
    loop->on_wake = on_wake;
    loop->wake_owner = owner;
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;
    /* Fails only when the counter is full, and then a wake is under way. */
    ssize_t written = write(loop->wake_watch.fd, &one, sizeof(one));
    (void)written;
}

/* ---- the turn ---- */

struct loop *loop_new(void)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    loop->timer_cap = TIMERS_MIN;
    loop->heap = malloc(TIMERS_MIN * sizeof(struct timer *));
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->wake_watch = (struct watch){wake_ready, eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    loop->now_us = clock_monotonic_us();
    if (loop->heap == NULL || loop->epoll_fd < 0 || loop->wake_watch.fd < 0 || !loop_watch(loop, &loop->wake_watch, EPOLLIN)) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
    if (loop->wake_watch.fd >= 0)
        close(loop->wake_watch.fd);
    free(loop->slots);
    free(loop->heap);
    free(loop);
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

int64_t loop_refresh_us(struct loop *loop)
{
    return loop->now_us = clock_monotonic_us();
}

int64_t loop_wall_us(const struct loop *loop)
{
    struct loop *cache = (struct loop *)loop; /* logically const: a cache of this turn's answer */
    if (!cache->wall_known) {
        cache->wall_us = clock_wall_us();
        cache->wall_known = true;
    }
    return cache->wall_us;
}

void loop_add_hook(struct loop *loop, struct turn_hook *hook)
{
    struct turn_hook **end = &loop->hooks;
    while (*end != NULL)
        end = &(*end)->next;
    hook->next = NULL;
    *end = hook;
}

void loop_remove_hook(struct loop *loop, struct turn_hook *hook)
{
    struct turn_hook **link = &loop->hooks;
    while (*link != NULL && *link != hook)
        link = &(*link)->next;
    if (*link != NULL)
        *link = hook->next;
}

void loop_again(struct loop *loop)
{
    loop->again = true;
}

/* How long the next wait may be: until the soonest timer, at most what the hooks allowed; -1 for ever. */
static int64_t allowed_wait(const struct loop *loop)
{
    int64_t wait = loop->wait_us;
    if (wait == 0 || loop->timer_count == 0)
        return wait;
    int64_t left = loop->heap[0]->at_us - clock_monotonic_us(); /* the turn itself took time */
    if (left < 0)
        left = 0;
    return wait < 0 || left < wait ? left : wait;
}

/* Waits until ours or the one aside has something. True: ours has. */
static bool wait_for_both(struct loop *loop, int64_t wait)
{
    struct pollfd fds[2] = {{loop->epoll_fd, POLLIN, 0}, {loop->aside->fd, POLLIN, 0}};
    struct timespec time = {wait / US_PER_S, (long)(wait % US_PER_S) * 1000};
    if (ppoll(fds, 2, wait < 0 ? NULL : &time, NULL) <= 0)
        return false;
    loop->aside_ready = fds[1].revents != 0;
    return fds[0].revents != 0;
}

/* epoll_wait counts milliseconds; epoll_pwait2 does better where the kernel (and its seccomp filter) has it. */
static int wait_for_events(struct loop *loop)
{
    int64_t wait = allowed_wait(loop);
    if (loop->aside != NULL) {
        if (!wait_for_both(loop, wait))
            return 0;
        wait = 0;
    }
    if (wait > 0 && !loop->coarse) {
        struct timespec time = {wait / US_PER_S, (long)(wait % US_PER_S) * 1000};
        int count = epoll_pwait2(loop->epoll_fd, loop->events, EVENT_BATCH, &time, NULL);
        if (count >= 0 || (errno != ENOSYS && errno != EPERM))
            return count;
        loop->coarse = true;
    }
    int64_t ms = wait < 0 ? -1 : (wait + US_PER_MS - 1) / US_PER_MS; /* rounded up: never early, never a busy loop */
    return epoll_wait(loop->epoll_fd, loop->events, EVENT_BATCH, ms > 1000000 ? 1000000 : (int)ms);
}

static void run_hooks(struct loop *loop)
{
    loop->again = false;
    loop->wait_us = -1;
    for (struct turn_hook *hook = loop->hooks; hook != NULL; hook = hook->next) {
        int64_t wait = hook->run(hook);
        if (wait >= 0 && (loop->wait_us < 0 || wait < loop->wait_us))
            loop->wait_us = wait;
    }
}

static void end_turn(struct loop *loop)
{
    int passes = 0;
    do {
        run_hooks(loop);
    } while (loop->again && ++passes < HOOK_PASSES_MAX);
    if (loop->again)
        loop->wait_us = 0;
}

static void take_turn(struct loop *loop)
{
    int count = wait_for_events(loop);
    assert(count >= 0 || errno == EINTR);
    loop->now_us = clock_monotonic_us();
    loop->wall_known = false;
    run_watches(loop, count);
    if (loop->aside_ready && loop->aside != NULL)
        loop->aside->ready(loop->aside, EPOLLIN);
    loop->aside_ready = false;
    end_turn(loop);
    if (timers_are_due(loop)) {
        run_timers(loop);
        end_turn(loop);
    }
}

void loop_run(struct loop *loop)
{
    loop->wait_us = 0; /* the hooks were not asked yet */
    while (!loop->stopping)
        take_turn(loop);
    loop->stopping = false;
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}
