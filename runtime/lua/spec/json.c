/* json.c -- the JSON reader and the insides of its strings and numbers, for specs.
 *
 *      json.check(text [, depth]) -> true, or nil, what is wrong, at which offset
 *      local reader = json.reader(text [, depth])      one method per call of base/json.h:
 *      reader:peek() offset() object() member() array() element() string() number() bool() skip() take_null() finish() error()
 *      json.find(object, key), find_string; raw_equals(raw, plain); to_count(number), to_double
 *      json.escape(text [, room]), unescape(raw [, room]) -> text, borrowed: it is the argument itself; nil: the arena is full
 *      json.append_escaped(text [, limit]), append_unescaped, append_string -> text; nil: the buffer overflowed
 *
 * Every text is copied to a heap block that ends with it, so that AddressSanitizer sees a read past the end.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "lua/spec/bindings.h"

#define READER "gateway.json.reader"

/* Leaves the block on the stack: it lives as long as the caller keeps it there. */
static struct slice check_exact(lua_State *L, int index)
{
    struct slice text;
    text.ptr = luaL_checklstring(L, index, &text.len);
    char *copy = lua_newuserdatauv(L, text.len, 0);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct slice){copy, text.len};
}

/* A slice, or nil for SLICE_NONE. */
static int push_text(lua_State *L, struct slice text)
{
    if (text.ptr == NULL)
        lua_pushnil(L);
    else
        lua_pushlstring(L, text.ptr, text.len);
    return 1;
}

static unsigned opt_depth(lua_State *L, int index)
{
    lua_Integer depth = luaL_optinteger(L, index, JSON_DEPTH_MAX);
    luaL_argcheck(L, depth >= 0 && depth <= 1000, index, "depth");
    return (unsigned)depth;
}

static int check(lua_State *L)
{
    struct json json;
    unsigned depth = opt_depth(L, 2);
    json_init(&json, check_exact(L, 1), depth);
    if (json_skip(&json, NULL) && json_finish(&json)) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, json_error_text(json.error));
    lua_pushinteger(L, (lua_Integer)json_offset(&json));
    return 3;
}

/* ---------------------------------------------------------------- the pull reader */

static int reader_new(lua_State *L)
{
    unsigned depth = opt_depth(L, 2);
    struct json *json = lua_newuserdatauv(L, sizeof *json, 1);
    json_init(json, check_exact(L, 1), depth);
    lua_setiuservalue(L, -2, 1);
    luaL_setmetatable(L, READER);
    return 1;
}

static struct json *check_reader(lua_State *L)
{
    return luaL_checkudata(L, 1, READER);
}

static int reader_peek(lua_State *L)
{
    static const char *const names[] = {"bad", "null", "false", "true", "number", "string", "array", "object"};
    lua_pushstring(L, names[json_peek(check_reader(L))]);
    return 1;
}

static int reader_offset(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)json_offset(check_reader(L)));
    return 1;
}

static int reader_plain(lua_State *L, bool (*call)(struct json *json))
{
    lua_pushboolean(L, call(check_reader(L)));
    return 1;
}

static int reader_object(lua_State *L)
{
    return reader_plain(L, json_object);
}

static int reader_array(lua_State *L)
{
    return reader_plain(L, json_array);
}

static int reader_element(lua_State *L)
{
    return reader_plain(L, json_element);
}

static int reader_take_null(lua_State *L)
{
    return reader_plain(L, json_take_null);
}

static int reader_finish(lua_State *L)
{
    return reader_plain(L, json_finish);
}

static int reader_text(lua_State *L, bool (*call)(struct json *json, struct slice *text))
{
    struct slice text = SLICE_NONE;
    return push_text(L, call(check_reader(L), &text) ? text : SLICE_NONE);
}

static int reader_member(lua_State *L)
{
    return reader_text(L, json_member);
}

static int reader_string(lua_State *L)
{
    return reader_text(L, json_string);
}

static int reader_number(lua_State *L)
{
    return reader_text(L, json_number);
}

static int reader_skip(lua_State *L)
{
    return reader_text(L, json_skip);
}

static int reader_bool(lua_State *L)
{
    bool value;
    if (json_bool(check_reader(L), &value))
        lua_pushboolean(L, value);
    else
        lua_pushnil(L);
    return 1;
}

static int reader_error(lua_State *L)
{
    const struct json *json = check_reader(L);
    if (json->error == JSON_OK)
        lua_pushnil(L);
    else
        lua_pushstring(L, json_error_text(json->error));
    return 1;
}

/* ---------------------------------------------------------------- texts and numbers */

static int find(lua_State *L)
{
    const char *key = luaL_checkstring(L, 2);
    return push_text(L, json_find(check_exact(L, 1), key));
}

static int find_string(lua_State *L)
{
    const char *key = luaL_checkstring(L, 2);
    return push_text(L, json_find_string(check_exact(L, 1), key));
}

static int raw_equals(lua_State *L)
{
    struct slice raw = check_exact(L, 1), plain = check_exact(L, 2);
    lua_pushboolean(L, json_raw_equals(raw, plain));
    return 1;
}

static int through_arena(lua_State *L, struct slice (*call)(struct arena *arena, struct slice text))
{
    lua_Integer room = luaL_optinteger(L, 2, 64 * 1024 * 1024);
    struct slice text = check_exact(L, 1), out = call(hold_arena(L, (size_t)room), text);
    push_text(L, out);
    lua_pushboolean(L, out.ptr == text.ptr);
    return 2;
}

static int escape(lua_State *L)
{
    return through_arena(L, json_escape);
}

static int unescape(lua_State *L)
{
    return through_arena(L, json_unescape);
}

static int through_buffer(lua_State *L, void (*append)(struct buffer *out, struct slice text))
{
    lua_Integer limit = luaL_optinteger(L, 2, 64 * 1024 * 1024);
    struct slice text = check_exact(L, 1);
    struct buffer *out = hold_buffer(L, (size_t)limit);
    append(out, text);
    if (out->overflow)
        lua_pushnil(L);
    else
        push_slice(L, buffer_slice(out));
    return 1;
}

static int append_escaped(lua_State *L)
{
    return through_buffer(L, json_append_escaped);
}

static int append_unescaped(lua_State *L)
{
    return through_buffer(L, json_append_unescaped);
}

static int append_string(lua_State *L)
{
    return through_buffer(L, json_append_string);
}

static int to_count(lua_State *L)
{
    int64_t count;
    if (json_to_count(check_exact(L, 1), &count))
        lua_pushinteger(L, count);
    else
        lua_pushnil(L);
    return 1;
}

static int to_double(lua_State *L)
{
    double number;
    if (json_to_double(check_exact(L, 1), &number))
        lua_pushnumber(L, number);
    else
        lua_pushnil(L);
    return 1;
}

int open_json(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"peek", reader_peek},           {"offset", reader_offset},
        {"object", reader_object},       {"member", reader_member},
        {"array", reader_array},         {"element", reader_element},
        {"string", reader_string},       {"number", reader_number},
        {"bool", reader_bool},           {"skip", reader_skip},
        {"finish", reader_finish},       {"error", reader_error},
        {"take_null", reader_take_null}, {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"check", check},
        {"reader", reader_new},
        {"find", find},
        {"find_string", find_string},
        {"raw_equals", raw_equals},
        {"escape", escape},
        {"unescape", unescape},
        {"to_count", to_count},
        {"append_escaped", append_escaped},
        {"append_unescaped", append_unescaped},
        {"to_double", to_double},
        {"append_string", append_string},
        {NULL, NULL},
    };
    new_type(L, READER, methods, NULL);
    luaL_newlib(L, functions);
    set_int(L, "depth_max", JSON_DEPTH_MAX);
    return 1;
}
