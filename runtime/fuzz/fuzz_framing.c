/* fuzz_framing.c -- libFuzzer: whatever a client sends, the checker neither breaks nor changes its mind with the cuts.
 *
 * The input is checked three times: in one piece, byte by byte, and in pieces whose lengths the first byte seeds. All three must refuse or all
 * three pass, with as many whole requests, as many body bytes, and the same bytes handed on. What is handed on is what came, with bytes left out.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/framing.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct outcome {
    struct framing framing;
    unsigned char *passed;
    size_t len;
};

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void check_piece(struct outcome *outcome, const uint8_t *bytes, size_t size)
{
    unsigned char *copy = malloc(size); /* its own block, so that a step across its end is noticed */
    require(copy != NULL, "memory");
    memcpy(copy, bytes, size);
    size_t count = framing_check(&outcome->framing, copy, size);
    require(count <= size, "it only takes away");
    memcpy(outcome->passed + outcome->len, copy, count);
    outcome->len += count;
    free(copy);
}

static struct outcome check(const uint8_t *bytes, size_t len, size_t step, uint32_t seed)
{
    struct outcome outcome = {.passed = malloc(len + 1)};
    require(outcome.passed != NULL, "memory");
    framing_init(&outcome.framing, &framing_defaults);
    for (size_t at = 0; at < len && outcome.framing.status == 0;) {
        seed = seed * 1103515245u + 12345u;
        size_t want = step != 0 ? step : 1 + (seed >> 16) % 97, left = len - at, size = want < left ? want : left;
        check_piece(&outcome, bytes + at, size);
        at += size;
    }
    return outcome;
}

/* Of a request with two faults either may be named when the one is a bound that is reached within the other. */
static bool same_status(int a, int b)
{
    return a == b || ((a == 400 || a == 431) && (b == 400 || b == 431));
}

static void require_same(const struct outcome *whole, const struct outcome *cut)
{
    const struct framing *a = &whole->framing, *b = &cut->framing;
    require(same_status(a->status, b->status), "the same verdict");
    require(a->requests == b->requests && a->closing == b->closing, "the same requests");
    if (a->status != 0) { /* part of the refused request may have passed before the fault came */
        require(whole->len <= cut->len && memcmp(whole->passed, cut->passed, whole->len) == 0, "the same whole requests");
        return;
    }
    require(a->heads == b->heads && a->body_bytes == b->body_bytes && a->state == b->state, "the same state");
    require(whole->len == cut->len && memcmp(whole->passed, cut->passed, whole->len) == 0, "the same bytes");
}

/* It only leaves bytes out; it never makes or moves any. */
static void require_left_out(const struct outcome *outcome, const uint8_t *bytes, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < outcome->len; i++, at++) {
        while (at < len && bytes[at] != outcome->passed[i])
            at++;
        require(at < len, "bytes of the client in their order");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    struct outcome whole = check(bytes + 1, len - 1, len, 0);
    struct outcome single = check(bytes + 1, len - 1, 1, 0);
    struct outcome random = check(bytes + 1, len - 1, 0, bytes[0]);
    require_same(&whole, &single);
    require_same(&whole, &random);
    require_left_out(&whole, bytes + 1, len - 1);
    free(whole.passed);
    free(single.passed);
    free(random.passed);
    return 0;
}
