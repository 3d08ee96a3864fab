/* hold.c -- see hold.h.
 * SPDX-License-Identifier: MIT */
#include "lua/hold.h"
#include <lauxlib.h>

static int collect_buffer(lua_State *L)
{
    buffer_free(lua_touserdata(L, 1));
    return 0;
}

static int collect_arena(lua_State *L)
{
    arena_free(lua_touserdata(L, 1));
    return 0;
}

/* The metatable of the userdata at the top. */
static void set_collector(lua_State *L, const char *name, lua_CFunction collect)
{
    if (luaL_newmetatable(L, name)) {
        lua_pushcfunction(L, collect);
        lua_pushvalue(L, -1);
        lua_setfield(L, -3, "__gc");
        lua_setfield(L, -2, "__close");
    }
    lua_setmetatable(L, -2);
}

struct buffer *keep_buffer(lua_State *L, size_t limit)
{
    struct buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);
    buffer_init(buffer, limit);
    set_collector(L, "gateway.held_buffer", collect_buffer);
    return buffer;
}

struct buffer *hold_buffer(lua_State *L, size_t limit)
{
    struct buffer *buffer = keep_buffer(L, limit);
    lua_toclose(L, -1);
    return buffer;
}

struct arena *hold_arena(lua_State *L, size_t limit)
{
    struct arena *arena = lua_newuserdatauv(L, sizeof *arena, 0);
    arena_init(arena, NULL, limit);
    set_collector(L, "gateway.held_arena", collect_arena);
    lua_toclose(L, -1);
    return arena;
}
