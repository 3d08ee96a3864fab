/* memory.c -- the memory for request bodies, and the limits of cgroups, for specs.
 *
 *      local bodies = memory.bodies(total, largest)
 *      bodies:take(user, bytes, now_us) -> whether it was taken    bodies:has_room(user, bytes, now_us)
 *      bodies:give(user, bytes)    bodies:held() -> bytes
 *      memory.of_cgroup(root) -> bytes, or nil: no limit           root is put before /proc and /sys
 * SPDX-License-Identifier: MIT */
#include "config/memory_budget.h"
#include "lua/spec/bindings.h"
#include "shared/bodies.h"

#define BODIES "gateway.memory.bodies"

static struct bodies *check_bodies(lua_State *L)
{
    return *(struct bodies **)luaL_checkudata(L, 1, BODIES);
}

static int new_bodies(lua_State *L)
{
    size_t total = (size_t)luaL_checkinteger(L, 1), largest = (size_t)luaL_checkinteger(L, 2);
    struct bodies **made = lua_newuserdatauv(L, sizeof(struct bodies *), 0);
    *made = bodies_new(total, largest);
    luaL_setmetatable(L, BODIES);
    return 1;
}

static int take(lua_State *L)
{
    lua_pushboolean(
        L, bodies_take(check_bodies(L), (uint64_t)luaL_checkinteger(L, 2), (size_t)luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)));
    return 1;
}

static int has_room(lua_State *L)
{
    lua_pushboolean(
        L, bodies_could_take(check_bodies(L), (uint64_t)luaL_checkinteger(L, 2), (size_t)luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)));
    return 1;
}

static int give(lua_State *L)
{
    bodies_give(check_bodies(L), (uint64_t)luaL_checkinteger(L, 2), (size_t)luaL_checkinteger(L, 3));
    return 0;
}

static int held(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)bodies_held(check_bodies(L)));
    return 1;
}

static int collect(lua_State *L)
{
    bodies_free(check_bodies(L));
    return 0;
}

static int of_cgroup(lua_State *L)
{
    size_t limit = memory_limit_of_cgroup(luaL_checkstring(L, 1));
    if (limit == SIZE_MAX)
        lua_pushnil(L);
    else
        lua_pushinteger(L, (lua_Integer)limit);
    return 1;
}

int open_memory(lua_State *L)
{
    static const luaL_Reg methods[] = {{"take", take}, {"has_room", has_room}, {"give", give}, {"held", held}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"bodies", new_bodies}, {"of_cgroup", of_cgroup}, {NULL, NULL}};
    new_type(L, BODIES, methods, collect);
    luaL_newlib(L, functions);
    return 1;
}
