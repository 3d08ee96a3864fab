/* sse.h -- server-sent events, decoded as they arrive (WHATWG HTML, section 9.2.6).
 *
 * The same bytes give the same events however they are cut. CR, LF and CRLF end lines; comments, a BOM, a missing
 * space after the colon, several data lines and a missing final blank line are understood. Events that lie whole inside the bytes fed
 * are slices of them; only a cut event is copied, into `rest`, which is bounded by SSE_EVENT_MAX.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_SSE_H
#define BASE_SSE_H
#include "base/bytes.h"

enum { SSE_EVENT_MAX = 4 * 1024 * 1024 };

struct sse_event {
    struct slice name; /* the last event: field, empty when there was none */
    struct slice data; /* data lines joined by LF; borrowed until the next call */
    struct slice raw;  /* the event's bytes as they came, with the blank line that ended it; comments before it included; an LF that
                        * came in a later feed than the CR that ended it is left out, and so is a BOM.
                        * Borrowed until the next call. Adjacent whole events of one feed are adjacent in memory */
    bool has_data;     /* false: comments or other fields only (a keep-alive); raw may still be passed on */
};

struct sse {
    struct buffer rest; /* the beginning of a cut event */
    struct buffer join; /* several data lines joined */
    struct slice input; /* bytes of this feed not looked at yet */
    bool in_line;       /* the scan is inside a line, not at its start */
    bool after_cr;      /* the last byte was a CR: a LF that follows belongs to it */
    bool handed_over;   /* the caller has `rest`: it is emptied at the next call */
    bool started, too_big;
};

void sse_init(struct sse *sse);
void sse_free(struct sse *sse);
/* Hands over bytes; they must stay valid until sse_next returned false. */
void sse_feed(struct sse *sse, struct slice bytes);
/* The next whole event; false: none left in what was fed (the remainder is kept). */
MUST_USE bool sse_next(struct sse *sse, struct sse_event *event);
/* At the end of the stream: the last event when it lacks its blank line but has a complete data line. False: none. */
MUST_USE bool sse_finish(struct sse *sse, struct sse_event *event);
/* An event passed SSE_EVENT_MAX: nothing more will come out. */
bool sse_too_big(const struct sse *sse);
#endif
