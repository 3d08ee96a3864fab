/* fault_stream.c -- faults of the mock provider inside its streams: every form that server-sent events may have (WHATWG HTML 9.2), and what is
 * none. Of an answer that is not streamed they change nothing, unless they say so.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { ENDLESS_BYTES = 64 * 1024 };

/* ---------------------------------------------------------------- the same events in other words */

/* Tells every event anew: `tell` is given its text and its number from 0. */
static void retell(struct mock_script *script, void (*tell)(struct slice event, unsigned number, bool last, struct buffer *out))
{
    struct mock_script anew;
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
        tell(mock_piece_text(script, i), number, number + 1 == total, &anew.scratch);
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

static void tell_cr(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number, (void)last;
    end_lines(event, "\r", "\r", out);
}

static void tell_crlf(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number, (void)last;
    end_lines(event, "\r\n", "\r\n", out);
}

static void tell_mixed(struct slice event, unsigned number, bool last, struct buffer *out)
{
    static const char *const ends[][2] = {{"\n", "\n"},   {"\r", "\r"},   {"\r\n", "\n"}, {"\n", "\r\n"},
                                          {"\r", "\r\n"}, {"\r\n", "\r"}, {"\n", "\r"}};
    (void)last;
    end_lines(event, ends[number % 7][0], ends[number % 7][1], out);
}

static void tell_comments(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number, (void)last;
    buffer_append_lit(out, ": keep-alive\n\n:\n:data: {\"error\":\"a comment\"}\n");
    buffer_append_slice(out, event);
}

static void tell_fields(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)last;
    buffer_printf(out, "event: message\nid: %u\nretry: 10000\ndata-of-another: x\n", number);
    buffer_append_slice(out, event);
}

/* JSON may be broken between its members; what is none stays whole. */
static void tell_lines(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number, (void)last;
    const char *at = slice_find(event, LIT(",\""));
    size_t cut = at == NULL ? 0 : (size_t)(at - event.ptr) + 1;
    buffer_append(out, event.ptr, cut);
    if (cut > 0)
        buffer_append_lit(out, "\ndata: ");
    buffer_append(out, event.ptr + cut, event.len - cut);
}

static void tell_bom(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)last;
    if (number == 0)
        buffer_append_lit(out, "\xef\xbb\xbf");
    buffer_append_slice(out, event);
}

/* Without the blank behind the colon. */
static void tell_tight(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number, (void)last;
    for (size_t i = 0; i < event.len; i++)
        if (event.ptr[i] != ' ' || i == 0 || event.ptr[i - 1] != ':' || (i > 1 && event.ptr[i - 2] == '"'))
            buffer_append_byte(out, event.ptr[i]);
}

static void tell_unended(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number;
    buffer_append(out, event.ptr, event.len - last);
}

static void tell_unended_line(struct slice event, unsigned number, bool last, struct buffer *out)
{
    (void)number;
    buffer_append(out, event.ptr, event.len - (last ? 2 : 0));
}

#define FORM(id)                                                                                                                           \
    static void sse_##id(const struct mock_call *call, struct mock_script *script, int64_t number)                                         \
    {                                                                                                                                      \
        (void)call, (void)number;                                                                                                          \
        retell(script, tell_##id);                                                                                                         \
    }
FORM(cr)
FORM(crlf)
FORM(mixed)
FORM(comments)
FORM(fields)
FORM(lines)
FORM(bom)
FORM(tight)
FORM(unended)
FORM(unended_line)
#undef FORM

static void split_crlf(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    retell(script, tell_crlf);
    mock_split(script, (int64_t)(call->number % script->bytes.len));
}

/* ---------------------------------------------------------------- events that are none */

/* Behind three events, and then the stream ends as if all were well; `done`: with its marker. */
static void say(const struct mock_call *call, struct mock_script *script, struct slice text, bool done)
{
    if (script->chunked)
        mock_keep_pieces(script, mock_with_events(script, call->dialect == MOCK_ANTHROPIC ? 5 : 3), MOCK_KEEP);
    else
        mock_script_clear(script);
    if (!script->chunked) {
        buffer_append_slice(&script->scratch, text);
        mock_script_whole(script, 200, "Content-Type: text/event-stream\r\n", 0);
        return;
    }
    buffer_append_slice(&script->scratch, text);
    mock_script_event(script);
    if (done && call->dialect == MOCK_OPENAI) {
        buffer_append_lit(&script->scratch, "data: [DONE]\n\n");
        mock_script_event(script);
    }
    mock_script_end_stream(script);
}

static void html_event(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    say(call, script, LIT("<html><body>\n<h1>Bad Gateway</h1><script>alert(1)</script>\n</body></html>\n\n"), false);
}

static void html_data(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    say(call, script, LIT("data: <html><h1>Bad Gateway</h1><script>alert(1)</script></html>\n\n"), true);
}

/* An error with a name of its own, as some send it, and the marker behind it all the same. */
static void named_error(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    say(call, script, LIT("event: error\ndata: {\"error\":{\"message\":\"It broke.\",\"type\":\"server_error\",\"code\":500}}\n\n"), true);
}

/* COMPAT(openrouter, 2026-01): an error and a finish in one chunk. */
static void finish_error(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)number;
    say(call, script,
        LIT("data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"error\":{\"code\":502,\"message\":\"It broke.\"},"
            "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n"),
        true);
}

/* A line without an end, 64 KB a chunk. */
static void endless_line(const struct mock_call *call, struct mock_script *script, int64_t number)
{
    (void)call, (void)number;
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
    {"sse-crlf", sse_crlf, false},
    {"sse-cr", sse_cr, false},
    {"sse-mixed", sse_mixed, false},
    {"sse-comments", sse_comments, false},
    {"sse-fields", sse_fields, false},
    {"sse-lines", sse_lines, false},
    {"sse-bom", sse_bom, false},
    {"sse-tight", sse_tight, false},
    {"sse-unended-line", sse_unended_line, false},
    {"sse-unended", sse_unended, false},
    {"split-crlf", split_crlf, false},
    {"html-event", html_event, false},
    {"html-data", html_data, false},
    {"named-error", named_error, false},
    {"finish-error", finish_error, false},
    {"endless-line", endless_line, false},
    {NULL, NULL, false},
};
