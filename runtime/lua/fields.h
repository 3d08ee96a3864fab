/* fields.h -- texts and numbers between C and Lua: arguments, and the fields of tables.
 *
 * A field of another type than is asked for counts as absent. Texts stay Lua's: they live as long as the table or the argument does.
 * Getting calls no metamethod of a plain table; setting may raise for want of memory.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_FIELDS_H
#define LUA_FIELDS_H
#include "base/arena.h"
#include "base/clock.h"
#include <lauxlib.h>
#include <lua.h>
#include <math.h>
#include <stdbool.h>

/* Too large for 64 bits: the most there is. */
static inline int64_t us_of_seconds(double seconds)
{
    double us = seconds * US_PER_S;
    return us >= 9e18 ? INT64_MAX : us <= -9e18 ? INT64_MIN : (int64_t)llround(us);
}

static inline double seconds_of_us(int64_t us)
{
    return (double)us / US_PER_S;
}

/* The text at `index`, or SLICE_NONE. */
static inline struct slice to_slice(lua_State *L, int index)
{
    struct slice text = SLICE_NONE;
    if (lua_type(L, index) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, index, &text.len);
    return text;
}

/* The text at `index` as far as its first NUL, for a message; anything else: `otherwise`. Lives as long as the value. */
static inline const char *text_or(lua_State *L, int index, const char *otherwise)
{
    return lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : otherwise;
}

/* ---------------------------------------------------------------- the field `key` of the table at `index` */

static inline struct slice field_slice(lua_State *L, int index, const char *key)
{
    lua_getfield(L, index, key);
    struct slice text = to_slice(L, -1);
    lua_pop(L, 1);
    return text;
}

/* A copy of it. */
static inline struct slice field_copy(lua_State *L, int index, const char *key, struct arena *arena)
{
    struct slice text = field_slice(L, index, key);
    return text.ptr == NULL ? text : arena_copy(arena, text);
}

static inline double field_number(lua_State *L, int index, const char *key, double otherwise)
{
    double number = lua_getfield(L, index, key) == LUA_TNUMBER ? lua_tonumber(L, -1) : otherwise;
    lua_pop(L, 1);
    return number;
}

static inline int64_t field_int(lua_State *L, int index, const char *key, int64_t otherwise)
{
    int64_t number = lua_getfield(L, index, key) != LUA_TNUMBER ? otherwise
                     : lua_isinteger(L, -1)                     ? lua_tointeger(L, -1)
                                                                : (int64_t)lua_tonumber(L, -1);
    lua_pop(L, 1);
    return number;
}

static inline bool field_bool(lua_State *L, int index, const char *key)
{
    lua_getfield(L, index, key);
    bool flag = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return flag;
}

/* ---------------------------------------------------------------- arguments */

static inline struct slice check_slice(lua_State *L, int index)
{
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    return text;
}

/* ---------------------------------------------------------------- a value at the top, and a field of the table at the top */

static inline int push_slice(lua_State *L, struct slice text)
{
    lua_pushlstring(L, text.len > 0 ? text.ptr : "", text.len);
    return 1;
}

static inline void set_slice(lua_State *L, const char *key, struct slice text)
{
    push_slice(L, text);
    lua_setfield(L, -2, key);
}

/* NULL: no field. */
static inline void set_string(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

static inline void set_int(lua_State *L, const char *key, int64_t number)
{
    lua_pushinteger(L, number);
    lua_setfield(L, -2, key);
}

static inline void set_number(lua_State *L, const char *key, double number)
{
    lua_pushnumber(L, number);
    lua_setfield(L, -2, key);
}

static inline void set_bool(lua_State *L, const char *key, bool flag)
{
    lua_pushboolean(L, flag);
    lua_setfield(L, -2, key);
}

/* A function that has `data` as its upvalue 1. */
static inline void set_function(lua_State *L, const char *key, lua_CFunction function, void *data)
{
    lua_pushlightuserdata(L, data);
    lua_pushcclosure(L, function, 1);
    lua_setfield(L, -2, key);
}

static inline void set_seconds(lua_State *L, const char *key, int64_t us)
{
    set_number(L, key, seconds_of_us(us));
}
#endif
