/* hold.h -- buffers and arenas that Lua owns: what C has in hand while it calls what may raise is freed with them, at the latest when Lua collects.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_HOLD_H
#define LUA_HOLD_H
#include "base/arena.h"
#include <lua.h>

/* Each pushes the userdata that owns it; it may be freed before as well. May raise. */
struct buffer *hold_buffer(lua_State *L, size_t limit);
struct arena *hold_arena(lua_State *L, size_t limit);
#endif
