/* write_messages.c -- the conversation as Ollama's chat wants it: one message for each of the client's, its content always one string, pictures beside it as
 * bare base64, the arguments of calls as objects, results with the name of the tool that gave them.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"
#include "providers/turns.h"

enum { AROUND = 8 }; /* what stands around arguments counts for the depth as well */

/* All reasoning as one; signatures mean nothing here. */
static void put_thinking(struct encode *encode, const struct part *list)
{
    const struct part *part = list;
    while (part != NULL && (part->kind != PART_REASONING || part->text_raw.len == 0))
        part = part->next;
    if (part == NULL)
        return;
    encode_key(encode, "thinking");
    encode_reasoning(encode, list);
}

static bool put_images(struct encode *encode, const struct part *part)
{
    struct place place = encode_open(encode, "images", '[');
    for (const struct part *any = part; any != NULL; any = any->next)
        if (!encode_is_text_or_image(encode, any))
            return false;
    for (; part != NULL; part = part->next) {
        struct data_url url = {.data = part->data_raw};
        if (part->kind != PART_IMAGE)
            continue;
        if (url.data.len == 0 && (!data_url_split(part->url_raw, &url) || slice_find(url.head, LIT("base64")) == NULL || url.data.len == 0))
            return encode_refuse(encode, LIT("this provider takes images as base64 data URLs only: image_url is an address"),
                                 LIT("messages"));
        encode_comma(encode);
        json_append_quoted(encode->out, url.data);
    }
    encode_close(encode, ']', place);
    return true;
}

static bool put_calls(struct encode *encode, const struct part *part)
{
    struct place place = encode_open(encode, "tool_calls", '[');
    struct slice arguments;
    for (unsigned index = 0; part != NULL; part = part->next) {
        if (part->kind != PART_TOOL_CALL)
            continue;
        if (!encode_arguments(encode, part, JSON_DEPTH_MAX - AROUND, &arguments))
            return false;
        encode_comma(encode);
        encode_begin(encode, '{');
        encode_text(encode, "id", part->id_raw);
        encode_key(encode, "function");
        encode_begin(encode, '{');
        encode_int(encode, "index", index++);
        encode_write(encode, ",\"name\":\"%\",\"arguments\":%}}", part->name_raw, arguments);
    }
    encode_close(encode, ']', place);
    return true;
}

/* It names the tool of the latest call before it that has its id. */
static bool put_result(struct encode *encode, const struct part *result)
{
    struct ollama_encode *self = (struct ollama_encode *)encode;
    const struct lookup_entry *call = lookup_before(&self->calls, result->id_raw, self->calls_passed);
    encode_drop_marker(encode, result->cache_control_json);
    encode_comma(encode);
    buffer_append_lit(encode->out, "{\"role\":\"tool\",\"content\":");
    encode_joined(encode, result->children, SLICE_NONE);
    if (!put_images(encode, result->children))
        return false;
    encode_text(encode, "tool_name", call == NULL ? SLICE_NONE : ((const struct part *)call->value)->name_raw);
    encode_text(encode, "tool_call_id", result->id_raw);
    encode_end(encode, '}');
    return true;
}

static bool put_message(struct encode *encode, const struct message *message)
{
    static const struct slice roles[] = {
        [ROLE_SYSTEM] = LIT("system"), [ROLE_USER] = LIT("user"), [ROLE_ASSISTANT] = LIT("assistant"), [ROLE_TOOL] = LIT("tool")};
    encode_comma(encode);
    encode_write(encode, "{\"role\":\"%\",\"content\":", roles[message->role]);
    encode_joined(encode, message->parts,
                  message->role == ROLE_SYSTEM ? LIT("\\n") : SLICE_NONE); /* a prompt of several blocks: a line each */
    put_thinking(encode, message->parts);
    if (!put_images(encode, message->parts) || !put_calls(encode, message->parts))
        return false;
    encode_end(encode, '}');
    return true;
}

bool ollama_write_messages(struct encode *encode)
{
    struct ollama_encode *self = (struct ollama_encode *)encode;
    encode_key(encode, "messages");
    encode_begin(encode, '[');
    if (!calls_gather(encode, &self->calls))
        return encode_refuse(encode, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        if (!message_write(encode, message, put_result, put_message))
            return false;
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            self->calls_passed += part->kind == PART_TOOL_CALL;
    }
    encode_end(encode, ']');
    return true;
}
