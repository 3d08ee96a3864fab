/* call.c -- the mock provider's reading of a request: no more of it than its answers depend on.
 *
 * A token is a word, so that specs can say what usage must be.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { STOP_BYTES_MAX = 256 };

void mock_call_init(struct mock_call *call)
{
    memset(call, 0, sizeof *call);
    call->max_tokens = -1;
    call->n = 1;
    buffer_init(&call->last_text, MOCK_ECHO_MAX + 64);
    for (unsigned i = 0; i < MOCK_STOPS_MAX; i++)
        buffer_init(&call->stops[i], STOP_BYTES_MAX);
}

void mock_call_free(struct mock_call *call)
{
    buffer_free(&call->last_text);
    for (unsigned i = 0; i < MOCK_STOPS_MAX; i++)
        buffer_free(&call->stops[i]);
}

struct slice mock_behaviour(struct slice model)
{
    const char *label = model.len == 0 ? NULL : memchr(model.ptr, '@', model.len);
    return (struct slice){model.ptr, label == NULL ? model.len : (size_t)(label - model.ptr)};
}

bool mock_number_after(struct slice name, struct slice prefix, int64_t *number)
{
    return slice_starts_with(name, prefix) && slice_to_int((struct slice){name.ptr + prefix.len, name.len - prefix.len}, number);
}

/* Words of a raw string: \n and \t part them like blanks do. */
int64_t mock_count_words(struct slice text)
{
    int64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < text.len; i++) {
        bool escaped = text.ptr[i] == '\\' && i + 1 < text.len;
        bool blank = text.ptr[i] == ' ' || text.ptr[i] == '\n' || text.ptr[i] == '\t' ||
                     (escaped && (text.ptr[i + 1] == 'n' || text.ptr[i + 1] == 't' || text.ptr[i + 1] == 'r'));
        if (escaped)
            i++;
        words += !blank && !inside;
        inside = !blank;
    }
    return words;
}

/* The beginning of a raw string, not cut inside an escape or a character. */
static struct slice cut_raw(struct slice raw, size_t max)
{
    if (raw.len <= max)
        return raw;
    size_t end = max;
    for (size_t i = max - 12; i < max; i++) {
        if (raw.ptr[i] == '\\') {
            end = i;
            while (end > 0 && raw.ptr[end - 1] == '\\')
                end--;
            break;
        }
    }
    while (end > 0 && ((unsigned char)raw.ptr[end] & 0xC0) == 0x80)
        end--;
    return (struct slice){raw.ptr, end};
}

static void keep_text(struct mock_call *call, struct slice raw)
{
    size_t room = call->last_text.len < MOCK_ECHO_MAX ? MOCK_ECHO_MAX - call->last_text.len : 0;
    if (room < 64)
        return;
    if (call->last_text.len > 0)
        buffer_append_byte(&call->last_text, ' ');
    json_append_unescaped(&call->last_text, cut_raw(raw, room - 1));
}

static void take_text(struct mock_call *call, struct slice raw, bool echo)
{
    call->words += mock_count_words(raw);
    if (echo)
        keep_text(call, raw);
}

static void read_content(struct mock_call *call, struct slice content, bool echo);

/* One part of a message: text, an image, or the result of a tool with content of its own. */
static void read_part(struct mock_call *call, struct slice part, bool echo)
{
    struct slice type = json_find_string(part, "type");
    if (slice_equals(type, LIT("text")) || slice_equals(type, LIT("input_text"))) {
        take_text(call, json_find_string(part, "text"), echo);
    } else if (slice_equals(type, LIT("image_url")) || slice_equals(type, LIT("image")) || slice_equals(type, LIT("input_image"))) {
        call->images++;
    } else if (slice_equals(type, LIT("tool_result"))) {
        if (echo && call->last != MOCK_LAST_TOOL)
            buffer_clear(&call->last_text);
        call->last = MOCK_LAST_TOOL;
        read_content(call, json_find(part, "content"), echo);
    }
}

static void read_content(struct mock_call *call, struct slice content, bool echo)
{
    struct json list = json_list(content);
    struct slice part;
    if (content.len > 0 && content.ptr[0] == '"')
        take_text(call, (struct slice){content.ptr + 1, content.len - 2}, echo);
    while (json_next(&list, &part))
        read_part(call, part, echo);
}

static void read_message(struct mock_call *call, struct slice message)
{
    struct slice role = json_find_string(message, "role");
    bool user = slice_equals(role, LIT("user")), tool = slice_equals(role, LIT("tool"));
    if (message.ptr[0] != '{')
        return;
    call->last = user ? MOCK_LAST_USER : tool ? MOCK_LAST_TOOL : MOCK_LAST_OTHER;
    if (user || tool)
        buffer_clear(&call->last_text);
    read_content(call, json_find(message, "content"), user || tool);
}

static void read_messages(struct mock_call *call, struct slice messages)
{
    struct json list = json_list(messages);
    struct slice message;
    while (json_next(&list, &message))
        read_message(call, message);
}

static void add_stop(struct mock_call *call, struct slice value)
{
    if (value.len > 2 && value.ptr[0] == '"' && value.len - 2 < STOP_BYTES_MAX && call->stop_count < MOCK_STOPS_MAX)
        json_append_unescaped(&call->stops[call->stop_count++], (struct slice){value.ptr + 1, value.len - 2});
}

static void read_stops(struct mock_call *call, struct slice stops)
{
    struct json list = json_list(stops);
    struct slice stop;
    add_stop(call, stops);
    while (json_next(&list, &stop))
        add_stop(call, stop);
}

static void read_model(struct mock_call *call, struct json *json)
{
    struct slice raw;
    struct buffer plain;
    if (!json_string(json, &raw))
        return;
    buffer_init(&plain, 1024 * 1024);
    json_append_unescaped(&plain, raw);
    struct slice name = buffer_slice(&plain);
    if (slice_starts_with(name, LIT("mock/")))
        name = (struct slice){name.ptr + 5, name.len - 5};
    size_t len = name.len < sizeof call->model ? name.len : sizeof call->model - 1;
    if (len > 0)
        memcpy(call->model, name.ptr, len);
    call->model[len] = '\0';
    buffer_free(&plain);
}

static int64_t read_count(struct json *json)
{
    struct slice number;
    int64_t count = -1;
    if (json_take_null(json) || !json_number(json, &number) || !json_to_count(number, &count))
        return -1;
    return count;
}

static struct slice take(struct json *json)
{
    struct slice value = SLICE_NONE;
    json_skip(json, &value);
    return value;
}

static void read_member(struct mock_call *call, struct json *json, struct slice key)
{
    struct slice raw;
    if (slice_equals(key, LIT("model")))
        read_model(call, json);
    else if (slice_equals(key, LIT("messages")))
        read_messages(call, take(json));
    else if (slice_equals(key, LIT("system")))
        read_content(call, take(json), false);
    else if (slice_equals(key, LIT("stream")) && !json_take_null(json))
        json_bool(json, &call->stream);
    else if (slice_equals(key, LIT("stream_options")) && json_skip(json, &raw))
        call->include_usage = slice_equals(json_find(raw, "include_usage"), LIT("true"));
    else if (slice_equals(key, LIT("max_tokens")) || slice_equals(key, LIT("max_completion_tokens")))
        call->max_tokens = read_count(json);
    else if (slice_equals(key, LIT("stop")) || slice_equals(key, LIT("stop_sequences")))
        read_stops(call, take(json));
    else if (slice_equals(key, LIT("tools")))
        json_skip(json, &call->tools);
    else if (slice_equals(key, LIT("tool_choice")))
        json_skip(json, &call->tool_choice);
    else if (slice_equals(key, LIT("response_format")))
        json_skip(json, &call->format);
    else if (slice_equals(key, LIT("output_config")) && json_skip(json, &raw))
        call->format = json_find(raw, "format");
    else if (slice_equals(key, LIT("n"))) {
        int64_t n = read_count(json);
        call->n = n < 1 ? 1 : n > MOCK_N_MAX ? MOCK_N_MAX : (unsigned)n;
    } else if (!slice_equals(key, LIT("stream")) && !slice_equals(key, LIT("stream_options")) && !slice_equals(key, LIT("output_config")))
        json_skip(json, NULL);
}

bool mock_call_read(struct mock_call *call, struct slice body)
{
    struct json json;
    struct slice key;
    bool messages = false;
    json_init(&json, body, JSON_DEPTH_MAX);
    if (json_object(&json)) {
        while (json_member(&json, &key)) {
            messages = messages || slice_equals(key, LIT("messages"));
            read_member(call, &json, key);
        }
    }
    call->well_formed = json_finish(&json) && call->model[0] != '\0' && messages;
    return call->well_formed;
}

struct slice mock_peek_model(struct slice body)
{
    struct slice start = {body.ptr, body.len < 4096 ? body.len : 4096};
    const char *at = slice_find(start, LIT("\"model\"")), *end = start.ptr + start.len;
    if (at == NULL)
        return SLICE_NONE;
    at += 7;
    while (at < end && (*at == ' ' || *at == ':'))
        at++;
    if (at == end || *at != '"')
        return SLICE_NONE;
    const char *name = ++at;
    while (at < end && *at != '"')
        at++;
    struct slice model = {name, at == end ? 0 : (size_t)(at - name)};
    return slice_starts_with(model, LIT("mock/")) ? (struct slice){name + 5, model.len - 5} : model;
}
