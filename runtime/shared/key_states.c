/* key_states.c -- see key_states.h.
 * SPDX-License-Identifier: MIT */
#include "shared/key_states.h"
#include "base/clock.h"
#include "base/hash.h"
#include "shared/named.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static const int64_t REFUSED_US = 60 * US_PER_S, THROTTLED_US = US_PER_S, ASIDE_MAX_US = 3600 * US_PER_S;

/* Its name is a digest. */
struct key_state {
    struct named named;
    atomic_int_fast64_t aside_until_us;
    atomic_uint refusals; /* in a row */
};

struct key_states {
    pthread_mutex_t lock; /* of the table; states are atomic */
    struct named_table table;
};

static const struct named_kind state_kind = {.size = sizeof(struct key_state), .is_named_while_held = true};

struct key_states *key_states_new(size_t limit)
{
    struct key_states *states = xcalloc(1, sizeof *states);
    named_init(&states->table, &state_kind, limit);
    pthread_mutex_init(&states->lock, NULL);
    return states;
}

void key_states_free(struct key_states *states)
{
    if (states == NULL)
        return;
    named_fini(&states->table);
    pthread_mutex_destroy(&states->lock);
    free(states);
}

/* Over the digests of both, so that no provider's name and key can be read as another's. */
static void digest_of(struct slice provider, struct slice key, uint8_t digest[SHA256_BYTES])
{
    uint8_t both[2 * SHA256_BYTES];
    hash_sha256(provider, both);
    hash_sha256(key, both + SHA256_BYTES);
    hash_sha256((struct slice){(const char *)both, sizeof both}, digest);
}

struct key_state *key_states_find(struct key_states *states, struct slice provider, struct slice key)
{
    uint8_t digest[SHA256_BYTES];
    uint64_t hash;
    bool fresh;
    digest_of(provider, key, digest);
    memcpy(&hash, digest, sizeof hash); /* a digest is uniform already */
    pthread_mutex_lock(&states->lock);
    struct named *named = named_find(&states->table, (struct slice){(const char *)digest, sizeof digest}, hash, 0, &fresh);
    pthread_mutex_unlock(&states->lock);
    return (struct key_state *)named;
}

int64_t key_aside_until_us(const struct key_state *state)
{
    return state == NULL ? 0 : atomic_load_explicit(&state->aside_until_us, memory_order_relaxed);
}

unsigned key_choose(struct key_state *const *pool, unsigned count, uint64_t turn, int64_t now_us)
{
    unsigned best = (unsigned)(turn % count);
    int64_t soonest = INT64_MAX;
    for (unsigned i = 0; i < count; i++) {
        unsigned index = (unsigned)((turn + i) % count);
        int64_t until = key_aside_until_us(pool[index]);
        if (until <= now_us)
            return index;
        if (until < soonest) {
            soonest = until;
            best = index;
        }
    }
    return best;
}

bool key_has_other(struct key_state *const *pool, unsigned count, unsigned than, int64_t now_us)
{
    for (unsigned i = 0; i < count; i++)
        if (i != than && key_aside_until_us(pool[i]) <= now_us)
            return true;
    return false;
}

/* The later end wins. Unless a refusal has set it aside: those asked before then, and their word adds nothing. */
static bool set_aside(struct key_state *state, int64_t span_us, int64_t now_us)
{
    int_fast64_t until = atomic_load_explicit(&state->aside_until_us, memory_order_relaxed);
    int_fast64_t wanted = now_us + (span_us < ASIDE_MAX_US ? span_us : ASIDE_MAX_US), later;
    do {
        if (until > now_us && atomic_load_explicit(&state->refusals, memory_order_relaxed) > 0)
            return false;
        later = until > wanted ? until : wanted;
    } while (!atomic_compare_exchange_weak_explicit(&state->aside_until_us, &until, later, memory_order_relaxed, memory_order_relaxed));
    return true;
}

bool key_refused(struct key_state *state, int64_t now_us)
{
    if (state == NULL)
        return false;
    unsigned before = atomic_load_explicit(&state->refusals, memory_order_relaxed);
    if (!set_aside(state, REFUSED_US << (before < 6 ? before : 6), now_us))
        return false;
    atomic_fetch_add_explicit(&state->refusals, 1, memory_order_relaxed);
    return true;
}

void key_throttled(struct key_state *state, int64_t retry_after_us, int64_t now_us)
{
    if (state != NULL)
        set_aside(state, retry_after_us >= 0 ? retry_after_us : THROTTLED_US, now_us);
}

void key_worked(struct key_state *state)
{
    if (state != NULL && atomic_load_explicit(&state->refusals, memory_order_relaxed) > 0)
        key_reset(state);
}

void key_reset(struct key_state *state)
{
    if (state == NULL)
        return;
    atomic_store_explicit(&state->refusals, 0, memory_order_relaxed);
    atomic_store_explicit(&state->aside_until_us, 0, memory_order_relaxed);
}
