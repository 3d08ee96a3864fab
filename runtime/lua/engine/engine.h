/* engine.h -- Lua as the scripting engine: gateway/engine.h filled.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_ENGINE_H
#define LUA_ENGINE_H
#include "gateway/engine.h"

extern const struct engine lua_engine;
#endif
