/* errors.c -- what a provider's refusal means: its class, when to come back, and its words made safe to show.
 *
 * The order is: status first, then code and text, because providers disagree on statuses more than on words. Digits in the text of a
 * 4xx are never trusted: prompts get echoed there.
 * SPDX-License-Identifier: MIT */
#include "providers/provider.h"
#include "base/clock.h"
#include <math.h>
#include <time.h>

/* ---------------------------------------------------------------- classes */

static enum failure_kind class_of_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return FAILURE_AUTH;
    case 402:
        return FAILURE_QUOTA;
    case 404:
        return FAILURE_MODEL_NOT_FOUND;
    case 408:
    case 504:
    case 524:
        return FAILURE_TIMEOUT;
    case 429:
        return FAILURE_RATE_LIMITED;
    case 498: /* Groq: flex capacity */
    case 529:
        return FAILURE_OVERLOADED;
    case 499:
        return FAILURE_CANCELED;
    default:
        return status >= 400 && status < 500 ? FAILURE_INVALID_REQUEST : FAILURE_UNAVAILABLE;
    }
}

/* Words and what they mean; first match wins. `statuses`: where the words are believed. */
enum { ON_4XX = 1, ON_5XX = 2, ON_LIMIT = 4 /* 429 402 403 400 */, ANYWHERE = 7 };

static const struct {
    enum failure_kind kind;
    unsigned where;
    const char *words;
} meanings[] = {
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "context_length_exceeded"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum context length"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum context limit"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "exceed context limit"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "prompt is too long"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "input is too long"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "too many input tokens"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "expected maxlength"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "exceeds the maximum number of tokens"},
    {FAILURE_CONTEXT_LENGTH, ON_4XX, "too many tokens"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "too large for model with"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "longer than the model's context"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "`inputs` tokens + `max_new_tokens`"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "reduce the length of the messages"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum prompt length is"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "exceeds the available context size"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum input length is"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "input tokens exceed the configured limit"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "content_filter"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "responsibleaipolicyviolation"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "content management policy"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "content_policy_violation"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "rejected as a result of our safety system"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "violating our usage policy"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "violates usage guidelines"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "output blocked by content filtering"},
    {FAILURE_CONTENT_FILTER, ON_4XX, "flagged by moderation"},
    {FAILURE_QUOTA, ON_LIMIT, "insufficient_quota"},
    {FAILURE_QUOTA, ON_LIMIT, "exceeded your current quota, please check your plan"},
    {FAILURE_QUOTA, ON_LIMIT, "insufficient balance"},
    {FAILURE_QUOTA, ON_LIMIT, "credit balance is too low"},
    {FAILURE_QUOTA, ON_LIMIT, "spend limit"},
    {FAILURE_RATE_LIMITED, ON_4XX, "tokens per minute"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "throttlingexception"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "resource_exhausted"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "rate_limit_exceeded"},
    {FAILURE_RATE_LIMITED, ON_4XX, "too many requests"},
    {FAILURE_RATE_LIMITED, ON_4XX, "service tier capacity exceeded"},
    {FAILURE_AUTH, ON_4XX, "api key not valid"},
    {FAILURE_AUTH, ON_4XX, "api_key_invalid"},
    {FAILURE_AUTH, ON_4XX, "incorrect api key"},
    {FAILURE_AUTH, ON_4XX, "invalid x-api-key"},
    {FAILURE_AUTH, ON_4XX, "unrecognizedclientexception"},
    {FAILURE_AUTH, ON_4XX, "security token included in the request is invalid"},
    {FAILURE_AUTH, ON_4XX, "expiredtoken"},
    {FAILURE_AUTH, ON_4XX, "signaturedoesnotmatch"},
    {FAILURE_AUTH, ON_4XX, "invalidsignatureexception"},
    {FAILURE_OVERLOADED, ON_5XX | ON_LIMIT, "overloaded"},
    {FAILURE_OVERLOADED, ON_5XX | ON_LIMIT, "high demand"},
    {FAILURE_OVERLOADED, ON_5XX | ON_LIMIT, "nocapacity"},
    {FAILURE_OVERLOADED, ON_5XX | ON_LIMIT, "capacity_exceeded"},
    {FAILURE_OVERLOADED, ON_5XX, "server busy"},
    {FAILURE_OVERLOADED, ANYWHERE, "modelnotreadyexception"},
    {FAILURE_MODEL_NOT_FOUND, ON_4XX, "model_not_found"},
    {FAILURE_MODEL_NOT_FOUND, ON_4XX, "not found, try pulling it first"},
    {FAILURE_MODEL_NOT_FOUND, ON_4XX, "is not found for api version"},
    {FAILURE_MODEL_NOT_FOUND, ON_4XX, "on-demand throughput isn"},
    {FAILURE_MODEL_NOT_FOUND, ON_4XX, "deploymentnotfound"},
};

static char lower(char byte)
{
    return byte >= 'A' && byte <= 'Z' ? (char)(byte | 0x20) : byte;
}

/* `words` are lower case. */
static bool says(struct slice text, const char *words)
{
    size_t len = strlen(words);
    for (size_t i = 0; i + len <= text.len; i++) {
        size_t k = 0;
        while (k < len && lower(text.ptr[i + k]) == words[k])
            k++;
        if (k == len)
            return true;
    }
    return false;
}

static unsigned where_of(int status)
{
    unsigned where = 0;
    if (status == 0 || (status >= 400 && status < 500))
        where |= ON_4XX;
    if (status == 0 || status >= 500)
        where |= ON_5XX;
    if (status == 0 || status == 429 || status == 402 || status == 403 || status == 400)
        where |= ON_LIMIT;
    return where;
}

enum failure_kind failure_classify(int status, struct slice code, struct slice text)
{
    unsigned where = where_of(status);
    if (status == 401 || status == 499)
        return class_of_status(status);
    if (says(code, "string_above_max_length")) /* one field is too long, not the conversation */
        return class_of_status(status);
    for (unsigned i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        if (!(meanings[i].where & where) || !(says(code, meanings[i].words) || says(text, meanings[i].words)))
            continue;
        if (meanings[i].kind == FAILURE_CONTEXT_LENGTH && status != 0 && status != 400 && status != 413 && status != 422 && status != 500)
            continue;
        return meanings[i].kind;
    }
    return status == 0 ? FAILURE_UNAVAILABLE : class_of_status(status);
}

/* ---------------------------------------------------------------- when to come back */

/* What is further away is this far away: a hint is for waiting. */
enum { HINT_MAX_S = 31 * 86400 };

/* Floats of seconds, or a Go duration: "7", "7.66s", "6m0s", "1h2m3s", "120ms". -1: neither. */
static int64_t parse_duration(struct slice text)
{
    double total = 0;
    size_t at = 0;
    while (at < text.len) {
        size_t from = at;
        double number;
        while (at < text.len && ((text.ptr[at] >= '0' && text.ptr[at] <= '9') || text.ptr[at] == '.'))
            at++;
        if (!json_to_double((struct slice){text.ptr + from, at - from}, &number))
            return -1;
        struct slice unit = {text.ptr + at, 0};
        while (at < text.len && text.ptr[at] >= 'a' && text.ptr[at] <= 'z')
            at++;
        unit.len = (size_t)(text.ptr + at - unit.ptr);
        if (slice_equals(unit, LIT("ms")))
            total += number / 1000;
        else if (unit.len == 0 || slice_equals(unit, LIT("s")))
            total += number;
        else if (slice_equals(unit, LIT("m")))
            total += number * 60;
        else if (slice_equals(unit, LIT("h")))
            total += number * 3600;
        else
            return -1;
    }
    if (text.len == 0 || !isfinite(total))
        return -1;
    return total > HINT_MAX_S ? HINT_MAX_S * US_PER_S : (int64_t)(total * (double)US_PER_S);
}

static int64_t until(int64_t when_us, int64_t wall_us)
{
    int64_t left = when_us - wall_us;
    return left < 0 ? 0 : left > HINT_MAX_S * US_PER_S ? HINT_MAX_S * US_PER_S : left;
}

/* An HTTP-date (RFC 9110 5.6.7) or RFC 3339; -1: neither. A time that has passed is 0. */
static int64_t parse_date(struct slice text, int64_t wall_us)
{
    char copy[64];
    struct tm tm = {0};
    if (text.len >= sizeof copy)
        return -1;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    const char *end = strptime(copy, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != '\0') {
        memset(&tm, 0, sizeof tm);
        end = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
        if (end == NULL || (*end != 'Z' && *end != '.' && strncmp(end, "+00:00", 6) != 0))
            return -1;
    }
    return until((int64_t)timegm(&tm) * US_PER_S, wall_us);
}

static int64_t parse_when(struct slice text, int64_t wall_us)
{
    int64_t us = parse_duration(text);
    return us >= 0 ? us : parse_date(text, wall_us);
}

/* When a limit is free again: like Retry-After, but a number as large as the seconds (or milliseconds) since 1970 is just that. */
static int64_t parse_reset(struct slice text, int64_t wall_us)
{
    const int64_t epoch_s = 1000000000;
    int64_t number;
    if (!slice_to_int(text, &number) || number < epoch_s || number >= epoch_s * US_PER_S)
        return parse_when(text, wall_us);
    return until(number >= epoch_s * 1000 ? number * US_PER_MS : number * US_PER_S, wall_us);
}

int64_t retry_after_us(struct slice (*header)(void *head, struct slice name), void *head, int64_t wall_us)
{
    static const struct {
        struct slice remaining, reset;
    } limits[] = {
        {LIT("anthropic-ratelimit-requests-remaining"), LIT("anthropic-ratelimit-requests-reset")},
        {LIT("anthropic-ratelimit-tokens-remaining"), LIT("anthropic-ratelimit-tokens-reset")},
        {LIT("x-ratelimit-remaining-requests"), LIT("x-ratelimit-reset-requests")},
        {LIT("x-ratelimit-remaining-tokens"), LIT("x-ratelimit-reset-tokens")},
        {LIT("x-ratelimit-remaining"), LIT("x-ratelimit-reset")}, /* COMPAT(openrouter, 2026-08) */
    };
    double ms;
    struct slice text = header(head, LIT("retry-after-ms"));
    if (text.len > 0 && json_to_double(text, &ms) && ms >= 0)
        return ms > 1e3 * HINT_MAX_S ? HINT_MAX_S * US_PER_S : (int64_t)(ms * (double)US_PER_MS);
    text = header(head, LIT("retry-after"));
    if (text.len > 0)
        return parse_when(slice_trim(text), wall_us);
    int64_t longest = -1; /* the limit that frees last is the one that holds us */
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (!slice_equals(slice_trim(header(head, limits[i].remaining)), LIT("0")))
            continue;
        text = header(head, limits[i].reset);
        int64_t us = text.len == 0 ? -1 : parse_reset(slice_trim(text), wall_us);
        if (us > longest)
            longest = us;
    }
    return longest;
}

/* COMPAT(azure, 2026-08): "Please retry after 6 seconds." where no header says so. */
int64_t retry_after_said(struct slice message)
{
    const char *at = slice_find(message, LIT("retry after ")), *end = message.ptr + message.len;
    struct slice digits = {at == NULL ? end : at + sizeof "retry after " - 1, 0};
    int64_t seconds;
    while (digits.ptr + digits.len < end && digits.ptr[digits.len] >= '0' && digits.ptr[digits.len] <= '9')
        digits.len++;
    struct slice rest = {digits.ptr + digits.len, (size_t)(end - digits.ptr) - digits.len};
    if (!slice_to_int(digits, &seconds) || seconds > 86400 || !slice_starts_with(rest, LIT(" second")))
        return -1;
    return seconds * US_PER_S;
}

/* ---------------------------------------------------------------- words that are safe to show */

static bool is_key_byte(char byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-' || byte == '_' ||
           byte == '.';
}

/* A run of bytes that keys are made of: long, with digits and letters, or with a prefix that keys have. */
static bool looks_like_key(struct slice run)
{
    static const char *const prefixes[] = {"sk-", "sk_", "pk-", "gsk_", "xai-", "AIza", "ghp_", "github_pat_", "AKIA", "key-", "hf_"};
    unsigned digits = 0, letters = 0;
    for (unsigned i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (run.len >= 8 && slice_starts_with(run, slice_of(prefixes[i])))
            return true;
    if (run.len < 32)
        return false;
    for (size_t i = 0; i < run.len; i++) {
        if (run.ptr[i] == '.')
            return false;
        digits += run.ptr[i] >= '0' && run.ptr[i] <= '9';
        letters += (run.ptr[i] | 0x20) >= 'a' && (run.ptr[i] | 0x20) <= 'z';
    }
    return digits >= 4 && letters >= 4;
}

/* What stands behind "Bearer " is a key whatever it looks like; so is what stands behind "key: " or "token=" and has a digit in it. */
static bool is_announced(const char *begin, struct slice run)
{
    static const struct slice words[] = {LIT("key"), LIT("token"), LIT("secret"), LIT("authorization")};
    const char *at = run.ptr;
    bool assigned = false, digit = false;
    if (run.len >= 4 && at - begin >= 7 && slice_equals_nocase((struct slice){at - 7, 7}, LIT("bearer ")))
        return true;
    for (size_t i = 0; i < run.len; i++)
        digit |= run.ptr[i] >= '0' && run.ptr[i] <= '9';
    if (!digit || run.len < 8)
        return false;
    while (at > begin && memchr(" \"':=`", at[-1], 6) != NULL)
        assigned |= *--at == ':' || *at == '=';
    for (unsigned i = 0; assigned && i < sizeof words / sizeof *words; i++)
        if ((size_t)(at - begin) >= words[i].len && slice_equals_nocase((struct slice){at - words[i].len, words[i].len}, words[i]))
            return true;
    return false;
}

static void append_clean(struct buffer *out, struct slice text)
{
    const char *at = text.ptr, *end = text.ptr + text.len;
    while (at < end) {
        const char *from = at;
        while (at < end && is_key_byte(*at))
            at++;
        struct slice run = {from, (size_t)(at - from)};
        if (run.len > 0 && (looks_like_key(run) || is_announced(text.ptr, run)))
            buffer_append_lit(out, "***");
        else
            buffer_append_slice(out, run);
        if (at < end) {
            buffer_append_byte(out, (unsigned char)*at < 0x20 || *at == 0x7f ? ' ' : *at);
            at++;
        }
    }
}

/* The message as raw JSON text or plain text, found in the order in which providers put it. */
static struct slice find_message(struct slice body, struct arena *arena)
{
    static const char *const places[] = {"message", "detail", "Message", "error"};
    struct slice error = json_find(body, "error"), found = json_find_string(body, "error");
    if (error.len > 0 && error.ptr[0] == '{') {
        found = json_find_string(error, "message");
        if (found.ptr == NULL && json_find(error, "message").len > 0)
            found = json_find(error, "message");
    }
    for (unsigned i = 0; found.ptr == NULL && i < sizeof places / sizeof *places; i++)
        found = json_find_string(body, places[i]);
    if (found.ptr == NULL && json_find(body, "message").len > 1) /* Mistral: an object with a list of complaints */
        found = json_find(body, "message");
    return found.ptr == NULL ? SLICE_NONE : json_unescape(arena, found);
}

static struct slice cut(struct slice text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
        max--;
    text.len = max;
    return text;
}

struct slice failure_message(struct slice body, int status, struct arena *arena)
{
    struct buffer clean, valid;
    struct slice trimmed = slice_trim(body);
    struct slice text = trimmed.len > 0 && trimmed.ptr[0] == '[' ? SLICE_NONE : find_message(trimmed, arena);
    bool html = trimmed.len > 0 && trimmed.ptr[0] == '<';
    if (text.len == 0 && (html || trimmed.len == 0))
        return arena_printf(arena, "the provider answered %d%s", status, html ? " with an HTML page" : "");
    if (text.len == 0)
        text = trimmed;
    buffer_init(&clean, 4 * FAILURE_MESSAGE_MAX + 16);
    buffer_init(&valid, 16 * FAILURE_MESSAGE_MAX);
    append_clean(&clean, cut(text, FAILURE_MESSAGE_MAX));
    /* Through escape and back: whatever is not UTF-8 becomes U+FFFD. */
    json_append_escaped(&valid, buffer_slice(&clean));
    struct slice message = json_unescape(arena, arena_copy(arena, buffer_slice(&valid)));
    buffer_free(&clean);
    buffer_free(&valid);
    return cut(message, FAILURE_MESSAGE_MAX);
}
