/* fuzz_messages.c -- libFuzzer: requests of Anthropic's dialect in the words of other wires and of its own, and answers of those wires in its words.
 *
 * Beside the promises of fuzz_wire.h: what is written for Anthropic is read again and holds nothing that its API refuses for its signature; a stream for
 * a client begins with message_start, has one block open at a time and numbers them without gaps, and counts before it ends.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

/* Any vendor; of those whose streams are no SSE another one, for answers. */
static const struct vendor *vendor_of(uint64_t hash, bool sse)
{
    const struct vendor *vendor = &vendors[hash % vendor_count];
    return sse && vendor->wire->stream_form != STREAM_SSE ? vendor_find(LIT("openai")) : vendor;
}

/* ---------------------------------------------------------------- requests */

static void check_own(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena)
{
    struct buffer out, dropped;
    struct complaint complaint = {FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    struct facts facts;
    buffer_init(&out, OUT_MAX);
    buffer_init(&dropped, OUT_MAX);
    struct encode encode = encode_of(chat, NULL, provider, model, arena, &out, &dropped, &complaint), count = encode;
    if (wire_anthropic.write_request(&encode) && !out.overflow && !arena->overflow) {
        require(wire_anthropic.read_facts(buffer_slice(&out), arena, &facts, &complaint), "what is written for Anthropic is read again",
                buffer_slice(&out));
        require(!facts.foreign_thinking, "no reasoning of others goes to Anthropic", buffer_slice(&out));
    }
    buffer_clear(&out);
    if (wire_anthropic.write_count(&count))
        require(out.overflow || is_json(buffer_slice(&out)), "a question for a count is JSON", buffer_slice(&out));
    buffer_free(&out);
    buffer_free(&dropped);
}

static void fuzz_messages(struct slice given, const struct wire *client, uint64_t hash)
{
    struct slice body = own(given);
    struct arena arena;
    struct facts facts;
    struct chat chat;
    struct complaint complaint;
    struct provider own_provider = provider_of(vendor_find(LIT("anthropic"))), provider = provider_of(vendor_of(hash, false));
    struct model_facts model = model_of(hash >> 16);
    arena_init(&arena, NULL, ARENA_MAX);
    if (!client->read_facts(body, &arena, &facts, &complaint)) {
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
    } else {
        check_edits(client, body, &facts, &own_provider, &model, &arena);
        if (client->read_chat(body, &arena, &chat, &complaint)) {
            check_request(provider.vendor->wire, &chat, &provider, &model, &arena);
            check_own(&chat, &own_provider, &model, &arena);
        } else {
            require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
        }
    }
    arena_free(&arena);
    free((char *)body.ptr);
}

/* ---------------------------------------------------------------- answers */

static int64_t index_of(struct slice data)
{
    int64_t index;
    return slice_to_int(json_find(data, "index"), &index) ? index : -1;
}

/* What the SDKs lean on. */
static void check_order(struct slice out)
{
    struct sse sse;
    struct sse_event event;
    bool started = false, open = false, counted = false, over = false;
    int64_t next = 0;
    sse_init(&sse);
    sse_feed(&sse, out);
    while (sse_next(&sse, &event)) {
        struct slice type = json_find_string(event.data, "type");
        require(slice_equals(type, event.name), "an event says its name twice", event.data);
        require(!over, "nothing follows the end", event.data);
        bool is_error = slice_equals(type, LIT("error")), is_start = slice_equals(type, LIT("message_start"));
        require(is_error || started != is_start, "message_start comes first and once", event.data);
        started |= is_start;
        if (slice_equals(type, LIT("content_block_start"))) {
            require(!open && index_of(event.data) == next && !counted, "a block begins when its turn has come", event.data);
            open = true;
        } else if (slice_equals(type, LIT("content_block_delta"))) {
            require(open && index_of(event.data) == next, "only the open block grows", event.data);
        } else if (slice_equals(type, LIT("content_block_stop"))) {
            require(open && index_of(event.data) == next, "only the open block ends", event.data);
            open = false;
            next++;
        } else if (slice_equals(type, LIT("message_delta"))) {
            require(!open && !counted, "counts follow the last block", event.data);
            counted = true;
        } else if (slice_equals(type, LIT("message_stop"))) {
            require(counted, "an answer ends with its counts", event.data);
            over = true;
        }
        over |= is_error;
    }
    sse_free(&sse);
}

static void fuzz_to_client(struct slice bytes, const struct vendor *vendor, uint64_t hash)
{
    struct slice request = hash & 2 ? LIT("{\"thinking\":{\"type\":\"enabled\",\"budget_tokens\":1024}}") : LIT("{}");
    uint64_t whole = hear_stream(bytes, vendor->wire, vendor, &wire_anthropic, bytes.len + 1, 1, request, check_order);
    require(hear_stream(bytes, vendor->wire, vendor, &wire_anthropic, 7, 1, request, check_order) == whole, "a stream in pieces", bytes);
    hear_whole(bytes, vendor->wire, vendor, &wire_anthropic, OPERATION_CHAT, request);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    fuzz_messages(text, hash & 1 ? &wire_anthropic : &wire_count_tokens, hash >> 3);
    fuzz_to_client(text, vendor_of(hash >> 5, true), hash);
    fuzz_failure(text, &wire_anthropic, hash);
    return 0;
}
