/* lua_wire.c -- the dialects, for specs: what a request becomes, what an answer becomes.
 *
 *      wire.facts(body) -> table | nil, complaint
 *      wire.edited{ body, vendor, model [, stream] } -> the same body for a provider of the same dialect | nil
 *      wire.encode{ body, vendor, model [, capabilities, max_output, default_max_tokens, reasoning_budgets] } -> body, dropped | nil, complaint
 *      wire.answer{ vendor, stream, include_usage, pieces, status, headers, created, id, model [, pass] } -> { out, failure, status, usage, finish }
 *      wire.classify(status, code, text) -> kind; wire.retry_after(headers, wall_s) -> seconds | nil; wire.message(body, status)
 *      wire.vendors() -> names
 * SPDX-License-Identifier: MIT */
#include "base/sse.h"
#include "lua/bindings.h"
#include "providers/provider.h"
#include <math.h>

enum { ARENA_MAX = 64 * 1024 * 1024 };

static struct slice check_slice(lua_State *L, int index)
{
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    return text;
}

static void push_slice(lua_State *L, struct slice text)
{
    lua_pushlstring(L, text.len > 0 ? text.ptr : "", text.len);
}

static struct slice field(lua_State *L, int table, const char *name)
{
    struct slice text = SLICE_NONE;
    if (lua_getfield(L, table, name) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, -1, &text.len);
    lua_pop(L, 1); /* the table keeps it alive */
    return text;
}

static int64_t field_int(lua_State *L, int table, const char *name, int64_t otherwise)
{
    lua_getfield(L, table, name);
    int64_t number = lua_isnumber(L, -1) ? (int64_t)lua_tonumber(L, -1) : otherwise;
    lua_pop(L, 1);
    return number;
}

static bool field_bool(lua_State *L, int table, const char *name)
{
    lua_getfield(L, table, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static void set_text(lua_State *L, const char *name, struct slice text)
{
    if (text.len == 0)
        return;
    push_slice(L, text);
    lua_setfield(L, -2, name);
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

/* ---------------------------------------------------------------- requests */

static void push_facts(lua_State *L, const struct facts *facts)
{
    lua_newtable(L);
    set_text(L, "model", facts->model_raw);
    set_text(L, "user", facts->user_raw);
    set_text(L, "strategy", facts->strategy_raw);
    set_text(L, "provider", facts->provider_raw);
    set_text(L, "opening", facts->opening_json);
    lua_pushboolean(L, facts->stream);
    lua_setfield(L, -2, "stream");
    lua_pushboolean(L, facts->include_usage);
    lua_setfield(L, -2, "include_usage");
    lua_pushboolean(L, facts->replayable);
    lua_setfield(L, -2, "replayable");
    lua_pushinteger(L, facts->fallback);
    lua_setfield(L, -2, "fallback");
    lua_pushinteger(L, facts->max_tokens);
    lua_setfield(L, -2, "max_tokens");
    lua_pushinteger(L, (lua_Integer)facts->needs);
    lua_setfield(L, -2, "needs");
    lua_pushinteger(L, (lua_Integer)facts->prompt_bytes);
    lua_setfield(L, -2, "prompt_bytes");
    if (!isnan(facts->temperature)) {
        lua_pushnumber(L, facts->temperature);
        lua_setfield(L, -2, "temperature");
    }
}

static int wire_facts(lua_State *L)
{
    struct slice body = check_slice(L, 1);
    struct arena arena;
    struct facts facts;
    struct complaint complaint;
    int count = 1;
    arena_init(&arena, NULL, ARENA_MAX);
    if (wire_openai.read_facts(body, &arena, &facts, &complaint))
        push_facts(L, &facts);
    else
        count = push_complaint(L, &complaint);
    arena_free(&arena);
    return count;
}

static const struct vendor *check_vendor(lua_State *L, int table)
{
    const struct vendor *vendor = vendor_find(field(L, table, "vendor"));
    if (vendor == NULL)
        luaL_error(L, "unknown vendor");
    return vendor;
}

static void fill_provider(lua_State *L, int table, struct provider *provider)
{
    static const char *const efforts[] = {"minimal", "low", "medium", "high", "xhigh"};
    provider->name = field(L, table, "vendor");
    provider->vendor = check_vendor(L, table);
    provider->default_max_tokens = field_int(L, table, "default_max_tokens", 0);
    if (lua_getfield(L, table, "reasoning_budgets") == LUA_TTABLE)
        for (unsigned i = 0; i < 5; i++)
            provider->reasoning_budgets[i] = field_int(L, lua_gettop(L), efforts[i], 0);
    lua_pop(L, 1);
}

static void fill_model(lua_State *L, int table, struct model_facts *model)
{
    model->model = field(L, table, "model");
    model->max_output = field_int(L, table, "max_output", 0);
    model->capabilities = (unsigned)field_int(L, table, "capabilities", 0xffff);
}

static int wire_edited(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct provider provider = {.name = SLICE_NONE};
    struct model_facts model = {.model = SLICE_NONE};
    struct slice body = field(L, 1, "body"), parts[2 * EDITS_MAX + 1];
    struct edit edits[EDITS_MAX];
    struct facts facts;
    struct complaint complaint;
    struct arena arena;
    luaL_Buffer out;
    fill_provider(L, 1, &provider);
    fill_model(L, 1, &model);
    arena_init(&arena, NULL, ARENA_MAX);
    int count = -1;
    if (wire_openai.read_facts(body, &arena, &facts, &complaint))
        count = wire_openai.edits(body, &facts, &provider, &model, &arena, edits);
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

static int wire_encode(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct provider provider = {.name = SLICE_NONE};
    struct model_facts model = {.model = SLICE_NONE};
    struct slice body = field(L, 1, "body");
    struct complaint complaint = {FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    struct arena arena;
    struct chat chat;
    struct buffer out, dropped;
    int count = 2;
    fill_provider(L, 1, &provider);
    fill_model(L, 1, &model);
    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&out, ARENA_MAX);
    buffer_init(&dropped, 4096);
    if (wire_openai.read_chat(body, &arena, &chat, &complaint) &&
        provider.vendor->wire->write_request(&chat, &provider, &model, &arena, &out, &dropped, &complaint)) {
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

/* ---------------------------------------------------------------- answers */

struct collect {
    struct writer *writer;
    struct buffer out;
    struct failure failure;
    struct usage usage;
    enum finish finish;
    bool failed, ended, content;
};

static void on_event(void *owner, const struct event *event)
{
    struct collect *collect = owner;
    collect->content |= event_is_content(event);
    if (event->kind == EVENT_USAGE)
        collect->usage = event->usage;
    if (event->kind == EVENT_FINISH)
        collect->finish = event->finish;
    if (event->kind == EVENT_ERROR) {
        collect->failed = true;
        collect->failure = event->failure;
        return;
    }
    collect->ended |= event->kind == EVENT_END;
    if (collect->writer != NULL)
        collect->writer->wire->write_event(collect->writer, event, &collect->out);
}

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

static void one_event(struct reader *reader, struct collect *collect, const struct sse_event *event, bool include_usage)
{
    enum pass pass = PASS_AS_IS;
    struct slice rewritten = SLICE_NONE;
    if (!event->has_data || collect->ended || collect->failed)
        return;
    reader->wire->read_event(reader, event->name, event->data, include_usage, &pass, &rewritten);
    if (collect->writer != NULL || collect->failed)
        return;
    if (pass == PASS_AS_IS)
        buffer_append_slice(&collect->out, event->raw);
    else if (pass == PASS_REWRITE)
        buffer_append_slice(&collect->out, rewritten);
}

static void feed(lua_State *L, struct reader *reader, struct collect *collect, bool include_usage)
{
    struct sse sse;
    struct sse_event event;
    sse_init(&sse);
    lua_getfield(L, 1, "pieces");
    for (lua_Integer i = 1; lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
        struct slice piece;
        piece.ptr = lua_tolstring(L, -1, &piece.len);
        sse_feed(&sse, piece);
        while (sse_next(&sse, &event))
            one_event(reader, collect, &event, include_usage);
        lua_pop(L, 1);
    }
    lua_pop(L, 2);
    if (sse_finish(&sse, &event))
        one_event(reader, collect, &event, include_usage);
    if (!collect->ended && !collect->failed)
        reader->wire->read_eof(reader);
    sse_free(&sse);
}

static void push_usage(lua_State *L, const struct usage *usage)
{
    const struct {
        const char *name;
        int64_t count;
    } counts[] = {{"input", usage->input},
                  {"output", usage->output},
                  {"cache_read", usage->cache_read},
                  {"cache_write", usage->cache_write},
                  {"reasoning", usage->reasoning}};
    lua_newtable(L);
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        lua_pushinteger(L, counts[i].count);
        lua_setfield(L, -2, counts[i].name);
    }
}

static void push_failure(lua_State *L, const struct collect *collect, bool stream)
{
    struct buffer body;
    const struct failure *failure = &collect->failure;
    buffer_init(&body, 1 << 20);
    wire_openai.write_failure(failure, LIT("id"), stream, &body);
    lua_newtable(L);
    lua_pushstring(L, failure_row(failure->kind)->name);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, sent_name(failure->sent));
    lua_setfield(L, -2, "sent");
    set_text(L, "message", failure->message);
    set_text(L, "body", buffer_slice(&body));
    lua_pushinteger(L, wire_openai.failure_status(failure));
    lua_setfield(L, -2, "status");
    if (failure->retry_after_us >= 0) {
        lua_pushnumber(L, (double)failure->retry_after_us / 1e6);
        lua_setfield(L, -2, "retry_after_s");
    }
    buffer_free(&body);
}

static void push_answer(lua_State *L, const struct collect *collect, bool stream)
{
    static const char *const finishes[] = {"none", "stop", "length", "tool_calls", "content_filter"};
    lua_newtable(L);
    set_text(L, "out", buffer_slice(&collect->out));
    lua_pushboolean(L, collect->ended);
    lua_setfield(L, -2, "ended");
    lua_pushboolean(L, collect->content);
    lua_setfield(L, -2, "content");
    lua_pushstring(L, finishes[collect->finish]);
    lua_setfield(L, -2, "finish");
    if (collect->usage.known) {
        push_usage(L, &collect->usage);
        lua_setfield(L, -2, "usage");
    }
    if (collect->failed) {
        push_failure(L, collect, stream && collect->content);
        lua_setfield(L, -2, "failure");
    }
}

static int wire_answer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct collect collect = {.finish = FINISH_NONE};
    struct arena arena;
    const struct vendor *vendor = check_vendor(L, 1);
    const struct wire *wire = vendor->wire;
    bool stream = field_bool(L, 1, "stream"), usage = field_bool(L, 1, "include_usage");
    int64_t status = field_int(L, 1, "status", 200);
    struct header_list headers = {L, 0};

    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&collect.out, ARENA_MAX);
    struct reader *reader = arena_zalloc(&arena, wire->reader_size);
    *reader = (struct reader){.wire = wire, .vendor = vendor, .arena = &arena, .emit = on_event, .owner = &collect, .stream = stream};
    wire->reader_begin(reader);
    if (!field_bool(L, 1, "pass")) {
        collect.writer = arena_zalloc(&arena, wire_openai.writer_size);
        *collect.writer = (struct writer){.wire = &wire_openai,
                                          .arena = &arena,
                                          .stream = stream,
                                          .include_usage = usage,
                                          .id = field(L, 1, "id"),
                                          .model = field(L, 1, "model"),
                                          .created = field_int(L, 1, "created", 0)};
        wire_openai.writer_begin(collect.writer);
    }
    if (status < 200 || status > 299) {
        if (lua_getfield(L, 1, "headers") == LUA_TTABLE)
            headers.index = lua_gettop(L);
        collect.failed = true;
        wire->read_failure((int)status, field(L, 1, "body"), look_up, &headers, field_int(L, 1, "created", 0) * 1000000, &arena,
                           &collect.failure);
    } else if (stream) {
        feed(L, reader, &collect, usage);
    } else {
        wire->read_answer(reader, field(L, 1, "body"));
    }
    push_answer(L, &collect, stream);
    if (collect.writer != NULL)
        wire_openai.writer_end(collect.writer);
    buffer_free(&collect.out);
    arena_free(&arena);
    return 1;
}

/* ---------------------------------------------------------------- errors */

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

static int wire_vendors(lua_State *L)
{
    lua_newtable(L);
    for (unsigned i = 0; i < vendor_count; i++) {
        lua_pushstring(L, vendors[i].name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int open_wire(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"facts", wire_facts},     {"edited", wire_edited},     {"encode", wire_encode},
        {"answer", wire_answer},   {"classify", wire_classify}, {"retry_after", wire_retry_after},
        {"message", wire_message}, {"vendors", wire_vendors},   {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
