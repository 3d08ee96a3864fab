/* stops.c -- gateway/stops for specs: stops.new() gives called(now), add(user, known, now) -> off, off(now) -> microseconds.
 * SPDX-License-Identifier: MIT */
#include "routing/stops.h"
#include "lua/spec/bindings.h"

#define STOPS_TYPE "gateway.stops"

static int called(lua_State *L)
{
    stops_called(luaL_checkudata(L, 1, STOPS_TYPE), luaL_checkinteger(L, 2));
    return 0;
}

static int add(lua_State *L)
{
    struct stops *stops = luaL_checkudata(L, 1, STOPS_TYPE);
    lua_pushboolean(L, stops_add(stops, (uint64_t)luaL_checkinteger(L, 2), (unsigned)luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)));
    return 1;
}

static int off(lua_State *L)
{
    lua_pushinteger(L, stops_off_us(luaL_checkudata(L, 1, STOPS_TYPE), luaL_checkinteger(L, 2)));
    return 1;
}

static int new_stops(lua_State *L)
{
    struct stops *stops = lua_newuserdatauv(L, sizeof *stops, 0);
    *stops = (struct stops){0};
    luaL_setmetatable(L, STOPS_TYPE);
    return 1;
}

int open_stops(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", new_stops}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"called", called}, {"add", add}, {"off", off}, {NULL, NULL}};
    new_type(L, STOPS_TYPE, methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
