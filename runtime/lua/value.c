/* value.c -- JSON text to values of Lua and back.
 *
 * Lists that come out of JSON are marked with a metatable, so that an empty one goes back as []; a member that is null is not there, null in a list is
 * gateway.json's `null`, so that places stay. Numbers without a fraction or an exponent are integers as long as 64 bits hold them. Members are written in
 * one order whatever order Lua keeps them in (plain values by name, then tables by name), so that equal requests are equal bytes and providers'
 * prompt caches find them.
 * Source: RFC 8259.
 * SPDX-License-Identifier: MIT */
#include "lua/value.h"
#include "lua/bindings.h"
#include "lua/call.h"
#include "lua/string.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { NUMBER_MAX = 400, MEMBERS_MAX = 4096, CHARGE_BYTES = 4, TEXT_BYTES = 32, VALUE_STEPS = 4, VALUES_AT_ONCE = 256 };

static const char list_key = 0;

/* Pushes the metatable that marks lists; nil as long as none was made. Allocates nothing. */
static bool push_mark(lua_State *L)
{
    return lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key) == LUA_TTABLE;
}

static void make_mark(lua_State *L)
{
    if (push_mark(L))
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
}

static bool is_marked(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (!lua_getmetatable(L, index))
        return false;
    push_mark(L);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

bool value_is_list(lua_State *L, int index)
{
    return lua_rawlen(L, index) > 0 || is_marked(L, index);
}

/* ---------------------------------------------------------------- text to values */

static bool push_value(lua_State *L, struct json *json);

static void push_string(lua_State *L, struct slice raw)
{
    luaL_Buffer buffer;
    struct buffer out;
    if (raw.len == 0 || memchr(raw.ptr, '\\', raw.len) == NULL) {
        push_slice(L, raw);
        return;
    }
    out = (struct buffer){
        .ptr = luaL_buffinitsize(L, &buffer, raw.len), .cap = raw.len, .limit = raw.len}; /* never grows: it only gets shorter */
    json_append_unescaped(&out, raw);
    luaL_pushresultsize(&buffer, out.len);
}

static bool push_number(lua_State *L, struct slice raw)
{
    char text[NUMBER_MAX + 1];
    if (raw.len > NUMBER_MAX)
        return false;
    memcpy(text, raw.ptr, raw.len);
    text[raw.len] = '\0';
    if (strpbrk(text, ".eE") == NULL) {
        errno = 0;
        long long whole = strtoll(text, NULL, 10);
        if (errno == 0) {
            lua_pushinteger(L, whole);
            return true;
        }
    }
    double number;
    if (!json_to_double(raw, &number))
        return false;
    lua_pushnumber(L, number);
    return true;
}

/* What is made of a long text takes its time: charged on the way, so that a list that never ends is stopped. */
static void charge_one(lua_State *L, unsigned *count)
{
    if (++*count % VALUES_AT_ONCE == 0)
        call_charge(L, VALUES_AT_ONCE * VALUE_STEPS);
}

static bool push_list(lua_State *L, struct json *json)
{
    unsigned count = 0;
    lua_newtable(L);
    json_array(json);
    while (json_element(json)) {
        charge_one(L, &count);
        if (json_take_null(json))
            lua_pushlightuserdata(L, NULL);
        else if (!push_value(L, json))
            return false;
        lua_rawseti(L, -2, count);
    }
    call_charge(L, (1 + count % VALUES_AT_ONCE) * VALUE_STEPS);
    make_mark(L);
    lua_setmetatable(L, -2);
    return json->error == JSON_OK;
}

static bool push_object(lua_State *L, struct json *json)
{
    struct slice key;
    unsigned count = 0;
    lua_newtable(L);
    json_object(json);
    while (json_member(json, &key)) {
        charge_one(L, &count);
        push_string(L, key);
        if (json_take_null(json)) {
            lua_pop(L, 1);
            continue;
        }
        if (!push_value(L, json))
            return false;
        lua_rawset(L, -3);
    }
    call_charge(L, (1 + count % VALUES_AT_ONCE) * VALUE_STEPS);
    return json->error == JSON_OK;
}

static bool push_value(lua_State *L, struct json *json)
{
    struct slice raw;
    bool flag;
    luaL_checkstack(L, 8, "JSON");
    switch (json_peek(json)) {
    case JSON_OBJECT:
        return push_object(L, json);
    case JSON_ARRAY:
        return push_list(L, json);
    case JSON_STRING:
        return json_string(json, &raw) && (push_string(L, raw), true);
    case JSON_NUMBER:
        return json_number(json, &raw) && push_number(L, raw);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(json, &flag) && (lua_pushboolean(L, flag), true);
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        return json_skip(json, NULL);
    default:
        return false;
    }
}

bool value_push(lua_State *L, struct slice text)
{
    struct json json;
    int top = lua_gettop(L);
    json_init(&json, text, JSON_DEPTH_MAX);
    if (push_value(L, &json) && json_finish(&json))
        return true;
    lua_settop(L, top);
    return false;
}

/* ---------------------------------------------------------------- values to text */

struct member {
    struct slice key;
    int place; /* of the key on the stack */
    bool deep;
};

struct writing {
    lua_State *L;
    struct buffer *out;
    unsigned depth;
    size_t steps;          /* not yet charged */
    struct buffer members; /* a stack of struct member */
};

/* A table may hold another one twice, and that one a third: what is written may be far more than what was made. False: the call is over. */
static bool pay(struct writing *writing, size_t bytes)
{
    bool going = true;
    writing->steps += VALUE_STEPS + bytes / TEXT_BYTES;
    if (writing->steps >= VALUES_AT_ONCE * VALUE_STEPS) {
        going = call_spend(writing->L, writing->steps);
        writing->steps = 0;
    }
    return going;
}

static const char *write_value(struct writing *writing, int index);

static int compare_members(const void *a, const void *b)
{
    const struct member *left = a, *right = b;
    if (left->deep != right->deep)
        return left->deep ? 1 : -1;
    size_t shorter = left->key.len < right->key.len ? left->key.len : right->key.len;
    int order = memcmp(left->key.ptr, right->key.ptr, shorter);
    return order != 0 ? order : (left->key.len > right->key.len) - (left->key.len < right->key.len);
}

static const char *write_list(struct writing *writing, int index)
{
    lua_State *L = writing->L;
    lua_Unsigned len = lua_rawlen(L, index), count = 0;
    for (lua_pushnil(L); lua_next(L, index) != 0; lua_pop(L, 1), count++)
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || (lua_Unsigned)lua_tointeger(L, -2) > len) {
            lua_pop(L, 2);
            return "a list has other keys than 1, 2, 3 …";
        }
    if (count != len)
        return "a list has a hole: write gateway.json's null there";
    buffer_append_byte(writing->out, '[');
    for (lua_Unsigned i = 1; i <= len && !writing->out->overflow; i++) {
        if (i > 1)
            buffer_append_byte(writing->out, ',');
        lua_rawgeti(L, index, (lua_Integer)i);
        const char *why = write_value(writing, lua_gettop(L));
        lua_pop(L, 1);
        if (why != NULL)
            return why;
    }
    buffer_append_byte(writing->out, ']');
    return NULL;
}

/* Keys onto the stack, and what to sort them by beside it. */
static const char *gather(struct writing *writing, int index, unsigned *count)
{
    lua_State *L = writing->L;
    lua_pushnil(L);
    while (lua_next(L, index) != 0) {
        struct member member = {.place = lua_gettop(L) - 1, .deep = lua_istable(L, -1)};
        if (lua_type(L, -2) != LUA_TSTRING)
            return "an object has a key that is no text";
        if (++*count > MEMBERS_MAX || !lua_checkstack(L, 8))
            return "an object has too many members";
        member.key.ptr = lua_tolstring(L, -2, &member.key.len);
        buffer_append(&writing->members, &member, sizeof member);
        if (writing->members.overflow)
            return "there is no memory for its members";
        lua_pop(L, 1);
        lua_pushvalue(L, -1); /* one stays, one is for lua_next */
    }
    return NULL;
}

static const char *write_object(struct writing *writing, int index)
{
    lua_State *L = writing->L;
    int top = lua_gettop(L);
    size_t first = writing->members.len;
    unsigned count = 0;
    const char *why = gather(writing, index, &count);
    if (why == NULL && count > 1)
        qsort(writing->members.ptr + first, count, sizeof(struct member), compare_members);
    buffer_append_byte(writing->out, '{');
    for (unsigned i = 0; why == NULL && i < count && !writing->out->overflow; i++) {
        struct member member; /* the buffer moves while a value is written */
        memcpy(&member, writing->members.ptr + first + i * sizeof member, sizeof member);
        if (i > 0)
            buffer_append_byte(writing->out, ',');
        json_append_string(writing->out, member.key);
        buffer_append_byte(writing->out, ':');
        lua_pushvalue(L, member.place);
        lua_rawget(L, index);
        why = write_value(writing, lua_gettop(L));
        lua_pop(L, 1);
    }
    buffer_append_byte(writing->out, '}');
    writing->members.len = first;
    lua_settop(L, top);
    return why;
}

static const char *write_table(struct writing *writing, int index)
{
    lua_State *L = writing->L;
    bool marked = is_marked(L, index);
    const char *why;
    if (!marked && lua_getmetatable(L, index)) {
        lua_pop(L, 1);
        return "a table has a metatable";
    }
    if (++writing->depth > JSON_DEPTH_MAX || !lua_checkstack(L, 12))
        return "tables are nested deeper than 64";
    why = marked || lua_rawlen(L, index) > 0 ? write_list(writing, index) : write_object(writing, index);
    writing->depth--;
    return why;
}

/* As short as gives the same number back. */
static const char *write_number(struct writing *writing, int index)
{
    double number = lua_tonumber(writing->L, index);
    char text[40];
    if (lua_isinteger(writing->L, index)) {
        buffer_append_int(writing->out, lua_tointeger(writing->L, index));
        return NULL;
    }
    if (!isfinite(number))
        return "a number is not finite";
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    buffer_append_slice(writing->out, slice_of(text));
    if (strpbrk(text, ".e") == NULL)
        buffer_append_lit(writing->out, ".0");
    return NULL;
}

void value_write_plain(lua_State *L, int index, struct buffer *out)
{
    if (lua_type(L, index) == LUA_TSTRING)
        json_append_string(out, to_slice(L, index));
    else if (lua_isinteger(L, index))
        buffer_append_int(out, lua_tointeger(L, index));
    else if (lua_isnumber(L, index))
        buffer_printf(out, "%.17g", lua_tonumber(L, index));
    else
        buffer_append_slice(out, lua_toboolean(L, index) ? LIT("true") : LIT("false"));
}

static const char *write_value(struct writing *writing, int index)
{
    lua_State *L = writing->L;
    int type = lua_type(L, index);
    if (!pay(writing, type == LUA_TSTRING ? lua_rawlen(L, index) : 0))
        return "it takes too long to write";
    switch (type) {
    case LUA_TTABLE:
        return write_table(writing, index);
    case LUA_TNUMBER:
        return write_number(writing, index);
    case LUA_TSTRING:
    case LUA_TBOOLEAN:
        value_write_plain(L, index, writing->out);
        return NULL;
    case LUA_TLIGHTUSERDATA:
    case LUA_TNIL:
        buffer_append_lit(writing->out, "null");
        return NULL;
    default:
        return "a function cannot be JSON";
    }
}

const char *value_write(lua_State *L, int index, struct buffer *out)
{
    struct writing writing = {.L = L, .out = out};
    int top = lua_gettop(L);
    index = lua_absindex(L, index);
    buffer_init(&writing.members, (JSON_DEPTH_MAX + 1) * MEMBERS_MAX * sizeof(struct member));
    const char *why = lua_checkstack(L, 8) ? write_value(&writing, index) : "tables are nested too deep";
    if (!call_spend(L, writing.steps) && why == NULL)
        why = "it takes too long to write";
    buffer_free(&writing.members);
    lua_settop(L, top);
    return why;
}

/* ---------------------------------------------------------------- gateway.json, as adapters have it */

/* decode(text) -> value | nil, "not valid JSON" */
static int decode(lua_State *L)
{
    struct slice text = check_slice(L, 1);
    if (text.len > SANDBOX_TEXT_MAX)
        return luaL_error(L, "decode: the text is longer than %d KB", SANDBOX_TEXT_MAX / 1024);
    call_charge(L, text.len / CHARGE_BYTES);
    if (value_push(L, text))
        return 1;
    lua_pushnil(L);
    lua_pushliteral(L, "not valid JSON");
    return 2;
}

/* parse(text) -> value | nil, "no valid JSON": for the gateway's own use, of any length and without a charge for it */
static int parse(lua_State *L)
{
    struct slice text = check_slice(L, 1);
    if (value_push(L, text))
        return 1;
    lua_pushnil(L);
    lua_pushliteral(L, "no valid JSON");
    return 2;
}

static int push_result(lua_State *L) /* (struct buffer) -> text */
{
    const struct buffer *out = lua_touserdata(L, 1);
    return push_slice(L, buffer_slice(out));
}

/* encode(value) -> text; raises for what cannot be JSON */
static int encode(lua_State *L)
{
    struct buffer out;
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    buffer_init(&out, SANDBOX_TEXT_MAX);
    const char *why = value_write(L, 1, &out);
    if (why == NULL && out.overflow)
        why = "the text is longer than 1024 KB";
    size_t len = out.len;
    bool pushed = why != NULL || call_protected(L, push_result, &out, 0, 1); /* it may raise, and the buffer is held */
    buffer_free(&out);
    if (why != NULL)
        return luaL_error(L, "encode: %s", why);
    if (!pushed)
        return lua_error(L);
    call_charge(L, len / CHARGE_BYTES);
    return 1;
}

/* array([list]) -> the same table, marked as a list: an empty one is written as [] */
static int array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    if (lua_getmetatable(L, 1)) {
        lua_pop(L, 1);
        luaL_argcheck(L, is_marked(L, 1), 1, "this table has a metatable");
        return 1;
    }
    make_mark(L);
    lua_setmetatable(L, 1);
    return 1;
}

int open_value(lua_State *L)
{
    static const luaL_Reg functions[] = {{"decode", decode}, {"parse", parse}, {"encode", encode}, {"array", array}, {NULL, NULL}};
    make_mark(L);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
