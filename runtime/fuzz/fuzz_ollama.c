/* fuzz_ollama.c -- libFuzzer: requests of OpenAI's dialect in the words of Ollama's own API, and its answers read back.
 *
 * The same bytes are taken as a request (a chat, embeddings), as an answer to each (a chat's also streamed, in lines) and as a refusal. The promises
 * stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *vendor = vendor_find(LIT("ollama"));
    fuzz_request(text, vendor, hash);
    fuzz_answer(text, vendor, hash);
    fuzz_embeddings(text, vendor, hash);
    fuzz_failure(text, &wire_ollama, hash);
    return 0;
}
