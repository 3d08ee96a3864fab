/* bodies.c -- see bodies.h. One lock is enough: it is taken for large bodies only, once for each doubling of one.
 * SPDX-License-Identifier: MIT */
#include "shared/bodies.h"
#include "base/bytes.h"
#include <pthread.h>
#include <stdlib.h>

enum { BUCKETS = 256 };

static const int64_t WANTS_US = 5 * 1000000; /* for so long a refused user counts as one that waits for memory */

/* A user that holds some. */
struct holder {
    struct holder *next;
    uint64_t user;
    size_t held;
};

struct bodies {
    pthread_mutex_t lock;
    size_t total, largest, held;
    unsigned holder_count;
    struct holder *buckets[BUCKETS];
    uint64_t refused; /* the user refused last, and until when it counts as waiting */
    int64_t refused_until_us;
};

struct bodies *bodies_new(size_t total, size_t largest)
{
    struct bodies *bodies = xcalloc(1, sizeof *bodies);
    pthread_mutex_init(&bodies->lock, NULL);
    bodies->total = total;
    bodies->largest = largest < total ? largest : total;
    return bodies;
}

size_t bodies_largest(const struct bodies *bodies)
{
    return bodies->largest;
}

void bodies_free(struct bodies *bodies)
{
    if (bodies == NULL)
        return;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (bodies->buckets[i] != NULL) {
            struct holder *next = bodies->buckets[i]->next;
            free(bodies->buckets[i]);
            bodies->buckets[i] = next;
        }
    pthread_mutex_destroy(&bodies->lock);
    free(bodies);
}

/* Where the user's holder is linked, or would be. */
static struct holder **find(struct bodies *bodies, uint64_t user)
{
    struct holder **at = &bodies->buckets[user % BUCKETS];
    while (*at != NULL && (*at)->user != user)
        at = &(*at)->next;
    return at;
}

static bool may_take(struct bodies *bodies, uint64_t user, size_t had, size_t bytes, int64_t now_us)
{
    bool others = bodies->holder_count > (had > 0 ? 1u : 0u) || (now_us < bodies->refused_until_us && bodies->refused != user);
    size_t share = others ? bodies->total / 3 : bodies->total / 3 * 2;
    if (share < bodies->largest)
        share = bodies->largest;
    bool fits = bytes <= share && had <= share - bytes && bytes <= bodies->total && bodies->held <= bodies->total - bytes;
    if (!fits) {
        bodies->refused = user;
        bodies->refused_until_us = now_us + WANTS_US;
    }
    return fits;
}

static bool take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us)
{
    struct holder **at = find(bodies, user), *holder = *at;
    if (!may_take(bodies, user, holder == NULL ? 0 : holder->held, bytes, now_us))
        return false;
    if (holder == NULL) {
        holder = *at = calloc(1, sizeof *holder);
        if (holder == NULL)
            return false;
        holder->user = user;
        bodies->holder_count++;
    }
    holder->held += bytes;
    bodies->held += bytes;
    return true;
}

bool bodies_take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us)
{
    pthread_mutex_lock(&bodies->lock);
    bool taken = take(bodies, user, bytes, now_us);
    pthread_mutex_unlock(&bodies->lock);
    return taken;
}

bool bodies_could_take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us)
{
    pthread_mutex_lock(&bodies->lock);
    const struct holder *holder = *find(bodies, user);
    bool fits = may_take(bodies, user, holder == NULL ? 0 : holder->held, bytes, now_us);
    pthread_mutex_unlock(&bodies->lock);
    return fits;
}

void bodies_give(struct bodies *bodies, uint64_t user, size_t bytes)
{
    if (bytes == 0)
        return;
    pthread_mutex_lock(&bodies->lock);
    struct holder **at = find(bodies, user), *holder = *at;
    bodies->held -= bytes;
    holder->held -= bytes;
    if (holder->held == 0) {
        *at = holder->next;
        bodies->holder_count--;
        free(holder);
    }
    pthread_mutex_unlock(&bodies->lock);
}

size_t bodies_held(struct bodies *bodies)
{
    pthread_mutex_lock(&bodies->lock);
    size_t held = bodies->held;
    pthread_mutex_unlock(&bodies->lock);
    return held;
}
