/* worker.c -- see worker.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/worker.h"
#include <stdio.h>
#include <stdlib.h>

enum { LOG_LINE_MAX = 64 * 1024 };

/* ---------------------------------------------------------------- chance */

static uint64_t rotate_left(uint64_t x, int bits)
{
    return (x << bits) | (x >> (64 - bits));
}

/* xoshiro256** (Blackman, Vigna), seeded from the kernel. */
uint64_t worker_random64(struct worker *worker)
{
    uint64_t *s = worker->random;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Unpredictable, so that no client can name another's request. */
void worker_make_id(struct worker *worker, char id[33])
{
    uint64_t words[2] = {worker_random64(worker), worker_random64(worker)};
    hash_to_hex((const uint8_t *)words, sizeof words, id);
    id[32] = '\0';
}

double worker_random(struct worker *worker)
{
    return (double)(worker_random64(worker) >> 11) * 0x1p-53;
}

/* ---------------------------------------------------------------- generations */

static void local_free(struct local_generation *local)
{
    free((char *)local->policy_label.ptr);
    free(local->origins);
    generation_unref(local->generation);
    free(local);
}

static struct local_generation *local_new(struct worker *worker)
{
    struct local_generation *local = xcalloc(1, sizeof *local);
    char label[128];
    local->generation = generation_current(worker->gateway);
    local->script = local->generation->scripts[worker->index];
    struct slice name = local->generation->config->policy_name;
    int len = snprintf(label, sizeof label, "%.*s@%u", name.len < 100 ? (int)name.len : 100, name.ptr, local->generation->number);
    local->policy_label = (struct slice){xstrndup(label, (size_t)len), (size_t)len};
    local->origins = xcalloc(local->generation->config->provider_count + 1, sizeof *local->origins);
    return local;
}

struct local_generation *worker_generation(struct worker *worker)
{
    struct local_generation *local = worker->generations;
    if (local != NULL && local->generation->number == atomic_load_explicit(&worker->gateway->number, memory_order_acquire))
        return local;
    struct local_generation *fresh = local_new(worker);
    fresh->next = local;
    worker->generations = fresh;
    if (local != NULL && local->in_flight == 0) {
        fresh->next = local->next;
        local_free(local);
    }
    return fresh;
}

void worker_generation_release(struct worker *worker, struct local_generation *local)
{
    if (--local->in_flight > 0 || local == worker->generations)
        return;
    struct local_generation **at = &worker->generations;
    while (*at != local)
        at = &(*at)->next;
    *at = local->next;
    local_free(local);
}

struct origin *worker_origin(struct worker *worker, struct local_generation *local, const struct provider *provider)
{
    struct origin **at = &local->origins[provider->index];
    if (*at == NULL)
        *at = upstream_origin(worker->upstream, provider->origin, provider->proxy);
    return *at;
}

/* ---------------------------------------------------------------- life */

/* Bytes behind a response are not ours, or nonsense: an operator should know of a provider that costs a connection per request. */
static void on_stray(void *owner, struct slice url)
{
    const struct worker *worker = owner;
    log_event(worker->gateway->log, LOG_WARN, "no_reuse", log_text("origin", url),
              log_text("message", LIT("it answered more than it was asked: none of its connections is used twice until a restart")));
}

struct worker *worker_new(struct gateway *gateway, unsigned index)
{
    struct worker *worker = xcalloc(1, sizeof *worker);
    struct upstream_settings settings = {
        .idle_us = 30 * US_PER_S, .lifetime_us = 600 * US_PER_S, .idle_max = 256, .on_stray = on_stray, .owner = worker};
    worker->gateway = gateway;
    worker->index = index;
    hash_random(worker->random, sizeof worker->random);
    worker->arena_cache.memory = gateway->memory;
    buffer_init(&worker->line, LOG_LINE_MAX);
    worker->loop = loop_new();
    worker->upstream = worker->loop == NULL ? NULL : upstream_new(worker->loop, gateway->trust, &settings);
    if (worker->upstream == NULL)
        return worker_free(worker), NULL;
    worker_generation(worker);
    return worker;
}

void worker_free(struct worker *worker)
{
    if (atomic_load(&worker->in_flight) > 0)
        return;
    upstream_free(worker->upstream);
    while (worker->generations != NULL) {
        struct local_generation *local = worker->generations;
        worker->generations = local->next;
        local_free(local);
    }
    while (worker->free_request_count > 0)
        free(worker->free_requests[--worker->free_request_count]);
    if (worker->loop != NULL)
        loop_timer_clear(worker->loop, &worker->wait_timer);
    wait_queue_free(worker->wait_queue);
    arena_cache_free(&worker->arena_cache);
    buffer_free(&worker->line);
    loop_free(worker->loop);
    free(worker);
}

static void *run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

bool worker_start(struct worker *worker)
{
    worker->started = pthread_create(&worker->thread, NULL, run, worker) == 0;
    return worker->started;
}

void worker_join(struct worker *worker)
{
    if (worker->started)
        pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_wake(struct worker *worker)
{
    loop_wake(worker->loop);
}

/* ---------------------------------------------------------------- those that wait for capacity */

void worker_poke(struct worker *worker)
{
    if (atomic_load(&worker->waiting) == 0)
        return;
    worker->wait_poked = true;
    loop_timer_set(worker->loop, &worker->wait_timer, loop_now_us(worker->loop));
}

void worker_poke_all(struct worker *worker)
{
    struct gateway *gateway = worker->gateway;
    worker_poke(worker);
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        struct worker *other = gateway->workers[i];
        if (other == worker || atomic_load(&other->waiting) == 0)
            continue;
        atomic_store(&other->wants_poke, true);
        worker_wake(other);
    }
}
