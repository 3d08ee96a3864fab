/* request.h -- one request from its head to its log line: what is known of it, its walk, its attempts, its answer.
 *
 *   queued ─► connecting ─► sent ─► headers ─► first content ─► streaming ─► end ─► settled
 *      │          │           │        │             │              │
 *      └──────────┴───────────┴────────┴─────────────┴──── client gone: cancel upstream, settle
 *
 * The pipeline (lua/gateway/pipeline.lua) decides when. It calls request_identify (identify.h), limits_charge (limits.h), request_wait (waiting.h) and, again
 * after each ask, request_walk (walker.h); or request_refuse. A request lives in its worker's thread (life.h).
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_REQUEST_H
#define GATEWAY_REQUEST_H
#include "base/sse.h"
#include "config/config.h"
#include "gateway/route.h"
#include "routing/wait_queue.h"
#include "net/server.h"
#include "net/upstream.h"

struct worker;

/* Bytes buffered for a slow client: reading from the provider stops above the first, and goes on below the second. */
enum { STREAM_HIGH = 256 * 1024, STREAM_LOW = 64 * 1024 };

enum { REQUEST_ARENA_MAX = 8 * 1024 * 1024, REQUEST_ID_MAX = 128, BYTES_PER_TOKEN = 4 };

/* Why a target cannot serve this request. Just now: "breaker" "check" "cooldown" "warming" "limit" "token"; at all: "tools" "vision" "json_schema"
 * "reasoning" "audio" "document" "embeddings" "chat" "context" "provider" "key". */
struct unfit {
    struct target *target;
    const char *reason;
    bool permanent; /* waiting does not help */
};

enum cause { CAUSE_OK, CAUSE_CLIENT_CLOSED, CAUSE_LIMITED, CAUSE_REFUSED, CAUSE_FAILED, CAUSE_POLICY };
const char *cause_name(enum cause cause); /* "ok" "client_closed" "limited" "refused" "failed" "policy" */

struct request_limits; /* what admit charged it (limits.h) */
struct held_capacity;  /* taken for an attempt to come (capacity.h) */
struct attempt;        /* one try at one target: its call, its reader (attempt.h) */

struct request {
    struct worker *worker;
    struct exchange *exchange; /* NULL once closed */
    const struct route *route;
    struct local_generation *local; /* the generation it began with, as its worker sees it */
    struct config *config;          /* of that generation */
    struct arena arena;

    char id[33];                    /* ours: 32 hex digits, NUL */
    struct slice client_request_id; /* the caller's, when it is valid; else empty */
    struct slice client_address;    /* once it was asked for */
    struct slice trace_id;          /* 32 hex digits: the caller's traceparent, else ours */
    struct slice body;              /* empty once it was let go of */
    int64_t began_us, began_wall_us;
    const char *step; /* of the pipeline: "identify" "admit" "route" "attempt" */

    /* identify */
    const struct user *user; /* NULL: anonymous of tier "default". Also of a key that has expired: then it is refused */
    bool is_admin;           /* it came with the admin's key */
    struct facts facts;
    struct slice model_name; /* plain */
    const struct model *model;
    struct holds holds;                /* of the targets that were made for it */
    int64_t time_us;                   /* the caller's own deadline, x-request-timeout-ms; 0: the config's alone */
    struct slice strategy, preference; /* asked for by the client (plain), else the config's strategy / empty */
    bool fallback, replayable;
    struct model_stats *stats;
    uint64_t turn;
    double random;                       /* 0..1, drawn once */
    int64_t input_tokens, output_tokens; /* estimate; the answer as it is reserved */
    int64_t expected_tokens;             /* the expected answer, by recent answers of this model */
    struct target **targets;             /* candidates that can serve it, in config order */
    unsigned target_count;
    struct unfit *unfits;
    unsigned unfit_count;
    int64_t capacity_in_us; /* every candidate is out of capacity: in how long the first has some again; else -1 */

    /* admit */
    struct request_limits *limits; /* in the arena; NULL: none was named */

    /* route */
    struct wait_entry wait;
    int64_t waited_us;          /* in line for capacity, so far; 0: it never waited */
    bool wait_over;             /* its wait ended without capacity */
    struct held_capacity *held; /* in the arena */

    /* attempt */
    struct walk walk;
    bool walk_begun;
    const struct failure *ask; /* set while the walk waits for recover's answer */
    struct attempt *attempts[WALK_ATTEMPTS_MAX];
    struct attempt *winner;
    struct timer timer;
    void (*drain)(struct request *request); /* carries out what the walk wants (walker.c); the request may be gone when it returns */

    /* answer */
    bool answered;     /* a status went out, or the client is gone */
    bool over;         /* nothing more will happen: settle and record may run */
    bool streaming;    /* the streamed answer has begun */
    bool gone;         /* the client left */
    struct buffer out; /* the body of an answer of our own */
    int status;
    enum cause cause;
    struct failure failure; /* when cause is not OK */
    const struct target *served;
    struct usage usage;
    enum finish finish;
    int64_t cost_pico;                  /* -1 unpriced */
    int64_t first_content_us, ended_us; /* monotonic; 0 not reached */
    int64_t overhead_us;                /* duration less the time in which attempts waited for a provider */
    struct slice policy_label;          /* "default@3", for X-Policy; NUL-terminated */
    const struct chat *chat;            /* the request in neutral form, once an attempt needed it */
    struct slice dropped;               /* parameters that were left out, for the header */
    struct slice labels_json;           /* what settle returned: ,"name":value members */

    /* the script's */
    void *script_state; /* the pipeline's run, with its coroutine; NULL: none */

    bool in_script, wants_resume; /* it is running; it must be resumed when it returns */
    bool released;                /* request_release was called while it was running */

    /* POST /admin/reload */
    struct request *next; /* in its worker's list of those that wait for a reload */
    uint64_t reload_ticket;
    bool waits_for_reload;
};

/* ---- in the worker's thread */

/* Its body is above 64 KB, and is freed when no attempt can need it any more (body.h). */
bool request_is_large(const struct request *request);
/* Whether its model has attempts and hedges to spare now (shared/model_stats.h). */
void request_look_at_stats(const struct request *request, struct walk_settings *settings);
/* Reports an event of an attempt to the walk, without draining it. */
void request_event(struct request *request, const struct walk_event *event);
/* The tokens that rate limits reserve: the most it may use, as far as that is known before the answer. */
int64_t request_tokens_wanted(const struct request *request);
int64_t request_cost_pico(const struct request *request, const struct target *target); /* of the estimate; -1 unpriced */
int64_t request_usage_pico(const struct request *request); /* what was used, at the target that served; -1 unpriced or unknown */
#endif
