/* embedded.h -- the files of lua/gateway as text inside the program; the Makefile writes the table (build/obj/embedded.c).
 * SPDX-License-Identifier: MIT */
#ifndef LUA_EMBEDDED_H
#define LUA_EMBEDDED_H
#include <stddef.h>

struct embedded_lua {
    const char *name; /* "gateway.pipeline" */
    const char *text;
    size_t len;
};

extern const struct embedded_lua embedded_lua[];
extern const unsigned embedded_lua_count;
#endif
