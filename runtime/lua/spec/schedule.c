/* schedule.c -- gateway/schedule for specs.
 *
 * schedule.new(every, retry, seed, now) gives next(ok, asked) -> due, due() -> due, set(every, retry); schedule.tally(fall, rise) gives
 * count(ok) -> changed, down; set(fall, rise). Times are whole microseconds.
 * SPDX-License-Identifier: MIT */
#include "routing/schedule.h"
#include "lua/spec/bindings.h"

#define SCHEDULE_TYPE "gateway.schedule"
#define TALLY_TYPE    "gateway.tally"

static int schedule_due(lua_State *L)
{
    const struct schedule *schedule = luaL_checkudata(L, 1, SCHEDULE_TYPE);
    lua_pushinteger(L, schedule->due_us);
    return 1;
}

static int schedule_next_face(lua_State *L)
{
    struct schedule *schedule = luaL_checkudata(L, 1, SCHEDULE_TYPE);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    schedule_next(schedule, lua_toboolean(L, 2), luaL_checkinteger(L, 3));
    return schedule_due(L);
}

static int schedule_set(lua_State *L)
{
    struct schedule *schedule = luaL_checkudata(L, 1, SCHEDULE_TYPE);
    schedule->every_us = luaL_checkinteger(L, 2);
    schedule->retry_us = luaL_checkinteger(L, 3);
    return 0;
}

static int schedule_new(lua_State *L)
{
    int64_t every_us = luaL_checkinteger(L, 1), retry_us = luaL_checkinteger(L, 2);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 3);
    int64_t now_us = luaL_checkinteger(L, 4);
    struct schedule *schedule = lua_newuserdatauv(L, sizeof *schedule, 0);
    schedule_begin(schedule, every_us, retry_us, seed, now_us);
    luaL_setmetatable(L, SCHEDULE_TYPE);
    return 1;
}

static int tally_count_face(lua_State *L)
{
    struct tally *tally = luaL_checkudata(L, 1, TALLY_TYPE);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    lua_pushboolean(L, tally_count(tally, lua_toboolean(L, 2)));
    lua_pushboolean(L, tally->down);
    return 2;
}

static int tally_set(lua_State *L)
{
    struct tally *tally = luaL_checkudata(L, 1, TALLY_TYPE);
    tally->fall = (unsigned)luaL_checkinteger(L, 2);
    tally->rise = (unsigned)luaL_checkinteger(L, 3);
    return 0;
}

static int tally_new(lua_State *L)
{
    lua_Integer fall = luaL_checkinteger(L, 1), rise = luaL_checkinteger(L, 2);
    struct tally *tally = lua_newuserdatauv(L, sizeof *tally, 0);
    *tally = (struct tally){.fall = (unsigned)fall, .rise = (unsigned)rise};
    luaL_setmetatable(L, TALLY_TYPE);
    return 1;
}

int open_schedule(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", schedule_new}, {"tally", tally_new}, {NULL, NULL}};
    static const luaL_Reg schedules[] = {{"next", schedule_next_face}, {"due", schedule_due}, {"set", schedule_set}, {NULL, NULL}};
    static const luaL_Reg tallies[] = {{"count", tally_count_face}, {"set", tally_set}, {NULL, NULL}};
    new_type(L, SCHEDULE_TYPE, schedules, NULL);
    new_type(L, TALLY_TYPE, tallies, NULL);
    luaL_newlib(L, functions);
    return 1;
}
