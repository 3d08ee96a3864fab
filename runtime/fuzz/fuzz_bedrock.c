/* fuzz_bedrock.c -- libFuzzer: whatever a client asks of Bedrock's families of models and whatever comes back in frames.
 *
 * The same bytes are taken as a request (a chat, a count, embeddings), as whole answers to each, as a refusal, as the raw bytes of a stream, and as lines that
 * are put into frames with right checksums: "name payload", '!' before an exception's name, '?' before an error's, '~' for a frame that is damaged. The promises
 * stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

static uint32_t crc32_of(struct slice bytes)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        for (unsigned bit = 0; bit < 8; bit++)
            crc = crc & 1 ? (crc >> 1) ^ 0xedb88320 : crc >> 1;
    }
    return ~crc;
}

static void append_u32(struct buffer *out, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        buffer_append_byte(out, (char)(number >> shift));
}

static void append_header(struct buffer *out, const char *name, struct slice value)
{
    buffer_append_byte(out, (char)strlen(name));
    buffer_append(out, name, strlen(name));
    buffer_append_byte(out, 7);
    buffer_append_byte(out, (char)(value.len >> 8));
    buffer_append_byte(out, (char)value.len);
    buffer_append_slice(out, value);
}

static void append_frame(struct buffer *out, struct slice line)
{
    struct buffer headers;
    char kind = line.len > 0 && memchr("!?~", line.ptr[0], 3) != NULL ? line.ptr[0] : ' ';
    if (kind != ' ')
        line = (struct slice){line.ptr + 1, line.len - 1};
    const char *blank = line.len == 0 ? NULL : memchr(line.ptr, ' ', line.len);
    struct slice name = {line.ptr, blank == NULL ? line.len : (size_t)(blank - line.ptr)};
    struct slice payload = blank == NULL ? SLICE_NONE : (struct slice){blank + 1, line.len - name.len - 1};
    size_t start = out->len;
    name.len = name.len < 200 ? name.len : 200;
    buffer_init(&headers, 1024 * 1024);
    append_header(&headers, kind == '!' ? ":exception-type" : kind == '?' ? ":error-code" : ":event-type", name);
    append_header(&headers, ":message-type", kind == '!' ? LIT("exception") : kind == '?' ? LIT("error") : LIT("event"));
    if (kind == '?')
        append_header(&headers, ":error-message", (struct slice){payload.ptr, payload.len < 500 ? payload.len : 500});
    append_u32(out, (uint32_t)(headers.len + payload.len + 16));
    append_u32(out, (uint32_t)headers.len);
    append_u32(out, crc32_of((struct slice){out->ptr + start, 8}));
    buffer_append_slice(out, buffer_slice(&headers));
    buffer_append_slice(out, payload);
    append_u32(out, crc32_of((struct slice){out->ptr + start, out->len - start}) ^ (kind == '~'));
    buffer_free(&headers);
}

/* ---------------------------------------------------------------- streams */

static void fuzz_lines(struct slice text, const struct vendor *vendor, uint64_t hash)
{
    struct buffer stream;
    buffer_init(&stream, OUT_MAX);
    while (text.len > 0) {
        const char *end = memchr(text.ptr, '\n', text.len);
        struct slice line = {text.ptr, end == NULL ? text.len : (size_t)(end - text.ptr)};
        append_frame(&stream, line);
        text = end == NULL ? SLICE_NONE : (struct slice){end + 1, text.len - line.len - 1};
    }
    if (!stream.overflow)
        fuzz_stream(buffer_slice(&stream), vendor, hash);
    buffer_free(&stream);
}

/* ---------------------------------------------------------------- requests */

static void check_written(bool good, const struct buffer *out, const struct complaint *complaint)
{
    if (good)
        require(out->overflow || is_json(buffer_slice(out)), "a written request is JSON", buffer_slice(out));
    else
        require(complaint->message.len > 0 && complaint->kind != FAILURE_NONE, "a refusal says why", buffer_slice(out));
}

static void fuzz_chat(struct slice body, const struct provider *provider, const struct model_facts *model, struct arena *arena)
{
    bool (*const writers[])(struct encode *) = {wire_bedrock.write_request, wire_bedrock.write_count};
    struct facts facts;
    struct chat chat;
    struct complaint complaint;
    struct buffer out, dropped;
    if (!wire_openai.read_facts(body, arena, &facts, &complaint) || !wire_openai.read_chat(body, arena, &chat, &complaint))
        return;
    for (unsigned i = 0; i < sizeof writers / sizeof *writers; i++) {
        complaint = (struct complaint){FAILURE_NONE, SLICE_NONE, SLICE_NONE};
        buffer_init(&out, OUT_MAX);
        buffer_init(&dropped, OUT_MAX);
        struct encode encode = encode_of(&chat, NULL, provider, model, arena, &out, &dropped, &complaint);
        check_written(writers[i](&encode), &out, &complaint);
        buffer_free(&out);
        buffer_free(&dropped);
    }
}

static void fuzz_embed(struct slice body, const struct provider *provider, const struct model_facts *model, struct arena *arena)
{
    struct facts facts;
    struct embed embed;
    struct complaint complaint;
    struct buffer out, dropped;
    if (!wire_embeddings.read_facts(body, arena, &facts, &complaint) || !wire_embeddings.read_embed(body, arena, &embed, &complaint))
        return;
    complaint = (struct complaint){FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    buffer_init(&out, OUT_MAX);
    buffer_init(&dropped, OUT_MAX);
    struct encode encode = encode_of(NULL, &embed, provider, model, arena, &out, &dropped, &complaint);
    check_written(wire_bedrock.write_embed(&encode), &out, &complaint);
    buffer_free(&out);
    buffer_free(&dropped);
}

static void fuzz_requests(struct slice given, const struct vendor *vendor, uint64_t hash)
{
    static const struct slice ids[] = {LIT("anthropic.claude-sonnet-4-5"),
                                       LIT("anthropic.claude-3-haiku"),
                                       LIT("anthropic.claude-opus-4-7"),
                                       LIT("amazon.nova-pro"),
                                       LIT("amazon.nova-2-lite"),
                                       LIT("openai.gpt-oss-120b"),
                                       LIT("meta.llama3"),
                                       LIT("mistral.mistral-large"),
                                       LIT("mistral.mistral-7b")};
    static const struct slice embedders[] = {LIT("amazon.titan-embed-text-v2:0"), LIT("cohere.embed-v4:0"),
                                             LIT("amazon.titan-embed-image-v1")};
    struct slice body = own(given);
    struct provider provider = provider_of(vendor);
    struct model_facts model = {.model = ids[hash % 9], .max_output = hash & 64 ? 4096 : 0, .capabilities = hash & 128 ? 63 : 0};
    struct arena arena;
    arena_init(&arena, NULL, ARENA_MAX);
    fuzz_chat(body, &provider, &model, &arena);
    model.model = embedders[hash % 3];
    fuzz_embed(body, &provider, &model, &arena);
    arena_free(&arena);
    free((char *)body.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *vendor = vendor_find(LIT("bedrock"));
    fuzz_requests(text, vendor, hash);
    fuzz_stream(text, vendor, hash);
    fuzz_lines(text, vendor, hash);
    hear_whole(text, &wire_bedrock, vendor, &wire_openai, OPERATION_CHAT, SLICE_NONE);
    hear_whole(text, &wire_bedrock, vendor, &wire_embeddings, OPERATION_EMBED, SLICE_NONE);
    hear_whole(text, &wire_bedrock, vendor, &wire_openai, OPERATION_COUNT, SLICE_NONE);
    fuzz_failure(text, &wire_bedrock, hash);
    return 0;
}
