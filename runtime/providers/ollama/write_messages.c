/* write_messages.c -- the conversation as Ollama's chat wants it: one message for each of the client's, its content always one string, pictures beside it as
 * bare base64, the arguments of calls as objects, results with the name of the tool that gave them.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

enum { AROUND = 8 }; /* what stands around arguments counts for the depth as well */
/* ,"content":"…": all texts as one; `between` stands between two of them. */
static void put_joined(struct ollama_encode *encode, const struct part *part, struct slice between)
{
    buffer_append_lit(encode->out, ",\"content\":");
    parts_write_text(part, between, encode->out, encode->dropped, &encode->lost_markers);
}

static void put_content(struct ollama_encode *encode, const struct part *part)
{
    put_joined(encode, part, SLICE_NONE);
}

/* ,"thinking":"…": all reasoning as one; signatures mean nothing here. */
static void put_thinking(struct ollama_encode *encode, const struct part *part)
{
    bool any = false;
    for (; part != NULL; part = part->next) {
        if (part->kind != PART_REASONING || part->text_raw.len == 0)
            continue;
        if (!any)
            buffer_append_lit(encode->out, ",\"thinking\":\"");
        any = true;
        buffer_append_slice(encode->out, part->text_raw);
    }
    if (any)
        buffer_append_byte(encode->out, '"');
}

/* What stands behind "base64," of a data URL; empty: it is an address, or not base64. */
static struct slice data_of(const struct part *part)
{
    struct slice url = part->url_raw;
    const char *comma = slice_starts_with(url, LIT("data:")) ? memchr(url.ptr, ',', url.len) : NULL;
    if (part->data_raw.len > 0)
        return part->data_raw;
    if (comma == NULL || slice_find((struct slice){url.ptr, (size_t)(comma - url.ptr)}, LIT("base64")) == NULL)
        return SLICE_NONE;
    return (struct slice){comma + 1, (size_t)(url.ptr + url.len - comma) - 1};
}

static bool put_images(struct ollama_encode *encode, const struct part *part)
{
    bool any = false;
    for (; part != NULL; part = part->next) {
        if (part->kind != PART_IMAGE)
            continue;
        struct slice data = data_of(part);
        if (data.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider takes images as base64 data URLs only: image_url is an address"),
                                    LIT("messages"));
        buffer_append_slice(encode->out, any ? LIT(",") : LIT(",\"images\":["));
        any = true;
        json_append_quoted(encode->out, data);
    }
    if (any)
        buffer_append_byte(encode->out, ']');
    return true;
}

static bool put_call(struct ollama_encode *encode, const struct part *part, unsigned index)
{
    struct buffer *out = encode->out;
    struct slice arguments = json_unescape(encode->arena, part->text_raw);
    struct json json;
    if (slice_trim(arguments).len == 0)
        arguments = LIT("{}");
    json_init(&json, arguments, JSON_DEPTH_MAX - AROUND);
    if (json_peek(&json) != JSON_OBJECT || !json_skip(&json, NULL) || !json_finish(&json))
        return complaint_refuse(encode->complaint, LIT("the arguments of a tool call in the history are not a JSON object"),
                                LIT("messages"));
    buffer_append_slice(out, index == 0 ? LIT(",\"tool_calls\":[{") : LIT(",{"));
    if (part->id_raw.len > 0) {
        buffer_append_lit(out, "\"id\":");
        json_append_quoted(out, part->id_raw);
        buffer_append_byte(out, ',');
    }
    buffer_append_lit(out, "\"function\":{\"index\":");
    buffer_append_int(out, index);
    buffer_append_lit(out, ",\"name\":");
    json_append_quoted(out, part->name_raw);
    buffer_append_lit(out, ",\"arguments\":");
    buffer_append_slice(out, arguments);
    buffer_append_lit(out, "}}");
    return true;
}

static bool put_calls(struct ollama_encode *encode, const struct part *part)
{
    unsigned count = 0;
    for (; part != NULL; part = part->next)
        if (part->kind == PART_TOOL_CALL && !put_call(encode, part, count++))
            return false;
    if (count > 0)
        buffer_append_byte(encode->out, ']');
    return true;
}

static bool check_parts(struct ollama_encode *encode, const struct part *part)
{
    for (; part != NULL; part = part->next) {
        if (part->kind == PART_AUDIO)
            return complaint_refuse(encode->complaint, LIT("this provider takes no audio"), LIT("messages"));
        if (part->kind == PART_DOCUMENT && part->text_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider takes no files but plain text"), LIT("messages"));
    }
    return true;
}

static bool gather_calls(struct ollama_encode *encode)
{
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL && !lookup_add(&encode->calls, encode->arena, part->id_raw, part))
                return false;
    return true;
}

static void pass_calls(struct ollama_encode *encode, const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        encode->calls_passed += part->kind == PART_TOOL_CALL;
}

/* It names the tool of the latest call before it that has its id. */
static bool put_result(struct ollama_encode *encode, const struct part *result)
{
    const struct lookup_entry *call = lookup_before(&encode->calls, result->id_raw, encode->calls_passed);
    struct slice name = call == NULL ? SLICE_NONE : ((const struct part *)call->value)->name_raw;
    names_drop_marker(encode->dropped, &encode->lost_markers, result->cache_control_json);
    buffer_append_lit(encode->out, "{\"role\":\"tool\"");
    put_content(encode, result->children);
    if (!check_parts(encode, result->children) || !put_images(encode, result->children))
        return false;
    if (name.len > 0) {
        buffer_append_lit(encode->out, ",\"tool_name\":");
        json_append_quoted(encode->out, name);
    }
    if (result->id_raw.len > 0) {
        buffer_append_lit(encode->out, ",\"tool_call_id\":");
        json_append_quoted(encode->out, result->id_raw);
    }
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool put_message(struct ollama_encode *encode, const struct message *message)
{
    static const struct slice roles[] = {
        [ROLE_SYSTEM] = LIT("system"), [ROLE_USER] = LIT("user"), [ROLE_ASSISTANT] = LIT("assistant"), [ROLE_TOOL] = LIT("tool")};
    buffer_append_lit(encode->out, "{\"role\":");
    json_append_quoted(encode->out, roles[message->role]);
    put_joined(encode, message->parts,
               message->role == ROLE_SYSTEM ? LIT("\\n") : SLICE_NONE); /* a prompt of several blocks: a line each */
    put_thinking(encode, message->parts);
    if (!check_parts(encode, message->parts) || !put_images(encode, message->parts) || !put_calls(encode, message->parts))
        return false;
    buffer_append_byte(encode->out, '}');
    return true;
}

/* Results first, each a message; then what else stands beside them. */
static bool put_all_of(struct ollama_encode *encode, const struct message *message, bool *any)
{
    bool others = message->parts == NULL;
    for (const struct part *part = message->parts; part != NULL; part = part->next) {
        others |= part->kind != PART_TOOL_RESULT;
        if (part->kind != PART_TOOL_RESULT)
            continue;
        if (*any)
            buffer_append_byte(encode->out, ',');
        *any = true;
        if (!put_result(encode, part))
            return false;
    }
    if (!others)
        return true;
    if (*any)
        buffer_append_byte(encode->out, ',');
    *any = true;
    return put_message(encode, message);
}

bool ollama_write_messages(struct ollama_encode *encode)
{
    bool any = false;
    json_append_key(encode->out, &encode->first, LIT("messages"));
    buffer_append_byte(encode->out, '[');
    if (!gather_calls(encode))
        return complaint_refuse(encode->complaint, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        if (!put_all_of(encode, message, &any))
            return false;
        pass_calls(encode, message);
    }
    buffer_append_byte(encode->out, ']');
    return true;
}
