/* fuzz_responses.c -- libFuzzer: requests and answers of /v1/responses, both sides.
 *
 * The same bytes are taken as a request (for a provider of this wire by edits, for those of other wires in their words), as an answer of this wire
 * and of chat, written for a client of this one, and as a refusal. The promises stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

static void fuzz_asked(struct slice given, uint64_t hash)
{
    static const char *const others[] = {"groq", "anthropic", "mistral", "deepseek"};
    const struct vendor *openai = vendor_find(LIT("openai")), *other = vendor_find(slice_of(others[hash % 4]));
    struct slice body = own(given);
    struct arena arena;
    struct facts facts;
    struct chat chat;
    struct complaint complaint;
    struct provider native = provider_of(openai), foreign = provider_of(other);
    struct model_facts model = model_of(hash >> 16);
    arena_init(&arena, NULL, ARENA_MAX);
    if (wire_responses.read_facts(body, &arena, &facts, &complaint)) {
        check_edits(&wire_responses, body, &facts, &native, &model, &arena);
        if (wire_responses.read_chat(body, &arena, &chat, &complaint))
            check_request(other->wire, &chat, &foreign, &model, &arena);
        else
            require(complaint.message.len > 0, "a refusal says why", body);
    } else {
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
    }
    arena_free(&arena);
    free((char *)body.ptr);
}

/* The events of a stream are numbered without a gap. */
static void check_numbers(struct slice out)
{
    struct sse sse;
    struct sse_event event;
    int64_t count = 0, number;
    sse_init(&sse);
    sse_feed(&sse, out);
    while (sse_next(&sse, &event)) {
        if (!event.has_data || slice_equals(event.name, LIT("error")))
            continue;
        struct slice digits = json_find(event.data, "sequence_number");
        require(slice_to_int(digits, &number) && number == count++, "events are numbered without a gap", out);
    }
    sse_free(&sse);
}

struct ears {
    struct writer *writer;
    struct buffer out;
    bool over;
};

static void listen(void *owner, const struct event *event)
{
    struct ears *ears = owner;
    require(!ears->over, "nothing follows the end or an error", event->text_raw);
    ears->over = event->kind == EVENT_END || event->kind == EVENT_ERROR;
    wire_responses.write_event(ears->writer, event, &ears->out);
}

/* An answer of `wire`, written for a client of this dialect whose request was the same bytes. */
static void fuzz_written(struct slice bytes, const struct wire *wire, const struct vendor *vendor, bool stream)
{
    struct arena arena;
    struct ears ears = {.over = false};
    struct slice given = own(bytes);
    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&ears.out, OUT_MAX);
    struct reader *reader = arena_zalloc(&arena, wire->reader_size);
    ears.writer = arena_zalloc(&arena, wire_responses.writer_size);
    require(reader != NULL && ears.writer != NULL, "memory", SLICE_NONE);
    *reader = (struct reader){.wire = wire, .vendor = vendor, .arena = &arena, .emit = listen, .owner = &ears, .stream = stream};
    *ears.writer = (struct writer){.wire = &wire_responses,
                                   .arena = &arena,
                                   .stream = stream,
                                   .id = LIT("0123456789abcdef0123456789abcdef"),
                                   .model = LIT("m"),
                                   .body = is_json(given) ? given : SLICE_NONE,
                                   .created = 1};
    wire_responses.writer_begin(ears.writer);
    wire->reader_begin(reader);
    if (stream) {
        struct sse sse;
        struct sse_event event;
        sse_init(&sse);
        sse_feed(&sse, given);
        while (sse_next(&sse, &event))
            if (event.has_data && !ears.over)
                wire->read_event(reader, event.name, event.data, true, NULL, NULL);
        sse_free(&sse);
        if (!ears.over)
            wire->read_eof(reader);
        check_stream(buffer_slice(&ears.out));
        check_numbers(buffer_slice(&ears.out));
    } else {
        wire->read_answer(reader, given);
        require(ears.over, "a whole answer ends or fails", bytes);
        require(reader->failed || ears.out.overflow || is_json(buffer_slice(&ears.out)), "a whole answer is JSON", buffer_slice(&ears.out));
    }
    wire_responses.writer_end(ears.writer);
    buffer_free(&ears.out);
    arena_free(&arena);
    free((char *)given.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *openai = vendor_find(LIT("openai")), *anthropic = vendor_find(LIT("anthropic"));
    fuzz_asked(text, hash);
    for (unsigned stream = 0; stream < 2; stream++) {
        fuzz_written(text, &wire_responses, openai, stream);
        fuzz_written(text, &wire_openai, openai, stream);
        fuzz_written(text, &wire_anthropic, anthropic, stream);
    }
    fuzz_failure(text, &wire_responses, hash);
    return 0;
}
