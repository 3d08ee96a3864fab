/* turns.c -- see turns.h.
 * SPDX-License-Identifier: MIT */
#include "providers/turns.h"

/* ---------------------------------------------------------------- parts */

struct parts parts_of_system(const struct chat *chat)
{
    return (struct parts){.ahead = chat->messages, .system = true};
}

struct parts parts_said(const struct message *from, const struct message *to)
{
    return (struct parts){.ahead = from, .to = to};
}

const struct part *parts_next(struct parts *parts)
{
    if (parts->part != NULL)
        parts->part = parts->part->next;
    while (parts->part == NULL && parts->ahead != parts->to) {
        parts->message = parts->ahead;
        parts->ahead = parts->ahead->next;
        if ((parts->message->role == ROLE_SYSTEM) == parts->system)
            parts->part = parts->message->parts;
    }
    return parts->part;
}

bool parts_have(const struct message *from, const struct message *to, enum part_kind kind)
{
    struct parts parts = parts_said(from, to);
    const struct part *part;
    while ((part = parts_next(&parts)) != NULL && part->kind != kind)
        ;
    return part != NULL;
}

bool part_list_has(const struct part *list, enum part_kind kind)
{
    while (list != NULL && list->kind != kind)
        list = list->next;
    return list != NULL;
}

bool part_is_text(const struct part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL || (part->kind == PART_DOCUMENT && part->text_raw.len > 0);
}

void encode_joined(struct encode *encode, const struct part *list, struct slice between)
{
    bool some = false;
    buffer_append_byte(encode->out, '"');
    for (; list != NULL; list = list->next) {
        encode_drop_marker(encode, list->cache_control_json);
        if (!part_is_text(list) || list->text_raw.len == 0)
            continue;
        if (some)
            buffer_append_slice(encode->out, between);
        some = true;
        buffer_append_slice(encode->out, list->text_raw);
    }
    buffer_append_byte(encode->out, '"');
}

void encode_reasoning(struct encode *encode, const struct part *list)
{
    buffer_append_byte(encode->out, '"');
    for (; list != NULL; list = list->next)
        if (list->kind == PART_REASONING)
            buffer_append_slice(encode->out, list->text_raw);
    buffer_append_byte(encode->out, '"');
}

bool encode_is_text_or_image(struct encode *encode, const struct part *part)
{
    if (part->kind == PART_AUDIO)
        return encode_refuse(encode, LIT("this provider takes no audio"), LIT("messages"));
    if (part->kind == PART_DOCUMENT && part->text_raw.len == 0)
        return encode_refuse(encode, LIT("this provider takes no files but plain text"), LIT("messages"));
    return true;
}

struct slice encode_placeholder(const struct encode *encode, struct slice otherwise)
{
    struct slice said = encode->provider->empty_text_placeholder;
    return said.len > 0 ? json_escape(encode->arena, said) : otherwise;
}

void encode_wish_for_json(struct encode *encode, const char *words)
{
    const struct chat *chat = encode->chat;
    encode_write(encode, "{\"text\":\"%", slice_of(words));
    if (chat->format == FORMAT_SCHEMA && chat->schema_json.len > 0) {
        buffer_append_lit(encode->out, " It must match this JSON schema: ");
        json_append_escaped(encode->out, chat->schema_json);
    }
    buffer_append_lit(encode->out, "\"}");
}

bool data_url_split(struct slice url, struct data_url *parts)
{
    enum { SCHEME = 5 };
    const char *comma = slice_starts_with(url, LIT("data:")) ? memchr(url.ptr, ',', url.len) : NULL;
    if (comma == NULL)
        return false;
    struct slice head = {url.ptr + SCHEME, (size_t)(comma - url.ptr) - SCHEME};
    const char *semicolon = head.len == 0 ? NULL : memchr(head.ptr, ';', head.len);
    *parts = (struct data_url){.head = head,
                               .type = {head.ptr, semicolon == NULL ? head.len : (size_t)(semicolon - head.ptr)},
                               .data = {comma + 1, (size_t)(url.ptr + url.len - comma) - 1}};
    return true;
}

/* ---------------------------------------------------------------- calls and results */

bool encode_arguments(struct encode *encode, const struct part *call, unsigned depth, struct slice *object)
{
    struct json json;
    *object = json_unescape(encode->arena, call->text_raw);
    if (slice_trim(*object).len == 0)
        *object = LIT("{}");
    json_init(&json, *object, depth);
    if (json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json))
        return true;
    return encode_refuse(encode, LIT("the arguments of a tool call in the history are not a JSON object"), LIT("messages"));
}

struct slice id_of_nine(struct arena *arena, struct slice id)
{
    enum { NINE = 9, LETTERS = 62 };
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a: for naming, not for keeping secrets */
    bool fits = id.len == NINE;
    for (size_t i = 0; i < id.len; i++) {
        hash = (hash ^ (unsigned char)id.ptr[i]) * 1099511628211ULL;
        fits = fits && memchr(letters, id.ptr[i], LETTERS) != NULL;
    }
    char *made = fits ? NULL : arena_alloc(arena, NINE);
    for (unsigned i = 0; made != NULL && i < NINE; i++, hash /= LETTERS)
        made[i] = letters[hash % LETTERS];
    return fits ? id : (struct slice){made, made == NULL ? 0 : NINE};
}

bool calls_gather(struct encode *encode, struct lookup *calls)
{
    struct parts parts = parts_said(encode->chat->messages, NULL);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;)
        if (part->kind == PART_TOOL_CALL && !lookup_add(calls, encode->arena, part->id_raw, part))
            return false;
    return true;
}

struct lost lost_results(const struct encode *encode, const struct turn *calls, const struct turn *answer)
{
    struct lost lost = {.results = {.count = 0}};
    if (calls == NULL || calls->calls == 0)
        return lost;
    lost.calls = parts_said(calls->from, calls->to);
    if (answer == NULL)
        return lost;
    struct parts parts = parts_said(answer->from, answer->to);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;)
        if (part->kind == PART_TOOL_RESULT && !lookup_add(&lost.results, encode->arena, part->id_raw, part))
            break; /* the arena is full: said at the end */
    return lost;
}

const struct part *lost_next(struct lost *lost)
{
    const struct part *part;
    while ((part = parts_next(&lost->calls)) != NULL)
        if (part->kind == PART_TOOL_CALL && lookup_first(&lost->results, part->id_raw) == NULL)
            break;
    return part;
}

/* ---------------------------------------------------------------- turns */

static bool is_assistant(const struct message *message)
{
    return message->role == ROLE_ASSISTANT;
}

static bool is_mute(const struct encode *encode, const struct turn_style *style, const struct message *message)
{
    if (!is_assistant(message))
        return false;
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (style->is_sent(encode, part, true))
            return false;
    return true;
}

bool turn_next(const struct encode *encode, const struct turn_style *style, const struct message *at, struct turn *turn)
{
    while (at != NULL && (at->role == ROLE_SYSTEM || is_mute(encode, style, at)))
        at = at->next;
    *turn = (struct turn){at, at, at != NULL && is_assistant(at), 0};
    for (; turn->to != NULL; turn->to = turn->to->next) {
        const struct message *message = turn->to;
        if (message->role != ROLE_SYSTEM && is_assistant(message) != turn->assistant && !is_mute(encode, style, message))
            break;
        for (const struct part *part = message->parts; turn->assistant && part != NULL; part = part->next)
            turn->calls += part->kind == PART_TOOL_CALL;
    }
    return at != NULL;
}

/* Calls at the very end: nothing ran them. */
static void put_unanswered(struct encode *encode, const struct turn_style *style, const struct turn *calls)
{
    struct lost lost = lost_results(encode, calls, NULL);
    const struct part *call = lost_next(&lost);
    if (call == NULL)
        return;
    buffer_append_lit(encode->out, ",{\"role\":\"user\",\"content\":");
    encode_begin(encode, '[');
    for (; call != NULL; call = lost_next(&lost))
        style->put_lost(encode, call);
    buffer_append_lit(encode->out, "]}");
}

bool turns_write(struct encode *encode, const struct turn_style *style)
{
    struct turn turn, next, before = {NULL, NULL, false, 0};
    bool more = turn_next(encode, style, encode->chat->messages, &turn);
    encode_key(encode, "messages");
    encode_begin(encode, '[');
    if (!more || turn.assistant) {
        buffer_append_lit(encode->out, "{\"role\":\"user\",\"content\":");
        encode_begin(encode, '[');
        style->put_opening(encode);
        buffer_append_byte(encode->out, ']');
        encode_end(encode, '}');
    }
    for (; more; before = turn, turn = next) {
        more = turn_next(encode, style, turn.to, &next);
        encode_comma(encode);
        encode_write(encode, "{\"role\":\"%\",\"content\":", turn.assistant ? LIT("assistant") : LIT("user"));
        if (!style->put_turn(encode, &turn, before.from == NULL ? NULL : &before, !more))
            return false;
        encode_end(encode, '}');
    }
    put_unanswered(encode, style, &before);
    encode_end(encode, ']');
    return true;
}

bool message_write(struct encode *encode, const struct message *message,
                   bool (*put_result)(struct encode *encode, const struct part *result),
                   bool (*put_said)(struct encode *encode, const struct message *message))
{
    bool says_more = message->parts == NULL;
    for (const struct part *part = message->parts; part != NULL; part = part->next) {
        says_more |= part->kind != PART_TOOL_RESULT;
        if (part->kind == PART_TOOL_RESULT && !put_result(encode, part))
            return false;
    }
    return !says_more || put_said(encode, message);
}
