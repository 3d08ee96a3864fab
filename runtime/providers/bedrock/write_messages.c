/* write_messages.c -- the conversation as Converse wants it.
 *
 * System texts stand apart; roles must alternate, so neighbours of one role are merged; the results of all calls of a turn stand in the user turn that
 * follows it, before anything else; no text is blank; reasoning goes back first, unchanged and signed, or not at all; files and pictures are bytes.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"
#include "providers/turns.h"

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

static void put_text(struct encode *encode, struct slice raw)
{
    encode_write(encode, "{\"text\":\"%\"}", raw);
}

/* [a-zA-Z0-9_.:-]{1,64}; another id is rewritten, the same way for a call and its result. */
static struct slice id_of(const struct encode *encode, struct slice id)
{
    static const struct name_rule rule = {.allowed = "_.:-", .max = 64};
    return encode->flags & BEDROCK_ID9 ? id_of_nine(encode->arena, id) : name_fit(id, &rule, encode->arena);
}

/* ---------------------------------------------------------------- pictures and files */

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

/* The bytes of a picture or file as base64; none for a plain text. False: they stand elsewhere. */
static bool find_data(const struct part *part, struct slice *type, struct slice *data)
{
    struct data_url url;
    *type = part->media_type_raw;
    *data = part->data_raw;
    if (data->len > 0 || part->text_raw.len > 0)
        return true;
    if (!data_url_split(part->url_raw, &url) || slice_find(url.head, LIT("base64")) == NULL)
        return false;
    *type = url.type;
    *data = url.data;
    return true;
}

static bool put_image(struct encode *encode, const struct part *part)
{
    static const struct media formats[] = {{LIT("image/png"), LIT("png")},
                                           {LIT("image/jpeg"), LIT("jpeg")},
                                           {LIT("image/jpg"), LIT("jpeg")},
                                           {LIT("image/gif"), LIT("gif")},
                                           {LIT("image/webp"), LIT("webp")}};
    struct slice type, data;
    if (!find_data(part, &type, &data))
        return encode_refuse(encode, LIT("this provider takes images as base64 data URLs only: image_url is an address"), LIT("messages"));
    struct slice format = format_of(formats, sizeof formats / sizeof *formats, type);
    if (format.len == 0)
        return encode_refuse(encode, LIT("this provider takes images as png, jpeg, gif or webp only"), LIT("messages"));
    encode_write(encode, "{\"image\":{\"format\":\"%\",\"source\":{\"bytes\":\"%\"}}}", format, data);
    return true;
}

/* Names of the documents so far: the API wants them unique. It takes five; so many that they could not be told apart are refused here. */
struct bedrock_document {
    struct bedrock_document *next;
    struct slice name;
};

enum { DOCUMENTS_MAX = 100, DOCUMENT_NAME_MAX = 100 };

static bool is_taken(const struct bedrock_encode *self, struct slice name)
{
    for (const struct bedrock_document *document = self->documents; document != NULL; document = document->next)
        if (slice_equals(document->name, name))
            return true;
    return false;
}

/* Letters, digits, '-', parentheses, brackets and single blanks; without the ending, which `format` repeats. */
static struct slice clean_name(const struct encode *encode, struct slice name)
{
    char *text = arena_alloc(encode->arena, DOCUMENT_NAME_MAX);
    const char *dot = name.len == 0 ? NULL : memrchr(name.ptr, '.', name.len);
    size_t len = 0, from = dot == NULL || dot == name.ptr ? name.len : (size_t)(dot - name.ptr);
    for (size_t i = 0; text != NULL && i < from && len < DOCUMENT_NAME_MAX; i++) {
        char byte = name.ptr[i];
        bool blank = byte == ' ' || byte == '_' || byte == '\t', fits = name_has_only((struct slice){&byte, 1}, "-()[]");
        if ((blank && (len == 0 || text[len - 1] == ' ')) || ((unsigned char)byte & 0xc0) == 0x80)
            continue; /* of a character of several bytes the first one counts */
        text[len++] = blank ? ' ' : fits ? byte : '-';
    }
    while (len > 0 && text[len - 1] == ' ')
        len--;
    return len == 0 ? LIT("document") : (struct slice){text, len};
}

/* False: there are too many. */
static bool name_document(struct encode *encode, struct slice name_raw, struct slice *name)
{
    struct bedrock_encode *self = (struct bedrock_encode *)encode;
    if (self->document_count++ == DOCUMENTS_MAX)
        return false;
    struct slice wanted = clean_name(encode, json_unescape(encode->arena, name_raw));
    struct bedrock_document *document = arena_alloc(encode->arena, sizeof *document);
    *name = wanted;
    for (unsigned number = 2; number <= DOCUMENTS_MAX && is_taken(self, *name); number++)
        *name = arena_printf(encode->arena, "%.*s (%u)", (int)wanted.len, wanted.ptr, number);
    if (document == NULL || is_taken(self, *name))
        return false;
    *document = (struct bedrock_document){self->documents, *name};
    self->documents = document;
    return true;
}

static struct slice document_format(const struct encode *encode, const struct part *part, struct slice type)
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

static bool put_document(struct encode *encode, const struct part *part)
{
    struct slice type, data, name;
    if (!find_data(part, &type, &data))
        return encode_refuse(encode, LIT("this provider takes files as base64 data only, not by id or address"), LIT("messages"));
    struct slice format = document_format(encode, part, type);
    if (format.len == 0)
        return encode_refuse(encode, LIT("this provider takes files as pdf, csv, doc, docx, xls, xlsx, html, txt or md only"),
                             LIT("messages"));
    if (!name_document(encode, part->name_raw, &name))
        return encode_refuse(encode, LIT("this provider takes few files in one request; these are more than 100"), LIT("messages"));
    encode_write(encode, "{\"document\":{\"format\":\"%\",\"name\":\"%\",\"source\":{\"bytes\":\"%", format, name, data);
    if (data.len == 0)
        append_base64(encode->out, json_unescape(encode->arena, part->text_raw));
    buffer_append_lit(encode->out, "\"}}}");
    return true;
}

/* ---------------------------------------------------------------- tool calls and results */

static bool put_call(struct encode *encode, const struct part *part)
{
    struct slice input;
    if (!encode_arguments(encode, part, JSON_DEPTH_MAX - BEDROCK_DEPTH_AROUND, &input))
        return false;
    encode_write(encode, "{\"toolUse\":{\"toolUseId\":\"%\",\"name\":\"%\",\"input\":%}}", id_of(encode, part->id_raw),
                 name_fit(part->name_raw, &bedrock_tool_rule, encode->arena), input);
    return true;
}

static void begin_result(struct encode *encode, struct slice id)
{
    encode_write(encode, "{\"toolResult\":{\"toolUseId\":\"%\",\"content\":", id_of(encode, id));
    encode_begin(encode, '[');
}

/* Claude and Nova know a status; for the others the text must say it. */
static void end_result(struct encode *encode, bool is_error)
{
    encode_end(encode, ']');
    if (is_error && (encode->flags & (BEDROCK_CLAUDE | BEDROCK_NOVA)))
        buffer_append_lit(encode->out, ",\"status\":\"error\"");
    buffer_append_lit(encode->out, "}}");
}

static void put_lost(struct encode *encode, const struct part *call)
{
    encode_comma(encode);
    begin_result(encode, call->id_raw);
    put_text(encode, LIT("No result"));
    end_result(encode, true);
}

static bool put_result(struct encode *encode, const struct part *result)
{
    bool good = true;
    begin_result(encode, result->id_raw);
    for (const struct part *child = result->children; good && child != NULL; child = child->next) {
        bool text = child->kind == PART_TEXT || child->kind == PART_REFUSAL;
        if ((text && is_blank_text(child->text_raw)) || (!text && child->kind != PART_IMAGE && child->kind != PART_DOCUMENT))
            continue;
        encode_comma(encode);
        if (child->kind == PART_IMAGE)
            good = put_image(encode, child);
        else if (child->kind == PART_DOCUMENT)
            good = put_document(encode, child);
        else
            put_text(encode, child->text_raw);
    }
    if (encode->first)
        put_text(encode, encode_placeholder(encode, LIT(".")));
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

static bool is_sent(const struct encode *encode, const struct part *part, bool assistant)
{
    (void)assistant;
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

static bool put_part(struct encode *encode, const struct part *part, bool prefill)
{
    bool good = true;
    switch (part->kind) {
    case PART_REASONING: /* a marker may not stand behind it */
        encode_write(encode, "{\"reasoningContent\":{\"reasoningText\":{\"text\":\"%\",\"signature\":\"%\"}}}", part->text_raw,
                     part->signature_raw);
        return true;
    case PART_REDACTED:
        encode_write(encode, "{\"reasoningContent\":{\"redactedContent\":\"%\"}}", part->data_raw);
        return true;
    case PART_AUDIO:
        return encode_refuse(encode, LIT("this provider takes no audio"), LIT("messages"));
    case PART_IMAGE:
        good = put_image(encode, part);
        break;
    case PART_DOCUMENT:
        good = put_document(encode, part);
        break;
    case PART_TOOL_CALL:
        good = put_call(encode, part);
        break;
    case PART_TOOL_RESULT:
        good = put_result(encode, part);
        break;
    default:
        put_text(encode, prefill ? without_tail(part->text_raw) : part->text_raw);
        break;
    }
    bedrock_write_marker(encode, marker_of(part));
    return good;
}

/* What of a turn is written: everything of an assistant; of a user the results first, then what else was said. */
enum which { ALL, RESULTS, OTHERS };

static bool put_parts(struct encode *encode, const struct turn *turn, enum which which, bool last)
{
    struct parts parts = parts_said(turn->from, turn->to);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (!is_sent(encode, part, turn->assistant) || (which != ALL && (part->kind == PART_TOOL_RESULT) != (which == RESULTS)))
            continue;
        encode_comma(encode);
        if (!put_part(encode, part, last && turn->assistant))
            return false;
    }
    return true;
}

/* A file wants a text beside it. */
static bool wants_text(const struct encode *encode, const struct turn *turn)
{
    struct parts parts = parts_said(turn->from, turn->to);
    bool document = false, text = false;
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        document |= part->kind == PART_DOCUMENT;
        text |= part->kind == PART_TEXT && is_sent(encode, part, turn->assistant);
    }
    return document && !text;
}

static void put_system_texts(struct encode *encode)
{
    struct parts parts = parts_of_system(encode->chat);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        if (part->kind != PART_TEXT || is_blank_text(part->text_raw))
            continue;
        encode_comma(encode);
        put_text(encode, part->text_raw);
        bedrock_write_marker(encode, part->cache_control_json);
    }
    if (encode->chat->format == FORMAT_JSON || (encode->flags & BEDROCK_BY_WORDS)) { /* there is no switch for it */
        encode_comma(encode);
        encode_wish_for_json(encode, "Answer with one valid JSON object and nothing else.");
    }
}

static bool put_turn(struct encode *encode, const struct turn *turn, const struct turn *before, bool last)
{
    struct lost lost = lost_results(encode, before, turn);
    if (turn->calls > CALLS_MAX)
        return encode_refuse(encode, LIT("a turn has too many tool calls"), LIT("messages"));
    encode_begin(encode, '[');
    if (before == NULL && !turn->assistant && (encode->flags & BEDROCK_NO_SYSTEM))
        put_system_texts(encode);
    for (const struct part *call; (call = lost_next(&lost)) != NULL;)
        put_lost(encode, call);
    if (turn->assistant ? !put_parts(encode, turn, ALL, last)
                        : !put_parts(encode, turn, RESULTS, last) || !put_parts(encode, turn, OTHERS, last))
        return false;
    if (encode->first || wants_text(encode, turn)) {
        encode_comma(encode);
        put_text(encode, encode_placeholder(encode, LIT(".")));
    }
    if (last && !turn->assistant) /* a marker of the whole request */
        bedrock_write_marker(encode, encode->chat->cache_control_json);
    encode_end(encode, ']');
    return true;
}

/* The model wants the user to begin. */
static void put_opening(struct encode *encode)
{
    if (encode->flags & BEDROCK_NO_SYSTEM)
        put_system_texts(encode);
    if (encode->first)
        put_text(encode, encode_placeholder(encode, LIT(".")));
}

bool bedrock_write_messages(struct encode *encode)
{
    static const struct turn_style style = {is_sent, put_opening, put_turn, put_lost};
    if (!(encode->flags & BEDROCK_NO_SYSTEM)) {
        struct place place = encode_open(encode, "system", '[');
        put_system_texts(encode);
        encode_close(encode, ']', place);
    }
    return turns_write(encode, &style);
}
