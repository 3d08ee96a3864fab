/* fuzz_anthropic.c -- libFuzzer: requests of OpenAI's dialect in the words of Anthropic's Messages API, and its answers read back.
 *
 * The same bytes are taken as a request, as an answer (streamed and whole) and as a refusal; the model's family is chosen by a hash of them.
 * The promises stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    const struct vendor *vendor = vendor_find(LIT("anthropic"));
    fuzz_request(text, vendor, hash);
    fuzz_answer(text, vendor, hash);
    fuzz_failure(text, &wire_anthropic, hash);
    return 0;
}
