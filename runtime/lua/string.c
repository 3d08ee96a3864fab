/* string.c -- the string library of policies.
 *
 * byte char find format gmatch gsub len lower match rep reverse sub upper: the names and results of Lua's own, with these differences:
 * patterns run on pattern.c, work is charged to the call in progress, no result is longer than SANDBOX_TEXT_MAX, and no
 * address is ever printed (it would differ from run to run). dump, pack, unpack and packsize are not there.
 * SPDX-License-Identifier: MIT */
#include "lua/string.h"
#include "lua/bindings.h"
#include "lua/call.h"
#include "lua/pattern.h"
#include <string.h>

enum { BYTES_PER_STEP = 32, VALUES_MAX = 4096, CONVERSION_STEPS = 64, PIECE_BYTES = 8 };

static void charge_bytes(lua_State *L, size_t len)
{
    if (len >= BYTES_PER_STEP)
        call_charge(L, len / BYTES_PER_STEP);
}

/* ---------------------------------------------------------------- patterns */

static void compile(lua_State *L, struct pattern *pattern, const char *text, size_t len, bool anchors)
{
    const char *complaint = pattern_compile(pattern, text, len, anchors);
    if (complaint != NULL)
        luaL_error(L, "%s", complaint);
}

/* Charges what a search used; when everything is used up the call is over. */
static bool settle(lua_State *L, enum pattern_result result, int64_t before, int64_t after)
{
    call_charge(L, (size_t)(before - (after > 0 ? after : 0)));
    if (result == PATTERN_EXHAUSTED)
        luaL_error(L, "the pattern takes too many steps"); /* only without a call in progress */
    return result == PATTERN_YES;
}

static bool search(lua_State *L, const struct pattern *pattern, const char *subject, size_t len, size_t from, struct pattern_match *match)
{
    int64_t before = call_left(L), steps = before;
    enum pattern_result result = pattern_search(pattern, subject, len, from, match, &steps);
    return settle(L, result, before, steps);
}

static void push_capture(lua_State *L, const char *subject, const struct pattern_capture *capture)
{
    if (capture->len == PATTERN_POSITION)
        lua_pushinteger(L, (lua_Integer)capture->start + 1);
    else
        lua_pushlstring(L, subject + capture->start, (size_t)capture->len);
}

/* All captures, or the whole match where the pattern has none and `whole` says so. */
static int push_captures(lua_State *L, const struct pattern *pattern, const char *subject, const struct pattern_match *match, bool whole)
{
    if (pattern->capture_count == 0 && whole) {
        lua_pushlstring(L, subject + match->start, match->end - match->start);
        return 1;
    }
    luaL_checkstack(L, (int)pattern->capture_count, "too many captures");
    for (unsigned i = 0; i < pattern->capture_count; i++)
        push_capture(L, subject, &match->captures[i]);
    return (int)pattern->capture_count;
}

/* The 1-based, perhaps negative `init` as an offset; len + 1 where it lies beyond the end. */
static size_t offset_of(lua_Integer init, size_t len)
{
    if (init > 0)
        return (size_t)init - 1 <= len ? (size_t)init - 1 : len + 1;
    if (init == 0 || init < -(lua_Integer)len)
        return 0;
    return len - (size_t)-init;
}

static int find_plain(lua_State *L, const char *subject, size_t len, size_t from, const char *needle, size_t needle_len)
{
    const char *found;
    charge_bytes(L, len - from + needle_len);
    found = memmem(subject + from, len - from, needle, needle_len);
    if (found == NULL) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject + 1);
    lua_pushinteger(L, found - subject + (lua_Integer)needle_len);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t len, pattern_len, from;
    const char *subject = luaL_checklstring(L, 1, &len), *text = luaL_checklstring(L, 2, &pattern_len);
    struct pattern pattern;
    struct pattern_match match;
    from = offset_of(luaL_optinteger(L, 3, 1), len);
    if (from > len) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || strcspn(text, "^$*+?.([%-") == pattern_len))
        return find_plain(L, subject, len, from, text, pattern_len);
    compile(L, &pattern, text, pattern_len, true);
    if (!search(L, &pattern, subject, len, from, &match)) {
        lua_pushnil(L);
        return 1;
    }
    if (!find)
        return push_captures(L, &pattern, subject, &match, true);
    lua_pushinteger(L, (lua_Integer)match.start + 1);
    lua_pushinteger(L, (lua_Integer)match.end);
    return push_captures(L, &pattern, subject, &match, false) + 2;
}

/* string.find(s, pattern [, init [, plain]]) */
static int string_find(lua_State *L)
{
    return find_or_match(L, true);
}

/* string.match(s, pattern [, init]) */
static int string_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* The iterator of gmatch. Upvalues: subject, pattern, next offset, where the last match ended (or -1). */
static int gmatch_next(lua_State *L)
{
    size_t len, pattern_len;
    const char *subject = lua_tolstring(L, lua_upvalueindex(1), &len), *text = lua_tolstring(L, lua_upvalueindex(2), &pattern_len);
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    struct pattern pattern;
    struct pattern_match match;
    compile(L, &pattern, text, pattern_len, false);
    for (size_t at = (size_t)lua_tointeger(L, lua_upvalueindex(3)); at <= len; at++) {
        if (!search(L, &pattern, subject, len, at, &match))
            break;
        at = match.start;
        if ((lua_Integer)match.end == last) /* an empty match right behind the last one */
            continue;
        lua_pushinteger(L, (lua_Integer)match.end);
        lua_copy(L, -1, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(L, &pattern, subject, &match, true);
    }
    lua_pushinteger(L, (lua_Integer)len + 1);
    lua_replace(L, lua_upvalueindex(3));
    return 0;
}

/* string.gmatch(s, pattern [, init]) -> iterator */
static int string_gmatch(lua_State *L)
{
    size_t len, pattern_len;
    const char *text;
    struct pattern pattern;
    luaL_checklstring(L, 1, &len);
    text = luaL_checklstring(L, 2, &pattern_len);
    compile(L, &pattern, text, pattern_len, false);
    lua_settop(L, 3);
    lua_pushinteger(L, (lua_Integer)offset_of(luaL_optinteger(L, 3, 1), len));
    lua_replace(L, 3);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, gmatch_next, 4);
    return 1;
}

struct gsub {
    const struct pattern *pattern;
    const char *subject;
    const struct pattern_match *match;
    size_t made;
};

static void add_bounded(lua_State *L, luaL_Buffer *buffer, struct gsub *gsub, const char *text, size_t len)
{
    gsub->made += len;
    if (gsub->made > SANDBOX_TEXT_MAX)
        luaL_error(L, "resulting string too large");
    luaL_addlstring(buffer, text, len);
}

/* Adds the replacement text with its %0 to %9 filled in. */
static void add_template(lua_State *L, luaL_Buffer *buffer, struct gsub *gsub)
{
    size_t len, piece_len;
    const char *text = lua_tolstring(L, 3, &len), *end = text + len;
    while (text < end) {
        const char *percent = memchr(text, '%', (size_t)(end - text));
        unsigned index;
        add_bounded(L, buffer, gsub, text, (size_t)((percent != NULL ? percent : end) - text));
        if (percent == NULL)
            return;
        text = percent + 2;
        if (percent + 1 < end && percent[1] == '%') {
            add_bounded(L, buffer, gsub, "%", 1);
            continue;
        }
        if (percent + 1 == end || percent[1] < '0' || percent[1] > '9')
            luaL_error(L, "invalid use of '%%' in replacement string");
        index = (unsigned)(percent[1] - '0');
        if (index == 0 || (index == 1 && gsub->pattern->capture_count == 0)) {
            add_bounded(L, buffer, gsub, gsub->subject + gsub->match->start, gsub->match->end - gsub->match->start);
            continue;
        }
        if (index > gsub->pattern->capture_count)
            luaL_error(L, "invalid capture index %%%d in replacement string", (int)index);
        push_capture(L, gsub->subject, &gsub->match->captures[index - 1]);
        lua_tolstring(L, -1, &piece_len); /* a position becomes text */
        gsub->made += piece_len;
        if (gsub->made > SANDBOX_TEXT_MAX)
            luaL_error(L, "resulting string too large");
        luaL_addvalue(buffer);
    }
}

/* Adds what the table or function says in place of the match; false or nil keep it. */
static void add_answer(lua_State *L, luaL_Buffer *buffer, struct gsub *gsub)
{
    size_t len;
    if (lua_type(L, 3) == LUA_TTABLE) {
        if (gsub->pattern->capture_count > 0)
            push_capture(L, gsub->subject, &gsub->match->captures[0]);
        else
            lua_pushlstring(L, gsub->subject + gsub->match->start, gsub->match->end - gsub->match->start);
        lua_gettable(L, 3);
    } else {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(L, gsub->pattern, gsub->subject, gsub->match, true), 1);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add_bounded(L, buffer, gsub, gsub->subject + gsub->match->start, gsub->match->end - gsub->match->start);
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    lua_tolstring(L, -1, &len);
    gsub->made += len;
    if (gsub->made > SANDBOX_TEXT_MAX)
        luaL_error(L, "resulting string too large");
    luaL_addvalue(buffer);
}

/* string.gsub(s, pattern, replacement [, n]) -> text, count */
static int string_gsub(lua_State *L)
{
    size_t len, pattern_len, at = 0, last = SIZE_MAX;
    const char *subject = luaL_checklstring(L, 1, &len), *text = luaL_checklstring(L, 2, &pattern_len);
    int type = lua_type(L, 3);
    lua_Integer count = 0, most = luaL_optinteger(L, 4, (lua_Integer)len + 1);
    struct pattern pattern;
    struct pattern_match match;
    struct gsub gsub = {.pattern = &pattern, .subject = subject, .match = &match};
    luaL_Buffer buffer;
    int64_t before, steps;
    luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
                     "string/function/table");
    compile(L, &pattern, text, pattern_len, true);
    lua_settop(L, 3);
    if (type == LUA_TNUMBER)
        lua_tostring(L, 3);
    before = steps = call_left(L);
    luaL_buffinit(L, &buffer);
    while (count < most) {
        enum pattern_result result = pattern_match_at(&pattern, subject, len, at, &match, &steps);
        if (result == PATTERN_EXHAUSTED)
            settle(L, result, before, steps);
        if (result == PATTERN_YES && match.end != last) {
            count++;
            if (type == LUA_TNUMBER || type == LUA_TSTRING) {
                add_template(L, &buffer, &gsub);
            } else { /* which may do work of its own */
                settle(L, result, before, steps);
                add_answer(L, &buffer, &gsub);
                before = steps = call_left(L);
            }
            at = last = match.end;
        } else if (at < len) {
            add_bounded(L, &buffer, &gsub, subject + at++, 1);
        } else {
            break;
        }
        if (pattern.anchored)
            break;
    }
    settle(L, PATTERN_NO, before, steps);
    add_bounded(L, &buffer, &gsub, subject + at, len - at);
    luaL_pushresult(&buffer);
    lua_pushinteger(L, count);
    return 2;
}

/* ---------------------------------------------------------------- the rest */

/* string.rep(s, n [, separator]) */
static int string_rep(lua_State *L)
{
    size_t len, separator_len;
    const char *text = luaL_checklstring(L, 1, &len), *separator = luaL_optlstring(L, 3, "", &separator_len);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_Buffer buffer;
    if (n <= 0 || len + separator_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((uint64_t)n > SANDBOX_TEXT_MAX / (len + separator_len))
        return luaL_error(L, "resulting string too large");
    charge_bytes(L, (size_t)n * (len + separator_len + PIECE_BYTES));
    luaL_buffinitsize(L, &buffer, (size_t)n * (len + separator_len));
    for (; n > 0; n--) {
        luaL_addlstring(&buffer, text, len);
        if (n > 1)
            luaL_addlstring(&buffer, separator, separator_len);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* string.byte(s [, i [, j]]) */
static int string_byte(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    lua_Integer i = luaL_optinteger(L, 2, 1), j;
    size_t from = offset_of(i, len), to;
    j = luaL_optinteger(L, 3, i);
    to = j < 0 ? (j < -(lua_Integer)len ? 0 : len - (size_t)-j + 1) : (size_t)j < len ? (size_t)j : len;
    if (from >= to)
        return 0;
    if (to - from > VALUES_MAX)
        return luaL_error(L, "string slice too long");
    call_charge(L, to - from);
    luaL_checkstack(L, (int)(to - from), "string slice too long");
    for (size_t at = from; at < to; at++)
        lua_pushinteger(L, (unsigned char)text[at]);
    return (int)(to - from);
}

void string_push_text(lua_State *L, int index)
{
    int type = lua_type(L, index);
    index = lua_absindex(L, index);
    if (type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN || type == LUA_TNIL ||
        luaL_getmetafield(L, index, "__tostring") != LUA_TNIL) {
        if (type != LUA_TSTRING && type != LUA_TNUMBER && type != LUA_TBOOLEAN && type != LUA_TNIL)
            lua_pop(L, 1);
        luaL_tolstring(L, index, NULL);
        return;
    }
    lua_pushstring(L, lua_typename(L, type));
}

/* string.format(format, ...): upvalue 1 is Lua's own */
static int string_format(lua_State *L)
{
    const char *format = luaL_checkstring(L, 1);
    size_t total = 0, len, conversions = 0;
    int top = lua_gettop(L);
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(at + 1, '%')) {
        at += 1 + strspn(at + 1, "-+ #0123456789.");
        if (*at == 'p')
            return luaL_error(L, "invalid conversion '%%p' to 'format'");
        if (*at == '\0')
            break;
        conversions++;
    }
    for (int i = 1; i <= top; i++) {
        if (lua_type(L, i) > LUA_TSTRING) { /* a table, function or userdata: never by its address */
            string_push_text(L, i);
            lua_replace(L, i);
        }
        if (lua_type(L, i) == LUA_TSTRING) {
            lua_tolstring(L, i, &len);
            total += len;
        }
    }
    if (total > SANDBOX_TEXT_MAX)
        return luaL_error(L, "resulting string too large");
    charge_bytes(L, total * 8);
    if (conversions > VALUES_MAX / CONVERSION_STEPS) /* "%99.99f" of 1e308 is 400 bytes, made digit by digit */
        call_charge(L, conversions * CONVERSION_STEPS);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, top, 1);
    return 1;
}

/* The functions whose time is the length of their first argument: upvalue 1 is Lua's own, a light C function. */
static int string_charged(lua_State *L)
{
    if (lua_type(L, 1) == LUA_TSTRING)
        charge_bytes(L, lua_rawlen(L, 1));
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void string_push_safe(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"byte", string_byte}, {"find", string_find}, {"gmatch", string_gmatch}, {"gsub", string_gsub}, {"match", string_match},
        {"rep", string_rep},   {NULL, NULL},
    };
    static const char *const charged[] = {"char", "len", "lower", "reverse", "sub", "upper"};
    luaL_newlib(L, functions);
    for (size_t i = 0; i < sizeof charged / sizeof *charged; i++) {
        lua_getfield(L, -2, charged[i]);
        lua_pushcclosure(L, string_charged, 1);
        lua_setfield(L, -2, charged[i]);
    }
    lua_getfield(L, -2, "format");
    lua_pushcclosure(L, string_format, 1);
    lua_setfield(L, -2, "format");
    lua_remove(L, -2);
}
