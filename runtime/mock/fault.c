/* fault.c -- faults by the name of the model: "fault-cut-event-3" streams three events and closes.
 *
 * The good answer is made first; a fault cuts it, delays it or puts another in its place. Faults that speak of events count every event
 * of the stream, content or not; of an answer that is not streamed they cut the body in the middle.
 * "once-" before a name: only the first request for it fails; "first-K-": the first K. "@LABEL" behind it: the same behaviour by another name.
 * Beside the faults "slow-N" (N ms before the first byte), "gap-N" (N ms between events) and "events-N" (N words) answer well.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "mock/mock_private.h"

enum { HUGE_EVENT = 5 * 1024 * 1024 };

/* ---------------------------------------------------------------- cutting a script */

void mock_keep_pieces(struct mock_script *script, int64_t count, enum mock_end end)
{
    if (count < script->count)
        script->count = (unsigned)count;
    script->bytes.len = script->count == 0 ? 0 : script->pieces[script->count - 1].end;
    script->end = end;
}

static void halve_last(struct mock_script *script)
{
    struct mock_piece *last = &script->pieces[script->count - 1];
    size_t before = script->count > 1 ? script->pieces[script->count - 2].end : 0;
    last->end = before + (last->end - before) / 2;
    last->tokens = 0;
    script->bytes.len = last->end;
}

int64_t mock_with_events(const struct mock_script *script, int64_t events)
{
    if (!script->chunked)
        return 2;
    int64_t count = 1 + events;
    return count < script->count ? count : script->count - 1; /* never the last chunk: that would be a good end */
}

void mock_replace(struct mock_script *script, struct slice bytes, int status, enum mock_end end)
{
    mock_script_clear(script);
    buffer_append_slice(&script->bytes, bytes);
    mock_script_piece(script);
    script->status = status;
    script->end = end;
}

/* ---------------------------------------------------------------- cuts, resets and stalls */

static void send_nothing(const struct mock_case *c)
{
    mock_script_clear(c->script);
    c->script->end = c->fault->end;
}

static void send_head(const struct mock_case *c)
{
    mock_keep_pieces(c->script, 1, c->fault->end);
}

static void send_events(const struct mock_case *c)
{
    mock_keep_pieces(c->script, mock_with_events(c->script, c->fault->events > 0 ? c->fault->events : c->number), c->fault->end);
}

static void cut_head(const struct mock_case *c)
{
    mock_keep_pieces(c->script, 1, MOCK_CLOSE);
    halve_last(c->script);
}

static void cut_mid_event(const struct mock_case *c)
{
    mock_keep_pieces(c->script, mock_with_events(c->script, c->number + 1), MOCK_CLOSE);
    halve_last(c->script);
}

/* All events but the marker, and a clean end. */
static void no_done(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    unsigned count = 1;
    if (!script->chunked) {
        mock_keep_pieces(script, 2, MOCK_CLOSE);
        return;
    }
    while (count < script->count && !script->pieces[count].marker)
        count++;
    mock_keep_pieces(script, count, MOCK_KEEP);
    mock_script_end_stream(script);
}

/* Content, and then a clean end without finish or marker. */
static void no_finish(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    unsigned last = 0;
    for (unsigned i = 1; i < script->count; i++)
        if (script->pieces[i].content)
            last = i;
    mock_keep_pieces(script, script->chunked ? last + 1 : 2, script->chunked ? MOCK_KEEP : MOCK_CLOSE);
    if (script->chunked)
        mock_script_end_stream(script);
}

/* ---------------------------------------------------------------- good HTTP, bad answers */

/* The number behind the name if it can be a status, else the row's. */
static int status_of(const struct mock_case *c)
{
    return c->number >= 100 && c->number <= 999 ? (int)c->number : c->fault->status;
}

static void error_status(const struct mock_case *c)
{
    struct buffer message;
    int code = status_of(c);
    buffer_init(&message, 256);
    buffer_printf(&message, "The mock provider was asked to answer with status %d.", code);
    mock_script_clear(c->script);
    mock_wire_error(c->call, code, NULL, buffer_slice(&message), code / 100 == 3 ? "Location: http://127.0.0.1:9/elsewhere\r\n" : "",
                    c->script);
    buffer_free(&message);
}

static void rate_limit(const struct mock_case *c)
{
    char header[64];
    snprintf(header, sizeof header, "Retry-After: %lld\r\n", (long long)c->number);
    mock_script_clear(c->script);
    mock_wire_error(c->call, 429, NULL, LIT("Rate limit reached for requests."), header, c->script);
}

static void vendor_error(const struct mock_case *c)
{
    const struct mock_fault *fault = c->fault;
    mock_script_clear(c->script);
    mock_wire_error(c->call, fault->status, fault->code, fault->text, fault->headers, c->script);
    c->script->end = fault->end;
}

static void context_length(const struct mock_case *c)
{
    mock_script_clear(c->script);
    mock_wire_error(c->call, 400, "context_length_exceeded",
                    c->call->dialect == MOCK_ANTHROPIC
                        ? LIT("prompt is too long: 300000 tokens > 200000 maximum")
                        : LIT("This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
                    "", c->script);
}

/* An answer that is none of the vendor's. */
static void foreign_body(const struct mock_case *c)
{
    mock_script_clear(c->script);
    buffer_append_slice(&c->script->scratch, c->fault->text);
    mock_script_whole(c->script, status_of(c), c->fault->headers, 0);
}

static void error_in_200(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    mock_script_clear(script);
    mock_wire_error_body(c->call, 500, NULL, LIT("The model failed behind a good status."), &script->scratch);
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", 0);
}

/* An error event behind `number` events of content; 0: before anything else. */
static void error_event(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    const struct mock_call *call = c->call;
    if (!script->chunked) {
        error_in_200(c);
        return;
    }
    unsigned count = 1;
    for (int64_t seen = 0; seen < c->number && count < script->count - 1; count++)
        seen += script->pieces[count].content;
    mock_keep_pieces(script, count, MOCK_KEEP);
    buffer_append_slice(&script->scratch, call->dialect == MOCK_ANTHROPIC ? LIT("event: error\ndata: ") : LIT("data: "));
    mock_wire_error_body(call, 529, NULL, LIT("The model is overloaded."), &script->scratch);
    buffer_append_lit(&script->scratch, "\n\n");
    mock_script_event(script);
    mock_script_end_stream(script);
}

/* A head that says it is JSON, and these bytes. */
static void as_json(struct mock_script *script, struct slice body)
{
    mock_script_clear(script);
    buffer_append_slice(&script->scratch, body);
    mock_script_whole(script, 200, "Content-Type: application/json\r\n", 0);
}

static void not_json(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (c->call->stream) {
        mock_script_clear(script);
        mock_script_begin_stream(script);
        buffer_append_lit(&script->scratch, "data: this is not JSON\n\n");
        mock_script_event(script);
        mock_script_end_stream(script);
        return;
    }
    as_json(script, LIT("this is not JSON"));
}

/* Framed well, and cut inside the JSON. */
static void truncated_json(const struct mock_case *c)
{
    struct mock_script *script = c->script;
    if (c->call->stream) {
        mock_keep_pieces(script, mock_with_events(script, 3), MOCK_KEEP);
        buffer_append_lit(&script->scratch, "data: {\"id\":\"chatcmpl-mock\",\"choices\":[{\"delta\":{\"cont\n\n");
        mock_script_event(script);
        mock_script_end_stream(script);
        return;
    }
    struct buffer half;
    buffer_init(&half, script->bytes.limit);
    buffer_append(&half, script->bytes.ptr + script->pieces[0].end, script->pieces[1].end - script->pieces[0].end);
    as_json(script, buffer_slice(&half));
    buffer_free(&half);
}

/* A status and nothing else. */
static void empty(const struct mock_case *c)
{
    mock_script_clear(c->script);
    mock_script_whole(c->script, status_of(c),
                      c->call->stream ? "Content-Type: text/event-stream\r\n" : "Content-Type: application/json\r\n", 0);
}

/* More text than an error should have. */
static void long_text(const struct mock_case *c)
{
    mock_script_clear(c->script);
    for (unsigned i = 0; i < 10000; i++)
        buffer_printf(&c->script->scratch, "line %u of a trace\n", i);
    mock_script_whole(c->script, status_of(c), c->fault->headers, 0);
}

static void echo_auth(const struct mock_case *c)
{
    struct buffer message;
    buffer_init(&message, 4096);
    buffer_append_lit(&message, "Incorrect API key provided: ");
    buffer_append_slice(&message, c->call->auth);
    buffer_append_lit(&message, ". You can find your API key in your account.");
    mock_script_clear(c->script);
    mock_wire_error(c->call, 401, NULL, buffer_slice(&message), "", c->script);
    buffer_free(&message);
}

static void remade(const struct mock_call *call, struct mock_script *script, bool no_usage, unsigned huge_bytes)
{
    struct mock_reply reply;
    mock_reply_make(&reply, call);
    reply.no_usage = no_usage;
    reply.huge_bytes = huge_bytes;
    if (huge_bytes > 0 && !call->stream) {
        memset(buffer_reserve(&reply.text, huge_bytes), 'x', huge_bytes);
        reply.text.len += huge_bytes;
    }
    mock_script_clear(script);
    mock_wire_answer(call, &reply, script);
    mock_reply_free(&reply);
}

static void no_usage(const struct mock_case *c)
{
    remade(c->call, c->script, true, 0);
}

static void huge_event(const struct mock_case *c)
{
    int64_t number = c->number;
    remade(c->call, c->script, false, number > 0 && number < 64 * 1024 ? (unsigned)number * 1024 : HUGE_EVENT);
}

/* Says what the last message says in hexadecimal digits, byte by byte: for answers that only one spec needs. */
static void say(const struct mock_case *c)
{
    uint8_t bytes[MOCK_ECHO_MAX / 2];
    struct slice digits = buffer_slice(&c->call->last_text);
    size_t len = digits.len / 2;
    if (len > sizeof bytes || !hash_from_hex(digits, bytes, len))
        len = 0;
    bool status = len > 12 && memcmp(bytes, "HTTP/1.", 7) == 0;
    int64_t code;
    if (!status || !slice_to_int((struct slice){(const char *)bytes + 9, 3}, &code))
        code = 0;
    mock_replace(c->script, (struct slice){(const char *)bytes, len}, (int)code, c->fault->end);
}

/* ---------------------------------------------------------------- waits */

static void slow(const struct mock_case *c)
{
    c->script->pieces[0].wait_ms = (unsigned)c->number;
}

static void gap(const struct mock_case *c)
{
    for (unsigned i = 2; i < c->script->count; i++)
        c->script->pieces[i].wait_ms = (unsigned)c->number;
}

/* ---------------------------------------------------------------- the table */

static const struct mock_fault faults[] = {
    {"reset-before", send_nothing, .end = MOCK_RESET, .early = true},
    {"reset-after", send_nothing, .end = MOCK_RESET},
    {"close-after", send_nothing, .end = MOCK_CLOSE},
    {"stall-head", send_nothing, .end = MOCK_STALL},
    {"stall-first", send_head, .end = MOCK_STALL},
    {"stall-body", send_events, .events = 3, .end = MOCK_STALL},
    {"stall-event", send_events, .end = MOCK_STALL},
    {"cut-body", send_events, .events = 3, .end = MOCK_CLOSE},
    {"cut-event", send_events, .end = MOCK_CLOSE},
    {"reset-event", send_events, .end = MOCK_RESET},
    {"cut-head", .apply = cut_head},
    {"cut-mid-event", .apply = cut_mid_event},
    {"no-done", .apply = no_done},
    {"no-finish", .apply = no_finish},
    {"status-429-retry", .apply = rate_limit},
    {"status", error_status, .status = 500},
    {"quota", vendor_error, .text = LIT("You exceeded your current quota, please check your plan and billing details."), .status = 429,
     .code = "insufficient_quota", .headers = ""},
    {"early-413", vendor_error, .text = LIT("The request is larger than this provider allows."), .status = 413,
     .headers = "Connection: close\r\n", .end = MOCK_CLOSE, .early = true},
    {"context-length", .apply = context_length},
    {"html", foreign_body,
     .text = LIT("<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1><script>alert(1)</script></body></html>"),
     .status = 502, .headers = "Content-Type: text/html\r\n"},
    {"text", foreign_body, .text = LIT("upstream connect error or disconnect/reset before headers"), .status = 500,
     .headers = "Content-Type: text/plain\r\n"},
    {"long-text", long_text, .status = 500, .headers = "Content-Type: text/plain\r\n"},
    {"empty", empty, .status = 200},
    {"error-in-200", .apply = error_in_200},
    {"error-event", .apply = error_event},
    {"not-json", .apply = not_json},
    {"truncated-json", .apply = truncated_json},
    {"echo-auth", .apply = echo_auth},
    {"usage-none", .apply = no_usage},
    {"huge-event", .apply = huge_event},
    {"say", say, .end = MOCK_CLOSE},
    {"say-stall", say, .end = MOCK_STALL},
    {"say-repeat", say, .end = MOCK_REPEAT},
    {.name = "big"}, /* mock/answer.c makes the answer itself larger */
    {"slow", .apply = slow},
    {"gap", .apply = gap},
    {.name = NULL},
};

static bool is_named(const struct mock_fault *fault, struct slice name, int64_t *number)
{
    struct slice own = slice_of(fault->name);
    *number = 0;
    return slice_equals(name, own) || (slice_starts_with(name, own) && name.ptr[own.len] == '-' &&
                                       slice_to_int((struct slice){name.ptr + own.len + 1, name.len - own.len - 1}, number));
}

/* The row whose name this is, alone or with "-N" behind it. */
static const struct mock_fault *find(struct slice name, int64_t *number)
{
    static const struct mock_fault *const tables[] = {faults, mock_faults_of_framing, mock_faults_of_streams};
    for (unsigned i = 0; i < sizeof tables / sizeof *tables; i++)
        for (const struct mock_fault *fault = tables[i]; fault->name != NULL; fault++)
            if (is_named(fault, name, number))
                return fault;
    return NULL;
}

static struct slice behind(struct slice text, size_t count)
{
    return (struct slice){text.ptr + count, text.len - count};
}

/* Takes "once-" or "first-K-" off the name. Returns K; -1: not limited. */
static int64_t take_limit(struct slice *name)
{
    int64_t count;
    if (slice_starts_with(*name, LIT("once-"))) {
        *name = behind(*name, 5);
        return 1;
    }
    if (!slice_starts_with(*name, LIT("first-")))
        return -1;
    struct slice rest = behind(*name, 6);
    const char *dash = rest.len == 0 ? NULL : memchr(rest.ptr, '-', rest.len);
    if (dash == NULL || !slice_to_int((struct slice){rest.ptr, (size_t)(dash - rest.ptr)}, &count))
        return -1;
    *name = behind(rest, (size_t)(dash - rest.ptr) + 1);
    return count;
}

bool mock_fault_is_early(struct slice model)
{
    int64_t number;
    model = mock_behaviour(model);
    if (model.len == 0 || take_limit(&model) >= 0) /* a limited one is counted when it is whole */
        return false;
    if (!slice_starts_with(model, LIT("fault-")))
        return false;
    const struct mock_fault *fault = find(behind(model, 6), &number);
    return fault != NULL && fault->early;
}

bool mock_fault_is_limited(struct slice model)
{
    return take_limit(&model) >= 0;
}

static void apply(const struct mock_case *c)
{
    if (c->fault->apply != NULL)
        c->fault->apply(c);
}

void mock_fault_script(const struct mock_call *call, uint64_t seen, struct mock_script *script)
{
    struct mock_reply reply;
    struct slice name = mock_behaviour(slice_of(call->model));
    int64_t number, limit = take_limit(&name);
    mock_reply_make(&reply, call);
    mock_wire_answer(call, &reply, script);
    mock_reply_free(&reply);
    if (limit >= 0 && seen > (uint64_t)limit)
        return;
    bool fault = slice_starts_with(name, LIT("fault-"));
    const struct mock_fault *row = find(fault ? behind(name, 6) : name, &number);
    if (row != NULL && (fault || row->apply == slow || row->apply == gap))
        apply(&(struct mock_case){row, call, script, number});
    else if (fault)
        mock_script_clear(script), mock_wire_error(call, 404, NULL, LIT("The mock provider knows no such fault."), "", script);
}
