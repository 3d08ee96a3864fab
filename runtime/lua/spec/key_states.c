/* key_states.c -- shared/key_states for specs: key_states.new(limit) gives a table with find(provider, key) -> a state.
 *
 * choose(states, turn, now) -> index from 1; has_other(states, index, now). A state has refused(now), throttled(now [, retry_after]), worked(), reset(),
 * aside_until(). Times are seconds here.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "lua/spec/bindings.h"
#include "shared/key_states.h"

#define TABLE_TYPE "gateway.key_states"
#define STATE_TYPE "gateway.key_state"

enum { POOL_MAX = 16 };

static int states_new(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    luaL_argcheck(L, limit >= 0 && limit <= 65536, 1, "a small number");
    *push_held(L, TABLE_TYPE) = key_states_new((size_t)limit);
    return 1;
}

static int states_find(lua_State *L) /* nil: the table is full */
{
    struct key_states **held = luaL_checkudata(L, 1, TABLE_TYPE);
    struct key_state *state = key_states_find(*held, check_slice(L, 2), check_slice(L, 3));
    if (state == NULL)
        return 0;
    struct key_state **face = lua_newuserdatauv(L, sizeof *face, 1);
    *face = state;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, STATE_TYPE);
    return 1;
}

static struct key_state *check_state(lua_State *L, int index)
{
    return *(struct key_state **)luaL_checkudata(L, index, STATE_TYPE);
}

static unsigned check_pool(lua_State *L, int index, struct key_state *pool[POOL_MAX])
{
    luaL_checktype(L, index, LUA_TTABLE);
    lua_Unsigned count = lua_rawlen(L, index);
    luaL_argcheck(L, count >= 1 && count <= POOL_MAX, index, "1 to 16 states");
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, index, i + 1);
        pool[i] = check_state(L, -1);
        lua_pop(L, 1);
    }
    return (unsigned)count;
}

static int choose(lua_State *L)
{
    struct key_state *pool[POOL_MAX];
    unsigned count = check_pool(L, 1, pool);
    lua_pushinteger(L, (lua_Integer)key_choose(pool, count, (uint64_t)luaL_checkinteger(L, 2), check_us(L, 3)) + 1);
    return 1;
}

static int has_other(lua_State *L)
{
    struct key_state *pool[POOL_MAX];
    unsigned count = check_pool(L, 1, pool);
    lua_pushboolean(L, key_has_other(pool, count, (unsigned)luaL_checkinteger(L, 2) - 1, check_us(L, 3)));
    return 1;
}

static int refused(lua_State *L)
{
    key_refused(check_state(L, 1), check_us(L, 2));
    return 0;
}

static int throttled(lua_State *L)
{
    key_throttled(check_state(L, 1), lua_isnoneornil(L, 3) ? -1 : check_us(L, 3), check_us(L, 2));
    return 0;
}

static int worked(lua_State *L)
{
    key_worked(check_state(L, 1));
    return 0;
}

static int reset(lua_State *L)
{
    key_reset(check_state(L, 1));
    return 0;
}

static int aside_until(lua_State *L)
{
    lua_pushnumber(L, (double)key_aside_until_us(check_state(L, 1)) / (double)US_PER_S);
    return 1;
}

int open_key_states(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", states_new}, {"choose", choose}, {"has_other", has_other}, {NULL, NULL}};
    static const luaL_Reg table_methods[] = {{"find", states_find}, {NULL, NULL}};
    static const luaL_Reg state_methods[] = {{"refused", refused}, {"throttled", throttled},     {"worked", worked},
                                             {"reset", reset},     {"aside_until", aside_until}, {NULL, NULL}};
    new_held_type(L, TABLE_TYPE, table_methods, (void (*)(void *))key_states_free);
    new_type(L, STATE_TYPE, state_methods, NULL);
    luaL_newlib(L, functions);
    return 1;
}
