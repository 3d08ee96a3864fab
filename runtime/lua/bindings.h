/* bindings.h -- the Lua module gateway.runtime: what the Lua of the gateway calls.
 *
 * Each open_* pushes one table of functions and returns 1. What only specs and gateway.testing call is in spec/ (spec/bindings.h).
 * SPDX-License-Identifier: MIT */
#ifndef LUA_BINDINGS_H
#define LUA_BINDINGS_H
#include "lua/fields.h"

int open_texts(lua_State *L); /* texts.c: what is asked about a text: is it an address, a model's name; its hash */
int open_limit(lua_State *L); /* limit.c: rate limits as policies hold them */
int open_order(lua_State *L); /* order.c: gateway.order */
int open_value(lua_State *L); /* value.c: JSON to values and back */
/* and open_call, open_sandbox: call.h */

int open_runtime(lua_State *L); /* module.c: all of them in one table */

#endif
