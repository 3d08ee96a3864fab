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

static void model_member(const struct mock_call *call, struct buffer *out)
{
    buffer_append_lit(out, "\"model\":");
    json_append_string(out, slice_of(call->model));
}

/* ---------------------------------------------------------------- OpenAI */

static void openai_usage(const struct mock_call *call, const struct mock_reply *reply, struct buffer *out)
{
    long long input = call->words, output = reply->words * call->n;
    buffer_printf(out,
                  "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
                  "\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
                  input, output, input + output);
}

static void openai_tool(const struct mock_call *call, const struct mock_reply *reply, unsigned i, bool index, struct buffer *out)
{
    if (index)
        buffer_printf(out, "{\"index\":%u,", i);
    else
        buffer_append_byte(out, '{');
    buffer_printf(out, "\"id\":\"call_mock%llu%u\",\"type\":\"function\",\"function\":{\"name\":\"", (unsigned long long)call->number, i);
    buffer_append_slice(out, reply->tools[i].name);
    buffer_append_lit(out, "\",\"arguments\":");
    json_append_string(out, index ? SLICE_NONE : buffer_slice(&reply->tools[i].arguments));
    buffer_append_lit(out, "}}");
}

static void openai_whole(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct buffer *out = &script->scratch;
    buffer_printf(out, "{\"id\":\"chatcmpl-mock%llu\",\"object\":\"chat.completion\",\"created\":%lld,", (unsigned long long)call->number,
                  (long long)call->created);
    model_member(call, out);
    buffer_append_lit(out, ",\"choices\":[");
    for (unsigned choice = 0; choice < call->n; choice++) {
        buffer_printf(out, "%s{\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":", choice == 0 ? "" : ",", choice);
        if (reply->tool_count > 0) {
            buffer_append_lit(out, "null,\"tool_calls\":[");
            for (unsigned i = 0; i < reply->tool_count; i++) {
                if (i > 0)
                    buffer_append_byte(out, ',');
                openai_tool(call, reply, i, false, out);
            }
            buffer_append_byte(out, ']');
        } else {
            json_append_string(out, buffer_slice(&reply->text));
        }
        buffer_printf(out, ",\"refusal\":null,\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"%s\"}", reply->finish);
    }
    buffer_append_byte(out, ']');
    if (!reply->no_usage) {
        buffer_append_byte(out, ',');
        openai_usage(call, reply, out);
    }
    buffer_append_lit(out, ",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_mock\"}");
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", (unsigned)(reply->words * call->n));
}

static void openai_chunk_begin(const struct mock_call *call, struct buffer *out)
{
    buffer_printf(out, "data: {\"id\":\"chatcmpl-mock%llu\",\"object\":\"chat.completion.chunk\",\"created\":%lld,",
                  (unsigned long long)call->number, (long long)call->created);
    model_member(call, out);
    buffer_append_lit(out, ",\"system_fingerprint\":\"fp_mock\",\"choices\":[");
}

/* One chunk of one choice. `delta` is JSON. */
static struct mock_piece *openai_chunk(const struct mock_call *call, unsigned choice, const char *finish, struct slice delta,
                                       struct mock_script *script)
{
    struct buffer *out = &script->scratch;
    openai_chunk_begin(call, out);
    buffer_printf(out, "{\"index\":%u,\"delta\":", choice);
    buffer_append_slice(out, delta);
    if (finish == NULL)
        buffer_append_lit(out, ",\"logprobs\":null,\"finish_reason\":null}]");
    else
        buffer_printf(out, ",\"logprobs\":null,\"finish_reason\":\"%s\"}]", finish);
    buffer_append_slice(out, call->include_usage ? LIT(",\"usage\":null}\n\n") : LIT("}\n\n"));
    return mock_script_event(script);
}

static void openai_stream_tools(const struct mock_call *call, const struct mock_reply *reply, unsigned choice, struct mock_script *script)
{
    struct buffer delta;
    buffer_init(&delta, SCRIPT_MAX);
    for (unsigned i = 0; i < reply->tool_count; i++) {
        struct slice arguments = buffer_slice(&reply->tools[i].arguments);
        size_t cut = arguments.len / 2;
        while (cut > 0 && ((unsigned char)arguments.ptr[cut] & 0xC0) == 0x80)
            cut--;
        buffer_clear(&delta);
        buffer_append_lit(&delta, "{\"tool_calls\":[");
        openai_tool(call, reply, i, true, &delta);
        buffer_append_lit(&delta, "]}");
        openai_chunk(call, choice, NULL, buffer_slice(&delta), script)->content = true;
        for (unsigned half = 0; half < 2; half++) {
            buffer_clear(&delta);
            buffer_printf(&delta, "{\"tool_calls\":[{\"index\":%u,\"function\":{\"arguments\":", i);
            json_append_string(&delta,
                               half == 0 ? (struct slice){arguments.ptr, cut} : (struct slice){arguments.ptr + cut, arguments.len - cut});
            buffer_append_lit(&delta, "}}]}");
            openai_chunk(call, choice, NULL, buffer_slice(&delta), script)->content = true;
        }
        script->pieces[script->count - 1].tokens = 1 + (unsigned)mock_count_words(arguments);
    }
    buffer_free(&delta);
}

static void openai_stream_text(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct slice rest = buffer_slice(&reply->text), word;
    struct buffer delta;
    buffer_init(&delta, SCRIPT_MAX);
    while (next_word(&rest, &word)) {
        buffer_clear(&delta);
        buffer_append_lit(&delta, "{\"content\":");
        json_append_string(&delta, word);
        buffer_append_byte(&delta, '}');
        for (unsigned choice = 0; choice < call->n; choice++) {
            struct mock_piece *piece = openai_chunk(call, choice, NULL, buffer_slice(&delta), script);
            piece->content = true;
            piece->tokens = (unsigned)mock_count_words(word);
        }
    }
    if (reply->huge_bytes > 0) {
        buffer_clear(&delta);
        buffer_append_lit(&delta, "{\"content\":\"");
        memset(buffer_reserve(&delta, reply->huge_bytes), 'x', reply->huge_bytes);
        delta.len += reply->huge_bytes;
        buffer_append_lit(&delta, "\"}");
        openai_chunk(call, 0, NULL, buffer_slice(&delta), script)->content = true;
    }
    buffer_free(&delta);
}

static void openai_stream(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    mock_script_begin_stream(script);
    for (unsigned choice = 0; choice < call->n; choice++)
        openai_chunk(call, choice, NULL,
                     reply->tool_count > 0 ? LIT("{\"role\":\"assistant\",\"content\":null}")
                                           : LIT("{\"role\":\"assistant\",\"content\":\"\"}"),
                     script);
    for (unsigned choice = 0; choice < call->n && reply->tool_count > 0; choice++)
        openai_stream_tools(call, reply, choice, script);
    openai_stream_text(call, reply, script);
    for (unsigned choice = 0; choice < call->n; choice++)
        openai_chunk(call, choice, reply->finish, LIT("{}"), script);
    if (call->include_usage && !reply->no_usage) {
        openai_chunk_begin(call, &script->scratch);
        buffer_append_lit(&script->scratch, "],");
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
    buffer_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", anthropic_stop(reply));
    if (reply->stopped_by.len > 0)
        json_append_string(out, reply->stopped_by);
    else
        buffer_append_lit(out, "null");
}

static void anthropic_begin(const struct mock_call *call, struct buffer *out)
{
    buffer_printf(out, "{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"role\":\"assistant\",", (unsigned long long)call->number);
    model_member(call, out);
}

static void tool_use(const struct mock_call *call, const struct mock_reply *reply, unsigned i, struct slice input, struct buffer *out)
{
    buffer_printf(out, "{\"type\":\"tool_use\",\"id\":\"toolu_mock%llu%u\",\"name\":\"", (unsigned long long)call->number, i);
    buffer_append_slice(out, reply->tools[i].name);
    buffer_append_lit(out, "\",\"input\":");
    buffer_append_slice(out, input);
    buffer_append_byte(out, '}');
}

static void anthropic_usage(const struct mock_call *call, int64_t output, struct buffer *out)
{
    buffer_printf(
        out, "\"usage\":{\"input_tokens\":%lld,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":%lld}",
        (long long)call->words, (long long)output);
}

static void anthropic_whole(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct buffer *out = &script->scratch;
    anthropic_begin(call, out);
    buffer_append_lit(out, ",\"content\":[");
    for (unsigned i = 0; i < reply->tool_count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        tool_use(call, reply, i, buffer_slice(&reply->tools[i].arguments), out);
    }
    if (reply->tool_count == 0 && reply->text.len > 0) {
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
        json_append_string(out, buffer_slice(&reply->text));
        buffer_append_byte(out, '}');
    }
    buffer_append_lit(out, "],");
    stop_members(reply, out);
    if (!reply->no_usage) {
        buffer_append_byte(out, ',');
        anthropic_usage(call, reply->words, out);
    }
    buffer_append_byte(out, '}');
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", (unsigned)reply->words);
}

/* `data` is the rest of the object behind its type. */
static struct mock_piece *anthropic_event(struct mock_script *script, const char *name, struct slice data)
{
    buffer_printf(&script->scratch, "event: %s\ndata: {\"type\":\"%s\"", name, name);
    buffer_append_slice(&script->scratch, data);
    buffer_append_lit(&script->scratch, "}\n\n");
    return mock_script_event(script);
}

static struct mock_piece *text_delta(struct mock_script *script, struct buffer *data, struct slice text)
{
    buffer_clear(data);
    buffer_append_lit(data, ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":");
    json_append_string(data, text);
    buffer_append_byte(data, '}');
    struct mock_piece *piece = anthropic_event(script, "content_block_delta", buffer_slice(data));
    piece->content = true;
    piece->tokens = (unsigned)mock_count_words(text);
    return piece;
}

static void anthropic_stream_text(const struct mock_reply *reply, struct mock_script *script, struct buffer *data)
{
    struct slice rest = buffer_slice(&reply->text), word;
    anthropic_event(script, "content_block_start", LIT(",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}"));
    anthropic_event(script, "ping", SLICE_NONE);
    while (next_word(&rest, &word))
        text_delta(script, data, word);
    if (reply->huge_bytes > 0) {
        char *huge = xmalloc(reply->huge_bytes);
        memset(huge, 'x', reply->huge_bytes);
        text_delta(script, data, (struct slice){huge, reply->huge_bytes});
        free(huge);
    }
    anthropic_event(script, "content_block_stop", LIT(",\"index\":0"));
}

static void anthropic_stream_tool(const struct mock_call *call, const struct mock_reply *reply, unsigned i, struct mock_script *script,
                                  struct buffer *data)
{
    buffer_clear(data);
    buffer_printf(data, ",\"index\":%u,\"content_block\":", i);
    tool_use(call, reply, i, LIT("{}"), data);
    anthropic_event(script, "content_block_start", buffer_slice(data))->content = true;
    buffer_clear(data);
    buffer_printf(data, ",\"index\":%u,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":", i);
    json_append_string(data, buffer_slice(&reply->tools[i].arguments));
    buffer_append_byte(data, '}');
    struct mock_piece *piece = anthropic_event(script, "content_block_delta", buffer_slice(data));
    piece->content = true;
    piece->tokens = 1 + (unsigned)mock_count_words(buffer_slice(&reply->tools[i].arguments));
    buffer_clear(data);
    buffer_printf(data, ",\"index\":%u", i);
    anthropic_event(script, "content_block_stop", buffer_slice(data));
}

static void anthropic_stream(const struct mock_call *call, const struct mock_reply *reply, struct mock_script *script)
{
    struct buffer data;
    buffer_init(&data, SCRIPT_MAX);
    mock_script_begin_stream(script);
    buffer_append_lit(&data, ",\"message\":");
    anthropic_begin(call, &data);
    buffer_append_lit(&data, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
    if (!reply->no_usage) {
        buffer_append_byte(&data, ',');
        anthropic_usage(call, 1, &data);
    }
    buffer_append_byte(&data, '}');
    anthropic_event(script, "message_start", buffer_slice(&data));
    for (unsigned i = 0; i < reply->tool_count; i++)
        anthropic_stream_tool(call, reply, i, script, &data);
    if (reply->tool_count == 0)
        anthropic_stream_text(reply, script, &data);
    buffer_clear(&data);
    buffer_append_lit(&data, ",\"delta\":{");
    stop_members(reply, &data);
    buffer_append_byte(&data, '}');
    if (!reply->no_usage)
        buffer_printf(&data, ",\"usage\":{\"output_tokens\":%lld}", (long long)reply->words);
    anthropic_event(script, "message_delta", buffer_slice(&data));
    anthropic_event(script, "message_stop", SLICE_NONE)->marker = true;
    mock_script_end_stream(script);
    buffer_free(&data);
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
        buffer_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", row->anthropic_type);
        json_append_string(out, message);
        buffer_printf(out, "},\"request_id\":\"req_mock%llu\"}", (unsigned long long)call->number);
        return;
    }
    buffer_append_lit(out, "{\"error\":{\"message\":");
    json_append_string(out, message);
    buffer_printf(out, ",\"type\":\"%s\",\"param\":null,\"code\":", row->openai_type);
    code = code == NULL ? row->openai_code : code;
    if (code == NULL)
        buffer_append_lit(out, "null}}");
    else
        buffer_printf(out, "\"%s\"}}", code);
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
