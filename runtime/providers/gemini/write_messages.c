/* write_messages.c -- the turns of a conversation as Gemini wants them.
 *
 * System texts stand apart; neighbours of one role are one content. The results of a turn's function calls stand in a content of their own, as many and in
 * the order of the calls: beside anything else the API does not recognise them (COMPAT(vertex, 2026-08)). No text is empty. Function calls go back with the
 * thought signature they came with; where it was lost the documented stand-in is sent.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"
#include "providers/lookup.h"

#define SIGNATURE_STAND_IN "skip_thought_signature_validator"

/* Results of one turn; the depth that arguments and results may have inside of a request. */
enum { RESULTS_MAX = 512, VALUE_DEPTH = 48 };

enum content { CONTENT_MODEL, CONTENT_RESULTS, CONTENT_USER };

struct turns {
    struct gemini_encode *encode;
    bool first_content, first_part;
    bool system_pending; /* there is no system instruction: its texts begin the first content of the user */
    struct lookup calls; /* of the whole conversation by their ids, once a result was found that belongs further back */
    bool looked;
};

/* A run of messages that become one turn: [from, to). */
struct turn {
    const struct message *from, *to;
    bool model;
};

/* ---------------------------------------------------------------- media */

static void put_inline(struct buffer *out, struct slice type, struct slice data)
{
    buffer_append_lit(out, "{\"inlineData\":{\"mimeType\":");
    json_append_quoted(out, type);
    buffer_append_lit(out, ",\"data\":");
    json_append_quoted(out, data);
    buffer_append_lit(out, "}}");
}

/* data:image/png;base64,AAAA -> its two parts; the data is not copied. */
static bool split_data_url(struct slice url, struct slice *type, struct slice *data)
{
    const char *comma = slice_starts_with(url, LIT("data:")) ? memchr(url.ptr, ',', url.len) : NULL;
    if (comma == NULL)
        return false;
    struct slice head = {url.ptr + 5, (size_t)(comma - url.ptr) - 5};
    const char *semicolon = head.len == 0 ? NULL : memchr(head.ptr, ';', head.len);
    struct slice said = {head.ptr, semicolon == NULL ? head.len : (size_t)(semicolon - head.ptr)};
    if (said.len > 0)
        *type = said;
    *data = (struct slice){comma + 1, (size_t)(url.ptr + url.len - comma) - 1};
    return slice_find(head, LIT(";base64")) != NULL;
}

/* By the ending of the path; `otherwise` where that says nothing. */
static struct slice type_of_url(struct slice url, struct slice otherwise)
{
    static const struct {
        struct slice ending, type;
    } known[] = {
        {LIT("jpg"), LIT("image/jpeg")},  {LIT("jpeg"), LIT("image/jpeg")}, {LIT("png"), LIT("image/png")},
        {LIT("webp"), LIT("image/webp")}, {LIT("gif"), LIT("image/gif")},   {LIT("heic"), LIT("image/heic")},
        {LIT("heif"), LIT("image/heif")}, {LIT("bmp"), LIT("image/bmp")},   {LIT("pdf"), LIT("application/pdf")},
        {LIT("mp4"), LIT("video/mp4")},   {LIT("mov"), LIT("video/mov")},   {LIT("webm"), LIT("video/webm")},
        {LIT("mpeg"), LIT("video/mpeg")}, {LIT("mp3"), LIT("audio/mp3")},   {LIT("wav"), LIT("audio/wav")},
        {LIT("ogg"), LIT("audio/ogg")},   {LIT("flac"), LIT("audio/flac")}, {LIT("txt"), LIT("text/plain")},
        {LIT("csv"), LIT("text/csv")},    {LIT("html"), LIT("text/html")},  {LIT("md"), LIT("text/markdown")},
    };
    size_t end = 0, dot;
    while (end < url.len && url.ptr[end] != '?' && url.ptr[end] != '#')
        end++;
    for (dot = end; dot > 0 && url.ptr[dot - 1] != '.' && url.ptr[dot - 1] != '/';)
        dot--;
    struct slice ending = {url.ptr + dot, end - dot};
    for (unsigned i = 0; dot > 0 && url.ptr[dot - 1] == '.' && i < sizeof known / sizeof *known; i++)
        if (slice_equals_nocase(ending, known[i].ending))
            return known[i].type;
    return otherwise;
}

static bool put_file(struct gemini_encode *encode, struct slice url, struct slice type)
{
    struct buffer *out = encode->out;
    /* These say themselves what they are. */
    bool known = slice_starts_with(url, LIT("https://generativelanguage.googleapis.com/")) ||
                 slice_starts_with(url, LIT("https://www.youtube.com/")) || slice_starts_with(url, LIT("https://youtu.be/"));
    bool web = slice_starts_with(url, LIT("https://")) || slice_starts_with(url, LIT("http://"));
    bool cloud = encode->vertex && slice_starts_with(url, LIT("gs://"));
    if (web && !known && !(encode->family.flags & GEMINI_URLS))
        return complaint_refuse(encode->complaint, LIT("this model fetches no URLs: send the data itself, as base64"), LIT("messages"));
    if (!web && !cloud)
        return complaint_refuse(encode->complaint, LIT("this provider takes files as https URLs or as base64 data URLs only"),
                                LIT("messages"));
    buffer_append_lit(out, "{\"fileData\":{");
    if (!known) {
        buffer_append_lit(out, "\"mimeType\":");
        json_append_quoted(out, type_of_url(url, type));
        buffer_append_byte(out, ',');
    }
    buffer_append_lit(out, "\"fileUri\":");
    json_append_quoted(out, url);
    buffer_append_lit(out, "}}");
    return true;
}

/* "wav" -> audio/wav */
static void put_audio(struct gemini_encode *encode, const struct part *part)
{
    struct slice type = part->media_type_raw.len > 0 ? part->media_type_raw : LIT("wav");
    if (memchr(type.ptr, '/', type.len) == NULL)
        type = arena_printf(encode->arena, "audio/%.*s", (int)type.len, type.ptr);
    put_inline(encode->out, type, part->data_raw);
}

static bool put_media(struct gemini_encode *encode, const struct part *part)
{
    struct slice type = part->kind == PART_DOCUMENT ? LIT("application/pdf") : LIT("image/jpeg"), data = part->data_raw;
    if (part->kind == PART_AUDIO) {
        put_audio(encode, part);
        return true;
    }
    if (part->media_type_raw.len > 0)
        type = part->media_type_raw;
    if (part->kind == PART_DOCUMENT && part->text_raw.len > 0) {
        buffer_append_lit(encode->out, "{\"text\":");
        json_append_quoted(encode->out, part->text_raw);
        buffer_append_byte(encode->out, '}');
        return true;
    }
    if (data.len == 0 && !slice_starts_with(part->url_raw, LIT("data:")) && part->url_raw.len > 0)
        return put_file(encode, json_escape(encode->arena, json_unescape(encode->arena, part->url_raw)), type); /* "https:\/\/" */
    if (data.len == 0 && !split_data_url(part->url_raw, &type, &data))
        return complaint_refuse(encode->complaint, LIT("this provider takes files as https URLs or as base64 data URLs only, not by id"),
                                LIT("messages"));
    put_inline(encode->out, type, data);
    return true;
}

/* ---------------------------------------------------------------- contents */

static void put_text(struct buffer *out, struct slice text_raw)
{
    buffer_append_lit(out, "{\"text\":");
    json_append_quoted(out, text_raw);
    buffer_append_byte(out, '}');
}

/* The texts of the system, and how the answer shall look where only words can say it. */
static void put_system_parts(struct gemini_encode *encode, bool *first)
{
    const struct chat *chat = encode->chat;
    struct buffer *out = encode->out;
    for (const struct message *message = chat->messages; message != NULL; message = message->next) {
        for (const struct part *part = message->parts; message->role == ROLE_SYSTEM && part != NULL; part = part->next) {
            if (part->kind != PART_TEXT || part->text_raw.len == 0)
                continue;
            json_append_comma(out, first);
            put_text(out, part->text_raw);
        }
    }
    if (!encode->in_words)
        return;
    json_append_comma(out, first);
    buffer_append_lit(out, "{\"text\":\"When you do not call a function, answer with one valid JSON value and nothing else.");
    if (chat->format == FORMAT_SCHEMA && chat->schema_json.len > 0) {
        buffer_append_lit(out, " It must match this JSON schema: ");
        json_append_escaped(out, chat->schema_json);
    }
    buffer_append_lit(out, "\"}");
}

static bool has_system(const struct gemini_encode *encode)
{
    if (encode->in_words)
        return true;
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        for (const struct part *part = message->parts; message->role == ROLE_SYSTEM && part != NULL; part = part->next)
            if (part->kind == PART_TEXT && part->text_raw.len > 0)
                return true;
    return false;
}

static void put_placeholder(struct gemini_encode *encode)
{
    struct slice text = encode->provider->empty_text_placeholder;
    buffer_append_lit(encode->out, "{\"text\":");
    json_append_string(encode->out, text.len > 0 ? text : LIT(" "));
    buffer_append_byte(encode->out, '}');
}

/* Opens a content; the user speaks first. */
static void begin_content(struct turns *turns, enum content content)
{
    struct buffer *out = turns->encode->out;
    if (turns->first_content && content != CONTENT_USER && (content == CONTENT_MODEL || turns->system_pending)) {
        begin_content(turns, CONTENT_USER);
        if (turns->first_part)
            put_placeholder(turns->encode);
        buffer_append_lit(out, "]}");
    }
    json_append_comma(out, &turns->first_content);
    buffer_append_slice(out, content == CONTENT_MODEL ? LIT("{\"role\":\"model\",\"parts\":[") : LIT("{\"role\":\"user\",\"parts\":["));
    turns->first_part = true;
    if (content == CONTENT_USER && turns->system_pending) {
        turns->system_pending = false;
        put_system_parts(turns->encode, &turns->first_part);
    }
}

static void end_content(struct turns *turns)
{
    buffer_append_lit(turns->encode->out, "]}");
}

/* ---------------------------------------------------------------- calls */

/* `raw`, unescaped, when that is the text of one JSON object; empty else. */
static struct slice object_in(struct arena *arena, struct slice raw)
{
    struct json json;
    size_t at = 0;
    while (at < raw.len && (raw.ptr[at] == ' ' || (raw.ptr[at] == '\\' && at + 1 < raw.len && memchr("nrt", raw.ptr[at + 1], 3) != NULL)))
        at += raw.ptr[at] == '\\' ? 2 : 1;
    if (at >= raw.len || (raw.ptr[at] != '{' && raw.ptr[at] != '\\'))
        return SLICE_NONE; /* not worth a copy */
    struct slice text = slice_trim(json_unescape(arena, raw));
    json_init(&json, text, VALUE_DEPTH);
    return json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json) ? text : SLICE_NONE;
}

static void put_id(const struct gemini_encode *encode, struct slice id)
{
    if (id.len == 0 || encode->vertex) /* Vertex knows no such field */
        return;
    buffer_append_lit(encode->out, "\"id\":");
    json_append_quoted(encode->out, id);
    buffer_append_byte(encode->out, ',');
}

/* The first call of a turn must be signed; the others carry what they came with. */
static void put_call_signature(const struct gemini_encode *encode, const struct part *part, bool first)
{
    if (!(encode->family.flags & GEMINI_SIGNED) || (part->signature_raw.len == 0 && !first))
        return;
    buffer_append_lit(encode->out, ",\"thoughtSignature\":");
    json_append_quoted(encode->out, part->signature_raw.len > 0 ? part->signature_raw : LIT(SIGNATURE_STAND_IN));
}

static bool put_call(struct gemini_encode *encode, const struct part *part, bool first)
{
    struct buffer *out = encode->out;
    struct slice args = object_in(encode->arena, part->text_raw);
    if (args.len == 0 && slice_trim(json_unescape(encode->arena, part->text_raw)).len > 0)
        return complaint_refuse(encode->complaint, LIT("the arguments of a tool call in the history are not a JSON object"),
                                LIT("messages"));
    buffer_append_lit(out, "{\"functionCall\":{");
    put_id(encode, part->id_raw);
    buffer_append_lit(out, "\"name\":");
    json_append_quoted(out, name_fit(part->name_raw, &gemini_names, encode->arena));
    buffer_append_lit(out, ",\"args\":");
    buffer_append_slice(out, args.len > 0 ? args : LIT("{}"));
    buffer_append_byte(out, '}');
    put_call_signature(encode, part, first);
    buffer_append_byte(out, '}');
    return true;
}

static bool is_text_sent(const struct gemini_encode *encode, const struct part *part, bool model)
{
    bool is_signed = model && part->kind == PART_TEXT && part->signature_raw.len > 0 && (encode->family.flags & GEMINI_SIGNED);
    return part->text_raw.len > 0 || is_signed;
}

/* What stands in a content of the model or of the user; results stand apart. */
static bool is_sent(const struct gemini_encode *encode, const struct part *part, bool model)
{
    switch (part->kind) {
    case PART_TEXT:
    case PART_REFUSAL:
        return is_text_sent(encode, part, model);
    case PART_IMAGE:
    case PART_DOCUMENT:
    case PART_AUDIO:
        return true;
    case PART_TOOL_CALL:
        return model;
    default: /* reasoning of another vendor, and what only its own wire understands */
        return false;
    }
}

static bool put_part(struct turns *turns, const struct part *part, bool model, bool *first_call)
{
    struct gemini_encode *encode = turns->encode;
    struct buffer *out = encode->out;
    json_append_comma(out, &turns->first_part);
    if (part->kind == PART_TOOL_CALL) {
        bool first = *first_call;
        *first_call = false;
        return put_call(encode, part, first);
    }
    if (part->kind != PART_TEXT && part->kind != PART_REFUSAL)
        return put_media(encode, part);
    buffer_append_lit(out, "{\"text\":");
    json_append_quoted(out, part->text_raw);
    if (model && part->kind == PART_TEXT && part->signature_raw.len > 0 && (encode->family.flags & GEMINI_SIGNED)) {
        buffer_append_lit(out, ",\"thoughtSignature\":");
        json_append_quoted(out, part->signature_raw);
    }
    buffer_append_byte(out, '}');
    return true;
}

/* ---------------------------------------------------------------- results */

static bool is_media(const struct part *part)
{
    return part->kind == PART_IMAGE || part->kind == PART_AUDIO || (part->kind == PART_DOCUMENT && part->text_raw.len == 0);
}

static struct slice text_of(struct arena *arena, const struct part *result)
{
    struct buffer joined;
    const struct part *child = result->children;
    if (child != NULL && child->next == NULL)
        return is_media(child) ? SLICE_NONE : child->text_raw;
    buffer_init_counted(&joined, SIZE_MAX / 2, arena_memory(arena));
    for (; child != NULL; child = child->next) {
        if (is_media(child) || child->text_raw.len == 0)
            continue;
        if (joined.len > 0)
            buffer_append_lit(&joined, "\\n");
        buffer_append_slice(&joined, child->text_raw);
    }
    return arena_take_buffer(arena, &joined);
}

static bool put_result_media(struct gemini_encode *encode, const struct part *result)
{
    bool first = true;
    for (const struct part *child = result->children; child != NULL; child = child->next) {
        if (!is_media(child))
            continue;
        buffer_append_slice(encode->out, first ? LIT(",\"parts\":[") : LIT(","));
        first = false;
        if (!put_media(encode, child))
            return false;
    }
    if (!first)
        buffer_append_byte(encode->out, ']');
    return true;
}

/* A result that the client lost is said to be lost: every call needs one. */
static bool put_result(struct turns *turns, struct slice id, struct slice name, const struct part *result)
{
    struct gemini_encode *encode = turns->encode;
    struct buffer *out = encode->out;
    struct slice text = result == NULL ? LIT("No result") : text_of(encode->arena, result);
    struct slice object = result == NULL || result->is_error ? SLICE_NONE : object_in(encode->arena, text);
    json_append_comma(out, &turns->first_part);
    buffer_append_lit(out, "{\"functionResponse\":{");
    put_id(encode, id);
    buffer_append_lit(out, "\"name\":");
    json_append_quoted(out, name_fit(name, &gemini_names, encode->arena));
    buffer_append_lit(out, ",\"response\":");
    if (object.len > 0) {
        buffer_append_slice(out, object);
    } else {
        buffer_append_slice(out, result == NULL || result->is_error ? LIT("{\"error\":") : LIT("{\"result\":"));
        json_append_quoted(out, text);
        buffer_append_byte(out, '}');
    }
    if (result != NULL && (encode->family.flags & GEMINI_SIGNED) && !put_result_media(encode, result))
        return false;
    buffer_append_lit(out, "}}");
    return true;
}

struct results {
    const struct part *parts[RESULTS_MAX];
    struct slice names[RESULTS_MAX];  /* of the messages they stand in: older clients say it there */
    unsigned same_taken[RESULTS_MAX]; /* of the results with this one's id, where it is the first of them: how many found their call */
    bool used[RESULTS_MAX];
    unsigned count;
    struct lookup by_id;
};

static bool gather_results(struct gemini_encode *encode, const struct turn *turn, struct results *results)
{
    results->count = 0;
    results->by_id.count = 0;
    results->by_id.sorted = false;
    for (const struct message *message = turn->from; message != turn->to; message = message->next) {
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (part->kind != PART_TOOL_RESULT)
                continue;
            if (results->count == RESULTS_MAX)
                return complaint_refuse(encode->complaint, LIT("more than 512 tool results in one turn"), LIT("messages"));
            if (!lookup_add(&results->by_id, encode->arena, part->id_raw, part))
                return false;
            results->parts[results->count] = part;
            results->names[results->count] = message->role == ROLE_TOOL ? message->name_raw : SLICE_NONE;
            results->same_taken[results->count] = 0;
            results->used[results->count++] = false;
        }
    }
    return true;
}

/* The first result of that id that no call before has taken. */
static const struct part *take_result(struct results *results, struct slice id)
{
    const struct lookup_entry *first = lookup_first(&results->by_id, id);
    if (first == NULL)
        return NULL;
    const struct lookup_entry *entry = first + results->same_taken[first->order];
    if (entry >= results->by_id.entries + results->by_id.count || !slice_equals(entry->name, id))
        return NULL;
    results->same_taken[first->order]++;
    results->used[entry->order] = true;
    return entry->value;
}

static unsigned count_calls(const struct turn *turn)
{
    unsigned count = 0;
    for (const struct message *message = turn->from; message != turn->to; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            count += part->kind == PART_TOOL_CALL;
    return count;
}

/* The name of the tool that was called by that id, latest: some clients use an id again. */
static struct slice name_of_call(struct turns *turns, struct slice id)
{
    struct gemini_encode *encode = turns->encode;
    for (const struct message *message = turns->looked ? NULL : encode->chat->messages; message != NULL; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL && !lookup_add(&turns->calls, encode->arena, part->id_raw, part))
                return SLICE_NONE;
    turns->looked = true;
    const struct lookup_entry *call = lookup_before(&turns->calls, id, SIZE_MAX);
    return call == NULL ? SLICE_NONE : ((const struct part *)call->value)->name_raw;
}

/* Results that belong to no call of the turn before: to one further back, or by their own name. */
static bool put_orphans(struct turns *turns, struct results *results)
{
    for (unsigned i = 0; i < results->count; i++) {
        if (results->used[i])
            continue;
        struct slice id = results->parts[i]->id_raw, name = name_of_call(turns, id);
        if (name.len == 0)
            name = results->names[i];
        if (name.len == 0)
            return complaint_refuse(turns->encode->complaint, LIT("a tool result answers no tool call of this conversation"),
                                    LIT("messages"));
        if (!put_result(turns, id, name, results->parts[i]))
            return false;
    }
    return true;
}

/* One result for every call of `before` in its order. `turn` may be empty: nobody ran them. */
static bool put_results(struct turns *turns, const struct turn *before, const struct turn *turn, struct results *results)
{
    unsigned calls = before == NULL ? 0 : count_calls(before);
    if (!gather_results(turns->encode, turn, results))
        return false;
    if (calls > RESULTS_MAX)
        return complaint_refuse(turns->encode->complaint, LIT("more than 512 tool calls in one turn"), LIT("messages"));
    if (calls == 0 && results->count == 0)
        return true;
    begin_content(turns, CONTENT_RESULTS);
    for (const struct message *message = before == NULL ? NULL : before->from; message != NULL && message != before->to;
         message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL && !put_result(turns, part->id_raw, part->name_raw, take_result(results, part->id_raw)))
                return false;
    if (!put_orphans(turns, results))
        return false;
    end_content(turns);
    return true;
}

/* ---------------------------------------------------------------- turns */

static bool is_model(const struct message *message)
{
    return message->role == ROLE_ASSISTANT;
}

static bool says_something(const struct gemini_encode *encode, const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (is_sent(encode, part, is_model(message)))
            return true;
    return false;
}

/* The next turn at or after `at`; system messages and messages of the model without content are passed over. */
static bool next_turn(const struct gemini_encode *encode, const struct message *at, struct turn *turn)
{
    while (at != NULL && (at->role == ROLE_SYSTEM || (is_model(at) && !says_something(encode, at))))
        at = at->next;
    *turn = (struct turn){at, at, at != NULL && is_model(at)};
    while (turn->to != NULL && (turn->to->role == ROLE_SYSTEM || is_model(turn->to) == turn->model ||
                                (is_model(turn->to) && !says_something(encode, turn->to))))
        turn->to = turn->to->next;
    return at != NULL;
}

static bool put_one(struct turns *turns, const struct part *part, bool model, bool *open, bool *first_call)
{
    if (!*open)
        begin_content(turns, model ? CONTENT_MODEL : CONTENT_USER);
    *open = true;
    return put_part(turns, part, model, first_call);
}

/* What a turn says beside results. Older families: what results show stands behind them, as the user's. */
static bool put_said(struct turns *turns, const struct turn *turn, const struct results *results)
{
    bool open = false, first_call = true, apart = !turn->model && !(turns->encode->family.flags & GEMINI_SIGNED);
    for (unsigned i = 0; apart && i < results->count; i++)
        for (const struct part *child = results->parts[i]->children; child != NULL; child = child->next)
            if (is_media(child) && !put_one(turns, child, false, &open, &first_call))
                return false;
    for (const struct message *message = turn->from; message != turn->to; message = message->next)
        for (const struct part *part = message->parts; message->role != ROLE_SYSTEM && part != NULL; part = part->next)
            if (is_sent(turns->encode, part, turn->model) && !put_one(turns, part, turn->model, &open, &first_call))
                return false;
    if (open)
        end_content(turns);
    return true;
}

static bool put_turns(struct turns *turns, struct results *results)
{
    struct gemini_encode *encode = turns->encode;
    struct turn turn, before;
    bool had_model = false;
    for (const struct message *at = encode->chat->messages; next_turn(encode, at, &turn); at = turn.to) {
        if (!turn.model && !put_results(turns, had_model ? &before : NULL, &turn, results))
            return false;
        if (!put_said(turns, &turn, results))
            return false;
        had_model = turn.model;
        before = turn;
    }
    struct turn nobody = {NULL, NULL, false};
    return !had_model || put_results(turns, &before, &nobody, results);
}

bool gemini_write_contents(struct gemini_encode *encode)
{
    struct turns turns = {.encode = encode, .first_content = true, .first_part = true};
    struct results *results = arena_zalloc(encode->arena, sizeof *results);
    bool has = has_system(encode), first = true;
    if (results == NULL)
        return complaint_refuse(encode->complaint, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    if (has && (encode->family.flags & GEMINI_SYSTEM)) {
        json_append_key(encode->out, &encode->first, LIT("systemInstruction"));
        buffer_append_lit(encode->out, "{\"parts\":[");
        put_system_parts(encode, &first);
        buffer_append_lit(encode->out, "]}");
    } else {
        turns.system_pending = has;
    }
    json_append_key(encode->out, &encode->first, LIT("contents"));
    buffer_append_byte(encode->out, '[');
    if (!put_turns(&turns, results))
        return false;
    if (turns.first_content) { /* nobody but the system said anything */
        begin_content(&turns, CONTENT_USER);
        if (turns.first_part)
            put_placeholder(encode);
        end_content(&turns);
    }
    buffer_append_byte(encode->out, ']');
    return true;
}
