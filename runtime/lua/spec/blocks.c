/* blocks.c -- blocks of memory, for specs.
 *
 *      local set = blocks.new(count)          blocks 1..count, none of them made
 *      local kept = set:resize(index, size)   0 gives it back; kept: what stood in it and in its neighbours still does
 *
 * Each block is filled with a byte of its own, so that one that lies over another is seen.
 * SPDX-License-Identifier: MIT */
#include "base/blocks.h"
#include "lua/spec/bindings.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 4096, BLOCK_MAX = 1 << 20 };

struct item {
    unsigned char *bytes;
    size_t size;
};

struct set {
    struct blocks *blocks;
    size_t count;
    struct item items[];
};

static const char type_name[] = "gateway.blocks";

static bool stands(const struct item *item, size_t index, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (item->bytes[i] != (unsigned char)index)
            return false;
    return true;
}

static bool all_stand(const struct set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (!stands(&set->items[i], i + 1, set->items[i].size))
            return false;
    return true;
}

static int set_new(lua_State *L)
{
    lua_Integer count = luaL_checkinteger(L, 1);
    luaL_argcheck(L, count > 0 && count <= COUNT_MAX, 1, "1 to 4096");
    size_t size = sizeof(struct set) + (size_t)count * sizeof(struct item);
    struct set *set = lua_newuserdatauv(L, size, 0);
    memset(set, 0, size);
    set->count = (size_t)count;
    luaL_setmetatable(L, type_name);
    set->blocks = blocks_new(NULL);
    return set->blocks == NULL ? luaL_error(L, "out of memory") : 1;
}

static int set_resize(lua_State *L)
{
    struct set *set = luaL_checkudata(L, 1, type_name);
    lua_Integer index = luaL_checkinteger(L, 2), size = luaL_checkinteger(L, 3);
    luaL_argcheck(L, index > 0 && (size_t)index <= set->count, 2, "no such block");
    luaL_argcheck(L, size >= 0 && size <= BLOCK_MAX, 3, "0 to 1 MB");
    struct item *item = &set->items[index - 1];
    size_t had = item->size, want = (size_t)size;
    item->bytes = blocks_resize(set->blocks, item->bytes, had, want);
    item->size = item->bytes == NULL ? 0 : want;
    bool kept = item->size == want && (uintptr_t)item->bytes % 16 == 0 && stands(item, (size_t)index, had < want ? had : want);
    if (item->size > 0)
        memset(item->bytes, (unsigned char)index, want);
    lua_pushboolean(L, kept && all_stand(set));
    return 1;
}

static int set_free(lua_State *L)
{
    struct set *set = luaL_checkudata(L, 1, type_name);
    for (size_t i = 0; i < set->count && set->blocks != NULL; i++)
        if (set->items[i].bytes != NULL)
            blocks_resize(set->blocks, set->items[i].bytes, set->items[i].size, 0);
    if (set->blocks != NULL)
        blocks_free(set->blocks);
    set->blocks = NULL;
    return 0;
}

int open_blocks(lua_State *L)
{
    static const luaL_Reg methods[] = {{"resize", set_resize}, {"__gc", set_free}, {NULL, NULL}};
    static const luaL_Reg functions[] = {{"new", set_new}, {NULL, NULL}};

    luaL_newmetatable(L, type_name);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
