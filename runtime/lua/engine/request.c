/* request.c -- `request` as policies see it: a userdata that reads the C fields when asked, and is closed when the request ends.
 *
 * What is not read is not built. Sub-tables (user, client, estimate, needs) are small userdata of the same making, kept with the
 * request once made. A fact that does not exist raises, as it does in gateway.testing: a misspelt one must not read as nil.
 * body() decodes the whole body once; it costs the call about a nanosecond or two a byte of its budget, so that a body beyond some
 * hundred kilobytes stops the policy (a decoded body is several times its text). That is its client's doing: what is made of the body, and of
 * `client.user` and `client.metadata`, is marked as such (call_feeding).
 * SPDX-License-Identifier: MIT */
#include "gateway/client.h"
#include "gateway/worker.h"
#include "lua/bindings.h"
#include "lua/script.h"
#include <math.h>

enum kind { KIND_REQUEST, KIND_USER, KIND_CLIENT, KIND_ESTIMATE, KIND_NEEDS, KIND_HEADERS, KIND_COUNT };

/* User values of a request: what was made for it once. */
enum slot {
    SLOT_USER = 1,
    SLOT_CLIENT,
    SLOT_ESTIMATE,
    SLOT_NEEDS,
    SLOT_HEADERS,
    SLOT_TARGETS,
    SLOT_UNFIT,
    SLOT_BODY,
    SLOT_METADATA,
    SLOT_CLIENT_METADATA,
    SLOT_CLIENT_USER,
    SLOT_COUNT = SLOT_CLIENT_USER
};

/* A sub-table; its user value is the request. */
struct view {
    struct box *box;
};

static const char *const type_names[KIND_COUNT] = {"gateway.request",          "gateway.request.user",  "gateway.request.client",
                                                   "gateway.request.estimate", "gateway.request.needs", "gateway.request.client.headers"};
static const char *const shown_names[KIND_COUNT] = {"request",          "request.user",  "request.client",
                                                    "request.estimate", "request.needs", "request.client.headers"};

static const char *const request_facts[] = {"id",         "model",       "dialect",    "route",    "stream",     "user",
                                            "client",     "strategy",    "preference", "fallback", "replayable", "estimate",
                                            "max_tokens", "temperature", "needs",      "affinity", "turn",       "now",
                                            "random",     "waited_ms",   "targets",    "unfit",    "body",       NULL};
enum {
    FACT_ID = 1,
    FACT_MODEL,
    FACT_DIALECT,
    FACT_ROUTE,
    FACT_STREAM,
    FACT_USER,
    FACT_CLIENT,
    FACT_STRATEGY,
    FACT_PREFERENCE,
    FACT_FALLBACK,
    FACT_REPLAYABLE,
    FACT_ESTIMATE,
    FACT_MAX_TOKENS,
    FACT_TEMPERATURE,
    FACT_NEEDS,
    FACT_AFFINITY,
    FACT_TURN,
    FACT_NOW,
    FACT_RANDOM,
    FACT_WAITED_MS,
    FACT_TARGETS,
    FACT_UNFIT,
    FACT_BODY
};
static const char *const user_facts[] = {"id", "tier", "name", "metadata", NULL};
enum { USER_ID = 1, USER_TIER, USER_NAME, USER_METADATA };
static const char *const client_facts[] = {"user", "metadata", "headers", "address", NULL};
enum { CLIENT_USER = 1, CLIENT_METADATA, CLIENT_HEADERS, CLIENT_ADDRESS };
static const char *const estimate_facts[] = {"input_tokens", "output_tokens", NULL};
enum { ESTIMATE_INPUT = 1, ESTIMATE_OUTPUT };
static const char *const needs_facts[] = {"tools", "vision", "json_schema", "reasoning", "audio", "document", "context", NULL};
enum { NEEDS_CONTEXT = 7 };
static const char *const no_facts[] = {NULL};
static const char *const *const facts_of_kind[KIND_COUNT] = {request_facts,  user_facts,  client_facts,
                                                             estimate_facts, needs_facts, no_facts};

/* ---------------------------------------------------------------- sub-tables */

/* Pushes what was kept in this slot of the request at 1; false: nothing yet, nothing pushed. */
static bool push_kept(lua_State *L, enum slot slot)
{
    if (lua_getiuservalue(L, 1, slot) != LUA_TNIL)
        return true;
    lua_pop(L, 1);
    return false;
}

static void keep(lua_State *L, enum slot slot)
{
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, slot);
}

static void push_view(lua_State *L, struct box *box, enum kind kind, enum slot slot)
{
    if (push_kept(L, slot))
        return;
    struct view *view = lua_newuserdatauv(L, sizeof *view, 1);
    view->box = box;
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, type_names[kind]);
    keep(L, slot);
}

/* Pushes JSON text as a read-only table, kept in a slot of the request at `request`. Empty text: an empty table. */
static void push_json(lua_State *L, struct pipeline_run *run, int request, struct slice json, enum slot slot, const char *name)
{
    if (lua_getiuservalue(L, request, slot) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    call_charge(L, json.len);
    push_slice(L, json.len == 0 ? LIT("{}") : json);
    lua_pushstring(L, name);
    call_kept(L, run->script->refs.decode, 2, 1);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, request, slot);
}

/* ---------------------------------------------------------------- facts of the request */

/* Equal for every turn of one conversation of one caller: the caller's key digest hashes what stands before its second turn. */
static void push_affinity(lua_State *L, const struct request *request)
{
    uint8_t key[16] = {0};
    char text[16];
    if (request->user != NULL)
        memcpy(key, request->user->digest, sizeof key);
    uint64_t hash = hash_sip(key, request->facts.opening_json);
    hash_to_hex((const uint8_t *)&hash, sizeof hash, text);
    lua_pushlstring(L, text, sizeof text);
}

static int decode_body(lua_State *L) /* upvalue 1: the request */
{
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    struct pipeline_run *run = request_run(L, 1);
    if (run->request->body.len == 0) { /* let go of: what was decoded before stands, or nil */
        lua_getiuservalue(L, 1, SLOT_BODY);
        return 1;
    }
    call_feeding(L, true);
    push_json(L, run, 1, run->request->body, SLOT_BODY, "request.body()");
    call_feeding(L, false);
    return 1;
}

static void push_list(lua_State *L, struct pipeline_run *run, enum slot slot)
{
    if (push_kept(L, slot))
        return;
    if (slot == SLOT_TARGETS)
        target_push_list(L, run->script, run->request);
    else
        target_push_unfit(L, run->script, run->request);
    keep(L, slot);
}

static int push_plain_fact(lua_State *L, const struct request *request, lua_Integer fact)
{
    switch (fact) {
    case FACT_ID:
        lua_pushlstring(L, request->id, 32);
        break;
    case FACT_MODEL:
        push_slice(L, request->model_name);
        break;
    case FACT_DIALECT:
        lua_pushstring(L, request->route->wire->name);
        break;
    case FACT_ROUTE:
        lua_pushstring(L, request->route->path);
        break;
    case FACT_STREAM:
        lua_pushboolean(L, request->facts.stream);
        break;
    case FACT_STRATEGY:
        push_slice(L, request->strategy);
        break;
    case FACT_PREFERENCE:
        push_slice(L, request->preference);
        break;
    case FACT_FALLBACK:
        lua_pushboolean(L, request->fallback);
        break;
    case FACT_REPLAYABLE:
        lua_pushboolean(L, request->replayable);
        break;
    case FACT_MAX_TOKENS:
        if (request->facts.max_tokens < 0)
            lua_pushnil(L);
        else
            lua_pushinteger(L, request->facts.max_tokens);
        break;
    case FACT_TEMPERATURE:
        if (isnan(request->facts.temperature))
            lua_pushnil(L);
        else
            lua_pushnumber(L, request->facts.temperature);
        break;
    case FACT_AFFINITY:
        push_affinity(L, request);
        break;
    case FACT_TURN:
        lua_pushinteger(L, (lua_Integer)request->turn);
        break;
    case FACT_NOW:
        lua_pushnumber(L, seconds_of_us(loop_wall_us(request->worker->loop)));
        break;
    case FACT_RANDOM:
        lua_pushnumber(L, request->random);
        break;
    case FACT_WAITED_MS:
        lua_pushnumber(L, (double)request->waited_us / 1e3);
        break;
    default:
        lua_pushnil(L);
    }
    return 1;
}

static int push_request_fact(lua_State *L, struct pipeline_run *run, lua_Integer fact)
{
    struct box *box = lua_touserdata(L, 1);
    switch (fact) {
    case FACT_USER:
        push_view(L, box, KIND_USER, SLOT_USER);
        return 1;
    case FACT_CLIENT:
        push_view(L, box, KIND_CLIENT, SLOT_CLIENT);
        return 1;
    case FACT_ESTIMATE:
        push_view(L, box, KIND_ESTIMATE, SLOT_ESTIMATE);
        return 1;
    case FACT_NEEDS:
        push_view(L, box, KIND_NEEDS, SLOT_NEEDS);
        return 1;
    case FACT_TARGETS:
        push_list(L, run, SLOT_TARGETS);
        return 1;
    case FACT_UNFIT:
        push_list(L, run, SLOT_UNFIT);
        return 1;
    case FACT_BODY:
        lua_pushvalue(L, 1);
        lua_pushcclosure(L, decode_body, 1);
        return 1;
    default:
        return push_plain_fact(L, run->request, fact);
    }
}

/* ---------------------------------------------------------------- facts of the sub-tables */

static int push_user_fact(lua_State *L, struct pipeline_run *run, lua_Integer fact)
{
    const struct user *user = run->request->user;
    if (fact == USER_METADATA) {
        lua_getiuservalue(L, 1, 1);
        push_json(L, run, lua_gettop(L), user == NULL ? SLICE_NONE : user->metadata_json, SLOT_METADATA, "request.user.metadata");
    } else if (user == NULL) {
        push_slice(L, fact == USER_TIER ? LIT("default") : LIT("anonymous"));
    } else {
        push_slice(L, fact == USER_ID ? user->id : fact == USER_TIER ? user->tier : user->name);
    }
    return 1;
}

static int push_client_fact(lua_State *L, struct pipeline_run *run, lua_Integer fact)
{
    struct request *request = run->request;
    if (fact == CLIENT_ADDRESS) {
        push_slice(L, request_client_address(request));
        return 1;
    }
    lua_getiuservalue(L, 1, 1);
    lua_replace(L, 1); /* what is made is kept with the request */
    if (fact == CLIENT_USER) {
        if (!push_kept(L, SLOT_CLIENT_USER)) {
            call_feeding(L, true);
            push_slice(L, json_unescape(&request->arena, request->facts.user_raw));
            call_feeding(L, false);
            keep(L, SLOT_CLIENT_USER);
        }
    } else if (fact == CLIENT_METADATA) {
        call_feeding(L, true);
        push_json(L, run, 1, request->facts.metadata_json, SLOT_CLIENT_METADATA, "request.client.metadata");
        call_feeding(L, false);
    } else {
        push_view(L, lua_touserdata(L, 1), KIND_HEADERS, SLOT_HEADERS);
    }
    return 1;
}

static int push_needs_fact(lua_State *L, const struct request *request, lua_Integer fact)
{
    if (fact == NEEDS_CONTEXT)
        lua_pushinteger(L, request->input_tokens + request->expected_tokens);
    else
        lua_pushboolean(L, (request->facts.needs >> (fact - 1) & 1) != 0);
    return 1;
}

static int push_sub_fact(lua_State *L, struct pipeline_run *run, enum kind kind, lua_Integer fact)
{
    switch (kind) {
    case KIND_USER:
        return push_user_fact(L, run, fact);
    case KIND_CLIENT:
        return push_client_fact(L, run, fact);
    case KIND_ESTIMATE:
        lua_pushinteger(L, fact == ESTIMATE_INPUT ? run->request->input_tokens : run->request->expected_tokens);
        return 1;
    default:
        return push_needs_fact(L, run->request, fact);
    }
}

/* ---------------------------------------------------------------- metamethods; upvalues: name -> fact, the kind */

static int no_such_fact(lua_State *L, enum kind kind)
{
    const char *key = text_or(L, 2, luaL_typename(L, 2));
    return luaL_error(L, "%s has no fact '%s'", shown_names[kind], key);
}

static struct pipeline_run *check_open(lua_State *L, const struct box *box)
{
    if (box->run == NULL)
        luaL_error(L, "the request is over");
    return box->run;
}

static int read_request(lua_State *L)
{
    struct pipeline_run *run = check_open(L, lua_touserdata(L, 1));
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER)
        return no_such_fact(L, KIND_REQUEST);
    return push_request_fact(L, run, lua_tointeger(L, -1));
}

static int read_view(lua_State *L)
{
    const struct view *view = lua_touserdata(L, 1);
    enum kind kind = (enum kind)lua_tointeger(L, lua_upvalueindex(2));
    struct pipeline_run *run = check_open(L, view->box);
    lua_settop(L, 2);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER)
        return no_such_fact(L, kind);
    return push_sub_fact(L, run, kind, lua_tointeger(L, -1));
}

/* request.client.headers["user-agent"]: those on the allow-list, else nil. */
static int read_header(lua_State *L)
{
    const struct view *view = lua_touserdata(L, 1);
    const struct request *request = check_open(L, view->box)->request;
    if (lua_type(L, 2) != LUA_TSTRING)
        return no_such_fact(L, KIND_HEADERS);
    struct slice value = request_client_header(request, lua_tostring(L, 2));
    if (value.ptr == NULL)
        lua_pushnil(L);
    else
        push_slice(L, value);
    return 1;
}

static int refuse_write(lua_State *L) /* upvalue 1: the kind */
{
    const char *key = text_or(L, 2, luaL_typename(L, 2));
    return luaL_error(L, "the facts of %s are read-only ('%s')", shown_names[lua_tointeger(L, lua_upvalueindex(1))], key);
}

/* What pairs goes on with; upvalues: name -> fact, the kind. Facts that are nil are passed over. */
static int next_fact(lua_State *L)
{
    enum kind kind = (enum kind)lua_tointeger(L, lua_upvalueindex(2));
    lua_Integer at = 0;
    luaL_checkudata(L, 1, type_names[kind]);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        lua_pushvalue(L, 2);
        if (lua_rawget(L, lua_upvalueindex(1)) != LUA_TNUMBER)
            return no_such_fact(L, kind);
        at = lua_tointeger(L, -1);
    }
    for (; facts_of_kind[kind][at] != NULL; at++) {
        lua_pushstring(L, facts_of_kind[kind][at]);
        lua_pushvalue(L, -1);
        if (lua_gettable(L, 1) != LUA_TNIL)
            return 2;
        lua_pop(L, 2);
    }
    return 0;
}

int request_pairs(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

static void push_names(lua_State *L, const char *const *names)
{
    lua_newtable(L);
    for (int i = 0; names[i] != NULL; i++) {
        set_int(L, names[i], i + 1);
    }
}

static void open_type(lua_State *L, enum kind kind)
{
    luaL_newmetatable(L, type_names[kind]);
    push_names(L, facts_of_kind[kind]);
    lua_pushvalue(L, -1);
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, kind == KIND_REQUEST ? read_request : kind == KIND_HEADERS ? read_header : read_view, 2);
    lua_setfield(L, -3, "__index");
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, next_fact, 2);
    lua_pushcclosure(L, request_pairs, 1);
    lua_setfield(L, -2, "__pairs");
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, refuse_write, 1);
    lua_setfield(L, -2, "__newindex");
    set_bool(L, "__metatable", false);
    lua_pop(L, 1);
}

void request_open_types(lua_State *L)
{
    for (enum kind kind = 0; kind < KIND_COUNT; kind++)
        open_type(L, kind);
    luaL_getmetatable(L, type_names[KIND_REQUEST]);
    lua_rawsetp(L, LUA_REGISTRYINDEX, type_names); /* found faster than by its name: one is set per request */
}

struct box *request_push_box(lua_State *L, struct pipeline_run *run)
{
    struct box *box = lua_newuserdatauv(L, sizeof *box, SLOT_COUNT);
    box->run = run;
    lua_rawgetp(L, LUA_REGISTRYINDEX, type_names);
    lua_setmetatable(L, -2);
    return box;
}

void request_forget_lists(lua_State *L, int index)
{
    int at = lua_absindex(L, index);
    for (enum slot slot = SLOT_TARGETS; slot <= SLOT_UNFIT; slot++) {
        lua_pushnil(L);
        lua_setiuservalue(L, at, slot);
    }
}

struct pipeline_run *request_run(lua_State *L, int index)
{
    return check_open(L, lua_touserdata(L, index));
}
