/* config.h -- fills struct config from the table that lua/gateway/config.lua made.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_CONFIG_H
#define LUA_CONFIG_H
#include "config/config.h"
#include <lua.h>

/* Builds the config from the checked table at the top of L; leaves L as it was. NULL: `complaint` (of `size` bytes) says why. */
MUST_USE struct config *config_build(lua_State *L, struct slice path, char *complaint, size_t size);
/* Pushes name -> { name, base_url, key_env, no_key } of all vendors. */
void config_push_vendors(lua_State *L);
#endif
