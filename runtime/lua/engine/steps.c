/* steps.c -- gateway.steps: what the steps of pipeline.lua do.
 *
 * Every call into a policy goes through ask(): a budget, and one log line when it failed. A policy that fails costs its own
 * request an answer of kind policy_*; failing in settle costs only the labels. A function that was stopped (time, memory) too often
 * and for too many (routing/stops.h) answers policy_disabled untried for a minute; a reload opens a new script. Where what a client sent was too large to
 * be looked at, that client is refused, and nothing is counted.
 * What clients are told of a failed policy names the function; file and line go to the log.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "gateway/capacity.h"
#include "gateway/limits.h"
#include "gateway/identify.h"
#include "gateway/record.h"
#include "gateway/waiting.h"
#include "gateway/walker.h"
#include "gateway/worker.h"
#include "lua/bindings.h"
#include "lua/limit.h"
#include "lua/script.h"
#include "lua/value.h"
#include <math.h>

enum { LABELS_JSON_MAX = 16 * 1024, UNFIT_SHOWN_MAX = 8, ROUTE_ASKED_MAX = 3 };

static const char *const function_names[POLICY_COUNT] = {"admit", "route", "recover", "settle"};

/* ---------------------------------------------------------------- policies that fail */

static void log_policy(struct pipeline_run *run, enum policy_function function, enum failure_kind kind, struct slice message)
{
    enum { SHOWN_MAX = 1024 };
    log_event(run->script->log, kind == FAILURE_POLICY_INPUT ? LOG_WARN : LOG_ERROR, "policy_error",
              log_text("request_id", slice_of(run->request->id)), log_text("policy", run->request->policy_label),
              log_text("function", slice_of(function_names[function])), log_text("error", slice_of(failure_row(kind)->name)),
              log_text("message", (struct slice){message.ptr, message.len < SHOWN_MAX ? message.len : SHOWN_MAX}));
}

static void count_stop(struct pipeline_run *run, enum policy_function function)
{
    const struct config *config = run->script->config;
    int64_t now_us = loop_now_us(run->request->worker->loop);
    if (stops_add_user(&run->script->stops[function], run->request->user, config->users, config->user_count, now_us))
        log_policy(run, function, FAILURE_POLICY_DISABLED,
                   LIT("stopped too often within a minute: not called for the next one, or until it changes"));
}

static void refuse(struct pipeline_run *run, enum failure_kind kind, struct slice message)
{
    struct failure failure = failure_make(kind, message);
    request_refuse(run->request, &failure);
}

/* A decision of the policy's begins: of a generation on probation they are counted. */
static void count_call(const struct pipeline_run *run)
{
    generation_asked(run->request->local->generation, loop_now_us(run->request->worker->loop));
}

/* The request is over because the policy failed. */
static void refuse_failed(struct pipeline_run *run, enum failure_kind kind, struct slice message, int64_t retry_after_us)
{
    struct request *request = run->request;
    struct failure failure = failure_make(kind, message);
    failure.retry_after_us = retry_after_us;
    generation_failed(request->local->generation, request->user == NULL ? LIT("anonymous") : request->user->id,
                      loop_now_us(request->worker->loop));
    request_refuse(request, &failure);
}

static void refuse_unfit(struct pipeline_run *run);

/* The policy did something wrong: log, answer (but for settle). What used up its budget is counted: it cost all other requests of this
 * worker some time. What merely raised did not, and one odd request must not take the policy from all. */
static void policy_failed(struct pipeline_run *run, enum policy_function function, enum failure_kind kind, struct slice message)
{
    if (kind == FAILURE_SHEDDING) { /* memory is short, which is no fault of the policy's */
        const struct failure shed = failure_shed();
        if (function != POLICY_SETTLE)
            request_refuse(run->request, &shed);
        return;
    }
    log_policy(run, function, kind, message);
    if (kind == FAILURE_POLICY_TIMEOUT || kind == FAILURE_POLICY_MEMORY)
        count_stop(run, function);
    if (function == POLICY_ROUTE && kind == FAILURE_POLICY_ERROR && run->request->target_count == 0)
        refuse_unfit(run); /* it does not handle an empty list of targets: answered as without a policy */
    else if (function != POLICY_SETTLE)
        refuse_failed(run, kind,
                      arena_printf(&run->request->arena, "The policy failed in %s; the gateway's log says why.", function_names[function]),
                      -1);
}

/* False: it is left alone just now, and the request was refused (but for settle). */
static bool may_call(struct pipeline_run *run, enum policy_function function)
{
    struct stops *stops = &run->script->stops[function];
    int64_t now_us = loop_now_us(run->request->worker->loop), off_us = stops_off_us(stops, now_us);
    if (off_us == 0) {
        stops_called(stops, now_us);
        return true;
    }
    if (function != POLICY_SETTLE)
        refuse_failed(run, FAILURE_POLICY_DISABLED,
                      arena_printf(&run->request->arena, "The policy was stopped in %s too often and is not asked for a minute.",
                                   function_names[function]),
                      off_us);
    return false;
}

/* One user's input must not take the policy from all. */
static void refuse_input(struct pipeline_run *run, enum policy_function function, struct slice message)
{
    log_policy(run, function, FAILURE_POLICY_INPUT, message);
    if (function != POLICY_SETTLE)
        refuse(run, FAILURE_POLICY_INPUT,
               arena_printf(&run->request->arena,
                            "The request is too large for the policy: in %s it used up what one decision may take. Send less.",
                            function_names[function]));
}

/* Calls the function below `nargs` arguments under the policy's budget -> two results. False: the request was refused. */
static bool ask(lua_State *L, struct pipeline_run *run, enum policy_function function, int nargs)
{
    struct call_result result;
    run->script->deciding = run;
    if (call_policy(L, nargs, 2, CALL_INSTRUCTIONS, CALL_MEMORY, &result))
        return true;
    if (result.of_input)
        refuse_input(run, function, slice_of(result.message));
    else
        policy_failed(run, function, result.kind, slice_of(result.message));
    return false;
}

/* What a policy returned has no line of its own: the message gets the line of the function. */
static struct slice with_place(lua_State *L, struct pipeline_run *run, enum policy_function function, struct slice message)
{
    lua_Debug at;
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.policy[function]);
    if (!lua_isfunction(L, -1) || !lua_getinfo(L, ">S", &at) || at.linedefined <= 0)
        return message;
    return arena_printf(&run->request->arena, "%s:%d: %.*s", at.short_src, at.linedefined, (int)message.len, message.ptr);
}

/* A complaint of plan.lua at `index`: { kind, message [, status, code, retry_after_s] }. */
static void refuse_by(lua_State *L, struct pipeline_run *run, enum policy_function function, int index)
{
    enum failure_kind kind = FAILURE_POLICY_BAD_RESULT;
    struct slice name = field_copy(L, index, "kind", &run->request->arena), message = field_copy(L, index, "message", &run->request->arena);
    failure_kind_of(name, &kind);
    if (kind != FAILURE_REFUSED && kind != FAILURE_NO_TARGET) {
        policy_failed(run, function, kind, with_place(L, run, function, message));
        return;
    }
    if (kind == FAILURE_NO_TARGET && function == POLICY_ROUTE && run->request->target_count == 0) {
        refuse_unfit(run);
        return;
    }
    struct failure failure = failure_make(kind, message);
    if (kind == FAILURE_REFUSED) {
        double retry_after_s = field_number(L, index, "retry_after_s", NAN);
        failure.status = (int)field_int(L, index, "status", 0);
        if (!isnan(retry_after_s))
            failure.retry_after_us = us_of_seconds(retry_after_s);
        failure.code = field_copy(L, index, "code", &run->request->arena);
        if (slice_equals(failure.code, slice_of(failure_row(FAILURE_REFUSED)->openai_code)))
            failure.code = SLICE_NONE;
        if (failure.status == 429)
            failure.kind = FAILURE_LIMITED;
    }
    request_refuse(run->request, &failure);
}

/* ---------------------------------------------------------------- identify */

/* A client may ask for what the policy exports, and for what the config says; where the policy exports none, for nothing at all. */
static bool knows_strategy(lua_State *L, struct pipeline_run *run)
{
    const struct request *request = run->request;
    if (run->script->refs.strategies == LUA_NOREF)
        return request->strategy.ptr == request->config->strategy.ptr;
    if (slice_equals(request->strategy, run->script->config->strategy))
        return true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.strategies);
    push_slice(L, request->strategy);
    bool known = lua_rawget(L, -2) != LUA_TNIL;
    lua_pop(L, 2);
    return known;
}

static void refuse_strategy(lua_State *L, struct pipeline_run *run)
{
    struct failure failure = failure_make(FAILURE_BAD_PARAMETER, SLICE_NONE);
    struct buffer text;
    buffer_init(&text, FAILURE_MESSAGE_MAX);
    bool has_any = run->script->refs.strategies != LUA_NOREF;
    buffer_append_slice(&text, has_any ? LIT("Unknown routing strategy. This gateway knows:")
                                       : LIT("Unknown routing strategy. The policy of this gateway has none to choose from."));
    if (has_any)
        lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.strategies);
    for (lua_Integer i = 1; has_any && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
        buffer_printf(&text, "%s %s", i == 1 ? "" : ",", lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    failure.message = arena_copy(&run->request->arena, buffer_slice(&text));
    buffer_free(&text); /* until here nothing could raise: texts were read, and none was made */
    failure.param = LIT("routing_strategy");
    request_refuse(run->request, &failure);
}

/* steps.identify(request) -> true | nothing */
static int step_identify(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    run->request->step = "identify";
    if (!request_identify(run->request)) {
        request_refuse(run->request, &run->request->failure);
        return 0;
    }
    if (!knows_strategy(L, run)) {
        refuse_strategy(L, run);
        return 0;
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---------------------------------------------------------------- admit */

static int say_again(lua_State *L) /* () -> upvalues 1 and 2: what the policy returned, for plan.lua to look at */
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    return 2;
}

/* Calls the policy's function with the request -> two results at the top. */
static bool ask_with_request(lua_State *L, struct pipeline_run *run, enum policy_function function)
{
    if (!may_call(run, function))
        return false;
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.policy[function]);
    lua_pushvalue(L, 1);
    return ask(L, run, function, 1);
}

/* plan.lua looks at what admit returned (at 2 and 3): true when it left a plain list of limits at 2. */
static bool check_admit(lua_State *L, struct pipeline_run *run)
{
    lua_settop(L, 3);
    lua_pushcclosure(L, say_again, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.admitted);
    lua_insert(L, 2);
    lua_pushvalue(L, 1);
    lua_pushcfunction(L, limit_is);
    if (!ask(L, run, POLICY_ADMIT, 3))
        return false;
    if (lua_isnil(L, 2))
        refuse_by(L, run, POLICY_ADMIT, 3);
    return !lua_isnil(L, 2);
}

/* steps.admit(request) -> true | nothing */
static int step_admit(lua_State *L)
{
    const struct limit_rule *rules[LIMITS_MAX];
    struct pipeline_run *run = request_run(L, 1);
    run->request->step = "admit";
    lua_settop(L, 1);
    count_call(run);
    if (run->script->refs.policy[POLICY_ADMIT] != LUA_NOREF) {
        if (!ask_with_request(L, run, POLICY_ADMIT))
            return 0;
        int count = lua_isnil(L, 3) ? limits_at(L, 2, rules) : -1;
        if (count < 0)
            count = check_admit(L, run) ? limits_at(L, 2, rules) : -1;
        if (count < 0)
            return 0;
        if (!limits_charge(run->request, rules, (unsigned)count)) {
            request_refuse(run->request, &run->request->failure);
            return 0;
        }
    }
    lua_pushboolean(L, true);
    return 1;
}

/* ---------------------------------------------------------------- route */

/* When it may serve again; 0: not known. */
static int64_t serves_at_us(struct pipeline_run *run, const struct target *target, int64_t now_us)
{
    struct access_token *token = run->request->config->access_tokens[target->provider->index];
    if (token != NULL && !access_token_is_good(token, now_us))
        return now_us + access_token_wait_us(token, now_us);
    const struct health_view *view = target_view(run->script, target);
    return view->retry_at_us > view->cooldown_until_us ? view->retry_at_us : view->cooldown_until_us;
}

static int64_t soonest_us(struct pipeline_run *run)
{
    int64_t now_us = loop_now_us(run->request->worker->loop), soonest = -1;
    run->script->deciding = run;
    for (unsigned i = 0; i < run->request->unfit_count; i++) {
        int64_t at_us = serves_at_us(run, run->request->unfits[i].target, now_us);
        if (at_us > now_us && !run->request->unfits[i].permanent && (soonest < 0 || at_us - now_us < soonest))
            soonest = at_us - now_us;
    }
    return soonest;
}

/* No target can serve it, ever or just now. */
static void refuse_unfit(struct pipeline_run *run)
{
    struct request *request = run->request;
    struct buffer text;
    bool permanent = request->unfit_count > 0;
    buffer_init(&text, FAILURE_MESSAGE_MAX);
    for (unsigned i = 0; i < request->unfit_count; i++)
        permanent &= request->unfits[i].permanent;
    buffer_append_slice(&text, permanent ? LIT("No target of this model can do what the request needs:")
                                         : LIT("No target of this model can serve the request now:"));
    for (unsigned i = 0; i < request->unfit_count && i < UNFIT_SHOWN_MAX; i++)
        buffer_printf(&text, "%s %.*s (%s)", i == 0 ? "" : ",", (int)request->unfits[i].target->name.len,
                      request->unfits[i].target->name.ptr, request->unfits[i].reason);
    struct failure failure = failure_make(permanent ? FAILURE_UNFIT : FAILURE_NO_TARGET, arena_copy(&request->arena, buffer_slice(&text)));
    buffer_free(&text);
    failure.retry_after_us = permanent ? -1 : request->capacity_in_us >= 0 ? request->capacity_in_us : soonest_us(run);
    request_refuse(request, &failure);
}

enum routed { ROUTED, ROUTE_WAITS, ROUTE_REFUSED };

/* plan.lua looks at what route returned (at 2 and 3): run->plan is filled, or the request joined the line, or it was refused. */
static enum routed check_route(lua_State *L, struct pipeline_run *run)
{
    struct script_refs *refs = &run->script->refs;
    lua_settop(L, 3);
    lua_pushcclosure(L, say_again, 2);
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->routed);
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->lookup);
    lua_rotate(L, 2, 2); /* routed, lookup, what was returned */
    lua_pushvalue(L, 1);
    if (!ask(L, run, POLICY_ROUTE, 3))
        return ROUTE_REFUSED;
    double wait_s = lua_isnil(L, 2) ? field_number(L, 3, "wait_s", NAN) : NAN;
    if (!isnan(wait_s)) {
        if (request_wait(run->request, us_of_seconds(wait_s), (unsigned)field_int(L, 3, "priority", 0)))
            return ROUTE_WAITS;
        request_refuse(run->request, &run->request->failure);
        return ROUTE_REFUSED;
    }
    if (lua_isnil(L, 2)) {
        refuse_by(L, run, POLICY_ROUTE, 3);
        return ROUTE_REFUSED;
    }
    if (plan_take_steps(L, run, 2, false))
        return ROUTED;
    if (run->request->target_count == 0)
        refuse_unfit(run);
    else
        refuse(run, FAILURE_NO_TARGET, LIT("Every target of the plan is off or unfit."));
    return ROUTE_REFUSED;
}

static int route_again(lua_State *L, int status, lua_KContext context);

static int wait_for_capacity(lua_State *L, struct pipeline_run *run)
{
    return call_sleep(L, run, route_again);
}

/* Its candidates are known: the policy is asked, also when all of them are full. What the plan begins with is taken at once: when another worker was
 * faster, the policy is asked again with what is left. */
static int route(lua_State *L, struct pipeline_run *run)
{
    struct request *request = run->request;
    for (unsigned asked = 0;; asked++) {
        lua_settop(L, 1);
        request_forget_lists(L, 1);
        if (request->target_count == 0 && wait_queue_holds(&request->wait))
            return wait_for_capacity(L, run); /* in the place it had */
        if (request->target_count == 0 && (request->capacity_in_us < 0 || request->wait_over)) {
            refuse_unfit(run);
            return 0;
        }
        if (!ask_with_request(L, run, POLICY_ROUTE))
            return 0;
        enum routed routed = lua_isnil(L, 3) && plan_take_targets(L, run, 2) ? ROUTED : check_route(L, run);
        if (routed == ROUTE_WAITS)
            return wait_for_capacity(L, run);
        if (routed == ROUTE_REFUSED)
            return 0;
        if (asked == ROUTE_ASKED_MAX || capacity_hold(request, run->script->config->targets[run->plan.steps[0].target]))
            break;
        request_candidates(request);
    }
    waiting_served(request);
    lua_pushlightuserdata(L, &run->plan);
    return 1;
}

/* A target has capacity again, or the wait is over, or the request. */
static int route_again(lua_State *L, int status, lua_KContext context)
{
    struct pipeline_run *run = (struct pipeline_run *)context;
    (void)status;
    return run->request->over ? 0 : route(L, run);
}

/* steps.route(request) -> plan | nothing; sleeps where the policy lets the request wait until a target has capacity */
static int step_route(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    run->request->step = "route";
    return route(L, run);
}

/* ---------------------------------------------------------------- attempt */

static void set_ms(lua_State *L, const char *key, int64_t us)
{
    set_number(L, key, (double)us / 1e3);
}

/* Pushes what recover sees of a failure, read-only. */
static void push_failure(lua_State *L, struct pipeline_run *run)
{
    const struct request *request = run->request;
    const struct failure *failure = request->ask;
    unsigned last = request->walk.last_failed;
    lua_createtable(L, 0, 10);
    if (last < request->walk.attempt_count) {
        const struct walk_attempt *attempt = &request->walk.attempts[last];
        int64_t ended_us = attempt->ended_us > 0 ? attempt->ended_us : loop_now_us(request->worker->loop);
        set_slice(L, "target", run->script->config->targets[attempt->target]->name);
        set_int(L, "attempt", last + 1);
        set_ms(L, "elapsed_ms", ended_us - attempt->began_us);
    }
    if (failure->status != 0) {
        set_int(L, "status", failure->status);
    }
    if (failure->retry_after_us >= 0) {
        set_seconds(L, "retry_after_s", failure->retry_after_us);
    }
    set_slice(L, "message", failure->message);
    set_slice(L, "kind", slice_of(failure_row(failure->kind)->name));
    set_slice(L, "phase", slice_of(phase_name(failure->phase)));
    set_slice(L, "sent", slice_of(sent_name(failure->sent)));
    lua_pushliteral(L, "failure");
    call_kept(L, run->script->refs.freeze, 2, 1);
}

/* Pushes the steps not begun, as a policy would write them. */
static void push_rest(lua_State *L, struct pipeline_run *run)
{
    plan_push_rest(L, run);
    lua_rawgeti(L, LUA_REGISTRYINDEX, run->script->refs.proxies);
    call_kept(L, run->script->refs.rest, 2, 1);
}

/* The walk asks, or is over. */
static int attempt_ended(lua_State *L, int status, lua_KContext context)
{
    struct pipeline_run *run = (struct pipeline_run *)context;
    (void)status;
    if (run->request->over || run->request->ask == NULL)
        return 0;
    lua_settop(L, 1);
    push_failure(L, run);
    push_rest(L, run);
    return 2;
}

/* steps.attempt(request, plan | nil) -> failure, rest | nothing; sleeps until the walk asks or is over. */
static int step_attempt(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    if (run->request->over)
        return 0;
    run->request->step = "attempt";
    if (lua_touserdata(L, 2) == &run->plan)
        request_walk(run->request, &run->plan);
    else
        request_give_up(run->request);
    return call_sleep(L, run, attempt_ended);
}

/* steps.recover(request, failure, rest) -> plan | nothing: no plan, or the request was refused */
static int step_recover(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    struct script_refs *refs = &run->script->refs;
    lua_settop(L, 3);
    count_call(run);
    if (!may_call(run, POLICY_RECOVER))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->recovered);
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->lookup);
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->policy[POLICY_RECOVER]);
    lua_pushvalue(L, 1);
    lua_rotate(L, 2, 4); /* request; recovered, lookup, recover, request, failure, rest */
    if (!ask(L, run, POLICY_RECOVER, 5))
        return 0;
    if (lua_istable(L, 3)) {
        refuse_by(L, run, POLICY_RECOVER, 3);
        return 0;
    }
    if (!lua_istable(L, 2) || !plan_take_steps(L, run, 2, true))
        return 0;
    lua_pushlightuserdata(L, &run->plan);
    return 1;
}

/* ---------------------------------------------------------------- settle */

static void set_known_count(lua_State *L, const char *key, int64_t count)
{
    if (count < 0)
        return;
    set_int(L, key, count);
}

static void push_usage(lua_State *L, const struct usage *usage)
{
    lua_createtable(L, 0, 5);
    if (!usage->known)
        return;
    set_known_count(L, "input_tokens", usage->input);
    set_known_count(L, "output_tokens", usage->output);
    set_known_count(L, "cache_read_tokens", usage->cache_read);
    set_known_count(L, "cache_write_tokens", usage->cache_write);
    set_known_count(L, "reasoning_tokens", usage->reasoning);
}

/* Pushes how the request ended, read-only. */
static void push_outcome(lua_State *L, struct pipeline_run *run)
{
    const struct request *request = run->request;
    lua_createtable(L, 0, 12);
    set_known_count(L, "status", request->status);
    if (request->served != NULL)
        set_slice(L, "target", request->served->name);
    set_known_count(L, "attempts", request->walk_begun ? request->walk.attempt_count : 0);
    push_usage(L, &request->usage);
    lua_setfield(L, -2, "usage");
    if (request->cost_pico >= 0) {
        set_number(L, "cost_usd", (double)request->cost_pico / 1e12);
    }
    set_ms(L, "duration_ms", request->ended_us - request->began_us);
    if (request->first_content_us > 0)
        set_ms(L, "first_token_ms", request->first_content_us - request->began_us);
    set_bool(L, "cached", false);
    set_slice(L, "cause", slice_of(cause_name(request->cause)));
    lua_pushliteral(L, "outcome");
    call_kept(L, run->script->refs.freeze, 2, 1);
}

static void append_label(lua_State *L, struct buffer *out) /* name and value at the top */
{
    if (out->ptr[out->len - 1] != '{')
        buffer_append_byte(out, ',');
    json_append_string(out, to_slice(L, -2));
    buffer_append_byte(out, ':');
    value_write_plain(L, -1, out);
}

/* Labels that plan.lua checked -> one JSON member, in the request's arena: a label may have the name of a field of the log line. */
static struct slice write_labels(lua_State *L, struct pipeline_run *run, int index)
{
    struct buffer out; /* nothing below raises: plain data is read, and no text is made */
    buffer_init(&out, LABELS_JSON_MAX);
    lua_pushnil(L);
    if (lua_next(L, index) == 0)
        return SLICE_NONE;
    buffer_append_lit(&out, ",\"labels\":{");
    do {
        append_label(L, &out);
        lua_pop(L, 1);
    } while (lua_next(L, index) != 0);
    buffer_append_byte(&out, '}');
    struct slice labels = out.overflow ? SLICE_NONE : arena_copy(&run->request->arena, buffer_slice(&out));
    buffer_free(&out);
    return labels;
}

/* steps.settle(request): the labels are kept with the request */
static int step_settle(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    struct script_refs *refs = &run->script->refs;
    lua_settop(L, 1);
    if (refs->policy[POLICY_SETTLE] == LUA_NOREF || !may_call(run, POLICY_SETTLE))
        return 0;
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->settled);
    lua_rawgeti(L, LUA_REGISTRYINDEX, refs->policy[POLICY_SETTLE]);
    lua_pushvalue(L, 1);
    push_outcome(L, run);
    if (!ask(L, run, POLICY_SETTLE, 3))
        return 0;
    if (lua_istable(L, 2))
        run->request->labels_json = write_labels(L, run, 2);
    else if (lua_istable(L, 3))
        policy_failed(run, POLICY_SETTLE, FAILURE_POLICY_BAD_RESULT,
                      with_place(L, run, POLICY_SETTLE, field_copy(L, 3, "message", &run->request->arena)));
    return 0;
}

/* ---------------------------------------------------------------- record */

/* steps.record(request) */
static int step_record(lua_State *L)
{
    struct pipeline_run *run = request_run(L, 1);
    if (!run->recorded)
        request_record(run->request, run->request->labels_json);
    run->recorded = true;
    return 0;
}

int open_steps(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"identify", step_identify}, {"admit", step_admit},   {"route", step_route},   {"attempt", step_attempt},
        {"recover", step_recover},   {"settle", step_settle}, {"record", step_record}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
