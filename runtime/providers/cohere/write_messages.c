/* write_messages.c -- the conversation as Cohere's chat wants it.
 *
 * The roles are OpenAI's, texts are one string where nothing else stands beside them, system messages may stand anywhere. What an assistant says
 * before it calls tools is its plan; every call has its result before the next turn; a message without content is left out.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"
#include "providers/openai/openai.h"
#include "providers/turns.h"

/* COMPAT(cohere, 2026-08): names of tools are letters, digits and '_', no digit first. */
const struct name_rule cohere_tool_rule = {.allowed = "_", .max = 64, .letter_first = true};

static bool has_text(const struct part *part)
{
    for (; part != NULL; part = part->next)
        if (part_is_text(part) && part->text_raw.len > 0)
            return true;
    return false;
}

static bool has_reasoning(const struct part *part)
{
    for (; part != NULL; part = part->next)
        if (part->kind == PART_REASONING && part->text_raw.len > 0)
            return true;
    return false;
}

/* ---------------------------------------------------------------- users */

static void put_blocks(struct encode *encode, const struct part *part)
{
    encode_begin(encode, '[');
    for (; part != NULL; part = part->next) {
        encode_drop_marker(encode, part->cache_control_json);
        if (part->kind != PART_IMAGE && (!part_is_text(part) || part->text_raw.len == 0))
            continue;
        encode_comma(encode);
        if (part->kind == PART_IMAGE)
            openai_write_image(encode, part);
        else
            encode_write(encode, "{\"type\":\"text\",\"text\":\"%\"}", part->text_raw);
    }
    encode_end(encode, ']');
}

/* False: something stands there that the API does not take, complaint. */
static bool check_parts(struct encode *encode, const struct part *part, bool user)
{
    for (; part != NULL; part = part->next) {
        if (!encode_is_text_or_image(encode, part))
            return false;
        if (part->kind == PART_IMAGE && part->url_raw.len == 0 && part->data_raw.len == 0)
            return encode_refuse(encode, LIT("this provider takes images as URLs only, not by id"), LIT("messages"));
        if (part->kind == PART_IMAGE && !user)
            return encode_refuse(encode, LIT("this provider takes images from users only"), LIT("messages"));
    }
    return true;
}

static bool put_plain(struct encode *encode, const struct message *message)
{
    bool user = message->role == ROLE_USER;
    struct slice placeholder = encode_placeholder(encode, SLICE_NONE);
    if (!check_parts(encode, message->parts, user))
        return false;
    if (!user && !has_text(message->parts))
        return true;
    encode_comma(encode);
    encode_write(encode, "{\"role\":\"%\",\"content\":", user ? LIT("user") : LIT("system"));
    if (user && part_list_has(message->parts, PART_IMAGE))
        put_blocks(encode, message->parts);
    else if (has_text(message->parts) || placeholder.len == 0)
        encode_joined(encode, message->parts, user ? SLICE_NONE : LIT("\\n")); /* a prompt of several blocks: a line each */
    else
        json_append_quoted(encode->out, placeholder);
    encode_end(encode, '}');
    return true;
}

/* ---------------------------------------------------------------- tools' results */

static void begin_result(struct encode *encode, struct slice id)
{
    encode_comma(encode);
    encode_write(encode, "{\"role\":\"tool\",\"tool_call_id\":\"%\",\"content\":", id);
}

static bool put_result(struct encode *encode, const struct part *result)
{
    if (!check_parts(encode, result->children, false))
        return false;
    encode_drop_marker(encode, result->cache_control_json);
    begin_result(encode, result->id_raw);
    encode_joined(encode, result->children, SLICE_NONE);
    encode_end(encode, '}');
    return true;
}

/* Every call wants its result; one that the client lost is said to be lost. */
static void put_lost_results(struct encode *encode, const struct message *calls)
{
    struct turn turn = {.from = calls, .to = calls->next, .calls = 1}, answer = {.from = calls->next, .to = calls->next};
    while (answer.to != NULL && answer.to->role != ROLE_ASSISTANT)
        answer.to = answer.to->next;
    struct lost lost = lost_results(encode, &turn, &answer);
    for (const struct part *call; (call = lost_next(&lost)) != NULL;) {
        begin_result(encode, call->id_raw);
        buffer_append_lit(encode->out, "\"No result\"}");
    }
}

/* ---------------------------------------------------------------- assistants */

/* ,"content":[{"type":"thinking"} …]: of models that think. */
static void put_thinking(struct encode *encode, const struct part *parts, bool text)
{
    buffer_append_lit(encode->out, ",\"content\":[{\"type\":\"thinking\",\"thinking\":");
    encode_reasoning(encode, parts);
    if (text) {
        buffer_append_lit(encode->out, "},{\"type\":\"text\",\"text\":");
        encode_joined(encode, parts, SLICE_NONE);
    }
    buffer_append_lit(encode->out, "}]");
}

/* The plan of a turn came to the client as reasoning (cohere/read_answer.c); where no text stands beside it, it goes back as the plan. */
static void put_calls(struct encode *encode, const struct part *parts, bool thinking)
{
    bool text = has_text(parts);
    if (text || (has_reasoning(parts) && !thinking)) {
        encode_key(encode, "tool_plan");
        if (text)
            encode_joined(encode, parts, SLICE_NONE);
        else
            encode_reasoning(encode, parts);
    }
    encode_key(encode, "tool_calls");
    encode_begin(encode, '[');
    for (const struct part *part = parts; part != NULL; part = part->next) {
        if (part->kind != PART_TOOL_CALL)
            continue;
        encode_comma(encode);
        encode_write(encode, "{\"id\":\"%\",\"type\":\"function\",\"function\":{\"name\":\"%\",\"arguments\":\"%\"}}", part->id_raw,
                     name_fit(part->name_raw, &cohere_tool_rule, encode->arena), part->text_raw.len > 0 ? part->text_raw : LIT("{}"));
    }
    encode_end(encode, ']');
}

static bool put_assistant(struct encode *encode, const struct message *message)
{
    const struct part *parts = message->parts;
    bool calls = part_list_has(parts, PART_TOOL_CALL), thinking = encode->thinking && has_reasoning(parts);
    if (!check_parts(encode, parts, false))
        return false;
    if (!calls && !has_text(parts))
        return true;
    encode_comma(encode);
    buffer_append_lit(encode->out, "{\"role\":\"assistant\"");
    if (thinking) {
        put_thinking(encode, parts, !calls);
    } else if (!calls) {
        encode_key(encode, "content");
        encode_joined(encode, parts, SLICE_NONE);
    }
    if (calls)
        put_calls(encode, parts, thinking);
    encode_end(encode, '}');
    if (calls)
        put_lost_results(encode, message);
    return true;
}

static bool put_said(struct encode *encode, const struct message *message)
{
    if (message->role == ROLE_TOOL)
        return true;
    return message->role == ROLE_ASSISTANT ? put_assistant(encode, message) : put_plain(encode, message);
}

bool cohere_write_messages(struct encode *encode)
{
    encode_key(encode, "messages");
    encode_begin(encode, '[');
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        if (!message_write(encode, message, put_result, put_said))
            return false;
    encode_end(encode, ']');
    return true;
}
