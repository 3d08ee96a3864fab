/* framing_private.h -- what the files of the checker share: framing.c (request line, the state machine), framing_head.c (header fields), framing_body.c (bodies
 * and trailers). Private to framing*.c.
 *
 * A state machine with one function per state; each takes what it can of the bytes at hand. `take` keeps bytes for libmicrohttpd; bytes that are not
 * taken are left out. Section numbers are those of RFC 9112 unless another document is named.
 * SPDX-License-Identifier: MIT */
#ifndef HTTP_FRAMING_PRIVATE_H
#define HTTP_FRAMING_PRIVATE_H
#include "http/framing.h"
#include "http/grammar.h"

struct cursor {
    unsigned char *at, *end; /* not looked at yet */
    unsigned char *to;       /* where the next byte that passes goes */
    unsigned char *whole;    /* behind the last complete request: what passes when the next one is refused */
    bool stop;               /* a last request was completed */
};

static inline void refuse(struct framing *f, int status, const char *reason)
{
    if (f->status == 0) {
        f->status = status;
        f->reason = reason;
    }
}

static inline void take(struct cursor *c, unsigned char *from)
{
    size_t len = (size_t)(c->at - from);
    if (c->to != from)
        memmove(c->to, from, len);
    c->to += len;
}

/* ---- framing.c */
void framing_complete(struct framing *f, struct cursor *c); /* a request is complete: the next one may begin */

/* ---- framing_head.c */
void framing_on_header(struct framing *f, struct cursor *c);
void framing_on_name(struct framing *f, struct cursor *c);
void framing_on_blanks(struct framing *f, struct cursor *c);
void framing_on_value(struct framing *f, struct cursor *c);
void framing_on_line_lf(struct framing *f, struct cursor *c);
void framing_on_head_lf(struct framing *f, struct cursor *c);

/* ---- framing_body.c */
void framing_on_body(struct framing *f, struct cursor *c);
void framing_on_chunk_size(struct framing *f, struct cursor *c);
void framing_on_chunk_extension(struct framing *f, struct cursor *c);
void framing_on_chunk_size_lf(struct framing *f, struct cursor *c);
void framing_on_chunk_data(struct framing *f, struct cursor *c);
void framing_on_chunk_end(struct framing *f, struct cursor *c);
void framing_on_trailer(struct framing *f, struct cursor *c);
void framing_on_trailer_text(struct framing *f, struct cursor *c);
void framing_on_trailer_lf(struct framing *f, struct cursor *c);
void framing_on_end_lf(struct framing *f, struct cursor *c);
#endif
