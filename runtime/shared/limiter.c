/* limiter.c -- records by name in shards, and the charge that takes from all or none: see limiter.h.
 *
 * A shard's lock guards its records with all their meters. A charge locks the shards of its names in ascending order and holds them from
 * the first check to the last taking; settling takes one lock at a time, since giving back refuses nothing. A record with open
 * reservations is never evicted, and none of its meters that they hold changes place.
 * SPDX-License-Identifier: MIT */
#include "shared/limiter.h"
#include "base/clock.h"
#include "base/hash.h"
#include "shared/meter.h"
#include "shared/named.h"
#include <pthread.h>
#include <stdlib.h>

#define KEPT_US (3600 * US_PER_S + 1)

enum {
    SHARDS_MAX = 64,  /* a power of two */
    SHARD_MIN = 64,   /* records: a smaller table has one shard */
    METERS_KEPT = 32, /* of one record: the rule's, and those of earlier rules that still hold something */
    LOOKED_AT = 2,    /* records that a charge looks at for eviction */
};

struct limit_record {
    struct named named;
    struct meter *meters;
    uint8_t meter_count;
};

struct shard {
    pthread_mutex_t lock;
    struct named_table records;
} __attribute__((aligned(64)));

struct limiter {
    uint8_t key[16];
    unsigned shard_count;
    struct shard *shards;
};

/* One of the asks while it is being charged. */
struct charge {
    const struct limit_ask *ask;
    uint64_t hash;
    struct limit_record *record; /* NULL: it is one that was named before */
    bool fresh;                  /* made for this charge */
    uint8_t meters[LIMIT_METERS_MAX];
};

const char *limit_unit_name(enum limit_unit unit)
{
    static const char *const names[LIMIT_UNITS] = {"requests", "tokens", "concurrent"};
    return names[unit];
}

/* A slash belongs between the parts: one inside all but the last is written %2F, so that two subjects never share a name. */
static void write_part(struct buffer *out, struct slice part, bool last)
{
    buffer_append_byte(out, '/');
    for (size_t i = 0; i < part.len; i++) {
        if (!last && (part.ptr[i] == '/' || part.ptr[i] == '%'))
            buffer_append_slice(out, part.ptr[i] == '/' ? LIT("%2F") : LIT("%25"));
        else
            buffer_append_byte(out, part.ptr[i]);
    }
}

void limit_write_name(struct buffer *out, const struct limit_rule *rule, struct slice user, struct slice model)
{
    buffer_append_lit(out, "limit:");
    buffer_append_slice(out, slice_of(rule->name));
    for (unsigned i = 0; i < rule->per_count; i++)
        write_part(out, rule->per[i] == LIMIT_PER_USER ? user : model, i + 1 == rule->per_count);
}

static void write_window(struct buffer *out, int64_t window_us)
{
    static const struct {
        int64_t us;
        const char *name;
    } windows[] = {{US_PER_S, "second"}, {60 * US_PER_S, "minute"}, {3600 * US_PER_S, "hour"}, {86400 * US_PER_S, "day"}};
    for (unsigned i = 0; i < sizeof windows / sizeof *windows; i++)
        if (windows[i].us == window_us)
            buffer_printf(out, " per %s", windows[i].name);
}

void limit_write_refusal(struct buffer *out, const struct limit_rule *rule, const struct limit_verdict *verdict)
{
    if (verdict->count == 0) {
        buffer_append_lit(out, "Too many callers are being counted right now.");
        return;
    }
    buffer_printf(out, "Limit '%s' of %lld %s", rule->name, (long long)verdict->count,
                  verdict->unit == LIMIT_CONCURRENT ? "requests at a time" : limit_unit_name(verdict->unit));
    write_window(out, verdict->window_us);
    if (verdict->retry_after_us < 0) {
        buffer_append_lit(out, ": this request asks for more than that at once.");
        return;
    }
    buffer_append_lit(out, " reached.");
    if (verdict->unit != LIMIT_CONCURRENT)
        buffer_printf(out, " Try again in %.1f s.", (double)(verdict->retry_after_us + 49999) / 1e6);
}

/* ---------------------------------------------------------------- records of a shard, under its lock */

static struct shard *shard_of(const struct limiter *limiter, uint64_t hash)
{
    return &limiter->shards[hash & (limiter->shard_count - 1)];
}

static bool is_idle(struct named *named, int64_t now_us)
{
    const struct limit_record *record = (const struct limit_record *)named;
    for (unsigned i = 0; i < record->meter_count; i++)
        if (!meter_is_idle(&record->meters[i], now_us))
            return false;
    return true;
}

static void fini(struct named *named)
{
    struct limit_record *record = (struct limit_record *)named;
    for (unsigned i = 0; i < record->meter_count; i++)
        meter_fini(&record->meters[i]);
    free(record->meters);
}

static const struct named_kind limit_records = {.size = sizeof(struct limit_record), .kept_us = KEPT_US, .is_idle = is_idle, .fini = fini};

/* ---------------------------------------------------------------- meters of a record */

static bool is_of(const struct meter *meter, const struct limit_rule *rule)
{
    for (unsigned i = 0; i < rule->meter_count; i++)
        if (meter_keeps(meter, &rule->meters[i]))
            return true;
    return false;
}

/* A place for a new meter: one of an earlier rule that holds nothing; else a new one; else one of an earlier rule that is not
 * held. -1: all are held. */
static int place_for(struct limit_record *record, const struct limit_rule *rule, int64_t now_us)
{
    int spare = -1;
    for (int i = 0; i < record->meter_count; i++) {
        struct meter *meter = &record->meters[i];
        if (meter->open > 0 || is_of(meter, rule))
            continue;
        if (meter_is_idle(meter, now_us))
            return i;
        spare = i;
    }
    return record->meter_count < METERS_KEPT ? record->meter_count : spare;
}

static int add_meter(struct limit_record *record, const struct limit_rule *rule, const struct meter_rule *wanted, int64_t now_us)
{
    int place = place_for(record, rule, now_us);
    if (place < 0)
        return -1;
    if (place < record->meter_count) {
        meter_fini(&record->meters[place]);
    } else {
        record->meters = xrealloc(record->meters, (record->meter_count + 1u) * sizeof *record->meters);
        record->meter_count++;
    }
    meter_init(&record->meters[place], wanted);
    return place;
}

/* Finds or makes the meters of the rule and has them follow it; false: there is no place for one. */
static bool find_meters(struct charge *charge, int64_t now_us)
{
    const struct limit_rule *rule = charge->ask->rule;
    struct limit_record *record = charge->record;
    for (unsigned i = 0; i < rule->meter_count; i++) {
        int place = 0;
        while (place < record->meter_count && !meter_keeps(&record->meters[place], &rule->meters[i]))
            place++;
        if (place == record->meter_count)
            place = add_meter(record, rule, &rule->meters[i], now_us);
        if (place < 0)
            return false;
        meter_follow(&record->meters[place], &rule->meters[i], now_us);
        charge->meters[i] = (uint8_t)place;
    }
    return true;
}

static struct meter *meter_of(const struct charge *charge, unsigned index)
{
    return &charge->record->meters[charge->meters[index]];
}

/* ---------------------------------------------------------------- a charge */

static void refuse(struct limit_verdict *verdict, unsigned ask, const struct meter_rule *rule, int64_t wait_us)
{
    bool longer = verdict->retry_after_us >= 0 && (wait_us < 0 || wait_us > verdict->retry_after_us);
    if (verdict->refused && !longer)
        return;
    verdict->refused = true;
    verdict->ask = ask;
    verdict->unit = rule->unit;
    verdict->count = rule->burst > 0 ? rule->burst : rule->count;
    verdict->window_us = rule->window_us;
    verdict->retry_after_us = wait_us;
}

static int64_t amount_of(const struct meter *meter, int64_t tokens)
{
    return meter->unit == LIMIT_TOKENS ? tokens : 1;
}

/* Every record found, every meter asked. */
static void check(const struct limiter *limiter, struct charge *charges, unsigned count, int64_t tokens, int64_t now_us,
                  struct limit_verdict *verdict)
{
    static const struct meter_rule no_room = {LIMIT_REQUESTS, 0, 0, 0};
    for (unsigned i = 0; i < count; i++) {
        struct charge *charge = &charges[i];
        bool again = false;
        for (unsigned j = 0; j < i; j++)
            again |= charges[j].hash == charge->hash && slice_equals(charges[j].ask->name, charge->ask->name);
        if (again)
            continue;
        charge->record = (struct limit_record *)named_find(&shard_of(limiter, charge->hash)->records, charge->ask->name, charge->hash,
                                                           now_us, &charge->fresh);
        if (charge->record == NULL || !find_meters(charge, now_us)) {
            refuse(verdict, i, &no_room, US_PER_S);
            continue;
        }
        for (unsigned k = 0; k < charge->ask->rule->meter_count; k++) {
            struct meter *meter = meter_of(charge, k);
            int64_t wait_us = meter_wait_us(meter, amount_of(meter, tokens), now_us);
            if (wait_us != 0)
                refuse(verdict, i, &charge->ask->rule->meters[k], wait_us);
        }
    }
}

static void take(const struct charge *charge, int64_t tokens, int64_t now_us, struct limit_hold *hold)
{
    hold->record = charge->record;
    hold->meter_count = charge->ask->rule->meter_count;
    for (unsigned k = 0; k < hold->meter_count; k++) {
        struct meter *meter = meter_of(charge, k);
        hold->meters[k] = charge->meters[k];
        hold->slots[k] = meter_take(meter, amount_of(meter, tokens), now_us);
        meter->open++;
    }
}

/* Of a unit that several meters count, the one that leaves least is shown. */
static void show(const struct charge *charge, int64_t now_us, struct limit_verdict *verdict)
{
    for (unsigned k = 0; k < charge->ask->rule->meter_count; k++) {
        struct meter *meter = meter_of(charge, k);
        struct limit_facts facts = meter_facts(meter, now_us), *shown = &verdict->facts[meter->unit];
        if (shown->limit == 0 || facts.remaining < shown->remaining ||
            (facts.remaining == shown->remaining && facts.reset_us > shown->reset_us))
            *shown = facts;
    }
}

/* Nothing is taken. A request that is refused, or only looks, leaves no record behind: else a client that may ask for nothing could crowd out the
 * records of others by asking for ever new names. */
static void let_go(const struct limiter *limiter, struct charge *charge)
{
    struct named_table *records = &shard_of(limiter, charge->hash)->records;
    if (charge->fresh)
        named_forget(records, &charge->record->named);
    else
        named_release(records, &charge->record->named);
}

static void charge_locked(const struct limiter *limiter, struct charge *charges, unsigned count, int64_t tokens, int64_t now_us,
                          struct reservation *reservation, struct limit_verdict *verdict)
{
    check(limiter, charges, count, tokens, now_us, verdict);
    bool taken = reservation != NULL && !verdict->refused;
    for (unsigned i = 0; i < count; i++) {
        if (charges[i].record == NULL)
            continue;
        if (taken)
            take(&charges[i], tokens, now_us, &reservation->holds[reservation->count++]);
        if (charges[i].record->meter_count > 0)
            show(&charges[i], now_us, verdict);
        if (!taken)
            let_go(limiter, &charges[i]);
    }
}

/* The shards of all names, ascending, each once -> how many. */
static unsigned collect_shards(const struct limiter *limiter, const struct charge *charges, unsigned count,
                               struct shard *shards[LIMITS_MAX])
{
    unsigned used = 0;
    for (unsigned i = 0; i < count; i++) {
        struct shard *shard = shard_of(limiter, charges[i].hash);
        unsigned at = used;
        while (at > 0 && shards[at - 1] > shard)
            at--;
        if (at > 0 && shards[at - 1] == shard)
            continue;
        memmove(&shards[at + 1], &shards[at], (used - at) * sizeof(struct shard *));
        shards[at] = shard;
        used++;
    }
    return used;
}

bool limiter_charge(struct limiter *limiter, const struct limit_ask *asks, unsigned count, int64_t tokens, int64_t now_us,
                    struct reservation *reservation, struct limit_verdict *verdict)
{
    struct charge charges[LIMITS_MAX];
    struct shard *shards[LIMITS_MAX + 1];
    memset(verdict, 0, sizeof *verdict);
    tokens = tokens < 0 ? 0 : tokens < LIMIT_COUNT_MAX ? tokens : LIMIT_COUNT_MAX;
    for (unsigned i = 0; i < count; i++)
        charges[i] = (struct charge){.ask = &asks[i], .hash = hash_sip(limiter->key, asks[i].name)};
    unsigned shard_count = collect_shards(limiter, charges, count, shards);
    for (unsigned i = 0; i < shard_count; i++)
        pthread_mutex_lock(&shards[i]->lock);
    if (reservation != NULL)
        *reservation = (struct reservation){.tokens = tokens};
    charge_locked(limiter, charges, count, tokens, now_us, reservation, verdict);
    for (unsigned i = shard_count; i-- > 0;) {
        named_evict(&shards[i]->records, now_us, LOOKED_AT);
        pthread_mutex_unlock(&shards[i]->lock);
    }
    return !verdict->refused;
}

/* ---------------------------------------------------------------- the end of a reservation */

static void settle(struct limiter *limiter, struct reservation *reservation, int64_t requests, int64_t tokens, int64_t now_us)
{
    for (unsigned i = 0; i < reservation->count; i++) {
        struct limit_hold *hold = &reservation->holds[i];
        struct shard *shard = shard_of(limiter, hold->record->named.hash);
        pthread_mutex_lock(&shard->lock);
        for (unsigned k = 0; k < hold->meter_count; k++) {
            struct meter *meter = &hold->record->meters[hold->meters[k]];
            int64_t taken = amount_of(meter, reservation->tokens);
            int64_t real = meter->unit == LIMIT_TOKENS ? tokens : meter->unit == LIMIT_REQUESTS ? requests : 0;
            meter_true_up(meter, hold->slots[k], taken, real, now_us);
            meter->open--;
        }
        named_release(&shard->records, &hold->record->named);
        pthread_mutex_unlock(&shard->lock);
    }
    reservation->count = 0;
}

void limiter_settle(struct limiter *limiter, struct reservation *reservation, int64_t tokens, int64_t now_us)
{
    if (tokens < 0)
        tokens = reservation->tokens;
    settle(limiter, reservation, 1, tokens < LIMIT_COUNT_MAX ? tokens : LIMIT_COUNT_MAX, now_us);
}

void limiter_cancel(struct limiter *limiter, struct reservation *reservation, int64_t now_us)
{
    settle(limiter, reservation, 0, 0, now_us);
}

/* ---------------------------------------------------------------- the table */

struct limiter *limiter_new(size_t limit)
{
    struct limiter *limiter = xcalloc(1, sizeof *limiter);
    limiter->shard_count = limit < (size_t)SHARDS_MAX * SHARD_MIN ? 1 : SHARDS_MAX;
    limiter->shards = aligned_alloc(_Alignof(struct shard), limiter->shard_count * sizeof *limiter->shards);
    if (limiter->shards == NULL)
        memory_is_out();
    hash_random(limiter->key, sizeof limiter->key);
    for (unsigned i = 0; i < limiter->shard_count; i++) {
        named_init(&limiter->shards[i].records, &limit_records, limit / limiter->shard_count > 0 ? limit / limiter->shard_count : 1);
        pthread_mutex_init(&limiter->shards[i].lock, NULL);
    }
    return limiter;
}

void limiter_free(struct limiter *limiter)
{
    for (unsigned i = 0; limiter != NULL && i < limiter->shard_count; i++) {
        named_fini(&limiter->shards[i].records);
        pthread_mutex_destroy(&limiter->shards[i].lock);
    }
    if (limiter != NULL)
        free(limiter->shards);
    free(limiter);
}

void limiter_evict(struct limiter *limiter, int64_t now_us)
{
    for (unsigned i = 0; i < limiter->shard_count; i++) {
        struct shard *shard = &limiter->shards[i];
        pthread_mutex_lock(&shard->lock);
        named_evict(&shard->records, now_us, shard->records.count);
        pthread_mutex_unlock(&shard->lock);
    }
}

uint64_t limiter_evictions(struct limiter *limiter)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < limiter->shard_count; i++) {
        pthread_mutex_lock(&limiter->shards[i].lock);
        sum += limiter->shards[i].records.evictions;
        pthread_mutex_unlock(&limiter->shards[i].lock);
    }
    return sum;
}

size_t limiter_count(struct limiter *limiter)
{
    size_t sum = 0;
    for (unsigned i = 0; i < limiter->shard_count; i++) {
        pthread_mutex_lock(&limiter->shards[i].lock);
        sum += limiter->shards[i].records.count;
        pthread_mutex_unlock(&limiter->shards[i].lock);
    }
    return sum;
}
