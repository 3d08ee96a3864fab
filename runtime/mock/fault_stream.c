/* fault_stream.c -- faults of the mock provider inside its streams: every form that server-sent events may have (WHATWG HTML 9.2), and what is
 * none. Of an answer that is not streamed they change nothing, unless they say so.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { ENDLESS_BYTES = 64 * 1024 };

/* ---------------------------------------------------------------- the same events in other words */

static void rewrite(const struct mock_case *c)
{
    struct mock_script *script = c->script, anew;
    unsigned number = 0, total = 0;
    if (!script->chunked)
        return;
    for (unsigned i = 0; i < script->count; i++)
        total += script->pieces[i].event;
    mock_script_init(&anew);
    anew.close = script->close;
    mock_script_begin_stream(&anew);
    for (unsigned i = 1; i < script->count; i++) {
        struct mock_piece old = script->pieces[i];
        if (!old.event)
            continue;
        struct mock_event event = {mock_piece_text(script, i), number, number + 1 == total};
        c->fault->rewrite(&event, &anew.scratch);
        number++;
        struct mock_piece *piece = mock_script_event(&anew);
        piece->tokens = old.tokens;
        piece->content = old.content;
        piece->marker = old.marker;
    }
    mock_script_end_stream(&anew);
    mock_script_free(script);
    *script = anew;
}

/* `text` with other ends to its lines; the blank line has an end of its own. */
static void end_lines(struct slice text, const char *end, const char *blank, struct buffer *out)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '\n')
            buffer_append_byte(out, text.ptr[i]);
        else
            buffer_append_slice(out, slice_of(i > 0 && text.ptr[i - 1] == '\n' ? blank : end));
    }
}

static void write_cr(const struct mock_event *event, struct buffer *out)
{
    end_lines(event->text, "\r", "\r", out);
}

static void write_crlf(const struct mock_event *event, struct buffer *out)
{
    end_lines(event->text, "\r\n", "\r\n", out);
}

static void write_mixed(const struct mock_event *event, struct buffer *out)
{
    static const char *const ends[][2] = {{"\n", "\n"},   {"\r", "\r"},   {"\r\n", "\n"}, {"\n", "\r\n"},
                                          {"\r", "\r\n"}, {"\r\n", "\r"}, {"\n", "\r"}};
    end_lines(event->text, ends[event->number % 7][0], ends[event->number % 7][1], out);
}

static void write_comments(const struct mock_event *event, struct buffer *out)
{
    buffer_append_lit(out, ": keep-alive\n\n:\n:data: {\"error\":\"a comment\"}\n");
    buffer_append_slice(out, event->text);
}

static void write_fields(const struct mock_event *event, struct buffer *out)
{
    buffer_printf(out, "event: message\nid: %u\nretry: 10000\ndata-of-another: x\n", event->number);
    buffer_append_slice(out, event->text);
}

/* JSON may be broken between its members; what is none stays whole. */
static void write_lines(const struct mock_event *event, struct buffer *out)
{
    struct slice text = event->text;
    const char *at = slice_find(text, LIT(",\""));
    size_t cut = at == NULL ? 0 : (size_t)(at - text.ptr) + 1;
    buffer_append(out, text.ptr, cut);
    if (cut > 0)
        buffer_append_lit(out, "\ndata: ");
    buffer_append(out, text.ptr + cut, text.len - cut);
}

static void write_bom(const struct mock_event *event, struct buffer *out)
{
    if (event->number == 0)
        buffer_append_lit(out, "\xef\xbb\xbf");
    buffer_append_slice(out, event->text);
}

/* Without the blank behind the colon. */
static void write_tight(const struct mock_event *event, struct buffer *out)
{
    struct slice text = event->text;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != ' ' || i == 0 || text.ptr[i - 1] != ':' || (i > 1 && text.ptr[i - 2] == '"'))
            buffer_append_byte(out, text.ptr[i]);
}

static void write_unended(const struct mock_event *event, struct buffer *out)
{
    buffer_append(out, event->text.ptr, event->text.len - event->is_last);
}

static void write_unended_line(const struct mock_event *event, struct buffer *out)
{
    buffer_append(out, event->text.ptr, event->text.len - (event->is_last ? 2 : 0));
}

static void split_crlf(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    rewrite(c);
    mock_split(script, (int64_t)(c->call->number % script->bytes.len));
}

/* ---------------------------------------------------------------- events that are none */

/* The row's text behind three events, and then the stream ends as if all were well. */
static void say(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (!script->chunked) {
        mock_script_clear(script);
        buffer_append_slice(&script->scratch, c->fault->text);
        mock_script_whole(script, 200, "Content-Type: text/event-stream\r\n", 0);
        return;
    }
    mock_keep_pieces(script, mock_with_events(script, c->call->dialect == MOCK_ANTHROPIC ? 5 : 3), MOCK_KEEP);
    buffer_append_slice(&script->scratch, c->fault->text);
    mock_script_event(script);
    if (c->fault->marker && c->call->dialect == MOCK_OPENAI) {
        buffer_append_lit(&script->scratch, "data: [DONE]\n\n");
        mock_script_event(script);
    }
    mock_script_end_stream(script);
}

/* A line without an end, 64 KB a chunk. */
static void endless_line(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (script->chunked)
        mock_keep_pieces(script, mock_with_events(script, 3), MOCK_REPEAT);
    else
        mock_replace(script, LIT("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"), 200,
                     MOCK_REPEAT);
    buffer_append_lit(&script->scratch, "data: {\"x\":\"");
    mock_script_event(script);
    char *room = buffer_reserve(&script->scratch, ENDLESS_BYTES);
    memset(room, 'x', ENDLESS_BYTES);
    script->scratch.len += ENDLESS_BYTES;
    mock_script_event(script);
}

/* ---------------------------------------------------------------- the table */

const struct mock_fault mock_faults_of_streams[] = {
    {"sse-crlf", rewrite, .rewrite = write_crlf},
    {"sse-cr", rewrite, .rewrite = write_cr},
    {"sse-mixed", rewrite, .rewrite = write_mixed},
    {"sse-comments", rewrite, .rewrite = write_comments},
    {"sse-fields", rewrite, .rewrite = write_fields},
    {"sse-lines", rewrite, .rewrite = write_lines},
    {"sse-bom", rewrite, .rewrite = write_bom},
    {"sse-tight", rewrite, .rewrite = write_tight},
    {"sse-unended-line", rewrite, .rewrite = write_unended_line},
    {"sse-unended", rewrite, .rewrite = write_unended},
    {"split-crlf", split_crlf, .rewrite = write_crlf},
    {"html-event", say, .text = LIT("<html><body>\n<h1>Bad Gateway</h1><script>alert(1)</script>\n</body></html>\n\n")},
    {"html-data", say, .text = LIT("data: <html><h1>Bad Gateway</h1><script>alert(1)</script></html>\n\n"), .marker = true},
    /* An error with a name of its own, as some send it, and the marker behind it all the same. */
    {"named-error", say,
     .text = LIT("event: error\ndata: {\"error\":{\"message\":\"It broke.\",\"type\":\"server_error\",\"code\":500}}\n\n"), .marker = true},
    /* COMPAT(openrouter, 2026-01): an error and a finish in one chunk. */
    {"finish-error", say,
     .text = LIT("data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"error\":{\"code\":502,\"message\":\"It broke.\"},"
                 "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n"),
     .marker = true},
    {"endless-line", .apply = endless_line},
    {.name = NULL},
};
