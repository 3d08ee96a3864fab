/* frames.c -- see frames.h. SSE is sse.c's; lines and AWS frames are cut here: whole ones are slices of what was fed, a cut one is copied to `rest`.
 * SPDX-License-Identifier: MIT */
#include "base/frames.h"
#include "base/eventstream.h"

void frames_init(struct frames *frames, enum stream_form form)
{
    *frames = (struct frames){.form = form};
    sse_init(&frames->sse);
    buffer_init(&frames->rest, SSE_EVENT_MAX);
}

void frames_count(struct frames *frames, struct memory *memory)
{
    frames->rest.memory = frames->sse.rest.memory = frames->sse.join.memory = memory;
}

bool frames_starved(const struct frames *frames)
{
    return frames->rest.starved || frames->sse.rest.starved || frames->sse.join.starved;
}

void frames_free(struct frames *frames)
{
    sse_free(&frames->sse);
    buffer_free(&frames->rest);
}

void frames_feed(struct frames *frames, struct slice bytes)
{
    if (frames->form == STREAM_SSE)
        sse_feed(&frames->sse, bytes);
    else
        frames->input = bytes;
}

bool frames_too_big(const struct frames *frames)
{
    return frames->form == STREAM_SSE ? sse_too_big(&frames->sse) : frames->too_big;
}

bool frames_broken(const struct frames *frames)
{
    return frames->broken;
}

static void give_out(struct sse_event *event, struct slice name, struct slice data, struct slice raw)
{
    *event = (struct sse_event){.name = name, .data = data, .raw = raw, .has_data = true};
}

static struct slice take(struct frames *frames, size_t len)
{
    struct slice taken = {frames->input.ptr, len};
    frames->input.ptr += len;
    frames->input.len -= len;
    return taken;
}

/* What is left waits for the next feed. */
static void keep(struct frames *frames, size_t len)
{
    buffer_append_slice(&frames->rest, take(frames, len));
    frames->too_big = frames->rest.overflow;
}

/* ---------------------------------------------------------------- lines */

/* The next line without its end; blank lines are skipped. False: no line is whole. */
static bool next_line(struct frames *frames, struct slice *line, struct slice *raw)
{
    while (frames->input.len > 0 && !frames->too_big) {
        const char *lf = memchr(frames->input.ptr, '\n', frames->input.len);
        if (lf == NULL) {
            keep(frames, frames->input.len);
            return false;
        }
        size_t len = (size_t)(lf - frames->input.ptr) + 1;
        if (frames->rest.len > 0) {
            keep(frames, len);
            frames->handed_over = true;
            *raw = buffer_slice(&frames->rest);
        } else {
            *raw = take(frames, len);
        }
        if (frames->too_big || raw->len > SSE_EVENT_MAX) {
            frames->too_big = true;
            return false;
        }
        *line = slice_trim(*raw);
        if (line->len > 0)
            return true;
        buffer_clear(&frames->rest);
        frames->handed_over = false;
    }
    return false;
}

/* ---------------------------------------------------------------- AWS frames */

enum { PRELUDE = 12 };

/* How long the frame at the front will be: its first four bytes say. */
static size_t frame_length(struct slice bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    return ((size_t)at[0] << 24) | ((size_t)at[1] << 16) | ((size_t)at[2] << 8) | at[3];
}

/* Completes `rest` up to `len` bytes. False: there are not enough. */
static bool fill(struct frames *frames, size_t len)
{
    if (frames->rest.len < len) {
        size_t missing = len - frames->rest.len;
        keep(frames, missing < frames->input.len ? missing : frames->input.len);
    }
    return frames->rest.len >= len && !frames->too_big;
}

static bool next_frame(struct frames *frames, struct eventstream_frame *frame, struct slice *raw)
{
    if (frames->rest.len == 0) {
        int64_t len = eventstream_read(frames->input, SSE_EVENT_MAX, frame);
        frames->broken = len < 0;
        if (len > 0)
            *raw = take(frames, (size_t)len);
        if (len == 0 && frames->input.len > 0)
            keep(frames, frames->input.len);
        return len > 0;
    }
    if (!fill(frames, PRELUDE))
        return false;
    /* The lengths are believed only once their checksum holds. */
    if (eventstream_read(buffer_slice(&frames->rest), SSE_EVENT_MAX, frame) < 0) {
        frames->broken = true;
        return false;
    }
    if (!fill(frames, frame_length(buffer_slice(&frames->rest))))
        return false;
    *raw = buffer_slice(&frames->rest);
    frames->handed_over = true;
    frames->broken = eventstream_read(*raw, SSE_EVENT_MAX, frame) <= 0;
    return !frames->broken;
}

/* ---------------------------------------------------------------- events */

bool frames_next(struct frames *frames, struct sse_event *event)
{
    struct slice data, raw;
    struct eventstream_frame frame;
    if (frames->form == STREAM_SSE)
        return sse_next(&frames->sse, event);
    if (frames->handed_over) {
        buffer_clear(&frames->rest);
        frames->handed_over = false;
    }
    if (frames->too_big || frames->broken)
        return false;
    if (frames->form == STREAM_NDJSON) {
        if (!next_line(frames, &data, &raw))
            return false;
        give_out(event, SLICE_NONE, data, raw);
        return true;
    }
    if (!next_frame(frames, &frame, &raw))
        return false;
    give_out(event, frame.name, frame.payload, raw);
    return true;
}

bool frames_finish(struct frames *frames, struct sse_event *event)
{
    if (frames->form == STREAM_SSE)
        return sse_finish(&frames->sse, event);
    if (frames->form != STREAM_NDJSON || frames->handed_over || frames->too_big)
        return false;
    struct slice line = slice_trim(buffer_slice(&frames->rest));
    frames->handed_over = true;
    give_out(event, SLICE_NONE, line, buffer_slice(&frames->rest));
    return line.len > 0;
}
