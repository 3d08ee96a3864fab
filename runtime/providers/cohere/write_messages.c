/* write_messages.c -- the conversation as Cohere's chat wants it.
 *
 * The roles are OpenAI's, texts are one string where nothing else stands beside them, system messages may stand anywhere. What an assistant says
 * before it calls tools is its plan; every call has its result before anybody else speaks; a message without content is left out.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"
#include "providers/lookup.h"
#include "providers/openai/openai.h"

/* COMPAT(cohere, 2026-08): names of tools are letters, digits and '_', no digit first. */
const struct name_rule cohere_tool_rule = {.allowed = "_", .max = 64, .letter_first = true};

struct list {
    bool any;
};

static void next(struct cohere_encode *encode, struct list *list)
{
    if (list->any)
        buffer_append_byte(encode->out, ',');
    list->any = true;
}

static bool has_text(const struct part *part)
{
    for (; part != NULL; part = part->next)
        if (part_is_text(part) && part->text_raw.len > 0)
            return true;
    return false;
}

static bool has_kind(const struct part *part, enum part_kind kind)
{
    while (part != NULL && part->kind != kind)
        part = part->next;
    return part != NULL;
}

static bool has_reasoning(const struct part *part)
{
    for (; part != NULL; part = part->next)
        if (part->kind == PART_REASONING && part->text_raw.len > 0)
            return true;
    return false;
}

/* All texts as one string; `between` stands between two of them. */
static void put_joined(struct cohere_encode *encode, const struct part *part, struct slice between)
{
    parts_write_text(part, between, encode->out, encode->dropped, &encode->lost_markers);
}

static void put_texts(struct cohere_encode *encode, const struct part *part)
{
    put_joined(encode, part, SLICE_NONE);
}

static void put_reasoning(struct cohere_encode *encode, const struct part *part)
{
    buffer_append_byte(encode->out, '"');
    for (; part != NULL; part = part->next)
        if (part->kind == PART_REASONING)
            buffer_append_slice(encode->out, part->text_raw);
    buffer_append_byte(encode->out, '"');
}

/* ---------------------------------------------------------------- users */

static void put_text_block(struct cohere_encode *encode, const struct part *part, struct list *blocks)
{
    if (part->text_raw.len == 0)
        return;
    next(encode, blocks);
    buffer_append_lit(encode->out, "{\"type\":\"text\",\"text\":");
    json_append_quoted(encode->out, part->text_raw);
    buffer_append_byte(encode->out, '}');
}

static void put_image(struct cohere_encode *encode, const struct part *part, struct list *blocks)
{
    struct buffer *out = encode->out;
    next(encode, blocks);
    openai_write_image(out, part);
}

static void put_blocks(struct cohere_encode *encode, const struct part *part)
{
    struct list blocks = {false};
    buffer_append_byte(encode->out, '[');
    for (; part != NULL; part = part->next) {
        names_drop_marker(encode->dropped, &encode->lost_markers, part->cache_control_json);
        if (part_is_text(part))
            put_text_block(encode, part, &blocks);
        else if (part->kind == PART_IMAGE)
            put_image(encode, part, &blocks);
    }
    buffer_append_byte(encode->out, ']');
}

/* What nobody but its own provider, or nobody here, can read. */
static bool check_parts(struct cohere_encode *encode, const struct part *part, bool user)
{
    for (; part != NULL; part = part->next) {
        if (part->kind == PART_AUDIO)
            return complaint_refuse(encode->complaint, LIT("this provider takes no audio"), LIT("messages"));
        if (part->kind == PART_DOCUMENT && part->text_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider takes no files but plain text"), LIT("messages"));
        if (part->kind == PART_IMAGE && part->url_raw.len == 0 && part->data_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider takes images as URLs only, not by id"), LIT("messages"));
        if (part->kind == PART_IMAGE && !user)
            return complaint_refuse(encode->complaint, LIT("this provider takes images from users only"), LIT("messages"));
    }
    return true;
}

static bool put_plain(struct cohere_encode *encode, const struct message *message, struct list *messages)
{
    struct slice placeholder = encode->provider->empty_text_placeholder;
    bool user = message->role == ROLE_USER, image = user && has_kind(message->parts, PART_IMAGE);
    if (!check_parts(encode, message->parts, user))
        return false;
    if (!user && !has_text(message->parts))
        return true;
    next(encode, messages);
    buffer_append_slice(encode->out, user ? LIT("{\"role\":\"user\",\"content\":") : LIT("{\"role\":\"system\",\"content\":"));
    if (image)
        put_blocks(encode, message->parts);
    else if (has_text(message->parts) || placeholder.len == 0)
        put_joined(encode, message->parts, user ? SLICE_NONE : LIT("\\n")); /* a prompt of several blocks: a line each */
    else
        json_append_string(encode->out, placeholder);
    buffer_append_byte(encode->out, '}');
    return true;
}

/* ---------------------------------------------------------------- tools' results */

static void begin_result(struct cohere_encode *encode, struct slice id, struct list *messages)
{
    next(encode, messages);
    buffer_append_lit(encode->out, "{\"role\":\"tool\",\"tool_call_id\":");
    json_append_quoted(encode->out, id);
    buffer_append_lit(encode->out, ",\"content\":");
}

static bool put_results(struct cohere_encode *encode, const struct message *message, struct list *messages)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next) {
        if (part->kind != PART_TOOL_RESULT)
            continue;
        if (!check_parts(encode, part->children, false))
            return false;
        names_drop_marker(encode->dropped, &encode->lost_markers, part->cache_control_json);
        begin_result(encode, part->id_raw, messages);
        put_texts(encode, part->children);
        buffer_append_byte(encode->out, '}');
    }
    return true;
}

/* The results that follow the calls, by the ids they answer. */
static struct lookup results_behind(const struct cohere_encode *encode, const struct message *calls)
{
    struct lookup results = {.count = 0};
    for (const struct message *message = calls->next; message != NULL && message->role != ROLE_ASSISTANT; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_RESULT && !lookup_add(&results, encode->arena, part->id_raw, part))
                return results; /* the arena is full: said at the end */
    return results;
}

/* Every call wants its result; one that the client lost is said to be lost. */
static void put_lost_results(struct cohere_encode *encode, const struct message *calls, struct list *messages)
{
    struct lookup results = {.count = 0};
    bool looked = false;
    for (const struct part *part = calls->parts; part != NULL; part = part->next) {
        if (part->kind != PART_TOOL_CALL)
            continue;
        if (!looked)
            results = results_behind(encode, calls);
        looked = true;
        if (lookup_first(&results, part->id_raw) != NULL)
            continue;
        begin_result(encode, part->id_raw, messages);
        buffer_append_lit(encode->out, "\"No result\"}");
    }
}

/* ---------------------------------------------------------------- assistants */

static void put_call(struct cohere_encode *encode, const struct part *part, struct list *calls)
{
    struct buffer *out = encode->out;
    next(encode, calls);
    buffer_append_lit(out, "{\"id\":");
    json_append_quoted(out, part->id_raw);
    buffer_append_lit(out, ",\"type\":\"function\",\"function\":{\"name\":");
    json_append_quoted(out, name_fit(part->name_raw, &cohere_tool_rule, encode->arena));
    buffer_append_lit(out, ",\"arguments\":");
    json_append_quoted(out, part->text_raw.len > 0 ? part->text_raw : LIT("{}"));
    buffer_append_lit(out, "}}");
}

/* ,"content":[{"type":"thinking"} …]: of models that think. */
static void put_thinking(struct cohere_encode *encode, const struct part *parts, bool text)
{
    buffer_append_lit(encode->out, ",\"content\":[{\"type\":\"thinking\",\"thinking\":");
    put_reasoning(encode, parts);
    buffer_append_byte(encode->out, '}');
    if (text) {
        buffer_append_lit(encode->out, ",{\"type\":\"text\",\"text\":");
        put_texts(encode, parts);
        buffer_append_byte(encode->out, '}');
    }
    buffer_append_byte(encode->out, ']');
}

/* The plan of a turn came to the client as reasoning (cohere/read_answer.c); where no text stands beside it, it goes back as the plan. */
static void put_calls(struct cohere_encode *encode, const struct part *parts, bool thinking)
{
    struct list calls = {false};
    if (has_text(parts)) {
        buffer_append_lit(encode->out, ",\"tool_plan\":");
        put_texts(encode, parts);
    } else if (has_reasoning(parts) && !thinking) {
        buffer_append_lit(encode->out, ",\"tool_plan\":");
        put_reasoning(encode, parts);
    }
    buffer_append_lit(encode->out, ",\"tool_calls\":[");
    for (const struct part *part = parts; part != NULL; part = part->next)
        if (part->kind == PART_TOOL_CALL)
            put_call(encode, part, &calls);
    buffer_append_byte(encode->out, ']');
}

static bool put_assistant(struct cohere_encode *encode, const struct message *message, struct list *messages)
{
    const struct part *parts = message->parts;
    bool calls = has_kind(parts, PART_TOOL_CALL), text = has_text(parts), thinking = encode->thinks && has_reasoning(parts);
    if (!check_parts(encode, parts, false))
        return false;
    if (!calls && !text)
        return true;
    next(encode, messages);
    buffer_append_lit(encode->out, "{\"role\":\"assistant\"");
    if (thinking) {
        put_thinking(encode, parts, !calls);
    } else if (!calls) {
        buffer_append_lit(encode->out, ",\"content\":");
        put_texts(encode, parts);
    }
    if (calls)
        put_calls(encode, parts, thinking);
    buffer_append_byte(encode->out, '}');
    if (calls)
        put_lost_results(encode, message, messages);
    return true;
}

static bool is_only_results(const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (part->kind != PART_TOOL_RESULT)
            return false;
    return message->parts != NULL;
}

bool cohere_write_messages(struct cohere_encode *encode)
{
    struct list messages = {false};
    json_append_key(encode->out, &encode->first, LIT("messages"));
    buffer_append_byte(encode->out, '[');
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        if (!put_results(encode, message, &messages))
            return false;
        if (message->role == ROLE_TOOL || is_only_results(message))
            continue;
        if (message->role == ROLE_ASSISTANT ? !put_assistant(encode, message, &messages) : !put_plain(encode, message, &messages))
            return false;
    }
    buffer_append_byte(encode->out, ']');
    return true;
}
