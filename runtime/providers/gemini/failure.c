/* failure.c -- refusals of Google's APIs: {"error": {"code", "message", "status", "details"}}, alone or in a list of one.
 *
 * The canonical status says more than HTTP's: a proxy may have changed that, and 429 means a minute's limit or a day's, which only the details tell. Its words
 * are not read for that: "exceeded your current quota, please check your plan and billing" is said of both.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "providers/gemini/gemini.h"

struct slice gemini_error_of(struct slice body)
{
    struct json json;
    struct slice text = slice_trim(body), first = SLICE_NONE;
    if (text.len > 0 && text.ptr[0] == '[') {
        json_init(&json, text, JSON_DEPTH_MAX);
        if (!json_array(&json) || !json_element(&json) || !json_skip(&json, &first))
            return SLICE_NONE;
        text = first;
    }
    struct slice error = text.len > 0 && text.ptr[0] == '{' ? json_find(text, "error") : SLICE_NONE;
    return slice_equals(error, LIT("null")) ? SLICE_NONE : error;
}

/* The details worth knowing: google.rpc.RetryInfo, QuotaFailure, ErrorInfo. */
struct details {
    int64_t retry_after_us;
    bool per_day, bad_key;
};

/* "22.5s" */
static int64_t delay_of(struct slice text)
{
    double seconds;
    if (text.len < 2 || text.ptr[text.len - 1] != 's')
        return -1;
    text.len--;
    return json_to_double(text, &seconds) && seconds >= 0 && seconds < 1e9 ? retry_hint_us(seconds) : -1;
}

static bool any_per_day(struct slice violations)
{
    struct json json = json_list(violations);
    struct slice one;
    while (json_next(&json, &one))
        if (slice_find(json_find_string(one, "quotaId"), LIT("PerDay")) != NULL)
            return true;
    return false;
}

static struct details details_of(struct slice error)
{
    struct details details = {-1, false, false};
    struct json json = json_list(json_find(error, "details"));
    struct slice one;
    while (json_next(&json, &one)) {
        if (one.ptr[0] != '{')
            continue;
        struct slice delay = json_find_string(one, "retryDelay");
        if (delay.len > 0 && details.retry_after_us < 0)
            details.retry_after_us = delay_of(delay);
        details.per_day |= any_per_day(json_find(one, "violations"));
        details.bad_key |= slice_equals(json_find_string(one, "reason"), LIT("API_KEY_INVALID"));
    }
    return details;
}

/* google.rpc.Code by name, as far as it says more than words do. FAILURE_NONE: the words decide. */
static enum failure_kind kind_of(struct slice status, const struct details *details)
{
    static const struct {
        struct slice status;
        enum failure_kind kind;
    } known[] = {
        {LIT("FAILED_PRECONDITION"), FAILURE_AUTH}, /* the region or the bill */
        {LIT("UNAUTHENTICATED"), FAILURE_AUTH},     {LIT("PERMISSION_DENIED"), FAILURE_AUTH}, {LIT("NOT_FOUND"), FAILURE_MODEL_NOT_FOUND},
        {LIT("CANCELLED"), FAILURE_CANCELED},       {LIT("UNAVAILABLE"), FAILURE_OVERLOADED}, {LIT("DEADLINE_EXCEEDED"), FAILURE_TIMEOUT},
    };
    if (json_raw_equals(status, LIT("RESOURCE_EXHAUSTED")))
        return details->per_day ? FAILURE_QUOTA : FAILURE_RATE_LIMITED;
    if (details->bad_key)
        return FAILURE_AUTH;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (json_raw_equals(status, known[i].status))
            return known[i].kind;
    return FAILURE_NONE;
}

struct failure gemini_read_failure(const struct error_answer *error_answer)
{
    struct slice error = gemini_error_of(error_answer->body), message;
    struct details details = details_of(error);
    struct arena *arena = error_answer->arena;
    int status = error_answer->status;
    int64_t code = 0;
    /* out of its list, so that its message is found */
    if (error.len > 0)
        message = failure_message(arena_printf(arena, "{\"error\":%.*s}", (int)(error.len < INT32_MAX ? error.len : INT32_MAX), error.ptr),
                                  status, arena);
    else
        message = failure_message(error_answer->body, status, arena);
    enum failure_kind kind = kind_of(json_find_string(error, "status"), &details);
    if (kind == FAILURE_NONE && json_to_count(json_find(error, "code"), &code) && code == 429)
        kind = details.per_day ? FAILURE_QUOTA : FAILURE_RATE_LIMITED;
    if (kind == FAILURE_NONE)
        kind = failure_classify(status, SLICE_NONE, message);
    struct failure failure = failure_of(error_answer, kind, message);
    if (failure.retry_after_us < 0)
        failure.retry_after_us = details.retry_after_us;
    return failure;
}
