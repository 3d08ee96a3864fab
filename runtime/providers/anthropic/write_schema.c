/* write_schema.c -- a JSON schema made fit for Anthropic's structured output.
 *
 * Every object is closed, constraints that the API refuses are left out, oneOf becomes anyOf. Keywords are told from property names: the members of
 * `properties` and `$defs` are schemas whatever they are called.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

static const char *const refused[] = {"minimum",
                                      "maximum",
                                      "exclusiveMinimum",
                                      "exclusiveMaximum",
                                      "multipleOf",
                                      "minLength",
                                      "maxLength",
                                      "pattern",
                                      "minItems",
                                      "maxItems",
                                      "uniqueItems",
                                      "not",
                                      "minProperties",
                                      "maxProperties",
                                      "contains",
                                      "minContains",
                                      "maxContains",
                                      "patternProperties",
                                      "propertyNames",
                                      "if",
                                      "then",
                                      "else",
                                      "dependentRequired",
                                      "dependentSchemas",
                                      "$schema",
                                      "$id",
                                      "$comment",
                                      "unevaluatedItems",
                                      "unevaluatedProperties",
                                      "additionalProperties"};
static const char *const formats[] = {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"};

static bool is_one_of(struct slice text, const char *const *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (slice_equals(text, slice_of(names[i])))
            return true;
    return false;
}
#define IS_ONE_OF(text, names) is_one_of((text), (names), sizeof(names) / sizeof *(names))

static void write_schema(struct buffer *out, struct slice text, unsigned depth);

/* An object of schemas by name, or a list of schemas. */
static void write_members(struct buffer *out, struct slice text, unsigned depth)
{
    struct json json;
    struct slice key, value;
    bool first = true, object = text.len > 0 && text.ptr[0] == '{';
    json_init(&json, text, JSON_DEPTH_MAX);
    buffer_append_byte(out, object ? '{' : '[');
    if (object ? json_object(&json) : json_array(&json)) {
        while ((object ? json_member(&json, &key) : json_element(&json)) && json_skip(&json, &value)) {
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            if (object) {
                buffer_append_byte(out, '"');
                buffer_append_slice(out, key);
                buffer_append_lit(out, "\":");
            }
            write_schema(out, value, depth + 1);
        }
    }
    buffer_append_byte(out, object ? '}' : ']');
}

static void write_keyword(struct buffer *out, struct slice key, struct slice value, unsigned depth)
{
    static const char *const maps[] = {"properties", "$defs", "definitions"};
    static const char *const lists[] = {"anyOf", "allOf", "prefixItems", "oneOf"};
    bool list = IS_ONE_OF(key, lists);
    buffer_append_byte(out, '"');
    buffer_append_slice(out, slice_equals(key, LIT("oneOf")) ? LIT("anyOf") : key);
    buffer_append_lit(out, "\":");
    if (((list && value.ptr[0] == '[') || (IS_ONE_OF(key, maps) && value.ptr[0] == '{')))
        write_members(out, value, depth);
    else if (slice_equals(key, LIT("items")) && value.ptr[0] == '[')
        write_members(out, value, depth);
    else if (slice_equals(key, LIT("items")))
        write_schema(out, value, depth + 1);
    else
        buffer_append_slice(out, value);
}

static bool is_kept(bool has_any, struct slice key, struct slice value)
{
    if (IS_ONE_OF(key, refused) || (slice_equals(key, LIT("oneOf")) && has_any))
        return false;
    if (!slice_equals(key, LIT("format")) || value.len < 2)
        return true;
    return IS_ONE_OF(((struct slice){value.ptr + 1, value.len - 2}), formats);
}

static void write_schema(struct buffer *out, struct slice text, unsigned depth)
{
    struct json json;
    struct slice key, value;
    bool first = true, is_object = false;
    json_init(&json, text, JSON_DEPTH_MAX);
    if (text.len == 0 || text.ptr[0] != '{' || depth > JSON_DEPTH_MAX || !json_object(&json)) {
        buffer_append_slice(out, text);
        return;
    }
    bool has_any = json_find(text, "anyOf").len > 0;
    buffer_append_byte(out, '{');
    while (json_member(&json, &key) && json_skip(&json, &value)) {
        is_object |= slice_equals(key, LIT("properties")) ||
                     (slice_equals(key, LIT("type")) && slice_find(value, LIT("\"object\"")) != NULL);
        if (!is_kept(has_any, key, value))
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        write_keyword(out, key, value, depth);
    }
    if (is_object)
        buffer_append_slice(out, first ? LIT("\"additionalProperties\":false") : LIT(",\"additionalProperties\":false"));
    buffer_append_byte(out, '}');
}

bool anthropic_write_schema(struct buffer *out, struct slice schema_json, struct complaint *complaint)
{
    enum { SCHEMA_MAX = 1024 * 1024 }; /* each level is looked through again by the one around it */
    if (schema_json.len > SCHEMA_MAX)
        return complaint_refuse(complaint, LIT("the schema is too large for this model: more than 1 MB"), LIT("response_format"));
    write_schema(out, schema_json, 0);
    return true;
}
