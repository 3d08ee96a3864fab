/* probation.c -- gateway/probation for specs.
 *
 * probation.new(known, now) gives call(now) -> lost, failure(user, now) -> lost, looks_good(), is_lost(), again(known, now). Times are whole microseconds.
 * SPDX-License-Identifier: MIT */
#include "routing/probation.h"
#include "lua/spec/bindings.h"

#define PROBATION_TYPE "gateway.probation"

static int probation_again(lua_State *L)
{
    struct probation *probation = luaL_checkudata(L, 1, PROBATION_TYPE);
    probation_begin(probation, (unsigned)luaL_checkinteger(L, 2), luaL_checkinteger(L, 3));
    return 0;
}

static int probation_call_face(lua_State *L)
{
    struct probation *probation = luaL_checkudata(L, 1, PROBATION_TYPE);
    lua_pushboolean(L, probation_call(probation, luaL_checkinteger(L, 2)));
    return 1;
}

static int probation_failure_face(lua_State *L)
{
    struct probation *probation = luaL_checkudata(L, 1, PROBATION_TYPE);
    struct slice user;
    user.ptr = luaL_checklstring(L, 2, &user.len);
    lua_pushboolean(L, probation_failure(probation, user, luaL_checkinteger(L, 3)));
    return 1;
}

static int probation_good_face(lua_State *L)
{
    lua_pushboolean(L, probation_looks_good(luaL_checkudata(L, 1, PROBATION_TYPE)));
    return 1;
}

static int probation_lost_face(lua_State *L)
{
    lua_pushboolean(L, probation_is_lost(luaL_checkudata(L, 1, PROBATION_TYPE)));
    return 1;
}

static int probation_new(lua_State *L)
{
    unsigned known = (unsigned)luaL_checkinteger(L, 1);
    int64_t now_us = luaL_checkinteger(L, 2);
    struct probation *probation = lua_newuserdatauv(L, sizeof *probation, 0);
    memset(probation, 0, sizeof *probation);
    probation_begin(probation, known, now_us);
    luaL_setmetatable(L, PROBATION_TYPE);
    return 1;
}

int open_probation(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", probation_new}, {NULL, NULL}};
    static const luaL_Reg probations[] = {{"again", probation_again},          {"call", probation_call_face},
                                          {"failure", probation_failure_face}, {"looks_good", probation_good_face},
                                          {"is_lost", probation_lost_face},    {NULL, NULL}};
    new_type(L, PROBATION_TYPE, probations, NULL);
    luaL_newlib(L, functions);
    return 1;
}
