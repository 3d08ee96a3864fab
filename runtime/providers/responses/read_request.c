/* read_request.c -- a request to /v1/responses into struct chat, for a provider of another wire.
 *
 * A custom tool becomes a function with the one argument `input`; tools that OpenAI hosts are left out and named. What needs a store is refused.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"
#include "providers/take.h"

enum { DROPPED_MAX = 512 };

bool responses_refuse(struct responses_scan *scan, enum failure_kind kind, struct slice message, struct slice param)
{
    if (scan->complaint->message.len == 0)
        *scan->complaint = (struct complaint){kind, message, param};
    return false;
}

/* Goes into a header: nothing but plain words. */
static bool is_word(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!(text.ptr[i] >= 'a' && text.ptr[i] <= 'z') && !(text.ptr[i] >= '0' && text.ptr[i] <= '9') && text.ptr[i] != '_')
            return false;
    return text.len > 0 && text.len <= 40;
}

/* Whether the list of names, ", " between them, has this one. */
static bool is_named(struct slice list, struct slice name)
{
    for (size_t at = 0; at < list.len;) {
        const char *comma = memchr(list.ptr + at, ',', list.len - at);
        size_t end = comma == NULL ? list.len : (size_t)(comma - list.ptr);
        if (slice_equals((struct slice){list.ptr + at, end - at}, name))
            return true;
        at = end + 2;
    }
    return false;
}

void responses_drop(struct responses_scan *scan, struct slice what, struct slice detail)
{
    struct slice *all = &scan->chat->dropped, name = what;
    if (is_word(detail))
        name = arena_printf(scan->arena, "%.*s[%.*s]", (int)what.len, what.ptr, (int)detail.len, detail.ptr);
    if (is_named(*all, name) || all->len + name.len > DROPPED_MAX)
        return;
    *all = all->len == 0 ? arena_copy(scan->arena, name)
                         : arena_printf(scan->arena, "%.*s, %.*s", (int)all->len, all->ptr, (int)name.len, name.ptr);
}

static bool is_given(struct slice value)
{
    return value.len > 0 && !slice_equals(value, LIT("null"));
}

/* ---------------------------------------------------------------- tools */

/* What the grammar of a custom tool allows is said in words: no other wire can enforce it. */
static void describe_custom(struct responses_scan *scan, struct tool *tool, struct slice format)
{
    struct slice syntax = json_find_string(format, "syntax"), definition = json_find_string(format, "definition");
    if (definition.len == 0)
        return;
    struct slice said = tool->description_raw;
    tool->description_raw = arena_printf(scan->arena, "%.*s%sThe input must match this %.*s grammar:\\n%.*s", (int)said.len, said.ptr,
                                         said.len > 0 ? "\\n\\n" : "", (int)syntax.len, syntax.ptr, (int)definition.len, definition.ptr);
}

static bool read_tool(struct responses_scan *scan, struct slice json, struct tool ***tail)
{
    struct slice type = json_find_string(json, "type"), strict = json_find(json, "strict"), schema = json_find(json, "parameters");
    bool custom = json_is(type, LIT("custom"));
    if (!custom && !json_is(type, LIT("function"))) {
        responses_drop(scan, LIT("tools"), type);
        return true;
    }
    struct tool *tool = arena_zalloc(scan->arena, sizeof *tool);
    if (tool == NULL)
        return false;
    tool->name_raw = json_find_string(json, "name");
    tool->description_raw = json_find_string(json, "description");
    tool->strict = slice_equals(strict, LIT("true")) ? 1 : slice_equals(strict, LIT("false")) ? 0 : -1;
    if (tool->name_raw.len == 0)
        return responses_refuse(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'tools': a tool has no name."), LIT("tools"));
    if (is_given(schema))
        tool->schema_json = schema;
    if (custom) {
        tool->schema_json = LIT("{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\"}},\"required\":[\"input\"],"
                                "\"additionalProperties\":false}");
        tool->strict = -1;
        describe_custom(scan, tool, json_find(json, "format"));
    }
    **tail = tool;
    *tail = &tool->next;
    return true;
}

static bool read_tools(struct responses_scan *scan, struct slice list)
{
    struct tool **tail = &scan->chat->tools;
    struct json json = json_list(list);
    struct slice one;
    if (!is_given(list))
        return true;
    while (json_next(&json, &one))
        if (!read_tool(scan, one, &tail))
            return false;
    return json.error == JSON_OK;
}

static bool read_choice_object(struct responses_scan *scan, struct slice choice)
{
    struct chat *chat = scan->chat;
    struct slice type = json_find_string(choice, "type");
    if (json_is(type, LIT("allowed_tools"))) {
        chat->tool_choice = json_is(json_find_string(choice, "mode"), LIT("required")) ? TOOL_CHOICE_REQUIRED : TOOL_CHOICE_AUTO;
        return chat_keep_tools(chat, scan->arena, json_find(choice, "tools"));
    }
    if (!json_is(type, LIT("function")) && !json_is(type, LIT("custom"))) {
        responses_drop(scan, LIT("tool_choice"), type);
        return true;
    }
    chat->tool_choice = TOOL_CHOICE_NAMED;
    chat->tool_choice_name_raw = json_find_string(choice, "name");
    return chat->tool_choice_name_raw.len > 0 ||
           responses_refuse(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'tool_choice': it names no function."), LIT("tool_choice"));
}

static bool read_tool_choice(struct responses_scan *scan, struct slice choice)
{
    struct chat *chat = scan->chat;
    if (slice_equals(choice, LIT("\"auto\"")))
        chat->tool_choice = TOOL_CHOICE_AUTO;
    else if (slice_equals(choice, LIT("\"none\"")))
        chat->tool_choice = TOOL_CHOICE_NONE;
    else if (slice_equals(choice, LIT("\"required\"")))
        chat->tool_choice = TOOL_CHOICE_REQUIRED;
    else if (choice.len > 0 && choice.ptr[0] == '{' && !read_choice_object(scan, choice))
        return false;
    else if (is_given(choice) && choice.ptr[0] != '{')
        return responses_refuse(scan, FAILURE_BAD_PARAMETER,
                                LIT("Invalid 'tool_choice': expected 'none', 'auto', 'required' or an object."), LIT("tool_choice"));
    if (chat->tools == NULL) { /* none given, or none that others know: nothing to choose from */
        if (chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED)
            responses_drop(scan, LIT("tool_choice"), SLICE_NONE);
        chat->tool_choice = TOOL_CHOICE_NONE_GIVEN;
        chat->parallel_tool_calls = -1;
    }
    return true;
}

/* ---------------------------------------------------------------- text, reasoning, include */

static bool add_extra(struct responses_scan *scan, struct slice name, struct slice value)
{
    return chat_add_extra(scan->chat, scan->arena, name, value, scan->complaint);
}

static bool read_text(struct responses_scan *scan, struct slice text)
{
    struct chat *chat = scan->chat;
    struct slice format = json_find(text, "format"), type = json_find_string(format, "type"), strict = json_find(format, "strict");
    struct slice verbosity = json_find(text, "verbosity");
    if (slice_equals(type, LIT("text"))) {
        chat->format = FORMAT_NONE_GIVEN; /* as without a format */
    } else if (slice_equals(type, LIT("json_object"))) {
        chat->format = FORMAT_JSON;
    } else if (slice_equals(type, LIT("json_schema"))) {
        chat->format = FORMAT_SCHEMA;
        chat->schema_json = json_find(format, "schema");
        chat->schema_name_raw = json_find_string(format, "name");
        chat->schema_strict = strict.len == 0 ? -1 : slice_equals(strict, LIT("true"));
        chat->schema_description_raw = json_find_string(format, "description");
    } else if (is_given(format)) {
        return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER, LIT("no provider of another dialect knows this format"),
                                LIT("text.format.type"));
    }
    return !is_given(verbosity) || add_extra(scan, LIT("verbosity"), verbosity);
}

/* Signatures are given whether asked for or not; of what else can be asked for here other wires bring the likelihoods only. */
static bool read_include(struct responses_scan *scan, struct slice list)
{
    struct json json = json_list(list);
    struct slice one;
    if (!is_given(list))
        return true;
    if (json.error != JSON_OK)
        return responses_refuse(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'include': expected an array."), LIT("include"));
    while (json_next(&json, &one)) {
        if (slice_equals(one, LIT("\"message.output_text.logprobs\"")))
            scan->chat->logprobs = 1;
        else if (!slice_equals(one, LIT("\"reasoning.encrypted_content\"")))
            responses_drop(scan, LIT("include"), SLICE_NONE);
    }
    return json.error == JSON_OK;
}

/* ---------------------------------------------------------------- the request */

/* The members of a request that need more than storing. */
struct members {
    struct responses_scan *scan;
    struct slice instructions, input, tools, tool_choice, text, reasoning, include, truncation, max_tool_calls, top_logprobs;
    struct slice previous_response_id, conversation, prompt, background, prompt_cache_key, safety_identifier, stream, parallel_tool_calls;
    struct slice prompt_cache_retention, user, service_tier, model, temperature, top_p, max_tokens, metadata_json;
};

/* What says nothing to a provider that stores nothing and is asked anew, and our own words. */
static bool is_silent(struct slice key, struct slice value)
{
    static const struct slice names[] = {LIT("store"), LIT("stream_options"), LIT("routing_strategy"), LIT("fallback")};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (json_is(key, names[i]))
            return true;
    return !is_given(value) || (json_is(key, LIT("provider")) && value.ptr[0] != '{');
}

/* Any value but null; of members of one name the last counts, also where it is null. */
static bool take_given(struct take *take, const struct take_member *member, void *into)
{
    struct slice value;
    if (!json_skip(&take->json, &value))
        return false;
    *take_slot(into, member) = is_given(value) ? value : SLICE_NONE;
    return true;
}

static bool read_other(struct take *take, struct slice name_raw, void *into)
{
    struct responses_scan *scan = ((struct members *)into)->scan;
    struct slice value;
    if (!json_skip(&take->json, &value))
        return false;
    if (is_silent(name_raw, value))
        return true;
    if (!chat_count_extra(scan->chat, scan->arena, name_raw, scan->complaint))
        return false;
    responses_drop(scan, is_word(name_raw) ? name_raw : LIT("unknown"), SLICE_NONE);
    return true;
}

static bool read_members(struct slice body, struct members *found)
{
    static const struct take_member list[] = {
        {LIT("instructions"), take_given, offsetof(struct members, instructions)},
        {LIT("input"), take_given, offsetof(struct members, input)},
        {LIT("tools"), take_given, offsetof(struct members, tools)},
        {LIT("tool_choice"), take_given, offsetof(struct members, tool_choice)},
        {LIT("text"), take_given, offsetof(struct members, text)},
        {LIT("reasoning"), take_given, offsetof(struct members, reasoning)},
        {LIT("include"), take_given, offsetof(struct members, include)},
        {LIT("truncation"), take_given, offsetof(struct members, truncation)},
        {LIT("max_tool_calls"), take_given, offsetof(struct members, max_tool_calls)},
        {LIT("top_logprobs"), take_given, offsetof(struct members, top_logprobs)},
        {LIT("previous_response_id"), take_given, offsetof(struct members, previous_response_id)},
        {LIT("conversation"), take_given, offsetof(struct members, conversation)},
        {LIT("prompt"), take_given, offsetof(struct members, prompt)},
        {LIT("background"), take_given, offsetof(struct members, background)},
        {LIT("prompt_cache_key"), take_given, offsetof(struct members, prompt_cache_key)},
        {LIT("prompt_cache_retention"), take_given, offsetof(struct members, prompt_cache_retention)},
        {LIT("safety_identifier"), take_given, offsetof(struct members, safety_identifier)},
        {LIT("stream"), take_given, offsetof(struct members, stream)},
        {LIT("parallel_tool_calls"), take_given, offsetof(struct members, parallel_tool_calls)},
        {LIT("user"), take_given, offsetof(struct members, user)},
        {LIT("service_tier"), take_given, offsetof(struct members, service_tier)},
        {LIT("model"), take_given, offsetof(struct members, model)},
        {LIT("temperature"), take_given, offsetof(struct members, temperature)},
        {LIT("top_p"), take_given, offsetof(struct members, top_p)},
        {LIT("max_output_tokens"), take_given, offsetof(struct members, max_tokens)},
        {LIT("metadata"), take_given, offsetof(struct members, metadata_json)},
    };
    static const struct take_members members = {list, sizeof list / sizeof *list, read_other};
    struct take take = {.arena = NULL};
    json_init(&take.json, body, JSON_DEPTH_MAX);
    return take_object(&take, &members, found);
}

static bool refuse_stored(struct responses_scan *scan, const struct members *members)
{
    if (members->previous_response_id.len > 0)
        return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER,
                                LIT("the provider of this model stores no responses: send the whole conversation in 'input'"),
                                LIT("previous_response_id"));
    if (members->conversation.len > 0)
        return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER,
                                LIT("the provider of this model stores no conversations: send the whole conversation in 'input'"),
                                LIT("conversation"));
    if (members->prompt.len > 0)
        return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER,
                                LIT("the provider of this model stores no prompts: send its text in 'instructions'"), LIT("prompt"));
    if (slice_equals(members->background, LIT("true")))
        return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER, LIT("this gateway stores no responses"), LIT("background"));
    return true;
}

static struct slice number_of(struct slice value)
{
    return take_is_number(value) ? value : SLICE_NONE;
}

static bool read_rest(struct responses_scan *scan, const struct members *members)
{
    struct chat *chat = scan->chat;
    chat->model_raw = take_inside(members->model);
    chat->user_raw = take_inside(members->user);
    chat->service_tier_raw = take_inside(members->service_tier);
    chat->effort_raw = json_find_string(members->reasoning, "effort");
    chat->temperature = number_of(members->temperature);
    chat->top_p = number_of(members->top_p);
    chat->max_tokens = number_of(members->max_tokens);
    chat->metadata_json = members->metadata_json;
    chat->stream = slice_equals(members->stream, LIT("true"));
    chat->include_usage = chat->max_completion = true;
    if (members->parallel_tool_calls.len > 0)
        chat->parallel_tool_calls = slice_equals(members->parallel_tool_calls, LIT("true"));
    if (slice_equals(members->truncation, LIT("\"auto\"")))
        responses_drop(scan, LIT("truncation"), SLICE_NONE);
    if (members->max_tool_calls.len > 0)
        responses_drop(scan, LIT("max_tool_calls"), SLICE_NONE);
    chat->top_logprobs = number_of(members->top_logprobs);
    if (slice_equals(chat->top_logprobs, LIT("0")))
        chat->top_logprobs = SLICE_NONE;
    if (chat->top_logprobs.len > 0)
        chat->logprobs = 1;
    const struct extra same[] = {{NULL, LIT("safety_identifier"), members->safety_identifier},
                                 {NULL, LIT("prompt_cache_key"), members->prompt_cache_key},
                                 {NULL, LIT("prompt_cache_retention"), members->prompt_cache_retention}};
    for (unsigned i = 0; i < sizeof same / sizeof *same; i++)
        if (same[i].value_json.len > 0 && !add_extra(scan, same[i].name_raw, same[i].value_json))
            return false;
    return true;
}

bool responses_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    struct responses_scan scan = {.arena = arena, .chat = chat, .complaint = complaint, .tail = &chat->messages};
    struct members members = {.scan = &scan};
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    *chat = (struct chat){.wire = &wire_responses, .parallel_tool_calls = -1, .schema_strict = -1, .logprobs = -1};
    bool good = read_members(body, &members) && refuse_stored(&scan, &members) && read_rest(&scan, &members);
    if (good && members.instructions.len > 2 && members.instructions.ptr[0] == '"')
        good = responses_read_instructions(&scan, take_inside(members.instructions));
    good = good && responses_read_input(&scan, members.input) && read_tools(&scan, members.tools) &&
           read_tool_choice(&scan, members.tool_choice) && (members.text.len == 0 || read_text(&scan, members.text)) &&
           read_include(&scan, members.include) && !arena->overflow;
    return good || chat_is_unread(arena, complaint);
}
