/* health.c -- how each target is doing: the breaker, the cool-down and the measures, one small record per target.
 *
 * The table's lock guards which records exist, their references and when they were last named; a record's own lock guards all the
 * rest, so an attempt takes one uncontended lock at its begin and one at its end. Nothing here runs by itself: a state that time alone
 * changes (open -> half open) is brought up to date by the next call that looks, dated with the moment it was due.
 * Measures are decayed sums and a logarithmic histogram, of fixed size whatever the traffic.
 * SPDX-License-Identifier: MIT */
#include "shared/health.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/random.h"
#include "shared/named.h"

#define FORGET_AFTER_US (3600 * US_PER_S)
#define OPEN_DEFAULT_US (5 * US_PER_S)
#define OPEN_MAX_US     (300 * US_PER_S)
#define WARM_US         (30 * US_PER_S)
#define COOL_MIN_US     (1 * US_PER_S)
#define COOL_MAX_US     (60 * US_PER_S)
#define COOL_DEFAULT_US (5 * US_PER_S)
#define SLOT_US         (3 * US_PER_S)
#define AVERAGE_TAU_US  (15.0 * US_PER_S)
#define HALF_LIFE_US    (120 * US_PER_S)

enum {
    FAILURES_DEFAULT = 5,
    WINDOW_MIN = 10,
    CLOSING_PROBES = 2,
    WINDOW_SLOTS = 10, /* of SLOT_US: 30 s */
    /* 1 ms .. 2^20 ms = 17 min, eight to the octave: at most 4.5 % off the middle of a bucket */
    HISTOGRAM_OCTAVES = 20,
    HISTOGRAM_FINE = 8,
    HISTOGRAM_BUCKETS = HISTOGRAM_OCTAVES * HISTOGRAM_FINE,
    LOOKED_AT = 2, /* records that a look-up looks at for eviction */
};

struct window { /* a ring of slots; a slot that is older than ten slot times was zeroed on the way */
    uint32_t ok[WINDOW_SLOTS], failed[WINDOW_SLOTS];
    int64_t slot; /* number of the newest slot: now / SLOT_US */
};

struct average { /* sum and weight fade alike, so that samples close in time weigh the same however many there are */
    double sum, weight;
    int64_t at_us;
};

struct histogram {
    float count[HISTOGRAM_BUCKETS];
    float total;
    int64_t faded_us;
};

struct health {
    struct named named; /* under the table's lock, as what belongs to it */
    struct health_table *table;

    /* under its own */
    pthread_mutex_t lock;
    struct health_settings settings;
    uint64_t random;
    enum breaker_state state;
    unsigned in_flight, probes, probe_successes;
    unsigned consecutive, reopened;               /* reopened: the k of the open time */
    int64_t opened_us, retry_at_us, warm_from_us; /* warm_from 0: no recovery to warm up from */
    int64_t cooldown_until_us;
    bool down; /* its health check failed */
    struct window window;
    struct average first_token, per_token;
    struct histogram durations, first_tokens;
    uint64_t successes, failures, requests, samples, input_tokens, output_tokens;
    int64_t cost_pico;
    struct health_change history[HEALTH_HISTORY_MAX];
    unsigned changes; /* ever; the ring holds the last ones */
};

struct health_table {
    pthread_mutex_t lock;
    struct named_table records;
    uint8_t key[16];
    uint64_t seed;
};

const char *breaker_name(enum breaker_state state)
{
    switch (state) {
    case BREAKER_CLOSED:
        return "closed";
    case BREAKER_OPEN:
        return "open";
    case BREAKER_HALF_OPEN:
        return "half_open";
    }
    return "unknown";
}

/* ---------------------------------------------------------------- the table */

static void fini(struct named *named)
{
    pthread_mutex_destroy(&((struct health *)named)->lock);
}

static const struct named_kind health_records = {
    .size = sizeof(struct health), .kept_us = FORGET_AFTER_US, .is_named_while_held = true, .fini = fini};

struct health_table *health_table_new(size_t limit, uint64_t seed)
{
    struct health_table *table = xcalloc(1, sizeof *table);
    pthread_mutex_init(&table->lock, NULL);
    named_init(&table->records, &health_records, limit);
    table->seed = seed;
    memcpy(table->key, &seed, sizeof seed);
    return table;
}

void health_table_free(struct health_table *table)
{
    if (table == NULL)
        return;
    named_fini(&table->records);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

static void apply_settings(struct health *health, const struct health_settings *settings)
{
    health->settings = settings != NULL ? *settings : (struct health_settings){0};
    if (health->settings.failures == 0)
        health->settings.failures = FAILURES_DEFAULT;
    if (health->settings.open_us <= 0)
        health->settings.open_us = OPEN_DEFAULT_US;
}

struct health *health_find(struct health_table *table, struct slice name, const struct health_settings *settings, int64_t now_us)
{
    uint64_t hash = hash_sip(table->key, name);
    bool fresh;
    pthread_mutex_lock(&table->lock);
    struct health *health = (struct health *)named_find(&table->records, name, hash, now_us, &fresh);
    if (health != NULL && fresh) {
        health->table = table;
        health->random = table->seed ^ hash;
        pthread_mutex_init(&health->lock, NULL);
    }
    if (health != NULL) {
        pthread_mutex_lock(&health->lock);
        apply_settings(health, settings);
        pthread_mutex_unlock(&health->lock);
    }
    named_evict(&table->records, now_us, LOOKED_AT);
    pthread_mutex_unlock(&table->lock);
    return health;
}

void health_unref(struct health *health)
{
    if (health == NULL)
        return;
    struct health_table *table = health->table;
    pthread_mutex_lock(&table->lock);
    named_release(&table->records, &health->named);
    pthread_mutex_unlock(&table->lock);
}

void health_evict(struct health_table *table, int64_t now_us)
{
    pthread_mutex_lock(&table->lock);
    named_evict(&table->records, now_us, table->records.count);
    pthread_mutex_unlock(&table->lock);
}

uint64_t health_evictions(struct health_table *table)
{
    pthread_mutex_lock(&table->lock);
    uint64_t evictions = table->records.evictions;
    pthread_mutex_unlock(&table->lock);
    return evictions;
}

/* ---------------------------------------------------------------- measures */

static void window_clear(struct window *window)
{
    memset(window->ok, 0, sizeof window->ok);
    memset(window->failed, 0, sizeof window->failed);
}

static unsigned window_at(struct window *window, int64_t now_us)
{
    int64_t slot = now_us / SLOT_US;
    if (slot - window->slot >= WINDOW_SLOTS) {
        window_clear(window);
        window->slot = slot;
    }
    while (window->slot < slot) {
        window->slot++;
        window->ok[window->slot % WINDOW_SLOTS] = window->failed[window->slot % WINDOW_SLOTS] = 0;
    }
    return (unsigned)(window->slot % WINDOW_SLOTS);
}

static void window_sum(struct window *window, int64_t now_us, uint64_t *ok, uint64_t *failed)
{
    window_at(window, now_us);
    *ok = *failed = 0;
    for (unsigned i = 0; i < WINDOW_SLOTS; i++) {
        *ok += window->ok[i];
        *failed += window->failed[i];
    }
}

static void average_add(struct average *average, double value, int64_t now_us)
{
    if (average->weight > 0 && now_us > average->at_us) {
        double kept = exp(-(double)(now_us - average->at_us) / AVERAGE_TAU_US);
        average->sum *= kept;
        average->weight *= kept;
    }
    average->sum += value;
    average->weight += 1;
    average->at_us = now_us;
}

/* Fading changes sum and weight alike, so reading needs no clock. */
static double average_of(const struct average *average)
{
    return average->weight > 0 ? average->sum / average->weight : NAN;
}

static void histogram_add(struct histogram *histogram, int64_t value_us, int64_t now_us)
{
    int64_t halvings = (now_us - histogram->faded_us) / HALF_LIFE_US;
    if (histogram->total == 0) {
        histogram->faded_us = now_us;
    } else if (halvings > 0) {
        float kept = (float)ldexp(1.0, halvings > 60 ? -60 : -(int)halvings);
        histogram->total = 0;
        for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
            histogram->count[i] *= kept;
            histogram->total += histogram->count[i];
        }
        histogram->faded_us += halvings * HALF_LIFE_US;
    }
    double place = log2((double)value_us / US_PER_MS) * HISTOGRAM_FINE;
    unsigned bucket = !(place > 0) ? 0 : place >= HISTOGRAM_BUCKETS ? HISTOGRAM_BUCKETS - 1 : (unsigned)place;
    histogram->count[bucket] += 1;
    histogram->total += 1;
}

static double histogram_at(const struct histogram *histogram, double share)
{
    if (!(histogram->total > 0))
        return NAN;
    double wanted = share * (double)histogram->total, seen = 0;
    unsigned bucket = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        if (histogram->count[i] > 0) {
            bucket = i;
            seen += (double)histogram->count[i];
            if (seen >= wanted)
                break;
        }
    }
    return exp2((bucket + 0.5) / HISTOGRAM_FINE);
}

static void measure(struct health *health, const struct health_outcome *outcome, int64_t now_us)
{
    health->samples++;
    histogram_add(&health->durations, outcome->duration_us, now_us);
    double head_ms = 0;
    if (outcome->first_token_us > 0) {
        head_ms = (double)outcome->first_token_us / US_PER_MS;
        average_add(&health->first_token, head_ms, now_us);
        histogram_add(&health->first_tokens, outcome->first_token_us, now_us);
    } else if (health->first_token.weight > 0) {
        head_ms = average_of(&health->first_token); /* an answer in one piece: what streams say about the wait before it */
    }
    double rest_ms = (double)outcome->duration_us / US_PER_MS - head_ms;
    if (outcome->output_tokens > 0)
        average_add(&health->per_token, (rest_ms > 0 ? rest_ms : 0) / (double)outcome->output_tokens, now_us);
}

/* ---------------------------------------------------------------- breaker */

static void change_state(struct health *health, enum breaker_state state, int64_t at_us)
{
    if (health->state == state)
        return;
    health->state = state;
    health->history[health->changes % HEALTH_HISTORY_MAX] = (struct health_change){at_us, state};
    health->changes++;
}

static bool is_warming(const struct health *health, int64_t now_us)
{
    return health->state == BREAKER_CLOSED && health->warm_from_us > 0 && now_us - health->warm_from_us < WARM_US;
}

static double warm_share(const struct health *health, int64_t now_us)
{
    double share = 0.1 + 0.9 * (double)(now_us - health->warm_from_us) / WARM_US;
    return share < 0.1 ? 0.1 : share > 1.0 ? 1.0 : share;
}

/* 0.8 .. 1.2: targets that fell together are not probed together. */
static double jitter(struct health *health)
{
    return 0.8 + 0.4 * random_share(&health->random);
}

static void open_breaker(struct health *health, int64_t now_us)
{
    bool again = health->state == BREAKER_HALF_OPEN || is_warming(health, now_us);
    health->reopened = again ? health->reopened + 1 : 0;
    int64_t span = health->settings.open_us;
    for (unsigned i = 0; i < health->reopened && span < OPEN_MAX_US; i++)
        span *= 2;
    span = span < OPEN_MAX_US ? span : OPEN_MAX_US;
    change_state(health, BREAKER_OPEN, now_us);
    health->opened_us = now_us;
    health->retry_at_us = now_us + (int64_t)((double)span * jitter(health));
}

static void close_breaker(struct health *health, int64_t now_us, bool warm)
{
    change_state(health, BREAKER_CLOSED, now_us);
    health->opened_us = health->retry_at_us = 0;
    health->consecutive = health->probe_successes = 0;
    health->warm_from_us = warm ? now_us : 0;
    window_clear(&health->window);
}

static void pass_time(struct health *health, int64_t now_us)
{
    if (health->state == BREAKER_OPEN && now_us >= health->retry_at_us) {
        change_state(health, BREAKER_HALF_OPEN, health->retry_at_us);
        health->probe_successes = 0;
    }
    if (health->cooldown_until_us <= now_us)
        health->cooldown_until_us = 0;
}

static const char *why_not(const struct health *health, int64_t now_us)
{
    if (health->state == BREAKER_OPEN || (health->state == BREAKER_HALF_OPEN && health->probes > 0))
        return "breaker";
    return health->cooldown_until_us > now_us ? "cooldown" : NULL;
}

/* A breaker that is not closed is named before a failed health check, since an operator must know of it; a failed check is named before a cool-down.
 * health_begin does not look at the check, so that a half-open breaker gets its probe. */
static const char *why_unusable(const struct health *health, int64_t now_us)
{
    const char *why = why_not(health, now_us);
    return health->down && (why == NULL || health->state == BREAKER_CLOSED) ? "check" : why;
}

bool health_begin(struct health *health, int64_t now_us, bool *probe)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    bool allowed = why_not(health, now_us) == NULL;
    *probe = allowed && health->state == BREAKER_HALF_OPEN;
    health->in_flight += allowed;
    health->probes += *probe;
    pthread_mutex_unlock(&health->lock);
    return allowed;
}

void health_begin_anyway(struct health *health, int64_t now_us)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    health->in_flight++;
    pthread_mutex_unlock(&health->lock);
}

static void succeeded(struct health *health, const struct health_outcome *outcome, bool probe, int64_t now_us)
{
    health->successes++;
    health->consecutive = 0;
    health->window.ok[window_at(&health->window, now_us)]++;
    measure(health, outcome, now_us);
    if (probe && health->state == BREAKER_HALF_OPEN && ++health->probe_successes >= CLOSING_PROBES)
        close_breaker(health, now_us, true);
}

static void cool_down(struct health *health, const struct failure *failure, int64_t now_us)
{
    int64_t span = failure->retry_after_us;
    bool refused = failure->kind == FAILURE_AUTH; /* it accepts none of the keys */
    if (failure->kind != FAILURE_RATE_LIMITED && failure->kind != FAILURE_QUOTA && !refused &&
        (failure->kind != FAILURE_OVERLOADED || span < 0)) {
        return;
    }
    if (span < 0 || refused)
        span = failure->kind == FAILURE_RATE_LIMITED || failure->kind == FAILURE_OVERLOADED ? COOL_DEFAULT_US : COOL_MAX_US;
    span = span < COOL_MIN_US ? COOL_MIN_US : span > COOL_MAX_US ? COOL_MAX_US : span;
    if (now_us + span > health->cooldown_until_us)
        health->cooldown_until_us = now_us + span;
}

static void failed(struct health *health, const struct failure *failure, bool probe, int64_t now_us)
{
    cool_down(health, failure, now_us);
    if ((failure_row(failure->kind)->follows & FAILURE_HEALTH) == 0)
        return;
    health->failures++;
    health->consecutive++;
    health->window.failed[window_at(&health->window, now_us)]++;
    if (health->state == BREAKER_CLOSED) {
        uint64_t ok, bad;
        window_sum(&health->window, now_us, &ok, &bad);
        if (health->consecutive >= health->settings.failures || (ok + bad >= WINDOW_MIN && bad >= ok))
            open_breaker(health, now_us);
    } else if (health->state == BREAKER_HALF_OPEN && probe) {
        open_breaker(health, now_us);
    }
}

void health_end(struct health *health, const struct health_outcome *outcome, bool probe, int64_t now_us)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    health->in_flight -= health->in_flight > 0;
    health->probes -= probe && health->probes > 0;
    health->requests++;
    health->input_tokens += outcome->input_tokens > 0 ? (uint64_t)outcome->input_tokens : 0;
    if (outcome->cost_pico > 0 && __builtin_add_overflow(health->cost_pico, outcome->cost_pico, &health->cost_pico))
        health->cost_pico = INT64_MAX;
    health->output_tokens += outcome->output_tokens > 0 ? (uint64_t)outcome->output_tokens : 0;
    if (!outcome->neutral && outcome->ok)
        succeeded(health, outcome, probe, now_us);
    else if (!outcome->neutral)
        failed(health, &outcome->failure, probe, now_us);
    pthread_mutex_unlock(&health->lock);
}

bool health_is_usable(struct health *health, int64_t now_us, double chance, const char **reason)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    const char *why = why_unusable(health, now_us);
    if (why == NULL && is_warming(health, now_us) && chance >= warm_share(health, now_us))
        why = "warming";
    pthread_mutex_unlock(&health->lock);
    if (reason != NULL)
        *reason = why;
    return why == NULL;
}

bool health_is_healthy(struct health *health, int64_t now_us)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    bool healthy = why_unusable(health, now_us) == NULL && health->consecutive == 0;
    pthread_mutex_unlock(&health->lock);
    return healthy;
}

void health_check(struct health *health, bool up, int64_t now_us)
{
    pthread_mutex_lock(&health->lock);
    if (health->down && up)
        health->warm_from_us = now_us;
    health->down = !up;
    pthread_mutex_unlock(&health->lock);
}

void health_reset(struct health *health, int64_t now_us)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    close_breaker(health, now_us, false);
    health->cooldown_until_us = 0;
    pthread_mutex_unlock(&health->lock);
}

/* ---------------------------------------------------------------- views */

void health_view(struct health *health, int64_t now_us, struct health_view *view)
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    uint64_t ok, bad;
    window_sum(&health->window, now_us, &ok, &bad);
    bool warming = is_warming(health, now_us);
    *view = (struct health_view){
        .in_flight = health->in_flight,
        .success_rate = ok + bad > 0 ? (double)ok / (double)(ok + bad) : 1.0,
        .successes = health->successes,
        .failures = health->failures,
        .requests = health->requests,
        .breaker = health->state,
        .opened_us = health->opened_us,
        .retry_at_us = health->retry_at_us,
        .cooldown_until_us = health->cooldown_until_us,
        .consecutive_failures = health->consecutive,
        .down = health->down,
        .warming = warming,
        .warm_share = warming ? warm_share(health, now_us) : 1.0,
        .first_token_ms = average_of(&health->first_token),
        .per_token_ms = average_of(&health->per_token),
        .p50_ms = histogram_at(&health->durations, 0.50),
        .p95_ms = histogram_at(&health->durations, 0.95),
        .p99_ms = histogram_at(&health->durations, 0.99),
        .first_token_p95_ms = histogram_at(&health->first_tokens, 0.95),
        .samples = health->samples,
        .input_tokens = health->input_tokens,
        .cost_pico = health->cost_pico,
        .output_tokens = health->output_tokens,
    };
    pthread_mutex_unlock(&health->lock);
}

void health_glance(struct health *health, struct health_glance *glance)
{
    pthread_mutex_lock(&health->lock);
    glance->in_flight = health->in_flight;
    glance->first_token_ms = average_of(&health->first_token);
    glance->per_token_ms = average_of(&health->per_token);
    glance->whole_ms = isnan(glance->per_token_ms) ? histogram_at(&health->durations, 0.50) : NAN;
    pthread_mutex_unlock(&health->lock);
}

unsigned health_history(struct health *health, int64_t now_us, struct health_change changes[HEALTH_HISTORY_MAX])
{
    pthread_mutex_lock(&health->lock);
    pass_time(health, now_us);
    unsigned count = health->changes < HEALTH_HISTORY_MAX ? health->changes : HEALTH_HISTORY_MAX;
    for (unsigned i = 0; i < count; i++)
        changes[i] = health->history[(health->changes - count + i) % HEALTH_HISTORY_MAX];
    pthread_mutex_unlock(&health->lock);
    return count;
}
