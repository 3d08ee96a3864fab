/* config.h -- the config (gateway.lua) in the form that the runtime needs. Built once per generation, then read-only (but for ad hoc targets).
 *
 * lua/config.c fills it from the table that lua/gateway/config.lua checked; everything lives in the config's own arena and dies with
 * the generation. Durations are microseconds, sizes bytes, money pico-dollars per token.
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H
#include "base/address.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "routing/walk.h"
#include "providers/wire.h"
#include "shared/health.h"
#include "shared/key_states.h"
#include "shared/limiter.h"
#include "shared/keyring.h"
#include "shared/model_stats.h"
#include "shared/access_tokens.h"
#include <pthread.h>

enum { TARGETS_MAX = 4096, MADE_NAME_MAX = 402, CHECK_STATUSES_MAX = 16 };

/* The health check of a provider (keeper.h). */
struct check {
    struct slice path; /* the whole one: "/v1/models" */
    struct slice head; /* the whole request, made once */
    int64_t every_us, timeout_us;
    unsigned fall, rise;
    int64_t statuses[CHECK_STATUSES_MAX]; /* that are good, as far as the first 0; none: 200..299 */
    atomic_bool down;                     /* set by the keeper */
};

/* A leaderboard that is fetched (keeper.h). */
struct board {
    struct slice url, origin; /* url empty: there is none */
    struct slice head;        /* the whole request */
    int64_t every_us;
};

/* What a model of the catalog is for. */
enum makes { MAKES_ANYTHING, MAKES_TEXT, MAKES_VECTORS };

/* One model at one provider. */
struct target {
    struct slice name; /* "openai/gpt-4o" */
    struct provider *provider;
    struct model_facts model; /* id at the provider, max_output, capabilities */
    double weight, quality, leaderboard, max_temperature;
    int64_t priority, context; /* context 0: unknown */
    enum makes makes;
    int64_t price[PRICE_LIST];          /* pico-dollars per token; -1: unpriced */
    int64_t timeout_us, first_token_us; /* 0: the config's */
    struct health *health;              /* a reference of the generation's; NULL when the table is full */
    struct slice head_json,
        head_stream;            /* the head of a conversation up to "X-Request-ID: ", made once: request line, Host, static headers, auth */
    bool head_has_auth;         /* false: auth comes with each request, so those are of no use */
    struct limit_ask limits[2]; /* the provider's and its own; what capacity.c asks */
    unsigned limit_count;
    unsigned index;    /* in config->targets */
    unsigned serial;   /* of one that was made: how often its place was taken */
    atomic_uint holds; /* of one that was made: by requests */
};

struct made_table;

/* The on-demand targets that a request uses: none of them is replaced before config_release. Zeroed but for the arena: none. */
struct holds {
    struct arena *arena;
    struct target **list;
    unsigned count;
    bool only_looks; /* makes nothing: what would be made is described in the arena, to be read only */
};

/* A name a client may ask for. */
struct model {
    struct slice name;
    struct target **targets;
    unsigned target_count;
    struct slice *off; /* names of its targets whose provider is off */
    unsigned off_count;
    bool from_catalog;         /* named by the catalog, not by the config */
    struct model_stats *stats; /* shared by name; NULL: it is not listed */
};

struct provider_status {        /* providers that are off, for the start message and /health */
    struct slice name, why_off; /* why_off empty: on */
};

struct provider_times {
    int64_t timeout_us, first_token_us; /* 0: the config's */
};

struct config {
    struct arena arena;
    struct slice path, directory; /* of gateway.lua */

    struct slice listen_host; /* "127.0.0.1" */
    int listen_port;
    bool listen_is_loopback; /* once the gateway listens: of the listener that is open */
    unsigned workers;        /* 0: one per core */
    bool open;

    struct provider *providers;
    unsigned provider_count;
    struct limit_rule **provider_limits;   /* by provider->index; NULL: none */
    struct provider_times *provider_times; /* by provider->index: what its targets have that do not say otherwise */
    struct check **checks;                 /* by provider->index; NULL: none */
    struct board board;
    struct key_state ***key_pools; /* by provider->index: how each of its keys is doing; bound by generation.c */
    struct access_token *
        *access_tokens; /* by provider->index: what it is sent, where it has a credential; else NULL. References of the generation's */
    struct provider_status *statuses;
    unsigned status_count;
    struct slice listen_place; /* where the config says so: "gateway.lua:3: listen" */
    struct slice *remarks;     /* valid settings that look like mistakes, each a line with its place */
    unsigned remark_count;
    bool wants_mock; /* a provider is the embedded mock: it has no origin before the mock runs */

    struct target **targets; /* TARGETS_MAX of them */
    atomic_uint target_count;
    unsigned listed_target_count;           /* those of the config and the catalog; the rest was made on demand */
    pthread_mutex_t ad_hoc_lock;            /* guards on-demand targets: without a hold on one, read it under this lock only */
    _Atomic(struct target *) *target_slots; /* the listed ones by hash of the name */
    struct made_table *made;                /* the others (made.c) */
    uint8_t hash_key[16];
    struct model *models; /* sorted by name: what /v1/models lists, then bare names of the catalog */
    unsigned model_count;

    struct user *users;
    unsigned user_count;
    struct keyring *keyring;
    bool has_admin_key;
    uint8_t admin_digest[SHA256_BYTES];

    struct walk_settings walk; /* attempts, replay_uncertain, the six deadlines, back-off */
    struct health_settings health;
    size_t body_limit;
    size_t memory_limit;   /* what the process may hold; 0: not said */
    struct memory *memory; /* the account for the scripts of this generation; NULL: none */
    int64_t drain_us, drain_delay_us;
    enum log_level log_level;
    enum log_format log_format;
    bool log_bodies;            /* accepted; nothing reads it yet */
    struct slice *cors_origins; /* without "*" and default ports */
    unsigned cors_count;
    bool cors_any;       /* "*": all but "null" */
    struct slice *hosts; /* names that a loopback listener without keys answers to, beside its own: `hosts` and those of `cors.origins` */
    unsigned host_count;
    struct network *proxies; /* proxies whose X-Forwarded-For is trusted */
    unsigned proxy_count;

    struct slice strategy;    /* default for request.strategy */
    struct slice policy_name; /* "default": for X-Policy */
    struct slice policy_file; /* "policies/default.lua"; empty: the built-in policy */
};

MUST_USE struct config *config_new(void);
/* A new target with plain facts: everything allowed, nothing priced. NULL when there are TARGETS_MAX. The caller calls
 * config_write_heads once its facts stand. Two may have one name (other facts in another list of `models`): config_target finds
 * the first. While loading only. */
MUST_USE struct target *config_add_target(struct config *config, struct provider *provider, struct slice model);
MUST_USE bool config_write_heads(struct config *config, struct target *target);
/* Adds a limit that is counted under `kind`:`name`. The rule lives with the config. */
void config_limit_target(struct config *config, struct target *target, const char *kind, struct slice name, const struct limit_rule *rule);
/* The path of a request to it, and its head up to the auth. */
void target_write_path(const struct target *target, const struct wire *wire, enum operation operation, bool stream, struct buffer *out);
void target_write_head(const struct target *target, const struct wire *wire, struct slice path, bool stream, struct buffer *out);
/* Makes the requests that the keeper sends. False: the arena is full. */
MUST_USE bool config_write_check(struct config *config, const struct provider *provider, struct check *check);
MUST_USE bool config_write_board(struct config *config, struct slice path);
/* Sorts the models and fixes what is listed: the end of loading. */
void config_seal(struct config *config);
/* Frees the on-demand targets: while loading only, after their health references were released. */
void config_forget_ad_hoc(struct config *config);
/* Frees targets, keyring and arena, after health references were released. */
void config_free(struct config *config);
/* The model a client asked for. Order: `models`, provider/model of a provider that is on (made ad hoc, bounded by TARGETS_MAX),
 * a bare name of the catalog. "auto": every listed target. NULL: unknown. Any thread. */
const struct model *config_model(struct config *config, struct slice name, struct arena *arena, struct holds *holds);
/* Up to `max` names nearest to `name` by edit distance, for the 404, of those that `user` (NULL: any) may use. Returns the count. */
unsigned config_nearest(const struct config *config, const struct user *user, struct slice name, struct slice *names, unsigned max);
/* May this user (NULL: any) know of the provider: does a model or name that its key may use lead there? Walks all models, so use it for refusals only. */
bool config_may_name(const struct config *config, const struct user *user, const struct provider *provider);
/* A target by its name, or NULL. */
struct target *config_target(const struct config *config, struct slice name);
/* The same; a target of a provider that is on is made on demand, and held. `holds` NULL: it is valid until the next is made. Any thread. */
struct target *config_named_target(struct config *config, struct slice name, struct holds *holds);
void config_release(struct holds *holds);
/* Is it listed, or held? Otherwise it may have been replaced by another target. */
bool config_holds(const struct config *config, const struct holds *holds, const struct target *target);
struct provider *config_provider(const struct config *config, struct slice name);
#endif
