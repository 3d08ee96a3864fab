/* failure.h -- the table of failures: every way in which a request can end badly, and what follows from it.
 *
 * One row per kind; everything else asks the table. The kinds of the first half come from providers and the network
 * (classes of the wire pack's errors table), those of the second half are the gateway's own refusals. The names are what policies see
 * as `failure.kind`, what logs and metrics say, and (for our own) the `code` of the error body.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FAILURE_H
#define BASE_FAILURE_H
#include "base/bytes.h"

/* What follows from a kind. */
enum {
    FAILURE_RETRY = 1,    /* the same target may do better a moment later */
    FAILURE_FALLBACK = 2, /* another target may do better: policy.recover is worth asking (it is asked in any case) */
    FAILURE_HEALTH = 4,   /* counts against the target's health and breaker */
    FAILURE_OURS = 8,     /* the gateway's own refusal: no target was involved */
};

/* row: id, name, status and type on OpenAI routes, default code there (NULL: the kind has none),
 * status and type on Anthropic routes, what follows */
/* clang-format off */
#define FAILURE_KINDS(row)                                                                                           \
    row(NONE, "none", 500, "server_error", NULL, 500, "api_error", 0)                                                \
    row(RATE_LIMITED, "rate_limited", 429, "rate_limit_error", "rate_limit_exceeded", 429, "rate_limit_error", FAILURE_RETRY | FAILURE_FALLBACK) \
    row(OVERLOADED, "overloaded", 503, "server_error", "overloaded", 529, "overloaded_error", FAILURE_RETRY | FAILURE_FALLBACK | FAILURE_HEALTH) \
    row(UNAVAILABLE, "unavailable", 502, "server_error", "upstream_error", 500, "api_error", FAILURE_RETRY | FAILURE_FALLBACK | FAILURE_HEALTH)  \
    row(TIMEOUT, "timeout", 504, "timeout_error", "upstream_timeout", 504, "timeout_error", FAILURE_RETRY | FAILURE_FALLBACK | FAILURE_HEALTH)  \
    row(AUTH, "auth", 401, "authentication_error", "invalid_api_key", 401, "authentication_error", FAILURE_FALLBACK) \
    row(QUOTA, "quota", 429, "insufficient_quota", "insufficient_quota", 429, "rate_limit_error", FAILURE_FALLBACK)  \
    row(INVALID_REQUEST, "invalid_request", 400, "invalid_request_error", NULL, 400, "invalid_request_error", 0)     \
    row(MODEL_NOT_FOUND, "model_not_found", 404, "invalid_request_error", "model_not_found", 404, "not_found_error", FAILURE_FALLBACK) \
    row(CONTEXT_LENGTH, "context_length", 400, "invalid_request_error", "context_length_exceeded", 400, "invalid_request_error", FAILURE_FALLBACK) \
    row(CONTENT_FILTER, "content_filter", 400, "invalid_request_error", "content_filter", 400, "invalid_request_error", FAILURE_FALLBACK) \
    row(CANCELED, "canceled", 499, "server_error", "client_closed", 499, "api_error", 0)                             \
    row(STARVED, "starved", 503, "server_error", "shedding", 529, "overloaded_error", FAILURE_RETRY | FAILURE_FALLBACK) /* we had no descriptor to ask it */ \
    /* the gateway's own */                                                                                           \
    row(BAD_JSON, "invalid_json", 400, "invalid_request_error", "invalid_json", 400, "invalid_request_error", FAILURE_OURS) \
    row(BAD_PARAMETER, "invalid_parameter", 400, "invalid_request_error", "invalid_parameter", 400, "invalid_request_error", FAILURE_OURS) \
    row(DUPLICATE_KEY, "duplicate_key", 400, "invalid_request_error", "duplicate_key", 400, "invalid_request_error", FAILURE_OURS) \
    row(UNSUPPORTED_PARAMETER, "unsupported_parameter", 400, "invalid_request_error", "unsupported_parameter", 400, "invalid_request_error", FAILURE_OURS) \
    row(NO_KEY, "invalid_api_key", 401, "authentication_error", "invalid_api_key", 401, "authentication_error", FAILURE_OURS) \
    row(MISSING_KEY, "missing_api_key", 401, "authentication_error", "missing_api_key", 401, "authentication_error", FAILURE_OURS) \
    row(KEY_EXPIRED, "key_expired", 401, "authentication_error", "key_expired", 401, "authentication_error", FAILURE_OURS) \
    row(BAD_ORIGIN, "origin_not_allowed", 403, "permission_error", "origin_not_allowed", 403, "permission_error", FAILURE_OURS) \
    row(BAD_HOST, "host_not_allowed", 403, "permission_error", "host_not_allowed", 403, "permission_error", FAILURE_OURS) \
    row(FORBIDDEN, "model_not_allowed", 403, "permission_error", "model_not_allowed", 403, "permission_error", FAILURE_OURS) \
    row(NO_ROUTE, "not_found", 404, "invalid_request_error", "not_found", 404, "not_found_error", FAILURE_OURS)       \
    row(NO_MODEL, "unknown_model", 404, "invalid_request_error", "model_not_found", 404, "not_found_error", FAILURE_OURS) \
    row(NO_THREAD, "thread_not_found", 404, "invalid_request_error", "thread_not_found", 404, "not_found_error", FAILURE_OURS) \
    row(BAD_METHOD, "method_not_allowed", 405, "invalid_request_error", "method_not_allowed", 405, "invalid_request_error", FAILURE_OURS) \
    row(TOO_LARGE, "request_too_large", 413, "invalid_request_error", "request_too_large", 413, "request_too_large", FAILURE_OURS) \
    row(BAD_MEDIA_TYPE, "unsupported_media_type", 415, "invalid_request_error", "unsupported_media_type", 415, "invalid_request_error", FAILURE_OURS) \
    row(LIMITED, "rate_limit_exceeded", 429, "rate_limit_error", "rate_limit_exceeded", 429, "rate_limit_error", FAILURE_OURS) \
    row(REFUSED, "refused_by_policy", 403, "permission_error", "refused_by_policy", 403, "permission_error", FAILURE_OURS) \
    row(POLICY_ERROR, "policy_error", 500, "server_error", "policy_error", 500, "api_error", FAILURE_OURS)            \
    row(POLICY_TIMEOUT, "policy_timeout", 500, "server_error", "policy_timeout", 500, "api_error", FAILURE_OURS)      \
    row(POLICY_MEMORY, "policy_memory", 500, "server_error", "policy_memory", 500, "api_error", FAILURE_OURS)         \
    row(POLICY_BAD_PLAN, "policy_bad_plan", 500, "server_error", "policy_bad_plan", 500, "api_error", FAILURE_OURS)   \
    row(POLICY_BAD_RESULT, "policy_bad_result", 500, "server_error", "policy_bad_result", 500, "api_error", FAILURE_OURS) \
    row(POLICY_UNKNOWN_TARGET, "policy_unknown_target", 500, "server_error", "policy_unknown_target", 500, "api_error", FAILURE_OURS) \
    row(POLICY_DISABLED, "policy_disabled", 500, "server_error", "policy_disabled", 500, "api_error", FAILURE_OURS)   \
    row(POLICY_INPUT, "request_too_large_for_policy", 413, "invalid_request_error", "request_too_large_for_policy", 413, "request_too_large", FAILURE_OURS) \
    row(NO_TARGET, "no_fit_target", 503, "server_error", "no_fit_target", 503, "overloaded_error", FAILURE_OURS)      \
    row(UNFIT, "no_able_target", 400, "invalid_request_error", "no_able_target", 400, "invalid_request_error", FAILURE_OURS) \
    row(SHEDDING, "shedding", 503, "server_error", "shedding", 529, "overloaded_error", FAILURE_OURS)                 \
    row(DRAINING, "draining", 503, "server_error", "draining", 529, "overloaded_error", FAILURE_OURS)                 \
    row(INTERNAL, "internal_error", 500, "server_error", "internal_error", 500, "api_error", FAILURE_OURS)
/* clang-format on */

#define FAILURE_ENUM(id, ...) FAILURE_##id,
enum failure_kind { FAILURE_KINDS(FAILURE_ENUM) FAILURE_COUNT };
#undef FAILURE_ENUM

/* Where in an attempt it happened. */
enum phase { PHASE_NONE, PHASE_CONNECT, PHASE_TLS, PHASE_SEND, PHASE_HEADERS, PHASE_FIRST_TOKEN, PHASE_BODY, PHASE_STREAM, PHASE_COUNT };

/* What the provider may already have done for us. */
enum sent {
    SENT_NOT,       /* "not_sent": no byte of the request left, or the provider cannot have read it whole */
    SENT_REFUSED,   /* "refused": the provider answered that it did not do it */
    SENT_UNCERTAIN, /* "uncertain": it was sent whole and no answer came: it may have been done and billed */
    SENT_CONTENT,   /* "content_started": content arrived */
};

/* The six deadlines. Each names itself in the error. */
enum deadline {
    DEADLINE_NONE,
    DEADLINE_CONNECT,
    DEADLINE_TLS,
    DEADLINE_HEADERS,
    DEADLINE_FIRST_TOKEN,
    DEADLINE_IDLE,
    DEADLINE_TOTAL,
    DEADLINE_COUNT
};

struct failure {
    enum failure_kind kind;
    enum phase phase;
    enum sent sent;
    enum deadline deadline;    /* when kind is TIMEOUT and the deadline was ours */
    int status;                /* the provider's HTTP status, 0 when there was none; for REFUSED the policy's */
    int64_t retry_after_us;    /* -1: no hint */
    bool other_key;            /* it was this key's, and the provider has another one */
    struct slice message;      /* UTF-8, safe to show: cleaned of secrets, at most FAILURE_MESSAGE_MAX bytes */
    struct slice code;         /* the provider's or the policy's code, empty: the row's default */
    struct slice param;        /* the parameter the message is about, or empty */
    struct slice details_json; /* Anthropic's `error.details`, what it says to programs: an object as it stood there, or empty */
};

enum { FAILURE_MESSAGE_MAX = 2048 };

struct failure_row {
    const char *name;
    int openai_status;
    const char *openai_type, *openai_code;
    int anthropic_status;
    const char *anthropic_type;
    unsigned follows;
};

/* All pure; any thread; static storage. */
const struct failure_row *failure_row(enum failure_kind kind);
/* The row whose types it is shown with: its own, but a policy's refusal has those that belong to its status. */
const struct failure_row *failure_type_row(const struct failure *failure);
bool failure_kind_of(struct slice name, enum failure_kind *kind); /* by row name */
const char *phase_name(enum phase phase);                         /* "connect" ... */
const char *sent_name(enum sent sent);                            /* "not_sent" ... */
const char *deadline_name(enum deadline deadline);                /* "connect" "tls" "headers" "first_token" "idle" "total" */
/* A failure with its kind and message set, no retry hint, everything else zero. */
/* Memory is short: to come again in a second. */
struct failure failure_shed(void);
struct failure failure_make(enum failure_kind kind, struct slice message);
#endif
