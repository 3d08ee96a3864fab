/* base.c -- the small bricks of runtime/base for specs: slices, buffers, arenas, hashes, the failure table, the log.
 *
 *      base.slice.equals_nocase(a, b) starts_with(text, prefix) trim(text) find(text, needle) -> offset to_int(text)
 *      local buffer = base.buffer(limit)    append byte int printf reserve consume clear free text overflow
 *      local arena = base.arena(limit [, with a cache])    copy zalloc printf -> a number for read() and aligned();
 *                                                          used overflow free spare
 *      base.hash.from_hex sip equal random    base.clock_format(wall_us)
 *      base.failure.rows() kind_of(name) make(kind, message) phases() sents() deadlines()
 *      local log = base.log(file, level, format)    line event wants set_level format dropped close; base.log_begin(wall_us, level, event)
 *      local reader, writer = base.pipe([does not block])    Lua files
 * SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/failure.h"
#include "base/hash.h"
#include "base/log.h"
#include "lua/spec/bindings.h"

#define BUFFER_TYPE "gateway.base.buffer"
#define ARENA_TYPE  "gateway.base.arena"
#define LOG_TYPE    "gateway.base.log"

enum { PIECES_MAX = 4096 };

static int push_bool(lua_State *L, bool value)
{
    lua_pushboolean(L, value);
    return 1;
}

static int push_integer(lua_State *L, int64_t value)
{
    lua_pushinteger(L, value);
    return 1;
}

/* ---------------------------------------------------------------- slices */

static int slice_nocase(lua_State *L)
{
    return push_bool(L, slice_equals_nocase(check_slice(L, 1), check_slice(L, 2)));
}

static int slice_starts(lua_State *L)
{
    return push_bool(L, slice_starts_with(check_slice(L, 1), check_slice(L, 2)));
}

static int slice_trimmed(lua_State *L)
{
    return push_slice(L, slice_trim(check_slice(L, 1)));
}

static int slice_found(lua_State *L)
{
    struct slice text = check_slice(L, 1);
    const char *found = slice_find(text, check_slice(L, 2));
    if (found == NULL)
        lua_pushnil(L);
    else
        lua_pushinteger(L, found - text.ptr);
    return 1;
}

static int slice_int(lua_State *L)
{
    int64_t number;
    if (slice_to_int(check_slice(L, 1), &number))
        lua_pushinteger(L, number);
    else
        lua_pushnil(L);
    return 1;
}

/* ---------------------------------------------------------------- buffers */

static struct buffer *check_buffer(lua_State *L)
{
    return luaL_checkudata(L, 1, BUFFER_TYPE);
}

static int new_buffer(lua_State *L)
{
    size_t limit = (size_t)luaL_checkinteger(L, 1);
    struct buffer *buffer = lua_newuserdatauv(L, sizeof *buffer, 0);
    buffer_init(buffer, limit);
    luaL_setmetatable(L, BUFFER_TYPE);
    return 1;
}

static int buffer_append_face(lua_State *L)
{
    buffer_append_slice(check_buffer(L), check_slice(L, 2));
    return 0;
}

static int buffer_byte_face(lua_State *L)
{
    buffer_append_byte(check_buffer(L), (char)luaL_checkinteger(L, 2));
    return 0;
}

static int buffer_int_face(lua_State *L)
{
    buffer_append_int(check_buffer(L), luaL_checkinteger(L, 2));
    return 0;
}

static int buffer_printf_face(lua_State *L)
{
    buffer_printf(check_buffer(L), "%s:%d", luaL_checkstring(L, 2), (int)luaL_checkinteger(L, 3));
    return 0;
}

/* Fills what it was given, so that a short block is found. */
static int buffer_reserve_face(lua_State *L)
{
    size_t room = (size_t)luaL_checkinteger(L, 2);
    char *to = buffer_reserve(check_buffer(L), room);
    if (to != NULL)
        memset(to, 'r', room);
    return push_bool(L, to != NULL);
}

static int buffer_consume_face(lua_State *L)
{
    buffer_consume(check_buffer(L), (size_t)luaL_checkinteger(L, 2));
    return 0;
}

static int buffer_clear_face(lua_State *L)
{
    buffer_clear(check_buffer(L));
    return 0;
}

static int buffer_free_face(lua_State *L)
{
    buffer_free(check_buffer(L));
    return 0;
}

static int buffer_text_face(lua_State *L)
{
    return push_slice(L, buffer_slice(check_buffer(L)));
}

static int buffer_overflow_face(lua_State *L)
{
    return push_bool(L, check_buffer(L)->overflow);
}

/* ---------------------------------------------------------------- arenas */

struct held_arena {
    struct arena arena;
    struct arena_cache cache;
    struct slice pieces[PIECES_MAX];
    int count;
};

static struct held_arena *check_arena(lua_State *L)
{
    return luaL_checkudata(L, 1, ARENA_TYPE);
}

static int new_arena(lua_State *L)
{
    size_t limit = (size_t)luaL_checkinteger(L, 1);
    bool cached = lua_toboolean(L, 2);
    struct held_arena *held = lua_newuserdatauv(L, sizeof *held, 0);
    memset(held, 0, sizeof *held);
    arena_init(&held->arena, cached ? &held->cache : NULL, limit);
    luaL_setmetatable(L, ARENA_TYPE);
    return 1;
}

static int keep_piece(lua_State *L, struct held_arena *held, struct slice piece)
{
    if (piece.ptr == NULL)
        return 0;
    if (held->count == PIECES_MAX)
        return luaL_error(L, "too many pieces");
    held->pieces[held->count] = piece;
    return push_integer(L, ++held->count);
}

static struct slice check_piece(lua_State *L)
{
    const struct held_arena *held = check_arena(L);
    lua_Integer number = luaL_checkinteger(L, 2);
    luaL_argcheck(L, number >= 1 && number <= held->count, 2, "no such piece");
    return held->pieces[number - 1];
}

static int arena_copy_face(lua_State *L)
{
    struct held_arena *held = check_arena(L);
    struct slice text = check_slice(L, 2), copy = arena_copy(&held->arena, text);
    if (copy.ptr != NULL && copy.ptr[copy.len] != '\0')
        return luaL_error(L, "no NUL behind a copy");
    return keep_piece(L, held, copy);
}

static int arena_zalloc_face(lua_State *L)
{
    struct held_arena *held = check_arena(L);
    size_t size = (size_t)luaL_checkinteger(L, 2);
    return keep_piece(L, held, (struct slice){arena_zalloc(&held->arena, size), size});
}

static int arena_printf_face(lua_State *L)
{
    struct held_arena *held = check_arena(L);
    return keep_piece(L, held, arena_printf(&held->arena, "%s:%d", luaL_checkstring(L, 2), (int)luaL_checkinteger(L, 3)));
}

static int arena_read_face(lua_State *L)
{
    return push_slice(L, check_piece(L));
}

static int arena_aligned_face(lua_State *L)
{
    return push_bool(L, (uintptr_t)check_piece(L).ptr % _Alignof(max_align_t) == 0);
}

static int arena_used_face(lua_State *L)
{
    return push_integer(L, (int64_t)check_arena(L)->arena.used);
}

static int arena_overflow_face(lua_State *L)
{
    return push_bool(L, check_arena(L)->arena.overflow);
}

static int arena_spare_face(lua_State *L)
{
    return push_integer(L, check_arena(L)->cache.count);
}

static int arena_free_face(lua_State *L)
{
    struct held_arena *held = check_arena(L);
    arena_free(&held->arena);
    held->count = 0;
    return 0;
}

static int arena_gc(lua_State *L)
{
    struct held_arena *held = check_arena(L);
    arena_free(&held->arena);
    arena_cache_free(&held->cache);
    held->count = 0;
    return 0;
}

/* ---------------------------------------------------------------- hashes, the clock's text */

static int from_hex(lua_State *L)
{
    uint8_t bytes[64];
    size_t len = (size_t)luaL_checkinteger(L, 2);
    luaL_argcheck(L, len <= sizeof bytes, 2, "too long");
    if (!hash_from_hex(check_slice(L, 1), bytes, len))
        return 0;
    return push_slice(L, (struct slice){(const char *)bytes, len});
}

static int sip(lua_State *L)
{
    struct slice key = check_slice(L, 1);
    luaL_argcheck(L, key.len == 16, 1, "16 bytes");
    return push_integer(L, (int64_t)hash_sip((const uint8_t *)key.ptr, check_slice(L, 2)));
}

static int equal(lua_State *L)
{
    struct slice a = check_slice(L, 1), b = check_slice(L, 2);
    luaL_argcheck(L, a.len == b.len, 2, "as long as the first");
    return push_bool(L, hash_equal((const uint8_t *)a.ptr, (const uint8_t *)b.ptr, a.len));
}

static int random_bytes(lua_State *L)
{
    luaL_Buffer out;
    size_t len = (size_t)luaL_checkinteger(L, 1);
    char *to = luaL_buffinitsize(L, &out, len);
    hash_random(to, len);
    luaL_pushresultsize(&out, len);
    return 1;
}

static int clock_text(lua_State *L)
{
    char text[25];
    size_t len = clock_format(luaL_checkinteger(L, 1), text);
    return push_slice(L, (struct slice){text, len});
}

/* ---------------------------------------------------------------- the failure table */

static int failure_rows(lua_State *L)
{
    lua_createtable(L, FAILURE_COUNT, 0);
    for (int kind = 0; kind < FAILURE_COUNT; kind++) {
        const struct failure_row *row = failure_row((enum failure_kind)kind);
        lua_createtable(L, 0, 10);
        set_string(L, "name", row->name);
        set_int(L, "openai_status", row->openai_status);
        set_string(L, "openai_type", row->openai_type);
        set_string(L, "openai_code", row->openai_code);
        set_int(L, "anthropic_status", row->anthropic_status);
        set_string(L, "anthropic_type", row->anthropic_type);
        set_bool(L, "retry", row->follows & FAILURE_RETRY);
        set_bool(L, "fallback", row->follows & FAILURE_FALLBACK);
        set_bool(L, "health", row->follows & FAILURE_HEALTH);
        set_bool(L, "ours", row->follows & FAILURE_OURS);
        lua_rawseti(L, -2, kind + 1);
    }
    return 1;
}

/* The row's place in rows(). */
static int failure_of(lua_State *L)
{
    enum failure_kind kind;
    if (!failure_kind_of(check_slice(L, 1), &kind))
        return 0;
    return push_integer(L, (int64_t)kind + 1);
}

static int failure_made(lua_State *L)
{
    lua_Integer kind = luaL_checkinteger(L, 1) - 1;
    luaL_argcheck(L, kind >= 0 && kind < FAILURE_COUNT, 1, "no such kind");
    struct failure failure = failure_make((enum failure_kind)kind, check_slice(L, 2));
    lua_newtable(L);
    set_int(L, "kind", (int64_t)failure.kind + 1);
    set_string(L, "phase", phase_name(failure.phase));
    set_string(L, "sent", sent_name(failure.sent));
    set_string(L, "deadline", deadline_name(failure.deadline));
    set_int(L, "status", failure.status);
    set_int(L, "retry_after_us", failure.retry_after_us);
    set_slice(L, "message", failure.message);
    set_int(L, "code_len", (int64_t)failure.code.len);
    set_int(L, "param_len", (int64_t)failure.param.len);
    return 1;
}

static int failure_phases(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < PHASE_COUNT; i++) {
        lua_pushstring(L, phase_name((enum phase)i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int failure_sents(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i <= SENT_CONTENT; i++) {
        lua_pushstring(L, sent_name((enum sent)i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int failure_deadlines(lua_State *L)
{
    lua_newtable(L);
    for (int i = 0; i < DEADLINE_COUNT; i++) {
        lua_pushstring(L, deadline_name((enum deadline)i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---------------------------------------------------------------- the log */

static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
static const char *const formats[] = {"json", "text", NULL};

static enum log_level check_level(lua_State *L, int index)
{
    return (enum log_level)luaL_checkoption(L, index, NULL, levels);
}

static struct log *check_log(lua_State *L)
{
    struct log *log = *(struct log **)luaL_checkudata(L, 1, LOG_TYPE);
    luaL_argcheck(L, log != NULL, 1, "the log is closed");
    return log;
}

static int new_log(lua_State *L)
{
    luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    enum log_level level = check_level(L, 2);
    int format = luaL_checkoption(L, 3, "json", formats);
    struct log **held = lua_newuserdatauv(L, sizeof *held, 1);
    *held = NULL;
    luaL_setmetatable(L, LOG_TYPE);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1); /* the file outlives the log */
    *held = log_open(fileno(file->f), level, (enum log_format)format);
    return *held == NULL ? luaL_error(L, "no thread for the log") : 1;
}

static int log_line_face(lua_State *L)
{
    log_line(check_log(L), check_slice(L, 2));
    return 0;
}

static int log_event_face(lua_State *L)
{
    struct log *log = check_log(L);
    log_event(log, check_level(L, 2), luaL_checkstring(L, 3), log_members(slice_of(luaL_optstring(L, 4, ""))));
    return 0;
}

static int log_wants_face(lua_State *L)
{
    struct log *log = check_log(L);
    return push_bool(L, log_wants(log, check_level(L, 2)));
}

static int log_set_level_face(lua_State *L)
{
    struct log *log = check_log(L);
    enum log_level level = check_level(L, 2);
    log_set_level(log, level, (enum log_format)luaL_checkoption(L, 3, NULL, formats));
    return 0;
}

static int log_format_face(lua_State *L)
{
    lua_pushstring(L, formats[log_format(check_log(L))]);
    return 1;
}

static int log_dropped_face(lua_State *L)
{
    return push_integer(L, (int64_t)log_dropped(check_log(L)));
}

static int log_close_face(lua_State *L)
{
    struct log **held = luaL_checkudata(L, 1, LOG_TYPE);
    struct log *log = *held;
    *held = NULL;
    log_close(log);
    return 0;
}

static int log_begin_face(lua_State *L)
{
    int64_t wall_us = luaL_checkinteger(L, 1);
    enum log_level level = check_level(L, 2);
    const char *event = luaL_checkstring(L, 3);
    struct buffer *out = hold_buffer(L, 4096);
    log_begin(out, wall_us, level, event);
    return push_slice(L, buffer_slice(out));
}

static int close_end(lua_State *L)
{
    luaL_Stream *file = luaL_checkudata(L, 1, LUA_FILEHANDLE);
    return luaL_fileresult(L, fclose(file->f) == 0, NULL);
}

static void push_end(lua_State *L, int fd, const char *mode)
{
    luaL_Stream *file = lua_newuserdatauv(L, sizeof *file, 0);
    file->closef = NULL;
    luaL_setmetatable(L, LUA_FILEHANDLE);
    file->f = fdopen(fd, mode);
    if (file->f == NULL)
        luaL_error(L, "fdopen");
    file->closef = close_end;
}

static int new_pipe(lua_State *L)
{
    int ends[2];
    bool nonblocking = lua_toboolean(L, 1);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return luaL_error(L, "pipe");
    if (nonblocking)
        fcntl(ends[1], F_SETFL, O_NONBLOCK);
    push_end(L, ends[0], "r");
    push_end(L, ends[1], "w");
    return 2;
}

/* ---------------------------------------------------------------- the module */

static const luaL_Reg buffer_methods[] = {
    {"append", buffer_append_face},
    {"byte", buffer_byte_face},
    {"int", buffer_int_face},
    {"printf", buffer_printf_face},
    {"clear", buffer_clear_face},
    {"reserve", buffer_reserve_face},
    {"free", buffer_free_face},
    {"consume", buffer_consume_face},
    {"text", buffer_text_face},
    {"overflow", buffer_overflow_face},
    {NULL, NULL},
};
static const luaL_Reg arena_methods[] = {
    {"copy", arena_copy_face},       {"zalloc", arena_zalloc_face},
    {"printf", arena_printf_face},   {"read", arena_read_face},
    {"aligned", arena_aligned_face}, {"overflow", arena_overflow_face},
    {"used", arena_used_face},       {"spare", arena_spare_face},
    {"free", arena_free_face},       {NULL, NULL},
};
static const luaL_Reg log_methods[] = {
    {"line", log_line_face},           {"event", log_event_face},   {"wants", log_wants_face},     {"close", log_close_face},
    {"set_level", log_set_level_face}, {"format", log_format_face}, {"dropped", log_dropped_face}, {NULL, NULL},
};
static const luaL_Reg slice_functions[] = {
    {"equals_nocase", slice_nocase}, {"starts_with", slice_starts}, {"trim", slice_trimmed},
    {"find", slice_found},           {"to_int", slice_int},         {NULL, NULL},
};
static const luaL_Reg hash_functions[] = {
    {"from_hex", from_hex}, {"sip", sip}, {"equal", equal}, {"random", random_bytes}, {NULL, NULL},
};
static const luaL_Reg failure_functions[] = {
    {"rows", failure_rows},   {"kind_of", failure_of},          {"make", failure_made}, {"phases", failure_phases},
    {"sents", failure_sents}, {"deadlines", failure_deadlines}, {NULL, NULL},
};
static const luaL_Reg base_functions[] = {
    {"buffer", new_buffer}, {"arena", new_arena},         {"log", new_log}, {"log_begin", log_begin_face},
    {"pipe", new_pipe},     {"clock_format", clock_text}, {NULL, NULL},
};

int open_base(lua_State *L)
{
    new_type(L, BUFFER_TYPE, buffer_methods, buffer_free_face);
    new_type(L, ARENA_TYPE, arena_methods, arena_gc);
    new_type(L, LOG_TYPE, log_methods, log_close_face);
    luaL_newlib(L, base_functions);
    luaL_newlib(L, slice_functions);
    lua_setfield(L, -2, "slice");
    luaL_newlib(L, hash_functions);
    lua_setfield(L, -2, "hash");
    luaL_newlib(L, failure_functions);
    lua_setfield(L, -2, "failure");
    set_int(L, "log_queue_max", LOG_QUEUE_MAX);
    return 1;
}
