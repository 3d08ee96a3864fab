/* http1.c -- the reader of HTTP/1.1 responses.
 *
 * A head that lies whole in one read is parsed where it lies; only one that came in pieces is put together first. Either way it is
 * parsed when its empty line is there, and the checks that run before that (the first bytes, bare LF, the limits) depend only
 * on the position in the stream, so that cuts change nothing. Bodies are never copied.
 * A response is refused whenever two readers could disagree about where it ends (RFC 9112 6.3, 11.1, 11.2): a refused
 * response costs one connection, a misread one gives one caller's answer to the next.
 * SPDX-License-Identifier: MIT */
#include "http/http1.h"
#include "http/grammar.h"

enum state {
    HEAD,
    HEAD_GIVEN, /* the head was handed out; the body begins with the next call */
    BODY_LENGTH,
    BODY_CLOSE,
    CHUNK_SIZE,
    CHUNK_BLANK, /* behind the size: only an extension may follow a blank (RFC 9112 7.1.1) */
    CHUNK_EXTENSION,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_CR,
    CHUNK_LF,
    TRAILER_START,
    TRAILER_NAME,
    TRAILER_VALUE,
    TRAILER_LF,
    LAST_LF,
    DONE,
    BROKEN,
};

enum {
    CHUNK_LINE_MAX = 1024, /* a chunk's size with its extensions */
    TRAILER_MAX = 16 * 1024,
};

/* What framing says about the body, gathered while the lines are read. */
struct framing {
    int64_t length; /* -1: none */
    bool chunked, close, keep_alive;
    unsigned minor;
};

static bool fail(struct http1 *http1, const char *error)
{
    http1->error = error;
    http1->state = BROKEN;
    return false;
}

static bool all_text(struct slice text)
{
    unsigned char *end = (unsigned char *)text.ptr + text.len;
    return skip_value((unsigned char *)text.ptr, end) == end;
}

static struct slice trim_blanks(struct slice text)
{
    while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text.ptr++, text.len--;
    while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

/* ---- the head ---- */

/* Looks for the empty line in the input. Sets *used to the bytes looked at; true when the head ends there. */
static bool scan_head(struct http1 *http1, size_t *used)
{
    static const char prefix[] = "HTTP/1.";
    const char *bytes = http1->input.ptr;
    size_t before = http1->head_bytes.len, room = HTTP1_HEAD_MAX - before;
    size_t len = http1->input.len < room ? http1->input.len : room;
    for (size_t i = 0; i < len && before + i < sizeof(prefix) - 1; i++) /* garbage is known by its first byte: no need to wait */
        if (bytes[i] != prefix[before + i])
            return fail(http1, "the answer is not HTTP/1.x");
    size_t at = 0;
    for (;;) {
        const char *newline = memchr(bytes + at, '\n', len - at);
        if (newline == NULL)
            break;
        size_t end = (size_t)(newline - bytes);
        if ((end > 0 ? bytes[end - 1] : (char)http1->last) != '\r')
            return fail(http1, "a line of the head ends with a bare LF");
        size_t line = http1->line_bytes + (end - at);
        at = end + 1;
        http1->line_bytes = 0;
        if (line == 1) {
            *used = at;
            return true;
        }
        if (++http1->lines > HTTP1_HEADERS_MAX + 1)
            return fail(http1, "the head has too many lines");
    }
    if (len == room)
        return fail(http1, "the head is too large");
    http1->line_bytes += (unsigned)(len - at);
    http1->last = (unsigned char)bytes[len - 1];
    *used = len;
    return false;
}

/* Takes one line, without its CRLF, off the front of a head that ends with an empty line. */
static struct slice take_line(struct slice *rest)
{
    const char *newline = memchr(rest->ptr, '\n', rest->len);
    size_t len = (size_t)(newline - rest->ptr);
    struct slice line = {rest->ptr, len - 1};
    rest->ptr += len + 1;
    rest->len -= len + 1;
    return line;
}

/* RFC 9112 4: HTTP-version SP status-code SP [reason]; the second SP is often left out. */
static bool parse_status_line(struct http1 *http1, struct slice line, struct http1_head *head, struct framing *framing)
{
    const char *at = line.ptr;
    if (line.len < 12 || at[7] < '0' || at[7] > '9' || at[8] != ' ')
        return fail(http1, "the status line is malformed");
    framing->minor = (unsigned)(at[7] - '0');
    int status = 0;
    for (int i = 9; i < 12; i++) {
        if (at[i] < '0' || at[i] > '9')
            return fail(http1, "the status is not a number of three digits");
        status = 10 * status + (at[i] - '0');
    }
    if (line.len > 12 && at[12] != ' ')
        return fail(http1, "the status is not a number of three digits");
    if (status < 100 || status > 599)
        return fail(http1, "the status is out of range");
    if (!all_text((struct slice){at + 12, line.len - 12}))
        return fail(http1, "a control character in the status line");
    head->status = status;
    return true;
}

/* The three headers that say where the response ends. */
static bool read_framing(struct http1 *http1, const struct http1_header *header, struct framing *framing)
{
    if (header->name.len == 10 && slice_equals_nocase(header->name, LIT("connection"))) {
        framing->close |= list_has(header->value.ptr, header->value.len, "close");
        framing->keep_alive |= list_has(header->value.ptr, header->value.len, "keep-alive");
    } else if (header->name.len == 14 && slice_equals_nocase(header->name, LIT("content-length"))) {
        if (framing->length >= 0) /* even two equal ones: RFC 9110 8.6 lets us refuse them */
            return fail(http1, "two Content-Length headers");
        if (!slice_to_int(header->value, &framing->length))
            return fail(http1, "the Content-Length is not a number");
    } else if (header->name.len == 17 && slice_equals_nocase(header->name, LIT("transfer-encoding"))) {
        if (framing->chunked || !slice_equals_nocase(header->value, LIT("chunked")))
            return fail(http1, "a Transfer-Encoding other than chunked");
        framing->chunked = true;
    }
    return true;
}

static bool parse_header(struct http1 *http1, struct slice line, struct http1_header *header)
{
    if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
        return fail(http1, "a folded header line");
    size_t len = 0;
    while (len < line.len && is_token((unsigned char)line.ptr[len]))
        len++;
    if (len == 0 || len == line.len || line.ptr[len] != ':')
        return fail(http1, "a header line without a proper name");
    header->name = (struct slice){line.ptr, len};
    header->value = trim_blanks((struct slice){line.ptr + len + 1, line.len - len - 1});
    if (!all_text(header->value))
        return fail(http1, "a control character in a header");
    return true;
}

/* RFC 9112 6.3, in its order. */
static bool choose_body(struct http1 *http1, struct http1_head *head, const struct framing *framing)
{
    if (framing->chunked && framing->length >= 0)
        return fail(http1, "Content-Length together with Transfer-Encoding");
    if (framing->chunked && framing->minor == 0)
        return fail(http1, "Transfer-Encoding in an HTTP/1.0 answer");
    bool bodiless = http1->head_request || head->status == 204 || head->status == 304 || head->status < 200;
    head->has_body = !bodiless && framing->length != 0;
    head->content_length = head->has_body ? framing->length : 0;
    http1->until_close = head->has_body && !framing->chunked && framing->length < 0;
    head->keep_alive = !framing->close && !http1->until_close && (framing->minor > 0 || framing->keep_alive);
    http1->left = head->has_body && framing->length > 0 ? (uint64_t)framing->length : 0;
    http1->has_body = head->has_body;
    http1->chunked = framing->chunked;
    return true;
}

static bool parse_head(struct http1 *http1, struct slice bytes, struct http1_head *head)
{
    struct framing framing = {.length = -1};
    head->header_count = 0;
    if (!parse_status_line(http1, take_line(&bytes), head, &framing))
        return false;
    while (bytes.len > 2) { /* what is left at the end is the empty line */
        struct http1_header *header = &head->headers[head->header_count++];
        if (!parse_header(http1, take_line(&bytes), header) || !read_framing(http1, header, &framing))
            return false;
    }
    if (!choose_body(http1, head, &framing))
        return false;
    if (head->status == 101)
        return fail(http1, "the answer switches protocols");
    if (head->status < 200 && ++http1->interim > HTTP1_INTERIM_MAX)
        return fail(http1, "too many interim answers");
    return true;
}

static void skip(struct http1 *http1, size_t count)
{
    http1->input.ptr += count;
    http1->input.len -= count;
}

static void forget_head(struct http1 *http1)
{
    buffer_free(&http1->head_bytes);
    http1->line_bytes = http1->lines = 0;
    http1->last = 0;
}

static enum http1_piece next_head(struct http1 *http1, struct http1_head *head)
{
    while (http1->input.len > 0) {
        size_t used = 0;
        bool ended = scan_head(http1, &used);
        if (http1->state == BROKEN)
            return HTTP1_ERROR;
        struct slice bytes = {http1->input.ptr, used};
        if (!ended || http1->head_bytes.len > 0) {
            buffer_append_slice(&http1->head_bytes, bytes);
            bytes = buffer_slice(&http1->head_bytes);
        }
        skip(http1, used);
        if (!ended)
            break;
        if (!parse_head(http1, bytes, head))
            return HTTP1_ERROR;
        if (head->status >= 200) {
            http1->state = HEAD_GIVEN;
            return HTTP1_HEAD;
        }
        forget_head(http1);
    }
    return HTTP1_MORE;
}

/* ---- the body ---- */

static void begin_body(struct http1 *http1)
{
    forget_head(http1);
    if (!http1->has_body)
        http1->state = DONE;
    else if (http1->until_close)
        http1->state = BODY_CLOSE;
    else
        http1->state = http1->chunked ? CHUNK_SIZE : BODY_LENGTH;
}

static bool size_byte(struct http1 *http1, unsigned char c)
{
    int value = hex_value(c);
    if (value >= 0) {
        if (++http1->digits > 15) /* keeps the size below 2^60; more zeros only confuse */
            return fail(http1, "a chunk size that is too large");
        http1->left = http1->left << 4 | (uint64_t)value;
        return true;
    }
    if (http1->digits == 0)
        return fail(http1, "a chunk without a size");
    if (c == '\r')
        http1->state = CHUNK_SIZE_LF;
    else if (c == ';')
        http1->state = CHUNK_EXTENSION;
    else if (c == ' ' || c == '\t')
        http1->state = CHUNK_BLANK;
    else
        return fail(http1, "a malformed chunk size");
    return true;
}

/* Extensions are read over (RFC 9112 7.1.1), but not without an end. */
static bool extension_byte(struct http1 *http1, unsigned char c)
{
    if (++http1->line_bytes > CHUNK_LINE_MAX)
        return fail(http1, "a chunk extension without an end");
    if (http1->state == CHUNK_BLANK) {
        if (c == ';')
            http1->state = CHUNK_EXTENSION;
        else if (c != ' ' && c != '\t')
            return fail(http1, "a malformed chunk size");
    } else if (c == '\r') {
        http1->state = CHUNK_SIZE_LF;
    } else if (!is_value(c)) {
        return fail(http1, "a control character in a chunk extension");
    }
    return true;
}

/* Trailers are checked and dropped: nothing that we act on may come behind the body (RFC 9110 6.5.1). */
static bool trailer_byte(struct http1 *http1, unsigned char c)
{
    if (++http1->line_bytes > TRAILER_MAX)
        return fail(http1, "the trailer is too large");
    switch (http1->state) {
    case TRAILER_START:
        if (c == '\r')
            http1->state = LAST_LF;
        else if (is_token(c))
            http1->state = TRAILER_NAME;
        else
            return fail(http1, "a malformed trailer");
        return true;
    case TRAILER_NAME:
        if (c == ':')
            http1->state = TRAILER_VALUE;
        else if (!is_token(c))
            return fail(http1, "a malformed trailer");
        return true;
    case TRAILER_VALUE:
        if (c == '\r')
            http1->state = TRAILER_LF;
        else if (!is_value(c))
            return fail(http1, "a malformed trailer");
        return true;
    default:
        if (c != '\n')
            return fail(http1, "a malformed trailer");
        http1->state = http1->state == LAST_LF ? DONE : TRAILER_START;
        return true;
    }
}

static bool chunk_byte(struct http1 *http1, unsigned char c)
{
    switch (http1->state) {
    case CHUNK_SIZE:
        return size_byte(http1, c);
    case CHUNK_BLANK:
    case CHUNK_EXTENSION:
        return extension_byte(http1, c);
    case CHUNK_SIZE_LF:
        if (c != '\n')
            return fail(http1, "a malformed chunk size");
        http1->line_bytes = 0;
        http1->state = http1->left == 0 ? TRAILER_START : CHUNK_DATA;
        return true;
    case CHUNK_CR:
        http1->state = CHUNK_LF;
        return c == '\r' || fail(http1, "a chunk longer than its size");
    case CHUNK_LF:
        http1->state = CHUNK_SIZE;
        http1->digits = 0;
        return c == '\n' || fail(http1, "a chunk longer than its size");
    default:
        return trailer_byte(http1, c);
    }
}

static enum http1_piece give_data(struct http1 *http1, struct slice *data, size_t len)
{
    *data = (struct slice){http1->input.ptr, len};
    skip(http1, len);
    return HTTP1_DATA;
}

/* Hands out what it can of a body of known length (the whole one, or one chunk's). */
static enum http1_piece give_known(struct http1 *http1, struct slice *data, unsigned char then)
{
    size_t len = http1->input.len < http1->left ? http1->input.len : (size_t)http1->left;
    http1->left -= len;
    if (http1->left == 0)
        http1->state = then;
    return give_data(http1, data, len);
}

/* ---- the interface ---- */

void http1_init(struct http1 *http1)
{
    *http1 = (struct http1){.state = HEAD};
    buffer_init(&http1->head_bytes, HTTP1_HEAD_MAX);
}

void http1_free(struct http1 *http1)
{
    buffer_free(&http1->head_bytes);
}

void http1_feed(struct http1 *http1, struct slice bytes)
{
    if (http1->state == DONE)
        http1->left += bytes.len;
    else
        http1->input = bytes;
}

enum http1_piece http1_next(struct http1 *http1, struct http1_head *head, struct slice *data)
{
    if (http1->state == HEAD)
        return next_head(http1, head);
    if (http1->state == HEAD_GIVEN)
        begin_body(http1);
    while (http1->state < DONE) {
        if (http1->input.len == 0)
            return HTTP1_MORE;
        if (http1->state == BODY_LENGTH)
            return give_known(http1, data, DONE);
        if (http1->state == CHUNK_DATA)
            return give_known(http1, data, CHUNK_CR);
        if (http1->state == BODY_CLOSE)
            return give_data(http1, data, http1->input.len);
        unsigned char byte = (unsigned char)http1->input.ptr[0];
        skip(http1, 1);
        chunk_byte(http1, byte);
    }
    if (http1->state == BROKEN)
        return HTTP1_ERROR;
    http1->left += http1->input.len;
    http1->input = SLICE_NONE;
    return HTTP1_END;
}

bool http1_finish(struct http1 *http1)
{
    if (http1->state == HEAD_GIVEN)
        begin_body(http1);
    if (http1->state == BODY_CLOSE)
        http1->state = DONE;
    if (http1->state == DONE)
        return true;
    if (http1->state == HEAD)
        return fail(http1, http1->head_bytes.len > 0 ? "closed within the head" : "closed before the head");
    return http1->state == BROKEN ? false : fail(http1, "closed within the body");
}

size_t http1_excess(const struct http1 *http1)
{
    return http1->state == DONE ? (size_t)http1->left + http1->input.len : 0;
}

const char *http1_error(const struct http1 *http1)
{
    return http1->error;
}

struct slice http1_header(const struct http1_head *head, struct slice name)
{
    for (unsigned i = 0; i < head->header_count; i++)
        if (slice_equals_nocase(head->headers[i].name, name))
            return head->headers[i].value;
    return SLICE_NONE;
}
