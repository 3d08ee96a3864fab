/* framing.c -- the checker of what clients send, for specs.
 *
 *      local checker = framing.checker { body = 1024 }    limits by name; those left out are the defaults
 *      checker:check(bytes) -> the bytes that may pass    not again after a refusal
 *      checker:answered()                                 one request was answered (the bound on pipelining counts those waiting)
 *      checker:facts() -> { status, reason, requests, heads, body_bytes, closing, excess, any, in_request, in_body }   status 0: fine so far
 *      framing.defaults                                   the limits
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include "http/framing.h"
#include <string.h>

#define CHECKER "gateway.framing.checker"

struct checker {
    struct framing_limits limits;
    struct framing framing;
};

#define LIMITS(row) row(target) row(line) row(headers) row(arguments) row(cookies) row(pool) row(body) row(pipeline)

static struct checker *check_checker(lua_State *L)
{
    return luaL_checkudata(L, 1, CHECKER);
}

static void read_limits(lua_State *L, struct framing_limits *limits)
{
#define READ(name)                                                                                                                         \
    lua_getfield(L, 1, #name);                                                                                                             \
    limits->name = (__typeof__(limits->name))luaL_optinteger(L, -1, (lua_Integer)limits->name);                                            \
    lua_pop(L, 1);
    LIMITS(READ)
#undef READ
}

static int checker_new(lua_State *L)
{
    struct checker *checker = lua_newuserdatauv(L, sizeof *checker, 0);
    checker->limits = framing_defaults;
    if (lua_istable(L, 1))
        read_limits(L, &checker->limits);
    framing_init(&checker->framing, &checker->limits);
    luaL_setmetatable(L, CHECKER);
    return 1;
}

/* In a block of its own size, so that the sanitizers see a step across its end. */
static int checker_check(lua_State *L)
{
    struct checker *checker = check_checker(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, checker->framing.status == 0, 1, "it has refused already");
    unsigned char *copy = lua_newuserdatauv(L, len, 0);
    memcpy(copy, bytes, len);
    lua_pushlstring(L, (char *)copy, framing_check(&checker->framing, copy, len));
    return 1;
}

static int checker_answered(lua_State *L)
{
    check_checker(L)->framing.answered++;
    return 0;
}

static int checker_facts(lua_State *L)
{
    const struct framing *framing = &check_checker(L)->framing;
    lua_createtable(L, 0, 10);
#define INTEGER(name)                                                                                                                      \
    lua_pushinteger(L, (lua_Integer)framing->name);                                                                                        \
    lua_setfield(L, -2, #name);
    INTEGER(status)
    INTEGER(requests)
    INTEGER(heads)
    INTEGER(body_bytes)
#undef INTEGER
#define BOOLEAN(name, value)                                                                                                               \
    lua_pushboolean(L, value);                                                                                                             \
    lua_setfield(L, -2, #name);
    BOOLEAN(closing, framing->closing)
    BOOLEAN(excess, framing->excess)
    BOOLEAN(any, framing->any)
    BOOLEAN(in_request, framing_in_request(framing))
    BOOLEAN(in_body, framing_in_body(framing))
#undef BOOLEAN
    set_string(L, "reason", framing->reason);
    return 1;
}

int open_framing(lua_State *L)
{
    static const luaL_Reg methods[] = {{"check", checker_check}, {"answered", checker_answered}, {"facts", checker_facts}, {NULL, NULL}};
    new_type(L, CHECKER, methods, NULL);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, checker_new);
    lua_setfield(L, -2, "checker");
    lua_createtable(L, 0, 8);
#define PUSH(name)                                                                                                                         \
    lua_pushinteger(L, (lua_Integer)framing_defaults.name);                                                                                \
    lua_setfield(L, -2, #name);
    LIMITS(PUSH)
#undef PUSH
    lua_setfield(L, -2, "defaults");
    return 1;
}
