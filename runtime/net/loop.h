/* loop.h -- one epoll, its timers, and the order of a turn. One loop per worker thread; nothing here is shared.
 *
 * A turn: wait -> file descriptors that are ready -> the turn-end hooks in the order they were added (upstream flushes and
 * pumps libcurl, then streams are flushed, then the server runs libmicrohttpd once) -> timers that are due, and where there were any the hooks
 * again. A hook may ask for another turn without waiting. Only loop_wake may be called from another thread.
 * SPDX-License-Identifier: MIT */
#ifndef NET_LOOP_H
#define NET_LOOP_H
#include "base/must_use.h"
#include "base/list.h"
#include <stdbool.h>
#include <stdint.h>

struct loop;

/* A callback for a descriptor. Embedded in its owner; the loop keeps only the pointer. */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events); /* EPOLL* bits */
    int fd;
};

/* A callback for a point in time. Embedded in its owner; zero-initialised is unarmed. */
struct timer {
    void (*due)(struct timer *timer);
    int64_t at_us;
    int heap_index; /* private: 0 unarmed, else position + 1 */
};

/* Called at the end of every turn. Returns the longest wait it allows for the next turn in us: 0 run again at once, -1 no opinion. */
struct turn_hook {
    int64_t (*run)(struct turn_hook *hook);
    struct turn_hook *next; /* private */
};

MUST_USE struct loop *loop_new(void); /* NULL: out of descriptors */
void loop_free(struct loop *loop);
int64_t loop_now_us(const struct loop *loop);  /* monotonic, read once after each wait */
int64_t loop_refresh_us(struct loop *loop);    /* reads the clock now: after long work */
int64_t loop_wall_us(const struct loop *loop); /* wall clock of this turn, read lazily once per turn */

MUST_USE bool loop_watch(struct loop *loop, struct watch *watch, uint32_t events); /* adds or changes; false: errno */
/* Forgets it. Safe inside callbacks: an event of this turn that is still waiting for this watch is dropped. */
void loop_unwatch(struct loop *loop, struct watch *watch);
/* One more descriptor, itself an epoll: waited for beside ours with poll(2) and reported with POLLIN. Nested into ours every change to it would
 * make the kernel check for cycles under a global lock: measured at 1.5 us a request. At most one; NULL forgets it. */
void loop_watch_aside(struct loop *loop, struct watch *watch);
void loop_timer_set(struct loop *loop, struct timer *timer, int64_t at_us); /* arms or moves */
void loop_timer_clear(struct loop *loop, struct timer *timer);
void loop_add_hook(struct loop *loop, struct turn_hook *hook);
void loop_remove_hook(struct loop *loop, struct turn_hook *hook); /* not from inside a hook */
/* There is new work for a hook that may have been called already: all hooks run once more before this turn ends (a few times at
 * most, then another turn begins without waiting). So a hook may run several times a turn and must be cheap when idle. */
void loop_again(struct loop *loop);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
/* Any thread: makes the loop take a turn and call `on_wake` (set once before loop_run) in it. */
void loop_set_wake(struct loop *loop, void (*on_wake)(void *owner), void *owner);
void loop_wake(struct loop *loop);
#endif
