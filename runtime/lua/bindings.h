/* bindings.h -- the pieces of the Lua module gateway.runtime.
 *
 * Each open_* pushes one table of functions and returns 1; lua_module.c puts them together. One file per brick.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_BINDINGS_H
#define LUA_BINDINGS_H
#include "base/bytes.h"
#include <lauxlib.h>
#include <lua.h>

int open_base(lua_State *L);        /* lua_base.c: slices, buffers, arenas, hashes, failures, the log */
int open_json(lua_State *L);        /* lua_json.c: json, and the unescape/escape bricks */
int open_sse(lua_State *L);         /* lua_sse.c */
int open_blocks(lua_State *L);      /* lua_blocks.c: blocks of memory */
int open_eventstream(lua_State *L); /* lua_eventstream.c: frames of AWS */
int open_http1(lua_State *L);       /* lua_http1.c: the upstream response codec */
int open_framing(lua_State *L);     /* lua_framing.c: the checker of client bytes */
int open_wire(lua_State *L);        /* lua_wire.c: dialects, for specs */
int open_dialect(lua_State *L);     /* lua_dialect.c: the same, pair by pair */
int open_walk(lua_State *L);        /* lua_walk.c: the plan's walk, for specs and gateway.testing */
int open_health(lua_State *L);      /* lua_health.c */
int open_limiter(lua_State *L);     /* lua_limiter.c: limits as policies hold them; the limiter for specs and gateway.testing */
int open_memory(lua_State *L);      /* lua_memory.c: the room for request bodies, for specs */
int open_order(lua_State *L);       /* lua_order.c: gateway.order */
int open_config(lua_State *L);      /* lua_config.c: checked table -> struct config, for specs; is_model_name for lua/gateway/models.lua */
int open_keyring(lua_State *L);     /* lua_keyring.c: keys and patterns, for specs */
int open_address(lua_State *L);     /* lua_address.c */
int open_value(lua_State *L);       /* lua_value.c: JSON to values and back, as adapters have it */
int open_wait_queue(lua_State *L);  /* lua_wait_queue.c: who waits for room, for specs */
int open_pools(lua_State *L);       /* lua_keyring.c: turns and spare attempts by name, for specs */
int open_key_states(lua_State *L);  /* lua_key_states.c */
int open_tokens(lua_State *L);      /* lua_tokens.c: access tokens, for specs */
int open_google(lua_State *L);      /* the same: how Google Cloud is asked for them; is_key for lua/gateway/credentials.lua */
int open_probation(lua_State *L);   /* lua_probation.c: how long a new generation is trusted, for specs */
int open_stops(lua_State *L);       /* lua_stops.c: who is left alone for a while, for specs */
int open_schedule(lua_State *L);    /* lua_schedule.c: when checks are due and what they come to, for specs */

/* ---------------------------------------------------------------- what they all need */

/* The argument's text; it is Lua's. */
static inline struct slice check_slice(lua_State *L, int index)
{
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    return text;
}

static inline int push_slice(lua_State *L, struct slice text)
{
    lua_pushlstring(L, text.len > 0 ? text.ptr : "", text.len);
    return 1;
}

/* A field of the table at the top. */
static inline void set_slice(lua_State *L, const char *field, struct slice text)
{
    push_slice(L, text);
    lua_setfield(L, -2, field);
}

/* A kind of userdata with these methods. gc may be NULL. lua_module.c */
void new_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc);

/* The module: lua_module.c. Exported, everything else is hidden. */
__attribute__((visibility("default"))) int luaopen_gateway_runtime(lua_State *L);
#endif
