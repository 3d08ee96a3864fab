/* fuzz_sse.c -- libFuzzer: the same bytes give the same events however they are cut.
 *
 * The input is decoded in one piece, byte by byte, and in pieces whose lengths its first four bytes seed; each piece is a block of its
 * own that is gone once it was read. Names, data and has_data must be equal, and raw but for the LF of a CRLF that came late. In
 * one piece nothing is lost: the raw texts stand side by side in the input.
 * SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/sse.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void require(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n", what);
    abort();
}

/* Writes the event down so that two records are equal only when all events are; raw without LF, see above. */
static void record(struct buffer *out, const struct sse_event *event)
{
    buffer_append_int(out, (int64_t)event->name.len);
    buffer_append_byte(out, ' ');
    buffer_append_int(out, event->has_data ? (int64_t)event->data.len : -1);
    buffer_append_byte(out, ' ');
    buffer_append_slice(out, event->name);
    buffer_append_slice(out, event->data);
    for (size_t i = 0; i < event->raw.len; i++)
        if (event->raw.ptr[i] != '\n')
            buffer_append_byte(out, event->raw.ptr[i]);
    buffer_append_lit(out, "\n\n");
    require(event->has_data || event->data.len == 0, "no data, no text");
    require(event->raw.len > 0 && event->data.len <= event->raw.len, "an event is made of its bytes");
}

static void feed(struct sse *sse, struct slice piece, struct buffer *out)
{
    struct sse_event event;
    char *copy = xmalloc(piece.len);
    memcpy(copy, piece.ptr, piece.len);
    sse_feed(sse, (struct slice){copy, piece.len});
    while (sse_next(sse, &event))
        record(out, &event);
    require(!sse_next(sse, &event), "nothing more is nothing more");
    free(copy);
}

static void finish(struct sse *sse, struct buffer *out)
{
    struct sse_event event;
    if (sse_finish(sse, &event)) {
        require(event.has_data, "a last event has data");
        record(out, &event);
    }
    require(!sse_finish(sse, &event), "the last event comes once");
    sse_free(sse);
}

/* The length of the next piece: 1 to 1024, mostly short. */
static size_t next_length(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return 1 + (*seed >> 8) % (1u << (*seed >> 28 & 15) % 11);
}

static void decode(struct slice text, uint32_t seed, bool bytewise, struct buffer *out)
{
    struct sse sse;
    sse_init(&sse);
    while (text.len > 0) {
        size_t len = bytewise ? 1 : next_length(&seed);
        if (len > text.len)
            len = text.len;
        feed(&sse, (struct slice){text.ptr, len}, out);
        text.ptr += len;
        text.len -= len;
    }
    finish(&sse, out);
}

static void decode_whole(struct slice text, struct buffer *out)
{
    struct sse sse;
    struct sse_event event;
    const char *end = text.ptr + (slice_starts_with(text, LIT("\xef\xbb\xbf")) ? 3 : 0);
    sse_init(&sse);
    sse_feed(&sse, text);
    while (sse_next(&sse, &event)) {
        record(out, &event);
        require(event.raw.ptr == end, "whole events stand side by side");
        end = event.raw.ptr + event.raw.len;
        require(end <= text.ptr + text.len && (end[-1] == '\n' || end[-1] == '\r'), "an event ends with a line");
    }
    finish(&sse, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct buffer whole, cut;
    uint32_t seed = 0;
    if (len < sizeof seed)
        return 0;
    memcpy(&seed, bytes, sizeof seed);
    struct slice text = {(const char *)bytes + sizeof seed, len - sizeof seed};
    buffer_init(&whole, 64 * len + 1024);
    buffer_init(&cut, 64 * len + 1024);
    decode_whole(text, &whole);
    decode(text, seed, false, &cut);
    require(!whole.overflow && slice_equals(buffer_slice(&whole), buffer_slice(&cut)), "cuts change nothing");
    buffer_clear(&cut);
    decode(text, seed, true, &cut);
    require(slice_equals(buffer_slice(&whole), buffer_slice(&cut)), "single bytes change nothing");
    buffer_free(&whole);
    buffer_free(&cut);
    return 0;
}
