/* engine.c -- scripts: one Lua state per worker and generation; a coroutine per request, kept and used again.
 *
 * The pipeline is the gateway's own code and runs without a budget; policies run through steps.c. A coroutine sleeps only in
 * steps.attempt, and in steps.route while it waits for capacity. When it ends, well or badly, the request is recorded once, its handle is closed
 * and the request is released: nothing else ends a request.
 * SPDX-License-Identifier: MIT */
#include "lua/engine/engine.h"
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/record.h"
#include "gateway/walker.h"
#include "gateway/worker.h"
#include "lua/adapter.h"
#include "lua/bindings.h"
#include "lua/engine/evaluate.h"
#include "lua/script.h"
#include <stdio.h>
#include <stdlib.h>

/* ---------------------------------------------------------------- open and close */

struct opening {
    const struct sources *sources;
    struct script *script;
    char *complaint;
};

static int take(lua_State *L, const char *module, const char *function)
{
    call_require(L, module, function);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

/* The policy's own functions, from the table at the top; a default that does nothing is not called at all. */
static void take_functions(lua_State *L, struct script_refs *refs)
{
    static const struct {
        const char *name;
        bool may_be_skipped;
    } functions[POLICY_COUNT] = {{"admit", true}, {"route", false}, {"recover", false}, {"settle", true}};
    for (int i = 0; i < POLICY_COUNT; i++) {
        lua_getfield(L, -1, functions[i].name);
        call_require(L, "gateway.defaults", functions[i].name);
        bool is_default = lua_rawequal(L, -1, -2);
        lua_pop(L, 1);
        refs->policy[i] = is_default && functions[i].may_be_skipped ? (lua_pop(L, 1), LUA_NOREF) : luaL_ref(L, LUA_REGISTRYINDEX);
    }
}

/* Sorted names of the strategies, and each as a key. */
static void take_strategies(lua_State *L, struct script_refs *refs)
{
    refs->strategies = LUA_NOREF;
    if (lua_getfield(L, -1, "strategies") != LUA_TTABLE) {
        lua_pop(L, 1);
        return;
    }
    lua_pushvalue(L, -1);
    call_module(L, "gateway.check", "sorted_keys", 1, 1);
    lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, i);
        lua_pushboolean(L, true);
        lua_rawset(L, -3);
    }
    refs->strategies = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pop(L, 1);
}

/* Pushes the loaded policy; false: the complaint is at the top. */
static bool load_policy(lua_State *L, const struct sources *sources)
{
    if (!sources_push_policy(L, sources)) {
        lua_getglobal(L, "require");
        lua_pushliteral(L, "gateway.defaults");
        lua_call(L, 1, 1);
        return true;
    }
    call_module(L, "gateway.policy", "load", 1, 2);
    if (lua_isnil(L, -2))
        return false;
    lua_pop(L, 1);
    return true;
}

/* The bytes that were tried when the config was read. */
static void open_adapters(lua_State *L, const struct opening *opening)
{
    int top = lua_gettop(L);
    for (unsigned i = 0; sources_push_adapter(L, opening->sources, i); i++) {
        call_module(L, "gateway.adapter", "load", 1, 2);
        if (lua_isnil(L, -2))
            lua_error(L);
        lua_pop(L, 1);
        adapter_take(L, &opening->script->adapters[i]);
        lua_settop(L, top);
    }
}

static int open_script(lua_State *L) /* (struct opening) -> true | false, complaint */
{
    struct opening *opening = lua_touserdata(L, 1);
    struct script *script = opening->script;
    struct script_refs *refs = &script->refs;
    if (!load_policy(L, opening->sources)) {
        lua_pushboolean(L, false);
        lua_insert(L, -2);
        return 2;
    }
    take_functions(L, refs);
    take_strategies(L, refs);
    refs->run = take(L, "gateway.pipeline", "run");
    refs->admitted = take(L, "gateway.plan", "admitted");
    refs->routed = take(L, "gateway.plan", "routed");
    refs->recovered = take(L, "gateway.plan", "recovered");
    refs->settled = take(L, "gateway.plan", "settled");
    refs->rest = take(L, "gateway.plan", "rest");
    refs->explain = take(L, "gateway.explain", "run");
    refs->decode = take(L, "gateway.body", "decode");
    refs->freeze = take(L, "gateway.frozen", "copy");
    open_adapters(L, opening);
    request_open_types(L);
    target_open(L, script);
    lua_gc(L, LUA_GCCOLLECT);
    lua_pushboolean(L, true);
    return 1;
}

static void close_script(struct script *script)
{
    while (script->idle != NULL) {
        struct pipeline_run *run = script->idle;
        script->idle = run->next;
        free(run);
    }
    if (script->L != NULL)
        call_close_state(script->L);
    for (unsigned i = 0; i < TARGETS_MAX; i++)
        free(script->live[i]);
    free(script->live);
    free(script->marks);
    free(script->adapters);
    free(script);
}

static int64_t clock_of(const struct request *request)
{
    return loop_now_us(request->worker->loop);
}

static struct script *new_script(const struct sources *sources, struct config *config, struct log *log, char complaint[COMPLAINT_MAX])
{
    struct script *script = xcalloc(1, sizeof *script);
    struct opening opening = {sources, script, complaint};
    script->config = config;
    script->log = log;
    script->now_us = clock_of;
    script->live = xcalloc(TARGETS_MAX, sizeof(struct live *));
    script->marks = xcalloc(TARGETS_MAX, sizeof *script->marks);
    script->adapters = xcalloc(ADAPTERS_MAX, sizeof *script->adapters);
    script->L = sources_new_state(config->memory);
    snprintf(complaint, COMPLAINT_MAX, "out of memory");
    if (script->L != NULL) {
        lua_State *L = script->L;
        if (call_protected(L, open_script, &opening, 0, LUA_MULTRET) && lua_toboolean(L, 1)) {
            lua_settop(L, 0);
            return script;
        }
        snprintf(complaint, COMPLAINT_MAX, "%s", text_or(L, -1, "the policy cannot be loaded"));
    }
    close_script(script);
    return NULL;
}

/* ---------------------------------------------------------------- runs */

static int serve_done(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 0;
}

/* The coroutine's body: (struct pipeline_run). */
static int serve(lua_State *L)
{
    struct pipeline_run *run = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.run);
    run->box = request_push_box(L, run);
    lua_callk(L, 1, 0, 0, serve_done);
    return 0;
}

static int new_thread(lua_State *L) /* (struct pipeline_run): a thread that lives as long as the state */
{
    struct pipeline_run *run = lua_touserdata(L, 1);
    run->thread = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, run);
    return 0;
}

static struct pipeline_run *take_run(struct script *script, struct request *request)
{
    struct pipeline_run *run = script->idle;
    if (run != NULL) {
        script->idle = run->next;
    } else {
        run = xcalloc(1, sizeof *run);
        run->script = script;
        if (!call_protected(script->L, new_thread, run, 0, 0)) {
            lua_pop(script->L, 1);
            free(run);
            return NULL;
        }
    }
    run->request = request;
    run->box = NULL;
    run->recorded = false;
    run->next = NULL;
    request->script_state = run;
    return run;
}

static void put_run(struct pipeline_run *run)
{
    struct script *script = run->script;
    if (run->box != NULL)
        run->box->run = NULL;
    if (script->deciding == run)
        script->deciding = NULL;
    run->box = NULL;
    run->request->script_state = NULL;
    run->request = NULL;
    run->next = script->idle;
    script->idle = run;
}

static void refuse_internal(struct request *request, bool starved)
{
    struct failure failure = starved ? failure_shed()
                                     : failure_make(FAILURE_INTERNAL, LIT("The gateway failed; its log says why under this request's id."));
    request_refuse(request, &failure);
}

static void log_raised(struct pipeline_run *run)
{
    enum { SHOWN_MAX = 2048 }; /* six times as long when every byte is escaped: that still fits */
    struct slice text = slice_of(text_or(run->thread, -1, "an error that is no text"));
    log_event(run->script->log, LOG_ERROR, "pipeline_error", log_text("request_id", slice_of(run->request->id)),
              log_text("step", slice_of(run->request->step)),
              log_text("message", (struct slice){text.ptr, text.len < SHOWN_MAX ? text.len : SHOWN_MAX}));
}

/* Lets the pipeline go on until it sleeps or ends; the request may be gone when it returns. */
static void go_on(struct pipeline_run *run, int nargs)
{
    struct request *request = run->request;
    lua_State *before = run->script->running;
    run->script->running = run->thread;
    int status = call_go_on(run->thread, run->script->L, nargs);
    run->script->running = before;
    if (status == LUA_YIELD)
        return;
    if (status != LUA_OK) { /* a mistake of the gateway: it ends this request and no other */
        log_raised(run);
        refuse_internal(request, status == LUA_ERRMEM);
        if (!run->recorded)
            request_record(request, request->labels_json);
        lua_resetthread(run->thread);
    }
    lua_settop(run->thread, 0);
    put_run(run);
    request_release(request);
}

static void begin(struct script *script, struct request *request)
{
    struct pipeline_run *run = take_run(script, request);
    if (run == NULL) {
        refuse_internal(request, true);
        request_record(request, SLICE_NONE);
        request_release(request);
        return;
    }
    lua_pushcfunction(run->thread, serve);
    lua_pushlightuserdata(run->thread, run);
    go_on(run, 1);
}

static void resume(struct script *script, struct request *request)
{
    struct pipeline_run *run = request->script_state;
    (void)script;
    if (run != NULL)
        go_on(run, 0);
}

/* ---------------------------------------------------------------- explain */

/* unfit_reason(index) -> why this target of the plan is skipped | nil; upvalue 1: the run */
static int explain_reason(lua_State *L)
{
    const struct pipeline_run *run = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer place = luaL_checkinteger(L, 1);
    bool permanent;
    luaL_argcheck(L, place >= 1 && place <= (lua_Integer)atomic_load(&run->script->config->target_count), 1, "a target's index");
    lua_pushstring(L, request_unfit_reason(run->request, run->script->config->targets[place - 1], &permanent));
    return 1;
}

static void push_off(lua_State *L, const struct model *model)
{
    lua_createtable(L, (int)model->off_count, 0);
    for (unsigned i = 0; i < model->off_count; i++) {
        push_slice(L, model->off[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* Pushes the request and { admit, route, lookup, proxies, file }: what explain and trial ask. */
static void push_questions(lua_State *L, struct pipeline_run *run)
{
    static const char *const names[] = {"admit", "route"};
    struct script_refs *refs = &run->script->refs;
    run->script->deciding = run;
    run->box = request_push_box(L, run);
    lua_pushvalue(L, -1); /* one stays for put_run: the other is gone once the question ends in a tail call */
    lua_createtable(L, 0, 8);
    for (int i = 0; i < 2; i++) {
        if (refs->policy[i] == LUA_NOREF)
            call_require(L, "gateway.defaults", names[i]);
        else
            lua_rawgeti(L, LUA_REGISTRYINDEX, refs->policy[i]);
        lua_setfield(L, -2, names[i]);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->lookup);
    lua_setfield(L, -2, "lookup");
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->proxies);
    lua_setfield(L, -2, "proxies");
    set_slice(L, "file", run->script->config->policy_file);
}

static int explain_run(lua_State *L) /* (struct pipeline_run) -> text */
{
    struct pipeline_run *run = lua_touserdata(L, 1);
    push_questions(L, run);
    set_function(L, "unfit_reason", explain_reason, run);
    push_off(L, run->request->model);
    lua_setfield(L, -2, "off");
    call_kept(L, run->script->refs.explain, 2, 1);
    return 1;
}

/* Runs `question` with the run -> what it returned, at the top, or an error's text; false: memory is out, nothing pushed. */
static bool ask_aside(struct script *script, struct request *request, lua_CFunction question, bool *answered)
{
    struct pipeline_run *run = take_run(script, request);
    if (run == NULL)
        return false;
    *answered = call_protected(script->L, question, run, 0, 1);
    put_run(run);
    return true;
}

static void explain(struct script *script, struct request *request, struct buffer *out)
{
    bool answered;
    if (!ask_aside(script, request, explain_run, &answered))
        return;
    struct slice text = to_slice(script->L, -1);
    if (answered && text.ptr != NULL) {
        buffer_append_slice(out, text);
    } else {
        buffer_append_lit(out, "{\"error\":");
        json_append_string(out, text.ptr != NULL ? text : LIT("explain failed"));
        buffer_append_byte(out, '}');
    }
    lua_pop(script->L, 1);
}

/* ---------------------------------------------------------------- trial */

static int trial_ask(lua_State *L) /* (struct pipeline_run) -> complaint | nil */
{
    struct pipeline_run *run = lua_touserdata(L, 1);
    push_questions(L, run);
    call_module(L, "gateway.trial", "ask", 2, 1);
    return 1;
}

static bool trial(struct script *script, struct request *request, char complaint[COMPLAINT_MAX])
{
    bool answered;
    if (!ask_aside(script, request, trial_ask, &answered))
        return true; /* memory is out: that is no mistake of the policy */
    bool passed = answered && lua_isnil(script->L, -1);
    if (!passed)
        snprintf(complaint, COMPLAINT_MAX, "%s", text_or(script->L, -1, "the trial failed"));
    lua_pop(script->L, 1);
    return passed;
}

static bool choose_strategy(struct script *script, struct request *request, unsigned nth)
{
    lua_State *L = script->L;
    if (script->refs.strategies == LUA_NOREF)
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs.strategies);
    bool known = lua_rawgeti(L, -1, (lua_Integer)nth + 1) == LUA_TSTRING;
    if (known && request != NULL)
        request->strategy = arena_copy(&request->arena, to_slice(L, -1));
    lua_pop(L, 2);
    return known;
}

const struct engine lua_engine = {
    .read = sources_read,
    .is_board = sources_is_board,
    .review = evaluate_review,
    .sources_free = sources_free,
    .open = new_script,
    .close = close_script,
    .stamp = sources_stamp,
    .stamp_read = sources_stamp_read,
    .begin = begin,
    .resume = resume,
    .explain = explain,
    .trial = trial,
    .choose_strategy = choose_strategy,
};
