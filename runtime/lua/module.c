/* module.c -- the Lua module gateway.runtime as the program has it.
 * SPDX-License-Identifier: MIT */
#include "lua/bindings.h"
#include "lua/call.h"

int open_runtime(lua_State *L)
{
    static const struct {
        const char *name;
        int (*open)(lua_State *L);
    } parts[] = {
        {"call", open_call},       {"limit", open_limit}, {"order", open_order},
        {"sandbox", open_sandbox}, {"text", open_texts},  {"value", open_value},
    };
    lua_createtable(L, 0, sizeof parts / sizeof *parts);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        parts[i].open(L);
        lua_setfield(L, -2, parts[i].name);
    }
    return 1;
}
