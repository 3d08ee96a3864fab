/* eventstream.c -- frames of an AWS event stream, for specs.
 *
 *      local length, frame = eventstream.read(bytes [, max])     length: as eventstream_read gives it; frame { name, payload, is_error } | nil
 *      local events, broken, too_big = eventstream.cut(chunks)   through base/frames: list of { name, data }
 *
 * Bytes are handed over in blocks of their own, freed before the next one, so that AddressSanitizer sees what is kept of them, and read past their end.
 * SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/eventstream.h"
#include "base/frames.h"
#include "lua/spec/bindings.h"

static struct slice own(struct slice text)
{
    char *copy = xmalloc(text.len > 0 ? text.len : 1);
    memcpy(copy, text.ptr, text.len);
    return (struct slice){copy, text.len};
}

static int read_one(lua_State *L)
{
    struct slice text;
    struct eventstream_frame frame;
    text.ptr = luaL_checklstring(L, 1, &text.len);
    size_t max = (size_t)luaL_optinteger(L, 2, SSE_EVENT_MAX);
    struct slice copy = own(text);
    int64_t length = eventstream_read(copy, max, &frame);
    lua_pushinteger(L, length);
    if (length > 0) {
        lua_createtable(L, 0, 3);
        set_slice(L, "name", frame.name);
        set_slice(L, "payload", frame.payload);
        set_bool(L, "is_error", frame.is_error);
    } else {
        lua_pushnil(L);
    }
    free((char *)copy.ptr);
    return 2;
}

/* Appends the events of one chunk to the list on top of the stack. */
static void feed(lua_State *L, struct frames *frames, struct slice chunk)
{
    struct sse_event event;
    struct slice copy = own(chunk);
    frames_feed(frames, copy);
    while (frames_next(frames, &event)) {
        lua_createtable(L, 0, 2);
        set_slice(L, "name", event.name);
        set_slice(L, "data", event.data);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    free((char *)copy.ptr);
}

static int cut(lua_State *L)
{
    struct frames frames;
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "a list of strings");
        lua_settop(L, 1);
    }
    lua_settop(L, 1);
    lua_newtable(L);
    frames_init(&frames, STREAM_AWS);
    for (lua_Integer i = 1; lua_rawgeti(L, 1, i) == LUA_TSTRING; i++) {
        struct slice chunk;
        chunk.ptr = lua_tolstring(L, -1, &chunk.len);
        lua_insert(L, 2); /* the chunk below the list */
        feed(L, &frames, chunk);
        lua_remove(L, 2);
    }
    lua_settop(L, 2);
    lua_pushboolean(L, frames_broken(&frames));
    lua_pushboolean(L, frames_too_big(&frames));
    frames_free(&frames);
    return 3;
}

int open_eventstream(lua_State *L)
{
    static const luaL_Reg functions[] = {{"read", read_one}, {"cut", cut}, {NULL, NULL}};
    luaL_newlib(L, functions);
    set_int(L, "event_max", SSE_EVENT_MAX);
    return 1;
}
