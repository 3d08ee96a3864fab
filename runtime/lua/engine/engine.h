/* engine.h -- Lua as the scripting engine of the house: gateway/script.h filled.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_ENGINE_H
#define LUA_ENGINE_H
#include "gateway/script.h"

extern const struct script_engine lua_script_engine;
#endif
