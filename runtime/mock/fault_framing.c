/* fault_framing.c -- faults of the mock provider beneath its answers: what is no HTTP, bad HTTP, and good HTTP in odd pieces.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { MANY_HEADERS = 20000, ENDLESS_BYTES = 64 * 1024 };

/* ---------------------------------------------------------------- what is not HTTP, or bad HTTP */

/* Bytes without HTTP, or too few of them. */
static void send_text(const struct mock_case *c)
{
    mock_replace(c->script, c->fault->text, 0, MOCK_CLOSE);
}

static void endless(struct mock_script *script, struct slice start, struct slice again)
{
    mock_replace(script, start, 200, MOCK_REPEAT);
    while (script->bytes.len < ENDLESS_BYTES)
        buffer_append_slice(&script->bytes, again);
    mock_script_piece(script);
}

static void endless_text(const struct mock_case *c)
{
    endless(c->script, c->fault->text, c->fault->again);
}

static void endless_stream(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    struct buffer event;
    buffer_init(&event, ENDLESS_BYTES);
    if (!c->call->stream || script->count < 4) {
        endless(script, LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"),
                LIT("10\r\n                \r\n"));
        return;
    }
    unsigned last = 1;
    while (last + 1 < script->count && !script->pieces[last].content)
        last++;
    size_t from = script->pieces[last - 1].end;
    buffer_append(&event, script->bytes.ptr + from, script->pieces[last].end - from);
    mock_keep_pieces(script, last + 1, MOCK_REPEAT);
    while (script->bytes.len < ENDLESS_BYTES)
        buffer_append_slice(&script->bytes, buffer_slice(&event));
    mock_script_piece(script);
    buffer_free(&event);
}

/* Puts more bytes into the first piece. */
static void insert(struct mock_script *script, size_t at, struct slice more)
{
    struct buffer whole;
    buffer_init(&whole, script->bytes.limit);
    buffer_append(&whole, script->bytes.ptr, at);
    buffer_append_slice(&whole, more);
    buffer_append(&whole, script->bytes.ptr + at, script->bytes.len - at);
    buffer_free(&script->bytes);
    script->bytes = whole;
    for (unsigned i = 0; i < script->count; i++)
        script->pieces[i].end += more.len;
}

/* Puts more lines behind the status line. */
static void insert_headers(struct mock_script *script, struct slice lines)
{
    const char *end = slice_find(buffer_slice(&script->bytes), LIT("\r\n"));
    insert(script, (size_t)(end - script->bytes.ptr) + 2, lines);
}

static void more_headers(const struct mock_case *c)
{
    insert_headers(c->script, c->fault->text);
}

static void many_headers(const struct mock_case *c)
{
    struct buffer lines;
    buffer_init(&lines, 4 * 1024 * 1024);
    for (unsigned i = 0; i < MANY_HEADERS; i++)
        buffer_printf(&lines, "X-Header-%u: value\r\n", i);
    insert_headers(c->script, buffer_slice(&lines));
    buffer_free(&lines);
}

static void two_lengths(const struct mock_case *c)
{
    insert_headers(c->script, c->script->chunked ? LIT("Content-Length: 5\r\nContent-Length: 7\r\n") : LIT("Content-Length: 5\r\n"));
}

/* What a chunk's size line can get wrong; behind three events, or as the whole answer. */
static void bad_chunk(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    int64_t number = c->number;
    static const struct slice chunks[] = {
        LIT("zz\r\n{\"id\":\"x\"}\r\n"),   LIT("-5\r\nhello\r\n"),         LIT("0x5\r\nhello\r\n"),
        LIT("FFFFFFFFFFFFFFFFF\r\nhello"), LIT("5\r\nhello and more\r\n"), LIT("5\nhello\n"),
    };
    if (!script->chunked)
        mock_replace(script, LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"), 200,
                     MOCK_CLOSE);
    else
        mock_keep_pieces(script, mock_with_events(script, 3), MOCK_CLOSE);
    buffer_append_slice(&script->bytes, chunks[number >= 0 && number < 6 ? number : 0]);
    mock_script_piece(script);
}

/* A good answer, and then bytes that were not asked for on the idle connection. */
static void stray(const struct mock_case *c)
{
    buffer_append_lit(&c->script->bytes,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"evil\":\"EVIL!\"}");
    mock_script_piece(c->script)->wait_ms = 1;
}

static void interim(const struct mock_case *c)
{
    insert(c->script, 0, c->fault->text);
}

/* ---------------------------------------------------------------- another frame around the same answer */

static size_t piece_begin(const struct mock_script *script, unsigned piece)
{
    return piece == 0 ? 0 : script->pieces[piece - 1].end;
}

static struct slice unwrap(struct slice chunk)
{
    const char *data = memchr(chunk.ptr, '\n', chunk.len);
    return (struct slice){data + 1, chunk.len - (size_t)(data + 1 - chunk.ptr) - 2};
}

struct slice mock_piece_text(const struct mock_script *script, unsigned piece)
{
    size_t from = piece_begin(script, piece);
    struct slice bytes = {script->bytes.ptr + from, script->pieces[piece].end - from};
    return script->chunked && script->pieces[piece].event ? unwrap(bytes) : bytes;
}

/* The last chunk says nothing. */
static bool speaks(const struct mock_script *script, unsigned piece)
{
    return piece > 0 && (!script->chunked || script->pieces[piece].event);
}

static size_t count_text(const struct mock_script *script)
{
    size_t len = 0;
    for (unsigned i = 1; i < script->count; i++)
        len += speaks(script, i) ? mock_piece_text(script, i).len : 0;
    return len;
}

/* The same text behind a head with these lines for framing, and no chunks. */
static void reframe(struct mock_script *script, const char *framing, enum mock_end end)
{
    struct buffer bytes;
    unsigned kept = 1;
    buffer_init(&bytes, script->bytes.limit);
    buffer_printf(&bytes, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n", script->chunked ? "text/event-stream" : "application/json",
                  framing);
    size_t head_end = bytes.len;
    for (unsigned i = 1; i < script->count; i++)
        if (speaks(script, i))
            buffer_append_slice(&bytes, mock_piece_text(script, i));
    size_t at = head_end, from = script->pieces[0].end;
    for (unsigned i = 1; i < script->count; i++) {
        struct mock_piece piece = script->pieces[i];
        struct slice raw = {script->bytes.ptr + from, piece.end - from};
        from = piece.end;
        if (script->chunked && !piece.event)
            continue;
        at += script->chunked ? unwrap(raw).len : raw.len;
        piece.end = at;
        script->pieces[kept++] = piece;
    }
    script->pieces[0].end = head_end;
    buffer_free(&script->bytes);
    script->bytes = bytes;
    script->count = kept;
    script->chunked = false;
    script->end = end;
}

static void negative_length(const struct mock_case *c)
{
    reframe(c->script, "Content-Length: -5\r\n", MOCK_CLOSE);
}

/* Lasts until its connection is closed; behind `number` events, or the half of a body, where that is given. */
static void close_delimited(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (c->number > 0)
        mock_keep_pieces(script, mock_with_events(script, c->number), MOCK_CLOSE);
    reframe(script, "Connection: close\r\n", MOCK_CLOSE);
}

/* Promises more than it sends. */
static void short_length(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    char line[64];
    if (c->number > 0)
        mock_keep_pieces(script, mock_with_events(script, c->number), MOCK_CLOSE);
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", count_text(script) + 100);
    reframe(script, line, MOCK_CLOSE);
}

/* Everything is said, but that it is the end. */
static void no_last_chunk(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (script->chunked) {
        mock_keep_pieces(script, (int64_t)script->count - 1, MOCK_CLOSE);
        return;
    }
    size_t len = count_text(script);
    reframe(script, "Transfer-Encoding: chunked\r\n", MOCK_CLOSE);
    struct buffer body;
    buffer_init(&body, script->bytes.limit);
    buffer_append(&body, script->bytes.ptr + script->pieces[0].end, len);
    script->count = 1;
    script->bytes.len = script->pieces[0].end;
    buffer_printf(&script->bytes, "%zx\r\n", len);
    buffer_append_slice(&script->bytes, buffer_slice(&body));
    buffer_append_lit(&script->bytes, "\r\n");
    mock_script_piece(script);
    buffer_free(&body);
}

/* A number that some read as one. */
static void odd_length(const struct mock_case *c)
{
    char line[64];
    snprintf(line, sizeof line, "Content-Length: %zux\r\n", count_text(c->script));
    reframe(c->script, line, MOCK_CLOSE);
}

static void same_lengths(const struct mock_case *c)
{
    char lines[128];
    size_t len = count_text(c->script);
    snprintf(lines, sizeof lines, "Content-Length: %zu\r\nContent-Length: %zu\r\n", len, len);
    reframe(c->script, lines, MOCK_CLOSE);
}

static void length_and_chunks(const struct mock_case *c)
{
    insert_headers(c->script, c->script->chunked ? LIT("Content-Length: 5\r\n") : LIT("Transfer-Encoding: chunked\r\n"));
}

/* One line of `number` KB. */
static void long_header(const struct mock_case *c)
{
    struct buffer line;
    buffer_init(&line, 4 * 1024 * 1024);
    buffer_append_lit(&line, "X-Long: ");
    for (int64_t i = 0; i < c->number * 64 && i < 64 * 1024; i++)
        buffer_append_lit(&line, "aaaaaaaaaaaaaaaa");
    buffer_append_lit(&line, "\r\n");
    insert_headers(c->script, buffer_slice(&line));
    buffer_free(&line);
}

/* ---------------------------------------------------------------- pieces */

/* The first `number` bytes, and the end. */
static void cut_bytes(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    int64_t number = c->number;
    unsigned last = 0;
    if (number < 0 || (size_t)number >= script->bytes.len)
        return;
    while (script->pieces[last].end < (size_t)number)
        last++;
    mock_keep_pieces(script, (int64_t)last + 1, MOCK_CLOSE);
    if (script->bytes.len != (size_t)number)
        script->pieces[last].tokens = 0;
    script->bytes.len = script->pieces[last].end = (size_t)number;
}

/* Room for one more piece at `at`. */
static struct mock_piece *insert_piece(struct mock_script *script, unsigned at)
{
    mock_script_piece(script);
    memmove(script->pieces + at + 1, script->pieces + at, (script->count - 1 - at) * sizeof *script->pieces);
    script->pieces[at] = (struct mock_piece){.end = 0};
    return &script->pieces[at];
}

void mock_split(struct mock_script *script, int64_t at)
{
    unsigned piece = 0;
    if (at <= 0 || (size_t)at >= script->bytes.len)
        return;
    while (script->pieces[piece].end <= (size_t)at)
        piece++;
    if (piece_begin(script, piece) != (size_t)at)
        insert_piece(script, piece++)->end = (size_t)at;
    script->pieces[piece].wait_ms = 1;
}

/* One request after the other is split one byte later. */
static void split(const struct mock_case *c)
{
    mock_split(c->script, (int64_t)(c->call->number % c->script->bytes.len));
}

/* Each byte its own segment. */
static void bytes_apart(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    struct mock_piece *pieces = xcalloc(script->bytes.len, sizeof *pieces);
    unsigned old = 0;
    for (size_t i = 0; i < script->bytes.len; i++) {
        bool last = i + 1 == script->pieces[old].end;
        if (last)
            pieces[i] = script->pieces[old++];
        pieces[i].end = i + 1;
        pieces[i].apart = true;
    }
    free(script->pieces);
    script->pieces = pieces;
    script->count = script->cap = (unsigned)script->bytes.len;
}

/* ---------------------------------------------------------------- behind the answer */

/* More than the answer, in one segment with it. */
static void excess(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    buffer_append_lit(&script->bytes, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!");
    script->pieces[script->count - 1].end = script->bytes.len;
}

/* The answer promised to keep its connection, and does not. */
static void close_idle(const struct mock_case *c)
{
    c->script->end = MOCK_LEAVE;
}

/* ---------------------------------------------------------------- the table */

const struct mock_fault mock_faults_of_framing[] = {
    {"garbage", send_text, .text = LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 220 this is not HTTP\r\n\r\n\x00\xff\xfe")},
    {"interim-cut", send_text, .text = LIT("HTTP/1.1 103 Early Hints\r\n\r\n")}, /* it heard the request, and says no more than that */
    {"interim", interim, .text = LIT("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")},
    {"endless-header", endless_text, .text = LIT("HTTP/1.1 200 OK\r\nX-Endless: "), .again = LIT("aaaaaaaaaaaaaaaa")},
    {"endless-interim", endless_text, .text = LIT("HTTP/1.1 103 Early Hints\r\n\r\n"), .again = LIT("HTTP/1.1 103 Early Hints\r\n\r\n")},
    {"endless-stream", .apply = endless_stream},
    {"compressed", more_headers, .text = LIT("Content-Encoding: gzip\r\n")},
    {"nul-header", more_headers, .text = LIT("X-Odd: a\0b\r\n")},
    {"no-colon", more_headers, .text = LIT("X-Odd\r\n")},
    {"blank-colon", more_headers, .text = LIT("X-Odd : a\r\n")},
    {"folded-header", more_headers, .text = LIT("X-Odd: a\r\n b\r\n")},
    {"bare-lf", more_headers, .text = LIT("X-Odd: a\n")},
    {"many-headers", .apply = many_headers},
    {"long-header", .apply = long_header},
    {"two-content-lengths", .apply = two_lengths},
    {"length-and-chunks", .apply = length_and_chunks},
    {"close-delimited", .apply = close_delimited},
    {"short-length", .apply = short_length},
    {"no-last-chunk", .apply = no_last_chunk},
    {"negative-length", .apply = negative_length},
    {"odd-length", .apply = odd_length},
    {"same-lengths", .apply = same_lengths},
    {"bad-chunk", .apply = bad_chunk},
    {"cut-bytes", .apply = cut_bytes},
    {"split", .apply = split},
    {"bytes-apart", .apply = bytes_apart},
    {"excess", .apply = excess},
    {"stray", .apply = stray},
    {"close-idle", .apply = close_idle},
    {.name = NULL},
};
