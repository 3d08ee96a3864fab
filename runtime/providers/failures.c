/* failures.c -- what a provider's refusal means: its class, when to come back, and its words made safe to show.
 *
 * The order is: status first, then code and text, because providers disagree on statuses more than on words. Digits in the text of a
 * 4xx are never trusted: prompts get echoed there.
 * SPDX-License-Identifier: MIT */
#include "providers/failures.h"
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
enum { ON_4XX = 1, ON_5XX = 2, ON_LIMIT = 4 /* 429 402 403 400 */, ANYWHERE = 7, ON_403 = 8 };

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
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "too many tokens"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "too large for model with"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "longer than the model's context"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "`inputs` tokens + `max_new_tokens`"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "reduce the length of the messages"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum prompt length is"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "exceeds the available context size"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "maximum input length is"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "input tokens exceed the configured limit"},
    {FAILURE_CONTEXT_LENGTH, ANYWHERE, "exceed model maximum"},
    {FAILURE_CONTEXT_LENGTH, ON_4XX, "tokens_limit_reached"},
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
    {FAILURE_QUOTA, ON_LIMIT, "billing_error"},
    {FAILURE_QUOTA, ON_LIMIT, "billing_hard_limit"},
    {FAILURE_QUOTA, ON_LIMIT, "billing_not_active"},
    {FAILURE_RATE_LIMITED, ON_4XX, "tokens per minute"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "throttlingexception"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "resource_exhausted"},
    {FAILURE_RATE_LIMITED, ANYWHERE, "rate_limit_exceeded"},
    {FAILURE_RATE_LIMITED, ON_4XX, "too many requests"},
    {FAILURE_RATE_LIMITED, ON_4XX, "service tier capacity exceeded"},
    {FAILURE_RATE_LIMITED, ON_4XX, "service_tier_capacity_exceeded"},
    {FAILURE_RATE_LIMITED, ON_5XX | ON_403, "rate limit"},
    {FAILURE_RATE_LIMITED, ON_5XX | ON_403, "rate_limit"},
    {FAILURE_RATE_LIMITED, ON_5XX | ON_403, "quota exceeded for"},
    {FAILURE_QUOTA, ON_403, "billing"}, /* in a 429 it may be the way to a higher limit */
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
    if (status == 0 || status == 403)
        where |= ON_403;
    return where;
}

/* A 503 that says why: there was no room, and there will be. */
static bool is_full(struct slice text)
{
    return says(text, "overload") || says(text, "capacity") || says(text, "busy");
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
    if (status == 503 && (is_full(text) || is_full(code)))
        return FAILURE_OVERLOADED;
    return status == 0 ? FAILURE_UNAVAILABLE : class_of_status(status);
}

/* ---------------------------------------------------------------- when to come back */

int64_t retry_hint_us(double seconds)
{
    return seconds > RETRY_HINT_MAX_S ? RETRY_HINT_MAX_S * US_PER_S : (int64_t)(seconds * (double)US_PER_S);
}

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
    return retry_hint_us(total);
}

static int64_t until(int64_t when_us, int64_t wall_us)
{
    int64_t left = when_us - wall_us;
    return left < 0 ? 0 : left > RETRY_HINT_MAX_S * US_PER_S ? RETRY_HINT_MAX_S * US_PER_S : left;
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
        return retry_hint_us(ms / 1e3);
    text = header(head, LIT("retry-after"));
    int64_t said = text.len > 0 ? parse_when(slice_trim(text), wall_us) : -1;
    if (said >= 0)
        return said;
    int64_t longest = -1; /* the limit that frees last is the one that holds us */
    for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct slice left = slice_trim(header(head, limits[i].remaining));
        if (left.len > 0 && !slice_equals(left, LIT("0"))) /* one that does not say what is left may be the one that ran out */
            continue;
        text = header(head, limits[i].reset);
        int64_t us = text.len == 0 ? -1 : parse_reset(slice_trim(text), wall_us);
        if (us > longest)
            longest = us;
    }
    return longest;
}

/* "6", "7.66s", "300ms", "6m0s" as far as it goes; a bare number wants a word for its unit behind it. -1: it has none. */
static int64_t parse_said(struct slice text)
{
    struct slice said = {text.ptr, 0};
    while (said.len < text.len && ((text.ptr[said.len] >= '0' && text.ptr[said.len] <= '9') || text.ptr[said.len] == '.' ||
                                   (text.ptr[said.len] >= 'a' && text.ptr[said.len] <= 'z')))
        said.len++;
    struct slice rest = {text.ptr + said.len, text.len - said.len};
    while (said.len > 0 && said.ptr[said.len - 1] == '.') /* the sentence's */
        said.len--;
    bool bare = said.len > 0 && said.ptr[said.len - 1] >= '0' && said.ptr[said.len - 1] <= '9';
    int64_t us = parse_duration(said), factor = !bare || slice_starts_with(rest, LIT(" second")) ? 1
                                                : slice_starts_with(rest, LIT(" minute"))        ? 60
                                                                                                 : -1;
    return us < 0 || factor < 0 ? -1 : retry_hint_us((double)(us * factor) / 1e6);
}

/* COMPAT(azure, 2026-08): "Please retry after 6 seconds." COMPAT(groq, 2026-08): "Please try again in 7.66s." Where no header says so. */
int64_t retry_after_said(struct slice message)
{
    static const struct slice words[] = {LIT("etry after "), LIT("ry again in ")}; /* also where a sentence begins with them */
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        const char *at = slice_find(message, words[i]), *end = message.ptr + message.len;
        int64_t us = at == NULL ? -1 : parse_said((struct slice){at + words[i].len, (size_t)(end - at) - words[i].len});
        if (us >= 0)
            return us;
    }
    return -1;
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
    static const char *const prefixes[] = {"sk-",  "sk_", "pk-",   "gsk_",   "xai-", "AIza",  "ghp_", "github_pat_", "AKIA", "ASIA",
                                           "ABSK", "eyJ", "ya29.", "nvapi-", "tgp_", "pplx-", "csk-", "key-",        "hf_"};
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

static struct slice cut(struct slice text, size_t max)
{
    if (text.len <= max)
        return text;
    while (max > 0 && ((unsigned char)text.ptr[max] & 0xc0) == 0x80)
        max--;
    text.len = max;
    return text;
}

/* What one complaint of a list says, or all of them: strings, and objects with `msg` or `message`. Behind each other with "; " between. */
static void join_complaints(struct buffer *out, struct slice list, struct arena *arena)
{
    struct json json = json_list(list);
    struct slice one;
    while (json_next(&json, &one)) {
        struct slice raw = one.ptr[0] == '"' ? (struct slice){one.ptr + 1, one.len - 2} : json_find_string(one, "msg");
        if (raw.len == 0)
            raw = json_find_string(one, "message");
        if (raw.len > 0 && out->len > 0)
            buffer_append_lit(out, "; ");
        buffer_append_slice(out, json_unescape(arena, raw));
    }
}

/* A member that says what is wrong: a string, or complaints (COMPAT(mistral, 2026-06): {"detail": [...]} where a string is due). */
static struct slice said_in(struct slice object, const char *name, struct arena *arena)
{
    struct slice value = json_find(object, name);
    struct buffer all;
    if (value.len == 0 || value.ptr[0] == '"')
        return value.len < 2 ? SLICE_NONE : json_unescape(arena, (struct slice){value.ptr + 1, value.len - 2});
    if (value.ptr[0] == '{') {
        struct slice detail = json_find(value, "detail");
        if (detail.len > 0 && detail.ptr[0] == '"')
            return said_in(value, "detail", arena);
        value = detail;
    }
    if (value.len == 0 || value.ptr[0] != '[')
        return SLICE_NONE;
    buffer_init(&all, 2 * FAILURE_MESSAGE_MAX);
    join_complaints(&all, value, arena);
    struct slice joined = arena_copy(arena, buffer_slice(&all));
    buffer_free(&all);
    return joined;
}

/* In the order in which providers put it. */
static struct slice find_message(struct slice body, struct arena *arena)
{
    static const char *const places[] = {"error", "message", "detail", "Message", "errors"};
    struct slice found = SLICE_NONE, error = json_find(body, "error");
    if (error.len > 0 && error.ptr[0] == '{')
        found = said_in(error, "message", arena);
    for (unsigned i = error.len > 0 && error.ptr[0] == '{'; found.len == 0 && i < sizeof places / sizeof *places; i++)
        found = said_in(body, places[i], arena);
    return found;
}

struct failure failure_of(const struct error_answer *error_answer, enum failure_kind kind, struct slice message)
{
    struct failure failure = failure_make(kind, message);
    failure.status = error_answer->status;
    failure.sent = SENT_REFUSED;
    if (error_answer->header != NULL)
        failure.retry_after_us = retry_after_us(error_answer->header, error_answer->head, error_answer->wall_us);
    return failure;
}

struct slice failure_object(struct slice body)
{
    struct slice text = slice_trim(body), first;
    if (slice_starts_with(text, LIT("\xef\xbb\xbf")))
        text = slice_trim((struct slice){text.ptr + 3, text.len - 3});
    struct json json = json_list(text);
    return json_next(&json, &first) && first.ptr[0] == '{' ? first : text;
}

struct slice failure_message(struct slice body, int status, struct arena *arena)
{
    struct buffer clean, valid;
    struct slice trimmed = failure_object(body);
    struct slice text = trimmed.len > 0 && trimmed.ptr[0] == '{' ? find_message(trimmed, arena) : SLICE_NONE;
    bool html = trimmed.len > 0 && trimmed.ptr[0] != '{' && (trimmed.ptr[0] == '<' || says(cut(trimmed, 1024), "<html"));
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
