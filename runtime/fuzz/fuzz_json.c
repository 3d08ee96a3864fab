/* fuzz_json.c -- libFuzzer: the JSON reader takes the same texts by every way of asking, and what it gives is what stands there.
 *
 * The text is skipped whole and walked call by call: both must agree on good or bad and, where the depth allows, on the error. What
 * is walked is written again; the copy must be taken, and be the same when it is written once more. Strings come back from
 * unescaping and escaping with the same meaning. Any bytes at all, escaped, make a string.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static bool inside(struct slice text, struct slice part)
{
    return part.ptr >= text.ptr && part.ptr + part.len <= text.ptr + text.len;
}

/* ---------------------------------------------------------------- texts within strings */

static void check_string(struct slice raw)
{
    struct arena arena;
    struct buffer out;
    arena_init(&arena, NULL, 16 * raw.len + 4096);
    buffer_init(&out, raw.len);
    struct slice plain = json_unescape(&arena, raw);
    require(plain.ptr != NULL && plain.len <= raw.len, "unescaping makes nothing longer");
    json_append_unescaped(&out, raw);
    require(!out.overflow && slice_equals(buffer_slice(&out), plain), "both ways of unescaping agree");
    require(json_raw_equals(raw, plain), "a raw string equals what it means");
    struct slice again = json_escape(&arena, plain);
    require(json_raw_equals(again, plain), "escaping keeps the meaning");
    buffer_free(&out);
    arena_free(&arena);
}

static void check_number(struct slice raw)
{
    int64_t count;
    double number;
    if (json_to_count(raw, &count))
        require(count >= 0 && count <= 1LL << 53 && (raw.len >= 400 || (json_to_double(raw, &number) && number == (double)count)),
                "a count is the number");
}

/* Whatever the bytes are: escaped they stand in a string that the reader takes. */
static void check_bytes(struct slice text)
{
    struct json json;
    struct slice raw;
    struct buffer out;
    buffer_init(&out, 6 * text.len + 2);
    json_append_string(&out, text);
    require(!out.overflow, "an escape is at most six bytes");
    json_init(&json, buffer_slice(&out), 0);
    require(json_string(&json, &raw) && json_finish(&json), "an escaped text is a string");
    check_string(raw);
    buffer_free(&out);
    json_raw_equals(text, text); /* bytes the reader has not passed: no promise but to stay inside */
    struct arena arena;
    arena_init(&arena, NULL, text.len + 64);
    json_unescape(&arena, text);
    arena_free(&arena);
}

/* ---------------------------------------------------------------- the walk */

/* Writes the value that stands next, by the typed calls. Recursion is bounded by the reader's depth. */
static void copy_value(struct json *json, struct slice text, struct buffer *out)
{
    struct slice raw;
    bool value, first = true;
    size_t at = json_offset(json);
    switch (json_peek(json)) {
    case JSON_OBJECT:
        buffer_append_byte(out, '{');
        for (json_object(json); json_member(json, &raw); first = false) {
            require(inside(text, raw), "a key is a slice of the text");
            check_string(raw);
            buffer_printf(out, "%s\"%.*s\":", first ? "" : ",", (int)raw.len, raw.ptr);
            copy_value(json, text, out);
        }
        buffer_append_byte(out, '}');
        return;
    case JSON_ARRAY:
        buffer_append_byte(out, '[');
        for (json_array(json); json_element(json); first = false) {
            if (!first)
                buffer_append_byte(out, ',');
            copy_value(json, text, out);
        }
        buffer_append_byte(out, ']');
        return;
    case JSON_STRING:
        if (json_string(json, &raw)) {
            require(inside(text, raw) && raw.ptr == text.ptr + at + 1, "a string begins where it was announced");
            check_string(raw);
            buffer_append_byte(out, '"');
            buffer_append_slice(out, raw);
            buffer_append_byte(out, '"');
        }
        return;
    case JSON_NUMBER:
        if (json_number(json, &raw)) {
            require(inside(text, raw) && raw.ptr == text.ptr + at, "a number begins where it was announced");
            check_number(raw);
            buffer_append_slice(out, raw);
        }
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        if (json_bool(json, &value))
            buffer_append_slice(out, value ? LIT("true") : LIT("false"));
        return;
    case JSON_NULL:
        if (json_take_null(json))
            buffer_append_lit(out, "null");
        return;
    case JSON_BAD:
        require(json->error != JSON_OK, "nothing good is bad");
    }
}

static bool copy_text(struct slice text, unsigned depth, struct buffer *out, enum json_error *error)
{
    struct json json;
    json_init(&json, text, depth);
    copy_value(&json, text, out);
    bool good = json_finish(&json);
    require(good == (json.error == JSON_OK), "a bad end is an error");
    require(json_offset(&json) <= text.len, "the reader stays inside");
    *error = json.error;
    return good;
}

static void check_text(struct slice text, unsigned depth)
{
    struct json json;
    struct slice raw = SLICE_NONE;
    struct buffer first, second;
    enum json_error error;
    json_init(&json, text, depth);
    bool good = json_skip(&json, &raw) && json_finish(&json);
    buffer_init(&first, 4 * text.len + 64);
    buffer_init(&second, 4 * text.len + 64);
    require(copy_text(text, depth, &first, &error) == good, "skipping and walking agree");
    require(error == json.error, "skipping and walking find the same error");
    if (good) {
        require(inside(text, raw) && slice_equals(raw, slice_trim(raw)), "what was skipped is the value");
        require(!first.overflow && copy_text(buffer_slice(&first), depth, &second, &error), "what was walked can be walked again");
        require(slice_equals(buffer_slice(&first), buffer_slice(&second)), "a copy of a copy is the same");
        struct slice found = json_find(text, "a");
        require(found.ptr == NULL || inside(text, found), "what is found stands in the text");
        json_find_string(text, "error");
    }
    buffer_free(&first);
    buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    check_text(text, JSON_DEPTH_MAX);
    check_text(text, 3);
    check_bytes(text);
    return 0;
}
