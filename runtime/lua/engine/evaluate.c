/* evaluate.c -- see evaluate.h.
 * SPDX-License-Identifier: MIT */
#include "lua/engine/evaluate.h"
#include "base/file.h"
#include "lua/call.h"
#include "lua/hold.h"
#include "lua/script.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool evaluate_push_text(lua_State *L, const char *path, bool may_be_absent)
{
    char why[FILE_WHY_MAX];
    struct buffer *text = keep_buffer(L, SOURCE_FILE_MAX);
    bool found = file_read(path, text, why), ok = found || (may_be_absent && file_is_absent(path));
    if (ok)
        push_slice(L, found ? buffer_slice(text) : SLICE_NONE);
    else
        lua_pushfstring(L, "%s: %s", path, why);
    buffer_free(text);
    lua_remove(L, -2);
    return ok;
}

/* ---------------------------------------------------------------- env() */

enum { DOTENV = 1, ASSUMED, UNSET };

/* Notes that gateway.lua itself asked for this name in vain, and on which line it did so first. */
static void note_unset(lua_State *L, const char *name)
{
    lua_Debug at;
    if (lua_getfield(L, lua_upvalueindex(UNSET), name) == LUA_TNIL && lua_getstack(L, 1, &at) && lua_getinfo(L, "l", &at) &&
        at.currentline > 0) {
        lua_pushinteger(L, at.currentline);
        lua_setfield(L, lua_upvalueindex(UNSET), name);
    }
    lua_pop(L, 1);
}

/* env(name [, default]). Upvalues: what .env says; name -> value, as if the environment had it; name -> line, of those not set. */
static int config_env(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *value = getenv(name);
    lua_settop(L, 2);
    if (value != NULL && value[0] != '\0') {
        lua_pushstring(L, value);
        return 1;
    }
    if (lua_getfield(L, lua_upvalueindex(DOTENV), name) == LUA_TSTRING && lua_rawlen(L, -1) > 0)
        return 1;
    if (lua_getfield(L, lua_upvalueindex(ASSUMED), name) == LUA_TSTRING)
        return 1;
    if (lua_isnil(L, 2))
        note_unset(L, name);
    lua_settop(L, 2);
    return 1;
}

bool evaluate_push_env(lua_State *L, const char *env_path)
{
    if (!evaluate_push_text(L, env_path, true))
        return false;
    lua_pushstring(L, env_path);
    call_module(L, "gateway.env", "parse", 2, 2);
    if (lua_isnil(L, -2))
        return false;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_newtable(L);
    lua_pushcclosure(L, config_env, 3);
    return true;
}

/* ---------------------------------------------------------------- gateway.lua */

/* Takes what may be a key out of the message at the top. */
static void clean_message(lua_State *L)
{
    call_module(L, "gateway.config", "without_text", 1, 1);
}

static bool compile(lua_State *L, const char *path, int text)
{
    size_t len;
    const char *bytes = lua_tolstring(L, text, &len);
    lua_pushfstring(L, "@%s", path);
    if (sandbox_compile(L, bytes, len, lua_tostring(L, -1)))
        return true;
    clean_message(L);
    return false;
}

/* __index of its _ENV. Lua takes a name that is set nowhere for nil: mistyped, it would leave keys or a policy out. Upvalue 1: the sandbox's names. */
static int config_global(lua_State *L)
{
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_gettable(L, lua_upvalueindex(1)) != LUA_TNIL)
        return 1;
    const char *name = luaL_tolstring(L, 2, NULL);
    return luaL_error(
        L, "'%s' is not declared: write text in quotes, declare a name of your own with local, read the environment with env \"NAME\"",
        name);
}

bool evaluate(lua_State *L, const char *path, int text, int env)
{
    struct call_result result;
    if (!compile(L, path, text))
        return false;
    lua_createtable(L, 0, 1); /* its _ENV */
    lua_pushvalue(L, env);
    lua_setfield(L, -2, "env");
    lua_createtable(L, 0, 1);
    sandbox_push_environment(L);
    lua_pushcclosure(L, config_global, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_setupvalue(L, -2, 1);
    if (call_policy(L, 0, 1, LOAD_INSTRUCTIONS, LOAD_MEMORY, &result))
        return true;
    bool has_place = strstr(result.message, ":") != NULL;
    lua_pushfstring(L, has_place ? "%s%s" : "%s: %s", has_place ? "" : path, result.message);
    clean_message(L);
    return false;
}

/* ---------------------------------------------------------------- variables that are not set */

enum { TEXT = 2, ENV, RAW };

/* with(name, value) -> what gateway.lua returns where this variable has this value; nil where it fails. Upvalues: path, text, env() */
static int evaluate_with(lua_State *L)
{
    lua_settop(L, 2);
    lua_getupvalue(L, lua_upvalueindex(3), ASSUMED);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 2);
    lua_settable(L, 3);
    bool ok = evaluate(L, lua_tostring(L, lua_upvalueindex(1)), lua_upvalueindex(2), lua_upvalueindex(3));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    lua_settable(L, 3);
    return ok ? 1 : 0;
}

struct paths {
    const char *config, *env;
};

static int review(lua_State *L) /* (struct paths) -> lines | nothing */
{
    const struct paths *paths = lua_touserdata(L, 1);
    if (!evaluate_push_text(L, paths->config, false) || !evaluate_push_env(L, paths->env) || !evaluate(L, paths->config, TEXT, ENV))
        return 0;
    lua_replace(L, RAW);
    lua_settop(L, RAW);
    lua_pushstring(L, paths->config);
    lua_pushvalue(L, RAW);
    lua_getupvalue(L, ENV, UNSET);
    lua_pushstring(L, paths->config);
    lua_pushvalue(L, TEXT);
    lua_pushvalue(L, ENV);
    lua_pushcclosure(L, evaluate_with, 3);
    call_module(L, "gateway.unset", "lines", 4, 1);
    return 1;
}

void evaluate_review(const char *config_path, struct buffer *out)
{
    char *env_path = sources_beside(config_path, ".env");
    struct paths paths = {config_path, env_path};
    lua_State *L = sources_new_state(NULL);
    if (L != NULL) {
        if (call_protected(L, review, &paths, 0, 1))
            buffer_append_slice(out, to_slice(L, -1));
        call_close_state(L);
    }
    free(env_path);
}
