/* keyring.c -- shared/keyring and shared/model_stats for specs.
 *
 * keyring.new { { key, user, models, expires (seconds) }, … } gives a ring with find(key, now) -> index, user, whether it has expired; count().
 * keyring.matches(pattern, text); keyring.may_use(patterns, model). pools.new(limit) gives a table with request(name), has_spare(name), spend(name),
 * has_hedge(name), hedge(name), answered(name, tokens), output_p95(name), next(name) -> the counter
 * before this turn.
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include "shared/keyring.h"
#include "shared/model_stats.h"

#define KEYRING_TYPE "gateway.keyring"
#define POOLS_TYPE   "gateway.pools"

enum { USERS_MAX = 4096, MODELS_MAX = 16 };

/* ---------------------------------------------------------------- keyring */

static int keyring_new_face(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    unsigned count = (unsigned)lua_rawlen(L, 1);
    luaL_argcheck(L, count <= USERS_MAX, 1, "too many users");
    void **held = push_held(L, KEYRING_TYPE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, 2, 1); /* the strings live as long as the ring */
    struct user *users = lua_newuserdatauv(L, (count + 1) * sizeof *users, 0);
    memset(users, 0, (count + 1) * sizeof *users);
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, 1, i + 1);
        lua_getfield(L, -1, "key");
        hash_sha256(check_slice(L, -1), users[i].digest);
        lua_getfield(L, -2, "user");
        users[i].id = check_slice(L, -1);
        lua_getfield(L, -3, "expires");
        users[i].expires_wall_us = us_of_seconds(luaL_optnumber(L, -1, 0));
        lua_pop(L, 4);
    }
    *held = keyring_new(users, count);
    if (*held == NULL)
        return luaL_error(L, "out of memory");
    lua_settop(L, 2);
    return 1;
}

static struct keyring *check_keyring(lua_State *L)
{
    return check_held(L, 1, KEYRING_TYPE);
}

static int keyring_find_face(lua_State *L)
{
    uint8_t digest[SHA256_BYTES];
    hash_sha256(check_slice(L, 2), digest);
    const struct user *user = keyring_find(check_keyring(L), digest);
    if (user == NULL)
        return 0;
    lua_pushinteger(L, (lua_Integer)user->index + 1);
    lua_pushlstring(L, user->id.ptr, user->id.len);
    lua_pushboolean(L, user_has_expired(user, check_us(L, 3)));
    return 3;
}

static int keyring_count_face(lua_State *L)
{
    lua_pushinteger(L, keyring_count(check_keyring(L)));
    return 1;
}

static int keyring_matches_face(lua_State *L)
{
    lua_pushboolean(L, pattern_matches(check_slice(L, 1), check_slice(L, 2)));
    return 1;
}

static int keyring_may_use_face(lua_State *L)
{
    struct slice models[MODELS_MAX];
    struct user user = {.models = models};
    luaL_checktype(L, 1, LUA_TTABLE);
    user.model_count = (unsigned)lua_rawlen(L, 1);
    luaL_argcheck(L, user.model_count <= MODELS_MAX, 1, "too many patterns");
    for (unsigned i = 0; i < user.model_count; i++) {
        lua_rawgeti(L, 1, i + 1);
        models[i] = check_slice(L, -1);
        lua_pop(L, 1);
    }
    lua_pushboolean(L, user_may_use(&user, check_slice(L, 2)));
    return 1;
}

int open_keyring(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"new", keyring_new_face}, {"matches", keyring_matches_face}, {"may_use", keyring_may_use_face}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"find", keyring_find_face}, {"count", keyring_count_face}, {NULL, NULL}};
    new_held_type(L, KEYRING_TYPE, methods, (void (*)(void *))keyring_free);
    luaL_newlib(L, functions);
    return 1;
}

/* ---------------------------------------------------------------- pools */

static int pools_new_face(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    luaL_argcheck(L, limit >= 0 && limit <= 65536, 1, "a small number");
    *push_held(L, POOLS_TYPE) = model_stats_new((size_t)limit);
    return 1;
}

static struct model_stats *check_pool(lua_State *L)
{
    return model_stats_find(check_held(L, 1, POOLS_TYPE), check_slice(L, 2));
}

static int pools_next(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)atomic_fetch_add(&check_pool(L)->turn, 1));
    return 1;
}

static int pools_request(lua_State *L)
{
    model_asked(check_pool(L));
    return 0;
}

static int pools_has_spare(lua_State *L)
{
    lua_pushboolean(L, model_has_spare(check_pool(L)));
    return 1;
}

static int pools_spend(lua_State *L)
{
    model_spend(check_pool(L));
    return 0;
}

static int pools_has_hedge(lua_State *L)
{
    lua_pushboolean(L, model_has_hedge(check_pool(L)));
    return 1;
}

static int pools_hedge(lua_State *L)
{
    model_hedge(check_pool(L));
    return 0;
}

static int pools_answered(lua_State *L)
{
    model_answered(check_pool(L), luaL_checkinteger(L, 3));
    return 0;
}

static int pools_output_p95(lua_State *L)
{
    lua_pushinteger(L, model_output_p95(check_pool(L)));
    return 1;
}

int open_pools(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", pools_new_face}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"next", pools_next},         {"request", pools_request},       {"has_spare", pools_has_spare},
                                       {"spend", pools_spend},       {"has_hedge", pools_has_hedge},   {"hedge", pools_hedge},
                                       {"answered", pools_answered}, {"output_p95", pools_output_p95}, {NULL, NULL}};
    new_held_type(L, POOLS_TYPE, methods, (void (*)(void *))model_stats_free);
    luaL_newlib(L, functions);
    return 1;
}
