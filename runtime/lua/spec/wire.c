/* wire.c -- the dialects, for specs: what a client's request becomes for a provider, what its answer becomes for the client.
 *
 *      wire.facts(body [, client]) -> table | nil, complaint
 *      wire.edited{ client, body, vendor, model } -> the same body for a provider of the same dialect | nil
 *      wire.encode{ client, body, vendor, model, … } -> body, dropped | nil, complaint
 *      wire.head{ client, vendor, model, stream, origin, path, key, … [, body, wall_s] } -> url, the provider's own headers
 *      wire.passes{ client, vendor, … } -> whether the answer's bytes go back as they came
 *      wire.answer{ client, vendor, stream, include_usage, pieces | body | estimate, status, headers, created, id, model [, request, pass, wants_end] }
 *          -> { out, failure, ended, content, usage, finish }
 *      wire.failure{ client, kind [, message, stream] } -> body, status
 *      wire.classify(status, code, text) -> kind; wire.retry_after(headers, wall_s) -> seconds | nil; wire.message(body, status)
 *      wire.hide(text, secret) -> the text without it
 *      wire.vendors() -> names; wire.vendor(name) -> { name, wire, base_url } | nil; wire.clients() -> { name = what its clients ask for }
 *
 * `client` names the client's wire ("openai" unless given), `vendor` a row of vendors.c; what is spoken is what vendor_wire says. The other fields are
 * those of struct provider and struct model_facts. With `foreign` the vendor is spoken to in its first wire, whatever the client's.
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include "providers/answer.h"
#include "providers/encode.h"
#include "providers/provider.h"
#include <math.h>

enum { ARENA_MAX = 64 * 1024 * 1024 };

static void set_text(lua_State *L, const char *name, struct slice text)
{
    if (text.len > 0)
        set_slice(L, name, text);
}

static int push_complaint(lua_State *L, const struct complaint *complaint)
{
    lua_pushnil(L);
    lua_newtable(L);
    lua_pushstring(L, failure_row(complaint->kind)->name);
    lua_setfield(L, -2, "kind");
    set_text(L, "message", complaint->message);
    set_text(L, "param", complaint->param);
    return 2;
}

/* ---------------------------------------------------------------- who speaks to whom */

static const struct wire *const clients[] = {&wire_openai,    &wire_completions,  &wire_embeddings, &wire_responses,
                                             &wire_anthropic, &wire_count_tokens, &wire_simple};
enum { CLIENTS = sizeof clients / sizeof *clients };

/* The client's wire of that name; openai when none is given. */
static const struct wire *find_client(lua_State *L, struct slice name)
{
    if (name.len == 0)
        return &wire_openai;
    for (unsigned i = 0; i < CLIENTS; i++)
        if (slice_equals(name, slice_of(clients[i]->name)))
            return clients[i];
    luaL_error(L, "unknown client wire '%s'", name.ptr);
    return NULL;
}

static const struct wire *check_client(lua_State *L, int table)
{
    return find_client(L, field_slice(L, table, "client"));
}

static const struct vendor *check_vendor(lua_State *L, int table)
{
    const struct vendor *vendor = vendor_find(field_slice(L, table, "vendor"));
    if (vendor == NULL)
        luaL_error(L, "unknown vendor");
    return vendor;
}

/* One call of a spec: its table is argument 1. */
struct call {
    const struct wire *client, *spoken;
    struct provider provider;
    struct model_facts model;
    struct slice key;
    bool stream, include_usage;
};

static void take_provider(lua_State *L, struct provider *provider)
{
    static const char *const efforts[] = {"minimal", "low", "medium", "high", "xhigh"};
    const struct {
        const char *name;
        struct slice *text;
    } texts[] = {
        {"origin", &provider->origin},
        {"path", &provider->path},
        {"api_version", &provider->api_version},
        {"region", &provider->region},
        {"project", &provider->project},
        {"location", &provider->location},
        {"access_key_id", &provider->access_key_id},
        {"secret_access_key", &provider->secret_access_key},
        {"session_token", &provider->session_token},
        {"default_input_type", &provider->default_input_type},
        {"empty_text_placeholder", &provider->empty_text_placeholder},
    };
    provider->name = field_slice(L, 1, "vendor");
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i].text = field_slice(L, 1, texts[i].name);
    provider->drop_params = true;
    provider->dated_api = field_bool(L, 1, "dated_api");
    provider->include_thoughts = field_bool(L, 1, "include_thoughts");
    provider->default_max_tokens = field_int(L, 1, "default_max_tokens", 0);
    if (lua_getfield(L, 1, "reasoning_budgets") == LUA_TTABLE)
        for (unsigned i = 0; i < 5; i++) {
            int64_t named = field_int(L, lua_gettop(L), efforts[i], 0);
            lua_rawgeti(L, -1, i + 1); /* a checked config has a list */
            provider->reasoning_budgets[i] = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : named;
            lua_pop(L, 1);
        }
    lua_pop(L, 1);
}

static void take_call(lua_State *L, struct call *call)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    *call = (struct call){.client = check_client(L, 1)};
    call->provider.vendor = check_vendor(L, 1);
    call->spoken = field_bool(L, 1, "foreign") ? call->provider.vendor->wire : vendor_wire(call->provider.vendor, call->client);
    take_provider(L, &call->provider);
    call->key = field_slice(L, 1, "key");
    call->provider.keys = &call->key;
    call->provider.key_count = call->key.len > 0;
    call->model.model = field_slice(L, 1, "model");
    call->model.base_model = field_slice(L, 1, "base_model");
    call->model.max_output = field_int(L, 1, "max_output", 0);
    call->model.capabilities = (unsigned)field_int(L, 1, "capabilities", 0xffff);
    call->stream = field_bool(L, 1, "stream");
    call->include_usage = field_bool(L, 1, "include_usage");
}

/* ---------------------------------------------------------------- requests */

static void push_facts(lua_State *L, const struct facts *facts)
{
    lua_newtable(L);
    set_text(L, "model", facts->model_raw);
    set_text(L, "user", facts->user_raw);
    set_text(L, "strategy", facts->strategy_raw);
    set_text(L, "provider", facts->provider_raw);
    set_text(L, "opening", facts->opening_json);
    set_bool(L, "stream", facts->stream);
    set_bool(L, "include_usage", facts->include_usage);
    set_bool(L, "replayable", facts->replayable);
    set_int(L, "fallback", facts->fallback);
    set_int(L, "max_tokens", facts->max_tokens);
    set_int(L, "needs", (int64_t)facts->needs);
    set_int(L, "prompt_bytes", (int64_t)facts->prompt_bytes);
    set_int(L, "prompt_tokens", facts_tokens(facts));
    set_int(L, "image_count", (int64_t)facts->image_count);
    set_int(L, "tokens", facts_tokens(facts));
    if (!isnan(facts->temperature)) {
        lua_pushnumber(L, facts->temperature);
        lua_setfield(L, -2, "temperature");
    }
}

static int wire_facts(lua_State *L)
{
    struct slice body = check_slice(L, 1);
    const struct wire *client = find_client(L, slice_of(luaL_optstring(L, 2, "openai")));
    struct arena arena;
    struct facts facts;
    struct complaint complaint;
    int count = 1;
    arena_init(&arena, NULL, ARENA_MAX);
    if (client->read_facts(body, &arena, &facts, &complaint))
        push_facts(L, &facts);
    else
        count = push_complaint(L, &complaint);
    arena_free(&arena);
    return count;
}

static int wire_edited(lua_State *L)
{
    struct call call;
    struct edit edits[EDITS_MAX];
    struct facts facts;
    struct complaint complaint;
    struct arena arena;
    luaL_Buffer out;
    take_call(L, &call);
    struct slice body = field_slice(L, 1, "body"), parts[2 * EDITS_MAX + 1];
    arena_init(&arena, NULL, ARENA_MAX);
    int count = -1;
    if (call.spoken == call.client && call.client->read_facts(body, &arena, &facts, &complaint))
        count = call.client->edits(body, &facts, &call.provider, &call.model, &arena, edits);
    if (count < 0) {
        arena_free(&arena);
        return 0;
    }
    unsigned made = edits_apply(body, edits, (unsigned)count, parts, 2 * EDITS_MAX + 1);
    luaL_buffinit(L, &out);
    for (unsigned i = 0; i < made; i++)
        luaL_addlstring(&out, parts[i].ptr, parts[i].len);
    luaL_pushresult(&out);
    arena_free(&arena);
    return 1;
}

static bool encode_embed(const struct call *call, struct slice body, struct encode *encode)
{
    struct embed embed = {.count = 0};
    if (!call->client->read_embed(body, encode->arena, &embed, encode->complaint))
        return false;
    if (call->spoken->write_embed == NULL)
        return encode_refuse(encode, LIT("this provider has no embeddings"), LIT("model"));
    encode->embed = &embed;
    return call->spoken->write_embed(encode);
}

static bool encode_chat(const struct call *call, struct slice body, struct encode *encode)
{
    struct chat chat = {.messages = NULL};
    if (!call->client->read_chat(body, encode->arena, &chat, encode->complaint))
        return false;
    buffer_append_slice(encode->dropped, chat.dropped);
    encode->chat = &chat;
    if (call->client->operation != OPERATION_COUNT)
        return call->spoken->write_request(encode);
    if (call->spoken->write_count == NULL)
        return encode_refuse(encode, LIT("this provider counts no tokens"), LIT("model"));
    return call->spoken->write_count(encode);
}

static int wire_encode(lua_State *L)
{
    struct call call;
    struct complaint complaint = {FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    struct arena arena;
    struct buffer out, dropped;
    int count = 2;
    take_call(L, &call);
    struct slice body = field_slice(L, 1, "body");
    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&out, ARENA_MAX);
    buffer_init(&dropped, 4096);
    struct encode encode = {
        .provider = &call.provider, .model = &call.model, .arena = &arena, .out = &out, .dropped = &dropped, .complaint = &complaint};
    bool ok = (call.client->operation == OPERATION_EMBED ? encode_embed : encode_chat)(&call, body, &encode);
    if (ok) {
        push_slice(L, buffer_slice(&out));
        push_slice(L, buffer_slice(&dropped));
    } else {
        count = push_complaint(L, &complaint);
    }
    buffer_free(&out);
    buffer_free(&dropped);
    arena_free(&arena);
    return count;
}

static int wire_passes(lua_State *L)
{
    struct call call;
    take_call(L, &call);
    bool repaired = (call.provider.vendor->quirks & VENDOR_REPAIR) && call.spoken == call.provider.vendor->wire;
    lua_pushboolean(L, call.spoken == call.client && !repaired);
    return 1;
}

static int wire_head(lua_State *L)
{
    struct call call;
    struct buffer url, headers;
    take_call(L, &call);
    struct slice body = field_slice(L, 1, "body");
    buffer_init(&url, 1 << 16);
    buffer_init(&headers, 1 << 16);
    buffer_append_slice(&url, call.provider.path);
    call.spoken->write_path(call.spoken, &call.provider, &call.model, call.client->operation, call.stream, &url);
    if (call.key.len == 0 && call.spoken->write_signature != NULL)
        call.spoken->write_signature(&call.provider, buffer_slice(&url), &body, 1, field_int(L, 1, "wall_s", 0) * 1000000, &headers);
    else
        call.spoken->write_auth(&call.provider, call.key, &headers);
    push_slice(L, call.provider.origin);
    push_slice(L, buffer_slice(&url));
    lua_concat(L, 2);
    push_slice(L, buffer_slice(&headers));
    buffer_free(&url);
    buffer_free(&headers);
    return 2;
}

/* ---------------------------------------------------------------- answers */

struct header_list {
    lua_State *L;
    int index; /* of a table of lower-case names, 0: none */
};

static struct slice look_up(void *head, struct slice name)
{
    struct header_list *list = head;
    if (list->index == 0)
        return SLICE_NONE;
    lua_pushlstring(list->L, name.ptr, name.len);
    struct slice value = SLICE_NONE;
    if (lua_gettable(list->L, list->index) == LUA_TSTRING)
        value.ptr = lua_tolstring(list->L, -1, &value.len);
    lua_pop(list->L, 1);
    return value;
}

static const char no_end[] = "the provider's stream ended without its end marker";

static void feed(lua_State *L, struct answer *answer)
{
    bool good = true;
    lua_getfield(L, 1, "pieces");
    for (lua_Integer i = 1; good && !answer->ended && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++, lua_pop(L, 1)) {
        struct slice piece;
        piece.ptr = lua_tolstring(L, -1, &piece.len);
        good = answer_feed(answer, piece);
    }
    /* Most specs look at a part of a stream: that it lacks its end is a failure for those that ask for one. */
    if (good && !answer_finish(answer) && !field_bool(L, 1, "wants_end") && slice_equals(answer->failure.message, slice_of(no_end)))
        answer->failed = false;
}

static void push_usage(lua_State *L, const struct usage *usage)
{
    const struct {
        const char *name;
        int64_t count;
        bool always;
    } counts[] = {{"input", usage->input, true},
                  {"output", usage->output, true},
                  {"cache_read", usage->cache_read, true},
                  {"cache_write", usage->cache_write, true},
                  {"reasoning", usage->reasoning, true},
                  {"audio_input", usage->audio_input, false},
                  {"audio_output", usage->audio_output, false},
                  {"image_input", usage->image_input, false}};
    lua_newtable(L);
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].always || counts[i].count >= 0)
            set_int(L, counts[i].name, counts[i].count);
    if (usage->billed) {
        lua_pushnumber(L, (double)usage->cost_pico / 1e12);
        lua_setfield(L, -2, "cost");
    }
}

static void push_failure(lua_State *L, const struct answer *answer, const struct wire *client, bool stream)
{
    struct buffer body;
    const struct failure *failure = &answer->failure;
    buffer_init(&body, 1 << 20);
    answer_write_failure(client, answer->writer, failure, LIT("id"), stream, &body);
    lua_newtable(L);
    lua_pushstring(L, failure_row(failure->kind)->name);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, sent_name(failure->sent));
    lua_setfield(L, -2, "sent");
    set_text(L, "message", failure->message);
    set_text(L, "body", buffer_slice(&body));
    set_int(L, "status", client->failure_status(failure));
    if (failure->retry_after_us >= 0) {
        lua_pushnumber(L, (double)failure->retry_after_us / 1e6);
        lua_setfield(L, -2, "retry_after_s");
    }
    buffer_free(&body);
}

static void push_answer(lua_State *L, const struct answer *answer, const struct wire *client, bool stream)
{
    static const char *const finishes[] = {"none", "stop", "length", "tool_calls", "content_filter"};
    lua_newtable(L);
    set_text(L, "out", buffer_slice(&answer->held));
    set_bool(L, "ended", answer->ended);
    set_bool(L, "content", answer->content);
    lua_pushstring(L, finishes[answer->finish]);
    lua_setfield(L, -2, "finish");
    if (answer->usage.known) {
        push_usage(L, &answer->usage);
        lua_setfield(L, -2, "usage");
    }
    if (answer->failed) {
        push_failure(L, answer, client, stream && answer->content);
        lua_setfield(L, -2, "failure");
    }
    if (answer->held.overflow) /* what was written is not all of it */
        set_bool(L, "overflow", true);
}

static void open_reader(lua_State *L, const struct call *call, struct arena *arena, struct answer *answer)
{
    struct slice request = field_slice(L, 1, "request");
    struct complaint complaint;
    struct reader reader = {.wire = call->spoken,
                            .vendor = call->provider.vendor,
                            .arena = arena,
                            .model = &call->model,
                            .operation = call->client->operation,
                            .stream = call->stream};
    if (request.len > 0 && call->client->operation != OPERATION_EMBED) {
        struct chat *chat = arena_zalloc(arena, sizeof *chat);
        if (call->client->read_chat(request, arena, chat, &complaint))
            reader.chat = chat;
    }
    if (!answer_open_reader(answer, &reader))
        luaL_error(L, "no memory");
}

static void open_writer(lua_State *L, const struct call *call, struct arena *arena, struct answer *answer)
{
    struct slice asked = field_slice(L, 1, "asked");
    const struct writer writer = {.wire = call->client,
                                  .arena = arena,
                                  .stream = call->stream,
                                  .include_usage = call->include_usage,
                                  .id = field_slice(L, 1, "id"),
                                  .model = call->model.model,
                                  .asked = asked.len > 0 ? asked : call->model.model,
                                  .provider = call->provider.name,
                                  .body = field_slice(L, 1, "request"),
                                  .created = field_int(L, 1, "created", 0),
                                  .estimated_input = field_int(L, 1, "estimated_input", 0)};
    if (!answer_open_writer(answer, &writer))
        luaL_error(L, "no memory");
}

/* Its body is read whole. */
static void read_whole(lua_State *L, struct answer *answer, int64_t status)
{
    struct header_list headers = {L, 0};
    bool good = answer_feed(answer, field_slice(L, 1, "body"));
    if (status >= 200 && status <= 299) {
        answer->failed = !good || !answer_finish(answer);
        return;
    }
    if (lua_getfield(L, 1, "headers") == LUA_TTABLE)
        headers.index = lua_gettop(L);
    answer->failed = true;
    answer->failure = answer_read_refusal(answer, (int)status, look_up, &headers, field_int(L, 1, "created", 0) * 1000000);
}

static int wire_answer(lua_State *L)
{
    struct answer answer;
    struct arena arena;
    struct call call;
    take_call(L, &call);
    int64_t status = field_int(L, 1, "status", 200), estimate = field_int(L, 1, "estimate", -1);
    bool refused = status < 200 || status > 299;

    arena_init(&arena, NULL, ARENA_MAX);
    answer_init(&answer, NULL);
    answer_begin(&answer, call.spoken, call.stream);
    answer.stream = call.stream && !refused;
    answer.include_usage = call.include_usage;
    open_reader(L, &call, &arena, &answer);
    if (!field_bool(L, 1, "pass"))
        open_writer(L, &call, &arena, &answer);
    if (estimate >= 0)
        answer_estimate(&answer, estimate);
    else if (answer.stream)
        feed(L, &answer);
    else
        read_whole(L, &answer, status);
    push_answer(L, &answer, call.client, call.stream);
    answer_end(&answer);
    answer_free(&answer);
    arena_free(&arena);
    return 1;
}

/* ---------------------------------------------------------------- errors */

static int wire_failure(lua_State *L)
{
    struct buffer body;
    luaL_checktype(L, 1, LUA_TTABLE);
    const struct wire *client = check_client(L, 1);
    struct failure failure = failure_make(FAILURE_UNAVAILABLE, field_slice(L, 1, "message"));
    if (!failure_kind_of(field_slice(L, 1, "kind"), &failure.kind))
        return luaL_error(L, "unknown kind of failure");
    buffer_init(&body, 1 << 20);
    client->write_failure(&failure, LIT("id"), field_bool(L, 1, "stream"), &body);
    push_slice(L, buffer_slice(&body));
    lua_pushinteger(L, client->failure_status(&failure));
    buffer_free(&body);
    return 2;
}

static int wire_classify(lua_State *L)
{
    int status = (int)luaL_checkinteger(L, 1);
    lua_pushstring(L, failure_row(failure_classify(status, check_slice(L, 2), check_slice(L, 3)))->name);
    return 1;
}

static int wire_retry_after(lua_State *L)
{
    struct header_list headers = {L, 1};
    luaL_checktype(L, 1, LUA_TTABLE);
    int64_t us = retry_after_us(look_up, &headers, (int64_t)(luaL_optnumber(L, 2, 0) * 1e6));
    if (us < 0)
        return 0;
    lua_pushnumber(L, (double)us / 1e6);
    return 1;
}

static int wire_message(lua_State *L)
{
    struct arena arena;
    arena_init(&arena, NULL, ARENA_MAX);
    push_slice(L, failure_message(check_slice(L, 1), (int)luaL_checkinteger(L, 2), &arena));
    arena_free(&arena);
    return 1;
}

static int wire_hide(lua_State *L)
{
    struct arena arena;
    arena_init(&arena, NULL, ARENA_MAX);
    push_slice(L, secret_hide(check_slice(L, 1), check_slice(L, 2), &arena));
    arena_free(&arena);
    return 1;
}

/* ---------------------------------------------------------------- what there is */

static int wire_vendors(lua_State *L)
{
    lua_newtable(L);
    for (unsigned i = 0; i < vendor_count; i++) {
        lua_pushstring(L, vendors[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int wire_vendor(lua_State *L)
{
    const struct vendor *vendor = vendor_find(check_slice(L, 1));
    if (vendor == NULL)
        return 0;
    lua_newtable(L);
    set_text(L, "name", slice_of(vendor->name));
    set_text(L, "wire", slice_of(vendor->wire->name));
    lua_pushstring(L, vendor->base_url); /* nil for NULL */
    lua_setfield(L, -2, "base_url");
    return 1;
}

static int wire_clients(lua_State *L)
{
    static const char *const operations[] = {"chat", "embed", "count"};
    lua_newtable(L);
    for (unsigned i = 0; i < CLIENTS; i++)
        set_text(L, clients[i]->name, slice_of(operations[clients[i]->operation]));
    return 1;
}

int open_wire(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"facts", wire_facts},     {"edited", wire_edited},     {"encode", wire_encode},
        {"head", wire_head},       {"passes", wire_passes},     {"answer", wire_answer},
        {"failure", wire_failure}, {"classify", wire_classify}, {"retry_after", wire_retry_after},
        {"message", wire_message}, {"hide", wire_hide},         {"vendors", wire_vendors},
        {"vendor", wire_vendor},   {"clients", wire_clients},   {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
