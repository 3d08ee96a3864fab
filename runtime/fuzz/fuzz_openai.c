/* fuzz_openai.c -- libFuzzer: whatever a client asks in OpenAI's dialect and whatever a provider of it answers.
 *
 * The same bytes are taken as a request, as an answer (streamed and whole) and as a refusal; which vendor's quirks apply is chosen by a hash of
 * them. The promises stand in fuzz_wire.h.
 * SPDX-License-Identifier: MIT */
#include "fuzz/fuzz_wire.h"

static const struct vendor *vendor_by(uint64_t hash)
{
    for (unsigned i = (unsigned)(hash % vendor_count);; i = (i + 1) % vendor_count)
        if (vendors[i].wire == &wire_openai)
            return &vendors[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct slice text = {(const char *)bytes, len};
    uint64_t hash = mix(14695981039346656037u, text) >> 7;
    fuzz_request(text, vendor_by(hash), hash);
    fuzz_answer(text, vendor_by(hash), hash);
    fuzz_failure(text, &wire_openai, hash);
    return 0;
}
