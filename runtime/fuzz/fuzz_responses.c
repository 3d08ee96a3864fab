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

/* An answer of `wire`, written for a client of this dialect whose request was the same bytes. */
static void fuzz_written(struct slice bytes, const struct wire *wire, const struct vendor *vendor)
{
    struct slice request = is_json(bytes) ? bytes : SLICE_NONE;
    hear_stream(bytes, wire, vendor, &wire_responses, bytes.len + 1, 1, request, check_numbers);
    hear_whole(bytes, wire, vendor, &wire_responses, OPERATION_CHAT, request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *openai = vendor_find(LIT("openai")), *anthropic = vendor_find(LIT("anthropic"));
    fuzz_asked(text, hash);
    fuzz_written(text, &wire_responses, openai);
    fuzz_written(text, &wire_openai, openai);
    fuzz_written(text, &wire_anthropic, anthropic);
    fuzz_failure(text, &wire_responses, hash);
    return 0;
}
