/* limit.h -- limits as Lua holds them: a userdata per gateway.limit, which C reads without asking Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_LIMIT_H
#define LUA_LIMIT_H
#include "shared/limiter.h"
#include <lua.h>

/* The limit at `index`, or NULL for anything else. Lives as long as the value. */
const struct limit_rule *limit_at(lua_State *L, int index);
/* A plain list of limits at `index` -> rules, at most LIMITS_MAX; -1: it is something else. Calls no metamethod. */
int limits_at(lua_State *L, int index, const struct limit_rule *rules[LIMITS_MAX]);
int limit_is(lua_State *L); /* (value) -> whether it is a limit */
#endif
