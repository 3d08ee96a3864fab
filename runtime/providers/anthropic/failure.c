/* failure.c -- errors as clients of Anthropic's dialect read them.
 *
 * Two of them decide what its coding agent does next. A 401 sends the user to the login, so a provider that refuses *our* key is no 401. And a
 * conversation that is too long is cut down only where the words "prompt is too long: N tokens > M maximum" are found, whichever the provider is.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

static bool is_too_large(const struct failure *failure)
{
    return failure->kind == FAILURE_INVALID_REQUEST && failure->status == 413;
}

int anthropic_failure_status(const struct failure *failure)
{
    const struct failure_row *row = failure_row(failure->kind);
    bool own = failure->kind == FAILURE_REFUSED || failure->kind == FAILURE_LIMITED;
    if (failure->kind == FAILURE_AUTH)
        return 500;
    if (is_too_large(failure))
        return 413;
    return own && failure->status >= 400 && failure->status <= 599 ? failure->status : row->anthropic_status;
}

/* ---------------------------------------------------------------- a prompt that is too long */

enum { NUMBERS_MAX = 8, TOKENS_MIN = 100 };

struct numbers {
    int64_t value[NUMBERS_MAX];
    const char *at[NUMBERS_MAX];
    unsigned count;
};

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_word(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
}

/* Counts of tokens: numbers that stand alone ("gpt-4-0613" holds none), with commas between thousands or without. */
static void find_numbers(struct slice text, struct numbers *numbers)
{
    const char *end = text.ptr + text.len;
    for (const char *at = text.ptr; at < end && numbers->count < NUMBERS_MAX;) {
        const char *from = at;
        bool joined = at > text.ptr && (is_word(at[-1]) || ((at[-1] == '-' || at[-1] == '.') && at - text.ptr > 1 && is_word(at[-2])));
        int64_t value = 0;
        while (at < end &&
               (is_digit(*at) || (*at == ',' && at > from && end - at > 3 && is_digit(at[1]) && is_digit(at[2]) && is_digit(at[3])))) {
            if (*at != ',' && value < (1LL << 53))
                value = 10 * value + (*at - '0');
            at++;
        }
        if (at > from && !joined && value >= TOKENS_MIN && (at == end || !is_word(*at))) {
            numbers->value[numbers->count] = value;
            numbers->at[numbers->count++] = from;
        }
        at += at == from;
    }
}

static const char *find_nocase(struct slice text, struct slice words)
{
    for (size_t i = 0; i + words.len <= text.len; i++)
        if (slice_equals_nocase((struct slice){text.ptr + i, words.len}, words))
            return text.ptr + i;
    return NULL;
}

/* Which of the numbers is the limit: the first one behind the word for it, else the last one before it. -1: none is. */
static int find_limit(struct slice text, const struct numbers *numbers)
{
    static const struct slice words[] = {LIT(" > "),          LIT("maximum"),        LIT("limit"),
                                         LIT("context size"), LIT("context window"), LIT("allowed")};
    int last = -1;
    for (unsigned w = 0; w < sizeof words / sizeof *words; w++) {
        const char *word = find_nocase(text, words[w]);
        for (unsigned i = 0; word != NULL && i < numbers->count; i++) {
            if (numbers->at[i] > word)
                return (int)i;
            last = (int)i;
        }
        if (word != NULL && last >= 0)
            return last;
    }
    return -1;
}

/* "prompt is too long: N tokens > M maximum", as far as the provider says N and M. */
static void put_too_long(struct slice message, struct buffer *out)
{
    struct numbers numbers = {.count = 0};
    if (find_nocase(message, LIT("prompt is too long")) != NULL) {
        json_append_string(out, message);
        return;
    }
    find_numbers(message, &numbers);
    int limit = find_limit(message, &numbers), actual = -1;
    for (int i = 0; limit >= 0 && actual < 0 && i < (int)numbers.count; i++)
        if (numbers.value[i] > numbers.value[limit])
            actual = i;
    if (actual >= 0) {
        buffer_printf(out, "\"prompt is too long: %lld tokens > %lld maximum\"", (long long)numbers.value[actual],
                      (long long)numbers.value[limit]);
        return;
    }
    buffer_append_lit(out, "\"prompt is too long: ");
    json_append_escaped(out, message);
    buffer_append_byte(out, '"');
}

/* ---------------------------------------------------------------- the body */

/* {"type":"error","error":{"type":…,"message":…,"details":…},"request_id":…} */
void anthropic_write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out)
{
    const struct failure_row *row = failure_row(failure->kind);
    bool auth = failure->kind == FAILURE_AUTH;
    struct slice message = failure->message.len > 0 ? failure->message : slice_of(row->name);
    if (stream)
        buffer_append_lit(out, "event: error\ndata: ");
    buffer_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":",
                  auth                    ? "api_error"
                  : is_too_large(failure) ? "request_too_large"
                                          : failure_type_row(failure)->anthropic_type);
    if (failure->kind == FAILURE_CONTEXT_LENGTH)
        put_too_long(message, out);
    else
        json_append_string(out, auth ? LIT("upstream authentication failed") : message);
    struct slice details = failure->kind == FAILURE_NO_THREAD ? LIT("{\"error_code\":\"thread_not_found\"}") : failure->details_json;
    if (details.len > 0 && !auth) {
        buffer_append_lit(out, ",\"details\":");
        buffer_append_slice(out, details);
    }
    buffer_append_lit(out, "},\"request_id\":");
    json_append_string(out, request_id);
    buffer_append_slice(out, stream ? LIT("}\n\n") : LIT("}"));
}
