/* value.h -- JSON text to values of Lua and back: what adapters written in Lua work on.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_VALUE_H
#define LUA_VALUE_H
#include "base/json.h"
#include <lua.h>

/* Pushes the value of the text; false: it is not JSON, nothing is pushed. Raises when memory is out. */
MUST_USE bool value_push(lua_State *L, struct slice text);
/* Appends the value at `index` as JSON. NULL, or why it cannot be JSON; out->overflow as ever. Never raises. */
MUST_USE const char *value_write(lua_State *L, int index, struct buffer *out);
/* Appends the text, number or boolean at `index`; fractions with 17 digits. Never raises. */
void value_write_plain(lua_State *L, int index, struct buffer *out);
/* A list: marked as one, or with something at 1. */
bool value_is_list(lua_State *L, int index);
#endif
