/* framing.c -- see framing.h.
 *
 * A state machine with one function per state; each takes what it can of the bytes at hand. `take` moves bytes to where they pass on, `drop` leaves
 * them out. Section numbers are those of RFC 9112 unless another document is named.
 * SPDX-License-Identifier: MIT */
#include "http/framing_text.h"

/* What libmicrohttpd takes from its pool: per header, argument and cookie; and what must be left for the head of the answer. */
enum { POOL_PER_FIELD = 72, POOL_SPARE = 5120, EMPTY_LINES_MAX = 2, TRAILERS_MAX = 32, TRAILER_BYTES_MAX = 4096, EXTENSION_MAX = 1024 };

const struct framing_limits framing_defaults = {
    .target = 8192,
    .line = 8192,
    .headers = 100,
    .arguments = 64,
    .cookies = 64,
    .pool = 16384,
    .body = 32u << 20,
    .pipeline = 16,
};

struct cursor {
    unsigned char *at, *end; /* not looked at yet */
    unsigned char *to;       /* where the next byte that passes goes */
    unsigned char *whole;    /* behind the last complete request: what passes when the next one is refused */
    bool stop;               /* a last request was completed */
};

static void refuse(struct framing *f, int status, const char *reason)
{
    if (f->status == 0) {
        f->status = status;
        f->reason = reason;
    }
}

static void take(struct cursor *c, unsigned char *from)
{
    size_t len = (size_t)(c->at - from);
    if (c->to != from)
        memmove(c->to, from, len);
    c->to += len;
}

/* ---------------------------------------------------------------- the request line, section 3 */

static void begin_request(struct framing *f)
{
    f->state = FRAMING_START;
    f->http10 = f->wants_close = f->wants_keep = f->expect = f->expect_bad = f->chunked = f->has_encoding = f->in_query = false;
    f->empty_lines = f->lengths = f->hosts = f->authorizations = 0;
    f->header_count = f->argument_count = f->cookie_count = 0;
    f->head_bytes = f->line_bytes = f->cookie_bytes = f->target_len = 0;
    f->content_length = f->received = 0;
    f->method_len = f->version_len = f->percent = f->segment = 0;
}

/* Section 2.2: an empty line before the request line is tolerated; a drip of them is not. */
static void on_start(struct framing *f, struct cursor *c)
{
    if (*c->at == '\r') {
        if (++f->empty_lines > EMPTY_LINES_MAX)
            return refuse(f, 400, "too many empty lines");
        f->state = FRAMING_START_LF;
        c->at++; /* dropped */
        return;
    }
    if (f->requests - f->answered >= f->limits->pipeline)
        return refuse(f, 400, "too many pipelined requests");
    f->state = FRAMING_METHOD;
}

static void on_start_lf(struct framing *f, struct cursor *c)
{
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    f->state = FRAMING_START;
}

/* Section 3.1: methods are case-sensitive; one we do not know is 501 (RFC 9110 15.6.2). */
static void on_method(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    while (c->at < c->end && *c->at >= 'A' && *c->at <= 'Z') {
        if (f->method_len == sizeof f->method)
            return refuse(f, 501, "unknown method");
        f->method[f->method_len++] = (char)*c->at++;
    }
    if (c->at < c->end) {
        if (*c->at != ' ' || f->method_len == 0)
            return is_token(*c->at) ? refuse(f, 501, "unknown method") : refuse(f, 400, "bad request line");
        if (!is_known_method(f->method, f->method_len))
            return refuse(f, 501, "unknown method");
        c->at++;
        f->state = FRAMING_TARGET;
    }
    f->head_bytes += (uint32_t)(c->at - from);
    take(c, from);
}

/* A path segment of "." or "..", in whatever spelling, would mean another path to somebody behind us. True: it ended as one. */
static bool segment_step(struct framing *f, int byte)
{
    enum { DOTS_MAX = 2, OTHER = 3 };
    if (byte == '/' || byte == '\\' || byte == ';') {
        bool dots = f->segment == 1 || f->segment == DOTS_MAX;
        f->segment = byte == ';' ? OTHER : 0;
        return dots;
    }
    f->segment = byte == '.' && f->segment < OTHER ? (uint8_t)(f->segment + 1) : OTHER;
    return false;
}

static void percent_step(struct framing *f, unsigned char byte)
{
    int value = hex_value(byte);
    if (value < 0)
        return refuse(f, 400, "bad percent-encoding");
    if (f->percent == 1) {
        f->percent_value = (uint8_t)value;
        f->percent = 2;
        return;
    }
    value += f->percent_value * 16;
    f->percent = 0;
    if (f->in_query ? value == 0 : is_bad_decoded(value))
        return refuse(f, 400, "bad percent-encoding");
    if (!f->in_query && segment_step(f, value))
        refuse(f, 400, "dot segment in path");
}

static void target_step(struct framing *f, unsigned char byte)
{
    if (!is_target(byte))
        return refuse(f, 400, "bad character in target");
    if (++f->target_len > f->limits->target)
        return refuse(f, 414, "request target too long");
    if (f->target_len <= sizeof f->path)
        f->path[f->target_len - 1] = (char)byte;
    if (f->percent)
        return percent_step(f, byte);
    if (byte == '%') {
        f->percent = 1;
    } else if (f->in_query) {
        if (byte == '&' && ++f->argument_count > f->limits->arguments)
            refuse(f, 414, "too many query arguments");
    } else if (byte == '?') {
        if (segment_step(f, '/'))
            return refuse(f, 400, "dot segment in path");
        f->in_query = true;
        f->argument_count++;
    } else if (segment_step(f, byte)) {
        refuse(f, 400, "dot segment in path");
    }
}

/* Section 3.2: only the origin form. Absolute form is for proxies, authority form for CONNECT, `*` for OPTIONS. */
static void on_target(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (f->target_len == 0 && *c->at != '/')
        return refuse(f, 400, "the request target must be a path");
    while (c->at < c->end && *c->at != ' ' && f->status == 0)
        target_step(f, *c->at++);
    if (f->status != 0)
        return;
    if (c->at < c->end) {
        if (f->percent)
            return refuse(f, 400, "bad percent-encoding");
        if (!f->in_query && segment_step(f, '/'))
            return refuse(f, 400, "dot segment in path");
        c->at++;
        f->state = FRAMING_VERSION;
    }
    f->head_bytes += (uint32_t)(c->at - from);
    take(c, from);
}

/* Section 2.3. */
static void on_version(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    while (c->at < c->end && *c->at != '\r') {
        if (*c->at <= ' ' || *c->at >= 0x7f)
            return refuse(f, 400, "bad request line");
        if (f->version_len == sizeof f->version)
            return refuse(f, 400, "bad HTTP version");
        f->version[f->version_len++] = (char)*c->at++;
    }
    if (c->at < c->end) {
        const char *v = f->version;
        if (f->version_len != 8 || memcmp(v, "HTTP/", 5) != 0 || v[6] != '.' || v[5] < '0' || v[5] > '9' || v[7] < '0' || v[7] > '9')
            return refuse(f, 400, "bad HTTP version");
        if (v[5] != '1' || v[7] > '1')
            return refuse(f, 505, "HTTP version not supported");
        f->http10 = v[7] == '0';
        c->at++;
        f->state = FRAMING_LINE_LF;
    }
    f->head_bytes += (uint32_t)(c->at - from);
    take(c, from);
}

/* ---------------------------------------------------------------- header fields, section 5 */

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

static void on_header(struct framing *f, struct cursor *c)
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
static void on_name(struct framing *f, struct cursor *c)
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

static void on_blanks(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
    if (c->at < c->end)
        f->state = FRAMING_VALUE;
    take_of_line(f, c, from);
}

static void on_value(struct framing *f, struct cursor *c)
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
static void on_line_lf(struct framing *f, struct cursor *c)
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

static void complete(struct framing *f, struct cursor *c)
{
    bool last = f->wants_close || (f->http10 && !f->wants_keep);
    f->requests++;
    begin_request(f);
    c->whole = c->to;
    if (last) {
        f->closing = c->stop = true;
        f->excess = c->at < c->end;
    }
}

static void on_head_lf(struct framing *f, struct cursor *c)
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
        complete(f, c);
}

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

static void on_body(struct framing *f, struct cursor *c)
{
    if (take_data(f, c))
        complete(f, c);
}

static void on_chunk_size(struct framing *f, struct cursor *c)
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
static void on_chunk_extension(struct framing *f, struct cursor *c)
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

static void on_chunk_size_lf(struct framing *f, struct cursor *c)
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

static void on_chunk_data(struct framing *f, struct cursor *c)
{
    if (take_data(f, c))
        f->state = FRAMING_CHUNK_CR;
}

static void on_chunk_end(struct framing *f, struct cursor *c)
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

static void on_trailer(struct framing *f, struct cursor *c)
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

static void on_trailer_text(struct framing *f, struct cursor *c)
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

static void on_trailer_lf(struct framing *f, struct cursor *c)
{
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    f->state = FRAMING_TRAILER;
}

/* libmicrohttpd ends its own trailer block on a bare LF; the CR before it was dropped with the trailers. */
static void on_end_lf(struct framing *f, struct cursor *c)
{
    unsigned char *from = c->at;
    if (*c->at != '\n')
        return refuse(f, 400, "bare CR");
    c->at++;
    take(c, from);
    complete(f, c);
}

/* ---------------------------------------------------------------- the machine */

static void (*const steps[FRAMING_STATES])(struct framing *f, struct cursor *c) = {
    [FRAMING_START] = on_start,
    [FRAMING_START_LF] = on_start_lf,
    [FRAMING_METHOD] = on_method,
    [FRAMING_TARGET] = on_target,
    [FRAMING_VERSION] = on_version,
    [FRAMING_LINE_LF] = on_line_lf,
    [FRAMING_HEADER] = on_header,
    [FRAMING_NAME] = on_name,
    [FRAMING_BLANKS] = on_blanks,
    [FRAMING_VALUE] = on_value,
    [FRAMING_VALUE_LF] = on_line_lf,
    [FRAMING_HEAD_LF] = on_head_lf,
    [FRAMING_BODY] = on_body,
    [FRAMING_CHUNK_SIZE] = on_chunk_size,
    [FRAMING_CHUNK_EXTENSION] = on_chunk_extension,
    [FRAMING_CHUNK_SIZE_LF] = on_chunk_size_lf,
    [FRAMING_CHUNK_DATA] = on_chunk_data,
    [FRAMING_CHUNK_CR] = on_chunk_end,
    [FRAMING_CHUNK_LF] = on_chunk_end,
    [FRAMING_TRAILER] = on_trailer,
    [FRAMING_TRAILER_NAME] = on_trailer_text,
    [FRAMING_TRAILER_VALUE] = on_trailer_text,
    [FRAMING_TRAILER_LF] = on_trailer_lf,
    [FRAMING_END_LF] = on_end_lf,
};

void framing_init(struct framing *framing, const struct framing_limits *limits)
{
    memset(framing, 0, sizeof *framing);
    framing->limits = limits;
    begin_request(framing);
}

size_t framing_check(struct framing *framing, unsigned char *buf, size_t len)
{
    struct cursor cursor = {buf, buf + len, buf, buf, false};
    framing->any |= len > 0;
    if (framing->closing) {
        framing->excess |= len > 0;
        return 0;
    }
    while (cursor.at < cursor.end && !cursor.stop) {
        steps[framing->state](framing, &cursor);
        if (framing->status != 0)
            return (size_t)(cursor.whole - buf);
    }
    return (size_t)(cursor.to - buf);
}

size_t framing_path_len(const struct framing *f)
{
    const char *query = memchr(f->path, '?', f->target_len < sizeof f->path ? f->target_len : sizeof f->path);
    return query != NULL ? (size_t)(query - f->path) : f->target_len > sizeof f->path ? 0 : f->target_len;
}

bool framing_in_request(const struct framing *framing)
{
    return framing->state != FRAMING_START || framing->empty_lines > 0;
}

bool framing_in_body(const struct framing *framing)
{
    return framing->state >= FRAMING_BODY;
}
