/* hold.h -- buffers and arenas that Lua owns: memory that C holds while it calls functions that may raise.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_HOLD_H
#define LUA_HOLD_H
#include "base/arena.h"
#include <lua.h>

/* Each pushes the userdata that owns it and may raise. Freed when the C function returns or raises, or when it is popped; its place must not be moved. */
struct buffer *hold_buffer(lua_State *L, size_t limit);
struct arena *hold_arena(lua_State *L, size_t limit);
/* The same, but freed by the caller, or when Lua collects it: it may be moved. */
struct buffer *keep_buffer(lua_State *L, size_t limit);
#endif
