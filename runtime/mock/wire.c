/* wire.c -- the mock provider's two dialects, laid out as scripts: OpenAI chat completions and Anthropic messages, whole and streamed.
 *
 * Shapes and order of events: the wire pack's openai-compatible.md, anthropic.md section 4 and errors.md section 1.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <stdlib.h>

enum { SCRIPT_MAX = 160 * 1024 * 1024 };

/* ---------------------------------------------------------------- scripts */

void mock_script_init(struct mock_script *script)
{
    memset(script, 0, sizeof *script);
    buffer_init(&script->bytes, SCRIPT_MAX);
    buffer_init(&script->scratch, SCRIPT_MAX);
}

void mock_script_free(struct mock_script *script)
{
    buffer_free(&script->bytes);
    buffer_free(&script->scratch);
    free(script->pieces);
    script->pieces = NULL;
    script->count = script->cap = 0;
}

void mock_script_clear(struct mock_script *script)
{
    buffer_clear(&script->bytes);
    buffer_clear(&script->scratch);
    script->count = 0;
    script->status = 0;
    script->end = MOCK_KEEP;
    script->chunked = false;
}

struct mock_piece *mock_script_piece(struct mock_script *script)
{
    if (script->count == script->cap) {
        script->cap = script->cap == 0 ? 16 : script->cap * 2;
        script->pieces = xrealloc(script->pieces, script->cap * sizeof *script->pieces);
    }
    struct mock_piece *piece = &script->pieces[script->count++];
    *piece = (struct mock_piece){.end = script->bytes.len};
    return piece;
}

/* The line that closes a connection, or none. */
static const char *connection_line(const struct mock_script *script)
{
    return script->close ? "Connection: close\r\n" : "";
}

void mock_script_begin_stream(struct mock_script *script)
{
    script->status = 200;
    script->chunked = true;
    buffer_printf(&script->bytes,
                  "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n%s"
                  "Transfer-Encoding: chunked\r\n\r\n",
                  connection_line(script));
    mock_script_piece(script);
}

struct mock_piece *mock_script_event(struct mock_script *script)
{
    buffer_printf(&script->bytes, "%zx\r\n", script->scratch.len);
    buffer_append_slice(&script->bytes, buffer_slice(&script->scratch));
    buffer_append_lit(&script->bytes, "\r\n");
    buffer_clear(&script->scratch);
    struct mock_piece *piece = mock_script_piece(script);
    piece->event = true;
    return piece;
}

void mock_script_end_stream(struct mock_script *script)
{
    buffer_append_lit(&script->bytes, "0\r\n\r\n");
    mock_script_piece(script);
}

static const char *reason_of(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {413, "Content Too Large"},
                   {422, "Unprocessable Content"},
                   {429, "Too Many Requests"},
                   {500, "Internal Server Error"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}

void mock_script_whole(struct mock_script *script, int status, const char *headers, unsigned tokens)
{
    struct slice body = buffer_slice(&script->scratch);
    size_t half = body.len / 2;
    script->status = status;
    buffer_printf(&script->bytes, "HTTP/1.1 %d %s\r\n%s%sContent-Length: %zu\r\n\r\n", status, reason_of(status), headers,
                  connection_line(script), body.len);
    mock_script_piece(script);
    buffer_append(&script->bytes, body.ptr, half);
    mock_script_piece(script);
    buffer_append(&script->bytes, body.ptr + half, body.len - half);
    mock_script_piece(script)->tokens = tokens;
    buffer_clear(&script->scratch);
}

/* ---------------------------------------------------------------- text by words */

/* The next word with the blanks before it: a model's tokens look like that. */
static bool next_word(struct slice *rest, struct slice *word)
{
    size_t at = 0;
    while (at < rest->len && rest->ptr[at] == ' ')
        at++;
    while (at < rest->len && rest->ptr[at] != ' ')
        at++;
    *word = (struct slice){rest->ptr, at};
    rest->ptr += at;
    rest->len -= at;
    return at > 0;
}

/* With `text` as a JSON string between the two. */
static void append_text(struct buffer *out, const char *before, struct slice text, const char *after)
{
    buffer_append_slice(out, slice_of(before));
    json_append_string(out, text);
    buffer_append_slice(out, slice_of(after));
}

static void append_huge(struct buffer *out, size_t bytes)
{
    buffer_append_byte(out, '"');
    memset(buffer_reserve(out, bytes), 'x', bytes);
    out->len += bytes;
    buffer_append_byte(out, '"');
}

static void mark_content(struct mock_piece *piece, int64_t tokens)
{
    piece->content = true;
    piece->tokens = (unsigned)tokens;
}

/* ---------------------------------------------------------------- OpenAI */

static void openai_head(const struct mock_call *call, struct slice object, struct buffer *out)
{
    buffer_write(out, "{\"id\":\"chatcmpl-mock%\",\"object\":\"%\",\"created\":%,", DIGITS((int64_t)call->number), object,
                 DIGITS(call->created));
    append_text(out, "\"model\":", slice_of(call->model), "");
}

static void openai_usage(const struct mock_call *call, const struct mock_reply *reply, struct buffer *out)
{
    int64_t input = call->words, output = reply->words * call->n;
    buffer_write(out,
                 ",\"usage\":{\"prompt_tokens\":%,\"completion_tokens\":%,\"total_tokens\":%,"
                 "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
                 DIGITS(input), DIGITS(output), DIGITS(input + output));
}

/* Behind the brace and, in a stream, the index. */
static void openai_tool(const struct mock_call *call, const struct mock_reply *reply, unsigned i, struct slice arguments,
                        struct buffer *out)
{
    buffer_write(out, "\"id\":\"call_mock%%\",\"type\":\"function\",\"function\":{\"name\":\"%\"", DIGITS((int64_t)call->number), DIGITS(i),
                 reply->tools[i].name);
    append_text(out, ",\"arguments\":", arguments, "}}");
}

static void openai_choice(const struct mock_call *call, const struct mock_reply *reply, struct buffer *out)
{
    for (unsigned i = 0; i < reply->tool_count; i++) {
        buffer_append_slice(out, i == 0 ? LIT("null,\"tool_calls\":[{") : LIT(",{"));
        openai_tool(call, reply, i, buffer_slice(&reply->tools[i].arguments), out);
    }
    if (reply->tool_count > 0)
        buffer_append_byte(out, ']');
    else
        json_append_string(out, buffer_slice(&reply->text));
    buffer_write(out, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"%\"}", slice_of(reply->finish));
}

static void openai_whole(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct buffer *out = &script->scratch;
    openai_head(call, LIT("chat.completion"), out);
    for (unsigned choice = 0; choice < call->n; choice++) {
        buffer_append_slice(out, choice == 0 ? LIT(",\"choices\":[") : LIT(","));
        buffer_write(out, "{\"index\":%,\"message\":{\"role\":\"assistant\",\"content\":", DIGITS(choice));
        openai_choice(call, reply, out);
    }
    buffer_append_byte(out, ']');
    if (!reply->no_usage)
        openai_usage(call, reply, out);
    buffer_append_lit(out, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\"}");
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", (unsigned)(reply->words * call->n));
}

static void begin_chunk(const struct mock_call *call, struct buffer *out)
{
    buffer_append_lit(out, "data: ");
    openai_head(call, LIT("chat.completion.chunk"), out);
    buffer_append_lit(out, ",\"system_fingerprint\":\"fp_mock\",\"choices\":[");
}

/* A chunk of one choice, up to what stands in the braces of its delta. */
static struct buffer *begin_delta(const struct mock_call *call, unsigned choice, struct mock_script *script)
{
    begin_chunk(call, &script->scratch);
    buffer_write(&script->scratch, "{\"index\":%,\"delta\":{", DIGITS(choice));
    return &script->scratch;
}

/* `finish`: NULL where there is none yet. */
static struct mock_piece *end_delta(const struct mock_call *call, const char *finish, struct mock_script *script)
{
    buffer_write(&script->scratch,
                 finish == NULL ? "},\"logprobs\":null,\"finish_reason\":null}]" : "},\"logprobs\":null,\"finish_reason\":\"%\"}]",
                 slice_of(finish));
    buffer_append_slice(&script->scratch, call->include_usage ? LIT(",\"usage\":null}\n\n") : LIT("}\n\n"));
    return mock_script_event(script);
}

/* A call's beginning, and its arguments in two pieces. */
static void openai_stream_tool(const struct mock_call *call, const struct mock_reply *reply, unsigned choice, unsigned i,
                               struct mock_script *script)
{
    struct slice arguments = buffer_slice(&reply->tools[i].arguments);
    size_t cut = arguments.len / 2;
    while (cut > 0 && ((unsigned char)arguments.ptr[cut] & 0xC0) == 0x80)
        cut--;
    const struct slice halves[] = {{arguments.ptr, cut}, {arguments.ptr + cut, arguments.len - cut}};
    struct buffer *out = begin_delta(call, choice, script);
    buffer_write(out, "\"tool_calls\":[{\"index\":%,", DIGITS(i));
    openai_tool(call, reply, i, SLICE_NONE, out);
    buffer_append_byte(out, ']');
    mark_content(end_delta(call, NULL, script), 0);
    for (unsigned half = 0; half < 2; half++) {
        buffer_write(begin_delta(call, choice, script), "\"tool_calls\":[{\"index\":%", DIGITS(i));
        append_text(out, ",\"function\":{\"arguments\":", halves[half], "}}]");
        mark_content(end_delta(call, NULL, script), half == 0 ? 0 : 1 + mock_count_words(arguments));
    }
}

static void openai_stream_text(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct slice rest = buffer_slice(&reply->text), word;
    while (next_word(&rest, &word))
        for (unsigned choice = 0; choice < call->n; choice++) {
            append_text(begin_delta(call, choice, script), "\"content\":", word, "");
            mark_content(end_delta(call, NULL, script), mock_count_words(word));
        }
    if (reply->huge_bytes > 0) {
        buffer_append_lit(begin_delta(call, 0, script), "\"content\":");
        append_huge(&script->scratch, reply->huge_bytes);
        mark_content(end_delta(call, NULL, script), 0);
    }
}

static void openai_stream(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct slice content = reply->tool_count > 0 ? LIT("null") : LIT("\"\"");
    mock_script_begin_stream(script);
    for (unsigned choice = 0; choice < call->n; choice++) {
        buffer_write(begin_delta(call, choice, script), "\"role\":\"assistant\",\"content\":%", content);
        end_delta(call, NULL, script);
    }
    for (unsigned i = 0; i < call->n * reply->tool_count; i++)
        openai_stream_tool(call, reply, i / reply->tool_count, i % reply->tool_count, script);
    openai_stream_text(call, reply, script);
    for (unsigned choice = 0; choice < call->n; choice++) {
        begin_delta(call, choice, script);
        end_delta(call, reply->finish, script);
    }
    if (call->include_usage && !reply->no_usage) {
        begin_chunk(call, &script->scratch);
        buffer_append_byte(&script->scratch, ']');
        openai_usage(call, reply, &script->scratch);
        buffer_append_lit(&script->scratch, "}\n\n");
        mock_script_event(script);
    }
    buffer_append_lit(&script->scratch, "data: [DONE]\n\n");
    mock_script_event(script)->marker = true;
    mock_script_end_stream(script);
}

/* ---------------------------------------------------------------- Anthropic */

static const char *anthropic_stop(const struct mock_reply *reply)
{
    if (reply->stopped_by.len > 0)
        return "stop_sequence";
    return reply->finish[0] == 'l' ? "max_tokens" : reply->finish[0] == 't' ? "tool_use" : "end_turn";
}

static void stop_members(const struct mock_reply *reply, struct buffer *out)
{
    buffer_write(out, "\"stop_reason\":\"%\",\"stop_sequence\":", slice_of(anthropic_stop(reply)));
    if (reply->stopped_by.len > 0)
        json_append_string(out, reply->stopped_by);
    else
        buffer_append_lit(out, "null");
}

static void anthropic_head(const struct mock_call *call, struct buffer *out)
{
    buffer_write(out, "{\"id\":\"msg_mock%\",\"type\":\"message\",\"role\":\"assistant\"", DIGITS((int64_t)call->number));
    append_text(out, ",\"model\":", slice_of(call->model), ",\"content\":[");
}

static void tool_use(const struct mock_call *call, const struct mock_reply *reply, unsigned i, struct slice input, struct buffer *out)
{
    buffer_write(out, "{\"type\":\"tool_use\",\"id\":\"toolu_mock%%\",\"name\":\"%\",\"input\":%}", DIGITS((int64_t)call->number),
                 DIGITS(i), reply->tools[i].name, input);
}

static void anthropic_usage(const struct mock_call *call, const struct mock_reply *reply, int64_t output, struct buffer *out)
{
    if (!reply->no_usage)
        buffer_write(out,
                     ",\"usage\":{\"input_tokens\":%,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":%}",
                     DIGITS(call->words), DIGITS(output));
}

static void anthropic_whole(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct buffer *out = &script->scratch;
    bool first = true;
    anthropic_head(call, out);
    for (unsigned i = 0; i < reply->tool_count; i++) {
        json_append_comma(out, &first);
        tool_use(call, reply, i, buffer_slice(&reply->tools[i].arguments), out);
    }
    if (reply->tool_count == 0 && reply->text.len > 0)
        append_text(out, "{\"type\":\"text\",\"text\":", buffer_slice(&reply->text), "}");
    buffer_append_lit(out, "],");
    stop_members(reply, out);
    anthropic_usage(call, reply, reply->words, out);
    buffer_append_byte(out, '}');
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", (unsigned)reply->words);
}

/* An event's object, up to what follows its type. */
static struct buffer *begin_event(struct mock_script *script, struct slice name)
{
    buffer_write(&script->scratch, "event: %\ndata: {\"type\":\"%\"", name, name);
    return &script->scratch;
}

static struct mock_piece *end_event(struct mock_script *script)
{
    buffer_append_lit(&script->scratch, "}\n\n");
    return mock_script_event(script);
}

static struct buffer *begin_indexed(struct mock_script *script, struct slice name, unsigned index)
{
    buffer_write(begin_event(script, name), ",\"index\":%", DIGITS(index));
    return &script->scratch;
}

static void stream_piece(struct mock_script *script, unsigned index, const char *before, struct slice text, int64_t tokens)
{
    append_text(begin_indexed(script, LIT("content_block_delta"), index), before, text, "}");
    mark_content(end_event(script), tokens);
}

static void anthropic_stream_text(const struct mock_reply *reply, struct mock_script *script)
{
    static const char text_delta[] = ",\"delta\":{\"type\":\"text_delta\",\"text\":";
    struct slice rest = buffer_slice(&reply->text), word;
    buffer_append_lit(begin_indexed(script, LIT("content_block_start"), 0), ",\"content_block\":{\"type\":\"text\",\"text\":\"\"}");
    end_event(script);
    begin_event(script, LIT("ping"));
    end_event(script);
    while (next_word(&rest, &word))
        stream_piece(script, 0, text_delta, word, mock_count_words(word));
    if (reply->huge_bytes > 0) {
        buffer_append_slice(begin_indexed(script, LIT("content_block_delta"), 0), slice_of(text_delta));
        append_huge(&script->scratch, reply->huge_bytes);
        buffer_append_byte(&script->scratch, '}');
        mark_content(end_event(script), 1);
    }
}

static void anthropic_stream_tool(const struct mock_call *call, const struct mock_reply *reply, unsigned i, struct mock_script *script)
{
    struct slice arguments = buffer_slice(&reply->tools[i].arguments);
    struct buffer *out = begin_indexed(script, LIT("content_block_start"), i);
    buffer_append_lit(out, ",\"content_block\":");
    tool_use(call, reply, i, LIT("{}"), out);
    mark_content(end_event(script), 0);
    stream_piece(script, i, ",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":", arguments, 1 + mock_count_words(arguments));
}

static void anthropic_stream(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    mock_script_begin_stream(script);
    struct buffer *out = begin_event(script, LIT("message_start"));
    buffer_append_lit(out, ",\"message\":");
    anthropic_head(call, out);
    buffer_append_lit(out, "],\"stop_reason\":null,\"stop_sequence\":null");
    anthropic_usage(call, reply, 1, out);
    buffer_append_byte(out, '}');
    end_event(script);
    for (unsigned i = 0; i < reply->tool_count || i == 0; i++) {
        if (reply->tool_count > 0)
            anthropic_stream_tool(call, reply, i, script);
        else
            anthropic_stream_text(reply, script);
        begin_indexed(script, LIT("content_block_stop"), i);
        end_event(script);
    }
    buffer_append_lit(begin_event(script, LIT("message_delta")), ",\"delta\":{");
    stop_members(reply, out);
    buffer_append_byte(out, '}');
    if (!reply->no_usage)
        buffer_write(out, ",\"usage\":{\"output_tokens\":%}", DIGITS(reply->words));
    end_event(script);
    begin_event(script, LIT("message_stop"));
    end_event(script)->marker = true;
    mock_script_end_stream(script);
}

void mock_wire_answer(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    static void (*const forms[2][2])(const struct mock_call *, const struct mock_reply *, struct mock_script *) = {
        [MOCK_OPENAI] = {openai_whole, openai_stream}, [MOCK_ANTHROPIC] = {anthropic_whole, anthropic_stream}};
    forms[call->dialect][call->stream](call, reply, script);
}

/* ---------------------------------------------------------------- errors and models */

struct status_row {
    int status;
    const char *openai_type, *openai_code, *anthropic_type;
};

static const struct status_row *status_row(int status)
{
    static const struct status_row rows[] = {{400, "invalid_request_error", NULL, "invalid_request_error"},
                                             {401, "invalid_request_error", "invalid_api_key", "authentication_error"},
                                             {402, "insufficient_quota", "insufficient_quota", "billing_error"},
                                             {403, "permission_error", NULL, "permission_error"},
                                             {404, "invalid_request_error", "model_not_found", "not_found_error"},
                                             {408, "timeout_error", NULL, "timeout_error"},
                                             {413, "invalid_request_error", "request_too_large", "request_too_large"},
                                             {422, "invalid_request_error", NULL, "invalid_request_error"},
                                             {429, "requests", "rate_limit_exceeded", "rate_limit_error"},
                                             {504, "timeout_error", NULL, "timeout_error"},
                                             {529, "server_error", "overloaded", "overloaded_error"},
                                             {0, "server_error", NULL, "api_error"}};
    const struct status_row *row = rows;
    while (row->status != status && row->status != 0)
        row++;
    return row;
}

void mock_wire_error_body(const struct mock_call *call, int status, const char *code, struct slice message, struct buffer *out)
{
    const struct status_row *row = status_row(status);
    if (call->dialect == MOCK_ANTHROPIC) {
        buffer_write(out, "{\"type\":\"error\",\"error\":{\"type\":\"%\"", slice_of(row->anthropic_type));
        append_text(out, ",\"message\":", message, "}");
        return buffer_write(out, ",\"request_id\":\"req_mock%\"}", DIGITS((int64_t)call->number));
    }
    code = code == NULL ? row->openai_code : code;
    append_text(out, "{\"error\":{\"message\":", message, "");
    buffer_write(out, code == NULL ? ",\"type\":\"%\",\"param\":null,\"code\":null}}" : ",\"type\":\"%\",\"param\":null,\"code\":\"%\"}}",
                 slice_of(row->openai_type), slice_of(code));
}

void mock_wire_error(const struct mock_call *call, int status, const char *code, struct slice message, const char *headers,
                     struct mock_script *script)
{
    struct buffer lines;
    buffer_init(&lines, 4096);
    buffer_printf(&lines, "Content-Type: application/json\r\n%s%c", headers, 0);
    mock_wire_error_body(call, status, code, message, &script->scratch);
    mock_script_whole(script, status, lines.ptr, 0);
    buffer_free(&lines);
}

void mock_wire_models(struct buffer *out)
{
    static const char *const names[] = {"hello", "tools", "parallel-tools", "slow-250", "events-100", "gap-20"};
    buffer_append_lit(out, "{\"object\":\"list\",\"data\":[");
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        buffer_printf(out, "%s{\"id\":\"%s\",\"object\":\"model\",\"created\":1700000000,\"owned_by\":\"mock\"}", i == 0 ? "" : ",",
                      names[i]);
    buffer_append_lit(out, "]}");
}
