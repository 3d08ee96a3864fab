/* http1.c -- the reader of HTTP/1.1 responses, for specs.
 *
 *      local reader = http1.reader { head_request = false }
 *      reader:feed(bytes) -> list of pieces: { kind = "head", status, headers = { { name, value }, ... }, keep_alive, has_body,
 *                            content_length }, { kind = "data", text }, { kind = "end" }, { kind = "error", message }
 *      reader:finish() -> true: the peer's close ended it well; reader:excess() reader:reset() reader:error()
 *      http1.limits.head_bytes .headers .interim
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include "http/http1.h"

#define READER "gateway.http1.reader"

static struct http1 *check_reader(lua_State *L)
{
    return luaL_checkudata(L, 1, READER);
}

static void push_headers(lua_State *L, const struct http1_head *head)
{
    lua_createtable(L, (int)head->header_count, 0);
    for (unsigned i = 0; i < head->header_count; i++) {
        lua_createtable(L, 2, 0);
        push_slice(L, head->headers[i].name);
        lua_rawseti(L, -2, 1);
        push_slice(L, head->headers[i].value);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_head(lua_State *L, const struct http1_head *head)
{
    set_int(L, "status", head->status);
    set_bool(L, "keep_alive", head->keep_alive);
    set_bool(L, "has_body", head->has_body);
    set_int(L, "content_length", head->content_length);
    push_headers(L, head);
    lua_setfield(L, -2, "headers");
    struct slice type = http1_header(head, LIT("content-type"));
    if (type.ptr != NULL) {
        set_slice(L, "content_type", type);
    }
}

static void push_piece(lua_State *L, const char *kind)
{
    lua_createtable(L, 0, 2);
    set_string(L, "kind", kind);
}

static int reader_feed(lua_State *L)
{
    struct http1 *http1 = check_reader(L);
    struct slice bytes;
    bytes.ptr = luaL_checklstring(L, 2, &bytes.len);
    struct http1_head *head = lua_newuserdatauv(L, sizeof(*head), 0);
    lua_newtable(L);
    http1_feed(http1, bytes);
    for (lua_Integer count = 1;; count++) {
        struct slice data;
        enum http1_piece piece = http1_next(http1, head, &data);
        if (piece == HTTP1_MORE)
            return 1;
        if (piece == HTTP1_HEAD) {
            push_piece(L, "head");
            push_head(L, head);
        } else if (piece == HTTP1_DATA) {
            push_piece(L, "data");
            set_slice(L, "text", data);
        } else if (piece == HTTP1_END) {
            push_piece(L, "end");
        } else {
            push_piece(L, "error");
            set_string(L, "message", http1_error(http1));
        }
        lua_rawseti(L, -2, count);
        if (piece == HTTP1_END || piece == HTTP1_ERROR)
            return 1;
    }
}

static int reader_finish(lua_State *L)
{
    lua_pushboolean(L, http1_finish(check_reader(L)));
    return 1;
}

static int reader_excess(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)http1_excess(check_reader(L)));
    return 1;
}

static int reader_error(lua_State *L)
{
    lua_pushstring(L, http1_error(check_reader(L)));
    return 1;
}

static int reader_reset(lua_State *L)
{
    http1_free(check_reader(L));
    http1_init(check_reader(L));
    return 0;
}

static int reader_gc(lua_State *L)
{
    http1_free(check_reader(L));
    return 0;
}

static int reader_new(lua_State *L)
{
    bool head_request = false;
    if (lua_istable(L, 1)) {
        lua_getfield(L, 1, "head_request");
        head_request = lua_toboolean(L, -1);
    }
    struct http1 *http1 = lua_newuserdatauv(L, sizeof(*http1), 0);
    http1_init(http1);
    http1->head_request = head_request;
    luaL_setmetatable(L, READER);
    return 1;
}

int open_http1(lua_State *L)
{
    static const luaL_Reg methods[] = {{"feed", reader_feed},   {"finish", reader_finish}, {"excess", reader_excess},
                                       {"error", reader_error}, {"reset", reader_reset},   {NULL, NULL}};
    new_type(L, READER, methods, reader_gc);
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, reader_new);
    lua_setfield(L, -2, "reader");
    lua_createtable(L, 0, 3);
    set_int(L, "head_bytes", HTTP1_HEAD_MAX);
    set_int(L, "headers", HTTP1_HEADERS_MAX);
    set_int(L, "interim", HTTP1_INTERIM_MAX);
    lua_setfield(L, -2, "limits");
    return 1;
}
