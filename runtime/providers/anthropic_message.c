/* anthropic_message.c -- the conversation as Anthropic wants it.
 *
 * System texts stand apart; roles alternate, so neighbours of one role are merged; results of tools stand in the user turn that follows their calls, all of
 * them and before any text; no text block is empty; reasoning goes back first, unchanged and signed, or not at all.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic.h"

/* ---------------------------------------------------------------- small pieces */

static bool is_blank_text(struct slice raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == ' ')
            continue;
        if (raw.ptr[i] != '\\' || i + 1 >= raw.len || memchr("nrt", raw.ptr[i + 1], 3) == NULL)
            return false;
        i++;
    }
    return true;
}

static void put_marker(struct buffer *out, const struct part *part)
{
    if (part->cache_control_json.len == 0)
        return;
    buffer_append_lit(out, ",\"cache_control\":");
    buffer_append_slice(out, part->cache_control_json);
}

/* ^[a-zA-Z0-9_-]+$: other bytes become '_', the same way for a call and its result. */
static void put_id(struct buffer *out, struct slice id)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < id.len; i++) {
        char byte = id.ptr[i];
        bool fine = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
                    byte == '-';
        buffer_append_byte(out, fine ? byte : '_');
    }
    buffer_append_byte(out, '"');
}

/* data:image/png;base64,AAAA -> its two parts; the data is not copied. */
static bool split_data_url(struct slice url, struct slice *type, struct slice *data)
{
    const char *comma = slice_starts_with(url, LIT("data:")) ? memchr(url.ptr, ',', url.len) : NULL;
    if (comma == NULL)
        return false;
    struct slice head = {url.ptr + 5, (size_t)(comma - url.ptr) - 5};
    const char *semicolon = head.len == 0 ? NULL : memchr(head.ptr, ';', head.len);
    *type = (struct slice){head.ptr, semicolon == NULL ? head.len : (size_t)(semicolon - head.ptr)};
    *data = (struct slice){comma + 1, (size_t)(url.ptr + url.len - comma) - 1};
    return slice_find(head, LIT("base64")) != NULL;
}

static void put_base64_source(struct buffer *out, struct slice type, struct slice data)
{
    buffer_append_lit(out, "\"source\":{\"type\":\"base64\",\"media_type\":\"");
    /* In JSON a slash may be written \/; a media type is short and plain. */
    for (size_t i = 0; i < type.len; i++)
        if (type.ptr[i] != '\\')
            buffer_append_byte(out, type.ptr[i]);
    buffer_append_lit(out, "\",\"data\":");
    anthropic_quoted(out, data);
    buffer_append_byte(out, '}');
}

/* An address, or an id that the client had from this provider. False: neither. */
static bool put_place(struct anthropic_encode *encode, const struct part *part)
{
    bool https = slice_starts_with(part->url_raw, LIT("https:")), own = encode->chat->wire == &wire_anthropic && part->id_raw.len > 0;
    if (!https && !own)
        return false;
    buffer_append_slice(encode->out,
                        https ? LIT("\"source\":{\"type\":\"url\",\"url\":") : LIT("\"source\":{\"type\":\"file\",\"file_id\":"));
    anthropic_quoted(encode->out, https ? part->url_raw : part->id_raw);
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool put_image(struct anthropic_encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct slice type = part->media_type_raw, data = part->data_raw;
    buffer_append_lit(out, "{\"type\":\"image\",");
    if (data.len > 0 || split_data_url(part->url_raw, &type, &data)) {
        put_base64_source(out, type, data);
    } else if (!put_place(encode, part)) {
        return anthropic_refuse(encode, LIT("this provider takes images as https URLs or as base64 data URLs only"), LIT("messages"));
    }
    put_marker(out, part);
    buffer_append_byte(out, '}');
    return true;
}

static bool put_document(struct anthropic_encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct slice type = part->media_type_raw, data = part->data_raw;
    buffer_append_lit(out, "{\"type\":\"document\",");
    if (data.len == 0 && part->text_raw.len == 0 && !split_data_url(part->url_raw, &type, &data)) {
        if (!put_place(encode, part))
            return anthropic_refuse(encode, LIT("this provider takes files as base64 data or https URLs only, not by id"), LIT("messages"));
    } else if (part->text_raw.len > 0) {
        buffer_append_lit(out, "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":");
        anthropic_quoted(out, part->text_raw);
        buffer_append_byte(out, '}');
    } else {
        put_base64_source(out, type, data);
    }
    if (part->name_raw.len > 0) {
        buffer_append_lit(out, ",\"title\":");
        anthropic_quoted(out, part->name_raw);
    }
    put_marker(out, part);
    buffer_append_byte(out, '}');
    return true;
}

static void put_text(struct buffer *out, const struct part *part, struct slice text)
{
    buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
    anthropic_quoted(out, text);
    put_marker(out, part);
    buffer_append_byte(out, '}');
}

/* ---------------------------------------------------------------- tool calls and results */

static bool put_call(struct anthropic_encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct slice input = json_unescape(encode->arena, part->text_raw);
    struct json json;
    if (slice_trim(input).len == 0)
        input = LIT("{}");
    json_init(&json, input, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_OBJECT || !json_skip(&json, NULL) || !json_finish(&json))
        return anthropic_refuse(encode, LIT("the arguments of a tool call in the history are not a JSON object"), LIT("messages"));
    buffer_append_lit(out, "{\"type\":\"tool_use\",\"id\":");
    put_id(out, part->id_raw);
    buffer_append_lit(out, ",\"name\":");
    anthropic_quoted(out, part->name_raw);
    buffer_append_lit(out, ",\"input\":");
    buffer_append_slice(out, input);
    put_marker(out, part);
    buffer_append_byte(out, '}');
    return true;
}

static bool put_result(struct anthropic_encode *encode, const struct part *result, bool plain)
{
    struct buffer *out = encode->out;
    bool first = true;
    buffer_append_lit(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    put_id(out, result->id_raw);
    if (result->is_error)
        buffer_append_lit(out, ",\"is_error\":true");
    buffer_append_lit(out, ",\"content\":");
    if (plain && result->children != NULL) {
        anthropic_quoted(out, result->children->text_raw);
    } else {
        buffer_append_byte(out, '[');
        for (const struct part *child = result->children; child != NULL; child = child->next) {
            if (child->kind != PART_IMAGE && is_blank_text(child->text_raw))
                continue;
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            if (child->kind == PART_IMAGE ? !put_image(encode, child) : (put_text(out, child, child->text_raw), false))
                return false;
        }
        buffer_append_byte(out, ']');
    }
    put_marker(out, result);
    buffer_append_byte(out, '}');
    return true;
}

/* Every call needs its result in the next turn; one that the client lost is said to be lost. */
static bool has_result(const struct message *from, const struct message *to, struct slice id)
{
    for (const struct message *message = from; message != to; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_RESULT && slice_equals(part->id_raw, id))
                return true;
    return false;
}

/* ---------------------------------------------------------------- turns */

/* A run of messages that become one: [from, to). */
struct turn {
    const struct message *from, *to;
    bool assistant;
};

static bool is_assistant(const struct message *message)
{
    return message->role == ROLE_ASSISTANT;
}

static bool is_sent(const struct anthropic_encode *encode, const struct part *part)
{
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        return !is_blank_text(part->text_raw);
    case PART_REASONING:
        return encode->thinking && part->signature_raw.len > 0;
    case PART_REDACTED:
        return encode->thinking;
    case PART_OPAQUE:
        return encode->chat->wire == &wire_anthropic;
    default:
        return true;
    }
}

static bool says_something(const struct anthropic_encode *encode, const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (is_sent(encode, part))
            return true;
    return false;
}

/* The next turn at or after `at`; system messages and assistant messages without content are passed over. */
static bool next_turn(const struct anthropic_encode *encode, const struct message *at, struct turn *turn)
{
    while (at != NULL && (at->role == ROLE_SYSTEM || (is_assistant(at) && !says_something(encode, at))))
        at = at->next;
    if (at == NULL)
        return false;
    *turn = (struct turn){at, at, is_assistant(at)};
    while (turn->to != NULL && (turn->to->role == ROLE_SYSTEM || is_assistant(turn->to) == turn->assistant ||
                                (is_assistant(turn->to) && !says_something(encode, turn->to))))
        turn->to = turn->to->next;
    return true;
}

/* The one text of a turn that is nothing but one plain message, or NULL. */
static const struct part *only_text(const struct turn *turn)
{
    const struct message *only = NULL;
    for (const struct message *message = turn->from; message != turn->to; message = message->next) {
        if (message->role == ROLE_SYSTEM)
            continue;
        if (only != NULL)
            return NULL;
        only = message;
    }
    const struct part *part = only == NULL ? NULL : only->parts;
    bool plain = part != NULL && part->next == NULL && part->kind == PART_TEXT && only->plain && part->cache_control_json.len == 0;
    return plain && !is_blank_text(part->text_raw) ? part : NULL;
}

/* The last text of the last assistant turn is a beginning for the model to go on from: blanks at its end are refused. */
static struct slice without_tail(struct slice raw)
{
    for (;;) {
        if (raw.len > 0 && raw.ptr[raw.len - 1] == ' ')
            raw.len--;
        else if (raw.len > 1 && raw.ptr[raw.len - 2] == '\\' && memchr("nrt", raw.ptr[raw.len - 1], 3) != NULL &&
                 (raw.len < 3 || raw.ptr[raw.len - 3] != '\\'))
            raw.len -= 2;
        else
            return raw;
    }
}

static bool put_part(struct anthropic_encode *encode, const struct message *message, const struct part *part, bool last_turn)
{
    struct buffer *out = encode->out;
    switch (part->kind) {
    case PART_IMAGE:
        return put_image(encode, part);
    case PART_DOCUMENT:
        return put_document(encode, part);
    case PART_AUDIO:
        return anthropic_refuse(encode, LIT("this provider takes no audio"), LIT("messages"));
    case PART_TOOL_CALL:
        return put_call(encode, part);
    case PART_TOOL_RESULT:
        return put_result(encode, part, message->plain);
    case PART_REASONING:
        buffer_append_lit(out, "{\"type\":\"thinking\",\"thinking\":");
        anthropic_quoted(out, part->text_raw);
        buffer_append_lit(out, ",\"signature\":");
        anthropic_quoted(out, part->signature_raw);
        buffer_append_byte(out, '}');
        return true;
    case PART_REDACTED:
        buffer_append_lit(out, "{\"type\":\"redacted_thinking\",\"data\":");
        anthropic_quoted(out, part->data_raw);
        buffer_append_byte(out, '}');
        return true;
    case PART_OPAQUE:
        buffer_append_slice(out, part->json);
        return true;
    default:
        put_text(out, part, last_turn && is_assistant(message) ? without_tail(part->text_raw) : part->text_raw);
        return true;
    }
}

static void put_lost_results(struct anthropic_encode *encode, const struct turn *calls, const struct turn *answer, bool *first)
{
    for (const struct message *message = calls->from; message != calls->to; message = message->next) {
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (part->kind != PART_TOOL_CALL || (answer != NULL && has_result(answer->from, answer->to, part->id_raw)))
                continue;
            if (!*first)
                buffer_append_byte(encode->out, ',');
            *first = false;
            buffer_append_lit(encode->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
            put_id(encode->out, part->id_raw);
            buffer_append_lit(encode->out, ",\"is_error\":true,\"content\":\"No result\"}");
        }
    }
}

/* results first, then what else was said */
static bool put_parts(struct anthropic_encode *encode, const struct turn *turn, bool results, bool last, bool *first)
{
    for (const struct message *message = turn->from; message != turn->to; message = message->next) {
        if (message->role == ROLE_SYSTEM)
            continue;
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (!is_sent(encode, part) || (!turn->assistant && (part->kind == PART_TOOL_RESULT) != results))
                continue;
            if (!*first)
                buffer_append_byte(encode->out, ',');
            *first = false;
            if (!put_part(encode, message, part, last))
                return false;
        }
    }
    return true;
}

static struct slice placeholder(const struct anthropic_encode *encode)
{
    return encode->provider->empty_text_placeholder.len > 0 ? encode->provider->empty_text_placeholder : LIT(".");
}

static void put_placeholder(struct anthropic_encode *encode)
{
    buffer_append_lit(encode->out, "{\"type\":\"text\",\"text\":");
    json_append_string(encode->out, placeholder(encode));
    buffer_append_byte(encode->out, '}');
}

static bool put_turn(struct anthropic_encode *encode, const struct turn *turn, const struct turn *before, bool last)
{
    struct buffer *out = encode->out;
    const struct part *text = only_text(turn);
    bool first = true, calls = before != NULL && before->assistant;
    buffer_append_slice(out, turn->assistant ? LIT("{\"role\":\"assistant\",\"content\":") : LIT("{\"role\":\"user\",\"content\":"));
    if (text != NULL && !calls) {
        anthropic_quoted(out, last && turn->assistant ? without_tail(text->text_raw) : text->text_raw);
        buffer_append_byte(out, '}');
        return true;
    }
    size_t mark = out->len;
    buffer_append_byte(out, '[');
    if (calls)
        put_lost_results(encode, before, turn, &first);
    if (text != NULL && first) { /* no calls before it after all */
        out->len = mark;
        anthropic_quoted(out, text->text_raw);
        buffer_append_byte(out, '}');
        return true;
    }
    if ((!turn->assistant && !put_parts(encode, turn, true, last, &first)) || !put_parts(encode, turn, false, last, &first))
        return false;
    if (first)
        put_placeholder(encode);
    buffer_append_lit(out, "]}");
    return true;
}

static bool has_calls(const struct turn *turn)
{
    for (const struct message *message = turn->from; message != turn->to; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL)
                return true;
    return false;
}

static bool put_messages(struct anthropic_encode *encode)
{
    struct turn turn, next, before;
    bool any = false, more = next_turn(encode, encode->chat->messages, &turn), had_before = false;
    anthropic_key(encode, "messages");
    buffer_append_byte(encode->out, '[');
    if (!more || turn.assistant) { /* older models want the user to begin */
        buffer_append_lit(encode->out, "{\"role\":\"user\",\"content\":[");
        put_placeholder(encode);
        buffer_append_lit(encode->out, "]}");
        any = true;
    }
    while (more) {
        bool another = next_turn(encode, turn.to, &next);
        if (any)
            buffer_append_byte(encode->out, ',');
        any = true;
        if (!put_turn(encode, &turn, had_before ? &before : NULL, !another))
            return false;
        before = turn;
        had_before = true;
        turn = next;
        more = another;
    }
    if (had_before && before.assistant && has_calls(&before)) { /* calls at the very end: nobody ran them */
        bool first = true;
        buffer_append_lit(encode->out, ",{\"role\":\"user\",\"content\":[");
        put_lost_results(encode, &before, NULL, &first);
        buffer_append_lit(encode->out, "]}");
    }
    buffer_append_byte(encode->out, ']');
    return true;
}

/* ---------------------------------------------------------------- system */

static unsigned count_system(const struct anthropic_encode *encode, const struct part **only)
{
    unsigned count = 0;
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        if (message->role != ROLE_SYSTEM)
            continue;
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
                continue;
            *only = part;
            count++;
        }
    }
    return count;
}

static void put_system(struct anthropic_encode *encode)
{
    struct buffer *out = encode->out;
    const struct part *only = NULL;
    bool wants_json = encode->chat->format == FORMAT_JSON, first = true;
    unsigned count = count_system(encode, &only);
    if (count == 0 && !wants_json)
        return;
    anthropic_key(encode, "system");
    if (count == 1 && !wants_json && only->cache_control_json.len == 0) {
        anthropic_quoted(out, only->text_raw);
        return;
    }
    buffer_append_byte(out, '[');
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        for (const struct part *part = message->parts; message->role == ROLE_SYSTEM && part != NULL; part = part->next) {
            if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
                continue;
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            put_text(out, part, part->text_raw);
        }
    }
    if (wants_json) { /* there is no switch for it: say it in words */
        if (!first)
            buffer_append_byte(out, ',');
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":\"Answer with one valid JSON object and nothing else.\"}");
    }
    buffer_append_byte(out, ']');
}

bool anthropic_write_messages(struct anthropic_encode *encode)
{
    put_system(encode);
    return put_messages(encode);
}

bool anthropic_lost_reasoning(const struct chat *chat)
{
    bool lost = false;
    for (const struct message *message = chat->messages; message != NULL; message = message->next) {
        bool calls = false, is_signed = false;
        if (message->role == ROLE_USER)
            lost = false; /* a new turn of the user: the loop before it is over */
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            calls |= part->kind == PART_TOOL_CALL;
            is_signed |= (part->kind == PART_REASONING && part->signature_raw.len > 0) || part->kind == PART_REDACTED;
        }
        lost |= is_assistant(message) && calls && !is_signed;
    }
    return lost;
}
