/* fuzz_http1.c -- libFuzzer: whatever a provider sends, the reader neither breaks nor changes its mind with the cuts.
 *
 * The input is read three times: in one piece, byte by byte, and in pieces whose lengths the first byte seeds. All three must
 * give the same head, the same body, the same end. Bodies are compared by a running hash, so data pieces may be cut differently.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "http/http1.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct outcome {
    uint64_t head_hash, body_hash, body_bytes;
    int64_t content_length;
    size_t excess;
    int status;
    enum http1_piece last;
    bool keep_alive, closed_well;
};

static uint64_t mix(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    return hash;
}

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

static void note_head(struct outcome *outcome, const struct http1_head *head)
{
    require(outcome->status == 0, "one head");
    require(head->status >= 200 && head->status <= 599, "a final status");
    require(head->header_count <= HTTP1_HEADERS_MAX, "bounded headers");
    outcome->status = head->status;
    outcome->content_length = head->content_length;
    outcome->keep_alive = head->keep_alive;
    for (unsigned i = 0; i < head->header_count; i++) {
        require(memchr(head->headers[i].value.ptr, '\n', head->headers[i].value.len) == NULL, "no LF in a value");
        outcome->head_hash = mix(mix(outcome->head_hash, head->headers[i].name), LIT(":"));
        outcome->head_hash = mix(mix(outcome->head_hash, head->headers[i].value), LIT("\n"));
    }
}

static void feed(struct http1 *http1, struct outcome *outcome, struct slice bytes)
{
    struct http1_head head;
    struct slice data;
    http1_feed(http1, bytes);
    for (;;) {
        outcome->last = http1_next(http1, &head, &data);
        if (outcome->last == HTTP1_HEAD) {
            note_head(outcome, &head);
        } else if (outcome->last == HTTP1_DATA) {
            require(data.len > 0 && data.ptr >= bytes.ptr && data.ptr + data.len <= bytes.ptr + bytes.len, "data of what was fed");
            outcome->body_hash = mix(outcome->body_hash, data);
            outcome->body_bytes += data.len;
        } else {
            return;
        }
    }
}

static struct outcome read_pieces(const uint8_t *bytes, size_t len, size_t step, uint32_t seed)
{
    struct outcome outcome = {.last = HTTP1_MORE};
    struct http1 http1;
    http1_init(&http1);
    for (size_t at = 0; at < len;) {
        seed = seed * 1103515245u + 12345u;
        size_t want = step != 0 ? step : 1 + (seed >> 16) % 97, left = len - at, size = want < left ? want : left;
        char *copy = malloc(size); /* its own block, so that reading behind it is noticed */
        require(copy != NULL, "memory");
        memcpy(copy, bytes + at, size);
        feed(&http1, &outcome, (struct slice){copy, size});
        free(copy);
        at += size;
    }
    outcome.excess = http1_excess(&http1);
    outcome.closed_well = http1_finish(&http1);
    http1_free(&http1);
    return outcome;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->head_hash == b->head_hash && a->body_hash == b->body_hash && a->body_bytes == b->body_bytes &&
           a->content_length == b->content_length && a->excess == b->excess && a->status == b->status && a->last == b->last &&
           a->keep_alive == b->keep_alive && a->closed_well == b->closed_well;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    if (len < 2)
        return 0;
    struct outcome whole = read_pieces(bytes + 1, len - 1, len, 0);
    struct outcome single = read_pieces(bytes + 1, len - 1, 1, 0);
    struct outcome random = read_pieces(bytes + 1, len - 1, 0, bytes[0]);
    require(same(&whole, &single), "byte by byte");
    require(same(&whole, &random), "in pieces");
    if (whole.last == HTTP1_END && whole.content_length > 0)
        require(whole.body_bytes == (uint64_t)whole.content_length, "a complete body");
    return 0;
}
