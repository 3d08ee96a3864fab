/* wait_queue.c -- see wait_queue.h.
 *
 * A class is a ring of users, held as a list whose first is next; a user is a list of entries and lives as long as it has any. Blocked lanes are
 * marked with the round's number in an open-addressed table twice as large as there can be lanes, so that beginning a round clears it.
 * SPDX-License-Identifier: MIT */
#include "routing/wait_queue.h"
#include "base/bytes.h"
#include "base/list.h"
#include <stdlib.h>

enum { MARKS = 2 * WAIT_QUEUE_MAX };

struct wait_user {
    uint64_t id;
    unsigned priority;
    struct wait_entry *first, *last;
    struct wait_user *previous, *next;
};

struct wait_class {
    struct wait_user *first, *last;
};

struct mark {
    uint64_t lane, round;
};

struct wait_queue {
    struct wait_class classes[WAIT_CLASSES];
    unsigned limit, count;
    uint64_t serial, round;
    int64_t soonest_us; /* not above any entry's until_us; meaningless while the queue is empty */
    /* Everything before it is blocked or overdue in this round; NULL: look from the beginning. */
    struct wait_entry *tried;
    unsigned blocked;
    struct mark marks[MARKS];
};

struct wait_queue *wait_queue_new(unsigned limit)
{
    struct wait_queue *queue = xcalloc(1, sizeof *queue);
    queue->limit = limit < WAIT_QUEUE_MAX ? limit : WAIT_QUEUE_MAX;
    queue->round = 1;
    return queue;
}

void wait_queue_free(struct wait_queue *queue)
{
    if (queue == NULL)
        return;
    for (unsigned i = 0; i < WAIT_CLASSES; i++) {
        struct wait_user *user = queue->classes[i].first;
        while (user != NULL) {
            struct wait_user *next = user->next;
            for (struct wait_entry *entry = user->first; entry != NULL; entry = entry->next)
                entry->line = NULL;
            free(user);
            user = next;
        }
    }
    free(queue);
}

unsigned wait_queue_count(const struct wait_queue *queue)
{
    return queue->count;
}

bool wait_queue_holds(const struct wait_entry *entry)
{
    return entry->line != NULL;
}

/* ---------------------------------------------------------------- the lines */

static struct wait_user *find_user(struct wait_queue *queue, const struct wait_entry *entry)
{
    struct wait_class *class = &queue->classes[entry->priority];
    for (struct wait_user *user = class->first; user != NULL; user = user->next)
        if (user->id == entry->user)
            return user;
    struct wait_user *user = xcalloc(1, sizeof *user);
    user->id = entry->user;
    user->priority = entry->priority;
    list_append(class->first, class->last, user);
    return user;
}

bool wait_queue_add(struct wait_queue *queue, struct wait_entry *entry)
{
    if (queue->count >= queue->limit)
        return false;
    struct wait_user *user = find_user(queue, entry);
    entry->serial = ++queue->serial;
    entry->line = user;
    list_append(user->first, user->last, entry);
    if (queue->count++ == 0 || entry->until_us < queue->soonest_us)
        queue->soonest_us = entry->until_us;
    queue->tried = NULL;
    return true;
}

static void take_out(struct wait_queue *queue, struct wait_entry *entry, bool turn_passes)
{
    struct wait_user *user = entry->line;
    struct wait_class *class = &queue->classes[entry->priority];
    list_remove(user->first, user->last, entry);
    entry->line = NULL;
    entry->previous = entry->next = NULL;
    queue->count--;
    queue->tried = NULL;
    if (user->first == NULL || turn_passes)
        list_remove(class->first, class->last, user);
    if (user->first == NULL)
        free(user);
    else if (turn_passes)
        list_append(class->first, class->last, user);
}

void wait_queue_remove(struct wait_queue *queue, struct wait_entry *entry)
{
    take_out(queue, entry, false);
}

void wait_queue_serve(struct wait_queue *queue, struct wait_entry *entry)
{
    take_out(queue, entry, true);
}

/* ---------------------------------------------------------------- in order */

static struct wait_entry *first_from(struct wait_queue *queue, unsigned priority)
{
    for (; priority < WAIT_CLASSES; priority++)
        if (queue->classes[priority].first != NULL)
            return queue->classes[priority].first->first;
    return NULL;
}

static struct wait_entry *after(struct wait_queue *queue, const struct wait_entry *entry)
{
    if (entry->next != NULL)
        return entry->next;
    if (entry->line->next != NULL)
        return entry->line->next->first;
    return first_from(queue, entry->priority + 1);
}

/* The lane's mark, or the free place where it belongs: a mark of an earlier round is free. */
static struct mark *mark_of(struct wait_queue *queue, uint64_t lane)
{
    size_t at = (size_t)(lane % MARKS);
    while (queue->marks[at].round == queue->round && queue->marks[at].lane != lane)
        at = (at + 1) % MARKS;
    return &queue->marks[at];
}

void wait_queue_round(struct wait_queue *queue)
{
    queue->round++;
    queue->blocked = 0;
    queue->tried = NULL;
}

struct wait_entry *wait_queue_next(struct wait_queue *queue, int64_t now_us)
{
    struct wait_entry *entry = queue->tried != NULL ? queue->tried : first_from(queue, 0);
    if (queue->blocked >= WAIT_QUEUE_MAX) /* more lanes than marks within one round: the next round goes on */
        return NULL;
    while (entry != NULL && (entry->until_us <= now_us || mark_of(queue, entry->lane)->round == queue->round))
        entry = after(queue, entry);
    return entry;
}

void wait_queue_block(struct wait_queue *queue, const struct wait_entry *entry)
{
    struct mark *mark = mark_of(queue, entry->lane);
    if (mark->round != queue->round && queue->blocked < WAIT_QUEUE_MAX) {
        *mark = (struct mark){entry->lane, queue->round};
        queue->blocked++;
    }
    queue->tried = (struct wait_entry *)entry;
}

/* ---------------------------------------------------------------- waits that end */

struct wait_entry *wait_queue_expired(struct wait_queue *queue, int64_t now_us)
{
    struct wait_entry *first = NULL;
    if (queue->count == 0 || queue->soonest_us > now_us)
        return NULL;
    for (struct wait_entry *entry = first_from(queue, 0); entry != NULL; entry = after(queue, entry))
        if (first == NULL || entry->until_us < first->until_us || (entry->until_us == first->until_us && entry->serial < first->serial))
            first = entry;
    queue->soonest_us = first->until_us;
    return first->until_us <= now_us ? first : NULL;
}

int64_t wait_queue_deadline_us(const struct wait_queue *queue)
{
    return queue->count == 0 ? -1 : queue->soonest_us;
}
