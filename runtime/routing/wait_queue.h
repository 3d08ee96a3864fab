/* wait_queue.h -- requests that wait for capacity at a provider, and their order: a pure state machine, one per worker.
 *
 * Bounded. Lower classes go first; inside a class users take turns, and each user's own go in the order they came. Entries of one lane wait for
 * the same capacity: when there is not enough for the first of them, those behind it in that lane are not tried, so that small requests do not overtake a
 * large one for ever; other lanes go on. The queue does not know capacity: its owner asks for the next entry, tries it, and reports the outcome.
 *
 *     wait_queue_round(queue);
 *     while ((entry = wait_queue_next(queue, now)) != NULL)
 *         fits ? wait_queue_serve(queue, entry) : wait_queue_block(queue, entry);
 *
 * Entries are embedded in what waits; the queue keeps only pointers.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_WAIT_QUEUE_H
#define ROUTING_WAIT_QUEUE_H
#include "base/must_use.h"
#include <stdbool.h>
#include <stdint.h>

enum { WAIT_CLASSES = 10, WAIT_QUEUE_MAX = 1024 };

struct wait_user;

struct wait_entry {
    uint64_t user, lane;        /* hashes */
    unsigned priority;          /* below WAIT_CLASSES; 0 first */
    int64_t since_us, until_us; /* until_us: when it gives up */

    /* private */
    uint64_t serial;
    struct wait_user *line; /* NULL: it does not wait */
    struct wait_entry *previous, *next;
};

struct wait_queue;

MUST_USE struct wait_queue *wait_queue_new(unsigned limit); /* entries: 1 .. WAIT_QUEUE_MAX */
void wait_queue_free(struct wait_queue *queue);
unsigned wait_queue_count(const struct wait_queue *queue);
bool wait_queue_holds(const struct wait_entry *entry);
/* False: it is full. user, lane, priority, since_us and until_us are set before. */
MUST_USE bool wait_queue_add(struct wait_queue *queue, struct wait_entry *entry);
/* It left, or its wait is over: this does not count as its user's turn. */
void wait_queue_remove(struct wait_queue *queue, struct wait_entry *entry);

/* Begins a round: unblocks all lanes. */
void wait_queue_round(struct wait_queue *queue);
/* The entry to try: the first whose lane is not blocked and whose wait is not over; NULL: none. The same again until it is served, blocked or removed. */
struct wait_entry *wait_queue_next(struct wait_queue *queue, int64_t now_us);
/* There is no capacity for it: its lane is not tried again in this round. */
void wait_queue_block(struct wait_queue *queue, const struct wait_entry *entry);
/* It got capacity: taken out, and its user goes to the end of the class's line. */
void wait_queue_serve(struct wait_queue *queue, struct wait_entry *entry);

/* An entry whose wait is over: the longest overdue, of equals the one that came first; NULL: none. The caller removes it. */
struct wait_entry *wait_queue_expired(struct wait_queue *queue, int64_t now_us);
/* No wait ends before this; -1: the queue is empty. */
int64_t wait_queue_deadline_us(const struct wait_queue *queue);
#endif
