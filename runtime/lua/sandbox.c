/* sandbox.c -- what a policy can reach: an allow-list, read-only, with every function bounded.
 *
 * Not there: io os debug package coroutine utf8, load dofile loadfile xpcall collectgarbage getmetatable rawget rawset print, string.dump and
 * string.pack, math.random. xpcall, because its handler runs inside the hook where no hook comes; setmetatable refuses __gc for the
 * same reason. Text only: bytecode can crash the interpreter. The libraries are pristine copies, whatever the host did to its own.
 * Modules and the environment are empty tables in front of the real ones; what is behind cannot be reached.
 * SPDX-License-Identifier: MIT */
#include "lua/bindings.h"
#include "lua/call.h"
#include "lua/string.h"
#include <lualib.h>
#include <string.h>

enum { SOURCE_MAX = 1024 * 1024, VALUES_MAX = 4096 };

static const char environment_key = 0;
static const char require_name[] = "gateway.require";

/* ---------------------------------------------------------------- read-only tables */

/* __newindex of a library: upvalue 1 is its name. */
static int refuse_write(lua_State *L)
{
    const char *name = lua_tostring(L, lua_upvalueindex(1)), *key = text_or(L, 2, luaL_typename(L, 2));
    if (name[0] == '\0')
        return luaL_error(L, "'%s' is not declared: policies have no globals, write local %s", key, key);
    return luaL_error(L, "%s is read-only ('%s')", name, key);
}

/* Replaces the table at the top by an empty one in front of it. */
static void close_table(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_rotate(L, -3, -1); /* front, metatable, real */
    lua_setfield(L, -2, "__index");
    lua_pushstring(L, name);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    set_bool(L, "__metatable", false);
    lua_setmetatable(L, -2);
}

/* ---------------------------------------------------------------- base */

/* setmetatable(table, metatable) -> table */
static int base_setmetatable(lua_State *L)
{
    static const char *const refused[] = {"__gc", "__close", "__metatable", "__mode"};
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnoneornil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    lua_settop(L, 2);
    for (size_t i = 0; lua_istable(L, 2) && i < sizeof refused / sizeof *refused; i++) {
        lua_pushstring(L, refused[i]);
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "policies may not use %s", refused[i]);
        lua_pop(L, 1);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int base_tostring(lua_State *L)
{
    luaL_checkany(L, 1);
    string_push_text(L, 1);
    return 1;
}

/* Functions whose time is the number (or length) of their arguments: upvalue 1 is Lua's own, a light C function. */
static int base_charged(lua_State *L)
{
    size_t cost = (size_t)lua_gettop(L) / 8 + (lua_type(L, 1) == LUA_TSTRING ? lua_rawlen(L, 1) / 32 : 0);
    if (cost > 0)
        call_charge(L, cost);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int require_done(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 1;
}

static int base_require(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TSTRING);
    lua_settop(L, 1);
    if (lua_getfield(L, LUA_REGISTRYINDEX, require_name) != LUA_TFUNCTION)
        return luaL_error(L, "nothing can be required here");
    lua_insert(L, 1);
    lua_callk(L, 1, 1, 0, require_done);
    return 1;
}

/* ---------------------------------------------------------------- table */

static void check_plain(lua_State *L, int index)
{
    static const char *const traps[] = {"__metatable", "__index", "__newindex", "__len"};
    luaL_checktype(L, index, LUA_TTABLE);
    for (size_t i = 0; i < sizeof traps / sizeof *traps; i++)
        if (luaL_getmetafield(L, index, traps[i]) != LUA_TNIL)
            luaL_argerror(L, index, i == 0 ? "this table is read-only" : "expected a table without such a metatable");
}

/* table.insert(list, [position,] value) */
static int table_insert(lua_State *L)
{
    lua_Integer len, at;
    check_plain(L, 1);
    len = (lua_Integer)lua_rawlen(L, 1);
    if (lua_gettop(L) == 2) {
        lua_rawseti(L, 1, len + 1);
        return 0;
    }
    if (lua_gettop(L) != 3)
        return luaL_error(L, "wrong number of arguments to 'insert'");
    at = luaL_checkinteger(L, 2);
    luaL_argcheck(L, at >= 1 && at <= len + 1, 2, "position out of bounds");
    call_charge(L, (size_t)(len + 1 - at));
    for (lua_Integer i = len; i >= at; i--) {
        lua_rawgeti(L, 1, i);
        lua_rawseti(L, 1, i + 1);
    }
    lua_rawseti(L, 1, at);
    return 0;
}

/* table.remove(list [, position]) -> value */
static int table_remove(lua_State *L)
{
    lua_Integer len, at;
    check_plain(L, 1);
    len = (lua_Integer)lua_rawlen(L, 1);
    at = luaL_optinteger(L, 2, len);
    luaL_argcheck(L, at == len || (at >= 1 && at <= len + 1), 2, "position out of bounds");
    call_charge(L, at <= len ? (size_t)(len - at) : 0);
    lua_rawgeti(L, 1, at);
    for (; at < len; at++) {
        lua_rawgeti(L, 1, at + 1);
        lua_rawseti(L, 1, at);
    }
    if (at <= len || len == 0) {
        lua_pushnil(L);
        lua_rawseti(L, 1, at);
    }
    return 1;
}

/* The last index to look at: given, or the length. Checked so that what follows is bounded. */
static lua_Integer last_index(lua_State *L, int index, lua_Integer first)
{
    lua_Integer last = luaL_opt(L, luaL_checkinteger, index, luaL_len(L, 1));
    if (last >= first)
        call_charge(L, (size_t)last - (size_t)first);
    return last;
}

/* table.concat(list [, separator [, i [, j]]]); read-only lists may be read too */
static int table_concat(lua_State *L)
{
    size_t separator_len, len, made = 0;
    const char *separator;
    lua_Integer i, last;
    luaL_Buffer buffer;
    luaL_checktype(L, 1, LUA_TTABLE);
    separator = luaL_optlstring(L, 2, "", &separator_len);
    i = luaL_optinteger(L, 3, 1);
    last = last_index(L, 4, i);
    luaL_buffinit(L, &buffer);
    for (; i <= last; i++) {
        lua_geti(L, 1, i);
        if (lua_tolstring(L, -1, &len) == NULL)
            return luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
        made += len + separator_len;
        if (made > SANDBOX_TEXT_MAX)
            return luaL_error(L, "resulting string too large");
        luaL_addvalue(&buffer);
        if (i == last)
            break; /* i + 1 may not exist */
        luaL_addlstring(&buffer, separator, separator_len);
    }
    call_charge(L, made / 32);
    luaL_pushresult(&buffer);
    return 1;
}

/* table.unpack(list [, i [, j]]): upvalue 1 is Lua's own */
static int table_unpack(lua_State *L)
{
    lua_Integer first, last;
    luaL_checktype(L, 1, LUA_TTABLE);
    first = luaL_optinteger(L, 2, 1);
    last = luaL_opt(L, luaL_checkinteger, 3, luaL_len(L, 1));
    if (last >= first && (lua_Unsigned)last - (lua_Unsigned)first >= VALUES_MAX)
        return luaL_error(L, "too many results to unpack");
    lua_settop(L, 1);
    lua_pushinteger(L, first);
    lua_pushinteger(L, last);
    call_charge(L, last >= first ? (size_t)(last - first) : 0);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* table.sort(list [, comparator]): upvalue 1 is Lua's own. What it compares without calling Lua no hook counts: charged beforehand. */
static int table_sort(lua_State *L)
{
    size_t len, cost = 0;
    check_plain(L, 1);
    len = lua_rawlen(L, 1);
    for (size_t n = len; n > 0; n >>= 1)
        cost += 2 * len;
    call_charge(L, cost);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* table.move(from, first, last, at [, to]): upvalue 1 is Lua's own */
static int table_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    check_plain(L, 1);
    if (!lua_isnoneornil(L, 5))
        check_plain(L, 5);
    if (last >= first) {
        if ((lua_Unsigned)last - (lua_Unsigned)first >= (lua_Unsigned)LOAD_INSTRUCTIONS)
            return luaL_error(L, "too many elements to move");
        call_charge(L, 2 * (size_t)(last - first));
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* ---------------------------------------------------------------- the environment */

/* Copies the named functions of the table at `from` into the one at the top, behind `wrapper` unless that is NULL. */
static void copy_fields(lua_State *L, int from, lua_CFunction wrapper, const char *const *names)
{
    from = lua_absindex(L, from);
    for (; *names != NULL; names++) {
        lua_getfield(L, from, *names);
        if (wrapper != NULL)
            lua_pushcclosure(L, wrapper, 1);
        lua_setfield(L, -2, *names);
    }
}

/* Runs a luaopen_* function without leaving a trace in the host: globals and the string metatable stay. Pushes the library and
 * the string metatable that it made (or found). */
static void push_pristine(lua_State *L, lua_CFunction open)
{
    int globals = lua_gettop(L) + 1, text = globals + 1, before = globals + 2;
    bool opened;
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushliteral(L, "");
    if (!lua_getmetatable(L, text))
        lua_pushnil(L);
    lua_newtable(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    opened = call_protected(L, open, NULL, 0, 1);
    if (!lua_getmetatable(L, text))
        lua_pushnil(L);
    lua_pushvalue(L, globals);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_pushvalue(L, before);
    lua_setmetatable(L, text);
    lua_rotate(L, globals, 2);
    lua_settop(L, globals + 1); /* library, metatable */
    if (!opened) {
        lua_pop(L, 1);
        lua_error(L);
    }
}

static void add_base(lua_State *L)
{
    static const char *const same[] = {"assert", "error", "ipairs", "next", "pairs", "pcall", "type", NULL};
    static const char *const charged[] = {"select", "tonumber", NULL};
    static const luaL_Reg own[] = {
        {"require", base_require}, {"setmetatable", base_setmetatable}, {"tostring", base_tostring}, {NULL, NULL}};
    luaL_setfuncs(L, own, 0);
    push_pristine(L, luaopen_base);
    lua_pop(L, 1);
    lua_insert(L, -2);
    copy_fields(L, -2, NULL, same);
    copy_fields(L, -2, base_charged, charged);
    lua_remove(L, -2);
}

static void add_string(lua_State *L)
{
    push_pristine(L, luaopen_string);
    lua_insert(L, -2);
    string_push_safe(L); /* metatable, safe library */
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "__index");
    lua_insert(L, -2);
    call_set_string_metatable(L);
    close_table(L, "string");
    lua_setfield(L, -2, "string");
}

static void add_table(lua_State *L)
{
    static const luaL_Reg own[] = {{"concat", table_concat}, {"insert", table_insert}, {"remove", table_remove}, {NULL, NULL}};
    static const char *const move[] = {"move", NULL}, *const sort[] = {"sort", NULL}, *const unpack[] = {"unpack", NULL},
                             *const pack[] = {"pack", NULL};
    push_pristine(L, luaopen_table);
    lua_pop(L, 1);
    luaL_newlib(L, own);
    copy_fields(L, -2, table_move, move);
    copy_fields(L, -2, table_sort, sort);
    copy_fields(L, -2, table_unpack, unpack);
    copy_fields(L, -2, base_charged, pack);
    lua_remove(L, -2);
    close_table(L, "table");
    lua_setfield(L, -2, "table");
}

static void add_math(lua_State *L)
{
    push_pristine(L, luaopen_math);
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_setfield(L, -2, "random"); /* chance comes from request.random, so that a decision can be made again */
    lua_pushnil(L);
    lua_setfield(L, -2, "randomseed");
    close_table(L, "math");
    lua_setfield(L, -2, "math");
}

/* COMPAT(Lua 5.4.4): the first large luaL_Buffer of a state makes a metatable; when memory runs out halfway, an empty one stays and every
 * later buffer fails. So it is made here, outside any budget. */
static void warm_buffers(lua_State *L)
{
    luaL_Buffer buffer;
    luaL_buffinitsize(L, &buffer, 2 * LUAL_BUFFERSIZE);
    luaL_pushresultsize(&buffer, 0);
    lua_pop(L, 1);
}

void sandbox_push_environment(lua_State *L)
{
    luaL_checkstack(L, 12, "sandbox");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &environment_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    warm_buffers(L);
    lua_newtable(L);
    add_base(L);
    add_string(L);
    add_table(L);
    add_math(L);
    close_table(L, "");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &environment_key);
}

/* Pops a function. */
static void sandbox_set_require(lua_State *L)
{
    lua_setfield(L, LUA_REGISTRYINDEX, require_name);
}

bool sandbox_compile(lua_State *L, const char *text, size_t len, const char *chunkname)
{
    const char *name = chunkname[0] == '@' ? chunkname + 1 : chunkname, *message;
    if (len > SOURCE_MAX) {
        lua_pushfstring(L, "%s: longer than %d KB", name, SOURCE_MAX / 1024);
        return false;
    }
    sandbox_push_environment(L);
    if (luaL_loadbufferx(L, text, len, chunkname, "t") != LUA_OK) {
        lua_remove(L, -2);
        message = text_or(L, -1, "cannot be compiled");  /* a caller's xpcall may have changed it */
        if (strncmp(message, name, strlen(name)) != 0) { /* "C stack overflow" comes without a place */
            lua_pushfstring(L, "%s: %s", name, message);
            lua_remove(L, -2);
        }
        return false;
    }
    lua_insert(L, -2);
    lua_setupvalue(L, -2, 1); /* _ENV is a main chunk's only upvalue */
    return true;
}

/* ---------------------------------------------------------------- the Lua face */

/* sandbox.compile(text, name) -> function | nil, message; the name is a file's: "policies/x.lua" */
static int sandbox_compile_face(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_pushfstring(L, "@%s", luaL_checkstring(L, 2));
    if (sandbox_compile(L, text, len, lua_tostring(L, -1)))
        return 1;
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* sandbox.set_require(fn) */
static int sandbox_set_require_face(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    sandbox_set_require(L);
    return 0;
}

/* sandbox.environment() -> the environment of policies */
static int sandbox_environment(lua_State *L)
{
    sandbox_push_environment(L);
    return 1;
}

int open_sandbox(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"compile", sandbox_compile_face},
        {"set_require", sandbox_set_require_face},
        {"environment", sandbox_environment},
        {NULL, NULL},
    };
    sandbox_push_environment(L); /* now, so that calls have their string library from the first on */
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
