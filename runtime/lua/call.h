/* call.h -- entering Lua: states, every protected call, every coroutine's start and yield; and the sandbox of policies.
 *
 * The gateway's own Lua runs without a budget. A policy's function runs in a pooled Lua thread of its own, with a budget of VM instructions (the same
 * call stops at the same place every time; 1 000 000 instructions are about 10 ms), of CPU time ten times as long for what an instruction may hide, and
 * of memory growth. When a budget is used up the thread is dropped and never resumed, so no pcall in the policy can catch it.
 * SPDX-License-Identifier: MIT */
#ifndef LUA_CALL_H
#define LUA_CALL_H
#include "base/failure.h"
#include <lua.h>
#include <stdbool.h>

enum {
    CALL_INSTRUCTIONS = 1000000,  /* one admit, route, recover or settle */
    CALL_MEMORY = 1024 * 1024,    /* growth during one call */
    CALL_CPU_MS = 100,            /* of this thread's CPU, for each CALL_INSTRUCTIONS */
    LOAD_INSTRUCTIONS = 10000000, /* running a policy file's top level */
    LOAD_MEMORY = 8 * 1024 * 1024,
    CALL_MESSAGE_MAX = 200,
};

struct call_result {
    enum failure_kind kind; /* FAILURE_NONE: it returned; else FAILURE_POLICY_ERROR, _TIMEOUT, _MEMORY; FAILURE_SHEDDING: not its fault */
    bool of_input;          /* a good part of the budget went into what a client sent (call_feeding): its size is to blame */
    char message[CALL_MESSAGE_MAX + 1]; /* "policies/x.lua:12: …" */
};

/* A state whose allocator counts memory: for scripts and for runtime.so under plain lua (there the host's allocator is used and growth is
 * measured by the collector's count). NULL when memory is out. */
MUST_USE lua_State *call_new_state(struct memory *memory);
void call_close_state(lua_State *L); /* no call is in progress */

/* ---- the gateway's own Lua: no budget */
/* function(arguments…, data) in protected mode, with the `nargs` arguments at the top. False: in place of the results is the error. Never raises. */
MUST_USE bool call_protected(lua_State *L, lua_CFunction function, void *data, int nargs, int nresults);
/* Pushes a function of a module. May raise, as the two below. */
void call_require(lua_State *L, const char *module, const char *function);
/* Calls it with the `nargs` arguments at the top. */
void call_module(lua_State *L, const char *module, const char *function, int nargs, int nresults);
/* The same with a function kept in the registry. */
void call_kept(lua_State *L, int reference, int nargs, int nresults);
/* Starts or goes on with a coroutine, with its `nargs` arguments at its top -> Lua's status. What it yields is dropped. */
int call_go_on(lua_State *thread, lua_State *from, int nargs);
/* To be returned by a C function: its coroutine sleeps, and goes on in `then` with this context. */
int call_sleep(lua_State *L, void *context, lua_KFunction then);

/* ---- policies */
/* Calls the function at the top of L below `nargs` arguments, popping both; on success leaves exactly `nresults` values and returns true; otherwise
 * leaves nothing. Never raises. */
MUST_USE bool call_policy(lua_State *L, int nargs, int nresults, int instructions, size_t memory, struct call_result *result);

/* Charges work that a C function does to the call in progress: about a nanosecond or two a step. Raises when the budget is used up (the
 * call is then over whatever the policy does). Without a call in progress: nothing. */
void call_charge(lua_State *L, size_t steps);
/* The same for what may not raise. False: the call is over at its next instruction; do no more for it. */
bool call_spend(lua_State *L, size_t steps);
/* The same, for the call whose texts this thread is comparing. compare.c */
bool call_spend_comparing(size_t steps);
/* Until false is said: what is done now is made of what a client sent, and as large as that. */
void call_feeding(lua_State *L, bool feeding);
/* Steps left to the call in progress; CALL_INSTRUCTIONS without one. */
int64_t call_left(lua_State *L);
/* The metatable that strings have while a policy runs; pops it. May raise. */
void call_set_string_metatable(lua_State *L);

/* Pushes the read-only environment that every sandboxed chunk of this state gets (made once per state). Its `require` asks the function
 * kept under the registry key "gateway.require" (set by sandbox_set_require; called with the name, returns the module or raises). */
void sandbox_push_environment(lua_State *L);
/* Compiles text (mode "t" only) with the sandbox environment as _ENV. Leaves the function, or an error message and false. */
MUST_USE bool sandbox_compile(lua_State *L, const char *text, size_t len, const char *chunkname);

int open_call(lua_State *L); /* Lua face: call.run(fn, instructions, memory, nresults, ...) -> true, results… | false, kind, message */
int open_sandbox(
    lua_State *L); /* Lua face: sandbox.compile(text, name) -> fn | nil, message; sandbox.set_require(fn); sandbox.environment() */
#endif
