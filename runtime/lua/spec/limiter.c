/* limiter.c -- shared/limiter for specs and gateway.testing; limits themselves are made by lua/limit.c.
 *
 * limiter.new(records) gives charge(rules, who, now [, tokens]) -> reservation or nil, verdict; look(…) the same without taking;
 * evict(now); evictions(); count(). `who` is { user =, model = }. A reservation has settle(now [, tokens]) and cancel(now). Times are
 * seconds here.
 * SPDX-License-Identifier: MIT */
#include "lua/limit.h"
#include "lua/spec/bindings.h"
#include <math.h>

#define LIMITER_TYPE     "gateway.limiter"
#define RESERVATION_TYPE "gateway.reservation"

struct handle { /* of a reservation; its user value is the limiter */
    struct limiter *limiter;
    struct reservation reservation;
};

static struct limiter *check_limiter(lua_State *L)
{
    return check_held(L, 1, LIMITER_TYPE);
}

static int limiter_new_face(lua_State *L)
{
    lua_Integer limit = luaL_optinteger(L, 1, 4096);
    luaL_argcheck(L, limit > 0 && limit <= 1 << 24, 1, "a number of records");
    *push_held(L, LIMITER_TYPE) = limiter_new((size_t)limit);
    return 1;
}

static void push_verdict(lua_State *L, const struct limit_ask *asks, const struct limit_verdict *verdict)
{
    lua_createtable(L, 0, 12);
    for (int unit = 0; unit < LIMIT_UNITS; unit++) {
        if (verdict->facts[unit].limit == 0)
            continue;
        lua_createtable(L, 0, 3);
        set_int(L, "limit", verdict->facts[unit].limit);
        set_int(L, "remaining", verdict->facts[unit].remaining);
        set_seconds(L, "reset", verdict->facts[unit].reset_us);
        lua_setfield(L, -2, limit_unit_name((enum limit_unit)unit));
    }
    if (!verdict->refused)
        return;
    struct buffer *text = hold_buffer(L, LIMIT_FULL_NAME_MAX);
    limit_write_refusal(text, asks[verdict->ask].rule, verdict);
    push_slice(L, buffer_slice(text));
    lua_setfield(L, -3, "message");
    lua_pop(L, 1);
    set_string(L, "limit", asks[verdict->ask].rule->name);
    set_slice(L, "record", asks[verdict->ask].name);
    set_string(L, "unit", limit_unit_name(verdict->unit));
    set_int(L, "count", verdict->count);
    if (verdict->window_us > 0)
        set_seconds(L, "seconds", verdict->window_us);
    if (verdict->retry_after_us >= 0)
        set_seconds(L, "retry_after", verdict->retry_after_us);
}

static int charge(lua_State *L, bool taking) /* (limiter, rules, who, now [, tokens]) -> reservation | nil, verdict */
{
    const struct limit_rule *rules[LIMITS_MAX];
    struct limit_ask asks[LIMITS_MAX];
    struct limit_verdict verdict;
    struct limiter *limiter = check_limiter(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    int64_t now_us = check_us(L, 4), tokens = luaL_optinteger(L, 5, 0);
    int count = limits_at(L, 2, rules);
    luaL_argcheck(L, count >= 0, 2, "expected a list of limits");
    struct slice user = field_slice(L, 3, "user"), model = field_slice(L, 3, "model");
    luaL_checkstack(L, LIMITS_MAX + 12, "limits");
    for (int i = 0; i < count; i++) {
        struct buffer *name = hold_buffer(L, LIMIT_FULL_NAME_MAX);
        limit_write_name(name, rules[i], user, model);
        asks[i] = (struct limit_ask){buffer_slice(name), rules[i]};
    }
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    memset(handle, 0, sizeof *handle);
    handle->limiter = limiter;
    lua_pushvalue(L, 1); /* a reservation keeps its limiter alive */
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, RESERVATION_TYPE);
    bool ok = limiter_charge(limiter, asks, (unsigned)count, tokens, now_us, taking ? &handle->reservation : NULL, &verdict);
    if (!ok || !taking) {
        lua_pop(L, 1);
        if (ok)
            lua_pushboolean(L, true);
        else
            lua_pushnil(L);
    }
    push_verdict(L, asks, &verdict);
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
    limiter_evict(check_limiter(L), check_us(L, 2));
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
    limiter_settle(handle->limiter, &handle->reservation, luaL_optinteger(L, 3, -1), check_us(L, 2));
    return 0;
}

static int reservation_cancel(lua_State *L) /* (reservation, now) */
{
    struct handle *handle = luaL_checkudata(L, 1, RESERVATION_TYPE);
    limiter_cancel(handle->limiter, &handle->reservation, check_us(L, 2));
    return 0;
}

int open_limiter(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", limiter_new_face}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"charge", limiter_charge_face},       {"look", limiter_look_face},   {"evict", limiter_evict_face},
                                       {"evictions", limiter_evictions_face}, {"count", limiter_count_face}, {NULL, NULL}};
    static const luaL_Reg settles[] = {{"settle", reservation_settle}, {"cancel", reservation_cancel}, {NULL, NULL}};
    new_held_type(L, LIMITER_TYPE, methods, (void (*)(void *))limiter_free);
    new_type(L, RESERVATION_TYPE, settles, NULL);
    luaL_newlib(L, functions);
    return 1;
}
