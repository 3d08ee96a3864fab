/* write_messages.c -- the conversation as Anthropic wants it.
 *
 * System texts stand apart; roles alternate, so neighbours of one role are merged; results of tools stand in the user turn that follows their calls, all of
 * them and before any text; no text block is empty; reasoning goes back first, unchanged and signed, or not at all.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"
#include "providers/lookup.h"

/* ---------------------------------------------------------------- small pieces */

/* Bytes of the character at `at`, an escape counted as one; *blank: it is white space. */
static size_t step(struct slice raw, size_t at, bool *blank)
{
    static const struct slice wide[] = {LIT("\xc2\xa0"), LIT("\xc2\x85"), LIT("\xe2\x80\xa8"), LIT("\xe2\x80\xa9"), LIT("\xe3\x80\x80")};
    struct slice rest = {raw.ptr + at, raw.len - at};
    *blank = rest.ptr[0] == ' ';
    if (rest.ptr[0] == '\\' && rest.len >= 6 && rest.ptr[1] == 'u') {
        struct slice escape = {rest.ptr, 6};
        *blank = json_raw_equals(escape, LIT(" ")) || json_raw_equals(escape, LIT("\n")) || json_raw_equals(escape, LIT("\r")) ||
                 json_raw_equals(escape, LIT("\t")) || json_raw_equals(escape, LIT("\xc2\xa0"));
        return 6;
    }
    if (rest.ptr[0] == '\\' && rest.len >= 2) {
        *blank = memchr("nrtf", rest.ptr[1], 4) != NULL;
        return 2;
    }
    for (unsigned i = 0; (unsigned char)rest.ptr[0] >= 0x80 && i < sizeof wide / sizeof *wide; i++) {
        if (slice_starts_with(rest, wide[i])) {
            *blank = true;
            return wide[i].len;
        }
    }
    return 1;
}

static bool is_blank_text(struct slice raw)
{
    bool blank = true;
    for (size_t at = 0; blank && at < raw.len;)
        at += step(raw, at, &blank);
    return blank;
}

/* Without the blanks at its end: the last text of the last assistant turn is a beginning for the model to go on from, and they are refused there. */
static struct slice without_tail(struct slice raw)
{
    size_t end = 0;
    bool blank;
    for (size_t at = 0; at < raw.len;) {
        at += step(raw, at, &blank);
        if (!blank)
            end = at;
    }
    return (struct slice){raw.ptr, end};
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

static void put_text(struct buffer *out, const struct part *part, struct slice text)
{
    buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
    json_append_quoted(out, text);
    anthropic_write_marker(out, part);
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
        return complaint_refuse(encode->complaint, LIT("the arguments of a tool call in the history are not a JSON object"),
                                LIT("messages"));
    buffer_append_lit(out, "{\"type\":\"tool_use\",\"id\":");
    put_id(out, part->id_raw);
    buffer_append_lit(out, ",\"name\":");
    anthropic_write_name(encode, part->name_raw);
    buffer_append_lit(out, ",\"input\":");
    buffer_append_slice(out, input);
    anthropic_write_marker(out, part);
    buffer_append_byte(out, '}');
    return true;
}

static bool put_child(struct anthropic_encode *encode, const struct part *result, const struct part *child)
{
    struct part copy = *child;
    if (copy.cache_control_json.ptr == result->cache_control_json.ptr) /* a marker on the message stands for one: it is the result's */
        copy.cache_control_json = SLICE_NONE;
    switch (child->kind) {
    case PART_IMAGE:
        return anthropic_write_image(encode, &copy);
    case PART_DOCUMENT:
        return anthropic_write_document(encode, &copy);
    case PART_AUDIO:
        return complaint_refuse(encode->complaint, LIT("this provider takes no audio"), LIT("messages"));
    default:
        put_text(encode->out, &copy, child->text_raw);
        return true;
    }
}

static bool is_sent(const struct anthropic_encode *encode, const struct part *part);

static bool put_result(struct anthropic_encode *encode, const struct part *result, bool plain)
{
    struct buffer *out = encode->out;
    bool first = true;
    buffer_append_lit(out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    put_id(out, result->id_raw);
    if (result->is_error)
        buffer_append_lit(out, ",\"is_error\":true");
    buffer_append_lit(out, ",\"content\":");
    if (plain || result->children == NULL) {
        json_append_quoted(out, result->children == NULL ? SLICE_NONE : result->children->text_raw);
    } else {
        buffer_append_byte(out, '[');
        for (const struct part *child = result->children; child != NULL; child = child->next) {
            if (!is_sent(encode, child))
                continue;
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            if (!put_child(encode, result, child))
                return false;
        }
        buffer_append_byte(out, ']');
    }
    anthropic_write_marker(out, result);
    buffer_append_byte(out, '}');
    return true;
}

/* ---------------------------------------------------------------- turns */

/* A run of messages that become one: [from, to). */
struct turn {
    const struct message *from, *to;
    bool assistant;
};

/* The results of a turn by the ids they answer. answer NULL: no turn, no results. */
static struct lookup results_of(const struct anthropic_encode *encode, const struct turn *answer)
{
    struct lookup results = {.count = 0};
    for (const struct message *message = answer == NULL ? NULL : answer->from; answer != NULL && message != answer->to;
         message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_RESULT && !lookup_add(&results, encode->arena, part->id_raw, part))
                return results; /* the arena is full: said at the end */
    return results;
}

/* Every call needs its result in the next turn; one that the client lost is said to be lost. */
static bool has_result(struct lookup *results, struct slice id)
{
    return lookup_first(results, id) != NULL;
}

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
        return encode->replays && part->signature_raw.len > 0;
    case PART_REDACTED:
        return encode->replays;
    case PART_OPAQUE:
        return false;
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

/* The last part of a turn that is sent, and how many there are. */
static const struct part *last_part(const struct anthropic_encode *encode, const struct turn *turn, unsigned *count)
{
    const struct part *last = NULL;
    *count = 0;
    for (const struct message *message = turn->from; message != turn->to; message = message->next) {
        for (const struct part *part = message->role == ROLE_SYSTEM ? NULL : message->parts; part != NULL; part = part->next) {
            if (!is_sent(encode, part))
                continue;
            last = part;
            ++*count;
        }
    }
    return last;
}

/* The one text of a turn that says nothing but one plain message, or NULL. */
static const struct part *only_text(const struct anthropic_encode *encode, const struct turn *turn)
{
    unsigned count;
    const struct part *part = last_part(encode, turn, &count);
    if (count != 1 || part->kind != PART_TEXT || part->cache_control_json.len > 0)
        return NULL;
    for (const struct message *message = turn->from; message != turn->to; message = message->next)
        if (message->role != ROLE_SYSTEM && !message->plain && says_something(encode, message))
            return NULL;
    return part;
}

static bool put_part(struct anthropic_encode *encode, const struct message *message, const struct part *part, const struct part *prefill)
{
    struct buffer *out = encode->out;
    switch (part->kind) {
    case PART_IMAGE:
        return anthropic_write_image(encode, part);
    case PART_DOCUMENT:
        return anthropic_write_document(encode, part);
    case PART_AUDIO:
        return complaint_refuse(encode->complaint, LIT("this provider takes no audio"), LIT("messages"));
    case PART_TOOL_CALL:
        return put_call(encode, part);
    case PART_TOOL_RESULT:
        return put_result(encode, part, message->plain);
    case PART_REASONING:
        buffer_append_lit(out, "{\"type\":\"thinking\",\"thinking\":");
        json_append_quoted(out, part->text_raw);
        buffer_append_lit(out, ",\"signature\":");
        json_append_quoted(out, part->signature_raw);
        buffer_append_byte(out, '}');
        return true;
    case PART_REDACTED:
        buffer_append_lit(out, "{\"type\":\"redacted_thinking\",\"data\":");
        json_append_quoted(out, part->data_raw);
        buffer_append_byte(out, '}');
        return true;
    default:
        put_text(out, part, part == prefill ? without_tail(part->text_raw) : part->text_raw);
        return true;
    }
}

/* The first call of a turn, or the next one behind *message and part, that has no result among these. NULL: none is left. */
static const struct part *next_lost(const struct turn *calls, struct lookup *results, const struct message **message,
                                    const struct part *part)
{
    for (part = part == NULL ? (*message)->parts : part->next;;) {
        for (; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL && !has_result(results, part->id_raw))
                return part;
        *message = (*message)->next;
        if (*message == calls->to)
            return NULL;
        part = (*message)->parts;
    }
}

static void put_lost_results(struct anthropic_encode *encode, const struct turn *calls, struct lookup *results, bool *first)
{
    const struct message *message = calls->from;
    const struct part *part = NULL;
    while ((part = next_lost(calls, results, &message, part)) != NULL) {
        if (!*first)
            buffer_append_byte(encode->out, ',');
        *first = false;
        buffer_append_lit(encode->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
        put_id(encode->out, part->id_raw);
        buffer_append_lit(encode->out, ",\"is_error\":true,\"content\":\"No result\"}");
    }
}

/* results first, then what else was said */
static bool put_parts(struct anthropic_encode *encode, const struct turn *turn, bool results, const struct part *prefill, bool *first)
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
            if (!put_part(encode, message, part, prefill))
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
    unsigned count;
    const struct part *text = only_text(encode, turn), *prefill = last && turn->assistant ? last_part(encode, turn, &count) : NULL;
    const struct turn *calls = before != NULL && before->assistant ? before : NULL;
    const struct message *from = calls == NULL ? NULL : calls->from;
    struct lookup results = results_of(encode, calls == NULL ? NULL : turn);
    bool first = true;
    buffer_append_slice(out, turn->assistant ? LIT("{\"role\":\"assistant\",\"content\":") : LIT("{\"role\":\"user\",\"content\":"));
    if (text != NULL && (calls == NULL || next_lost(calls, &results, &from, NULL) == NULL)) {
        json_append_quoted(out, text == prefill ? without_tail(text->text_raw) : text->text_raw);
        buffer_append_byte(out, '}');
        return true;
    }
    buffer_append_byte(out, '[');
    if (!turn->assistant && !put_parts(encode, turn, true, prefill, &first))
        return false;
    if (calls != NULL)
        put_lost_results(encode, calls, &results, &first);
    if (!put_parts(encode, turn, false, prefill, &first))
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
    json_append_key(encode->out, &encode->first, LIT("messages"));
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
        put_lost_results(encode, &before, &(struct lookup){.count = 0}, &first);
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
    json_append_key(encode->out, &encode->first, LIT("system"));
    if (count == 1 && !wants_json && only->cache_control_json.len == 0) {
        json_append_quoted(out, only->text_raw);
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

/* Without thinking no signed block may stand in an assistant's message at the end. */
static bool may_replay(const struct anthropic_encode *encode)
{
    const struct message *last = NULL;
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        if (message->role != ROLE_SYSTEM)
            last = message;
    return encode->thinking || last == NULL || !is_assistant(last);
}

bool anthropic_write_messages(struct anthropic_encode *encode)
{
    encode->replays = may_replay(encode);
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
