/* json.c -- see json.h. The reader: strict, one pass, no recursion.
 *
 * Strings dominate what passes here, so their scan looks at 16 bytes at a time (SSE2; byte by byte elsewhere) for the four things
 * that end a run of plain ASCII: a quote, a backslash, a control byte, a byte of UTF-8.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#ifdef __SSE2__
#include <emmintrin.h>
#endif

void json_init(struct json *json, struct slice text, unsigned depth_max)
{
    if (text.ptr == NULL)
        text = LIT("");
    *json = (struct json){
        .start = text.ptr,
        .at = text.ptr,
        .end = text.ptr + text.len,
        .depth_max = depth_max < JSON_DEPTH_MAX ? depth_max : JSON_DEPTH_MAX,
        .first = true,
    };
}

static bool __attribute__((cold, noinline)) fail(struct json *json, enum json_error error)
{
    if (json->error == JSON_OK)
        json->error = error;
    return false;
}

/* Compact JSON has none: one comparison settles it. */
static inline void skip_blanks(struct json *json)
{
    const char *at = json->at, *end = json->end;
    if (at < end && (unsigned char)*at > ' ')
        return;
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    json->at = at;
}

static enum json_type type_of(char byte)
{
    switch (byte) {
    case '"':
        return JSON_STRING;
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case 't':
        return JSON_TRUE;
    case 'f':
        return JSON_FALSE;
    case 'n':
        return JSON_NULL;
    default:
        return byte == '-' || (byte >= '0' && byte <= '9') ? JSON_NUMBER : JSON_BAD;
    }
}

static inline enum json_type peek(struct json *json)
{
    if (json->error != JSON_OK)
        return JSON_BAD;
    skip_blanks(json);
    enum json_type type = json->at < json->end ? type_of(*json->at) : JSON_BAD;
    if (type == JSON_BAD)
        fail(json, JSON_SYNTAX);
    return type;
}

enum json_type json_peek(struct json *json)
{
    return peek(json);
}

size_t json_offset(const struct json *json)
{
    const char *at = json->at;
    while (json->error == JSON_OK && at < json->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return (size_t)(at - json->start);
}

static bool expect(struct json *json, enum json_type type)
{
    enum json_type found = peek(json);
    if (found == type)
        return true;
    return fail(json, JSON_WRONG_TYPE);
}

/* ---------------------------------------------------------------- strings */

/* The first byte from `at` on that is not plain: quote, backslash, control or >= 0x80. */
static const char *skip_plain(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\'), space = _mm_set1_epi8(' ');
    while (end - at >= 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        /* signed comparison: bytes from 0x80 on are negative and so below a space, too */
        __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)), _mm_cmplt_epi8(bytes, space));
        unsigned mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask != 0)
            return at + __builtin_ctz(mask);
        at += 16;
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80)
        at++;
    return at;
}

bool json_is_plain(struct slice text)
{
    return skip_plain(text.ptr, text.ptr + text.len) == text.ptr + text.len;
}

static bool is_continuation(const char *at)
{
    return ((unsigned char)*at & 0xc0) == 0x80;
}

/* The length of the UTF-8 sequence at `at` (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF), 0: none. */
static size_t utf8_length(const char *at, const char *end)
{
    unsigned char lead = (unsigned char)at[0], second = end - at > 1 ? (unsigned char)at[1] : 0;
    if (lead >= 0xc2 && lead <= 0xdf)
        return end - at >= 2 && is_continuation(at + 1) ? 2 : 0;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (end - at < 3 || !is_continuation(at + 1) || !is_continuation(at + 2))
            return 0;
        return (lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ? 0 : 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (end - at < 4 || !is_continuation(at + 1) || !is_continuation(at + 2) || !is_continuation(at + 3))
            return 0;
        return (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f) ? 0 : 4;
    }
    return 0;
}

/* The value of four hex digits, or -1. */
static int hex4(const char *at, const char *end)
{
    int value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value((unsigned char)at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The length of the escape at `at` (a backslash), 0: none. */
static size_t escape_length(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] == 'u')
        return hex4(at + 2, end) < 0 ? 0 : 6;
    switch (at[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 2;
    default:
        return 0;
    }
}

/* The string whose opening quote is at json->at. */
static bool scan_string(struct json *json, struct slice *raw)
{
    const char *at = json->at + 1, *begin = at, *end = json->end;
    for (;;) {
        at = skip_plain(at, end);
        if (at == end || (unsigned char)*at < 0x20) {
            json->at = at;
            return fail(json, JSON_SYNTAX);
        }
        if (*at == '"')
            break;
        size_t len = 0;
        if (*at == '\\') {
            len = escape_length(at, end);
            at += len;
        } else { /* in most scripts one is followed by others */
            do {
                len = utf8_length(at, end);
                at += len;
            } while (len > 0 && at < end && (unsigned char)*at >= 0x80);
        }
        if (len == 0) {
            json->at = at;
            return fail(json, *at == '\\' ? JSON_SYNTAX : JSON_BAD_UTF8);
        }
    }
    if (raw != NULL)
        *raw = (struct slice){begin, (size_t)(at - begin)};
    json->at = at + 1;
    return true;
}

/* What could not be read is empty, never whatever the caller's memory held: a reader that goes on to the end of the text may look at it. */
static bool nothing(struct slice *raw)
{
    if (raw != NULL)
        *raw = SLICE_NONE;
    return false;
}

bool json_string(struct json *json, struct slice *raw)
{
    if (expect(json, JSON_STRING) && scan_string(json, raw))
        return true;
    return nothing(raw);
}

bool json_string_here(struct json *json, struct slice *raw)
{
    return scan_string(json, raw) || nothing(raw);
}

/* ---------------------------------------------------------------- numbers and words */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

/* RFC 8259 section 6: -? int frac? exp? */
static bool scan_number(struct json *json, struct slice *raw)
{
    const char *begin = json->at, *at = begin, *end = json->end, *from;
    if (*at == '-')
        at++;
    from = at;
    at = skip_digits(at, end);
    bool good = at > from && (*from != '0' || at == from + 1);
    if (good && at < end && *at == '.') {
        from = ++at;
        at = skip_digits(at, end);
        good = at > from;
    }
    if (good && at < end && (*at | 0x20) == 'e') {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        from = at;
        at = skip_digits(at, end);
        good = at > from;
    }
    json->at = at;
    if (!good)
        return fail(json, JSON_SYNTAX);
    if (raw != NULL)
        *raw = (struct slice){begin, (size_t)(at - begin)};
    return true;
}

bool json_number(struct json *json, struct slice *raw)
{
    if (expect(json, JSON_NUMBER) && scan_number(json, raw))
        return true;
    return nothing(raw);
}

static bool scan_word(struct json *json, struct slice word)
{
    if ((size_t)(json->end - json->at) < word.len || memcmp(json->at, word.ptr, word.len) != 0)
        return fail(json, JSON_SYNTAX);
    json->at += word.len;
    return true;
}

bool json_bool(struct json *json, bool *value)
{
    enum json_type type = json_peek(json);
    *value = type == JSON_TRUE;
    if (type != JSON_TRUE && type != JSON_FALSE)
        return fail(json, JSON_WRONG_TYPE);
    return scan_word(json, *value ? LIT("true") : LIT("false"));
}

bool json_take_null(struct json *json)
{
    if (json->error != JSON_OK)
        return false;
    skip_blanks(json);
    if (json->at == json->end || *json->at != 'n')
        return false;
    return scan_word(json, LIT("null"));
}

/* ---------------------------------------------------------------- objects and arrays */

static bool enter(struct json *json, bool is_object)
{
    if (json->depth == json->depth_max)
        return fail(json, JSON_TOO_DEEP);
    uint64_t bit = 1ULL << json->depth;
    json->is_object = is_object ? json->is_object | bit : json->is_object & ~bit;
    json->depth++;
    json->at++;
    json->first = true;
    return true;
}

static void leave(struct json *json)
{
    json->at++;
    json->depth--;
    json->first = false;
}

bool json_object(struct json *json)
{
    return expect(json, JSON_OBJECT) && enter(json, true);
}

bool json_array(struct json *json)
{
    return expect(json, JSON_ARRAY) && enter(json, false);
}

static bool in_object(const struct json *json)
{
    return json->is_object >> (json->depth - 1) & 1;
}

/* Before an item: consumes the comma. False: the closing bracket was consumed, or an error. A caller that asks on behind the
 * last item, or for members of an array, must not close a bracket that was never opened. */
static inline bool next_item(struct json *json, bool object)
{
    const char closing = object ? '}' : ']';
    if (json->error != JSON_OK)
        return false;
    if (json->depth == 0 || in_object(json) != object)
        return fail(json, JSON_SYNTAX);
    skip_blanks(json);
    if (json->at == json->end)
        return fail(json, JSON_SYNTAX);
    if (*json->at == closing) {
        leave(json);
        return false;
    }
    if (!json->first) {
        if (*json->at != ',')
            return fail(json, JSON_SYNTAX);
        json->at++;
        skip_blanks(json);
    }
    json->first = false;
    return true;
}

/* A key and its colon. */
static inline bool scan_key(struct json *json, struct slice *key)
{
    if (json->at == json->end || *json->at != '"')
        return fail(json, JSON_SYNTAX);
    if (!scan_string(json, key))
        return false;
    skip_blanks(json);
    if (json->at == json->end || *json->at != ':')
        return fail(json, JSON_SYNTAX);
    json->at++;
    return true;
}

bool json_member(struct json *json, struct slice *key)
{
    return next_item(json, true) && scan_key(json, key);
}

bool json_element(struct json *json)
{
    return next_item(json, false);
}

struct json json_list(struct slice text)
{
    struct json json;
    json_init(&json, text, JSON_DEPTH_MAX);
    json_array(&json);
    return json;
}

struct json json_members(struct slice text)
{
    struct json json;
    json_init(&json, text, JSON_DEPTH_MAX);
    json_object(&json);
    return json;
}

/* A value that is not an object or array, or the opening of one. */
static inline bool scan_value(struct json *json)
{
    switch (peek(json)) {
    case JSON_STRING:
        return scan_string(json, NULL);
    case JSON_NUMBER:
        return scan_number(json, NULL);
    case JSON_TRUE:
        return scan_word(json, LIT("true"));
    case JSON_FALSE:
        return scan_word(json, LIT("false"));
    case JSON_NULL:
        return scan_word(json, LIT("null"));
    case JSON_OBJECT:
        return enter(json, true);
    case JSON_ARRAY:
        return enter(json, false);
    default:
        return false;
    }
}

bool json_skip(struct json *json, struct slice *raw)
{
    unsigned floor = json->depth;
    if (peek(json) == JSON_BAD)
        return nothing(raw);
    const char *begin = json->at;
    if (!scan_value(json))
        return nothing(raw);
    while (json->depth > floor) {
        bool object = in_object(json), more = next_item(json, object);
        if (!more && json->error != JSON_OK)
            return nothing(raw);
        if (more && ((object && !scan_key(json, NULL)) || !scan_value(json)))
            return nothing(raw);
    }
    if (raw != NULL)
        *raw = (struct slice){begin, (size_t)(json->at - begin)};
    json->first = false;
    return true;
}

bool json_enter(struct json *json, enum json_type type)
{
    if (json_peek(json) != type)
        return json_skip(json, NULL) && false;
    return type == JSON_OBJECT ? json_object(json) : json_array(json);
}

bool json_next(struct json *json, struct slice *raw)
{
    return json_element(json) && json_skip(json, raw);
}

bool json_finish(struct json *json)
{
    if (json->error != JSON_OK)
        return false;
    skip_blanks(json);
    return (json->at == json->end && json->depth == 0) || fail(json, JSON_SYNTAX);
}

const char *json_error_text(enum json_error error)
{
    static const char *const texts[] = {"no error", "not valid JSON", "nested too deeply", "not valid UTF-8",
                                        "a value of another type was expected"};
    return texts[error];
}

bool json_is_object(struct slice text)
{
    struct json json;
    json_init(&json, text, JSON_DEPTH_MAX);
    return json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json);
}

/* ---------------------------------------------------------------- looking things up in short texts */

struct slice json_find(struct slice object, const char *key)
{
    struct json json;
    struct slice name, value, wanted = slice_of(key);
    json_init(&json, object, JSON_DEPTH_MAX);
    if (!json_object(&json))
        return SLICE_NONE;
    while (json_member(&json, &name)) {
        if (!json_skip(&json, &value))
            return SLICE_NONE;
        if (json_raw_equals(name, wanted))
            return value;
    }
    return SLICE_NONE;
}

struct slice json_find_string(struct slice object, const char *key)
{
    struct slice value = json_find(object, key);
    if (value.len < 2 || value.ptr[0] != '"')
        return SLICE_NONE;
    return (struct slice){value.ptr + 1, value.len - 2};
}

int64_t json_find_count(struct slice object, const char *key)
{
    int64_t count;
    return json_to_count(json_find(object, key), &count) ? count : -1;
}
