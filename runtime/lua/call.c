/* call.c -- the one place that calls into policies: a pooled Lua thread, a budget of instructions, a budget of memory.
 *
 * An instruction may take long: `a == b`, `s + 0`, `t[s]`, next() over what was emptied look at every byte, and no budget of instructions sees
 * that. So the hook also reads this thread's CPU clock, never the time of day: a machine that stands still stops no policy. Reading it costs a
 * system call, so it is read once in SLICE instructions, and what begins a call is its first look: a decision that ends before that reads no clock.
 * What is known to be dear brings the next look forward (look_soon): charges, memory, and texts long enough to be worth attacking with, after
 * which all looks of this state are closer. No text is longer than the budget of memory warrants (text_max), so that between two looks no more
 * than some ten milliseconds can pass.
 * Two things are charged instead, since they may be dear within one instruction: `<` (compare.c), and JSON (value.c).
 *
 * Why it holds: the count hook yields and the thread is never resumed, so no pcall in the policy sees the end of its time. Where a C function is in
 * between (a comparator of sort, a callback of gsub) a yield is impossible; there the hook raises and comes again at every further
 * instruction, so code that catches the error is stopped at its next step. Work done in C is charged to the same budget (call_charge).
 * Memory: while a call runs, the state's allocator is ours and refuses growth past the limit. Lua answers a refusal with a full
 * collection, which is dear, so after a few of them the call is over.
 * Nothing here allocates outside a protected call.
 * SPDX-License-Identifier: MIT */
#include "lua/call.h"
#include "base/blocks.h"
#include "base/clock.h"
#include "base/log.h"
#include "lua/bindings.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SLICE = 1000,        /* instructions between two looks at the budget */
    CLOSE_SLICE = 200,   /* the same once a state had a long text */
    LONG_TEXT = 4096,    /* bytes */
    UNSEEN_MAX = 20000,  /* steps charged until the hook looks again, whatever the count */
    BYTES_PER_STEP = 32, /* of memory */
    COLLECT_EVERY = 64,
    INPUT_SHARE = 16,
    REFUSALS_MAX = 4,          /* full collections that one call may cause */
    STATE_KB_MAX = 128 * 1024, /* a state that keeps more calls no policy: a full collection looks at all of it */
    STATE_KB_DEAR = 32 * 1024, /* one that holds more has fewer to spare */
    WHERE_MAX = 96,
};

/* Under a sanitizer the C functions that policies call are some ten times as slow. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SANITIZED = 10 };
#else
enum { SANITIZED = 1 };
#endif

/* One per state, a userdata in the registry. */
struct caller {
    lua_State *idle;          /* a thread that finished well and can run again; anchored as a user value */
    struct policy_call *call; /* the innermost call in progress */
    bool long_texts;          /* a call made one: it may have been kept */
    unsigned refused;         /* calls, since the state was found full */
};

enum { VALUE_THREAD = 1, VALUE_STRING, VALUE_METATABLE, VALUE_COUNT = VALUE_METATABLE };

/* One call in progress; lives on the C stack of call_policy. */
struct policy_call {
    lua_State *thread;
    struct caller *caller;
    int64_t left;     /* instructions */
    int64_t began_us; /* of CPU, at the first look; 0: none yet */
    int64_t cpu_max_us;
    int64_t fed;            /* steps that went into what a client sent; while `feeding`, less what was left when that began */
    int64_t made, fed_made; /* bytes, in all; the same of them */
    bool feeding;
    int64_t unseen;           /* steps charged since the last look */
    int slice;                /* instructions until the next look */
    bool over_time, too_long; /* its CPU, a text */
    bool soon;                /* the next look comes before a slice is over */
    ptrdiff_t grown, limit;   /* bytes */
    size_t text_max;          /* the longest text */
    unsigned refusals, refusals_max;
    bool starved;           /* it was within its limit, but the process has no memory */
    enum failure_kind stop; /* why it is being stopped, or FAILURE_NONE */
    char where[WHERE_MAX];  /* "policies/x.lua:12: " at that moment */
    struct policy_call *outer;
    lua_Alloc inner; /* the state's own allocator */
    void *inner_data;
};

static const char caller_key = 0;

/* ---------------------------------------------------------------- budgets */

static void hook(lua_State *L, lua_Debug *ar);

static void write_where(lua_State *L, lua_Debug *ar, char where[WHERE_MAX])
{
    if (lua_getinfo(L, "Sl", ar) && ar->currentline > 0)
        snprintf(where, WHERE_MAX, "%s:%d: ", ar->short_src, ar->currentline);
}

/* From now on every instruction calls the hook. Safe inside the allocator: lua_sethook only sets fields. */
static void stop(struct policy_call *call, enum failure_kind why)
{
    if (call->stop == FAILURE_NONE)
        call->stop = why;
    lua_sethook(call->thread, hook, LUA_MASKCOUNT, 1);
}

static int slice_of_call(const struct policy_call *call)
{
    int slice = call->caller->long_texts ? CLOSE_SLICE : SLICE;
    return call->left < slice ? (int)call->left : slice;
}

static void look_soon(struct policy_call *call)
{
    if (call->soon || call->stop != FAILURE_NONE)
        return;
    call->soon = true;
    lua_sethook(call->thread, hook, LUA_MASKCOUNT, 1);
}

static bool is_over_time(struct policy_call *call)
{
    int64_t now_us = clock_thread_cpu_us();
    if (call->began_us == 0)
        call->began_us = now_us;
    call->over_time = now_us - call->began_us > call->cpu_max_us;
    return call->over_time;
}

static void hook(lua_State *L, lua_Debug *ar)
{
    struct policy_call *call = *(struct policy_call **)lua_getextraspace(L);
    if (call->stop == FAILURE_NONE) {
        call->left -= call->slice; /* a whole one, however soon it comes: or who makes it come soon would never be through */
        call->soon = false;
        call->unseen = 0;
        if (call->left > 0 && !is_over_time(call)) {
            call->slice = slice_of_call(call);
            if (lua_gethookcount(L) != call->slice)
                lua_sethook(L, hook, LUA_MASKCOUNT, call->slice);
            return;
        }
        stop(call, FAILURE_POLICY_TIMEOUT);
    }
    if (call->where[0] == '\0')
        write_where(L, ar, call->where);
    if (lua_isyieldable(L)) {
        lua_yield(L, 0);
        return;
    }
    lua_pushnil(L); /* a value that needs no memory */
    lua_error(L);
}

/* Counts what grows; false: it is too much. For a new block old_size is a type. */
static bool may_grow(struct policy_call *call, const void *block, size_t old_size, size_t new_size, size_t had)
{
    bool is_text = block == NULL && old_size == LUA_TSTRING;
    call->made += (int64_t)(new_size - had); /* or was to be */
    call->too_long |= is_text && new_size > call->text_max;
    if (new_size > PTRDIFF_MAX || call->grown > call->limit - (ptrdiff_t)(new_size - had) || (is_text && new_size > call->text_max))
        return false;
    call->unseen += (int64_t)((new_size - had) / BYTES_PER_STEP);
    if (is_text && new_size >= LONG_TEXT)
        call->caller->long_texts = true;
    if (call->unseen > UNSEEN_MAX || (call->caller->long_texts && call->slice > CLOSE_SLICE))
        look_soon(call);
    return true;
}

static void *metered(void *data, void *block, size_t old_size, size_t new_size)
{
    struct policy_call *call = data;
    size_t had = block != NULL ? old_size : 0;
    void *made;
    if (new_size > had && !may_grow(call, block, old_size, new_size, had)) {
        if (++call->refusals > call->refusals_max)
            stop(call, FAILURE_POLICY_MEMORY);
        return NULL;
    }
    made = call->inner(call->inner_data, block, old_size, new_size);
    if (made != NULL || new_size == 0)
        call->grown += (ptrdiff_t)new_size - (ptrdiff_t)had;
    else if (new_size > had)
        call->starved = true;
    if (call->grown < 0)
        call->grown = 0; /* what others left and the collector found meanwhile is no gift */
    return made;
}

static struct caller *find_caller(lua_State *L) /* pushes its userdata (or nil) */
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &caller_key);
    return lua_touserdata(L, -1);
}

int64_t call_left(lua_State *L)
{
    struct caller *caller = find_caller(L);
    lua_pop(L, 1);
    return caller != NULL && caller->call != NULL ? caller->call->left : CALL_INSTRUCTIONS;
}

/* False: that was more than there is, and the call is over at its next instruction. */
static bool spend(struct policy_call *call, size_t steps)
{
    int64_t taken = steps < (size_t)CALL_INSTRUCTIONS * 1000 ? (int64_t)steps : call->left;
    call->left -= taken;
    call->unseen += taken;
    if (call->left <= 0)
        stop(call, FAILURE_POLICY_TIMEOUT);
    else if (call->unseen > UNSEEN_MAX)
        look_soon(call);
    return call->left > 0;
}

static struct policy_call *call_in_progress(lua_State *L)
{
    struct caller *caller = find_caller(L);
    lua_pop(L, 1);
    return caller != NULL ? caller->call : NULL;
}

bool call_spend(lua_State *L, size_t steps)
{
    struct policy_call *call = call_in_progress(L);
    return call == NULL || spend(call, steps);
}

void call_charge(lua_State *L, size_t steps)
{
    struct policy_call *call = call_in_progress(L);
    lua_Debug ar;
    if (call == NULL || spend(call, steps))
        return;
    if (call->where[0] == '\0' && lua_getstack(L, 1, &ar))
        write_where(L, &ar, call->where);
    lua_pushnil(L);
    lua_error(L);
}

void call_feeding(lua_State *L, bool feeding)
{
    struct policy_call *call = call_in_progress(L);
    if (call == NULL || call->feeding == feeding)
        return;
    call->feeding = feeding;
    call->fed += feeding ? call->left : -call->left;
    call->fed_made += feeding ? -call->made : call->made;
}

/* What `<` costs the call that runs on this thread: strcoll is handed two texts and nothing else, so it cannot be told whose they are. Set while Lua
 * runs in a call, so that a thread that runs none finds NULL. */
static _Thread_local struct policy_call *comparing;

bool call_spend_comparing(size_t steps)
{
    return comparing == NULL || spend(comparing, steps);
}

/* ---------------------------------------------------------------- threads */

static int new_thread(lua_State *L) /* () -> thread */
{
    lua_newthread(L);
    return 1;
}

static int new_caller(lua_State *L) /* () -> caller, kept in the registry */
{
    struct caller *caller = lua_newuserdatauv(L, sizeof *caller, VALUE_COUNT);
    memset(caller, 0, sizeof *caller);
    lua_pushliteral(L, "");
    lua_setiuservalue(L, -2, VALUE_STRING);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &caller_key);
    return 1;
}

void call_set_string_metatable(lua_State *L)
{
    if (find_caller(L) == NULL) {
        lua_pop(L, 1);
        new_caller(L);
    }
    lua_insert(L, -2);
    lua_setiuservalue(L, -2, VALUE_METATABLE);
    lua_pop(L, 1);
}

/* Pushes the caller's userdata and a thread to run in; false: memory is out, nothing pushed. */
static bool push_thread(lua_State *L, struct caller **caller, lua_State **thread)
{
    *caller = find_caller(L);
    if (*caller == NULL) {
        lua_pop(L, 1);
        if (!call_protected(L, new_caller, NULL, 0, 1)) {
            lua_pop(L, 1);
            return false;
        }
        *caller = lua_touserdata(L, -1);
    }
    if ((*caller)->idle != NULL) {
        *thread = (*caller)->idle;
        (*caller)->idle = NULL;
        lua_getiuservalue(L, -1, VALUE_THREAD);
        return true;
    }
    if (!call_protected(L, new_thread, NULL, 0, 1)) {
        lua_pop(L, 2);
        return false;
    }
    *thread = lua_tothread(L, -1);
    return true;
}

/* Exchanges the string metatable for the one at the top, and pops it. Policies must not reach the host's string functions
 * through ("x"):method, nor the host be bound by theirs. */
static void set_string_metatable(lua_State *L, int caller_index)
{
    lua_getiuservalue(L, caller_index, VALUE_STRING);
    lua_insert(L, -2);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* Pushes the one in force, then puts ours in its place if there is one. */
static void swap_string_metatable(lua_State *L, int caller_index)
{
    lua_getiuservalue(L, caller_index, VALUE_STRING);
    if (!lua_getmetatable(L, -1))
        lua_pushnil(L);
    lua_remove(L, -2);
    if (lua_getiuservalue(L, caller_index, VALUE_METATABLE) == LUA_TTABLE)
        set_string_metatable(L, caller_index);
    else
        lua_pop(L, 1);
}

/* ---------------------------------------------------------------- outcome */

/* Where the dead thread was; its frames are still there. */
static void find_where(lua_State *thread, char where[WHERE_MAX])
{
    lua_Debug ar;
    for (int level = 0; where[0] == '\0' && lua_getstack(thread, level, &ar); level++)
        write_where(thread, &ar, where);
}

/* A message that names no file (raised in C, or with level 0) gets the place in front. */
static void add_where(lua_State *thread, struct call_result *result)
{
    char where[WHERE_MAX] = "";
    size_t len = strlen(result->message), place;
    if (strstr(result->message, ".lua:") != NULL)
        return;
    find_where(thread, where);
    place = strlen(where);
    if (place + len > CALL_MESSAGE_MAX)
        return;
    memmove(result->message + place, result->message, len + 1);
    memcpy(result->message, where, place);
}

/* The message of the error value at the top of the dead thread; no API call here allocates. */
static void write_message(lua_State *thread, struct call_result *result)
{
    char where[WHERE_MAX] = "";
    const char *text;
    size_t len;
    if (lua_type(thread, -1) == LUA_TSTRING) {
        text = lua_tolstring(thread, -1, &len);
        if (len > CALL_MESSAGE_MAX)
            len = CALL_MESSAGE_MAX;
        while (len > 0 && len == CALL_MESSAGE_MAX && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--; /* text[len] exists: it is the terminator at worst; do not cut inside a character */
        memcpy(result->message, text, len);
        result->message[len] = '\0';
        add_where(thread, result);
        return;
    }
    find_where(thread, where);
    if (lua_type(thread, -1) == LUA_TNUMBER)
        snprintf(result->message, sizeof result->message, "%s%.14g", where, lua_tonumber(thread, -1));
    else if (lua_isnil(thread, -1))
        snprintf(result->message, sizeof result->message, "%serror value is nil", where);
    else
        snprintf(result->message, sizeof result->message, "%serror value is a %s", where, luaL_typename(thread, -1));
}

/* A sixteenth is some 64 KB: what a policy then does with it is dear in proportion. */
static bool is_of_input(const struct policy_call *call, int instructions, enum failure_kind kind)
{
    int64_t fed = call->fed - (call->feeding ? call->left : 0), made = call->fed_made + (call->feeding ? call->made : 0);
    return (kind == FAILURE_POLICY_TIMEOUT && fed >= instructions / INPUT_SHARE) ||
           (kind == FAILURE_POLICY_MEMORY && made >= call->limit / INPUT_SHARE);
}

static void explain(lua_State *thread, int status, struct policy_call *call, int instructions, struct call_result *result)
{
    if (call->stop != FAILURE_NONE)
        find_where(thread, call->where); /* stopped in C, and never came back to Lua */
    if (call->stop == FAILURE_POLICY_TIMEOUT && call->over_time) {
        result->kind = FAILURE_POLICY_TIMEOUT;
        snprintf(result->message, sizeof result->message, "%sstopped after %d ms of CPU time", call->where,
                 (int)(call->cpu_max_us / US_PER_MS));
    } else if (call->stop == FAILURE_POLICY_TIMEOUT) {
        result->kind = FAILURE_POLICY_TIMEOUT;
        snprintf(result->message, sizeof result->message, "%sstopped after %d instructions", call->where, instructions);
    } else if (call->stop == FAILURE_POLICY_MEMORY || status == LUA_ERRMEM ||
               ((call->refusals > 0 || call->starved) && lua_type(thread, -1) == LUA_TSTRING &&
                strcmp(lua_tostring(thread, -1), "not enough memory") == 0)) { /* luaL_Buffer's own words */
        result->kind = FAILURE_POLICY_MEMORY;
        find_where(thread, call->where);
        if (call->too_long)
            snprintf(result->message, sizeof result->message, "%sa text of more than %zu KB", call->where, call->text_max / 1024);
        else
            snprintf(result->message, sizeof result->message, "%smore than %td KB of memory", call->where, call->limit / 1024);
        if (call->starved) {
            result->kind = FAILURE_SHEDDING;
            snprintf(result->message, sizeof result->message, "the process has no memory for it now");
        }
    } else if (status == LUA_YIELD) {
        result->kind = FAILURE_POLICY_ERROR;
        snprintf(result->message, sizeof result->message, "a policy may not wait");
    } else {
        result->kind = FAILURE_POLICY_ERROR;
        write_message(thread, result);
    }
}

static int resume(lua_State *L, struct policy_call *call, int nargs, int *returned)
{
    struct policy_call *outer = comparing;
    int status;
    call->inner = lua_getallocf(L, &call->inner_data);
    call->refusals_max = lua_gc(L, LUA_GCCOUNT) > STATE_KB_DEAR ? REFUSALS_MAX / 2 : REFUSALS_MAX;
    *(struct policy_call **)lua_getextraspace(call->thread) = call;
    call->slice = slice_of_call(call);
    lua_sethook(call->thread, hook, LUA_MASKCOUNT, call->slice);
    lua_setallocf(L, metered, call);
    comparing = call;
    status = lua_resume(call->thread, L, nargs, returned);
    comparing = outer;
    lua_setallocf(L, call->inner, call->inner_data);
    return status;
}

/* What was only left over is collected, by the first call that finds it and then now and then: it is dear where all is kept. */
static bool is_full(lua_State *L, struct caller *caller)
{
    if (lua_gc(L, LUA_GCCOUNT) > STATE_KB_MAX && caller->refused++ % COLLECT_EVERY == 0)
        lua_gc(L, LUA_GCCOLLECT);
    if (lua_gc(L, LUA_GCCOUNT) <= STATE_KB_MAX)
        caller->refused = 0;
    return caller->refused > 0;
}

/* Ten times what so many plain instructions take, and never less than 100 ms. */
static int64_t cpu_max_us(int instructions)
{
    int64_t max_us = instructions / CALL_INSTRUCTIONS * CALL_CPU_MS * US_PER_MS;
    return (max_us > CALL_CPU_MS * US_PER_MS ? max_us : CALL_CPU_MS * US_PER_MS) * SANITIZED;
}

/* All of a policy's memory may be one text. A larger budget is for filling tables; what such a call reads is at most an eighth of it. */
static size_t text_max(size_t memory)
{
    return memory <= CALL_MEMORY ? memory : CALL_MEMORY + (memory - CALL_MEMORY) / 8;
}

bool call_policy(lua_State *L, int nargs, int nresults, int instructions, size_t memory, struct call_result *result)
{
    struct policy_call call = {.left = instructions > 0 ? instructions : 1,
                               .cpu_max_us = cpu_max_us(instructions),
                               .limit = memory < PTRDIFF_MAX ? (ptrdiff_t)memory : PTRDIFF_MAX,
                               .text_max = text_max(memory)};
    int base = lua_gettop(L) - nargs - 1, status, returned = 0;
    struct caller *caller = NULL;
    result->kind = FAILURE_POLICY_MEMORY;
    result->of_input = false;
    memcpy(result->message, "no memory for another call", sizeof "no memory for another call");
    if (!lua_checkstack(L, nresults + 8) || !push_thread(L, &caller, &call.thread)) {
        lua_settop(L, base);
        return false;
    }
    if (!lua_checkstack(call.thread, nargs + nresults + LUA_MINSTACK)) {
        lua_settop(L, base);
        return false;
    }
    if (is_full(L, caller)) {
        snprintf(result->message, sizeof result->message, "more than %d MB kept by this worker", STATE_KB_MAX / 1024);
        lua_settop(L, base);
        return false;
    }
    lua_rotate(L, base + 1, 2); /* caller, thread, function, arguments */
    lua_xmove(L, call.thread, nargs + 1);
    swap_string_metatable(L, base + 1);
    call.outer = caller->call;
    call.caller = caller;
    caller->call = &call;
    status = resume(L, &call, nargs, &returned);
    caller->call = call.outer;
    set_string_metatable(L, base + 1);
    if (status != LUA_OK || call.stop != FAILURE_NONE) { /* the thread is dropped, whatever it is in the middle of */
        explain(call.thread, status, &call, instructions, result);
        result->of_input = is_of_input(&call, instructions, result->kind);
        if (caller->idle == NULL) { /* the anchor is this thread's: it would keep what it holds until the next call */
            lua_pushnil(L);
            lua_setiuservalue(L, base + 1, VALUE_THREAD);
        }
        lua_settop(L, base);
        return false;
    }
    result->kind = FAILURE_NONE;
    result->message[0] = '\0';
    lua_settop(call.thread, nresults);
    lua_xmove(call.thread, L, nresults);
    lua_pushvalue(L, base + 2);
    lua_setiuservalue(L, base + 1, VALUE_THREAD);
    caller->idle = call.thread;
    lua_rotate(L, base + 1, nresults);
    lua_settop(L, base + nresults);
    return true;
}

/* ---------------------------------------------------------------- states */

/* For a new block Lua gives a type as its old size. */
static void *from_blocks(void *data, void *block, size_t old_size, size_t new_size)
{
    return blocks_resize(data, block, old_size, new_size);
}

static int panic(lua_State *L)
{
    char message[256];
    snprintf(message, sizeof message, "lua: %s outside any protected call", text_or(L, -1, "an error"));
    log_now(LOG_UNSET, LOG_ERROR, "abort", message);
    return 0; /* Lua aborts */
}

lua_State *call_new_state(struct memory *memory)
{
    struct blocks *blocks = blocks_new(memory);
    lua_State *L = blocks == NULL ? NULL : lua_newstate(from_blocks, blocks);
    if (L != NULL) {
        lua_atpanic(L, panic);
        if (SANITIZED > 1 && getenv("COLLECT_ALL_THE_TIME") != NULL) /* spec/sanitized: finds what C keeps without an anchor */
            lua_gc(L, LUA_GCINC, 1, 1000, 8);
    } else if (blocks != NULL) {
        blocks_free(blocks);
    }
    return L;
}

void call_close_state(lua_State *L)
{
    void *blocks;
    lua_getallocf(L, &blocks);
    lua_close(L);
    blocks_free(blocks);
}

/* ---------------------------------------------------------------- the gateway's own Lua */

bool call_protected(lua_State *L, lua_CFunction function, void *data, int nargs, int nresults)
{
    lua_pushcfunction(L, function);
    lua_insert(L, -1 - nargs);
    lua_pushlightuserdata(L, data);
    return lua_pcall(L, nargs + 1, nresults, 0) == LUA_OK;
}

void call_require(lua_State *L, const char *module, const char *function)
{
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    lua_call(L, 1, 1);
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
}

void call_module(lua_State *L, const char *module, const char *function, int nargs, int nresults)
{
    call_require(L, module, function);
    lua_insert(L, -1 - nargs);
    lua_call(L, nargs, nresults);
}

void call_kept(lua_State *L, int reference, int nargs, int nresults)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
    lua_insert(L, -1 - nargs);
    lua_call(L, nargs, nresults);
}

int call_go_on(lua_State *thread, lua_State *from, int nargs)
{
    int returned, status = lua_resume(thread, from, nargs, &returned);
    if (status == LUA_YIELD)
        lua_pop(thread, returned);
    return status;
}

int call_sleep(lua_State *L, void *context, lua_KFunction then)
{
    return lua_yieldk(L, 0, (lua_KContext)context, then);
}

/* ---------------------------------------------------------------- the Lua face */

static const char *kind_name(enum failure_kind kind)
{
    static const char *const names[] = {[FAILURE_POLICY_ERROR] = "policy_error",
                                        [FAILURE_POLICY_TIMEOUT] = "policy_timeout",
                                        [FAILURE_POLICY_MEMORY] = "policy_memory",
                                        [FAILURE_SHEDDING] = "shedding"};
    return names[kind];
}

/* call.run(fn, instructions, memory, nresults, ...) -> true, results... | false, kind, message */
static int call_run(lua_State *L)
{
    lua_Integer instructions = luaL_checkinteger(L, 2), memory = luaL_checkinteger(L, 3), nresults = luaL_checkinteger(L, 4);
    struct call_result result;
    bool ok;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    luaL_argcheck(L, instructions > 0 && instructions <= INT32_MAX, 2, "a number of instructions");
    luaL_argcheck(L, memory > 0, 3, "a number of bytes");
    luaL_argcheck(L, nresults >= 0 && nresults <= 16, 4, "0 to 16 results");
    lua_pushvalue(L, 1);
    lua_replace(L, 4);
    ok = call_policy(L, lua_gettop(L) - 4, (int)nresults, (int)instructions, (size_t)memory, &result);
    lua_pushboolean(L, ok);
    if (ok) {
        lua_insert(L, 4);
        return (int)nresults + 1;
    }
    lua_pushstring(L, kind_name(result.kind));
    lua_pushstring(L, result.message);
    return 3;
}

/* call.limits: the budgets that the gateway itself uses */
static void push_limits(lua_State *L)
{
    static const struct {
        const char *name;
        lua_Integer value;
    } limits[] = {
        {"call_instructions", CALL_INSTRUCTIONS},
        {"call_memory", CALL_MEMORY},
        {"load_instructions", LOAD_INSTRUCTIONS},
        {"load_memory", LOAD_MEMORY},
    };

    lua_createtable(L, 0, 4);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        set_int(L, limits[i].name, limits[i].value);
    }
}

int open_call(lua_State *L)
{
    static const luaL_Reg functions[] = {{"run", call_run}, {NULL, NULL}};
    luaL_newlib(L, functions);
    push_limits(L);
    lua_setfield(L, -2, "limits");
    return 1;
}
