/* framing.c -- the machine of the checker, and the request line. See framing.h.
 * SPDX-License-Identifier: MIT */
#include "http/framing_private.h"

enum { EMPTY_LINES_MAX = 2 };

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

void framing_complete(struct framing *f, struct cursor *c)
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

static bool is_known_method(const char *text, size_t len)
{
    static const char *const methods[] = {"POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"};
    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++)
        if (len == strlen(methods[i]) && memcmp(text, methods[i], len) == 0)
            return true;
    return false;
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

/* RFC 3986 without what must be percent-encoded */
static bool is_target(unsigned char byte)
{
    return byte > 0x20 && byte < 0x7f && byte != '"' && byte != '#' && byte != '<' && byte != '>' && byte != '\\';
}

/* A decoded byte of the path must not be a control byte or the beginning of overlong or impossible UTF-8. */
static bool is_bad_decoded(int byte)
{
    return byte < 0x20 || byte == 0x7f || byte == 0xc0 || byte == 0xc1 || byte >= 0xf5;
}

/* A path segment of "." or "..", in whatever spelling, would mean another path to a server behind us. True: it ended as one. */
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

/* ---------------------------------------------------------------- the machine */

static void (*const steps[FRAMING_STATES])(struct framing *f, struct cursor *c) = {
    [FRAMING_START] = on_start,
    [FRAMING_START_LF] = on_start_lf,
    [FRAMING_METHOD] = on_method,
    [FRAMING_TARGET] = on_target,
    [FRAMING_VERSION] = on_version,
    [FRAMING_LINE_LF] = framing_on_line_lf,
    [FRAMING_HEADER] = framing_on_header,
    [FRAMING_NAME] = framing_on_name,
    [FRAMING_BLANKS] = framing_on_blanks,
    [FRAMING_VALUE] = framing_on_value,
    [FRAMING_VALUE_LF] = framing_on_line_lf,
    [FRAMING_HEAD_LF] = framing_on_head_lf,
    [FRAMING_BODY] = framing_on_body,
    [FRAMING_CHUNK_SIZE] = framing_on_chunk_size,
    [FRAMING_CHUNK_EXTENSION] = framing_on_chunk_extension,
    [FRAMING_CHUNK_SIZE_LF] = framing_on_chunk_size_lf,
    [FRAMING_CHUNK_DATA] = framing_on_chunk_data,
    [FRAMING_CHUNK_CR] = framing_on_chunk_end,
    [FRAMING_CHUNK_LF] = framing_on_chunk_end,
    [FRAMING_TRAILER] = framing_on_trailer,
    [FRAMING_TRAILER_NAME] = framing_on_trailer_text,
    [FRAMING_TRAILER_VALUE] = framing_on_trailer_text,
    [FRAMING_TRAILER_LF] = framing_on_trailer_lf,
    [FRAMING_END_LF] = framing_on_end_lf,
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
