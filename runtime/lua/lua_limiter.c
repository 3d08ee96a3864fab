/* lua_limiter.c -- limits as values of Lua, and shared/limiter for specs and gateway.testing.
 *
 * limiter.rule { name, per, meters = { { unit, count, seconds, burst } … }, shown } makes a limit (lua/gateway/limits.lua is who reads
 * units and speaks to people; what arrives here wrong is a mistake of the house). limiter.is_rule(value).
 * limiter.new(records) gives charge(rules, who, now [, tokens]) -> reservation or nil, verdict; look(…) the same without taking;
 * evict(now); evictions(); count(). `who` is { user =, model = }. A reservation has settle(now [, tokens]) and cancel(now). Times are
 * seconds here.
 * SPDX-License-Identifier: MIT */
#include "lua/lua_limiter.h"
#include "base/clock.h"
#include "lua/bindings.h"
#include <math.h>

#define RULE_TYPE        "gateway.limit"
#define LIMITER_TYPE     "gateway.limiter"
#define RESERVATION_TYPE "gateway.reservation"

static const char rule_key = 0; /* its metatable in the registry: compared without a look-up by name */

static const char *const unit_names[] = {"requests", "tokens", "concurrent", NULL};
static const char *const per_names[] = {"user", "model", NULL};

struct handle { /* of a reservation; its user value is the limiter */
    struct limiter *limiter;
    struct reservation reservation;
};

/* ---------------------------------------------------------------- limits */

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
        luaL_error(L, "limiter.rule: %s: from %I to %I", key, (lua_Integer)low, (lua_Integer)high);
    return number;
}

static int64_t seconds_field(lua_State *L, const char *key)
{
    lua_getfield(L, -1, key);
    int64_t us = (int64_t)llround(luaL_optnumber(L, -1, 0) * 1e6);
    lua_pop(L, 1);
    if (us != 0 && (us < LIMIT_WINDOW_MIN || us > LIMIT_WINDOW_MAX))
        luaL_error(L, "limiter.rule: a window from a millisecond to a year");
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
        luaL_error(L, "limiter.rule: only slots have no window");
    for (unsigned i = 0; i < rule->meter_count; i++)
        if (rule->meters[i].unit == meter->unit && rule->meters[i].window_us == meter->window_us)
            luaL_error(L, "limiter.rule: two meters of one unit and window");
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

/* ---------------------------------------------------------------- the limiter */

static int64_t check_time(lua_State *L, int index)
{
    return (int64_t)llround(luaL_checknumber(L, index) * 1e6);
}

static struct limiter *check_limiter(lua_State *L)
{
    return *(struct limiter **)luaL_checkudata(L, 1, LIMITER_TYPE);
}

static int limiter_new_face(lua_State *L)
{
    lua_Integer limit = luaL_optinteger(L, 1, 4096);
    luaL_argcheck(L, limit > 0 && limit <= 1 << 24, 1, "a number of records");
    struct limiter **held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = NULL;
    luaL_setmetatable(L, LIMITER_TYPE);
    *held = limiter_new((size_t)limit);
    return 1;
}

static int limiter_gc(lua_State *L)
{
    struct limiter **held = luaL_checkudata(L, 1, LIMITER_TYPE);
    limiter_free(*held);
    *held = NULL;
    return 0;
}

static void set_seconds(lua_State *L, const char *key, int64_t us)
{
    lua_pushnumber(L, (double)us / 1e6);
    lua_setfield(L, -2, key);
}

static void set_count(lua_State *L, const char *key, int64_t count)
{
    lua_pushinteger(L, count);
    lua_setfield(L, -2, key);
}

static void push_verdict(lua_State *L, const struct limit_ask *asks, const struct limit_verdict *verdict)
{
    lua_createtable(L, 0, 12);
    for (int unit = 0; unit < LIMIT_UNITS; unit++) {
        if (verdict->facts[unit].limit == 0)
            continue;
        lua_createtable(L, 0, 3);
        set_count(L, "limit", verdict->facts[unit].limit);
        set_count(L, "remaining", verdict->facts[unit].remaining);
        set_seconds(L, "reset", verdict->facts[unit].reset_us);
        lua_setfield(L, -2, unit_names[unit]);
    }
    if (!verdict->refused)
        return;
    struct buffer text;
    buffer_init(&text, LIMIT_FULL_NAME_MAX);
    limit_write_refusal(&text, asks[verdict->ask].rule, verdict);
    lua_pushlstring(L, text.ptr, text.len);
    lua_setfield(L, -2, "message");
    buffer_free(&text);
    lua_pushstring(L, asks[verdict->ask].rule->name);
    lua_setfield(L, -2, "limit");
    lua_pushlstring(L, asks[verdict->ask].name.ptr, asks[verdict->ask].name.len);
    lua_setfield(L, -2, "record");
    lua_pushstring(L, unit_names[verdict->unit]);
    lua_setfield(L, -2, "unit");
    set_count(L, "count", verdict->count);
    if (verdict->window_us > 0)
        set_seconds(L, "seconds", verdict->window_us);
    if (verdict->retry_after_us >= 0)
        set_seconds(L, "retry_after", verdict->retry_after_us);
}

static struct slice text_field(lua_State *L, int table, const char *key)
{
    struct slice text;
    lua_getfield(L, table, key);
    text.ptr = luaL_optlstring(L, -1, "", &text.len);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static int charge(lua_State *L, bool taking) /* (limiter, rules, who, now [, tokens]) -> reservation | nil, verdict */
{
    const struct limit_rule *rules[LIMITS_MAX];
    struct limit_ask asks[LIMITS_MAX];
    struct limit_verdict verdict;
    struct limiter *limiter = check_limiter(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    int64_t now_us = check_time(L, 4), tokens = luaL_optinteger(L, 5, 0);
    int count = limits_at(L, 2, rules);
    luaL_argcheck(L, count >= 0, 2, "expected a list of limits");
    struct slice user = text_field(L, 3, "user"), model = text_field(L, 3, "model");
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    memset(handle, 0, sizeof *handle);
    handle->limiter = limiter;
    lua_pushvalue(L, 1); /* a reservation keeps its limiter alive */
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, RESERVATION_TYPE);
    struct buffer names[LIMITS_MAX];
    for (int i = 0; i < count; i++) {
        buffer_init(&names[i], LIMIT_FULL_NAME_MAX);
        limit_write_name(&names[i], rules[i], user, model);
        asks[i] = (struct limit_ask){buffer_slice(&names[i]), rules[i]};
    }
    bool ok = limiter_charge(limiter, asks, (unsigned)count, tokens, now_us, taking ? &handle->reservation : NULL, &verdict);
    if (!ok || !taking) {
        lua_pop(L, 1);
        if (ok)
            lua_pushboolean(L, true);
        else
            lua_pushnil(L);
    }
    push_verdict(L, asks, &verdict);
    for (int i = 0; i < count; i++)
        buffer_free(&names[i]);
    return 2;
}

static int limiter_charge_face(lua_State *L)
{
    return charge(L, true);
}

static int limiter_look_face(lua_State *L)
{
    return charge(L, false);
}

static int limiter_evict_face(lua_State *L)
{
    limiter_evict(check_limiter(L), check_time(L, 2));
    return 0;
}

static int limiter_evictions_face(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)limiter_evictions(check_limiter(L)));
    return 1;
}

static int limiter_count_face(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)limiter_count(check_limiter(L)));
    return 1;
}

static int reservation_settle(lua_State *L) /* (reservation, now [, tokens]) */
{
    struct handle *handle = luaL_checkudata(L, 1, RESERVATION_TYPE);
    limiter_settle(handle->limiter, &handle->reservation, luaL_optinteger(L, 3, -1), check_time(L, 2));
    return 0;
}

static int reservation_cancel(lua_State *L) /* (reservation, now) */
{
    struct handle *handle = luaL_checkudata(L, 1, RESERVATION_TYPE);
    limiter_cancel(handle->limiter, &handle->reservation, check_time(L, 2));
    return 0;
}

/* ---------------------------------------------------------------- types */

static void open_rules(lua_State *L)
{
    static const luaL_Reg methods[] = {{"__index", rule_index}, {"__newindex", rule_newindex}, {"__pairs", rule_pairs}, {NULL, NULL}};
    luaL_newmetatable(L, RULE_TYPE);
    luaL_setfuncs(L, methods, 0);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &rule_key);
}

int open_limiter(lua_State *L)
{
    static const luaL_Reg functions[] = {{"rule", rule_new}, {"is_rule", limit_is}, {"new", limiter_new_face}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"charge", limiter_charge_face},       {"look", limiter_look_face},   {"evict", limiter_evict_face},
                                       {"evictions", limiter_evictions_face}, {"count", limiter_count_face}, {NULL, NULL}};
    static const luaL_Reg settles[] = {{"settle", reservation_settle}, {"cancel", reservation_cancel}, {NULL, NULL}};
    open_rules(L);
    new_type(L, LIMITER_TYPE, methods, limiter_gc);
    new_type(L, RESERVATION_TYPE, settles, NULL);
    luaL_newlib(L, functions);
    return 1;
}
