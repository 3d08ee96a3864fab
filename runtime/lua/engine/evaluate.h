/* evaluate.h -- gateway.lua run in the sandbox of policies, with env() on top and a budget: it can compute what it likes, and reach
 * nothing. And what it would have returned with variables that are not set.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_EVALUATE_H
#define LUA_EVALUATE_H
#include "base/bytes.h"
#include "lua/bindings.h"

enum { SOURCE_FILE_MAX = 4 * 1024 * 1024 };

/* Each pushes one value. False: the complaint is at the top. All may raise. */
MUST_USE bool evaluate_push_text(lua_State *L, const char *path, bool may_be_absent); /* of a file; absent: "" */
/* env(name [, default]): the environment, then the .env file at this path. Set but empty is not set: that is what unset variables look
 * like when a container's file passes them on. */
MUST_USE bool evaluate_push_env(lua_State *L, const char *env_path);
/* Runs the text at `text` with env() (at `env`) in reach -> what it returned. `path` names the file in complaints. */
MUST_USE bool evaluate(lua_State *L, const char *path, int text, int env);

/* Appends a line "gateway.lua:12: …" for each variable that is not set and whose absence left something out of the config. The process's
 * thread; reads the files anew, and says nothing where they cannot be read. */
void evaluate_review(const char *config_path, struct buffer *out);
#endif
