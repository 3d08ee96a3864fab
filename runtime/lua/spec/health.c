/* health.c -- shared/health for specs and gateway.testing.
 *
 * health.new(limit, seed) gives a table with find(name, now [, { failures, open }]) -> record or nil, evict(now), evictions().
 * A record has begin(now) -> taken, probe; begin_anyway(now); finish(now, probe, outcome); is_fit(now, chance) -> fit, reason;
 * check(up, now); view(now); history(now); reset(now); release(). At this door times are seconds; what a name ends in _ms is milliseconds.
 * An outcome is { ok | neutral | failure = { kind, retry_after_s }, duration_ms, first_token_ms, input_tokens, output_tokens }.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "lua/spec/bindings.h"
#include "shared/health.h"

#define TABLE_TYPE  "gateway.health_table"
#define RECORD_TYPE "gateway.health"

struct handle {
    struct health *health; /* NULL once released */
};

static struct health_table *check_table(lua_State *L)
{
    return *(struct health_table **)luaL_checkudata(L, 1, TABLE_TYPE);
}

static struct health *check_record(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, RECORD_TYPE);
    luaL_argcheck(L, handle->health != NULL, 1, "released");
    return handle->health;
}

/* --- the table --------------------------------------------------------------------------------------------------- */

static int new_table(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
    struct health_table **table = lua_newuserdatauv(L, sizeof(struct health_table *), 0);
    *table = health_table_new((size_t)limit, seed);
    luaL_setmetatable(L, TABLE_TYPE);
    return 1;
}

static int table_gc(lua_State *L)
{
    struct health_table **table = luaL_checkudata(L, 1, TABLE_TYPE);
    health_table_free(*table);
    *table = NULL;
    return 0;
}

static int table_find(lua_State *L)
{
    struct health_table *table = check_table(L);
    struct slice name = check_slice(L, 2);
    int64_t now_us = check_us(L, 3);
    struct health_settings settings = {0};
    if (!lua_isnoneornil(L, 4)) {
        settings.failures = (unsigned)field_number(L, 4, "failures", 0);
        settings.open_us = us_of_seconds(field_number(L, 4, "open", 0));
    }
    struct handle *handle = lua_newuserdatauv(L, sizeof(*handle), 1);
    handle->health = health_find(table, name, lua_isnoneornil(L, 4) ? NULL : &settings, now_us);
    if (handle->health == NULL) {
        return 0;
    }
    luaL_setmetatable(L, RECORD_TYPE);
    lua_pushvalue(L, 1); /* the record keeps its table alive */
    lua_setiuservalue(L, -2, 1);
    return 1;
}

static int table_evict(lua_State *L)
{
    health_evict(check_table(L), check_us(L, 2));
    return 0;
}

static int table_evictions(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)health_evictions(check_table(L)));
    return 1;
}

/* --- a record ---------------------------------------------------------------------------------------------------- */

static int record_release(lua_State *L)
{
    struct handle *handle = luaL_checkudata(L, 1, RECORD_TYPE);
    health_unref(handle->health);
    handle->health = NULL;
    return 0;
}

static int record_begin(lua_State *L)
{
    bool probe;
    bool taken = health_begin(check_record(L), check_us(L, 2), &probe);
    lua_pushboolean(L, taken);
    lua_pushboolean(L, probe);
    return 2;
}

static int record_begin_anyway(lua_State *L)
{
    health_begin_anyway(check_record(L), check_us(L, 2));
    return 0;
}

static struct failure check_failure(lua_State *L, int outcome)
{
    struct failure failure = failure_make(FAILURE_NONE, SLICE_NONE);
    if (lua_getfield(L, outcome, "failure") == LUA_TTABLE) {
        int table = lua_gettop(L);
        lua_getfield(L, table, "kind");
        const char *name = luaL_checkstring(L, -1);
        if (!failure_kind_of(slice_of(name), &failure.kind)) {
            luaL_error(L, "failure.kind: nobody knows '%s'", name);
        }
        double hint = field_number(L, table, "retry_after_s", -1);
        failure.retry_after_us = hint < 0 ? -1 : us_of_seconds(hint);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return failure;
}

static int record_finish(lua_State *L)
{
    struct health *health = check_record(L);
    int64_t now_us = check_us(L, 2);
    luaL_checktype(L, 4, LUA_TTABLE);
    struct health_outcome outcome = {
        .ok = field_bool(L, 4, "ok"),
        .neutral = field_bool(L, 4, "neutral"),
        .failure = check_failure(L, 4),
        .duration_us = us_of_seconds(field_number(L, 4, "duration_ms", 0) / 1e3),
        .first_token_us = us_of_seconds(field_number(L, 4, "first_token_ms", 0) / 1e3),
        .input_tokens = (int64_t)field_number(L, 4, "input_tokens", -1),
        .output_tokens = (int64_t)field_number(L, 4, "output_tokens", -1),
    };
    health_end(health, &outcome, lua_toboolean(L, 3), now_us);
    return 0;
}

static int record_is_fit(lua_State *L)
{
    const char *reason;
    bool fit = health_is_usable(check_record(L), check_us(L, 2), luaL_checknumber(L, 3), &reason);
    lua_pushboolean(L, fit);
    lua_pushstring(L, reason);
    return 2;
}

static int record_reset(lua_State *L)
{
    health_reset(check_record(L), check_us(L, 2));
    return 0;
}

static void set_known(lua_State *L, const char *key, double number)
{
    if (!isnan(number)) {
        set_number(L, key, number);
    }
}

static void set_moment(lua_State *L, const char *key, int64_t us)
{
    if (us != 0) {
        set_known(L, key, seconds_of_us(us));
    }
}

static int record_check(lua_State *L)
{
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    health_check(check_record(L), lua_toboolean(L, 2), check_us(L, 3));
    return 0;
}

static int record_view(lua_State *L)
{
    struct health_view view;
    health_view(check_record(L), check_us(L, 2), &view);
    lua_createtable(L, 0, 24);
    set_string(L, "breaker", breaker_name(view.breaker));
    set_bool(L, "warming", view.warming);
    set_bool(L, "down", view.down);
    set_int(L, "in_flight", view.in_flight);
    set_int(L, "successes", view.successes);
    set_int(L, "failures", view.failures);
    set_int(L, "requests", view.requests);
    set_int(L, "consecutive_failures", view.consecutive_failures);
    set_int(L, "samples", view.samples);
    set_int(L, "input_tokens", view.input_tokens);
    set_int(L, "output_tokens", view.output_tokens);
    set_moment(L, "opened_at", view.opened_us);
    set_moment(L, "retry_at", view.retry_at_us);
    set_moment(L, "cooldown_until", view.cooldown_until_us);
    set_known(L, "success_rate", view.success_rate);
    set_known(L, "warm_share", view.warm_share);
    set_known(L, "first_token_ms", view.first_token_ms);
    set_known(L, "per_token_ms", view.per_token_ms);
    set_known(L, "p50_ms", view.p50_ms);
    set_known(L, "p95_ms", view.p95_ms);
    set_known(L, "p99_ms", view.p99_ms);
    set_known(L, "first_token_p95_ms", view.first_token_p95_ms);
    return 1;
}

static int record_history(lua_State *L)
{
    struct health_change changes[HEALTH_HISTORY_MAX];
    unsigned count = health_history(check_record(L), check_us(L, 2), changes);
    lua_createtable(L, (int)count, 0);
    for (unsigned i = 0; i < count; i++) {
        lua_createtable(L, 0, 2);
        set_string(L, "state", breaker_name(changes[i].state));
        set_seconds(L, "at", changes[i].at_us);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

int open_health(lua_State *L)
{
    static const luaL_Reg table_methods[] = {
        {"find", table_find},
        {"evict", table_evict},
        {"evictions", table_evictions},
        {NULL, NULL},
    };
    static const luaL_Reg record_methods[] = {
        {"begin", record_begin},     {"begin_anyway", record_begin_anyway},
        {"finish", record_finish},   {"check", record_check},
        {"is_fit", record_is_fit},   {"view", record_view},
        {"history", record_history}, {"reset", record_reset},
        {"release", record_release}, {NULL, NULL},
    };
    static const luaL_Reg functions[] = {{"new", new_table}, {NULL, NULL}};
    new_type(L, TABLE_TYPE, table_methods, table_gc);
    new_type(L, RECORD_TYPE, record_methods, record_release);
    luaL_newlib(L, functions);
    return 1;
}
