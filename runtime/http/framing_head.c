/* framing_head.c -- header fields and the end of a head. See framing.h.
 * SPDX-License-Identifier: MIT */
#include "http/framing_private.h"

/* What libmicrohttpd takes from its pool: per header, argument and cookie; and what must be left for the head of the answer. */
enum { POOL_PER_FIELD = 72, POOL_SPARE = 5120 };

/* ---------------------------------------------------------------- header fields, section 5 */

/* Which of the header fields that the checker looks at. */
static enum framing_header header_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        enum framing_header header;
    } known[] = {
        {"content-length", HEADER_CONTENT_LENGTH},
        {"transfer-encoding", HEADER_TRANSFER_ENCODING},
        {"host", HEADER_HOST},
        {"expect", HEADER_EXPECT},
        {"connection", HEADER_CONNECTION},
        {"cookie", HEADER_COOKIE},
        {"authorization", HEADER_AUTHORIZATION},
    };
    if (len == 0)
        return HEADER_OTHER;
    char first = (char)(name[0] | 0x20);
    if (first != 'c' && first != 't' && first != 'h' && first != 'e' && first != 'a')
        return HEADER_OTHER;
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].name[0] == first && strlen(known[i].name) == len && strncasecmp(name, known[i].name, len) == 0)
            return known[i].header;
    return HEADER_OTHER;
}

/* reg-name, IPv4 or [IPv6], and a port: RFC 9112 3.2, RFC 3986 3.2.2 */
static bool is_host(const char *text, unsigned len)
{
    unsigned i = 0;
    if (len > 0 && text[0] == '[') {
        for (i = 1; i < len && (hex_value((unsigned char)text[i]) >= 0 || text[i] == ':' || text[i] == '.'); i++)
            continue;
        if (i < 3 || i == len || text[i++] != ']')
            return false;
    } else {
        while (i < len && is_token((unsigned char)text[i]) && memchr("!#$&'*+^`|", text[i], 10) == NULL)
            i++;
        if (i == 0)
            return false;
    }
    if (i == len)
        return true;
    if (text[i++] != ':' || len - i > 5)
        return false;
    while (i < len && text[i] >= '0' && text[i] <= '9')
        i++;
    return i == len;
}

static bool value_is(const struct framing *f, const char *text)
{
    return f->value_len == strlen(text) && strncasecmp(f->value, text, f->value_len) == 0;
}

/* Section 6.3: digits only, once; two of them, even equal ones, are two opinions. */
static void check_content_length(struct framing *f)
{
    unsigned at = 0;
    if (++f->lengths > 1)
        return refuse(f, 400, "duplicate Content-Length");
    if (f->value_len == 0)
        return refuse(f, 400, "bad Content-Length");
    for (unsigned i = 0; i < f->value_len; i++)
        if (f->value[i] < '0' || f->value[i] > '9')
            return refuse(f, 400, "bad Content-Length");
    while (at + 1 < f->value_len && f->value[at] == '0')
        at++;
    if (f->value_len - at > 18)
        return refuse(f, 413, "request body too large");
    for (f->content_length = 0; at < f->value_len; at++)
        f->content_length = f->content_length * 10 + (uint64_t)(f->value[at] - '0');
    if (f->content_length > f->limits->body)
        refuse(f, 413, "request body too large");
}

/* One header line is complete. */
static void check_header(struct framing *f)
{
    /* libmicrohttpd does not trim: "chunked " would hang it, "5 " is answered twice. */
    if (f->header != HEADER_OTHER && f->value_len > 0 && (f->value[f->value_len - 1] == ' ' || f->value[f->value_len - 1] == '\t'))
        return refuse(f, 400, "trailing blank in a header value");
    switch (f->header) {
    case HEADER_CONTENT_LENGTH:
        return check_content_length(f);
    case HEADER_TRANSFER_ENCODING: /* section 6.1 */
        if (f->has_encoding)
            return refuse(f, 400, "duplicate Transfer-Encoding");
        f->has_encoding = true;
        f->chunked = value_is(f, "chunked");
        return;
    case HEADER_HOST:
        if (++f->hosts > 1 || !is_host(f->value, f->value_len))
            refuse(f, 400, "bad Host");
        return;
    case HEADER_EXPECT:
        if (f->expect)
            return refuse(f, 400, "duplicate Expect");
        f->expect = true;
        f->expect_bad = !value_is(f, "100-continue");
        return;
    case HEADER_CONNECTION:
        f->wants_close |= list_has(f->value, f->value_len, "close");
        f->wants_keep |= list_has(f->value, f->value_len, "keep-alive");
        return;
    case HEADER_AUTHORIZATION:
        if (++f->authorizations > 1)
            refuse(f, 400, "duplicate Authorization");
        return;
    default:
        return;
    }
}

static void check_pool(struct framing *f)
{
    uint32_t fields = (uint32_t)f->header_count + f->argument_count + f->cookie_count;
    if (f->head_bytes + POOL_PER_FIELD * fields + f->cookie_bytes + POOL_SPARE > f->limits->pool)
        refuse(f, 431, "request head too large");
}

/* Keeps what the checks above need of a value: of cookies the count, of credentials nothing. */
static void keep_value(struct framing *f, const unsigned char *from, size_t len)
{
    if (f->header == HEADER_OTHER || f->header == HEADER_AUTHORIZATION)
        return;
    if (f->header == HEADER_COOKIE) {
        f->cookie_bytes += (uint32_t)len;
        for (size_t i = 0; i < len; i++)
            if ((from[i] == ';' || from[i] == ',') && ++f->cookie_count > f->limits->cookies)
                return refuse(f, 431, "too many cookies");
        return;
    }
    if (f->value_len + len > sizeof f->value)
        return refuse(f, 400, "header value too long");
    memcpy(f->value + f->value_len, from, len);
    f->value_len = (uint16_t)(f->value_len + len);
}

/* A whole header line inside the bytes at hand, checked in one go: nearly all of them. False: left to the states below. */
static bool take_line(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at, *colon = from, *value, *end;
    while (colon < c->end && is_token(*colon))
        colon++;
    if (colon == from || colon == c->end || *colon != ':')
        return false;
    for (value = colon + 1; value < c->end && (*value == ' ' || *value == '\t'); value++)
        continue;
    end = skip_value(value, c->end);
    if (c->end - end < 2 || end[0] != '\r' || end[1] != '\n' || (size_t)(end - from) > f->limits->line ||
        f->header_count >= f->limits->headers)
        return false;
    f->header = header_of((char *)from, (size_t)(colon - from));
    f->value_len = 0;
    f->header_count++;
    f->head_bytes += (uint32_t)(end + 1 - from);
    keep_value(f, value, (size_t)(end - value));
    check_pool(f);
    if (f->status == 0)
        check_header(f);
    f->head_bytes++;
    c->at = end + 2;
    take(c, from);
    return f->status == 0;
}

void framing_on_header(struct framing *f, struct cursor *c)
{
    while (c->at < c->end && *c->at != '\r' && take_line(f, c))
        continue;
    if (f->status != 0 || c->at == c->end)
        return;
    if (*c->at == '\r') {
        unsigned char *from = c->at++;
        f->head_bytes++;
        f->state = FRAMING_HEAD_LF;
        take(c, from);
        return;
    }
    if (!is_token(*c->at)) /* a leading blank is obs-fold, section 5.2 */
        return refuse(f, 400, "bad header line");
    if (++f->header_count > f->limits->headers)
        return refuse(f, 431, "too many header fields");
    f->name_len = 0;
    f->line_bytes = 0;
    f->state = FRAMING_NAME;
}

/* Part of a header line was seen: count, bound, pass on. Bounds come before the judgement of the byte behind, so that cuts do not change what is said. */
static bool take_of_line(struct framing *f, struct cursor *c, unsigned char *from)
{
    f->line_bytes += (uint32_t)(c->at - from);
    f->head_bytes += (uint32_t)(c->at - from);
    if (f->line_bytes > f->limits->line)
        refuse(f, 431, "header line too long");
    check_pool(f);
    take(c, from);
    return f->status == 0;
}

/* Section 5.1: no blank between name and colon. */
void framing_on_name(struct framing *f, struct cursor *c)
{
    enum { TOO_LONG = 255 };
    unsigned char *from = c->at;
    while (c->at < c->end && is_token(*c->at))
        c->at++;
    size_t len = (size_t)(c->at - from);
    if (f->name_len + len <= sizeof f->name) {
        memcpy(f->name + f->name_len, from, len);
        f->name_len = (uint8_t)(f->name_len + len);
    } else {
        f->name_len = TOO_LONG;
    }
    if (!take_of_line(f, c, from) || c->at == c->end)
        return;
    if (*c->at != ':')
        return refuse(f, 400, "bad header name");
    from = c->at++;
    f->header = f->name_len == TOO_LONG ? HEADER_OTHER : header_of(f->name, f->name_len);
    f->value_len = 0;
    f->state = FRAMING_BLANKS;
    take_of_line(f, c, from);
}

void framing_on_blanks(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    if (c->at < c->end)
        f->state = FRAMING_VALUE;
    take_of_line(f, c, from);
}

void framing_on_value(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    c->at = skip_value(from, c->end);
    keep_value(f, from, (size_t)(c->at - from));
    if (!take_of_line(f, c, from) || c->at == c->end)
        return;
    if (*c->at != '\r')
        return refuse(f, 400, "bad character in a header value");
    from = c->at++;
    f->head_bytes++;
    f->state = FRAMING_VALUE_LF;
    take(c, from);
}

/* Section 2.2: a bare CR or LF does not end a line. */
void framing_on_line_lf(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    if (f->state == FRAMING_VALUE_LF)
        check_header(f);
    if (f->status != 0)
        return;
    c->at++;
    f->head_bytes++;
    f->state = FRAMING_HEADER;
    take(c, from);
}

/* ---------------------------------------------------------------- the end of the head, section 6 */

static void check_head(struct framing *f)
{
    if (f->hosts != 1 && !(f->http10 && f->hosts == 0))
        return refuse(f, 400, "a Host header is required");
    if (f->has_encoding && f->lengths > 0) /* section 6.1: how requests are smuggled */
        return refuse(f, 400, "Content-Length together with Transfer-Encoding");
    if (f->has_encoding && f->http10)
        return refuse(f, 400, "Transfer-Encoding in HTTP/1.0");
    if (f->has_encoding && !f->chunked)
        return refuse(f, 501, "unsupported Transfer-Encoding");
    /* libmicrohttpd calls its handler once too often for Expect without a body when more is buffered. */
    if (f->expect && !f->http10 && !f->has_encoding && f->content_length == 0)
        f->expect_bad = true;
    if (f->expect_bad)
        return refuse(f, 417, "unsupported expectation");
    check_pool(f);
}

void framing_on_head_lf(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    f->head_bytes++;
    check_head(f);
    if (f->status != 0)
        return;
    c->at++;
    take(c, from);
    f->heads++;
    f->left = f->content_length;
    f->digits = 0;
    f->chunk = 0;
    f->extension_len = 0;
    if (f->chunked)
        f->state = FRAMING_CHUNK_SIZE;
    else if (f->content_length > 0)
        f->state = FRAMING_BODY;
    else
        framing_complete(f, c);
}
