/* adapter.c -- see adapter.h.
 *
 * Towards the provider: the conversation is written as an OpenAI body by OpenAI's own wire, handed to `encode` as a table, and what comes back is
 * the provider's body. Back: what `decode` and `decode_event` return is written as JSON and read by OpenAI's reader, so that everything
 * behind it behaves as with any other provider. JSON is read and written inside the call, on the same budget; the budget grows with
 * the bytes that are handed over, since a table is several times its text.
 * A function that raises, overruns or returns nonsense fails its own attempt: file and line go to the log, not to the client. An adapter that was
 * stopped (time, memory) too often and for too many (routing/stops.h; requests count, not calls) is not called for a minute: its attempts fail before
 * anything is sent. What it was handed may be too large for it: then the client is told so, and nothing is counted.
 * SPDX-License-Identifier: MIT */
#include "lua/adapter.h"
#include "gateway/worker.h"
#include "lua/bindings.h"
#include "lua/script.h"
#include "lua/value.h"
#include "providers/encode.h"

enum {
    OUT_SPARE = 1024 * 1024, /* what a translation may be longer than four times its source */
    BODY_MAX = 128 * 1024 * 1024,
    MEMORY_PER_BYTE = 8,
    BYTES_PER_INSTRUCTION = 16,
    NAMES_MAX = 32,          /* of dropped parameters */
    LARGE_INPUT = 64 * 1024, /* what of this stops an adapter is too large, whatever the adapter did with it */
};

/* The vendor comes first: it is how a wire's functions find the rest. */
struct adapter {
    struct vendor vendor;
    struct wire wire;
    unsigned index;
    struct slice file, chat, stream, auth;
};

/* What OpenAI's wire is told of the provider: the plainest of all, with the fewest names for one thing. */
static const struct vendor plain = {
    .name = "openai", .wire = &wire_openai, .quirks = VENDOR_MAX_TOKENS | VENDOR_NO_DEVELOPER | VENDOR_NO_STREAM_OPTIONS | VENDOR_TOP_K};

static const char *const function_names[] = {"encode", "decode", "decode_event", "failure"};

static const struct adapter *adapter_of(const struct vendor *vendor)
{
    return (const struct adapter *)vendor;
}

/* ---------------------------------------------------------------- one call */

struct adapter_call {
    const struct adapter *adapter;
    const struct request *request;
    enum adapter_function function;
    struct slice input;
    const struct provider *provider; /* encode */
    const struct model_facts *model; /* encode */
    bool stream;                     /* encode */
    struct slice name;               /* decode_event */
    int status;                      /* failure */
    struct buffer *out, *dropped;    /* of decode_event: one JSON text a line */
    bool invalid;                    /* the input is no JSON: the function was not called */
    bool disabled;                   /* nor was it, since it was stopped too often */
    bool too_large;                  /* the input used the budget up */
    enum failure_kind kind;          /* failure: FAILURE_NONE when it said nothing */
};

static bool push_request(lua_State *L, struct adapter_call *call)
{
    if (!value_push(L, call->input))
        return false;
    lua_createtable(L, 0, 4);
    set_slice(L, "provider", call->provider->name);
    set_slice(L, "model", call->model->model);
    set_bool(L, "stream", call->stream);
    if (call->model->max_output > 0) {
        set_int(L, "max_output", call->model->max_output);
    }
    return true;
}

/* What looks like an object and is none was cut or damaged on its way: it must not be taken for something else. */
static bool push_event(lua_State *L, const struct adapter_call *call)
{
    struct slice text = slice_trim(call->input);
    bool must_be = call->adapter->wire.stream_form == STREAM_NDJSON || (text.len > 0 && text.ptr[0] == '{');
    lua_createtable(L, 0, 3);
    if (call->name.len > 0)
        set_slice(L, "name", call->name);
    set_slice(L, "data", call->input);
    if (value_push(L, call->input))
        lua_setfield(L, -2, "json");
    else
        return !must_be;
    return true;
}

static bool push_failure(lua_State *L, const struct adapter_call *call)
{
    lua_pushinteger(L, call->status);
    push_slice(L, call->input);
    if (!value_push(L, call->input))
        lua_pushnil(L);
    return true;
}

/* Pushes the arguments; false: the input is not JSON. */
static bool push_arguments(lua_State *L, struct adapter_call *call)
{
    switch (call->function) {
    case ADAPTER_ENCODE:
        return push_request(L, call);
    case ADAPTER_DECODE:
        return value_push(L, call->input);
    case ADAPTER_DECODE_EVENT:
        return push_event(L, call);
    default:
        return push_failure(L, call);
    }
}

/* ---------------------------------------------------------------- what it returned */

static void refuse(lua_State *L, const struct adapter_call *call, const char *what, int index)
{
    luaL_error(L, "%s: %s: expected %s, got %s", call->adapter->file.ptr, function_names[call->function], what,
               lua_isnoneornil(L, index) ? "nothing" : luaL_typename(L, index));
}

static void write(lua_State *L, const struct adapter_call *call, int index)
{
    const char *why = value_write(L, index, call->out);
    if (why == NULL && call->out->overflow)
        why = "what it returns is too long";
    if (why != NULL)
        luaL_error(L, "%s: %s: %s", call->adapter->file.ptr, function_names[call->function], why);
}

/* encode's second result: the names of parameters that the provider cannot be told. */
static void take_dropped(lua_State *L, const struct adapter_call *call, int index)
{
    if (lua_isnoneornil(L, index))
        return;
    if (!lua_istable(L, index))
        refuse(L, call, "a list of names of dropped parameters", index);
    for (int i = 1; i <= NAMES_MAX && lua_rawgeti(L, index, i) == LUA_TSTRING; i++) {
        struct slice name = to_slice(L, -1);
        if (call->dropped->len > 0)
            buffer_append_lit(call->dropped, ", ");
        for (size_t c = 0; c < name.len && c < 64; c++) /* it goes into a header */
            buffer_append_byte(call->dropped, name.ptr[c] > ' ' && name.ptr[c] < 127 && name.ptr[c] != ',' ? name.ptr[c] : '_');
        lua_pop(L, 1);
    }
}

static void take_body(lua_State *L, const struct adapter_call *call, int index)
{
    if (lua_type(L, index) == LUA_TSTRING) {
        buffer_append_slice(call->out, to_slice(L, index));
    } else if (lua_istable(L, index)) {
        write(L, call, index);
    } else {
        refuse(L, call, "a table or text", index);
    }
    take_dropped(L, call, index + 1);
}

static void take_piece(lua_State *L, const struct adapter_call *call, int index)
{
    if (lua_type(L, index) == LUA_TSTRING && strcmp(lua_tostring(L, index), "[DONE]") == 0)
        buffer_append_lit(call->out, "[DONE]");
    else if (lua_istable(L, index) && !value_is_list(L, index))
        write(L, call, index);
    else
        refuse(L, call, "chunks of a chat completion (a table or a list of them), nil or \"[DONE]\"", index);
    buffer_append_byte(call->out, '\n');
}

static void take_pieces(lua_State *L, const struct adapter_call *call, int index)
{
    if (lua_isnil(L, index))
        return;
    if (!lua_istable(L, index) || !value_is_list(L, index)) {
        take_piece(L, call, index);
        return;
    }
    lua_Unsigned len = lua_rawlen(L, index);
    for (lua_Unsigned i = 1; i <= len; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        take_piece(L, call, lua_gettop(L));
        lua_pop(L, 1);
    }
}

/* { kind, message } -> call->kind and the message in `out`. */
static void take_verdict(lua_State *L, struct adapter_call *call, int index)
{
    if (lua_isnil(L, index))
        return;
    if (!lua_istable(L, index))
        refuse(L, call, "a table { kind, message }", index);
    lua_pushliteral(L, "kind");
    lua_rawget(L, index);
    if (!failure_kind_of(to_slice(L, -1), &call->kind) || call->kind == FAILURE_NONE || (failure_row(call->kind)->follows & FAILURE_OURS)) {
        call->kind = FAILURE_NONE;
        luaL_error(L,
                   "%s: failure: kind: expected one of rate_limited, overloaded, unavailable, timeout, auth, quota, invalid_request, "
                   "model_not_found, context_length, content_filter",
                   call->adapter->file.ptr);
    }
    lua_pushliteral(L, "message");
    lua_rawget(L, index);
    buffer_append_slice(call->out, to_slice(L, -1));
}

static int take_results(lua_State *L, int status, lua_KContext context)
{
    struct adapter_call *call = (struct adapter_call *)context;
    int index = lua_gettop(L) - 1; /* of two */
    (void)status;
    luaL_checkstack(L, 12, "adapter");
    switch (call->function) {
    case ADAPTER_ENCODE:
        take_body(L, call, index);
        break;
    case ADAPTER_DECODE:
        if (!lua_istable(L, index))
            refuse(L, call, "a table: a chat completion", index);
        write(L, call, index);
        break;
    case ADAPTER_DECODE_EVENT:
        take_pieces(L, call, index);
        break;
    default:
        take_verdict(L, call, index);
    }
    if (call->out->overflow)
        luaL_error(L, "%s: %s: what it returns is too long", call->adapter->file.ptr, function_names[call->function]);
    return 0;
}

static const struct script *script_of(const struct adapter_call *call)
{
    return call->request->local->script;
}

static struct adapter_refs *refs_of(const struct adapter_call *call)
{
    return &script_of(call)->adapters[call->adapter->index];
}

static int run(lua_State *L) /* (struct adapter_call); in the call's own thread, on its budget */
{
    struct adapter_call *call = lua_touserdata(L, 1);
    luaL_checkstack(L, 12, "adapter");
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs_of(call)->functions[call->function]);
    call_feeding(L, true);
    if (!push_arguments(L, call)) {
        call->invalid = true;
        return 0;
    }
    call_feeding(L, false);
    lua_callk(L, lua_gettop(L) - 2, 2, (lua_KContext)call, take_results);
    return take_results(L, LUA_OK, (lua_KContext)call);
}

static void log_failed(const struct adapter_call *call, const char *error, struct slice message)
{
    log_event(script_of(call)->log, LOG_ERROR, "adapter_error", log_text("request_id", slice_of(call->request->id)),
              log_text("adapter", call->adapter->file), log_text("function", slice_of(function_names[call->function])),
              log_text("error", slice_of(error)), log_text("message", message));
}

static void count_stop(const struct adapter_call *call)
{
    const struct config *config = script_of(call)->config;
    if (stops_add_user(&refs_of(call)->stops, call->request->user, config->users, config->user_count,
                       script_of(call)->now_us(call->request)))
        log_failed(call, "disabled", LIT("stopped too often within a minute: not called for the next one, or until it changes"));
}

/* False: the adapter failed, and the log says why. */
static bool call_adapter(struct adapter_call *call)
{
    struct call_result result;
    const struct script *script = script_of(call);
    lua_State *L = script->running != NULL ? script->running : script->L;
    struct stops *stops = &refs_of(call)->stops;
    int64_t now_us = script->now_us(call->request);
    call->disabled = stops_off_us(stops, now_us) > 0;
    if (!call->disabled && call->function == ADAPTER_ENCODE)
        stops_called(stops, now_us);
    if (call->disabled || !lua_checkstack(L, 4))
        return false;
    lua_pushcfunction(L, run);
    lua_pushlightuserdata(L, call);
    if (call_policy(L, 1, 0, CALL_INSTRUCTIONS + (int)(call->input.len / BYTES_PER_INSTRUCTION),
                    CALL_MEMORY + MEMORY_PER_BYTE * call->input.len, &result))
        return true;
    bool timeout = result.kind == FAILURE_POLICY_TIMEOUT, memory = result.kind == FAILURE_POLICY_MEMORY;
    log_failed(call, timeout ? "timeout" : memory ? "memory" : "error", slice_of(result.message));
    call->too_large = result.of_input || ((timeout || memory) && call->input.len >= LARGE_INPUT);
    if ((timeout || memory) && !call->too_large)
        count_stop(call);
    return false;
}

/* What the client is told. */
static struct slice complaint_of(const struct adapter_call *call, struct arena *arena)
{
    if (call->disabled)
        return LIT("the adapter of this provider was stopped too often and is not asked for a minute");
    if (call->too_large)
        return LIT("this is too large for the adapter of the provider");
    return arena_printf(arena, "the adapter of this provider failed in %s; the gateway's log says why", function_names[call->function]);
}

static size_t out_max(size_t input)
{
    return input > (BODY_MAX - OUT_SPARE) / 4 ? BODY_MAX : OUT_SPARE + 4 * input;
}

/* ---------------------------------------------------------------- towards the provider */

static void write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out)
{
    (void)wire;
    const struct adapter *adapter = adapter_of(provider->vendor);
    (void)model;
    (void)operation;
    buffer_append_slice(out, stream ? adapter->stream : adapter->chat);
}

static void write_auth(const struct provider *provider, struct slice key, struct buffer *out)
{
    const struct adapter *adapter = adapter_of(provider->vendor);
    if (key.len == 0)
        return;
    if (adapter->auth.len == 0) {
        buffer_append_lit(out, "Authorization: Bearer ");
    } else {
        buffer_append_slice(out, adapter->auth);
        buffer_append_lit(out, ": ");
    }
    buffer_append_slice(out, key);
    buffer_append_lit(out, "\r\n");
}

static bool write_request(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    const struct provider *provider = encode->provider;
    struct provider neutral = *provider;
    struct encode plainly = *encode;
    struct buffer body;
    if (chat->asker == NULL)
        return false;
    neutral.vendor = &plain;
    neutral.dated_api = false;
    buffer_init(&body, BODY_MAX);
    plainly.provider = &neutral;
    plainly.out = &body;
    bool ok = wire_openai.write_request(&plainly) && !body.overflow;
    if (ok) {
        struct adapter_call call = {.adapter = adapter_of(provider->vendor),
                                    .request = chat->asker,
                                    .function = ADAPTER_ENCODE,
                                    .input = buffer_slice(&body),
                                    .provider = provider,
                                    .model = encode->model,
                                    .stream = chat->stream,
                                    .out = encode->out,
                                    .dropped = encode->dropped};
        ok = call_adapter(&call) && !call.invalid;
        if (!ok)
            *encode->complaint = (struct complaint){call.too_large ? FAILURE_POLICY_INPUT : FAILURE_UNAVAILABLE,
                                                    complaint_of(&call, encode->arena), SLICE_NONE};
    }
    buffer_free(&body);
    return ok;
}

/* ---------------------------------------------------------------- the way back */

static void fail(struct reader *reader, const struct adapter_call *call)
{
    reader_fail(reader, failure_make(FAILURE_UNAVAILABLE, complaint_of(call, reader->arena)), SENT_UNCERTAIN);
}

static void read_pieces(struct reader *reader, struct slice pieces)
{
    while (pieces.len > 0 && !reader->failed && !reader->ended) {
        const char *end = memchr(pieces.ptr, '\n', pieces.len); /* each ends with one, and JSON of ours holds none */
        size_t len = (size_t)(end - pieces.ptr);
        wire_openai.read_event(reader, SLICE_NONE, (struct slice){pieces.ptr, len});
        pieces = (struct slice){end + 1, pieces.len - len - 1};
    }
}

static void read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct buffer out;
    if (slice_trim(data).len == 0)
        return;
    buffer_init(&out, out_max(data.len));
    struct adapter_call call = {.adapter = adapter_of(reader->vendor),
                                .request = reader->asker,
                                .function = ADAPTER_DECODE_EVENT,
                                .input = data,
                                .name = name,
                                .out = &out};
    if (!call_adapter(&call))
        fail(reader, &call);
    else if (call.invalid)
        wire_openai.read_event(reader, SLICE_NONE, data); /* it says what is wrong with it */
    else
        read_pieces(reader, buffer_slice(&out));
    buffer_free(&out);
}

static void read_answer(struct reader *reader, struct slice body)
{
    struct buffer out;
    buffer_init(&out, out_max(body.len));
    struct adapter_call call = {.adapter = adapter_of(reader->vendor),
                                .request = reader->asker,
                                .function = ADAPTER_DECODE,
                                .input = slice_trim(body),
                                .out = &out};
    if (call.input.len > 0 && !call_adapter(&call))
        fail(reader, &call);
    else
        wire_openai.read_answer(reader, call.invalid || call.input.len == 0 ? body : buffer_slice(&out));
    buffer_free(&out);
}

static void refine_failure(struct reader *reader, int status, struct slice body, struct failure *failure)
{
    const struct adapter *adapter = adapter_of(reader->vendor);
    const struct request *request = reader->asker;
    struct buffer out, text;
    if (request->local->script->adapters[adapter->index].functions[ADAPTER_FAILURE] == LUA_NOREF)
        return;
    buffer_init(&out, FAILURE_MESSAGE_MAX * 4);
    buffer_init(&text, 32 * FAILURE_MESSAGE_MAX);
    struct adapter_call call = {
        .adapter = adapter, .request = request, .function = ADAPTER_FAILURE, .input = body, .status = status, .out = &out};
    if (call_adapter(&call) && call.kind != FAILURE_NONE) {
        failure->kind = call.kind;
        buffer_append_lit(&text, "{\"error\":{\"message\":");
        json_append_string(&text, buffer_slice(&out));
        buffer_append_lit(&text, "}}");
        if (out.len > 0)
            failure->message = failure_message(buffer_slice(&text), status, reader->arena); /* cleaned of what looks like a key */
    }
    buffer_free(&text);
    buffer_free(&out);
}

/* ---------------------------------------------------------------- vendors and scripts */

const struct vendor *adapter_vendor(lua_State *L, struct config *config)
{
    struct adapter *adapter = arena_zalloc(&config->arena, sizeof *adapter);
    if (adapter == NULL) {
        luaL_error(L, "config: it is too large");
        return NULL;
    }
    adapter->index = (unsigned)field_int(L, -1, "index", 1) - 1;
    adapter->file = field_copy(L, -1, "file", &config->arena);
    adapter->chat = field_copy(L, -1, "chat", &config->arena);
    adapter->stream = field_copy(L, -1, "stream", &config->arena);
    adapter->auth = field_copy(L, -1, "auth", &config->arena);
    bool lines = slice_equals(field_copy(L, -1, "form", &config->arena), LIT("ndjson"));
    adapter->wire = (struct wire){
        .name = adapter->file.ptr,
        .stream_form = lines ? STREAM_NDJSON : STREAM_SSE,
        .write_path = write_path,
        .write_auth = write_auth,
        .write_request = write_request,
        .reader_size = wire_openai.reader_size,
        .read_event = read_event,
        .read_answer = read_answer,
        .read_eof = wire_openai.read_eof,
        .read_failure = wire_openai.read_failure,
        .refine_failure = refine_failure,
        .accept_stream = lines ? "application/x-ndjson" : "text/event-stream",
    };
    adapter->vendor = (struct vendor){.name = adapter->file.ptr, .wire = &adapter->wire, .quirks = VENDOR_NO_KEY};
    return &adapter->vendor;
}

void adapter_take(lua_State *L, struct adapter_refs *refs)
{
    for (int i = 0; i < ADAPTER_FUNCTIONS; i++)
        if (lua_getfield(L, -1, function_names[i]) == LUA_TFUNCTION) {
            refs->functions[i] = luaL_ref(L, LUA_REGISTRYINDEX);
        } else {
            lua_pop(L, 1);
            refs->functions[i] = LUA_NOREF;
        }
}
