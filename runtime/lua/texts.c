/* texts.c -- what the Lua of the gateway asks C about a text.
 *
 * is_network(text): an address or a network; is_model_name(text); without_date(name) -> name or nil;
 * distance(a, b) -> edits between two words of at most SPELLING_MAX bytes; is_private_key(pem); sha256(text), to_hex(bytes) -> text;
 * matches_any(patterns, text): what policies know as gateway.pattern.any.
 * SPDX-License-Identifier: MIT */
#include "base/address.h"
#include "base/hash.h"
#include "base/spelling.h"
#include "config/model_name.h"
#include "lua/bindings.h"
#include "lua/call.h"
#include "providers/credentials/google.h"
#include "shared/keyring.h"

enum { NAME_BYTES_MAX = 1024 };

static int is_network(lua_State *L)
{
    struct network network;
    lua_pushboolean(L, network_parse(check_slice(L, 1), &network));
    return 1;
}

static int is_model_name(lua_State *L)
{
    lua_pushboolean(L, model_name_is_plain(check_slice(L, 1)));
    return 1;
}

static int without_date(lua_State *L)
{
    struct slice name = model_name_without_date(check_slice(L, 1));
    if (name.len == 0)
        return 0;
    return push_slice(L, name);
}

static int distance(lua_State *L)
{
    struct slice a = check_slice(L, 1), b = check_slice(L, 2);
    luaL_argcheck(L, a.len <= SPELLING_MAX && b.len <= SPELLING_MAX, 1, "too long");
    lua_pushinteger(L, spelling_distance(a, b));
    return 1;
}

static int is_private_key(lua_State *L)
{
    lua_pushboolean(L, google_is_key(check_slice(L, 1)));
    return 1;
}

static int sha256(lua_State *L)
{
    uint8_t digest[SHA256_BYTES];
    hash_sha256(check_slice(L, 1), digest);
    return push_slice(L, (struct slice){(const char *)digest, sizeof digest});
}

static int to_hex(lua_State *L)
{
    char hex[128];
    struct slice text = check_slice(L, 1);
    luaL_argcheck(L, 2 * text.len <= sizeof hex, 1, "too long");
    hash_to_hex((const uint8_t *)text.ptr, text.len, hex);
    return push_slice(L, (struct slice){hex, 2 * text.len});
}

/* A text longer than any name matches nothing. */
static int matches_any(lua_State *L)
{
    if (lua_type(L, 1) != LUA_TTABLE)
        return luaL_error(L, "pattern.any: expected a list of patterns, got %s", luaL_typename(L, 1));
    struct slice text = to_slice(L, 2);
    lua_Integer count = text.ptr == NULL || text.len > NAME_BYTES_MAX ? 0 : luaL_len(L, 1);
    bool found = false;
    for (lua_Integer i = 1; i <= count && !found; i++) {
        lua_geti(L, 1, i);
        struct slice pattern = to_slice(L, -1);
        call_charge(L, 4 + pattern.len * text.len / 16);
        found = pattern.ptr != NULL && pattern.len <= NAME_BYTES_MAX && pattern_matches(pattern, text);
        lua_pop(L, 1);
    }
    lua_pushboolean(L, found);
    return 1;
}

int open_texts(lua_State *L)
{
    static const luaL_Reg functions[] = {{"is_network", is_network}, {"is_model_name", is_model_name},   {"without_date", without_date},
                                         {"distance", distance},     {"is_private_key", is_private_key}, {"sha256", sha256},
                                         {"to_hex", to_hex},         {"matches_any", matches_any},       {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
