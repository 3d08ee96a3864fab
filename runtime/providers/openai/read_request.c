/* read_request.c -- a chat request of OpenAI's dialect into struct chat, and struct chat into one.
 *
 * Reading keeps slices of the body; what no field of struct chat carries is kept in `extras`, as it stood there.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

struct scan {
    struct json json;
    struct arena *arena;
    struct chat *chat;
    struct complaint *complaint;
};

static bool complain(struct scan *scan, struct slice message, struct slice param)
{
    if (scan->complaint->message.len == 0)
        *scan->complaint = (struct complaint){FAILURE_BAD_PARAMETER, message, param};
    return false;
}

/* A string where one stands; anything else is passed over. */
static bool take_string(struct json *json, struct slice *raw)
{
    return json_peek(json) == JSON_STRING ? json_string(json, raw) : json_skip(json, NULL);
}

static bool take_number(struct json *json, struct slice *number)
{
    return json_peek(json) == JSON_NUMBER ? json_number(json, number) : json_skip(json, NULL);
}

static bool take_flag(struct json *json, int *flag)
{
    bool value;
    enum json_type type = json_peek(json);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return json_skip(json, NULL);
    if (!json_bool(json, &value))
        return false;
    *flag = value;
    return true;
}

/* A member of the request itself must be what it should: nobody else would see that it is not. */
static bool wrong_type(struct scan *scan, struct slice name, const char *expected)
{
    return complain(scan, arena_printf(scan->arena, "Invalid type for '%.*s': expected %s.", (int)name.len, name.ptr, expected), name);
}

/* Any value but null. */
static bool take_value(struct json *json, struct slice *text)
{
    return json_peek(json) == JSON_NULL ? json_skip(json, NULL) : json_skip(json, text);
}

/* ---------------------------------------------------------------- parts of a message */

static struct part *add_part(struct scan *scan, struct part ***tail, enum part_kind kind)
{
    struct part *part = arena_zalloc(scan->arena, sizeof *part);
    if (part == NULL)
        return NULL;
    part->kind = kind;
    **tail = part;
    *tail = &part->next;
    return part;
}

/* {"url": …, "detail": …}, or the string itself (Mistral). */
static bool read_image(struct scan *scan, struct part *part)
{
    struct json *json = &scan->json;
    struct slice key;
    if (json_peek(json) == JSON_STRING)
        return json_string(json, &part->url_raw);
    if (!json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("url"))      ? take_string(json, &part->url_raw)
              : openai_is(key, LIT("detail")) ? take_string(json, &part->detail_raw)
                                              : json_skip(json, NULL)))
            return false;
    return json->error == JSON_OK;
}

static bool read_audio(struct scan *scan, struct part *part)
{
    struct json *json = &scan->json;
    struct slice key;
    if (!json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("data"))     ? take_string(json, &part->data_raw)
              : openai_is(key, LIT("format")) ? take_string(json, &part->media_type_raw)
                                              : json_skip(json, NULL)))
            return false;
    return json->error == JSON_OK;
}

static bool read_file(struct scan *scan, struct part *part)
{
    struct json *json = &scan->json;
    struct slice key;
    if (!json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("file_data"))  ? take_string(json, &part->url_raw)
              : openai_is(key, LIT("filename")) ? take_string(json, &part->name_raw)
              : openai_is(key, LIT("file_id"))  ? take_string(json, &part->id_raw)
                                                : json_skip(json, NULL)))
            return false;
    return json->error == JSON_OK;
}

static enum part_kind kind_of(struct slice type)
{
    if (openai_is(type, LIT("image_url")))
        return PART_IMAGE;
    if (openai_is(type, LIT("input_audio")))
        return PART_AUDIO;
    if (openai_is(type, LIT("file")))
        return PART_DOCUMENT;
    if (openai_is(type, LIT("refusal")))
        return PART_REFUSAL;
    return openai_is(type, LIT("text")) ? PART_TEXT : PART_OPAQUE;
}

static bool read_part(struct scan *scan, struct part ***tail)
{
    struct json *json = &scan->json;
    struct slice key, type = SLICE_NONE;
    struct part *part = add_part(scan, tail, PART_TEXT);
    json_peek(json);
    const char *begin = json->at;
    if (part == NULL || !json_object(json))
        return false;
    while (json_member(json, &key)) {
        bool good;
        if (openai_is(key, LIT("type")))
            good = take_string(json, &type);
        else if (openai_is(key, LIT("text")) || openai_is(key, LIT("refusal")))
            good = take_string(json, &part->text_raw);
        else if (openai_is(key, LIT("image_url")))
            good = read_image(scan, part);
        else if (openai_is(key, LIT("input_audio")))
            good = read_audio(scan, part);
        else if (openai_is(key, LIT("file")))
            good = read_file(scan, part);
        else if (openai_is(key, LIT("cache_control")))
            good = take_value(json, &part->cache_control_json);
        else
            good = json_skip(json, NULL);
        if (!good)
            return false;
    }
    part->kind = kind_of(type);
    if (part->kind == PART_OPAQUE)
        part->json = (struct slice){begin, (size_t)(json->at - begin)};
    return true;
}

static bool read_content(struct scan *scan, struct message *message, struct part ***tail)
{
    struct json *json = &scan->json;
    if (json_peek(json) == JSON_STRING) {
        struct part *part = add_part(scan, tail, PART_TEXT);
        message->plain = true;
        return part != NULL && json_string(json, &part->text_raw);
    }
    if (json_peek(json) != JSON_ARRAY)
        return json_skip(json, NULL);
    json_array(json);
    while (json_element(json))
        if (!read_part(scan, tail))
            return false;
    return json->error == JSON_OK;
}

static bool read_function(struct scan *scan, struct part *part)
{
    struct json *json = &scan->json;
    struct slice key, object;
    if (!json_object(json))
        return false;
    while (json_member(json, &key)) {
        bool good;
        if (openai_is(key, LIT("name"))) {
            good = take_string(json, &part->name_raw);
        } else if (openai_is(key, LIT("arguments")) && json_peek(json) == JSON_OBJECT) {
            good = json_skip(json, &object); /* some clients send the object itself */
            part->text_raw = json_escape(scan->arena, object);
        } else if (openai_is(key, LIT("arguments"))) {
            good = take_string(json, &part->text_raw);
        } else {
            good = json_skip(json, NULL);
        }
        if (!good)
            return false;
    }
    return json->error == JSON_OK;
}

static bool read_call(struct scan *scan, struct part ***tail)
{
    struct json *json = &scan->json;
    struct slice key, extra = SLICE_NONE;
    struct part *part = add_part(scan, tail, PART_TOOL_CALL);
    if (part == NULL || !json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("id"))              ? take_string(json, &part->id_raw)
              : openai_is(key, LIT("function"))      ? read_function(scan, part)
              : openai_is(key, LIT("extra_content")) ? take_value(json, &extra)
                                                     : json_skip(json, NULL)))
            return false;
    part->signature_raw = openai_thought_signature(extra);
    return json->error == JSON_OK;
}

static bool read_calls(struct scan *scan, struct part ***tail)
{
    struct json *json = &scan->json;
    if (json_peek(json) == JSON_NULL)
        return json_skip(json, NULL);
    if (json_peek(json) != JSON_ARRAY)
        return wrong_type(scan, LIT("messages"), "a list of tool_calls");
    json_array(json);
    while (json_element(json))
        if (!read_call(scan, tail))
            return false;
    return json->error == JSON_OK;
}

/* Extension: what an answer's thinking_blocks said, given back: {"type":"thinking","thinking":…,"signature":…} or {"type":"redacted_thinking","data":…}. */
static bool read_thinking_block(struct scan *scan, struct part ***tail)
{
    struct json *json = &scan->json;
    struct slice key, type = SLICE_NONE;
    struct part *part = add_part(scan, tail, PART_REASONING);
    if (part == NULL || !json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("type"))        ? take_string(json, &type)
              : openai_is(key, LIT("thinking"))  ? take_string(json, &part->text_raw)
              : openai_is(key, LIT("signature")) ? take_string(json, &part->signature_raw)
              : openai_is(key, LIT("data"))      ? take_string(json, &part->data_raw)
                                                 : json_skip(json, NULL)))
            return false;
    if (openai_is(type, LIT("redacted_thinking")))
        part->kind = PART_REDACTED;
    return json->error == JSON_OK;
}

static bool read_thinking_blocks(struct scan *scan, struct part ***tail)
{
    struct json *json = &scan->json;
    if (json_peek(json) != JSON_ARRAY)
        return json_skip(json, NULL);
    json_array(json);
    while (json_element(json))
        if (!read_thinking_block(scan, tail))
            return false;
    return json->error == JSON_OK;
}

/* ---------------------------------------------------------------- a message */

/* The members of a message come in any order; reasoning stands before text, text before calls. */
struct lists {
    struct part *reasoning, *content, *calls;
    struct part **reasoning_tail, **content_tail, **calls_tail;
    struct slice reasoning_text, call_id, cache_control, refusal, extra_content;
};

static bool read_role(struct scan *scan, struct message *message)
{
    struct slice role = SLICE_NONE;
    if (!take_string(&scan->json, &role))
        return false;
    message->developer = json_raw_equals(role, LIT("developer"));
    if (message->developer || json_raw_equals(role, LIT("system")))
        message->role = ROLE_SYSTEM;
    else if (json_raw_equals(role, LIT("assistant")))
        message->role = ROLE_ASSISTANT;
    else if (json_raw_equals(role, LIT("tool")) || json_raw_equals(role, LIT("function")))
        message->role = ROLE_TOOL;
    else
        message->role = ROLE_USER;
    return true;
}

static bool read_member(struct scan *scan, struct message *message, struct lists *lists, struct slice key)
{
    struct json *json = &scan->json;
    if (openai_is(key, LIT("role")))
        return read_role(scan, message);
    if (openai_is(key, LIT("content")))
        return read_content(scan, message, &lists->content_tail);
    if (openai_is(key, LIT("tool_calls")))
        return read_calls(scan, &lists->calls_tail);
    if (openai_is(key, LIT("tool_call_id")))
        return take_string(json, &lists->call_id);
    if (openai_is(key, LIT("name")))
        return take_string(json, &message->name_raw);
    if (openai_is(key, LIT("thinking_blocks")))
        return read_thinking_blocks(scan, &lists->reasoning_tail);
    if (openai_is(key, LIT("reasoning_content")) || openai_is(key, LIT("reasoning")))
        return take_string(json, &lists->reasoning_text);
    if (openai_is(key, LIT("refusal")))
        return take_string(json, &lists->refusal);
    if (openai_is(key, LIT("extra_content")))
        return take_value(json, &lists->extra_content);
    if (openai_is(key, LIT("cache_control")))
        return take_value(json, &lists->cache_control);
    return json_skip(json, NULL);
}

/* A marker on a whole message stands for one on its last part. */
static void mark_last(struct part *parts, struct slice cache_control)
{
    while (parts != NULL && parts->next != NULL)
        parts = parts->next;
    if (parts != NULL && parts->cache_control_json.len == 0)
        parts->cache_control_json = cache_control;
}

/* A signature on a message is that of its last text. */
static void sign_last(struct part *parts, struct slice signature)
{
    struct part *last = NULL;
    for (; parts != NULL; parts = parts->next)
        if (parts->kind == PART_TEXT)
            last = parts;
    if (last != NULL)
        last->signature_raw = signature;
}

static bool join_lists(struct scan *scan, struct message *message, struct lists *lists)
{
    struct part *part;
    if (lists->reasoning == NULL && lists->reasoning_text.len > 0) {
        if ((part = add_part(scan, &lists->reasoning_tail, PART_REASONING)) == NULL)
            return false;
        part->text_raw = lists->reasoning_text;
    }
    if (lists->refusal.len > 0) {
        if ((part = add_part(scan, &lists->content_tail, PART_REFUSAL)) == NULL)
            return false;
        part->text_raw = lists->refusal;
    }
    if (lists->cache_control.len > 0)
        mark_last(lists->content, lists->cache_control);
    sign_last(lists->content, openai_thought_signature(lists->extra_content));
    if (message->role == ROLE_TOOL) {
        struct part **tail = &message->parts;
        if ((part = add_part(scan, &tail, PART_TOOL_RESULT)) == NULL)
            return false;
        part->id_raw = lists->call_id;
        part->children = lists->content;
        if (lists->cache_control.len > 0)
            part->cache_control_json = lists->cache_control;
        return true;
    }
    *lists->content_tail = lists->calls;
    *lists->reasoning_tail = lists->content != NULL ? lists->content : lists->calls;
    message->parts = lists->reasoning != NULL ? lists->reasoning : lists->content != NULL ? lists->content : lists->calls;
    return true;
}

static bool read_message(struct scan *scan, struct message ***tail)
{
    struct message *message = arena_zalloc(scan->arena, sizeof *message);
    struct lists lists = {.reasoning = NULL};
    struct slice key;
    lists.reasoning_tail = &lists.reasoning;
    lists.content_tail = &lists.content;
    lists.calls_tail = &lists.calls;
    if (message == NULL || !json_object(&scan->json))
        return false;
    while (json_member(&scan->json, &key))
        if (!read_member(scan, message, &lists, key))
            return false;
    **tail = message;
    *tail = &message->next;
    return scan->json.error == JSON_OK && join_lists(scan, message, &lists);
}

static bool read_messages(struct scan *scan)
{
    struct message **tail = &scan->chat->messages;
    if (!json_array(&scan->json))
        return false;
    while (json_element(&scan->json))
        if (!read_message(scan, &tail))
            return false;
    return scan->json.error == JSON_OK;
}

/* ---------------------------------------------------------------- tools and formats */

static bool read_tool_function(struct scan *scan, struct tool *tool)
{
    struct json *json = &scan->json;
    struct slice key;
    if (!json_object(json))
        return false;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("name"))                                                ? take_string(json, &tool->name_raw)
              : openai_is(key, LIT("description"))                                       ? take_string(json, &tool->description_raw)
              : openai_is(key, LIT("parameters")) || openai_is(key, LIT("input_schema")) ? take_value(json, &tool->schema_json)
              : openai_is(key, LIT("strict"))                                            ? take_flag(json, &tool->strict)
                                                                                         : json_skip(json, NULL)))
            return false;
    return json->error == JSON_OK;
}

static bool read_tool(struct scan *scan, struct tool ***tail)
{
    struct json *json = &scan->json;
    struct tool *tool = arena_zalloc(scan->arena, sizeof *tool);
    struct slice key, type = SLICE_NONE;
    json_peek(json);
    const char *begin = json->at;
    if (json_peek(json) != JSON_OBJECT)
        return wrong_type(scan, LIT("tools"), "an array of objects");
    if (tool == NULL || !json_object(json))
        return false;
    tool->strict = -1;
    while (json_member(json, &key))
        if (!(openai_is(key, LIT("type"))            ? take_string(json, &type)
              : openai_is(key, LIT("function"))      ? read_tool_function(scan, tool)
              : openai_is(key, LIT("cache_control")) ? take_value(json, &tool->cache_control_json)
                                                     : json_skip(json, NULL)))
            return false;
    if (!openai_is(type, LIT("function")))
        tool->json = (struct slice){begin, (size_t)(json->at - begin)};
    **tail = tool;
    *tail = &tool->next;
    return json->error == JSON_OK;
}

static bool read_tools(struct scan *scan)
{
    struct tool **tail = &scan->chat->tools;
    if (json_peek(&scan->json) != JSON_ARRAY)
        return json_skip(&scan->json, NULL);
    json_array(&scan->json);
    while (json_element(&scan->json))
        if (!read_tool(scan, &tail))
            return false;
    return scan->json.error == JSON_OK;
}

static bool read_tool_choice(struct scan *scan, struct slice raw)
{
    struct chat *chat = scan->chat;
    struct slice word = raw.len > 2 && raw.ptr[0] == '"' ? (struct slice){raw.ptr + 1, raw.len - 2} : SLICE_NONE;
    if (slice_equals(word, LIT("auto")))
        chat->tool_choice = TOOL_CHOICE_AUTO;
    else if (slice_equals(word, LIT("none")))
        chat->tool_choice = TOOL_CHOICE_NONE;
    else if (slice_equals(word, LIT("required")) || slice_equals(word, LIT("any")))
        chat->tool_choice = TOOL_CHOICE_REQUIRED;
    else if (raw.len > 0 && raw.ptr[0] == '{' && json_find(raw, "allowed_tools").len > 0) {
        struct slice allowed = json_find(raw, "allowed_tools");
        chat->tool_choice = json_raw_equals(json_find_string(allowed, "mode"), LIT("required")) ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
        return chat_keep_tools(chat, scan->arena, json_find(allowed, "tools"));
    } else if (raw.len > 0 && raw.ptr[0] == '{') {
        chat->tool_choice = TOOL_CHOICE_NAMED;
        chat->tool_choice_name_raw = json_find_string(json_find(raw, "function"), "name");
        if (chat->tool_choice_name_raw.len == 0)
            return complain(scan, LIT("Invalid 'tool_choice': it names no function."), LIT("tool_choice"));
    } else if (raw.len > 0) {
        return complain(scan, LIT("Invalid 'tool_choice': expected 'none', 'auto', 'required' or an object."), LIT("tool_choice"));
    }
    return true;
}

static bool read_format(struct scan *scan, struct slice raw)
{
    struct chat *chat = scan->chat;
    struct slice type = json_find_string(raw, "type"), schema = json_find(raw, "json_schema"), strict;
    if (slice_equals(type, LIT("json_object")))
        chat->format = FORMAT_JSON;
    else if (slice_equals(type, LIT("text")))
        chat->format = FORMAT_TEXT;
    else if (!slice_equals(type, LIT("json_schema")))
        return raw.len == 0 || complain(scan, LIT("Invalid 'response_format': expected the type 'text', 'json_object' or 'json_schema'."),
                                        LIT("response_format"));
    if (!slice_equals(type, LIT("json_schema")))
        return true;
    chat->format = FORMAT_SCHEMA;
    chat->schema_json = json_find(schema, "schema");
    chat->schema_name_raw = json_find_string(schema, "name");
    chat->schema_description_raw = json_find_string(schema, "description");
    strict = json_find(schema, "strict");
    chat->schema_strict = strict.len == 0 ? -1 : slice_equals(strict, LIT("true"));
    return true;
}

static bool read_stop(struct scan *scan)
{
    struct json *json = &scan->json;
    struct chat *chat = scan->chat;
    enum { STOPS_MAX = 64 };
    chat->stops_raw = arena_zalloc(scan->arena, sizeof *chat->stops_raw * STOPS_MAX);
    if (chat->stops_raw == NULL)
        return false;
    chat->stop_plain = json_peek(json) == JSON_STRING;
    if (chat->stop_plain)
        return json_string(json, &chat->stops_raw[chat->stop_count++]);
    if (json_peek(json) == JSON_NULL)
        return json_skip(json, NULL);
    if (json_peek(json) != JSON_ARRAY)
        return wrong_type(scan, LIT("stop"), "a string or an array of strings");
    json_array(json);
    while (json_element(json)) {
        if (chat->stop_count == STOPS_MAX)
            return complain(scan, LIT("Invalid 'stop': too many sequences."), LIT("stop"));
        if (json_peek(json) != JSON_STRING)
            return wrong_type(scan, LIT("stop"), "a string or an array of strings");
        if (!json_string(json, &chat->stops_raw[chat->stop_count++]))
            return false;
    }
    return json->error == JSON_OK;
}

/* ---------------------------------------------------------------- the request */

static bool add_extra(struct scan *scan, struct slice name)
{
    struct slice value;
    return json_skip(&scan->json, &value) && chat_add_extra(scan->chat, scan->arena, name, value, scan->complaint);
}

/* Plain values by name; everything that needs more than storing is in read_field. */
static bool read_simple(struct scan *scan, struct slice key, bool *known)
{
    struct chat *chat = scan->chat;
    struct json *json = &scan->json;
    const struct {
        struct slice name;
        struct slice *number, *string, *value;
        int *flag;
    } simple[] = {
        {LIT("temperature"), &chat->temperature, NULL, NULL, NULL},
        {LIT("top_p"), &chat->top_p, NULL, NULL, NULL},
        {LIT("top_k"), &chat->top_k, NULL, NULL, NULL},
        {LIT("n"), &chat->n, NULL, NULL, NULL},
        {LIT("seed"), &chat->seed, NULL, NULL, NULL},
        {LIT("presence_penalty"), &chat->presence_penalty, NULL, NULL, NULL},
        {LIT("frequency_penalty"), &chat->frequency_penalty, NULL, NULL, NULL},
        {LIT("top_logprobs"), &chat->top_logprobs, NULL, NULL, NULL},
        {LIT("model"), NULL, &chat->model_raw, NULL, NULL},
        {LIT("reasoning_effort"), NULL, &chat->effort_raw, NULL, NULL},
        {LIT("user"), NULL, &chat->user_raw, NULL, NULL},
        {LIT("service_tier"), NULL, &chat->service_tier_raw, NULL, NULL},
        {LIT("thinking"), NULL, NULL, &chat->thinking_json, NULL},
        {LIT("metadata"), NULL, NULL, &chat->metadata_json, NULL},
        {LIT("cache_control"), NULL, NULL, &chat->cache_control_json, NULL},
        {LIT("parallel_tool_calls"), NULL, NULL, NULL, &chat->parallel_tool_calls},
        {LIT("logprobs"), NULL, NULL, NULL, &chat->logprobs},
    };
    *known = true;
    for (unsigned i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (!json_raw_equals(key, simple[i].name))
            continue;
        enum json_type type = json_peek(json);
        if (simple[i].number != NULL && type != JSON_NUMBER && type != JSON_NULL)
            return wrong_type(scan, simple[i].name, "a number");
        if (simple[i].string != NULL && type != JSON_STRING && type != JSON_NULL)
            return wrong_type(scan, simple[i].name, "a string");
        if (simple[i].flag != NULL && type != JSON_TRUE && type != JSON_FALSE && type != JSON_NULL)
            return wrong_type(scan, simple[i].name, "a boolean");
        return simple[i].number != NULL   ? take_number(json, simple[i].number)
               : simple[i].string != NULL ? take_string(json, simple[i].string)
               : simple[i].value != NULL  ? take_value(json, simple[i].value)
                                          : take_flag(json, simple[i].flag);
    }
    *known = false;
    return true;
}

struct later {
    struct slice tool_choice, max_tokens, max_completion_tokens;
};

static bool read_field(struct scan *scan, struct slice key, struct later *later)
{
    struct json *json = &scan->json;
    struct slice raw = SLICE_NONE;
    int flag = 0;
    if (json_raw_equals(key, LIT("messages")))
        return read_messages(scan);
    if (json_raw_equals(key, LIT("tools")))
        return read_tools(scan);
    if (json_raw_equals(key, LIT("tool_choice")))
        return take_value(json, &later->tool_choice);
    if (json_raw_equals(key, LIT("stop")))
        return read_stop(scan);
    if (json_raw_equals(key, LIT("max_tokens")))
        return take_number(json, &later->max_tokens);
    if (json_raw_equals(key, LIT("max_completion_tokens")))
        return take_number(json, &later->max_completion_tokens);
    if (json_raw_equals(key, LIT("stream"))) {
        bool good = take_flag(json, &flag);
        scan->chat->stream = flag;
        return good;
    }
    if (json_raw_equals(key, LIT("response_format")) || json_raw_equals(key, LIT("stream_options"))) {
        if (!take_value(json, &raw))
            return false;
        if (key.ptr[0] == 'r')
            return read_format(scan, raw);
        scan->chat->include_usage = slice_equals(json_find(raw, "include_usage"), LIT("true"));
        return true;
    }
    if (json_raw_equals(key, LIT("routing_strategy")) || json_raw_equals(key, LIT("fallback")))
        return json_skip(json, NULL);
    if (json_raw_equals(key, LIT("provider")) && json_peek(json) != JSON_OBJECT)
        return json_skip(json, NULL);
    return add_extra(scan, key);
}

bool openai_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    struct scan scan = {.arena = arena, .chat = chat, .complaint = complaint};
    struct later later = {.tool_choice = SLICE_NONE};
    struct slice key;
    bool known;
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    *chat = (struct chat){.parallel_tool_calls = -1, .schema_strict = -1, .logprobs = -1};
    json_init(&scan.json, body, JSON_DEPTH_MAX);
    bool good = json_object(&scan.json);
    while (good && json_member(&scan.json, &key)) {
        good = read_simple(&scan, key, &known);
        if (good && !known)
            good = read_field(&scan, key, &later);
    }
    chat->max_completion = later.max_completion_tokens.len > 0;
    chat->max_tokens = later.max_completion_tokens.len > 0 ? later.max_completion_tokens : later.max_tokens;
    good = good && scan.json.error == JSON_OK && read_tool_choice(&scan, later.tool_choice) && !arena->overflow;
    return good || chat_is_unread(arena, complaint);
}
