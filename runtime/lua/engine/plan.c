/* plan.c -- what a policy returned as a plan -> struct plan, as the walk takes it.
 *
 * Most plans are a list of targets, often request.targets itself: those are read here, raw, without running anything of the policy's.
 * Everything else (names, steps, refusals, mistakes) goes through plan.lua first, under the policy's budget, and comes here as indexes and
 * checked steps.
 * SPDX-License-Identifier: MIT */
#include "gateway/capacity.h"
#include "gateway/generation.h"
#include "gateway/identify.h"
#include "gateway/worker.h"
#include "lua/fields.h"
#include "lua/script.h"
#include <math.h>

/* The config's value for this target applies where the step has none. */
static void add_step(struct pipeline_run *run, const struct target *target, const struct step *said)
{
    struct step *step = &run->plan.steps[run->plan.count++];
    *step = *said;
    step->target = target->index;
    if (step->first_token_us == 0)
        step->first_token_us = target->first_token_us;
    if (step->timeout_us == 0)
        step->timeout_us = target->timeout_us;
}

/* Marks the candidates of the request that is deciding, so that the fitness of each is not asked twice. */
static void mark_candidates(struct pipeline_run *run)
{
    struct script *script = run->script;
    script->serial++;
    for (unsigned i = 0; i < run->request->target_count; i++)
        script->marks[run->request->targets[i]->index] = script->serial;
}

static bool is_fit(struct pipeline_run *run, struct target *target, bool again)
{
    bool permanent;
    if (!again && run->script->marks[target->index] == run->script->serial)
        return true;
    if (target->health == NULL)
        target_bind(run->request->worker->gateway, run->script->config, target, loop_now_us(run->request->worker->loop));
    int64_t wait_us; /* named, and no candidate: it may be full */
    return request_unfit_reason(run->request, target, &permanent) == NULL && (again || capacity_has(run->request, target, &wait_us));
}

/* ---------------------------------------------------------------- lists of targets */

/* True when every key is one of 1..len: none of these is missing, and there are no more. */
static bool is_list(lua_State *L, int index, lua_Integer len)
{
    lua_Integer count = 0;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        lua_pop(L, 1);
        count++;
    }
    bool whole = count == len;
    for (lua_Integer i = PLAN_STEPS_MAX + 1; whole && i <= len; i++) { /* take_list looks at those before */
        whole = lua_rawgeti(L, index, i) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return whole;
}

/* The plain table at `list`; `lookup` holds the proxies. */
static bool take_list(lua_State *L, struct pipeline_run *run, int list, int lookup, lua_Integer len)
{
    static const struct step plain = {0};
    struct config *config = run->script->config;
    for (lua_Integer i = 1; i <= len && run->plan.count < PLAN_STEPS_MAX; i++) {
        lua_rawgeti(L, list, i);
        if (lua_rawget(L, lookup) != LUA_TNUMBER)
            return false;
        struct target *target = config->targets[lua_tointeger(L, -1) - 1];
        lua_pop(L, 1);
        if (config_holds(config, &run->request->holds, target) && is_fit(run, target, false))
            add_step(run, target, &plain);
    }
    return run->plan.count > 0;
}

bool plan_take_targets(lua_State *L, struct pipeline_run *run, int index)
{
    int top = lua_gettop(L);
    bool taken = false;
    run->plan.count = 0;
    mark_candidates(run);
    if (lua_type(L, index) != LUA_TTABLE)
        return false;
    bool is_ours = target_push_behind(L, index);
    if (!is_ours && lua_getmetatable(L, index)) {
        lua_settop(L, top);
        return false;
    }
    if (!is_ours)
        lua_pushvalue(L, index);
    lua_Integer len = (lua_Integer)lua_rawlen(L, top + 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.lookup);
    if (len > 0 && (is_ours || is_list(L, top + 1, len)))
        taken = take_list(L, run, top + 1, top + 2, len);
    lua_settop(L, top);
    return taken;
}

/* ---------------------------------------------------------------- what plan.lua checked */

static int64_t take_us(lua_State *L, const char *key)
{
    double seconds = field_number(L, -1, key, 0);
    int64_t us = us_of_seconds(seconds);
    return seconds > 0 && us == 0 ? 1 : us;
}

/* "p95" of what the client waits for: the first token of a stream, the whole of an answer. Unmeasured: never. */
static int64_t take_hedge_us(lua_State *L, struct pipeline_run *run, const struct target *target)
{
    if (lua_getfield(L, -1, "hedge_after") != LUA_TSTRING) {
        lua_pop(L, 1);
        return take_us(L, "hedge_after");
    }
    bool median = strcmp(lua_tostring(L, -1), "p50") == 0;
    lua_pop(L, 1);
    const struct health_view *view = target_view(run->script, target);
    double ms = run->request->facts.stream ? (median ? view->first_token_ms : view->first_token_p95_ms)
                                           : (median ? view->p50_ms : view->p95_ms);
    return isnan(ms) ? 0 : ms < 1 ? US_PER_MS : (int64_t)(ms * 1000);
}

static struct target *take_target(lua_State *L, struct pipeline_run *run, int index)
{
    lua_Integer place = lua_tointeger(L, index);
    bool is_known = place >= 1 && place <= (lua_Integer)atomic_load(&run->script->config->target_count);
    struct target *target = is_known ? run->script->config->targets[place - 1] : NULL;
    return target != NULL && config_holds(run->script->config, &run->request->holds, target) ? target : NULL;
}

/* The step at the top: an index, or { target = index, … }. */
static struct target *take_step(lua_State *L, struct pipeline_run *run, struct step *step)
{
    *step = (struct step){0};
    if (lua_type(L, -1) != LUA_TTABLE)
        return take_target(L, run, -1);
    lua_getfield(L, -1, "target");
    struct target *target = take_target(L, run, -1);
    lua_pop(L, 1);
    if (target == NULL)
        return NULL;
    step->first_token_us = take_us(L, "first_token");
    step->timeout_us = take_us(L, "timeout");
    step->hedge_after_us = take_hedge_us(L, run, target);
    step->retries = (unsigned)field_int(L, -1, "retries", 0);
    return target;
}

bool plan_take_steps(lua_State *L, struct pipeline_run *run, int index, bool again)
{
    lua_Integer len = (lua_Integer)lua_rawlen(L, index);
    run->plan.count = 0;
    mark_candidates(run);
    for (lua_Integer i = 1; i <= len && run->plan.count < PLAN_STEPS_MAX; i++) {
        struct step step;
        lua_rawgeti(L, index, i);
        struct target *target = take_step(L, run, &step);
        lua_pop(L, 1);
        if (target != NULL && is_fit(run, target, again))
            add_step(run, target, &step);
    }
    return run->plan.count > 0;
}

/* ---------------------------------------------------------------- what is left of a plan */

static void set_known_seconds(lua_State *L, const char *key, int64_t us)
{
    if (us != 0)
        set_seconds(L, key, us);
}

void plan_push_rest(lua_State *L, struct pipeline_run *run)
{
    struct plan rest;
    walk_rest(&run->request->walk, &rest);
    lua_createtable(L, (int)rest.count, 0);
    for (unsigned i = 0; i < rest.count; i++) {
        const struct step *step = &rest.steps[i];
        const struct target *target = run->script->config->targets[step->target];
        lua_createtable(L, 0, 5);
        set_int(L, "target", step->target + 1);
        set_known_seconds(L, "first_token", step->first_token_us == target->first_token_us ? 0 : step->first_token_us);
        set_known_seconds(L, "timeout", step->timeout_us == target->timeout_us ? 0 : step->timeout_us);
        set_known_seconds(L, "hedge_after", step->hedge_after_us);
        if (step->retries > 0) {
            set_int(L, "retries", step->retries);
        }
        lua_rawseti(L, -2, i + 1);
    }
}
