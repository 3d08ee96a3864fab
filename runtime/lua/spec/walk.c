/* walk.c -- gateway/walk for specs and for gateway.testing, which walks plans with this very machine.
 *
 * walk.new(settings, now) gives a walk with the methods plan(steps, now), give_up(now), event(kind, attempt, now [, failure | wrote]),
 * next() -> action or nil, rest(), attempts(), over(), committed(), exhausted(), due(attempt, now). At this door times are seconds, attempts count from 1,
 * names are those policies see: kind, phase, sent, retry_after_s; a failure may carry `reused` and `other_key` (flags). An unknown key raises: a
 * misspelt limit must not look like a kept one.
 * The strings of failures are anchored in the userdata's user value, as long as the walk itself.
 * SPDX-License-Identifier: MIT */
#include <math.h>

#include "routing/walk.h"
#include "lua/spec/bindings.h"

#define WALK_TYPE "gateway.walk"

static const char *const event_names[] = {
    [WALK_CONNECTED] = "connected",
    [WALK_READY] = "ready",
    [WALK_SENT] = "sent",
    [WALK_HEADERS] = "headers",
    [WALK_REFUSED] = "refused",
    [WALK_CONTENT] = "content",
    [WALK_CHUNK] = "chunk",
    [WALK_DONE] = "done",
    [WALK_FAILED] = "failed",
    [WALK_TIME] = "time",
    [WALK_GONE] = "gone",
    [WALK_STOP] = "stop",
    NULL,
};

static const char *const action_names[] = {
    [ACTION_START] = "start", [ACTION_CANCEL] = "cancel", [ACTION_WAKE] = "wake", [ACTION_COMMIT] = "commit", [ACTION_ANSWER] = "answer",
    [ACTION_ASK] = "ask",     [ACTION_FAIL] = "fail",     [ACTION_OVER] = "over", [ACTION_PING] = "ping",
};

static const char *const state_names[] = {
    [ATTEMPT_NONE] = "none",
    [ATTEMPT_CONNECTING] = "connecting",
    [ATTEMPT_TLS] = "tls",
    [ATTEMPT_SENDING] = "sending",
    [ATTEMPT_SENT] = "sent",
    [ATTEMPT_REFUSED] = "refused",
    [ATTEMPT_HEADERS] = "headers",
    [ATTEMPT_STREAMING] = "streaming",
    [ATTEMPT_DONE] = "done",
    [ATTEMPT_FAILED] = "failed",
    [ATTEMPT_CANCELLED] = "cancelled",
};

/* --- Lua -> C ---------------------------------------------------------------------------------------------------- */

enum field_type { FIELD_SECONDS, FIELD_COUNT, FIELD_FLAG, FIELD_SEED };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
};

static const struct field settings_fields[] = {
    {"attempts", FIELD_COUNT, offsetof(struct walk_settings, attempts)},
    {"stream", FIELD_FLAG, offsetof(struct walk_settings, stream)},
    {"replay_uncertain", FIELD_FLAG, offsetof(struct walk_settings, replay_uncertain)},
    {"fallback", FIELD_FLAG, offsetof(struct walk_settings, fallback)},
    {"hedge", FIELD_FLAG, offsetof(struct walk_settings, hedge)},
    {"frugal", FIELD_FLAG, offsetof(struct walk_settings, frugal)},
    {"connect", FIELD_SECONDS, offsetof(struct walk_settings, connect_us)},
    {"tls", FIELD_SECONDS, offsetof(struct walk_settings, tls_us)},
    {"headers", FIELD_SECONDS, offsetof(struct walk_settings, headers_us)},
    {"first_token", FIELD_SECONDS, offsetof(struct walk_settings, first_token_us)},
    {"idle", FIELD_SECONDS, offsetof(struct walk_settings, idle_us)},
    {"total", FIELD_SECONDS, offsetof(struct walk_settings, total_us)},
    {"backoff_base", FIELD_SECONDS, offsetof(struct walk_settings, backoff_base_us)},
    {"backoff_max", FIELD_SECONDS, offsetof(struct walk_settings, backoff_max_us)},
    {"retry_after_max", FIELD_SECONDS, offsetof(struct walk_settings, retry_after_max_us)},
    {"ping", FIELD_SECONDS, offsetof(struct walk_settings, ping_us)},
    {"seed", FIELD_SEED, offsetof(struct walk_settings, seed)},
    {NULL, FIELD_FLAG, 0},
};

static const struct field step_fields[] = {
    {"target", FIELD_COUNT, offsetof(struct step, target)},        {"first_token", FIELD_SECONDS, offsetof(struct step, first_token_us)},
    {"timeout", FIELD_SECONDS, offsetof(struct step, timeout_us)}, {"hedge_after", FIELD_SECONDS, offsetof(struct step, hedge_after_us)},
    {"retries", FIELD_COUNT, offsetof(struct step, retries)},      {NULL, FIELD_FLAG, 0},
};

static void read_field(lua_State *L, const struct field *field, char *base, const char *what)
{
    void *place = base + field->offset;
    if (field->type == FIELD_FLAG) {
        *(bool *)place = lua_toboolean(L, -1);
        return;
    }
    if (lua_type(L, -1) != LUA_TNUMBER) {
        luaL_error(L, "%s.%s: expected a number", what, field->name);
    }
    if (field->type == FIELD_SECONDS) {
        *(int64_t *)place = us_of_seconds(lua_tonumber(L, -1));
    } else if (field->type == FIELD_SEED) {
        *(uint64_t *)place = (uint64_t)lua_tointeger(L, -1);
    } else {
        *(unsigned *)place = (unsigned)lua_tointeger(L, -1);
    }
}

static void read_fields(lua_State *L, int index, const struct field *fields, void *base, const char *what)
{
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1)) {
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "(not a name)";
        const struct field *field = fields;
        while (field->name != NULL && strcmp(field->name, key) != 0) {
            field++;
        }
        if (field->name == NULL) {
            luaL_error(L, "%s: nobody knows '%s'", what, key);
        }
        read_field(L, field, base, what);
    }
}

static struct walk *check_walk(lua_State *L)
{
    return luaL_checkudata(L, 1, WALK_TYPE);
}

/* The slice of a member that lives as long as the walk. */
static struct slice keep_string(lua_State *L, int table, const char *key)
{
    struct slice text = SLICE_NONE;
    if (lua_getfield(L, table, key) == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
        lua_getiuservalue(L, 1, 1);
        lua_pushvalue(L, -2);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return text;
}

static unsigned find_name(lua_State *L, int table, const char *key, const char *(*name_of)(unsigned), unsigned count)
{
    unsigned found = 0;
    if (lua_getfield(L, table, key) != LUA_TNIL) {
        const char *text = luaL_checkstring(L, -1);
        while (found < count && strcmp(name_of(found), text) != 0) {
            found++;
        }
        if (found == count) {
            luaL_error(L, "failure.%s: nobody knows '%s'", key, text);
        }
    }
    lua_pop(L, 1);
    return found;
}

static const char *name_of_phase(unsigned i)
{
    return phase_name((enum phase)i);
}

static const char *name_of_sent(unsigned i)
{
    return sent_name((enum sent)i);
}

static struct failure check_failure(lua_State *L, int table)
{
    luaL_checktype(L, table, LUA_TTABLE);
    enum failure_kind kind;
    struct slice name = keep_string(L, table, "kind");
    if (!failure_kind_of(name, &kind)) {
        luaL_error(L, "failure.kind: nobody knows '%s'", name.ptr != NULL ? name.ptr : "nil");
    }
    struct failure failure = failure_make(kind, keep_string(L, table, "message"));
    failure.code = keep_string(L, table, "code");
    failure.phase = (enum phase)find_name(L, table, "phase", name_of_phase, PHASE_COUNT);
    failure.sent = (enum sent)find_name(L, table, "sent", name_of_sent, SENT_CONTENT + 1);
    if (lua_getfield(L, table, "status") != LUA_TNIL) {
        failure.status = (int)luaL_checkinteger(L, -1);
    }
    if (lua_getfield(L, table, "retry_after_s") != LUA_TNIL) {
        failure.retry_after_us = check_us(L, -1);
    }
    lua_getfield(L, table, "other_key");
    failure.other_key = lua_toboolean(L, -1);
    lua_pop(L, 3);
    return failure;
}

/* --- C -> Lua ---------------------------------------------------------------------------------------------------- */

static void set_failure(lua_State *L, const struct failure *failure)
{
    lua_createtable(L, 0, 8);
    set_string(L, "kind", failure_row(failure->kind)->name);
    set_string(L, "sent", sent_name(failure->sent));
    if (failure->phase != PHASE_NONE) {
        set_string(L, "phase", phase_name(failure->phase));
    }
    if (failure->deadline != DEADLINE_NONE) {
        set_string(L, "deadline", deadline_name(failure->deadline));
    }
    if (failure->status != 0) {
        set_int(L, "status", failure->status);
    }
    if (failure->retry_after_us >= 0) {
        set_seconds(L, "retry_after_s", failure->retry_after_us);
    }
    set_slice(L, "message", failure->message);
    if (failure->code.len > 0)
        set_slice(L, "code", failure->code);
    lua_setfield(L, -2, "failure");
}

static void push_plan(lua_State *L, const struct plan *plan)
{
    lua_createtable(L, (int)plan->count, 0);
    for (unsigned i = 0; i < plan->count; i++) {
        const struct step *step = &plan->steps[i];
        lua_createtable(L, 0, 5);
        set_int(L, "target", step->target);
        set_int(L, "retries", step->retries);
        set_seconds(L, "first_token", step->first_token_us);
        set_seconds(L, "timeout", step->timeout_us);
        set_seconds(L, "hedge_after", step->hedge_after_us);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_attempt(lua_State *L, const struct walk_attempt *attempt)
{
    lua_createtable(L, 0, 9);
    set_int(L, "target", attempt->target);
    set_int(L, "step", (lua_Integer)attempt->step + 1);
    set_string(L, "state", state_names[attempt->state]);
    set_seconds(L, "began", attempt->began_us);
    set_bool(L, "hedge", attempt->hedge);
    set_bool(L, "fresh", attempt->fresh);
    if (attempt->ended_us != 0) {
        set_seconds(L, "ended", attempt->ended_us);
    }
    if (attempt->content_us != 0) {
        set_seconds(L, "content", attempt->content_us);
    }
    if (attempt->state == ATTEMPT_FAILED) {
        set_failure(L, &attempt->failure);
    }
}

/* --- methods ----------------------------------------------------------------------------------------------------- */

static int walk_new(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct walk_settings settings = {0};
    read_fields(L, 1, settings_fields, &settings, "limits");
    int64_t now_us = check_us(L, 2);
    struct walk *walk = lua_newuserdatauv(L, sizeof(*walk), 1);
    walk_begin(walk, &settings, now_us);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, WALK_TYPE);
    return 1;
}

static int method_plan(lua_State *L)
{
    struct walk *walk = check_walk(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct plan plan = {.count = 0};
    lua_Integer count = luaL_len(L, 2);
    luaL_argcheck(L, count <= PLAN_STEPS_MAX, 2, "more steps than a plan may have");
    for (lua_Integer i = 1; i <= count; i++) {
        struct step *step = &plan.steps[plan.count++];
        *step = (struct step){0};
        if (lua_geti(L, 2, i) == LUA_TTABLE) {
            read_fields(L, lua_gettop(L), step_fields, step, "step");
        } else {
            step->target = (unsigned)luaL_checkinteger(L, -1);
        }
        lua_pop(L, 1);
    }
    walk_plan(walk, &plan, check_us(L, 3));
    return 0;
}

static int method_give_up(lua_State *L)
{
    walk_give_up(check_walk(L), check_us(L, 2));
    return 0;
}

static int method_event(lua_State *L)
{
    struct walk *walk = check_walk(L);
    struct walk_event event = {.kind = (enum walk_event_kind)luaL_checkoption(L, 2, NULL, event_names)};
    event.attempt = WALK_NO_ATTEMPT;
    if (event.kind != WALK_TIME && event.kind != WALK_GONE && event.kind != WALK_STOP) {
        lua_Integer number = luaL_checkinteger(L, 3);
        luaL_argcheck(L, number >= 1 && number <= WALK_ATTEMPTS_MAX, 3, "no such attempt");
        event.attempt = (unsigned)number - 1;
    }
    if (event.kind == WALK_FAILED) {
        event.failure = check_failure(L, 5);
        lua_getfield(L, 5, "reused");
        event.reused = lua_toboolean(L, -1);
    }
    event.wrote = event.kind == WALK_CHUNK && lua_toboolean(L, 5);
    walk_event(walk, &event, check_us(L, 4));
    return 0;
}

static int method_next(lua_State *L)
{
    struct walk_action action;
    if (!walk_next(check_walk(L), &action)) {
        return 0;
    }
    lua_createtable(L, 0, 5);
    set_string(L, "kind", action_names[action.kind]);
    if (action.attempt != WALK_NO_ATTEMPT) {
        set_int(L, "attempt", (lua_Integer)action.attempt + 1);
    }
    if (action.kind == ACTION_START) {
        set_int(L, "target", action.target);
        set_bool(L, "fresh", action.fresh);
    } else if (action.kind == ACTION_WAKE) {
        set_seconds(L, "at", action.at_us);
    }
    if (action.failure != NULL) {
        set_failure(L, action.failure);
    }
    return 1;
}

static int method_rest(lua_State *L)
{
    struct plan rest;
    walk_rest(check_walk(L), &rest);
    push_plan(L, &rest);
    return 1;
}

static int method_attempts(lua_State *L)
{
    struct walk *walk = check_walk(L);
    lua_createtable(L, (int)walk->attempt_count, 0);
    for (unsigned i = 0; i < walk->attempt_count; i++) {
        push_attempt(L, &walk->attempts[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static int method_over(lua_State *L)
{
    lua_pushboolean(L, walk_is_over(check_walk(L)));
    return 1;
}

static int method_committed(lua_State *L)
{
    lua_pushboolean(L, walk_is_committed(check_walk(L)));
    return 1;
}

static int method_due(lua_State *L)
{
    const struct walk *walk = check_walk(L);
    lua_Integer number = luaL_checkinteger(L, 2);
    luaL_argcheck(L, number >= 1 && number <= walk->attempt_count, 2, "no such attempt");
    lua_pushboolean(L, walk_is_due(walk, (unsigned)number - 1, check_us(L, 3)));
    return 1;
}

static int method_exhausted(lua_State *L)
{
    lua_pushboolean(L, walk_is_exhausted(check_walk(L)));
    return 1;
}

int open_walk(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"plan", method_plan},
        {"give_up", method_give_up},
        {"event", method_event},
        {"next", method_next},
        {"rest", method_rest},
        {"attempts", method_attempts},
        {"over", method_over},
        {"committed", method_committed},
        {"exhausted", method_exhausted},
        {"due", method_due},
        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {{"new", walk_new}, {NULL, NULL}};
    new_type(L, WALK_TYPE, methods, NULL);
    luaL_newlib(L, functions);
    set_int(L, "ATTEMPTS_MAX", WALK_ATTEMPTS_MAX);
    set_int(L, "STEPS_MAX", PLAN_STEPS_MAX);
    return 1;
}
