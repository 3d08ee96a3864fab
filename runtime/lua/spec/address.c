/* address.c -- base/address for specs.
 *
 * address.parse(text), address.parse_hop(text) -> the address in its own form | nil; address.has(network, address).
 * SPDX-License-Identifier: MIT */
#include "base/address.h"
#include "lua/spec/bindings.h"

static int push_address(lua_State *L, bool found, const struct address *address)
{
    char text[ADDRESS_TEXT_SIZE];
    if (!found)
        return 0;
    lua_pushlstring(L, text, address_write(address, text));
    return 1;
}

static int parse(lua_State *L)
{
    struct address address;
    bool found = address_parse(check_slice(L, 1), &address);
    return push_address(L, found, &address);
}

static int parse_hop(lua_State *L)
{
    struct address address;
    bool found = address_parse_hop(check_slice(L, 1), &address);
    return push_address(L, found, &address);
}

static int has(lua_State *L)
{
    struct network network;
    struct address address;
    luaL_argcheck(L, network_parse(check_slice(L, 1), &network), 1, "no network");
    lua_pushboolean(L, address_parse(check_slice(L, 2), &address) && network_has(&network, &address));
    return 1;
}

int open_address(lua_State *L)
{
    static const luaL_Reg functions[] = {{"parse", parse}, {"parse_hop", parse_hop}, {"has", has}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
