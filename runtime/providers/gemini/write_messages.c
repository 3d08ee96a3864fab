/* write_messages.c -- the turns of a conversation as Gemini wants them.
 *
 * System texts stand apart; neighbours of one role are one content. The results of a turn's function calls stand in a content of their own, as many and in
 * the order of the calls: beside anything else the API does not recognise them (COMPAT(vertex, 2026-08)). No text is empty. Function calls go back with the
 * thought signature they came with; where it was lost the documented stand-in is sent.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"
#include "providers/turns.h"

#define SIGNATURE_STAND_IN "skip_thought_signature_validator"

/* Results of one turn; the depth that arguments and results may have inside of a request. */
enum { RESULTS_MAX = 512, VALUE_DEPTH = 48 };

enum content { CONTENT_MODEL, CONTENT_RESULTS, CONTENT_USER };

struct turns {
    struct encode *encode;
    bool system_pending; /* there is no system instruction: its texts begin the first content of the user */
    struct lookup calls; /* of the whole conversation by their ids, once a result was found that belongs further back */
    bool looked;
};

/* ---------------------------------------------------------------- media */

static void put_inline(struct encode *encode, struct slice type, struct slice data)
{
    encode_write(encode, "{\"inlineData\":{\"mimeType\":\"%\",\"data\":\"%\"}}", type, data);
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

static bool put_file(struct encode *encode, struct slice url, struct slice type)
{
    /* These say themselves what they are. */
    bool known = slice_starts_with(url, LIT("https://generativelanguage.googleapis.com/")) ||
                 slice_starts_with(url, LIT("https://www.youtube.com/")) || slice_starts_with(url, LIT("https://youtu.be/"));
    bool web = slice_starts_with(url, LIT("https://")) || slice_starts_with(url, LIT("http://"));
    bool cloud = (encode->flags & GEMINI_VERTEX) && slice_starts_with(url, LIT("gs://"));
    if (web && !known && !(encode->flags & GEMINI_URLS))
        return encode_refuse(encode, LIT("this model fetches no URLs: send the data itself, as base64"), LIT("messages"));
    if (!web && !cloud)
        return encode_refuse(encode, LIT("this provider takes files as https URLs or as base64 data URLs only"), LIT("messages"));
    buffer_append_lit(encode->out, "{\"fileData\":{");
    if (!known)
        encode_write(encode, "\"mimeType\":\"%\",", type_of_url(url, type));
    encode_write(encode, "\"fileUri\":\"%\"}}", url);
    return true;
}

/* "wav" -> audio/wav */
static void put_audio(struct encode *encode, const struct part *part)
{
    struct slice type = part->media_type_raw.len > 0 ? part->media_type_raw : LIT("wav");
    if (memchr(type.ptr, '/', type.len) == NULL)
        type = arena_printf(encode->arena, "audio/%.*s", (int)type.len, type.ptr);
    put_inline(encode, type, part->data_raw);
}

static void put_text(struct encode *encode, struct slice text_raw)
{
    encode_write(encode, "{\"text\":\"%\"}", text_raw);
}

static bool put_media(struct encode *encode, const struct part *part)
{
    struct slice type = part->kind == PART_DOCUMENT ? LIT("application/pdf") : LIT("image/jpeg");
    struct data_url url = {.type = part->media_type_raw, .data = part->data_raw};
    if (part->kind == PART_AUDIO)
        put_audio(encode, part);
    else if (part->kind == PART_DOCUMENT && part->text_raw.len > 0)
        put_text(encode, part->text_raw);
    else if (url.data.len > 0 || (data_url_split(part->url_raw, &url) && slice_find(url.head, LIT(";base64")) != NULL))
        put_inline(encode, url.type.len > 0 ? url.type : part->media_type_raw.len > 0 ? part->media_type_raw : type, url.data);
    else if (part->url_raw.len > 0 && !slice_starts_with(part->url_raw, LIT("data:")))
        return put_file(encode, json_escape(encode->arena, json_unescape(encode->arena, part->url_raw)), /* "https:\/\/" */
                        part->media_type_raw.len > 0 ? part->media_type_raw : type);
    else
        return encode_refuse(encode, LIT("this provider takes files as https URLs or as base64 data URLs only, not by id"),
                             LIT("messages"));
    return true;
}

/* ---------------------------------------------------------------- contents */

/* The texts of the system, and how the answer shall look where only words can say it. */
static void put_system_parts(struct encode *encode)
{
    struct parts parts = parts_of_system(encode->chat);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (part->kind != PART_TEXT || part->text_raw.len == 0)
            continue;
        encode_comma(encode);
        put_text(encode, part->text_raw);
    }
    if (!(encode->flags & GEMINI_IN_WORDS))
        return;
    encode_comma(encode);
    encode_wish_for_json(encode, "When you do not call a function, answer with one valid JSON value and nothing else.");
}

static bool has_system(const struct encode *encode)
{
    struct parts parts = parts_of_system(encode->chat);
    const struct part *part;
    while ((part = parts_next(&parts)) != NULL && (part->kind != PART_TEXT || part->text_raw.len == 0))
        ;
    return part != NULL || (encode->flags & GEMINI_IN_WORDS);
}

static void end_content(struct encode *encode)
{
    buffer_append_byte(encode->out, ']');
    encode_end(encode, '}');
}

/* Opens a content; the user speaks first. */
static void begin_content(struct turns *turns, enum content content)
{
    struct encode *encode = turns->encode;
    if (encode->first && content != CONTENT_USER && (content == CONTENT_MODEL || turns->system_pending)) {
        begin_content(turns, CONTENT_USER);
        if (encode->first)
            put_text(encode, encode_placeholder(encode, LIT(" ")));
        end_content(encode);
    }
    encode_comma(encode);
    encode_write(encode, "{\"role\":\"%\",\"parts\":", content == CONTENT_MODEL ? LIT("model") : LIT("user"));
    encode_begin(encode, '[');
    if (content == CONTENT_USER && turns->system_pending) {
        turns->system_pending = false;
        put_system_parts(encode);
    }
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

static void put_id(struct encode *encode, struct slice id)
{
    if (id.len > 0 && !(encode->flags & GEMINI_VERTEX)) /* Vertex knows no such field */
        encode_write(encode, "\"id\":\"%\",", id);
}

/* The first call of a turn must be signed; the others carry what they came with. */
static bool put_call(struct encode *encode, const struct part *part, bool first)
{
    struct slice args = object_in(encode->arena, part->text_raw), signature = part->signature_raw;
    if (args.len == 0 && slice_trim(json_unescape(encode->arena, part->text_raw)).len > 0)
        return encode_refuse(encode, LIT("the arguments of a tool call in the history are not a JSON object"), LIT("messages"));
    buffer_append_lit(encode->out, "{\"functionCall\":{");
    put_id(encode, part->id_raw);
    encode_write(encode, "\"name\":\"%\",\"args\":%}", name_fit(part->name_raw, &gemini_names, encode->arena),
                 args.len > 0 ? args : LIT("{}"));
    if ((encode->flags & GEMINI_SIGNED) && (signature.len > 0 || first))
        encode_text(encode, "thoughtSignature", signature.len > 0 ? signature : LIT(SIGNATURE_STAND_IN));
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool is_text_sent(const struct encode *encode, const struct part *part, bool model)
{
    bool is_signed = model && part->kind == PART_TEXT && part->signature_raw.len > 0 && (encode->flags & GEMINI_SIGNED);
    return part->text_raw.len > 0 || is_signed;
}

/* What stands in a content of the model or of the user; results stand apart. */
static bool is_sent(const struct encode *encode, const struct part *part, bool model)
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

static bool put_part(struct encode *encode, const struct part *part, bool model, bool *first_call)
{
    encode_comma(encode);
    if (part->kind == PART_TOOL_CALL) {
        bool first = *first_call;
        *first_call = false;
        return put_call(encode, part, first);
    }
    if (part->kind != PART_TEXT && part->kind != PART_REFUSAL)
        return put_media(encode, part);
    encode_write(encode, "{\"text\":\"%\"", part->text_raw);
    if (model && part->kind == PART_TEXT && (encode->flags & GEMINI_SIGNED))
        encode_text(encode, "thoughtSignature", part->signature_raw);
    buffer_append_byte(encode->out, '}');
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

static bool put_result_media(struct encode *encode, const struct part *result)
{
    struct place place = encode_open(encode, "parts", '[');
    for (const struct part *child = result->children; child != NULL; child = child->next) {
        if (!is_media(child))
            continue;
        encode_comma(encode);
        if (!put_media(encode, child))
            return false;
    }
    encode_close(encode, ']', place);
    return true;
}

/* A result that the client lost is said to be lost: every call needs one. */
static bool put_result(struct encode *encode, struct slice id, struct slice name, const struct part *result)
{
    bool failed = result == NULL || result->is_error;
    struct slice text = result == NULL ? LIT("No result") : text_of(encode->arena, result);
    struct slice object = failed ? SLICE_NONE : object_in(encode->arena, text);
    encode_comma(encode);
    buffer_append_lit(encode->out, "{\"functionResponse\":{");
    put_id(encode, id);
    encode_write(encode, "\"name\":\"%\",\"response\":", name_fit(name, &gemini_names, encode->arena));
    if (object.len > 0)
        buffer_append_slice(encode->out, object);
    else
        encode_write(encode, "{\"%\":\"%\"}", failed ? LIT("error") : LIT("result"), text);
    if (result != NULL && (encode->flags & GEMINI_SIGNED) && !put_result_media(encode, result))
        return false;
    buffer_append_lit(encode->out, "}}");
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

static bool gather_results(struct encode *encode, const struct turn *turn, struct results *results)
{
    struct parts parts = parts_said(turn->from, turn->to);
    results->count = 0;
    results->by_id.count = 0;
    results->by_id.sorted = false;
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (part->kind != PART_TOOL_RESULT)
            continue;
        if (results->count == RESULTS_MAX)
            return encode_refuse(encode, LIT("more than 512 tool results in one turn"), LIT("messages"));
        if (!lookup_add(&results->by_id, encode->arena, part->id_raw, part))
            return false;
        results->parts[results->count] = part;
        results->names[results->count] = parts.message->role == ROLE_TOOL ? parts.message->name_raw : SLICE_NONE;
        results->same_taken[results->count] = 0;
        results->used[results->count++] = false;
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

/* The name of the tool that was called by that id, latest: some clients use an id again. */
static struct slice name_of_call(struct turns *turns, struct slice id)
{
    if (!turns->looked && !calls_gather(turns->encode, &turns->calls))
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
            return encode_refuse(turns->encode, LIT("a tool result answers no tool call of this conversation"), LIT("messages"));
        if (!put_result(turns->encode, id, name, results->parts[i]))
            return false;
    }
    return true;
}

/* One result for every call of `before` in its order. `turn` may be empty: nothing ran them. */
static bool put_results(struct turns *turns, const struct turn *before, const struct turn *turn, struct results *results)
{
    struct encode *encode = turns->encode;
    if (!gather_results(encode, turn, results))
        return false;
    if (before->calls > RESULTS_MAX)
        return encode_refuse(encode, LIT("more than 512 tool calls in one turn"), LIT("messages"));
    if (before->calls == 0 && results->count == 0)
        return true;
    begin_content(turns, CONTENT_RESULTS);
    struct parts parts = parts_said(before->from, before->to);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;)
        if (part->kind == PART_TOOL_CALL && !put_result(encode, part->id_raw, part->name_raw, take_result(results, part->id_raw)))
            return false;
    if (!put_orphans(turns, results))
        return false;
    end_content(encode);
    return true;
}

/* ---------------------------------------------------------------- turns */

static bool put_one(struct turns *turns, const struct part *part, bool model, bool *open, bool *first_call)
{
    if (!*open)
        begin_content(turns, model ? CONTENT_MODEL : CONTENT_USER);
    *open = true;
    return put_part(turns->encode, part, model, first_call);
}

/* What a turn says beside results. Older families: what results show stands behind them, as the user's. */
static bool put_said(struct turns *turns, const struct turn *turn, const struct results *results)
{
    bool open = false, first_call = true, apart = !turn->assistant && !(turns->encode->flags & GEMINI_SIGNED);
    for (unsigned i = 0; apart && i < results->count; i++)
        for (const struct part *child = results->parts[i]->children; child != NULL; child = child->next)
            if (is_media(child) && !put_one(turns, child, false, &open, &first_call))
                return false;
    struct parts parts = parts_said(turn->from, turn->to);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;)
        if (is_sent(turns->encode, part, turn->assistant) && !put_one(turns, part, turn->assistant, &open, &first_call))
            return false;
    if (open)
        end_content(turns->encode);
    return true;
}

static bool put_turns(struct turns *turns, struct results *results)
{
    static const struct turn_style style = {.is_sent = is_sent};
    struct turn turn, before = {NULL, NULL, false, 0};
    const struct message *at = turns->encode->chat->messages;
    while (turn_next(turns->encode, &style, at, &turn)) {
        if (!turn.assistant && !put_results(turns, &before, &turn, results))
            return false;
        if (!put_said(turns, &turn, results))
            return false;
        before = turn;
        at = turn.to;
    }
    return !before.assistant || put_results(turns, &before, &turn, results);
}

bool gemini_write_contents(struct encode *encode)
{
    struct turns turns = {.encode = encode};
    struct results *results = arena_zalloc(encode->arena, sizeof *results);
    if (results == NULL)
        return encode_refuse(encode, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    if (encode->flags & GEMINI_SYSTEM) {
        struct place place = encode_open(encode, "systemInstruction", '{');
        struct place inner = encode_open(encode, "parts", '[');
        put_system_parts(encode);
        encode_close(encode, ']', inner);
        encode_close(encode, '}', place);
    } else {
        turns.system_pending = has_system(encode);
    }
    encode_key(encode, "contents");
    encode_begin(encode, '[');
    if (!put_turns(&turns, results))
        return false;
    if (encode->first) { /* nothing but the system said anything */
        begin_content(&turns, CONTENT_USER);
        if (encode->first)
            put_text(encode, encode_placeholder(encode, LIT(" ")));
        end_content(encode);
    }
    encode_end(encode, ']');
    return true;
}
