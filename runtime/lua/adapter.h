/* adapter.h -- providers whose wire is a file of Lua.
 *
 * Such a file translates between its provider's shapes and OpenAI's chat completions, nothing else: connections, streams, retries, usage, tool calls
 * and errors are the gateway's. Each entry of `providers` that names one has a vendor and a wire of its own, which live with the config; the
 * functions live in every script, under the adapter's number.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_ADAPTER_H
#define LUA_ADAPTER_H
#include "config/config.h"
#include "routing/stops.h"
#include "lua/call.h"
#include <lua.h>

enum adapter_function { ADAPTER_ENCODE, ADAPTER_DECODE, ADAPTER_DECODE_EVENT, ADAPTER_FAILURE, ADAPTER_FUNCTIONS };
enum { ADAPTERS_MAX = 64 };

/* Of one adapter in one script. */
struct adapter_refs {
    int functions[ADAPTER_FUNCTIONS]; /* registry references; LUA_NOREF where it has no such function */
    struct stops stops;               /* of all of them: what cannot be read back is not sent either */
};

/* The vendor for the adapter that is a checked table { index, file, chat, stream, form, auth } at the top of L; raises when the config's memory is
 * used up. */
const struct vendor *adapter_vendor(lua_State *L, struct config *config);
/* Takes the functions of the loaded adapter (lua/gateway/adapter.lua) at the top of L. May raise. */
void adapter_take(lua_State *L, struct adapter_refs *refs);
#endif
