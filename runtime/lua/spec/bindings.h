/* bindings.h -- what specs and gateway.testing call besides: build/lua/gateway/runtime.so has it, the program has not.
 *
 * Each open_* pushes one table of functions and returns 1; module.c puts them together. A file for each thing that is tested.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_SPEC_BINDINGS_H
#define LUA_SPEC_BINDINGS_H
#include "lua/bindings.h"
#include "lua/hold.h"

int open_base(lua_State *L);
int open_json(lua_State *L);
int open_sse(lua_State *L);
int open_blocks(lua_State *L);
int open_eventstream(lua_State *L);
int open_http1(lua_State *L);
int open_framing(lua_State *L);
int open_wire(lua_State *L);
int open_dialect(lua_State *L);
int open_walk(lua_State *L);
int open_health(lua_State *L);
int open_limiter(lua_State *L);
int open_memory(lua_State *L);
int open_config(lua_State *L);
int open_keyring(lua_State *L);
int open_address(lua_State *L);
int open_wait_queue(lua_State *L);
int open_pools(lua_State *L);
int open_key_states(lua_State *L);
int open_tokens(lua_State *L);
int open_google(lua_State *L);
int open_probation(lua_State *L);
int open_stops(lua_State *L);
int open_schedule(lua_State *L);

/* Times are seconds in Lua and microseconds in C. */
static inline int64_t check_us(lua_State *L, int index)
{
    return us_of_seconds(luaL_checknumber(L, index));
}

/* A kind of userdata with these methods. gc may be NULL. module.c */
void new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc);

/* The same for userdata that hold one pointer: NULL until something is put there, and when `release` had it. module.c */
void new_held_type(lua_State *L, const char *name, const luaL_Reg *methods, void (*release)(void *));
void **push_held(lua_State *L, const char *name);
void *check_held(lua_State *L, int index, const char *name);

/* Exported; everything else is hidden. */
__attribute__((visibility("default"))) int luaopen_gateway_runtime(lua_State *L);
#endif
