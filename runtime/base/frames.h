/* frames.h -- a provider's stream cut into events, whatever the form: SSE, NDJSON (one JSON object a line) or AWS event stream.
 *
 * The same bytes give the same events however they are cut. Bounded by SSE_EVENT_MAX per event.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_FRAMES_H
#define BASE_FRAMES_H
#include "base/sse.h"

enum stream_form { STREAM_SSE, STREAM_NDJSON, STREAM_AWS };

/* NDJSON: data is the line. AWS: name is the event's type, or the exception's type or error code; data is the payload (of an error: its message). */
struct frames {
    enum stream_form form;
    struct sse sse;
    struct buffer rest; /* the beginning of a cut line or frame */
    struct slice input; /* bytes of this feed not looked at yet */
    bool handed_over;   /* rest was given out: empty it before going on */
    bool too_big, broken;
};

void frames_init(struct frames *frames, enum stream_form form);
void frames_free(struct frames *frames);
/* Hands over bytes; they must stay valid until frames_next returned false. */
void frames_feed(struct frames *frames, struct slice bytes);
/* The next whole event; false: none left in what was fed, or nothing can be read any more. */
MUST_USE bool frames_next(struct frames *frames, struct sse_event *event);
/* At the end of the stream: an event whose end did not come but which is whole all the same (SSE without its blank line, a line without LF). */
MUST_USE bool frames_finish(struct frames *frames, struct sse_event *event);
/* An event passed SSE_EVENT_MAX: nothing more will come out. */
bool frames_too_big(const struct frames *frames);
/* What is kept of cut events is counted in `memory` (borrowed). Where there is none an event is taken for too big; frames_starved tells. */
void frames_count(struct frames *frames, struct memory *memory);
bool frames_starved(const struct frames *frames);
/* A frame whose checksum or lengths are wrong: nothing more will come out. */
bool frames_broken(const struct frames *frames);
#endif
