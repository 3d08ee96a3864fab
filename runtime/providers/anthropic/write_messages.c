/* write_messages.c -- the conversation as Anthropic wants it.
 *
 * System texts stand apart; roles alternate, so neighbours of one role are merged; results of tools stand in the user turn that follows their calls, all of
 * them and before any text; no text block is empty; reasoning goes back first, unchanged and signed, or not at all.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"
#include "providers/turns.h"

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
static void put_id(struct encode *encode, struct slice id)
{
    if (name_has_only(id, "_-"))
        return json_append_quoted(encode->out, id);
    buffer_append_byte(encode->out, '"');
    for (size_t i = 0; i < id.len; i++)
        buffer_append_byte(encode->out, name_has_only((struct slice){id.ptr + i, 1}, "_-") ? id.ptr[i] : '_');
    buffer_append_byte(encode->out, '"');
}

static void put_text(struct encode *encode, const struct part *part, struct slice text)
{
    encode_write(encode, "{\"type\":\"text\",\"text\":\"%\"", text);
    anthropic_write_marker(encode, part);
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- tool calls and results */

static bool put_call(struct encode *encode, const struct part *part)
{
    struct slice input;
    if (!encode_arguments(encode, part, JSON_DEPTH_MAX, &input))
        return false;
    buffer_append_lit(encode->out, "{\"type\":\"tool_use\",\"id\":");
    put_id(encode, part->id_raw);
    encode_write(encode, ",\"name\":\"%\",\"input\":%", name_fit(part->name_raw, &anthropic_names, encode->arena), input);
    anthropic_write_marker(encode, part);
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool put_child(struct encode *encode, const struct part *result, const struct part *child)
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
        return encode_refuse(encode, LIT("this provider takes no audio"), LIT("messages"));
    default:
        put_text(encode, &copy, child->text_raw);
        return true;
    }
}

static bool is_sent(const struct encode *encode, const struct part *part, bool assistant)
{
    (void)assistant;
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        return !is_blank_text(part->text_raw);
    case PART_REASONING:
        return (encode->flags & CLAUDE_REPLAYS) && part->signature_raw.len > 0;
    case PART_REDACTED:
        return encode->flags & CLAUDE_REPLAYS;
    case PART_OPAQUE:
        return false;
    default:
        return true;
    }
}

static bool put_result(struct encode *encode, const struct part *result, bool plain)
{
    buffer_append_lit(encode->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    put_id(encode, result->id_raw);
    buffer_append_slice(encode->out, result->is_error ? LIT(",\"is_error\":true,\"content\":") : LIT(",\"content\":"));
    if (plain || result->children == NULL) {
        json_append_quoted(encode->out, result->children == NULL ? SLICE_NONE : result->children->text_raw);
    } else {
        encode_begin(encode, '[');
        for (const struct part *child = result->children; child != NULL; child = child->next) {
            if (!is_sent(encode, child, false))
                continue;
            encode_comma(encode);
            if (!put_child(encode, result, child))
                return false;
        }
        encode_end(encode, ']');
    }
    anthropic_write_marker(encode, result);
    buffer_append_byte(encode->out, '}');
    return true;
}

static void put_lost(struct encode *encode, const struct part *call)
{
    encode_comma(encode);
    buffer_append_lit(encode->out, "{\"type\":\"tool_result\",\"tool_use_id\":");
    put_id(encode, call->id_raw);
    buffer_append_lit(encode->out, ",\"is_error\":true,\"content\":\"No result\"}");
}

/* ---------------------------------------------------------------- turns */

/* The last part of a turn that is sent, and how many there are. */
static const struct part *last_part(const struct encode *encode, const struct turn *turn, unsigned *count)
{
    struct parts parts = parts_said(turn->from, turn->to);
    const struct part *last = NULL;
    *count = 0;
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (!is_sent(encode, part, turn->assistant))
            continue;
        last = part;
        ++*count;
    }
    return last;
}

/* The one text of a turn that says nothing but one plain message, or NULL. */
static const struct part *only_text(const struct encode *encode, const struct turn *turn)
{
    unsigned count;
    const struct part *last = last_part(encode, turn, &count);
    if (count != 1 || last->kind != PART_TEXT || last->cache_control_json.len > 0)
        return NULL;
    struct parts parts = parts_said(turn->from, turn->to);
    while (parts_next(&parts) != last)
        ;
    return parts.message->plain ? last : NULL;
}

static bool put_part(struct encode *encode, const struct message *message, const struct part *part, const struct part *prefill)
{
    switch (part->kind) {
    case PART_TOOL_CALL:
        return put_call(encode, part);
    case PART_TOOL_RESULT:
        return put_result(encode, part, message->plain);
    case PART_REASONING:
        encode_write(encode, "{\"type\":\"thinking\",\"thinking\":\"%\",\"signature\":\"%\"}", part->text_raw, part->signature_raw);
        return true;
    case PART_REDACTED:
        encode_write(encode, "{\"type\":\"redacted_thinking\",\"data\":\"%\"}", part->data_raw);
        return true;
    case PART_IMAGE:
        return anthropic_write_image(encode, part);
    case PART_DOCUMENT:
        return anthropic_write_document(encode, part);
    case PART_AUDIO:
        return encode_refuse(encode, LIT("this provider takes no audio"), LIT("messages"));
    default:
        put_text(encode, part, part == prefill ? without_tail(part->text_raw) : part->text_raw);
        return true;
    }
}

/* results first, then what else was said */
static bool put_parts(struct encode *encode, const struct turn *turn, bool results, const struct part *prefill)
{
    struct parts parts = parts_said(turn->from, turn->to);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (!is_sent(encode, part, turn->assistant) || (!turn->assistant && (part->kind == PART_TOOL_RESULT) != results))
            continue;
        encode_comma(encode);
        if (!put_part(encode, parts.message, part, prefill))
            return false;
    }
    return true;
}

static void put_placeholder(struct encode *encode)
{
    encode_write(encode, "{\"type\":\"text\",\"text\":\"%\"}", encode_placeholder(encode, LIT(".")));
}

static bool put_turn(struct encode *encode, const struct turn *turn, const struct turn *before, bool last)
{
    unsigned count;
    const struct part *text = only_text(encode, turn), *prefill = last && turn->assistant ? last_part(encode, turn, &count) : NULL;
    struct lost lost = lost_results(encode, before, turn);
    const struct part *call = lost_next(&lost);
    if (text != NULL && call == NULL) {
        json_append_quoted(encode->out, text == prefill ? without_tail(text->text_raw) : text->text_raw);
        return true;
    }
    encode_begin(encode, '[');
    if (!turn->assistant && !put_parts(encode, turn, true, prefill))
        return false;
    for (; call != NULL; call = lost_next(&lost))
        put_lost(encode, call);
    if (!put_parts(encode, turn, false, prefill))
        return false;
    if (encode->first)
        put_placeholder(encode);
    encode_end(encode, ']');
    return true;
}

/* ---------------------------------------------------------------- system */

static unsigned count_system(const struct encode *encode, const struct part **only)
{
    struct parts parts = parts_of_system(encode->chat);
    unsigned count = 0;
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
            continue;
        *only = part;
        count++;
    }
    return count;
}

static void put_system(struct encode *encode)
{
    const struct part *only = NULL;
    bool wants_json = encode->chat->format == FORMAT_JSON;
    if (count_system(encode, &only) == 1 && !wants_json && only->cache_control_json.len == 0)
        return encode_text(encode, "system", only->text_raw);
    struct parts parts = parts_of_system(encode->chat);
    struct place place = encode_open(encode, "system", '[');
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
            continue;
        encode_comma(encode);
        put_text(encode, part, part->text_raw);
    }
    if (wants_json) { /* there is no switch for it: say it in words */
        encode_comma(encode);
        buffer_append_lit(encode->out, "{\"type\":\"text\",\"text\":\"Answer with one valid JSON object and nothing else.\"}");
    }
    encode_close(encode, ']', place);
}

/* Without thinking no signed block may stand in an assistant's message at the end. */
static bool may_replay(const struct encode *encode)
{
    const struct message *last = NULL;
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        if (message->role != ROLE_SYSTEM)
            last = message;
    return encode->thinking || last == NULL || last->role != ROLE_ASSISTANT;
}

bool anthropic_write_messages(struct encode *encode)
{
    static const struct turn_style style = {is_sent, put_placeholder, put_turn, put_lost};
    if (may_replay(encode))
        encode->flags |= CLAUDE_REPLAYS;
    put_system(encode);
    return turns_write(encode, &style);
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
        lost |= message->role == ROLE_ASSISTANT && calls && !is_signed;
    }
    return lost;
}
