/* read_request.c -- a chat request of OpenAI's dialect into struct chat.
 *
 * Reading keeps slices of the body; what no field of struct chat carries is kept in `extras`, as it stood there.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"
#include "providers/take.h"

/* The state of reading one request. */
struct reading {
    struct take base;
    struct slice tool_choice; /* looked at when the tools are known */
};

/* A member of the request itself must be what it should: no provider would see that it is not. */
static bool wrong_type(struct take *take, struct slice name, const char *expected)
{
    return take_refuse(take, arena_printf(take->arena, "Invalid type for '%.*s': expected %s.", (int)name.len, name.ptr, expected), name);
}

/* ---------------------------------------------------------------- parts of a message */

/* {"url": …, "detail": …}, or the string itself (Mistral). */
static bool read_image(struct take *take, const struct take_member *member, void *into)
{
    static const struct take_member list[] = {{LIT("url"), take_string, offsetof(struct part, url_raw)},
                                              {LIT("detail"), take_string, offsetof(struct part, detail_raw)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    (void)member;
    if (json_peek(&take->json) == JSON_STRING)
        return json_string(&take->json, &((struct part *)into)->url_raw);
    return take_object(take, &members, into);
}

static bool read_audio(struct take *take, const struct take_member *member, void *into)
{
    static const struct take_member list[] = {{LIT("data"), take_string, offsetof(struct part, data_raw)},
                                              {LIT("format"), take_string, offsetof(struct part, media_type_raw)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    (void)member;
    return take_object(take, &members, into);
}

static bool read_file(struct take *take, const struct take_member *member, void *into)
{
    static const struct take_member list[] = {{LIT("file_data"), take_string, offsetof(struct part, url_raw)},
                                              {LIT("filename"), take_string, offsetof(struct part, name_raw)},
                                              {LIT("file_id"), take_string, offsetof(struct part, id_raw)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    (void)member;
    return take_object(take, &members, into);
}

static bool read_part_type(struct take *take, const struct take_member *member, void *into)
{
    static const struct {
        struct slice type;
        enum part_kind kind;
    } kinds[] = {{LIT("text"), PART_TEXT},
                 {LIT("image_url"), PART_IMAGE},
                 {LIT("input_audio"), PART_AUDIO},
                 {LIT("file"), PART_DOCUMENT},
                 {LIT("refusal"), PART_REFUSAL}};
    struct part *part = into;
    struct slice type;
    if (json_peek(&take->json) != JSON_STRING)
        return take_skip(take, member, into);
    part->kind = PART_OPAQUE;
    if (!json_string(&take->json, &type))
        return false;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (json_is(type, kinds[i].type))
            part->kind = kinds[i].kind;
    return true;
}

static bool read_part(struct take *take, void *tail)
{
    static const struct take_member list[] = {
        {LIT("type"), read_part_type, 0},
        {LIT("text"), take_string, offsetof(struct part, text_raw)},
        {LIT("refusal"), take_string, offsetof(struct part, text_raw)},
        {LIT("image_url"), read_image, 0},
        {LIT("input_audio"), read_audio, 0},
        {LIT("file"), read_file, 0},
        {LIT("cache_control"), take_value, offsetof(struct part, cache_control_json)},
    };
    static const struct take_members members = TAKE_MEMBERS(list);
    struct part *part = take_part(take->arena, tail, PART_OPAQUE);
    json_peek(&take->json);
    const char *begin = take->json.at;
    if (part == NULL || !take_object(take, &members, part))
        return false;
    if (part->kind == PART_OPAQUE)
        part->json = (struct slice){begin, (size_t)(take->json.at - begin)};
    return true;
}

/* Some clients send the object itself instead of its text. */
static bool read_arguments(struct take *take, const struct take_member *member, void *into)
{
    struct slice object;
    if (json_peek(&take->json) != JSON_OBJECT)
        return take_string(take, member, into);
    if (!json_skip(&take->json, &object))
        return false;
    ((struct part *)into)->text_raw = json_escape(take->arena, object);
    return true;
}

static bool read_function(struct take *take, const struct take_member *member, void *into)
{
    static const struct take_member list[] = {{LIT("name"), take_string, offsetof(struct part, name_raw)},
                                              {LIT("arguments"), read_arguments, offsetof(struct part, text_raw)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    (void)member;
    return take_object(take, &members, into);
}

static bool read_signature(struct take *take, const struct take_member *member, void *into)
{
    struct slice extra = SLICE_NONE;
    (void)member;
    if (json_peek(&take->json) == JSON_NULL)
        return json_skip(&take->json, NULL);
    if (!json_skip(&take->json, &extra))
        return false;
    ((struct part *)into)->signature_raw = openai_thought_signature(extra);
    return true;
}

static bool read_call(struct take *take, void *tail)
{
    static const struct take_member list[] = {{LIT("id"), take_string, offsetof(struct part, id_raw)},
                                              {LIT("function"), read_function, 0},
                                              {LIT("extra_content"), read_signature, 0}};
    static const struct take_members members = TAKE_MEMBERS(list);
    struct part *part = take_part(take->arena, tail, PART_TOOL_CALL);
    return part != NULL && take_object(take, &members, part);
}

static bool read_block_type(struct take *take, const struct take_member *member, void *into)
{
    struct slice type;
    if (json_peek(&take->json) != JSON_STRING)
        return take_skip(take, member, into);
    if (!json_string(&take->json, &type))
        return false;
    ((struct part *)into)->kind = json_is(type, LIT("redacted_thinking")) ? PART_REDACTED : PART_REASONING;
    return true;
}

/* Extension: what an answer's thinking_blocks said, given back: {"type":"thinking","thinking":…,"signature":…} or {"type":"redacted_thinking","data":…}. */
static bool read_thinking_block(struct take *take, void *tail)
{
    static const struct take_member list[] = {{LIT("type"), read_block_type, 0},
                                              {LIT("thinking"), take_string, offsetof(struct part, text_raw)},
                                              {LIT("signature"), take_string, offsetof(struct part, signature_raw)},
                                              {LIT("data"), take_string, offsetof(struct part, data_raw)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    struct part *part = take_part(take->arena, tail, PART_REASONING);
    return part != NULL && take_object(take, &members, part);
}

/* ---------------------------------------------------------------- a message */

/* The members of a message come in any order; reasoning stands before text, text before calls. */
struct lists {
    struct message *message;
    struct part *reasoning, *content, *calls;
    struct part **reasoning_tail, **content_tail, **calls_tail;
    struct slice name, reasoning_text, call_id, cache_control, refusal, extra_content;
};

static bool read_content(struct take *take, const struct take_member *member, void *into)
{
    struct lists *lists = into;
    if (json_peek(&take->json) == JSON_STRING) {
        struct part *part = take_part(take->arena, &lists->content_tail, PART_TEXT);
        lists->message->plain = true;
        return part != NULL && json_string(&take->json, &part->text_raw);
    }
    if (json_peek(&take->json) != JSON_ARRAY)
        return take_skip(take, member, into);
    return take_list(take, read_part, &lists->content_tail);
}

static bool read_calls(struct take *take, const struct take_member *member, void *into)
{
    if (json_peek(&take->json) == JSON_NULL)
        return take_skip(take, member, into);
    if (json_peek(&take->json) != JSON_ARRAY)
        return wrong_type(take, LIT("messages"), "a list of tool_calls");
    return take_list(take, read_call, &((struct lists *)into)->calls_tail);
}

static bool read_thinking_blocks(struct take *take, const struct take_member *member, void *into)
{
    if (json_peek(&take->json) != JSON_ARRAY)
        return take_skip(take, member, into);
    return take_list(take, read_thinking_block, &((struct lists *)into)->reasoning_tail);
}

static bool read_role(struct take *take, const struct take_member *member, void *into)
{
    struct message *message = ((struct lists *)into)->message;
    struct slice role = SLICE_NONE;
    (void)member;
    if (!(json_peek(&take->json) == JSON_STRING ? json_string(&take->json, &role) : json_skip(&take->json, NULL)))
        return false;
    message->developer = json_is(role, LIT("developer"));
    if (message->developer || json_is(role, LIT("system")))
        message->role = ROLE_SYSTEM;
    else if (json_is(role, LIT("assistant")))
        message->role = ROLE_ASSISTANT;
    else if (json_is(role, LIT("tool")) || json_is(role, LIT("function")))
        message->role = ROLE_TOOL;
    else
        message->role = ROLE_USER;
    return true;
}

static const struct take_member message_list[] = {
    {LIT("role"), read_role, 0},
    {LIT("content"), read_content, 0},
    {LIT("tool_calls"), read_calls, 0},
    {LIT("tool_call_id"), take_string, offsetof(struct lists, call_id)},
    {LIT("name"), take_string, offsetof(struct lists, name)},
    {LIT("thinking_blocks"), read_thinking_blocks, 0},
    {LIT("reasoning_content"), take_string, offsetof(struct lists, reasoning_text)},
    {LIT("reasoning"), take_string, offsetof(struct lists, reasoning_text)},
    {LIT("refusal"), take_string, offsetof(struct lists, refusal)},
    {LIT("extra_content"), take_value, offsetof(struct lists, extra_content)},
    {LIT("cache_control"), take_value, offsetof(struct lists, cache_control)},
};
static const struct take_members message_members = TAKE_MEMBERS(message_list);

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

static bool join_lists(struct take *take, struct lists *lists)
{
    struct message *message = lists->message;
    struct part *part;
    if (lists->reasoning == NULL && lists->reasoning_text.len > 0) {
        if ((part = take_part(take->arena, &lists->reasoning_tail, PART_REASONING)) == NULL)
            return false;
        part->text_raw = lists->reasoning_text;
    }
    if (lists->refusal.len > 0) {
        if ((part = take_part(take->arena, &lists->content_tail, PART_REFUSAL)) == NULL)
            return false;
        part->text_raw = lists->refusal;
    }
    if (lists->cache_control.len > 0)
        mark_last(lists->content, lists->cache_control);
    sign_last(lists->content, openai_thought_signature(lists->extra_content));
    if (message->role == ROLE_TOOL) {
        struct part **tail = &message->parts;
        if ((part = take_part(take->arena, &tail, PART_TOOL_RESULT)) == NULL)
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

static bool read_message(struct take *take, void *into)
{
    struct message ***tail = into;
    struct lists lists = {.message = arena_zalloc(take->arena, sizeof *lists.message)};
    lists.reasoning_tail = &lists.reasoning;
    lists.content_tail = &lists.content;
    lists.calls_tail = &lists.calls;
    if (lists.message == NULL || !take_object(take, &message_members, &lists))
        return false;
    lists.message->name_raw = lists.name;
    **tail = lists.message;
    *tail = &lists.message->next;
    return join_lists(take, &lists);
}

static bool read_messages(struct take *take, const struct take_member *member, void *into)
{
    struct message **tail = &take->chat->messages;
    (void)member;
    (void)into;
    return take_list(take, read_message, &tail);
}

/* ---------------------------------------------------------------- tools and formats */

struct tool_said {
    struct tool *tool;
    struct slice type, cache_control;
};

static bool read_tool_function(struct take *take, const struct take_member *member, void *into)
{
    static const struct take_member list[] = {{LIT("name"), take_string, offsetof(struct tool, name_raw)},
                                              {LIT("description"), take_string, offsetof(struct tool, description_raw)},
                                              {LIT("parameters"), take_value, offsetof(struct tool, schema_json)},
                                              {LIT("input_schema"), take_value, offsetof(struct tool, schema_json)},
                                              {LIT("strict"), take_flag, offsetof(struct tool, strict)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    (void)member;
    return take_object(take, &members, ((struct tool_said *)into)->tool);
}

static bool read_tool(struct take *take, void *into)
{
    struct tool ***tail = into;
    static const struct take_member list[] = {{LIT("type"), take_string, offsetof(struct tool_said, type)},
                                              {LIT("function"), read_tool_function, 0},
                                              {LIT("cache_control"), take_value, offsetof(struct tool_said, cache_control)}};
    static const struct take_members members = TAKE_MEMBERS(list);
    struct tool *tool = arena_zalloc(take->arena, sizeof *tool);
    struct tool_said said = {.tool = tool};
    if (json_peek(&take->json) != JSON_OBJECT)
        return wrong_type(take, LIT("tools"), "an array of objects");
    const char *begin = take->json.at;
    if (tool == NULL)
        return false;
    tool->strict = -1;
    if (!take_object(take, &members, &said))
        return false;
    tool->cache_control_json = said.cache_control;
    if (!json_is(said.type, LIT("function")))
        tool->json = (struct slice){begin, (size_t)(take->json.at - begin)};
    **tail = tool;
    *tail = &tool->next;
    return true;
}

static bool read_tools(struct take *take, const struct take_member *member, void *into)
{
    struct tool **tail = &take->chat->tools;
    return json_peek(&take->json) == JSON_ARRAY ? take_list(take, read_tool, &tail) : take_skip(take, member, into);
}

static bool use_tool_choice(struct take *take, struct slice raw)
{
    struct chat *chat = take->chat;
    struct slice word = raw.len > 2 && raw.ptr[0] == '"' ? (struct slice){raw.ptr + 1, raw.len - 2} : SLICE_NONE;
    if (slice_equals(word, LIT("auto")))
        chat->tool_choice = TOOL_CHOICE_AUTO;
    else if (slice_equals(word, LIT("none")))
        chat->tool_choice = TOOL_CHOICE_NONE;
    else if (slice_equals(word, LIT("required")) || slice_equals(word, LIT("any")))
        chat->tool_choice = TOOL_CHOICE_REQUIRED;
    else if (raw.len > 0 && raw.ptr[0] == '{' && json_find(raw, "allowed_tools").len > 0) {
        struct slice allowed = json_find(raw, "allowed_tools");
        chat->tool_choice = json_is(json_find_string(allowed, "mode"), LIT("required")) ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
        return chat_keep_tools(chat, take->arena, json_find(allowed, "tools"));
    } else if (raw.len > 0 && raw.ptr[0] == '{') {
        chat->tool_choice = TOOL_CHOICE_NAMED;
        chat->tool_choice_name_raw = json_find_string(json_find(raw, "function"), "name");
        if (chat->tool_choice_name_raw.len == 0)
            return take_refuse(take, LIT("Invalid 'tool_choice': it names no function."), LIT("tool_choice"));
    } else if (raw.len > 0) {
        return take_refuse(take, LIT("Invalid 'tool_choice': expected 'none', 'auto', 'required' or an object."), LIT("tool_choice"));
    }
    return true;
}

static bool use_format(struct take *take, struct slice raw)
{
    struct chat *chat = take->chat;
    struct slice type = json_find_string(raw, "type"), schema = json_find(raw, "json_schema"), strict;
    if (slice_equals(type, LIT("json_object")))
        chat->format = FORMAT_JSON;
    else if (slice_equals(type, LIT("text")))
        chat->format = FORMAT_TEXT;
    else if (!slice_equals(type, LIT("json_schema")))
        return raw.len == 0 ||
               take_refuse(take, LIT("Invalid 'response_format': expected the type 'text', 'json_object' or 'json_schema'."),
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

static bool read_stop(struct take *take, const struct take_member *member, void *into)
{
    struct chat *chat = into;
    chat->stop_plain = json_peek(&take->json) == JSON_STRING;
    if (chat->stop_plain) {
        chat->stops_raw = arena_zalloc(take->arena, sizeof *chat->stops_raw);
        return chat->stops_raw != NULL && json_string(&take->json, &chat->stops_raw[chat->stop_count++]);
    }
    enum take_stops stops = take_stops(take);
    if (stops == STOPS_NO_LIST || stops == STOPS_NO_TEXT)
        return wrong_type(take, member->name, "a string or an array of strings");
    return stops == STOPS_TAKEN || (stops == STOPS_TOO_MANY && take_refuse(take, LIT("Invalid 'stop': too many sequences."), member->name));
}

/* ---------------------------------------------------------------- the request */

static bool read_number(struct take *take, const struct take_member *member, void *into)
{
    enum json_type type = json_peek(&take->json);
    return type == JSON_NUMBER || type == JSON_NULL ? take_number(take, member, into) : wrong_type(take, member->name, "a number");
}

static bool read_string(struct take *take, const struct take_member *member, void *into)
{
    enum json_type type = json_peek(&take->json);
    return type == JSON_STRING || type == JSON_NULL ? take_string(take, member, into) : wrong_type(take, member->name, "a string");
}

static bool read_flag(struct take *take, const struct take_member *member, void *into)
{
    enum json_type type = json_peek(&take->json);
    return type == JSON_TRUE || type == JSON_FALSE || type == JSON_NULL ? take_flag(take, member, into)
                                                                        : wrong_type(take, member->name, "a boolean");
}

/* The newer name counts, and the older one only without it. */
static bool read_max_completion(struct take *take, const struct take_member *member, void *into)
{
    struct chat *chat = into;
    chat->max_completion |= json_peek(&take->json) == JSON_NUMBER;
    return take_number(take, member, into);
}

static bool read_max_tokens(struct take *take, const struct take_member *member, void *into)
{
    return ((struct chat *)into)->max_completion ? take_skip(take, member, into) : take_number(take, member, into);
}

static bool read_stream(struct take *take, const struct take_member *member, void *into)
{
    struct chat *chat = into;
    chat->stream = json_peek(&take->json) == JSON_TRUE;
    return take_skip(take, member, into);
}

static bool read_stream_options(struct take *take, const struct take_member *member, void *into)
{
    struct slice raw;
    (void)member;
    if (!json_skip(&take->json, &raw))
        return false;
    ((struct chat *)into)->include_usage = slice_equals(json_find(raw, "include_usage"), LIT("true"));
    return true;
}

static bool read_format(struct take *take, const struct take_member *member, void *into)
{
    struct slice raw;
    if (json_peek(&take->json) == JSON_NULL)
        return take_skip(take, member, into);
    return json_skip(&take->json, &raw) && use_format(take, raw);
}

static bool read_tool_choice(struct take *take, const struct take_member *member, void *into)
{
    (void)into;
    return take_value(take, member, take);
}

static bool read_other(struct take *take, struct slice name_raw, void *into)
{
    struct slice value;
    if (take_is_own(take, name_raw))
        return json_skip(&take->json, NULL);
    return json_skip(&take->json, &value) && chat_add_extra(into, take->arena, name_raw, value, take->complaint);
}

static const struct take_member request_list[] = {
    {LIT("messages"), read_messages, 0},
    {LIT("model"), read_string, offsetof(struct chat, model_raw)},
    {LIT("stream"), read_stream, 0},
    {LIT("stream_options"), read_stream_options, 0},
    {LIT("max_tokens"), read_max_tokens, offsetof(struct chat, max_tokens)},
    {LIT("max_completion_tokens"), read_max_completion, offsetof(struct chat, max_tokens)},
    {LIT("temperature"), read_number, offsetof(struct chat, temperature)},
    {LIT("top_p"), read_number, offsetof(struct chat, top_p)},
    {LIT("top_k"), read_number, offsetof(struct chat, top_k)},
    {LIT("n"), read_number, offsetof(struct chat, n)},
    {LIT("seed"), read_number, offsetof(struct chat, seed)},
    {LIT("presence_penalty"), read_number, offsetof(struct chat, presence_penalty)},
    {LIT("frequency_penalty"), read_number, offsetof(struct chat, frequency_penalty)},
    {LIT("logprobs"), read_flag, offsetof(struct chat, logprobs)},
    {LIT("top_logprobs"), read_number, offsetof(struct chat, top_logprobs)},
    {LIT("stop"), read_stop, 0},
    {LIT("tools"), read_tools, 0},
    {LIT("tool_choice"), read_tool_choice, offsetof(struct reading, tool_choice)},
    {LIT("parallel_tool_calls"), read_flag, offsetof(struct chat, parallel_tool_calls)},
    {LIT("response_format"), read_format, 0},
    {LIT("reasoning_effort"), read_string, offsetof(struct chat, effort_raw)},
    {LIT("thinking"), take_value, offsetof(struct chat, thinking_json)},
    {LIT("user"), read_string, offsetof(struct chat, user_raw)},
    {LIT("service_tier"), read_string, offsetof(struct chat, service_tier_raw)},
    {LIT("metadata"), take_value, offsetof(struct chat, metadata_json)},
    {LIT("cache_control"), take_value, offsetof(struct chat, cache_control_json)},
};

bool openai_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    static const struct take_members members = {request_list, sizeof request_list / sizeof *request_list, read_other};
    struct reading reading = {.base = {.arena = arena, .chat = chat, .complaint = complaint}};
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    *chat = (struct chat){.parallel_tool_calls = -1, .schema_strict = -1, .logprobs = -1};
    json_init(&reading.base.json, body, JSON_DEPTH_MAX);
    bool good = take_object(&reading.base, &members, chat) && use_tool_choice(&reading.base, reading.tool_choice) && !arena->overflow;
    return good || chat_is_unread(arena, complaint);
}
