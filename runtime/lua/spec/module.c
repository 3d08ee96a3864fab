/* module.c -- build/lua/gateway/runtime.so: the module gateway.runtime of the program, and a table for each thing that specs test.
 *
 * Workers, sockets and the clock are left out: plain lua5.4 and busted need nothing else to test a policy.
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"

void new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    if (gc != NULL) {
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
}

static int collect_held(lua_State *L) /* upvalue 1: what releases it */
{
    void **held = lua_touserdata(L, 1), *release = lua_touserdata(L, lua_upvalueindex(1));
    if (*held != NULL)
        ((void (*)(void *))release)(*held);
    *held = NULL;
    return 0;
}

void new_held_type(lua_State *L, const char *name, const luaL_Reg *methods, void (*release)(void *))
{
    new_type(L, name, methods, NULL);
    luaL_getmetatable(L, name);
    set_function(L, "__gc", collect_held, (void *)release);
    lua_pop(L, 1);
}

void **push_held(lua_State *L, const char *name)
{
    void **held = lua_newuserdatauv(L, sizeof *held, 1);
    *held = NULL;
    luaL_setmetatable(L, name);
    return held;
}

void *check_held(lua_State *L, int index, const char *name)
{
    return *(void **)luaL_checkudata(L, index, name);
}

int luaopen_gateway_runtime(lua_State *L)
{
    static const struct {
        const char *name;
        int (*open)(lua_State *L);
    } parts[] = {
        {"base", open_base},
        {"json", open_json},
        {"sse", open_sse},
        {"http1", open_http1},
        {"framing", open_framing},
        {"wire", open_wire},
        {"walk", open_walk},
        {"health", open_health},
        {"config", open_config},
        {"keyring", open_keyring},
        {"pools", open_pools},
        {"key_states", open_key_states},
        {"tokens", open_tokens},
        {"google", open_google},
        {"blocks", open_blocks},
        {"eventstream", open_eventstream},
        {"dialect", open_dialect},
        {"limiter", open_limiter},
        {"memory", open_memory},
        {"address", open_address},
        {"wait_queue", open_wait_queue},
        {"schedule", open_schedule},
        {"probation", open_probation},
        {"stops", open_stops},
    };
    open_runtime(L);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i].open(L);
        lua_setfield(L, -2, parts[i].name);
    }
    return 1;
}
