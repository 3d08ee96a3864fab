/* write_file.c -- pictures and files of a conversation as Anthropic takes them.
 *
 * Pictures are JPEG, PNG, GIF or WebP, as base64 or at an https address. Files are PDF the same way, or plain text, which goes as text and not as base64.
 * Sources: Anthropic's API reference (vision, PDF support, files).
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

void anthropic_write_marker(struct encode *encode, const struct part *part)
{
    if (part->cache_control_json.len > 0)
        encode_write(encode, ",\"cache_control\":%", part->cache_control_json);
}

static bool starts_nocase(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len && slice_equals_nocase((struct slice){text.ptr, prefix.len}, prefix);
}

/* Bytes of a file, still as they stood in the JSON: base64, or percent-encoded as RFC 2397 has it. */
struct data {
    struct slice type; /* plain; empty: not said */
    struct slice raw;
    bool base64;
};

/* data:image/png;base64,AAAA -> its parts; the data is not copied. */
static bool split_data_url(struct arena *arena, struct slice url, struct data *data)
{
    const char *comma = starts_nocase(url, LIT("data:")) ? memchr(url.ptr, ',', url.len) : NULL;
    if (comma == NULL)
        return false;
    struct slice head = json_unescape(arena, (struct slice){url.ptr + 5, (size_t)(comma - url.ptr) - 5}), mark = LIT(";base64");
    const char *semicolon = head.len == 0 ? NULL : memchr(head.ptr, ';', head.len);
    *data = (struct data){.raw = {comma + 1, (size_t)(url.ptr + url.len - comma) - 1}};
    data->type = slice_trim((struct slice){head.ptr, semicolon == NULL ? head.len : (size_t)(semicolon - head.ptr)});
    head = slice_trim(head);
    data->base64 = head.len >= mark.len && slice_equals_nocase((struct slice){head.ptr + head.len - mark.len, mark.len}, mark);
    return true;
}

static bool find_data(struct arena *arena, const struct part *part, struct data *data)
{
    if (part->data_raw.len == 0)
        return split_data_url(arena, part->url_raw, data);
    *data = (struct data){json_unescape(arena, part->media_type_raw), part->data_raw, true};
    return true;
}

/* Base64 with the line breaks and blanks that some encoders put in taken out again. */
static void put_base64(struct encode *encode, struct slice raw)
{
    struct buffer *out = encode->out;
    bool clean = memchr(raw.ptr, '\\', raw.len) == NULL && memchr(raw.ptr, ' ', raw.len) == NULL && memchr(raw.ptr, '%', raw.len) == NULL;
    if (clean)
        return buffer_append_slice(out, raw);
    struct slice text = json_unescape(encode->arena, raw);
    for (size_t i = 0; i < text.len; i++) {
        int coded = percent_byte((struct slice){text.ptr + i, text.len - i});
        char byte = coded < 0 ? text.ptr[i] : (char)coded;
        i += coded < 0 ? 0 : 2;
        if (byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t')
            continue;
        json_append_escaped(out, (struct slice){&byte, 1});
    }
}

static void put_source(struct encode *encode, struct slice type, struct slice raw)
{
    buffer_append_lit(encode->out, "\"source\":{\"type\":\"base64\",\"media_type\":");
    json_append_string(encode->out, type);
    buffer_append_lit(encode->out, ",\"data\":\"");
    put_base64(encode, raw);
    buffer_append_lit(encode->out, "\"}");
}

/* At an address. False: at none that the API fetches from. */
static bool put_place(struct encode *encode, const struct part *part)
{
    if (!starts_nocase(part->url_raw, LIT("https:")))
        return false;
    encode_write(encode, "\"source\":{\"type\":\"url\",\"url\":\"%\"}", part->url_raw);
    return true;
}

/* ---------------------------------------------------------------- pictures */

/* The type by the name that the API knows; empty: it takes no such picture. */
static struct slice picture_type(struct slice type)
{
    static const struct slice known[] = {LIT("image/jpeg"), LIT("image/png"), LIT("image/gif"), LIT("image/webp")};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equals_nocase(type, known[i]))
            return known[i];
    if (slice_equals_nocase(type, LIT("image/jpg"))) /* no registered name, but what many send */
        return known[0];
    return SLICE_NONE;
}

bool anthropic_write_image(struct encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct data data;
    buffer_append_lit(out, "{\"type\":\"image\",");
    if (find_data(encode->arena, part, &data) && data.base64) {
        struct slice type = picture_type(data.type);
        if (type.len == 0)
            return encode_refuse(encode, LIT("this provider takes images as JPEG, PNG, GIF or WebP only"), LIT("messages"));
        put_source(encode, type, data.raw);
    } else if (!put_place(encode, part)) {
        return encode_refuse(encode, LIT("this provider takes images as https URLs or as base64 data URLs only"), LIT("messages"));
    }
    anthropic_write_marker(encode, part);
    buffer_append_byte(out, '}');
    return true;
}

/* ---------------------------------------------------------------- files */

static int base64_value(char byte)
{
    if (byte >= 'A' && byte <= 'Z')
        return byte - 'A';
    if (byte >= 'a' && byte <= 'z')
        return byte - 'a' + 26;
    if (byte >= '0' && byte <= '9')
        return byte - '0' + 52;
    return byte == '+' || byte == '-' ? 62 : byte == '/' || byte == '_' ? 63 : -1;
}

/* The bytes that base64 or percent-encoding stand for; what belongs to neither is passed over. ptr NULL: no memory. */
static struct slice decode(struct arena *arena, const struct data *data)
{
    struct slice text = json_unescape(arena, data->raw);
    char *out = arena_alloc(arena, text.len + 1), *to = out;
    unsigned bits = 0, count = 0;
    if (out == NULL)
        return SLICE_NONE;
    for (size_t i = 0; i < text.len; i++) {
        if (data->base64) {
            int value = base64_value(text.ptr[i]);
            if (text.ptr[i] == '=')
                break;
            if (value < 0)
                continue;
            bits = (bits << 6 | (unsigned)value) & 0xffffff;
            count += 6;
            if (count >= 8)
                *to++ = (char)(bits >> (count -= 8));
        } else {
            int coded = percent_byte((struct slice){text.ptr + i, text.len - i});
            *to++ = coded < 0 ? text.ptr[i] : (char)coded;
            i += coded < 0 ? 0 : 2;
        }
    }
    return (struct slice){out, (size_t)(to - out)};
}

static bool is_text(struct slice type)
{
    return starts_nocase(type, LIT("text/")) || slice_equals_nocase(type, LIT("application/json")) ||
           slice_equals_nocase(type, LIT("application/xml"));
}

/* %PDF- */
static bool is_pdf(const struct data *data)
{
    return slice_equals_nocase(data->type, LIT("application/pdf")) ||
           ((data->type.len == 0 || slice_equals_nocase(data->type, LIT("application/octet-stream"))) &&
            slice_starts_with(data->raw, LIT("JVBERi0")));
}

/* False: no kind of file that the API takes. */
static bool put_file(struct encode *encode, const struct data *data)
{
    struct buffer *out = encode->out;
    if (data->base64 && is_pdf(data)) {
        put_source(encode, LIT("application/pdf"), data->raw);
        return true;
    }
    if (!is_text(data->type))
        return false;
    buffer_append_lit(out, "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":");
    json_append_string(out, decode(encode->arena, data));
    buffer_append_byte(out, '}');
    return true;
}

bool anthropic_write_document(struct encode *encode, const struct part *part)
{
    struct buffer *out = encode->out;
    struct data data = {.raw = part->url_raw, .base64 = true}; /* OpenAI takes the data without its head as well */
    bool found = find_data(encode->arena, part, &data);
    if (found && data.base64 && starts_nocase(data.type, LIT("image/")))
        return anthropic_write_image(encode, part);
    buffer_append_lit(out, "{\"type\":\"document\",");
    if (part->text_raw.len > 0) {
        encode_write(encode, "\"source\":{\"type\":\"text\",\"media_type\":\"text/plain\",\"data\":\"%\"}", part->text_raw);
    } else if (found || is_pdf(&data)) {
        if (!put_file(encode, &data))
            return encode_refuse(encode, LIT("this provider takes files as PDF or plain text only"), LIT("messages"));
    } else if (!put_place(encode, part)) {
        return encode_refuse(encode, LIT("this provider takes files as base64 data or https URLs only, not by id"), LIT("messages"));
    }
    if (part->name_raw.len > 0)
        encode_write(encode, ",\"title\":\"%\"", part->name_raw);
    anthropic_write_marker(encode, part);
    buffer_append_byte(out, '}');
    return true;
}
