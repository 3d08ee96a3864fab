/* read_items.c -- the input of a /v1/responses request, a list of items, as the messages of a chat.
 *
 * Texts, reasoning and calls of the assistant are items of their own there and parts of one message here: they are gathered until another role
 * speaks. Signed reasoning comes back in `encrypted_content`, under the prefixes of responses.h. Items of hosted tools are left out and named; what
 * only a store could resolve is refused.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"
#include "providers/take.h"

/* The members of one item, as they stood there. */
struct item {
    struct slice type, role, id, call_id, name, arguments, input, sealed; /* raw strings */
    struct slice content, output, summary;                                /* JSON values */
    struct slice param;                                                   /* "input[3]" */
};

static bool is_null(struct slice value)
{
    return value.len == 0 || slice_equals(value, LIT("null"));
}

/* ---------------------------------------------------------------- parts */

static bool refuse_part(struct responses_scan *scan, const struct item *item, struct slice message, const char *field)
{
    return responses_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER, message,
                            arena_printf(scan->arena, "%.*s.%s", (int)item->param.len, item->param.ptr, field));
}

static bool read_image(struct responses_scan *scan, const struct item *item, struct slice json, struct part ***tail)
{
    struct slice url = json_find_string(json, "image_url");
    struct part *part;
    if (url.len == 0)
        return refuse_part(scan, item, LIT("this provider takes images by URL or as data, not by the id of an uploaded file"), "content");
    if ((part = take_part(scan->arena, tail, PART_IMAGE)) == NULL)
        return false;
    part->url_raw = url;
    part->detail_raw = json_find_string(json, "detail");
    return true;
}

static bool read_file(struct responses_scan *scan, const struct item *item, struct slice json, struct part ***tail)
{
    struct slice data = json_find_string(json, "file_data");
    struct part *part;
    if (data.len == 0)
        return refuse_part(scan, item, LIT("this provider takes files as data only: neither by URL nor by the id of an upload"), "content");
    if ((part = take_part(scan->arena, tail, PART_DOCUMENT)) == NULL)
        return false;
    if (slice_starts_with(data, LIT("data:"))) {
        part->url_raw = data;
    } else { /* bare base64 */
        part->data_raw = data;
        part->media_type_raw = LIT("application/pdf");
    }
    part->name_raw = json_find_string(json, "filename");
    return true;
}

static bool read_audio(struct responses_scan *scan, struct slice json, struct part ***tail)
{
    struct slice audio = json_find(json, "input_audio");
    struct part *part = take_part(scan->arena, tail, PART_AUDIO);
    if (part == NULL)
        return false;
    part->data_raw = json_find_string(audio, "data");
    part->media_type_raw = json_find_string(audio, "format");
    return true;
}

static bool is_text(struct slice type)
{
    return json_is(type, LIT("input_text")) || json_is(type, LIT("output_text")) || json_is(type, LIT("text"));
}

/* `result`: of a tool, which holds text and images only. */
static bool read_part(struct responses_scan *scan, const struct item *item, struct slice json, bool result, struct part ***tail)
{
    struct slice type = json_find_string(json, "type");
    bool refusal = json_is(type, LIT("refusal"));
    if (json_is(type, LIT("input_image")))
        return read_image(scan, item, json, tail);
    if (!result && json_is(type, LIT("input_file")))
        return read_file(scan, item, json, tail);
    if (!result && json_is(type, LIT("input_audio")))
        return read_audio(scan, json, tail);
    if (!refusal && !is_text(type)) {
        responses_drop(scan, result ? LIT("output") : LIT("content"), type);
        return true;
    }
    struct part *part = take_part(scan->arena, tail, refusal ? PART_REFUSAL : PART_TEXT);
    if (part == NULL)
        return false;
    part->text_raw = json_find_string(json, refusal ? "refusal" : "text");
    part->cache_control_json = json_find(json, "cache_control");
    if (is_null(part->cache_control_json))
        part->cache_control_json = SLICE_NONE;
    return true;
}

/* A string, or a list of parts. */
static bool read_parts(struct responses_scan *scan, const struct item *item, struct slice value, bool result, struct part ***tail)
{
    struct json json = json_list(value);
    struct slice one;
    if (value.len > 0 && value.ptr[0] == '"') {
        struct part *part = take_part(scan->arena, tail, PART_TEXT);
        if (part != NULL)
            part->text_raw = take_inside(value);
        return part != NULL;
    }
    if (value.len == 0 || value.ptr[0] != '[')
        return true;
    while (json_next(&json, &one))
        if (!read_part(scan, item, one, result, tail))
            return false;
    return json.error == JSON_OK;
}

/* ---------------------------------------------------------------- messages */

static bool says_something(const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (part->kind != PART_REASONING && part->kind != PART_REDACTED)
            return true;
    return false;
}

/* Another role speaks. Reasoning that led to nothing is not sent back. */
static void close_turn(struct responses_scan *scan)
{
    if (scan->open != NULL && !says_something(*scan->open)) {
        *scan->open = NULL;
        scan->tail = scan->open;
    }
    scan->open = NULL;
    scan->last_text = NULL;
    scan->said = scan->called = false;
    scan->thought = SLICE_NONE;
}

static struct message *new_message(struct responses_scan *scan, enum role role)
{
    struct message *message = arena_zalloc(scan->arena, sizeof *message);
    if (message == NULL)
        return NULL;
    message->role = role;
    *scan->tail = message;
    scan->tail = &message->next;
    return message;
}

/* The assistant's message under way, or a new one. */
static bool open_turn(struct responses_scan *scan)
{
    if (scan->open != NULL)
        return true;
    struct message **place = scan->tail, *message = new_message(scan, ROLE_ASSISTANT);
    if (message == NULL)
        return false;
    scan->open = place;
    scan->part_tail = &message->parts;
    return true;
}

/* A second text is a message of its own, unless calls whose results are still to come stand before it. */
static bool starts_anew(const struct responses_scan *scan)
{
    return scan->open != NULL && scan->said && !scan->called;
}

static bool read_said(struct responses_scan *scan, const struct item *item)
{
    if (starts_anew(scan))
        close_turn(scan);
    if (!open_turn(scan))
        return false;
    struct part **first = scan->part_tail;
    if (!read_parts(scan, item, item->content, false, &scan->part_tail))
        return false;
    for (struct part *part = *first; part != NULL; part = part->next) {
        scan->said |= part->kind == PART_TEXT || part->kind == PART_REFUSAL;
        if (part->kind == PART_TEXT)
            scan->last_text = part;
    }
    return true;
}

static bool read_message(struct responses_scan *scan, const struct item *item)
{
    if (json_is(item->role, LIT("assistant")))
        return read_said(scan, item);
    bool developer = json_is(item->role, LIT("developer"));
    close_turn(scan);
    struct message *message = new_message(scan, developer || json_is(item->role, LIT("system")) ? ROLE_SYSTEM : ROLE_USER);
    if (message == NULL)
        return false;
    message->developer = developer;
    message->plain = item->content.len > 0 && item->content.ptr[0] == '"';
    struct part **tail = &message->parts;
    return read_parts(scan, item, item->content, false, &tail);
}

bool responses_read_instructions(struct responses_scan *scan, struct slice text_raw)
{
    struct message *message = new_message(scan, ROLE_SYSTEM);
    struct part **tail = message == NULL ? NULL : &message->parts,
                *part = message == NULL ? NULL : take_part(scan->arena, &tail, PART_TEXT);
    if (part == NULL)
        return false;
    message->plain = true;
    part->text_raw = text_raw;
    return true;
}

/* ---------------------------------------------------------------- calls and their results */

/* The text of a custom tool's call becomes the one argument of the function that stands for it. */
static struct slice wrap_input(struct responses_scan *scan, struct slice input_raw)
{
    struct slice object = arena_printf(scan->arena, "{\"input\":\"%.*s\"}", (int)input_raw.len, input_raw.ptr);
    return json_escape(scan->arena, object);
}

static bool read_call(struct responses_scan *scan, const struct item *item, bool custom)
{
    struct part *part;
    if (!open_turn(scan) || (part = take_part(scan->arena, &scan->part_tail, PART_TOOL_CALL)) == NULL)
        return false;
    scan->called = true;
    part->id_raw = item->call_id.len > 0 ? item->call_id : item->id;
    part->name_raw = item->name;
    part->text_raw = custom ? wrap_input(scan, item->input) : item->arguments;
    part->signature_raw = scan->thought;
    scan->thought = SLICE_NONE;
    return true;
}

static bool read_result(struct responses_scan *scan, const struct item *item)
{
    close_turn(scan);
    struct message *message = new_message(scan, ROLE_TOOL);
    struct part **tail = message == NULL ? NULL : &message->parts,
                *result = message == NULL ? NULL : take_part(scan->arena, &tail, PART_TOOL_RESULT);
    if (result == NULL)
        return false;
    message->plain = item->output.len > 0 && item->output.ptr[0] == '"';
    result->id_raw = item->call_id;
    tail = &result->children;
    return read_parts(scan, item, item->output, true, &tail);
}

/* ---------------------------------------------------------------- reasoning */

/* The texts of a summary, or of reasoning content, as one. */
static struct slice join_texts(struct responses_scan *scan, struct slice list)
{
    struct json json = json_list(list);
    struct slice one;
    struct arena_joined all = {.one = SLICE_NONE};
    while (json_next(&json, &one))
        if (!arena_join(scan->arena, &all, SLICE_NONE, json_find_string(one, "text")))
            return SLICE_NONE;
    return arena_joined_text(&all);
}

static struct slice behind(struct slice text, struct slice prefix)
{
    return (struct slice){text.ptr + prefix.len, text.len - prefix.len};
}

static bool add_reasoning(struct responses_scan *scan, enum part_kind kind, struct slice text, struct slice signature)
{
    struct part *part;
    if (!open_turn(scan) || (part = take_part(scan->arena, &scan->part_tail, kind)) == NULL)
        return false;
    part->text_raw = text;
    if (kind == PART_REDACTED)
        part->data_raw = signature;
    else
        part->signature_raw = signature;
    return true;
}

static bool read_reasoning(struct responses_scan *scan, const struct item *item)
{
    struct slice sealed = item->sealed, text = join_texts(scan, item->content), signature = SLICE_NONE;
    if (starts_anew(scan) && !slice_starts_with(sealed, LIT(RESPONSES_GEMINI)) && !slice_starts_with(sealed, LIT(RESPONSES_GEMINI_TEXT)))
        close_turn(scan); /* it leads to what comes, not to what was said */
    if (slice_starts_with(sealed, LIT(RESPONSES_CLAUDE_REDACTED)))
        return add_reasoning(scan, PART_REDACTED, SLICE_NONE, behind(sealed, LIT(RESPONSES_CLAUDE_REDACTED)));
    if (slice_starts_with(sealed, LIT(RESPONSES_CLAUDE)))
        signature = behind(sealed, LIT(RESPONSES_CLAUDE));
    else if (slice_starts_with(sealed, LIT(RESPONSES_GEMINI)))
        scan->thought = behind(sealed, LIT(RESPONSES_GEMINI));
    else if (slice_starts_with(sealed, LIT(RESPONSES_GEMINI_TEXT)) && scan->last_text != NULL)
        scan->last_text->signature_raw = behind(sealed, LIT(RESPONSES_GEMINI_TEXT));
    if (text.len == 0)
        text = join_texts(scan, item->summary);
    return (text.len == 0 && signature.len == 0) || add_reasoning(scan, PART_REASONING, text, signature);
}

/* ---------------------------------------------------------------- an item */

/* Of members of one name the last counts, also where it is none. */
static bool take_text(struct take *take, const struct take_member *member, void *into)
{
    struct slice value;
    if (!json_skip(&take->json, &value))
        return false;
    *take_slot(into, member) = take_inside(value);
    return true;
}

static bool take_any(struct take *take, const struct take_member *member, void *into)
{
    return json_skip(&take->json, take_slot(into, member));
}

static bool read_members(struct slice json_text, struct item *item)
{
    static const struct take_member list[] = {
        {LIT("type"), take_text, offsetof(struct item, type)},      {LIT("role"), take_text, offsetof(struct item, role)},
        {LIT("id"), take_text, offsetof(struct item, id)},          {LIT("call_id"), take_text, offsetof(struct item, call_id)},
        {LIT("name"), take_text, offsetof(struct item, name)},      {LIT("arguments"), take_text, offsetof(struct item, arguments)},
        {LIT("input"), take_text, offsetof(struct item, input)},    {LIT("encrypted_content"), take_text, offsetof(struct item, sealed)},
        {LIT("content"), take_any, offsetof(struct item, content)}, {LIT("output"), take_any, offsetof(struct item, output)},
        {LIT("summary"), take_any, offsetof(struct item, summary)},
    };
    static const struct take_members members = TAKE_MEMBERS(list);
    struct take take = {.arena = NULL};
    json_init(&take.json, json_text, JSON_DEPTH_MAX);
    return take_object(&take, &members, item);
}

static bool read_item(struct responses_scan *scan, struct slice json, unsigned index)
{
    struct item item = {.param = arena_printf(scan->arena, "input[%u]", index)};
    if (!read_members(json, &item))
        return false;
    bool untyped = item.type.len == 0;
    if (json_is(item.type, LIT("message")) || (untyped && item.role.len > 0))
        return read_message(scan, &item);
    if (json_is(item.type, LIT("function_call")))
        return read_call(scan, &item, false);
    if (json_is(item.type, LIT("custom_tool_call")))
        return read_call(scan, &item, true);
    if (json_is(item.type, LIT("function_call_output")) || json_is(item.type, LIT("custom_tool_call_output")))
        return read_result(scan, &item);
    if (json_is(item.type, LIT("reasoning")))
        return read_reasoning(scan, &item);
    if (untyped || json_is(item.type, LIT("item_reference")))
        return responses_refuse(
            scan, FAILURE_UNSUPPORTED_PARAMETER,
            LIT("this gateway stores no responses, so an item cannot be named by its id: send the item itself (SDKs do with store: false)"),
            item.param);
    responses_drop(scan, LIT("input"), item.type);
    return true;
}

bool responses_read_input(struct responses_scan *scan, struct slice input_json)
{
    struct json json;
    struct slice one;
    if (input_json.len > 0 && input_json.ptr[0] == '"')
        return read_message(scan, &(struct item){.role = LIT("user"), .content = input_json, .param = LIT("input")});
    json_init(&json, input_json, JSON_DEPTH_MAX);
    if (!json_array(&json))
        return responses_refuse(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'input': expected a string or an array of items."), LIT("input"));
    for (unsigned index = 0; json_element(&json); index++)
        if (!json_skip(&json, &one) || !read_item(scan, one, index))
            return false;
    close_turn(scan);
    return json.error == JSON_OK;
}
