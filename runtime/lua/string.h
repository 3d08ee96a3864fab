/* string.h -- the string library of policies: every function bounded in time and in what it makes.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_STRING_H
#define LUA_STRING_H
#include <lua.h>

enum { SANDBOX_TEXT_MAX = 1024 * 1024 }; /* the longest string one library call makes */

/* Takes the host's pristine string library at the top and leaves the safe one in its place. */
void string_push_safe(lua_State *L);
/* Pushes a value as text without calling metamethods other than __tostring and without addresses. */
void string_push_text(lua_State *L, int index);
#endif
