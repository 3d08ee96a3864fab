/* wire.c -- the wire of OpenAI's POST /v1/embeddings, both ways.
 *
 * To a vendor that speaks it the client's bytes go on and its answer comes back as it is. Other wires bring each vector as a JSON list of numbers;
 * a client that asked for base64 gets them as little-endian float32, as OpenAI's API reference has it.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

/* ---------------------------------------------------------------- reading a request */

enum { INPUTS_MAX = 2048 }; /* OpenAI's own limit */

static bool read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return openai_scan(OPENAI_EMBEDDING, body, arena, facts, complaint);
}

static bool refuse(struct complaint *complaint, enum failure_kind kind, struct slice message, struct slice param)
{
    *complaint = (struct complaint){kind, message, param};
    return false;
}

static bool read_inputs(struct slice input_json, struct arena *arena, struct embed *embed, struct complaint *complaint)
{
    struct json json;
    json_init(&json, input_json, JSON_DEPTH_MAX);
    bool list = json_peek(&json) == JSON_ARRAY;
    embed->plain = !list;
    embed->inputs_raw = arena_alloc(arena, sizeof *embed->inputs_raw * (list ? INPUTS_MAX : 1));
    if (embed->inputs_raw == NULL)
        return refuse(complaint, FAILURE_TOO_LARGE, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    if (!list)
        return json_string(&json, &embed->inputs_raw[embed->count++]);
    json_array(&json);
    while (json_element(&json)) {
        if (json_peek(&json) != JSON_STRING)
            return refuse(complaint, FAILURE_UNSUPPORTED_PARAMETER, LIT("lists of token ids mean something to their own provider only"),
                          LIT("input"));
        if (embed->count == INPUTS_MAX)
            return refuse(complaint, FAILURE_BAD_PARAMETER, LIT("Invalid 'input': more than 2048 texts."), LIT("input"));
        if (!json_string(&json, &embed->inputs_raw[embed->count++]))
            return false;
    }
    return json.error == JSON_OK;
}

/* The names of what is neither carried nor the gateway's own. */
static struct slice unknown_members(struct slice body, struct arena *arena)
{
    static const struct slice known[] = {LIT("model"),      LIT("input"), LIT("dimensions"),       LIT("encoding_format"),
                                         LIT("input_type"), LIT("user"),  LIT("routing_strategy"), LIT("provider"),
                                         LIT("fallback")};
    enum { NAME_MAX = 64, NAMES_MAX = 512 };
    struct slice key, names = SLICE_NONE;
    struct json json;
    json_init(&json, body, JSON_DEPTH_MAX);
    for (bool in = json_object(&json); in && json_member(&json, &key); json_skip(&json, NULL)) {
        bool found = json_peek(&json) == JSON_NULL || key.len > NAME_MAX || names.len > NAMES_MAX;
        for (unsigned i = 0; !found && i < sizeof known / sizeof *known; i++)
            found = json_is(key, known[i]);
        if (!found)
            names = arena_printf(arena, "%.*s%s%.*s", (int)names.len, names.len == 0 ? "" : names.ptr, names.len == 0 ? "" : ", ",
                                 (int)key.len, key.ptr);
    }
    return names;
}

static bool read_embed(struct slice body, struct arena *arena, struct embed *embed, struct complaint *complaint)
{
    *complaint = (struct complaint){FAILURE_BAD_JSON, LIT("The request body could not be read."), SLICE_NONE};
    *embed = (struct embed){.model_raw = json_find_string(body, "model"),
                            .input_type_raw = json_find_string(body, "input_type"),
                            .user_raw = json_find_string(body, "user"),
                            .base64 = json_raw_equals(json_find_string(body, "encoding_format"), LIT("base64")),
                            .dropped = unknown_members(body, arena)};
    struct slice format = json_find(body, "encoding_format");
    if (format.len > 0 && !embed->base64 && !slice_equals(format, LIT("null")) && !slice_equals(format, LIT("\"float\"")))
        return refuse(complaint, FAILURE_BAD_PARAMETER, LIT("Invalid 'encoding_format': expected 'float' or 'base64'."),
                      LIT("encoding_format"));
    int64_t dimensions;
    struct slice digits = json_find(body, "dimensions");
    if (slice_to_int(digits, &dimensions) && dimensions > 0)
        embed->dimensions = digits;
    else if (digits.len > 0 && !slice_equals(digits, LIT("null")))
        return refuse(complaint, FAILURE_BAD_PARAMETER, LIT("Invalid 'dimensions': expected an integer of at least 1."), LIT("dimensions"));
    return read_inputs(json_find(body, "input"), arena, embed, complaint);
}

/* ---------------------------------------------------------------- writing an answer */

enum { BODY_MAX = 64 * 1024 * 1024 };

struct embeddings_writer {
    struct writer base;
    struct buffer data; /* the list's members: released at the end */
    bool base64;
};

static void writer_begin(struct writer *writer)
{
    struct embeddings_writer *self = (struct embeddings_writer *)writer;
    self->base64 = json_raw_equals(json_find_string(writer->body, "encoding_format"), LIT("base64"));
    buffer_init_counted(&self->data, BODY_MAX, arena_memory(writer->arena));
}

static void writer_end(struct writer *writer)
{
    buffer_free(&((struct embeddings_writer *)writer)->data);
}

/* Three bytes at a time (RFC 4648, section 4). */
struct base64 {
    struct buffer *out;
    unsigned char bytes[3];
    unsigned count;
};

static void base64_byte(struct base64 *base64, unsigned char byte)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    base64->bytes[base64->count++] = byte;
    if (base64->count < 3)
        return;
    uint32_t bits = ((uint32_t)base64->bytes[0] << 16) | ((uint32_t)base64->bytes[1] << 8) | base64->bytes[2];
    char text[4] = {alphabet[bits >> 18], alphabet[bits >> 12 & 63], alphabet[bits >> 6 & 63], alphabet[bits & 63]};
    buffer_append(base64->out, text, sizeof text);
    base64->count = 0;
}

static void base64_end(struct base64 *base64)
{
    unsigned missing = (3 - base64->count) % 3;
    for (unsigned i = 0; i < missing; i++)
        base64_byte(base64, 0);
    for (unsigned i = 0; i < missing && base64->out->len > 0; i++)
        base64->out->ptr[base64->out->len - 1 - i] = '=';
}

static void put_base64(struct buffer *out, struct slice numbers_json)
{
    struct json json;
    struct slice digits;
    struct base64 base64 = {.out = out};
    json_init(&json, numbers_json, JSON_DEPTH_MAX);
    buffer_append_byte(out, '"');
    for (bool in = json_array(&json); in && json_element(&json);) {
        double number = 0;
        uint32_t bits;
        if (!json_number(&json, &digits) || !json_to_double(digits, &number))
            break;
        float single = (float)number;
        memcpy(&bits, &single, sizeof bits);
        for (unsigned shift = 0; shift < 32; shift += 8)
            base64_byte(&base64, (unsigned char)(bits >> shift));
    }
    base64_end(&base64);
    buffer_append_byte(out, '"');
}

static void put_vector(struct embeddings_writer *self, const struct event *event)
{
    struct buffer *data = &self->data;
    if (data->len > 0)
        buffer_append_byte(data, ',');
    buffer_write(data, "{\"object\":\"embedding\",\"index\":%,\"embedding\":", DIGITS(event->choice));
    if (self->base64)
        put_base64(data, event->data_raw);
    else
        buffer_append_slice(data, event->data_raw);
    buffer_append_byte(data, '}');
}

static void put_answer(struct embeddings_writer *self, struct buffer *out)
{
    const struct usage *usage = &self->base.usage;
    int64_t tokens = usage->known && usage->input > 0 ? usage->input : self->base.estimated_input;
    buffer_write(out, "{\"object\":\"list\",\"data\":[%],\"model\":\"%\",\"usage\":{\"prompt_tokens\":%,\"total_tokens\":%}}",
                 buffer_slice(&self->data), self->base.model_raw, DIGITS(tokens), DIGITS(tokens));
    out->overflow |= buffer_has_hole(&self->data, out); /* a list with a hole is none */
    writer_end(&self->base);
}

static void write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct embeddings_writer *self = (struct embeddings_writer *)writer;
    if (writer_takes(writer, event))
        return;
    if (event->kind == EVENT_VECTOR)
        put_vector(self, event);
    else if (event->kind == EVENT_END)
        put_answer(self, out);
}

/* ---------------------------------------------------------------- towards a provider */

/* A member of the body's own object: from its key to the end of its value. */
struct member {
    size_t key_at, key_len, end, next; /* next: where the member behind it begins; 0: it is the last */
    size_t last_end;                   /* where the member before it ended; 0: it is the first */
};

static bool find_member(struct slice body, struct slice name, struct member *found)
{
    struct json json;
    struct slice key;
    size_t last_end = 0;
    bool there = false;
    *found = (struct member){.next = 0};
    json_init(&json, body, JSON_DEPTH_MAX);
    if (!json_object(&json))
        return false;
    while (json_member(&json, &key)) {
        size_t key_at = (size_t)(key.ptr - 1 - body.ptr);
        if (there) {
            found->next = key_at;
            return true;
        }
        json_skip(&json, NULL);
        size_t end = (size_t)(json.at - body.ptr);
        there = json_is(key, name);
        if (there)
            *found = (struct member){key_at, key.len + 2, end, 0, last_end};
        last_end = end;
    }
    return there;
}

/* COMPAT(mistral, 2026-06): dimensions is called output_dimension, and user is refused. COMPAT(azure, 2026-08): the dated API has the model in its path. */
static int edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                 struct arena *arena, struct edit edits[EDITS_MAX])
{
    unsigned quirks = provider->vendor->quirks;
    struct member member;
    int count = openai_plain_edits(body, facts, provider, model, arena, edits);
    if (provider->dated_api && facts->extension_count == 0 && find_member(body, LIT("model"), &member)) {
        size_t from = member.last_end > 0 ? member.last_end : member.key_at;
        edits[0] = (struct edit){from, (member.last_end == 0 && member.next > 0 ? member.next : member.end) - from, SLICE_NONE};
        return 1; /* there was no other edit: embeddings are not streamed */
    }
    if (quirks & VENDOR_STRICT_FIELDS) {
        if (find_member(body, LIT("user"), &member))
            return -1;
        if (count >= 0 && find_member(body, LIT("dimensions"), &member))
            count = (int)edits_put(edits, (unsigned)count, (struct edit){member.key_at, member.key_len, LIT("\"output_dimension\"")});
    }
    return count;
}

/* For those that refuse what others take. */
static bool write_embed(struct encode *encode)
{
    const struct embed *embed = encode->embed;
    bool strict = encode->provider->vendor->quirks & VENDOR_STRICT_FIELDS;
    encode_begin(encode, '{');
    if (!encode->provider->dated_api)
        encode_model(encode);
    if (embed->plain && embed->count == 1) {
        encode_key(encode, "input");
        json_append_quoted(encode->out, embed->inputs_raw[0]);
    } else {
        encode_inputs(encode, "input");
    }
    encode_value(encode, strict ? "output_dimension" : "dimensions", embed->dimensions);
    encode_text(encode, "encoding_format", embed->base64 ? LIT("base64") : SLICE_NONE);
    if (embed->user_raw.len > 0 && strict)
        encode_drop(encode, LIT("user"));
    else
        encode_text(encode, "user", embed->user_raw);
    encode_end(encode, '}');
    return true;
}

/* The vectors are passed on as they stand in the body; here they are only found to be there. */
static void read_answer(struct reader *reader, struct slice body)
{
    struct slice text = slice_trim(body), data = json_find(text, "data"), usage = json_find(text, "usage");
    if (!json_is_object(text))
        return reader_fail_incomplete(reader, "the provider's answer is not valid JSON");
    if (data.len < 3 || data.ptr[0] != '[')
        return reader_fail_incomplete(reader, "the provider's answer has no embeddings");
    reader_start(reader, SLICE_NONE, json_find_string(text, "model"), 0);
    usage_take_count(usage, "prompt_tokens", &reader->usage.input);
    reader->usage.known = reader->usage.input >= 0;
    reader->usage.output = 0;
    reader_end(reader);
}

/* Embeddings are never streamed. */
static void read_event(struct reader *reader, struct slice name, struct slice data)
{
    (void)name;
    (void)data;
    reader_fail_incomplete(reader, "the provider streams where one answer was asked for");
}

const struct wire wire_embeddings = {
    .name = "embeddings",
    .operation = OPERATION_EMBED,
    .read_facts = read_facts,
    .read_embed = read_embed,
    .writer_size = sizeof(struct embeddings_writer),
    .writer_begin = writer_begin,
    .write_event = write_event,
    .writer_end = writer_end,
    .write_failure = openai_write_failure,
    .failure_status = openai_failure_status,
    .paths = {"/embeddings"},
    .write_path = openai_write_path,
    .write_auth = openai_write_auth,
    .write_embed = write_embed,
    .edits = edits,
    .reader_size = sizeof(struct reader),
    .read_event = read_event,
    .read_answer = read_answer,
    .read_failure = openai_read_failure,
    .refine_failure = openai_refine_failure,
    .accept_stream = "text/event-stream",
};
