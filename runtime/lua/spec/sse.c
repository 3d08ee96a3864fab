/* sse.c -- the decoder of server-sent events, for specs.
 *
 *      local events, too_big = sse.parse(chunks [, finish])
 *      events: list of { name, data, raw, has_data, adjacent: raw begins where the one before it in the same chunk ended }
 *      sse.event_max
 *
 * Each chunk is fed from a block of its own that is freed before the next one is fed, so that AddressSanitizer sees what is kept of
 * it, and read past its end.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/sse.h"
#include "lua/spec/bindings.h"

/* Appends the event to the list on top of the stack. */
static void push_event(lua_State *L, const struct sse_event *event, const char *raw_end)
{
    lua_createtable(L, 0, 5);
    set_slice(L, "name", event->name);
    set_slice(L, "data", event->data);
    set_slice(L, "raw", event->raw);
    set_bool(L, "has_data", event->has_data);
    set_bool(L, "adjacent", event->raw.ptr == raw_end);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
}

static void feed(lua_State *L, struct sse *sse, struct slice chunk)
{
    struct sse_event event;
    const char *raw_end = NULL;
    char *copy = xmalloc(chunk.len);
    memcpy(copy, chunk.ptr, chunk.len);
    sse_feed(sse, (struct slice){copy, chunk.len});
    while (sse_next(sse, &event)) {
        push_event(L, &event, raw_end);
        raw_end = event.raw.ptr + event.raw.len;
    }
    free(copy);
}

static int parse(lua_State *L)
{
    struct sse sse;
    struct sse_event event;
    luaL_checktype(L, 1, LUA_TTABLE);
    bool finish = lua_toboolean(L, 2);
    lua_settop(L, 1);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "a list of strings");
        lua_settop(L, 1);
    }
    lua_settop(L, 1);
    lua_newtable(L);
    sse_init(&sse);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TSTRING; i++) {
        struct slice chunk;
        chunk.ptr = lua_tolstring(L, -1, &chunk.len);
        lua_insert(L, 2); /* the chunk below the list */
        feed(L, &sse, chunk);
        lua_remove(L, 2);
    }
    lua_settop(L, 2);
    if (finish && sse_finish(&sse, &event))
        push_event(L, &event, NULL);
    lua_pushboolean(L, sse_too_big(&sse));
    sse_free(&sse);
    return 2;
}

int open_sse(lua_State *L)
{
    static const luaL_Reg functions[] = {{"parse", parse}, {NULL, NULL}};
    luaL_newlib(L, functions);
    set_int(L, "event_max", SSE_EVENT_MAX);
    return 1;
}
