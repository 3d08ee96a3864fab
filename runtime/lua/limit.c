/* limit.c -- rate limits as values of Lua.
 *
 * limit.rule { name, per, meters = { { unit, count, seconds, burst } … }, shown } makes a limit. lua/gateway/limits.lua reads the units and words the
 * complaints: what arrives here wrong is a mistake of the gateway. limit.is_rule(value).
 * SPDX-License-Identifier: MIT */
#include "lua/limit.h"
#include "lua/bindings.h"
#include <math.h>

#define RULE_TYPE "gateway.limit"

static const char rule_key = 0; /* its metatable in the registry: compared without a look-up by name */

static const char *const unit_names[] = {"requests", "tokens", "concurrent", NULL};
static const char *const per_names[] = {"user", "model", NULL};

const struct limit_rule *limit_at(lua_State *L, int index)
{
    struct limit_rule *rule = lua_touserdata(L, index);
    if (rule == NULL || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &rule_key);
    bool same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same ? rule : NULL;
}

int limits_at(lua_State *L, int index, const struct limit_rule *rules[LIMITS_MAX])
{
    int count = 0, keys = 0;
    if (lua_type(L, index) != LUA_TTABLE)
        return -1;
    if (lua_getmetatable(L, index)) {
        lua_pop(L, 1);
        return -1;
    }
    for (; count < LIMITS_MAX; count++) {
        lua_rawgeti(L, index, count + 1);
        rules[count] = limit_at(L, -1);
        lua_pop(L, 1);
        if (rules[count] == NULL)
            break;
    }
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1))
        if (++keys > count) {
            lua_pop(L, 2);
            return -1;
        }
    return count;
}

static int64_t integer_field(lua_State *L, const char *key, int64_t low, int64_t high)
{
    lua_getfield(L, -1, key);
    lua_Integer number = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    if (number < low || number > high)
        luaL_error(L, "limit.rule: %s: from %I to %I", key, (lua_Integer)low, (lua_Integer)high);
    return number;
}

static int64_t seconds_field(lua_State *L, const char *key)
{
    lua_getfield(L, -1, key);
    int64_t us = us_of_seconds(luaL_optnumber(L, -1, 0));
    lua_pop(L, 1);
    if (us != 0 && (us < LIMIT_WINDOW_MIN || us > LIMIT_WINDOW_MAX))
        luaL_error(L, "limit.rule: a window from a millisecond to a year");
    return us;
}

static void read_meter(lua_State *L, struct limit_rule *rule) /* the table at the top */
{
    struct meter_rule *meter = &rule->meters[rule->meter_count];
    lua_getfield(L, -1, "unit");
    meter->unit = (enum limit_unit)luaL_checkoption(L, -1, NULL, unit_names);
    lua_pop(L, 1);
    meter->count = integer_field(L, "count", 1, LIMIT_COUNT_MAX);
    meter->burst = integer_field(L, "burst", 0, LIMIT_COUNT_MAX);
    meter->window_us = seconds_field(L, "seconds");
    if ((meter->window_us == 0) != (meter->unit == LIMIT_CONCURRENT) || (meter->burst > 0 && meter->window_us == 0))
        luaL_error(L, "limit.rule: only slots have no window");
    for (unsigned i = 0; i < rule->meter_count; i++)
        if (rule->meters[i].unit == meter->unit && rule->meters[i].window_us == meter->window_us)
            luaL_error(L, "limit.rule: two meters of one unit and window");
    rule->meter_count++;
}

static int rule_new(lua_State *L) /* (table) -> limit */
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct limit_rule *rule = lua_newuserdatauv(L, sizeof *rule, 1);
    memset(rule, 0, sizeof *rule);
    lua_getfield(L, 1, "name");
    size_t len;
    const char *name = luaL_checklstring(L, -1, &len);
    luaL_argcheck(L, len > 0 && len <= LIMIT_NAME_MAX, 1, "name: 1 to 64 bytes");
    memcpy(rule->name, name, len);
    lua_getfield(L, 1, "per");
    for (lua_Integer i = 1; !lua_isnil(L, -1) && lua_geti(L, -1, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, rule->per_count < LIMIT_PER_MAX, 1, "per: too many");
        rule->per[rule->per_count++] = (enum limit_per)luaL_checkoption(L, -1, NULL, per_names);
        lua_pop(L, 1);
    }
    lua_settop(L, 2);
    lua_getfield(L, 1, "meters");
    luaL_checktype(L, -1, LUA_TTABLE);
    for (lua_Integer i = 1; lua_geti(L, 3, i) != LUA_TNIL; i++) {
        luaL_argcheck(L, rule->meter_count < LIMIT_METERS_MAX, 1, "meters: too many");
        read_meter(L, rule);
        lua_pop(L, 1);
    }
    luaL_argcheck(L, rule->meter_count > 0, 1, "meters: at least one");
    lua_getfield(L, 1, "shown");
    lua_setiuservalue(L, 2, 1);
    lua_settop(L, 2);
    luaL_setmetatable(L, RULE_TYPE);
    return 1;
}

int limit_is(lua_State *L)
{
    lua_pushboolean(L, limit_at(L, 1) != NULL);
    return 1;
}

/* What a policy reads of a limit: what its file said. */
static int rule_index(lua_State *L)
{
    luaL_checkudata(L, 1, RULE_TYPE);
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE)
        return 0;
    lua_pushvalue(L, 2);
    lua_rawget(L, -2);
    return 1;
}

static int rule_newindex(lua_State *L)
{
    return luaL_error(L, "a limit is read-only");
}

static int next_shown(lua_State *L) /* (limit, key) */
{
    luaL_checkudata(L, 1, RULE_TYPE);
    lua_settop(L, 2);
    if (lua_getiuservalue(L, 1, 1) != LUA_TTABLE)
        return 0;
    lua_insert(L, 2);
    return lua_next(L, 2) != 0 ? 2 : 0;
}

static int rule_pairs(lua_State *L)
{
    lua_pushcfunction(L, next_shown);
    lua_pushvalue(L, 1);
    return 2;
}

static void open_rules(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", rule_index}, {"__newindex", rule_newindex}, {"__pairs", rule_pairs}, {NULL, NULL}};
    luaL_newmetatable(L, RULE_TYPE);
    luaL_setfuncs(L, methods, 0);
    set_bool(L, "__metatable", false);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &rule_key);
}

int open_limit(lua_State *L)
{
    static const luaL_Reg functions[] = {{"rule", rule_new}, {"is_rule", limit_is}, {NULL, NULL}};
    open_rules(L);
    luaL_newlib(L, functions);
    return 1;
}
