/* json_text.c -- the insides of JSON strings and numbers: escaping, unescaping, comparing, counting. See json.h.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include <math.h>
#include <stdlib.h>

static uint32_t hex4(const char *at)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++)
        value = value << 4 | (uint32_t)hex_value((unsigned char)at[i]);
    return value;
}

static size_t put_utf8(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* Decodes the \u escape at `at`, a pair of surrogates as one; returns how many raw bytes it took. A lone surrogate is U+FFFD. */
static size_t decode_unicode(const char *at, const char *end, uint32_t *code)
{
    *code = hex4(at + 2);
    if (*code < 0xd800 || *code > 0xdfff)
        return 6;
    if (*code < 0xdc00 && end - at >= 12 && at[6] == '\\' && at[7] == 'u') {
        uint32_t low = hex4(at + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
            return 12;
        }
    }
    *code = 0xfffd;
    return 6;
}

/* Decodes the escape at `at` into out; returns how many raw bytes it took. */
static size_t decode_escape(const char *at, const char *end, char out[4], size_t *out_len)
{
    static const char letters[] = "bfnrt", meanings[] = "\b\f\n\r\t";
    uint32_t code;
    if (end - at >= 6 && at[1] == 'u') {
        size_t taken = decode_unicode(at, end, &code);
        *out_len = put_utf8(code, out);
        return taken;
    }
    if (end - at < 2) { /* cannot happen in text the reader has passed */
        *out_len = 0;
        return 1;
    }
    const char *letter = memchr(letters, at[1], sizeof letters - 1);
    out[0] = letter == NULL ? at[1] : meanings[letter - letters];
    *out_len = 1;
    return 2;
}

bool json_raw_equals(struct slice raw, struct slice plain)
{
    if (raw.len == plain.len && memchr(raw.ptr == NULL ? "" : raw.ptr, '\\', raw.len) == NULL)
        return slice_equals(raw, plain);
    if (raw.len <= plain.len)
        return false;
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    size_t done = 0;
    while (at < end) {
        char piece[4] = {*at};
        size_t len = 1, taken = 1;
        if (*at == '\\')
            taken = decode_escape(at, end, piece, &len);
        if (len > plain.len - done || memcmp(piece, plain.ptr + done, len) != 0)
            return false;
        done += len;
        at += taken;
    }
    return done == plain.len;
}

/* Unescapes into out, which has room for raw.len bytes (unescaping never makes text longer). Returns the length. */
static size_t unescape(struct slice raw, char *out)
{
    const char *at = raw.ptr, *end = raw.ptr + raw.len;
    char *to = out;
    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((slash == NULL ? end : slash) - at);
        memcpy(to, at, run);
        to += run;
        at += run;
        if (slash != NULL) {
            char piece[4];
            size_t len;
            at += decode_escape(at, end, piece, &len);
            memcpy(to, piece, len);
            to += len;
        }
    }
    return (size_t)(to - out);
}

struct slice json_unescape(struct arena *arena, struct slice raw)
{
    if (raw.len == 0)
        return LIT("");
    if (memchr(raw.ptr, '\\', raw.len) == NULL)
        return raw;
    char *out = arena_alloc(arena, raw.len + 1);
    if (out == NULL)
        return SLICE_NONE;
    size_t len = unescape(raw, out);
    out[len] = '\0';
    return (struct slice){out, len};
}

struct slice json_compact(struct arena *arena, struct slice text)
{
    char *out = arena_alloc(arena, text.len + 1), *to = out;
    bool in_string = false;
    if (out == NULL)
        return SLICE_NONE;
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.ptr[i];
        if (!in_string && (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t'))
            continue;
        *to++ = byte;
        if (in_string && byte == '\\' && i + 1 < text.len)
            *to++ = text.ptr[++i];
        else if (byte == '"')
            in_string = !in_string;
    }
    return (struct slice){out, (size_t)(to - out)};
}

void json_append_unescaped(struct buffer *out, struct slice raw)
{
    char *to = raw.len == 0 ? NULL : buffer_reserve(out, raw.len);
    if (to != NULL)
        out->len += unescape(raw, to);
}

/* ---------------------------------------------------------------- escaping */

/* The length of the UTF-8 sequence at `at`, 0: not one (RFC 3629). */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    size_t len = at[0] < 0x80 ? 1 : at[0] < 0xc2 ? 0 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : at[0] < 0xf5 ? 4 : 0;
    if (len == 0 || len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) || (at[0] == 0xf0 && at[1] < 0x90) ||
        (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return len;
}

static bool needs_escape(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

static void append_escape(struct buffer *out, unsigned char byte)
{
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt", digits[] = "0123456789abcdef";
    const char *found = memchr(plain, byte, sizeof plain - 1);
    char text[6] = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    if (found != NULL)
        text[1] = letters[found - plain];
    buffer_append(out, text, found != NULL ? 2 : 6);
}

void json_append_escaped(struct buffer *out, struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    size_t run = 0; /* where the bytes that may stand as they are begin */
    for (size_t i = 0; i < text.len;) {
        size_t len = bytes[i] < 0x80 ? 1 : sequence_length(bytes + i, text.len - i);
        if (len > 0 && !needs_escape(bytes[i])) {
            i += len;
            continue;
        }
        buffer_append(out, bytes + run, i - run);
        if (len == 0)
            buffer_append_lit(out, "\xef\xbf\xbd");
        else
            append_escape(out, bytes[i]);
        run = ++i;
    }
    if (text.len > run)
        buffer_append(out, bytes + run, text.len - run);
}

void json_append_string(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    json_append_escaped(out, text);
    buffer_append_byte(out, '"');
}

void json_append_quoted(struct buffer *out, struct slice raw)
{
    buffer_append_byte(out, '"');
    buffer_append_slice(out, raw);
    buffer_append_byte(out, '"');
}

void json_append_comma(struct buffer *out, bool *first)
{
    if (!*first)
        buffer_append_byte(out, ',');
    *first = false;
}

void json_append_key(struct buffer *out, bool *first, struct slice raw)
{
    json_append_comma(out, first);
    json_append_quoted(out, raw);
    buffer_append_byte(out, ':');
}

static bool is_clean(struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.ptr;
    for (size_t i = 0; i < text.len;) {
        size_t len = bytes[i] < 0x80 ? 1 : sequence_length(bytes + i, text.len - i);
        if (len == 0 || needs_escape(bytes[i]))
            return false;
        i += len;
    }
    return true;
}

struct slice json_escape(struct arena *arena, struct slice text)
{
    if (text.len == 0)
        return LIT("");
    if (is_clean(text))
        return text;
    struct buffer out;
    buffer_init(&out, 6 * text.len);
    json_append_escaped(&out, text);
    return arena_take_buffer(arena, &out);
}

/* ---------------------------------------------------------------- numbers */

bool json_to_double(struct slice number, double *out)
{
    char text[400], *end; /* longer digits than these say nothing a double could hold */
    if (number.len == 0 || number.len >= sizeof text)
        return false;
    memcpy(text, number.ptr, number.len);
    text[number.len] = '\0';
    if (strspn(text, "+-.0123456789eE") != number.len) /* strtod takes hexadecimal, "inf" and blanks, too */
        return false;
    *out = strtod(text, &end);
    return end == text + number.len && isfinite(*out);
}

bool json_to_count(struct slice number, int64_t *out)
{
    const int64_t exact = 1LL << 53; /* what a JSON number is sure to hold (RFC 8259 section 6) */
    double value;
    if (slice_to_int(number, out))
        return *out <= exact;
    if (!json_to_double(number, &value) || !(value >= 0 && value <= (double)exact))
        return false;
    *out = (int64_t)value;
    return (double)*out == value;
}
