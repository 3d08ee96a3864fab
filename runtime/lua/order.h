/* order.h -- the facts of targets that gateway.order reads without going through Lua.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_ORDER_H
#define LUA_ORDER_H
#include <lua.h>
#include <stdbool.h>

/* A script's own targets: what it says here must be what the fact's name gives in Lua. */
struct fact_reader {
    void *owner;
    int (*find)(const char *fact); /* its number, 0: not one of these */
    bool (*read)(lua_State *L, void *owner, int fact,
                 double *value); /* of the table at the top; NAN: unknown; false: not a target of ours */
};

void order_set_reader(lua_State *L, const struct fact_reader *reader); /* must outlive the state */
#endif
