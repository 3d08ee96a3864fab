/* dialect.c -- the dialects pair by pair, for specs that walk all of them: short words for what wire.c says in full.
 *
 *      dialect.facts(wire, body) -> table | nil, complaint
 *      dialect.chat_to(wire, body, vendor, model) -> upstream body, dropped | nil, complaint
 *      dialect.answer{ wire, vendor, stream, pieces | body, request, … } -> the client's bytes, what wire.answer says
 *
 * `wire` names the client's. The client's bytes are all that it reads: of an answer that ended badly the error is part of them. Other fields of `answer`
 * are those of wire.answer.
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include <stdbool.h>

/* A new table with wire.* 's name for the client and a copy of the pairs of the table at `from` (0: none). */
static void push_call(lua_State *L, int from, int client)
{
    lua_newtable(L);
    if (from != 0)
        for (lua_pushnil(L); lua_next(L, from) != 0;) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_settable(L, -4);
        }
    lua_pushvalue(L, client);
    lua_setfield(L, -2, "client");
}

static void push_function(lua_State *L, const char *name)
{
    lua_getfield(L, lua_upvalueindex(1), name);
}

static int dialect_facts(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    push_function(L, "facts");
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_call(L, 2, 2);
    return 2;
}

static int dialect_chat_to(lua_State *L)
{
    static const char *const names[] = {"body", "vendor", "model"};
    for (int i = 1; i <= 4; i++)
        luaL_checkstring(L, i);
    push_function(L, "encode");
    push_call(L, 0, 1);
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, i + 2);
        lua_setfield(L, -2, names[i]);
    }
    lua_call(L, 1, 2);
    return 2;
}

/* Pushes the error as the client reads it: an event after first content, else the whole body. */
static void push_error(lua_State *L, int answer)
{
    if (lua_getfield(L, answer, "failure") == LUA_TTABLE)
        lua_getfield(L, -1, "body");
    else
        lua_pushliteral(L, "");
    lua_remove(L, -2);
}

static int dialect_answer(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "wire");
    luaL_checkstring(L, 2);
    push_function(L, "answer");
    push_call(L, 1, 2);
    lua_call(L, 1, 1);
    int answer = lua_gettop(L);
    lua_getfield(L, answer, "failure");
    lua_getfield(L, answer, "content");
    bool failed = lua_istable(L, -2), content = lua_toboolean(L, -1);
    lua_pop(L, 2);
    lua_getfield(L, answer, "out");
    if (lua_isnil(L, -1) || (failed && !content)) { /* what was written before first content is never sent when the answer fails */
        lua_pop(L, 1);
        lua_pushliteral(L, "");
    }
    push_error(L, answer);
    lua_concat(L, 2);
    lua_pushvalue(L, answer);
    return 2;
}

int open_dialect(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"facts", dialect_facts},
        {"chat_to", dialect_chat_to},
        {"answer", dialect_answer},
        {NULL, NULL},
    };
    luaL_newlibtable(L, functions);
    open_wire(L);
    luaL_setfuncs(L, functions, 1);
    return 1;
}
