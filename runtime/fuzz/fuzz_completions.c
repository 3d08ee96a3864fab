/* fuzz_completions.c -- libFuzzer: the routes beside chat that OpenAI's scan reads: POST /v1/completions and the gateway's own /completion.
 *
 * The same bytes are taken as a request (in the words of another wire, and by edits where its own wire is spoken) and as an answer of OpenAI's or
 * Anthropic's wire in the client's words. The promises stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

static void fuzz_client(struct slice given, const struct wire *client, const struct vendor *vendor, uint64_t hash)
{
    struct slice body = own(given);
    struct arena arena;
    struct facts facts;
    struct chat chat;
    struct complaint complaint = {FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    struct provider provider = provider_of(vendor), native = provider_of(vendor_find(LIT("openai")));
    struct model_facts model = model_of(hash >> 16);
    arena_init(&arena, NULL, ARENA_MAX);
    if (!client->read_facts(body, &arena, &facts, &complaint)) {
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
    } else {
        if (client->edits != NULL)
            check_edits(client, body, &facts, &native, &model, &arena);
        if (client->read_chat(body, &arena, &chat, &complaint))
            check_request(vendor->wire, &chat, &provider, &model, &arena);
        else
            require(complaint.message.len > 0, "a refusal says why", body);
    }
    arena_free(&arena);
    free((char *)body.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct wire *client = hash & 1 ? &wire_completions : &wire_simple;
    const struct vendor *vendor = vendor_find(hash & 2 ? LIT("anthropic") : LIT("deepseek"));
    fuzz_client(text, client, vendor, hash);
    hear_stream(text, vendor->wire, vendor, client, len + 1, 1, SLICE_NONE, NULL);
    hear_whole(text, vendor->wire, vendor, client, OPERATION_CHAT, SLICE_NONE);
    return 0;
}
