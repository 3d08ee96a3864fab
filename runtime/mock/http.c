/* http.c -- the mock provider's framing of requests: as lenient as a provider may be, bounded all the same (RFC 9112).
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { KEEP_CAP = 1024 * 1024 };

void mock_http_init(struct mock_http *http)
{
    memset(http, 0, sizeof *http);
    buffer_init(&http->in, MOCK_REQUEST_MAX);
}

struct slice mock_http_header(const struct mock_http *http, struct slice name)
{
    const char *at = http->in.ptr, *end = at + http->head_len;
    while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL && (size_t)(end - ++at) > name.len) {
        if (at[name.len] != ':' || !slice_equals_nocase((struct slice){at, name.len}, name))
            continue;
        const char *value = at + name.len + 1, *stop = memchr(value, '\n', (size_t)(end - value));
        return slice_trim((struct slice){value, stop == NULL ? 0 : (size_t)(stop - value)});
    }
    return SLICE_NONE;
}

struct slice mock_http_path(const struct mock_http *http)
{
    const char *line = http->in.ptr, *from = memchr(line, ' ', http->head_len);
    if (from == NULL)
        return SLICE_NONE;
    const char *to = ++from;
    while (to < line + http->head_len && *to != ' ' && *to != '\r' && *to != '\n')
        to++;
    return (struct slice){from, (size_t)(to - from)};
}

/* Unwraps chunks as they come; what stands behind the body moves up to it. */
static enum mock_read read_chunks(struct mock_http *http)
{
    for (;;) {
        char *base = http->in.ptr, *line = base + http->chunk_at, *end = base + http->in.len, *stop = NULL;
        char *eol = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (eol == NULL)
            return MOCK_MORE;
        size_t size = strtoul(line, &stop, 16), line_len = (size_t)(eol - line) + 2;
        if (stop == line || size > MOCK_REQUEST_MAX)
            return MOCK_MALFORMED;
        if ((size_t)(end - line) < line_len + size + 2)
            return MOCK_MORE;
        memmove(base + http->head_len + http->body_len, line + line_len, size);
        http->body_len += size;
        http->chunk_at += line_len + size + 2;
        if (size > 0)
            continue;
        size_t body_end = http->head_len + http->body_len;
        memmove(base + body_end, base + http->chunk_at, http->in.len - http->chunk_at);
        http->in.len -= http->chunk_at - body_end;
        http->chunked = false; /* it is a plain body now */
        return MOCK_WHOLE;
    }
}

static enum mock_read read_head(struct mock_http *http)
{
    const char *end = http->in.len == 0 ? NULL : memmem(http->in.ptr, http->in.len, "\r\n\r\n", 4);
    int64_t len = 0;
    if (end == NULL)
        return http->in.len > MOCK_HEAD_MAX ? MOCK_TOO_LARGE : MOCK_MORE;
    http->head_len = http->chunk_at = (size_t)(end - http->in.ptr) + 4;
    struct slice length = mock_http_header(http, LIT("content-length"));
    http->chunked = mock_http_header(http, LIT("transfer-encoding")).len > 0;
    http->close_after = slice_equals_nocase(mock_http_header(http, LIT("connection")), LIT("close")) ||
                        memmem(http->in.ptr, http->head_len, " HTTP/1.0\r\n", 11) != NULL;
    if (length.len > 0 && !slice_to_int(length, &len))
        return MOCK_MALFORMED;
    if (len > MOCK_REQUEST_MAX - MOCK_HEAD_MAX)
        return MOCK_TOO_LARGE;
    http->body_len = http->chunked ? 0 : (size_t)len;
    return MOCK_WHOLE;
}

enum mock_read mock_http_read(struct mock_http *http)
{
    if (http->head_len == 0) {
        enum mock_read read = read_head(http);
        if (read != MOCK_WHOLE)
            return read;
    }
    if (http->chunked)
        return read_chunks(http);
    return http->in.len >= http->head_len + http->body_len ? MOCK_WHOLE : MOCK_MORE;
}

void mock_http_next(struct mock_http *http)
{
    buffer_consume(&http->in, http->head_len + http->body_len);
    if (http->in.len == 0 && http->in.cap > KEEP_CAP)
        buffer_free(&http->in);
    http->head_len = http->body_len = http->chunk_at = 0;
    http->chunked = http->close_after = false;
}
