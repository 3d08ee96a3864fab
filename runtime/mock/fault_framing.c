/* fault_framing.c -- faults of the mock provider beneath its answers: what is no HTTP, bad HTTP, and good HTTP in odd pieces.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { MANY_HEADERS = 20000, ENDLESS_BYTES = 64 * 1024 };

/* ---------------------------------------------------------------- what is not HTTP, or bad HTTP */

static void garbage(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    mock_replace(script, LIT("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 220 this is not HTTP\r\n\r\n\x00\xff\xfe"), 0, MOCK_CLOSE);
}

static void endless(struct mock_script *script, const char *start, struct slice again)
{
    mock_replace(script, slice_of(start), 200, MOCK_REPEAT);
    while (script->bytes.len < ENDLESS_BYTES)
        buffer_append_slice(&script->bytes, again);
    mock_script_piece(script);
}

static void endless_header(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    endless(script, "HTTP/1.1 200 OK\r\nX-Endless: ", LIT("aaaaaaaaaaaaaaaa"));
}

static void endless_interim(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    endless(script, "HTTP/1.1 103 Early Hints\r\n\r\n", LIT("HTTP/1.1 103 Early Hints\r\n\r\n"));
}

static void endless_stream(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    struct buffer event;
    buffer_init(&event, ENDLESS_BYTES);
    if (!call->stream || script->count < 4) {
        endless(script, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
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

/* Puts more lines behind the status line. */
static void insert_headers(struct mock_script *script, struct slice lines)
{
    struct buffer whole;
    const char *end = slice_find(buffer_slice(&script->bytes), LIT("\r\n"));
    size_t at = (size_t)(end - script->bytes.ptr) + 2;
    buffer_init(&whole, script->bytes.limit);
    buffer_append(&whole, script->bytes.ptr, at);
    buffer_append_slice(&whole, lines);
    buffer_append(&whole, script->bytes.ptr + at, script->bytes.len - at);
    buffer_free(&script->bytes);
    script->bytes = whole;
    for (unsigned i = 0; i < script->count; i++)
        script->pieces[i].end += lines.len;
}

static void many_headers(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    struct buffer lines;
    buffer_init(&lines, 4 * 1024 * 1024);
    for (unsigned i = 0; i < MANY_HEADERS; i++)
        buffer_printf(&lines, "X-Header-%u: value\r\n", i);
    insert_headers(script, buffer_slice(&lines));
    buffer_free(&lines);
}

static void two_lengths(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, script->chunked ? LIT("Content-Length: 5\r\nContent-Length: 7\r\n") : LIT("Content-Length: 5\r\n"));
}

static void compressed(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("Content-Encoding: gzip\r\n"));
}

/* What a chunk's size line can get wrong; behind three events, or as the whole answer. */
static void bad_chunk(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    static const struct slice chunks[] = {
        LIT("zz\r\n{\"id\":\"x\"}\r\n"),   LIT("-5\r\nhello\r\n"),         LIT("0x5\r\nhello\r\n"),
        LIT("FFFFFFFFFFFFFFFFF\r\nhello"), LIT("5\r\nhello and more\r\n"), LIT("5\nhello\n"),
    };
    (void)call;
    if (!script->chunked)
        mock_replace(script, LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"), 200,
                     MOCK_CLOSE);
    else
        mock_keep_pieces(script, mock_with_events(script, 3), MOCK_CLOSE);
    buffer_append_slice(&script->bytes, chunks[number >= 0 && number < 6 ? number : 0]);
    mock_script_piece(script);
}

/* A good answer, and then bytes that were not asked for on the idle connection. */
static void stray(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    buffer_append_lit(&script->bytes,
                      "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{\"evil\":\"EVIL!\"}");
    mock_script_piece(script)->wait_ms = 1;
}

static void interim(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    const struct slice hints = LIT("HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
    struct buffer whole;
    buffer_init(&whole, script->bytes.limit);
    buffer_append_slice(&whole, hints);
    buffer_append_slice(&whole, buffer_slice(&script->bytes));
    buffer_free(&script->bytes);
    script->bytes = whole;
    for (unsigned i = 0; i < script->count; i++)
        script->pieces[i].end += hints.len;
}

/* It hears us, and says no more than that. */
static void interim_cut(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    mock_replace(script, LIT("HTTP/1.1 103 Early Hints\r\n\r\n"), 0, MOCK_CLOSE);
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

/* Lasts until its connection is closed; behind `number` events, or the half of a body, where that is given. */
static void close_delimited(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call;
    if (number > 0)
        mock_keep_pieces(script, mock_with_events(script, number), MOCK_CLOSE);
    reframe(script, "Connection: close\r\n", MOCK_CLOSE);
}

/* Promises more than it sends. */
static void short_length(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    char line[64];
    (void)call;
    if (number > 0)
        mock_keep_pieces(script, mock_with_events(script, number), MOCK_CLOSE);
    snprintf(line, sizeof line, "Content-Length: %zu\r\n", count_text(script) + 100);
    reframe(script, line, MOCK_CLOSE);
}

/* Everything is said, but that it is the end. */
static void no_last_chunk(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
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

static void negative_length(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    reframe(script, "Content-Length: -5\r\n", MOCK_CLOSE);
}

/* A number that some read as one. */
static void odd_length(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    char line[64];
    (void)call, (void)number;
    snprintf(line, sizeof line, "Content-Length: %zux\r\n", count_text(script));
    reframe(script, line, MOCK_CLOSE);
}

static void same_lengths(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    char lines[128];
    size_t len = count_text(script);
    (void)call, (void)number;
    snprintf(lines, sizeof lines, "Content-Length: %zu\r\nContent-Length: %zu\r\n", len, len);
    reframe(script, lines, MOCK_CLOSE);
}

static void length_and_chunks(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, script->chunked ? LIT("Content-Length: 5\r\n") : LIT("Transfer-Encoding: chunked\r\n"));
}

/* ---------------------------------------------------------------- lines of a head that are none */

static void nul_header(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("X-Odd: a\0b\r\n"));
}

static void no_colon(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("X-Odd\r\n"));
}

static void blank_colon(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("X-Odd : a\r\n"));
}

static void folded(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("X-Odd: a\r\n b\r\n"));
}

static void bare_lf(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    insert_headers(script, LIT("X-Odd: a\n"));
}

/* One line of `number` KB. */
static void long_header(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call;
    struct buffer line;
    buffer_init(&line, 4 * 1024 * 1024);
    buffer_append_lit(&line, "X-Long: ");
    for (int64_t i = 0; i < number * 64 && i < 64 * 1024; i++)
        buffer_append_lit(&line, "aaaaaaaaaaaaaaaa");
    buffer_append_lit(&line, "\r\n");
    insert_headers(script, buffer_slice(&line));
    buffer_free(&line);
}

/* ---------------------------------------------------------------- pieces */

/* The first `number` bytes, and the end. */
static void cut_bytes(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    unsigned last = 0;
    (void)call;
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
static void split(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    mock_split(script, (int64_t)(call->number % script->bytes.len));
}

/* Each byte its own segment. */
static void bytes_apart(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    struct mock_piece *pieces = xcalloc(script->bytes.len, sizeof *pieces);
    unsigned old = 0;
    (void)call, (void)number;
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
static void excess(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    buffer_append_lit(&script->bytes, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nEVIL!");
    script->pieces[script->count - 1].end = script->bytes.len;
}

/* The answer promised to keep its connection, and does not. */
static void close_idle(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
    script->end = MOCK_LEAVE;
}

/* ---------------------------------------------------------------- the table */

const struct mock_fault mock_faults_of_framing[] = {
    {"garbage", garbage, false},
    {"endless-header", endless_header, false},
    {"endless-interim", endless_interim, false},
    {"endless-stream", endless_stream, false},
    {"many-headers", many_headers, false},
    {"two-content-lengths", two_lengths, false},
    {"compressed", compressed, false},
    {"bad-chunk", bad_chunk, false},
    {"stray", stray, false},
    {"interim", interim, false},
    {"interim-cut", interim_cut, false},
    {"close-delimited", close_delimited, false},
    {"short-length", short_length, false},
    {"no-last-chunk", no_last_chunk, false},
    {"negative-length", negative_length, false},
    {"odd-length", odd_length, false},
    {"same-lengths", same_lengths, false},
    {"length-and-chunks", length_and_chunks, false},
    {"nul-header", nul_header, false},
    {"no-colon", no_colon, false},
    {"blank-colon", blank_colon, false},
    {"folded-header", folded, false},
    {"bare-lf", bare_lf, false},
    {"long-header", long_header, false},
    {"cut-bytes", cut_bytes, false},
    {"split", split, false},
    {"bytes-apart", bytes_apart, false},
    {"excess", excess, false},
    {"close-idle", close_idle, false},
    {NULL, NULL, false},
};
