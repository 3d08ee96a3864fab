/* framing_body.c -- bodies, chunks and trailers. See framing.h.
 * SPDX-License-Identifier: MIT */
#include "http/framing_private.h"

enum { TRAILERS_MAX = 32, TRAILER_BYTES_MAX = 4096, EXTENSION_MAX = 1024 };

/* ---------------------------------------------------------------- bodies, section 7 */

/* As much of `left` as is at hand. True: all of it came. */
static bool take_data(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    size_t len = (size_t)(c->end - c->at);
    if (len > f->left)
        len = (size_t)f->left;
    c->at += len;
    f->left -= len;
    f->received += len;
    f->body_bytes += len;
    take(c, from);
    return f->left == 0;
}

void framing_on_body(struct framing *f, struct cursor *c)
{
    if (take_data(f, c))
        framing_complete(f, c);
}

void framing_on_chunk_size(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    int digit;
    while (c->at < c->end && (digit = hex_value(*c->at)) >= 0) {
        if (++f->digits > 16)
            return refuse(f, 400, "chunk size too long");
        if (f->chunk >> 60)
            return refuse(f, 413, "chunk too large");
        f->chunk = f->chunk * 16 + (uint64_t)digit;
        c->at++;
    }
    take(c, from);
    if (c->at == c->end)
        return;
    if (f->digits == 0 || (*c->at != '\r' && *c->at != ';'))
        return refuse(f, 400, "bad chunk size");
    if (f->chunk > f->limits->body || f->received + f->chunk > f->limits->body)
        return refuse(f, 413, "request body too large");
    from = c->at++;
    if (*from == ';') { /* the extension is dropped, semicolon and all */
        f->state = FRAMING_CHUNK_EXTENSION;
    } else {
        f->state = FRAMING_CHUNK_SIZE_LF;
        take(c, from);
    }
}

/* Section 7.1.1: may be ignored. */
void framing_on_chunk_extension(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    while (c->at < c->end && is_value(*c->at) && *c->at < 0x7f)
        c->at++;
    size_t len = (size_t)(c->at - from);
    f->extension_len = (uint16_t)(f->extension_len + (len > EXTENSION_MAX ? EXTENSION_MAX + 1 : len));
    if (f->extension_len > EXTENSION_MAX)
        return refuse(f, 400, "chunk extensions too long");
    if (c->at == c->end)
        return;
    if (*c->at != '\r')
        return refuse(f, 400, "bad chunk extension");
    from = c->at++;
    take(c, from);
    f->state = FRAMING_CHUNK_SIZE_LF;
}

void framing_on_chunk_size_lf(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    take(c, from);
    f->left = f->chunk;
    f->state = f->chunk > 0 ? FRAMING_CHUNK_DATA : FRAMING_TRAILER;
    f->line_bytes = 0;
    f->header_count = 0;
}

void framing_on_chunk_data(struct framing *f, struct cursor *c)
{
    if (take_data(f, c))
        f->state = FRAMING_CHUNK_CR;
}

void framing_on_chunk_end(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    bool cr = f->state == FRAMING_CHUNK_CR;
    if (*c->at != (cr ? '\r' : '\n'))
        return refuse(f, 400, "chunk data not terminated");
    c->at++;
    take(c, from);
    f->state = cr ? FRAMING_CHUNK_LF : FRAMING_CHUNK_SIZE;
    f->digits = 0;
    f->chunk = 0;
}

/* ---------------------------------------------------------------- trailers: checked and dropped, section 7.1.2 */

void framing_on_trailer(struct framing *f, struct cursor *c)
{
    if (*c->at == '\r') {
        c->at++;
        f->state = FRAMING_END_LF;
        return;
    }
    if (!is_token(*c->at))
        return refuse(f, 400, "bad trailer");
    if (++f->header_count > TRAILERS_MAX)
        return refuse(f, 431, "too many trailers");
    f->state = FRAMING_TRAILER_NAME;
}

void framing_on_trailer_text(struct framing *f, struct cursor *c)
{
    bool name = f->state == FRAMING_TRAILER_NAME;
    unsigned char *from = c->at;
    while (c->at < c->end && (name ? is_token(*c->at) : is_value(*c->at)))
        c->at++;
    f->line_bytes += (uint32_t)(c->at - from);
    if (f->line_bytes > TRAILER_BYTES_MAX)
        return refuse(f, 431, "trailers too long");
    if (c->at == c->end)
        return;
    if (*c->at != (name ? ':' : '\r'))
        return refuse(f, 400, "bad trailer");
    c->at++;
    f->state = name ? FRAMING_TRAILER_VALUE : FRAMING_TRAILER_LF;
}

void framing_on_trailer_lf(struct framing *f, struct cursor *c)
{
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    f->state = FRAMING_TRAILER;
}

/* libmicrohttpd ends its own trailer block on a bare LF; the CR before it was dropped with the trailers. */
void framing_on_end_lf(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    take(c, from);
    framing_complete(f, c);
}
