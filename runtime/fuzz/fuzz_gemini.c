/* fuzz_gemini.c -- libFuzzer: requests of OpenAI's dialect in the words of the Gemini API and of Vertex AI, and their answers read back.
 *
 * The same bytes are taken as a request, as an answer (streamed and whole, of a chat, of embeddings and of a count) and as a refusal; the model's family is
 * chosen by a hash of them. The promises stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

static struct model_facts family_of(uint64_t hash)
{
    static const struct slice names[] = {LIT("gemini-2.5-flash"), LIT("gemini-2.0-flash"),   LIT("gemini-3-pro"),
                                         LIT("gemini-2.5-pro"),   LIT("gemma-3-27b"),        LIT("mo\"del/..\\\n"),
                                         LIT("tunedModels/x"),    LIT("gemini-flash-latest")};
    return (struct model_facts){.model = names[hash % 8], .max_output = hash & 8 ? 4096 : 0, .capabilities = hash & 16 ? 63 : 0};
}

/* What fuzz_request does, with this wire's own families, and as a count and a path too. */
static void fuzz_families(struct slice given, const struct vendor *vendor, uint64_t hash)
{
    struct slice body = own(given);
    struct arena arena;
    struct chat chat;
    struct complaint complaint = {FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    struct provider provider = provider_of(vendor);
    struct model_facts model = family_of(hash);
    struct buffer out, dropped;
    provider.include_thoughts = hash & 32;
    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&out, OUT_MAX);
    buffer_init(&dropped, OUT_MAX);
    vendor->wire->write_path(vendor->wire, &provider, &model, (enum operation)(hash / 64 % 3), hash & 512, &out);
    for (size_t i = 0; i < out.len; i++)
        require(out.ptr[i] > ' ' && out.ptr[i] < 0x7f, "a path is printable ASCII", buffer_slice(&out));
    buffer_clear(&out);
    if (wire_openai.read_chat(body, &arena, &chat, &complaint)) {
        check_request(vendor->wire, &chat, &provider, &model, &arena);
        struct encode encode = encode_of(&chat, NULL, &provider, &model, &arena, &out, &dropped, &complaint);
        if (vendor->wire->write_count(&encode))
            require(out.overflow || is_json(buffer_slice(&out)), "a written count is JSON", buffer_slice(&out));
    }
    buffer_free(&out);
    buffer_free(&dropped);
    arena_free(&arena);
    free((char *)body.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *vendor = vendor_find(hash & 1 ? LIT("gemini") : LIT("vertex_ai"));
    fuzz_request(text, vendor, hash);
    fuzz_families(text, vendor, hash >> 3);
    fuzz_answer(text, vendor, hash);
    hear_whole(text, vendor->wire, vendor, &wire_openai, OPERATION_EMBED, SLICE_NONE);
    hear_whole(text, vendor->wire, vendor, &wire_openai, OPERATION_COUNT, SLICE_NONE);
    fuzz_failure(text, vendor->wire, hash);
    return 0;
}
