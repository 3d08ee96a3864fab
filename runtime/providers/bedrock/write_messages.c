/* write_messages.c -- the conversation as Converse wants it.
 *
 * System texts stand apart; roles must alternate, so neighbours of one role are merged; the results of all calls of a turn stand in the user turn that
 * follows it, before anything else; no text is blank; reasoning goes back first, unchanged and signed, or not at all; files and pictures are bytes.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"
#include "providers/lookup.h"

enum { CALLS_MAX = 1000 /* of one turn */ };

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

static void put_text(struct bedrock_encode *encode, struct slice raw)
{
    buffer_append_lit(encode->out, "{\"text\":");
    json_append_quoted(encode->out, raw);
    buffer_append_byte(encode->out, '}');
}

static void put_placeholder(struct bedrock_encode *encode)
{
    struct slice text = encode->provider->empty_text_placeholder;
    buffer_append_lit(encode->out, "{\"text\":");
    json_append_string(encode->out, text.len > 0 ? text : LIT("."));
    buffer_append_byte(encode->out, '}');
}

/* [a-zA-Z0-9_.:-]{1,64}; another id is rewritten, the same way for a call and its result. */
static void put_id(struct bedrock_encode *encode, struct slice id)
{
    static const struct name_rule rule = {.allowed = "_.:-", .max = 64};
    static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    enum { ID9 = 9 };
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a */
    char made[ID9];
    bool fits = id.len == ID9;
    if (!(encode->family & BEDROCK_ID9)) {
        json_append_quoted(encode->out, name_fit(id, &rule, encode->arena));
        return;
    }
    for (size_t i = 0; i < id.len; i++) {
        fits = fits && memchr(letters, id.ptr[i], sizeof letters - 1) != NULL;
        hash = (hash ^ (unsigned char)id.ptr[i]) * 1099511628211ULL;
    }
    for (unsigned i = 0; i < ID9; i++, hash /= sizeof letters - 1)
        made[i] = letters[hash % (sizeof letters - 1)];
    json_append_quoted(encode->out, fits ? id : (struct slice){made, ID9});
}

/* ---------------------------------------------------------------- pictures and files */

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

struct media {
    struct slice type, name;
};

static struct slice format_of(const struct media *formats, unsigned count, struct slice type)
{
    for (unsigned i = 0; i < count; i++)
        if (json_raw_equals(type, formats[i].type))
            return formats[i].name;
    return SLICE_NONE;
}

static bool put_image(struct bedrock_encode *encode, const struct part *part)
{
    static const struct media formats[] = {{LIT("image/png"), LIT("png")},
                                           {LIT("image/jpeg"), LIT("jpeg")},
                                           {LIT("image/jpg"), LIT("jpeg")},
                                           {LIT("image/gif"), LIT("gif")},
                                           {LIT("image/webp"), LIT("webp")}};
    struct slice type = part->media_type_raw, data = part->data_raw;
    if (data.len == 0 && !split_data_url(part->url_raw, &type, &data))
        return complaint_refuse(encode->complaint, LIT("this provider takes images as base64 data URLs only: image_url is an address"),
                                LIT("messages"));
    struct slice format = format_of(formats, sizeof formats / sizeof *formats, type);
    if (format.len == 0)
        return complaint_refuse(encode->complaint, LIT("this provider takes images as png, jpeg, gif or webp only"), LIT("messages"));
    buffer_append_lit(encode->out, "{\"image\":{\"format\":");
    json_append_quoted(encode->out, format);
    buffer_append_lit(encode->out, ",\"source\":{\"bytes\":");
    json_append_quoted(encode->out, data);
    buffer_append_lit(encode->out, "}}}");
    return true;
}

/* Names of the documents so far: the API wants them unique. It takes five; so many that they could not be told apart are refused here. */
struct bedrock_document {
    struct bedrock_document *next;
    struct slice name;
};

enum { DOCUMENTS_MAX = 100, DOCUMENT_NAME_MAX = 100 };

static bool is_taken(const struct bedrock_encode *encode, struct slice name)
{
    for (const struct bedrock_document *document = encode->documents; document != NULL; document = document->next)
        if (slice_equals(document->name, name))
            return true;
    return false;
}

/* Letters, digits, '-', parentheses, brackets and single blanks; without the ending, which `format` repeats. */
static struct slice clean_name(struct bedrock_encode *encode, struct slice name)
{
    char *text = arena_alloc(encode->arena, DOCUMENT_NAME_MAX);
    const char *dot = name.len == 0 ? NULL : memrchr(name.ptr, '.', name.len);
    size_t len = 0, from = dot == NULL || dot == name.ptr ? name.len : (size_t)(dot - name.ptr);
    for (size_t i = 0; text != NULL && i < from && len < DOCUMENT_NAME_MAX; i++) {
        char byte = name.ptr[i];
        bool word = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        bool blank = byte == ' ' || byte == '_' || byte == '\t';
        if ((blank && (len == 0 || text[len - 1] == ' ')) || ((unsigned char)byte & 0xc0) == 0x80)
            continue; /* of a character of several bytes the first one counts */
        text[len++] = blank ? ' ' : word || (byte != '\0' && strchr("-()[]", byte) != NULL) ? byte : '-';
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return len == 0 ? LIT("document") : (struct slice){text, len};
}

/* False: there are too many. */
static bool name_document(struct bedrock_encode *encode, struct slice name_raw, struct slice *name)
{
    if (encode->document_count++ == DOCUMENTS_MAX)
        return false;
    struct slice wanted = clean_name(encode, json_unescape(encode->arena, name_raw));
    struct bedrock_document *document = arena_alloc(encode->arena, sizeof *document);
    *name = wanted;
    for (unsigned number = 2; number <= DOCUMENTS_MAX && is_taken(encode, *name); number++)
        *name = arena_printf(encode->arena, "%.*s (%u)", (int)wanted.len, wanted.ptr, number);
    if (document == NULL || is_taken(encode, *name))
        return false;
    *document = (struct bedrock_document){encode->documents, *name};
    encode->documents = document;
    return true;
}

static struct slice document_format(struct bedrock_encode *encode, const struct part *part, struct slice type)
{
    static const struct media formats[] = {
        {LIT("application/pdf"), LIT("pdf")},
        {LIT("text/csv"), LIT("csv")},
        {LIT("application/msword"), LIT("doc")},
        {LIT("application/vnd.openxmlformats-officedocument.wordprocessingml.document"), LIT("docx")},
        {LIT("application/vnd.ms-excel"), LIT("xls")},
        {LIT("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"), LIT("xlsx")},
        {LIT("text/html"), LIT("html")},
        {LIT("text/markdown"), LIT("md")},
        {LIT("text/plain"), LIT("txt")},
    };
    struct slice format = format_of(formats, sizeof formats / sizeof *formats, type), name = json_unescape(encode->arena, part->name_raw);
    const char *dot = name.len == 0 ? NULL : memrchr(name.ptr, '.', name.len);
    if (format.len == 0 && dot != NULL) /* a type of no use, "application/octet-stream": the name may tell */
        for (unsigned i = 0; i < sizeof formats / sizeof *formats; i++)
            if (slice_equals_nocase((struct slice){dot + 1, (size_t)(name.ptr + name.len - dot) - 1}, formats[i].name))
                format = formats[i].name;
    return format.len == 0 && part->text_raw.len > 0 ? LIT("txt") : format;
}

static void append_base64(struct buffer *out, struct slice bytes)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        const unsigned char *at = (const unsigned char *)bytes.ptr + i;
        uint32_t bits = (uint32_t)at[0] << 16 | (left > 1 ? (uint32_t)at[1] << 8 : 0) | (left > 2 ? at[2] : 0);
        char text[4] = {letters[bits >> 18], letters[bits >> 12 & 63], '=', '='};
        if (left > 1)
            text[2] = letters[bits >> 6 & 63];
        if (left > 2)
            text[3] = letters[bits & 63];
        buffer_append(out, text, sizeof text);
    }
}

static bool put_document(struct bedrock_encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct slice type = part->media_type_raw, data = part->data_raw, name;
    if (data.len == 0 && part->text_raw.len == 0 && !split_data_url(part->url_raw, &type, &data))
        return complaint_refuse(encode->complaint, LIT("this provider takes files as base64 data only, not by id or address"),
                                LIT("messages"));
    struct slice format = document_format(encode, part, type);
    if (format.len == 0)
        return complaint_refuse(encode->complaint, LIT("this provider takes files as pdf, csv, doc, docx, xls, xlsx, html, txt or md only"),
                                LIT("messages"));
    if (!name_document(encode, part->name_raw, &name))
        return complaint_refuse(encode->complaint, LIT("this provider takes few files in one request; these are more than 100"),
                                LIT("messages"));
    buffer_append_lit(out, "{\"document\":{\"format\":");
    json_append_quoted(out, format);
    buffer_append_lit(out, ",\"name\":");
    json_append_quoted(out, name);
    buffer_append_lit(out, ",\"source\":{\"bytes\":\"");
    if (data.len > 0)
        buffer_append_slice(out, data);
    else
        append_base64(out, json_unescape(encode->arena, part->text_raw));
    buffer_append_lit(out, "\"}}}");
    return true;
}

/* ---------------------------------------------------------------- tool calls and results */

static bool put_call(struct bedrock_encode *encode, const struct part *part)
{
    enum { AROUND = 8 }; /* what stands around the arguments counts for the depth as well */
    struct buffer *out = encode->out;
    struct slice input = json_unescape(encode->arena, part->text_raw);
    struct json json;
    if (slice_trim(input).len == 0)
        input = LIT("{}");
    json_init(&json, input, JSON_DEPTH_MAX - AROUND);
    if (json_peek(&json) != JSON_OBJECT || !json_skip(&json, NULL) || !json_finish(&json))
        return complaint_refuse(encode->complaint, LIT("the arguments of a tool call in the history are not a JSON object"),
                                LIT("messages"));
    buffer_append_lit(out, "{\"toolUse\":{\"toolUseId\":");
    put_id(encode, part->id_raw);
    buffer_append_lit(out, ",\"name\":");
    json_append_quoted(out, name_fit(part->name_raw, &bedrock_tool_rule, encode->arena));
    buffer_append_lit(out, ",\"input\":");
    buffer_append_slice(out, input);
    buffer_append_lit(out, "}}");
    return true;
}

static void begin_result(struct bedrock_encode *encode, struct slice id)
{
    buffer_append_lit(encode->out, "{\"toolResult\":{\"toolUseId\":");
    put_id(encode, id);
    buffer_append_lit(encode->out, ",\"content\":[");
}

/* Claude and Nova know a status; for the others the text must say it. */
static void end_result(struct bedrock_encode *encode, bool is_error)
{
    if (is_error && (encode->family & (BEDROCK_CLAUDE | BEDROCK_NOVA)))
        buffer_append_lit(encode->out, "],\"status\":\"error\"}}");
    else
        buffer_append_lit(encode->out, "]}}");
}

static bool put_result(struct bedrock_encode *encode, const struct part *result)
{
    bool first = true, good = true;
    begin_result(encode, result->id_raw);
    for (const struct part *child = result->children; good && child != NULL; child = child->next) {
        bool text = child->kind == PART_TEXT || child->kind == PART_REFUSAL;
        if ((text && is_blank_text(child->text_raw)) || (!text && child->kind != PART_IMAGE && child->kind != PART_DOCUMENT))
            continue;
        json_append_comma(encode->out, &first);
        if (child->kind == PART_IMAGE)
            good = put_image(encode, child);
        else if (child->kind == PART_DOCUMENT)
            good = put_document(encode, child);
        else
            put_text(encode, child->text_raw);
    }
    if (first)
        put_placeholder(encode);
    end_result(encode, result->is_error);
    return good;
}

/* A marker inside of a result stands behind the result: there is no place for it within. */
static struct slice marker_of(const struct part *part)
{
    struct slice marker = part->cache_control_json;
    if (part->kind == PART_TOOL_RESULT)
        for (const struct part *child = part->children; marker.len == 0 && child != NULL; child = child->next)
            marker = child->cache_control_json;
    return marker;
}

/* ---------------------------------------------------------------- turns */

/* A run of messages that become one: [from, to). */
struct turn {
    const struct message *from, *to;
    bool assistant;
    unsigned calls;
};

static bool is_assistant(const struct message *message)
{
    return message->role == ROLE_ASSISTANT;
}

static bool is_sent(const struct bedrock_encode *encode, const struct part *part)
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
        return false;
    default:
        return true;
    }
}

static bool says_something(const struct bedrock_encode *encode, const struct message *message)
{
    for (const struct part *part = message->parts; part != NULL; part = part->next)
        if (is_sent(encode, part))
            return true;
    return false;
}

/* The next turn at or after `at`; system messages and assistant messages without content are passed over. */
static bool next_turn(const struct bedrock_encode *encode, const struct message *at, struct turn *turn)
{
    while (at != NULL && (at->role == ROLE_SYSTEM || (is_assistant(at) && !says_something(encode, at))))
        at = at->next;
    if (at == NULL)
        return false;
    *turn = (struct turn){at, at, is_assistant(at), 0};
    for (; turn->to != NULL; turn->to = turn->to->next) {
        const struct message *message = turn->to;
        bool other = message->role != ROLE_SYSTEM && is_assistant(message) != turn->assistant;
        if (other && !(is_assistant(message) && !says_something(encode, message)))
            break;
        for (const struct part *part = message->parts; turn->assistant && part != NULL; part = part->next)
            turn->calls += part->kind == PART_TOOL_CALL;
    }
    return true;
}

/* The results of a turn by the ids they answer. answer NULL: no turn, no results. */
static struct lookup results_of(const struct bedrock_encode *encode, const struct turn *answer)
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
static void put_lost_results(struct bedrock_encode *encode, const struct turn *calls, const struct turn *answer, bool *first)
{
    struct lookup results = results_of(encode, calls->calls > 0 ? answer : NULL);
    for (const struct message *message = calls->from; calls->calls > 0 && message != calls->to; message = message->next) {
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (part->kind != PART_TOOL_CALL || lookup_first(&results, part->id_raw) != NULL)
                continue;
            json_append_comma(encode->out, first);
            begin_result(encode, part->id_raw);
            buffer_append_lit(encode->out, "{\"text\":\"No result\"}");
            end_result(encode, true);
        }
    }
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

static void put_reasoning(struct bedrock_encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    if (part->kind == PART_REDACTED) {
        buffer_append_lit(out, "{\"reasoningContent\":{\"redactedContent\":");
        json_append_quoted(out, part->data_raw);
    } else {
        buffer_append_lit(out, "{\"reasoningContent\":{\"reasoningText\":{\"text\":");
        json_append_quoted(out, part->text_raw);
        buffer_append_lit(out, ",\"signature\":");
        json_append_quoted(out, part->signature_raw);
        buffer_append_byte(out, '}');
    }
    buffer_append_lit(out, "}}");
}

static bool put_part(struct bedrock_encode *encode, const struct part *part, bool prefill)
{
    bool good = true;
    switch (part->kind) {
    case PART_IMAGE:
        good = put_image(encode, part);
        break;
    case PART_DOCUMENT:
        good = put_document(encode, part);
        break;
    case PART_AUDIO:
        return complaint_refuse(encode->complaint, LIT("this provider takes no audio"), LIT("messages"));
    case PART_TOOL_CALL:
        good = put_call(encode, part);
        break;
    case PART_TOOL_RESULT:
        good = put_result(encode, part);
        break;
    case PART_REASONING:
    case PART_REDACTED:
        put_reasoning(encode, part);
        return true; /* a marker may not stand behind it */
    default:
        put_text(encode, prefill ? without_tail(part->text_raw) : part->text_raw);
        break;
    }
    bedrock_write_marker(encode, marker_of(part));
    return good;
}

/* What of a turn is written: everything of an assistant; of a user the results first, then what else was said. */
enum which { ALL, RESULTS, OTHERS };

static bool put_parts(struct bedrock_encode *encode, const struct turn *turn, enum which which, bool last, bool *first)
{
    for (const struct message *message = turn->from; message != turn->to; message = message->next) {
        if (message->role == ROLE_SYSTEM)
            continue;
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            if (!is_sent(encode, part) || (which != ALL && (part->kind == PART_TOOL_RESULT) != (which == RESULTS)))
                continue;
            json_append_comma(encode->out, first);
            if (!put_part(encode, part, last && turn->assistant))
                return false;
        }
    }
    return true;
}

static bool has_kind(const struct bedrock_encode *encode, const struct turn *turn, enum part_kind kind)
{
    for (const struct message *message = turn->from; message != turn->to; message = message->next)
        for (const struct part *part = message->parts; message->role != ROLE_SYSTEM && part != NULL; part = part->next)
            if (part->kind == kind && is_sent(encode, part))
                return true;
    return false;
}

static void put_system_texts(struct bedrock_encode *encode, bool *first);

static bool put_turn(struct bedrock_encode *encode, const struct turn *turn, const struct turn *before, bool last)
{
    bool first = true;
    buffer_append_slice(encode->out,
                        turn->assistant ? LIT("{\"role\":\"assistant\",\"content\":[") : LIT("{\"role\":\"user\",\"content\":["));
    if (before == NULL && !turn->assistant && (encode->family & BEDROCK_NO_SYSTEM))
        put_system_texts(encode, &first);
    if (before != NULL && before->assistant)
        put_lost_results(encode, before, turn, &first);
    if (turn->assistant ? !put_parts(encode, turn, ALL, last, &first)
                        : !put_parts(encode, turn, RESULTS, last, &first) || !put_parts(encode, turn, OTHERS, last, &first))
        return false;
    if (first || (has_kind(encode, turn, PART_DOCUMENT) && !has_kind(encode, turn, PART_TEXT))) { /* a file wants a text beside it */
        json_append_comma(encode->out, &first);
        put_placeholder(encode);
    }
    if (last && !turn->assistant) /* a marker of the whole request */
        bedrock_write_marker(encode, encode->chat->cache_control_json);
    buffer_append_lit(encode->out, "]}");
    return true;
}

/* The model wants the user to begin. */
static void put_opening(struct bedrock_encode *encode)
{
    bool first = true;
    buffer_append_lit(encode->out, "{\"role\":\"user\",\"content\":[");
    if (encode->family & BEDROCK_NO_SYSTEM)
        put_system_texts(encode, &first);
    if (first)
        put_placeholder(encode);
    buffer_append_lit(encode->out, "]}");
}

static bool put_messages(struct bedrock_encode *encode)
{
    struct turn turn, next, before;
    bool any = false, more = next_turn(encode, encode->chat->messages, &turn);
    json_append_key(encode->out, &encode->first, LIT("messages"));
    buffer_append_byte(encode->out, '[');
    before = (struct turn){NULL, NULL, false, 0};
    if (!more || turn.assistant) {
        put_opening(encode);
        any = true;
    }
    while (more) {
        bool another = next_turn(encode, turn.to, &next);
        if (turn.calls > CALLS_MAX)
            return complaint_refuse(encode->complaint, LIT("a turn has too many tool calls"), LIT("messages"));
        if (any)
            buffer_append_byte(encode->out, ',');
        if (!put_turn(encode, &turn, any ? &before : NULL, !another))
            return false;
        any = true;
        before = turn;
        turn = next;
        more = another;
    }
    if (before.assistant && before.calls > 0) { /* calls at the very end: nobody ran them */
        bool first = true;
        buffer_append_lit(encode->out, ",{\"role\":\"user\",\"content\":[");
        put_lost_results(encode, &before, NULL, &first);
        buffer_append_lit(encode->out, "]}");
    }
    buffer_append_byte(encode->out, ']');
    return true;
}

/* ---------------------------------------------------------------- system */

static void put_system_texts(struct bedrock_encode *encode, bool *first)
{
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next) {
        for (const struct part *part = message->parts; message->role == ROLE_SYSTEM && part != NULL; part = part->next) {
            if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
                continue;
            json_append_comma(encode->out, first);
            put_text(encode, part->text_raw);
            bedrock_write_marker(encode, part->cache_control_json);
        }
    }
    if (encode->chat->format == FORMAT_JSON || encode->format == BEDROCK_FORMAT_WORDS) { /* there is no switch for it: say it in words */
        json_append_comma(encode->out, first);
        buffer_append_lit(encode->out, "{\"text\":\"Answer with one valid JSON object and nothing else.");
        if (encode->chat->format == FORMAT_SCHEMA && encode->chat->schema_json.len > 0) {
            buffer_append_lit(encode->out, " It must match this JSON schema: ");
            json_append_escaped(encode->out, encode->chat->schema_json);
        }
        buffer_append_lit(encode->out, "\"}");
    }
}

static void put_system(struct bedrock_encode *encode)
{
    size_t mark = encode->out->len;
    bool was_first = encode->first, first = true;
    if (encode->family & BEDROCK_NO_SYSTEM)
        return;
    json_append_key(encode->out, &encode->first, LIT("system"));
    buffer_append_byte(encode->out, '[');
    put_system_texts(encode, &first);
    buffer_append_byte(encode->out, ']');
    if (first) { /* nothing was said after all */
        encode->out->len = mark;
        encode->first = was_first;
    }
}

bool bedrock_write_messages(struct bedrock_encode *encode)
{
    put_system(encode);
    return put_messages(encode);
}
