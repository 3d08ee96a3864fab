/* target.c -- targets as policies see them, and read-only lists of them.
 *
 * A target is an empty table in front of its facts, made once per script when first asked for. Facts that stand are read by Lua alone;
 * those that change are missing keys, worked out by a C function from a picture of the target's health that is taken at most once a
 * turn of the loop. cost_usd and expected_ms are those of the request whose policy is running.
 * Unmeasured latencies read 0 with samples = 0, as in gateway.testing; a context or max_output of 0 is unknown.
 * The list of all targets of a model is made once; only where some are unfit a request gets a list of its own.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "gateway/worker.h"
#include "lua/bindings.h"
#include "lua/script.h"
#include <math.h>
#include <stdlib.h>

static const char real_key = 0, index_key = 0, target_key = 0; /* addresses: keys of metatables that no policy can write */

/* ---------------------------------------------------------------- read-only tables */

static int refuse_write(lua_State *L) /* upvalue 1: what it is */
{
    const char *key = text_or(L, 2, luaL_typename(L, 2));
    return luaL_error(L, "%s is read-only ('%s')", lua_tostring(L, lua_upvalueindex(1)), key);
}

/* Gives the metatable at the top what every view has. Functions are shared by all views of one name. */
static void set_read_only(lua_State *L, const char *name)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, name) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        lua_pushstring(L, name);
        lua_pushcclosure(L, refuse_write, 1);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, name);
    }
    lua_setfield(L, -2, "__newindex");
    set_bool(L, "__metatable", false);
}

/* ---------------------------------------------------------------- facts that change */

enum live_fact {
    LIVE_IN_FLIGHT = 1,
    LIVE_SUCCESS_RATE,
    LIVE_BREAKER,
    LIVE_COOLDOWN,
    LIVE_COST,
    LIVE_EXPECTED,
    LIVE_NONE,
    LATENCY_FIRST_TOKEN,
    LATENCY_PER_TOKEN,
    LATENCY_P50,
    LATENCY_P95,
    LATENCY_SAMPLES,
    FACT_PRIORITY, /* these stand; gateway.order need not ask Lua for them */
    FACT_QUALITY,
    FACT_WEIGHT,
};

struct fact_name {
    const char *name;
    enum live_fact fact;
};

/* What every target has. */
static const char *const target_facts[] = {"name",    "provider",   "model",           "weight",       "priority", "quality", "leaderboard",
                                           "context", "max_output", "max_temperature", "capabilities", "latency",  NULL};
/* Read when they are asked for. LIVE_NONE: a fact that a target may lack. */
static const struct fact_name live_facts[] = {
    {"in_flight", LIVE_IN_FLIGHT},
    {"success_rate", LIVE_SUCCESS_RATE},
    {"breaker", LIVE_BREAKER},
    {"cooldown_s", LIVE_COOLDOWN},
    {"cost_usd", LIVE_COST},
    {"expected_ms", LIVE_EXPECTED},
    {"price", LIVE_NONE},
    {"reason", LIVE_NONE},
    {NULL, LIVE_NONE},
};
static const struct fact_name latency_facts[] = {
    {"first_token_ms", LATENCY_FIRST_TOKEN},
    {"per_token_ms", LATENCY_PER_TOKEN},
    {"p50_ms", LATENCY_P50},
    {"p95_ms", LATENCY_P95},
    {"samples", LATENCY_SAMPLES},
    {NULL, LIVE_NONE},
};

/* name -> fact, one table for all targets */
static void push_names(lua_State *L, const struct fact_name *facts)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, facts) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    for (const struct fact_name *fact = facts; fact->name != NULL; fact++) {
        set_int(L, fact->name, fact->fact);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, facts);
}

static void push_measure(lua_State *L, double value)
{
    lua_pushnumber(L, isnan(value) ? 0 : value);
}

/* Only of the request whose policy is running; without one, nothing. */
static double for_request(struct script *script, const struct target *target, enum live_fact fact)
{
    if (script->deciding == NULL)
        return NAN;
    if (fact == LIVE_EXPECTED)
        return target_expected_ms(script, target);
    int64_t pico = request_cost_pico(script->deciding->request, target);
    return pico < 0 ? NAN : (double)pico / 1e12;
}

/* Until it may be asked again, whether it is its breaker or its provider that says so. */
static double cooldown_s(const struct script *script, const struct health_view *view)
{
    int64_t until_us = view->retry_at_us > view->cooldown_until_us ? view->retry_at_us : view->cooldown_until_us;
    if (script->deciding == NULL || until_us == 0)
        return 0;
    int64_t left = until_us - loop_now_us(script->deciding->request->worker->loop);
    return left > 0 ? seconds_of_us(left) : 0;
}

/* Those that take a whole view. */
static void push_viewed(lua_State *L, struct script *script, const struct target *target, enum live_fact fact)
{
    const struct health_view *view = target_view(script, target);
    switch (fact) {
    case LIVE_SUCCESS_RATE:
        lua_pushnumber(L, view->success_rate);
        break;
    case LIVE_BREAKER:
        lua_pushstring(L, breaker_name(view->breaker));
        break;
    case LIVE_COOLDOWN:
        lua_pushnumber(L, cooldown_s(script, view));
        break;
    case LATENCY_P50:
        push_measure(L, view->p50_ms);
        break;
    case LATENCY_P95:
        push_measure(L, view->p95_ms);
        break;
    case LATENCY_SAMPLES:
        lua_pushinteger(L, (lua_Integer)view->samples);
        break;
    default:
        lua_pushnil(L);
    }
}

static void push_live(lua_State *L, struct script *script, const struct target *target, enum live_fact fact)
{
    double value;
    switch (fact) {
    case LIVE_IN_FLIGHT:
        lua_pushinteger(L, target_glance(script, target)->in_flight);
        break;
    case LATENCY_FIRST_TOKEN:
        push_measure(L, target_glance(script, target)->first_token_ms);
        break;
    case LATENCY_PER_TOKEN:
        push_measure(L, target_glance(script, target)->per_token_ms);
        break;
    case LIVE_COST:
    case LIVE_EXPECTED:
        value = for_request(script, target, fact);
        if (isnan(value))
            lua_pushnil(L);
        else
            lua_pushnumber(L, value);
        break;
    default:
        push_viewed(L, script, target, fact);
    }
}

/* __index of facts and of latency: upvalues are the script, the target, the names, and what it is. */
static int read_live(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    const struct target *target = lua_touserdata(L, lua_upvalueindex(2));
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNUMBER) {
        const char *key = text_or(L, 2, luaL_typename(L, 2));
        return luaL_error(L, "%s has no fact '%s'", lua_tostring(L, lua_upvalueindex(4)), key);
    }
    if (script_holds(script, target))
        push_live(L, script, target, (enum live_fact)lua_tointeger(L, -1));
    else
        lua_pushnil(L);
    return 1;
}

static void push_read_live(lua_State *L, struct script *script, const struct target *target, const struct fact_name *facts,
                           const char *what)
{
    lua_pushlightuserdata(L, script);
    lua_pushlightuserdata(L, (void *)target);
    push_names(L, facts);
    lua_pushstring(L, what);
    lua_pushcclosure(L, read_live, 4);
}

/* ---------------------------------------------------------------- pairs */

/* The function that pairs(target) goes on with: upvalue 1 is the list of names, 2 name -> place. Facts that are nil are passed over. */
static int next_fact(lua_State *L)
{
    lua_Integer at = 0;
    lua_settop(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnil(L, 2)) {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(2));
        at = lua_tointeger(L, -1);
        if (at == 0)
            return luaL_error(L, "pairs: there is no such fact");
    }
    for (;;) {
        if (lua_rawgeti(L, lua_upvalueindex(1), ++at) == LUA_TNIL)
            return 1;
        lua_pushvalue(L, -1);
        if (lua_gettable(L, 1) != LUA_TNIL)
            return 2;
        lua_pop(L, 2);
    }
}

static void push_pairs(lua_State *L, const char *const *names, const struct fact_name *facts)
{
    int place = 0;
    lua_newtable(L);
    lua_newtable(L);
    while (*names != NULL || facts->name != NULL) {
        const char *name = *names != NULL ? *names++ : facts++->name;
        lua_pushstring(L, name);
        lua_rawseti(L, -3, ++place);
        set_int(L, name, place);
    }
    lua_pushcclosure(L, next_fact, 2);
    lua_pushcclosure(L, request_pairs, 1);
}

/* Sets __pairs of the metatable at the top to go through these names (two static lists, each ended by NULL; `names` is the key by
 * which the function is found again). */
static void set_pairs(lua_State *L, const char *const *names, const struct fact_name *facts)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, names) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        push_pairs(L, names, facts);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, names);
    }
    lua_setfield(L, -2, "__pairs");
}

/* ---------------------------------------------------------------- a target */

static void set_fact(lua_State *L, const char *key, double number)
{
    if (number == floor(number) && fabs(number) < 1e15)
        lua_pushinteger(L, (lua_Integer)number);
    else
        lua_pushnumber(L, number);
    lua_setfield(L, -2, key);
}

/* Puts a read-only view of the table at the top in its place. */
static void freeze(lua_State *L, const char *name, const char *const *names)
{
    static const struct fact_name none[] = {{NULL, LIVE_NONE}};
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    set_read_only(L, name);
    set_pairs(L, names, none);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static void set_capabilities(lua_State *L, unsigned bits)
{
    static const char *const names[] = {"tools", "vision", "json_schema", "reasoning", "audio", "document", NULL};
    lua_createtable(L, 0, 6);
    for (int i = 0; names[i] != NULL; i++) {
        set_bool(L, names[i], (bits >> i & 1) != 0);
    }
    freeze(L, "target.capabilities", names);
    lua_setfield(L, -2, "capabilities");
}

static void set_price(lua_State *L, const struct target *target)
{
    static const char *const names[] = {"input", "output", "cache_read", "cache_write", NULL};
    if (target->price[PRICE_INPUT] < 0 || target->price[PRICE_OUTPUT] < 0)
        return;
    lua_createtable(L, 0, 4);
    for (int i = 0; i < PRICE_COUNT; i++) {
        if (target->price[i] >= 0) {
            set_number(L, names[i], (double)target->price[i] / 1e6); /* pico-dollars per token -> USD per million */
        }
    }
    freeze(L, "target.price", names);
    lua_setfield(L, -2, "price");
}

static void set_latency(lua_State *L, struct script *script, const struct target *target)
{
    static const char *const none[] = {NULL};
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    push_read_live(L, script, target, latency_facts, "target.latency");
    lua_setfield(L, -2, "__index");
    set_read_only(L, "target.latency");
    set_pairs(L, none, latency_facts);
    lua_setmetatable(L, -2);
    lua_setfield(L, -2, "latency");
}

static void push_facts(lua_State *L, struct script *script, const struct target *target)
{
    lua_createtable(L, 0, 16);
    set_slice(L, "name", target->name);
    set_slice(L, "provider", target->provider->name);
    set_slice(L, "model", target->model.model);
    set_fact(L, "weight", target->weight);
    set_fact(L, "priority", (double)target->priority);
    set_fact(L, "quality", target->quality);
    set_fact(L, "leaderboard", target->leaderboard);
    set_fact(L, "context", (double)target->context);
    set_fact(L, "max_output", (double)target->model.max_output);
    set_fact(L, "max_temperature", target->max_temperature);
    set_capabilities(L, target->model.capabilities);
    set_price(L, target);
    set_latency(L, script, target);
    lua_createtable(L, 0, 1);
    push_read_live(L, script, target, live_facts, "a target");
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* The facts that strategies order by, for gateway.order. */
static int find_number(const char *name)
{
    static const struct fact_name numbers[] = {
        {"in_flight", LIVE_IN_FLIGHT},
        {"cost_usd", LIVE_COST},
        {"expected_ms", LIVE_EXPECTED},
        {"priority", FACT_PRIORITY},
        {"quality", FACT_QUALITY},
        {"weight", FACT_WEIGHT},
        {NULL, LIVE_NONE},
    };
    const struct fact_name *fact = numbers;
    while (fact->name != NULL && strcmp(fact->name, name) != 0)
        fact++;
    return fact->name == NULL ? 0 : (int)fact->fact;
}

static double number_of(struct script *script, const struct target *target, enum live_fact fact)
{
    switch (fact) {
    case LIVE_IN_FLIGHT:
        return target_glance(script, target)->in_flight;
    case FACT_PRIORITY:
        return (double)target->priority;
    case FACT_QUALITY:
        return target->quality;
    case FACT_WEIGHT:
        return target->weight;
    default:
        return for_request(script, target, fact);
    }
}

static bool read_number(lua_State *L, void *owner, int fact, double *value)
{
    struct script *script = owner;
    const struct target *target = NULL;
    if (lua_getmetatable(L, -1)) {
        lua_rawgetp(L, -1, &target_key);
        target = lua_touserdata(L, -1);
        lua_pop(L, 2);
    }
    if (target == NULL || !script_holds(script, target))
        return false;
    *value = number_of(script, target, (enum live_fact)fact);
    return true;
}

static void push_proxy(lua_State *L, struct script *script, const struct target *target)
{
    lua_newtable(L);
    lua_createtable(L, 0, 4);
    push_facts(L, script, target);
    lua_setfield(L, -2, "__index");
    set_read_only(L, "a target");
    set_pairs(L, target_facts, live_facts);
    lua_pushlightuserdata(L, (void *)target);
    lua_rawsetp(L, -2, &target_key);
    lua_setmetatable(L, -2);
}

/* The place of a made target is taken again and again: what was shown of another one in it is forgotten. Proxies at the top. */
static void forget_former(lua_State *L, struct script *script, const struct target *target)
{
    lua_Integer place = (lua_Integer)target->index + 1;
    lua_rawgeti(L, -1, -place);
    bool same = lua_tointeger(L, -1) == (lua_Integer)target->serial;
    lua_pop(L, 1);
    if (same)
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs.lookup);
    if (lua_rawgeti(L, -2, place) != LUA_TNIL) {
        lua_pushnil(L);
        lua_rawset(L, -3);
    } else {
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawseti(L, -2, place);
    lua_pushinteger(L, (lua_Integer)target->serial);
    lua_rawseti(L, -2, -place);
}

static void push_target(lua_State *L, struct script *script, const struct target *target)
{
    lua_Integer place = (lua_Integer)target->index + 1;
    luaL_checkstack(L, 16, "target");
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs.proxies);
    if (target->serial > 0)
        forget_former(L, script, target);
    if (lua_rawgeti(L, -1, place) == LUA_TNIL) {
        lua_pop(L, 1);
        push_proxy(L, script, target);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, place);
        lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs.lookup);
        lua_pushvalue(L, -2);
        lua_pushinteger(L, place);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    lua_remove(L, -2);
}

/* ---------------------------------------------------------------- lists */

static int list_len(lua_State *L) /* upvalue 1: the length */
{
    lua_pushvalue(L, lua_upvalueindex(1));
    return 1;
}

static int list_next(lua_State *L) /* upvalue 1: the real list */
{
    lua_settop(L, 2);
    if (lua_next(L, lua_upvalueindex(1)))
        return 2;
    lua_pushnil(L);
    return 1;
}

static int list_pairs(lua_State *L) /* upvalue 1: the real list */
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, list_next, 1);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Puts a read-only view of the list at the top in its place. */
static void freeze_list(lua_State *L, const char *name)
{
    lua_newtable(L);
    lua_createtable(L, 0, 6);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, -3);
    lua_rawsetp(L, -2, &real_key);
    lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -3));
    lua_pushcclosure(L, list_len, 1);
    lua_setfield(L, -2, "__len");
    lua_pushvalue(L, -3);
    lua_pushcclosure(L, list_pairs, 1);
    lua_setfield(L, -2, "__pairs");
    set_read_only(L, name);
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

bool target_push_behind(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    if (lua_rawgetp(L, -1, &real_key) != LUA_TTABLE) {
        lua_pop(L, 2);
        return false;
    }
    lua_remove(L, -2);
    return true;
}

static void push_new_list(lua_State *L, struct script *script, struct target *const *targets, unsigned count)
{
    lua_createtable(L, (int)count, 0);
    for (unsigned i = 0; i < count; i++) {
        push_target(L, script, targets[i]);
        lua_rawseti(L, -2, i + 1);
    }
    freeze_list(L, "request.targets");
}

void target_push_list(lua_State *L, struct script *script, const struct request *request)
{
    const struct config *config = script->config;
    const struct model *model = request->model;
    bool is_listed = model >= config->models && model < config->models + config->model_count;
    if (!is_listed || request->target_count != model->target_count) {
        push_new_list(L, script, request->targets, request->target_count);
        return;
    }
    lua_Integer place = model - config->models + 1;
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs.lists);
    if (lua_rawgeti(L, -1, place) == LUA_TNIL) {
        lua_pop(L, 1);
        push_new_list(L, script, request->targets, request->target_count);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, place);
    }
    lua_remove(L, -2);
}

/* ---------------------------------------------------------------- unfit ones */

static int read_unfit(lua_State *L) /* upvalues: the target's proxy, the reason */
{
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TSTRING && strcmp(lua_tostring(L, 2), "reason") == 0) {
        lua_pushvalue(L, lua_upvalueindex(2));
        return 1;
    }
    lua_pushvalue(L, 2);
    lua_gettable(L, lua_upvalueindex(1));
    return 1;
}

static void push_unfit(lua_State *L, struct script *script, const struct unfit *unfit)
{
    lua_newtable(L);
    lua_createtable(L, 0, 6);
    push_target(L, script, unfit->target);
    lua_pushstring(L, unfit->reason);
    lua_pushcclosure(L, read_unfit, 2);
    lua_setfield(L, -2, "__index");
    lua_pushinteger(L, (lua_Integer)unfit->target->index + 1);
    lua_rawsetp(L, -2, &index_key);
    set_read_only(L, "a target");
    set_pairs(L, target_facts, live_facts);
    lua_setmetatable(L, -2);
}

void target_push_unfit(lua_State *L, struct script *script, const struct request *request)
{
    luaL_checkstack(L, 16, "request.unfit");
    lua_createtable(L, (int)request->unfit_count, 0);
    for (unsigned i = 0; i < request->unfit_count; i++) {
        push_unfit(L, script, &request->unfits[i]);
        lua_rawseti(L, -2, i + 1);
    }
    freeze_list(L, "request.unfit");
}

/* ---------------------------------------------------------------- names */

/* Candidates first: of two targets with one name the request's own is meant. */
static const struct target *find_named(struct script *script, struct slice name)
{
    const struct request *request = script->deciding == NULL ? NULL : script->deciding->request;
    for (unsigned i = 0; request != NULL && i < request->target_count; i++)
        if (slice_equals(request->targets[i]->name, name))
            return request->targets[i];
    return config_named_target(script->config, name, script->deciding == NULL ? NULL : &script->deciding->request->holds);
}

static bool is_off(const struct config *config, struct slice name)
{
    const char *slash = name.len == 0 ? NULL : memchr(name.ptr, '/', name.len);
    struct slice provider = {name.ptr, slash == NULL ? 0 : (size_t)(slash - name.ptr)};
    for (unsigned i = 0; i < config->status_count; i++)
        if (config->statuses[i].why_off.len > 0 && slice_equals(config->statuses[i].name, provider))
            return true;
    return false;
}

/* __index of the look-up: what it does not hold yet. Names are not kept: they are strings of policies, and without a bound. */
static int look_up(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    lua_settop(L, 2);
    if (lua_type(L, 2) == LUA_TTABLE) {
        if (lua_getmetatable(L, 2) && lua_rawgetp(L, -1, &index_key) == LUA_TNUMBER)
            return 1;
        return 0;
    }
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    struct slice name = to_slice(L, 2);
    const struct target *target = find_named(script, name);
    if (target != NULL)
        lua_pushinteger(L, (lua_Integer)target->index + 1);
    else if (is_off(script->config, name))
        lua_pushboolean(L, false);
    else
        lua_pushnil(L);
    return 1;
}

/* Everything that a policy may come to see is made now: its budget of memory is for what it makes itself. */
static void make_all(lua_State *L, struct script *script)
{
    struct config *config = script->config;
    for (unsigned i = 0; i < config->listed_target_count; i++) {
        push_target(L, script, config->targets[i]);
        lua_pop(L, 1);
    }
    for (unsigned i = 0; i < config->model_count; i++) {
        const struct model *model = &config->models[i];
        struct request request = {.model = model, .targets = model->targets, .target_count = model->target_count};
        target_push_list(L, script, &request);
        lua_pop(L, 1);
    }
}

/* __index of the proxies: one that came ad hoc and that no policy was shown yet. */
static int make_proxy(lua_State *L)
{
    struct script *script = lua_touserdata(L, lua_upvalueindex(1));
    lua_Integer place = lua_tointeger(L, 2);
    if (place < 1 || place > (lua_Integer)atomic_load(&script->config->target_count) ||
        !script_holds(script, script->config->targets[place - 1]))
        return 0;
    push_target(L, script, script->config->targets[place - 1]);
    return 1;
}

/* A table whose missing members `make` (upvalue: the script) finds. */
static int ref_filled_by(lua_State *L, struct script *script, lua_CFunction make)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, make, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

void target_open(lua_State *L, struct script *script)
{
    script->reader = (struct fact_reader){script, find_number, read_number};
    order_set_reader(L, &script->reader);
    script->refs.proxies = ref_filled_by(L, script, make_proxy);
    lua_newtable(L);
    script->refs.lists = luaL_ref(L, LUA_REGISTRYINDEX);
    script->refs.lookup = ref_filled_by(L, script, look_up);
    make_all(L, script);
}
