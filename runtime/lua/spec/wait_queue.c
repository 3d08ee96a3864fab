/* wait_queue.c -- gateway/wait_queue for specs.
 *
 * wait_queue.new(limit) gives add(id, user, lane, priority, until) -> whether there was room, remove(id), serve(id), block(id), round(),
 * next(now) -> id or nil, expired(now) -> id or nil, deadline() -> time or nil, count(). Ids are whole numbers from 1 to wait_queue.ids; users
 * and lanes whole numbers; times microseconds. A mistake of the caller (waiting twice, taking out who does not wait) raises.
 * SPDX-License-Identifier: MIT */
#include "routing/wait_queue.h"
#include "lua/spec/bindings.h"

#define WAIT_QUEUE_TYPE "gateway.wait_queue"

enum { IDS_MAX = 64 };

struct face {
    struct wait_queue *queue;
    struct wait_entry entries[IDS_MAX];
};

static struct face *check_face(lua_State *L)
{
    return luaL_checkudata(L, 1, WAIT_QUEUE_TYPE);
}

static struct wait_entry *check_entry(lua_State *L, struct face *face, bool waits)
{
    lua_Integer id = luaL_checkinteger(L, 2);
    luaL_argcheck(L, id >= 1 && id <= IDS_MAX, 2, "an id");
    luaL_argcheck(L, wait_queue_holds(&face->entries[id - 1]) == waits, 2, waits ? "it does not wait" : "it waits already");
    return &face->entries[id - 1];
}

static int push_entry(lua_State *L, const struct face *face, const struct wait_entry *entry)
{
    if (entry == NULL)
        lua_pushnil(L);
    else
        lua_pushinteger(L, entry - face->entries + 1);
    return 1;
}

static int face_add(lua_State *L)
{
    struct face *face = check_face(L);
    struct wait_entry *entry = check_entry(L, face, false);
    lua_Integer priority = luaL_checkinteger(L, 5);
    luaL_argcheck(L, priority >= 0 && priority < WAIT_CLASSES, 5, "a class");
    entry->user = (uint64_t)luaL_checkinteger(L, 3);
    entry->lane = (uint64_t)luaL_checkinteger(L, 4);
    entry->priority = (unsigned)priority;
    entry->until_us = luaL_checkinteger(L, 6);
    lua_pushboolean(L, wait_queue_add(face->queue, entry));
    return 1;
}

static int face_remove(lua_State *L)
{
    struct face *face = check_face(L);
    wait_queue_remove(face->queue, check_entry(L, face, true));
    return 0;
}

static int face_serve(lua_State *L)
{
    struct face *face = check_face(L);
    wait_queue_serve(face->queue, check_entry(L, face, true));
    return 0;
}

static int face_block(lua_State *L)
{
    struct face *face = check_face(L);
    wait_queue_block(face->queue, check_entry(L, face, true));
    return 0;
}

static int face_round(lua_State *L)
{
    wait_queue_round(check_face(L)->queue);
    return 0;
}

static int face_next(lua_State *L)
{
    struct face *face = check_face(L);
    return push_entry(L, face, wait_queue_next(face->queue, luaL_checkinteger(L, 2)));
}

static int face_expired(lua_State *L)
{
    struct face *face = check_face(L);
    return push_entry(L, face, wait_queue_expired(face->queue, luaL_checkinteger(L, 2)));
}

static int face_deadline(lua_State *L)
{
    int64_t at_us = wait_queue_deadline_us(check_face(L)->queue);
    if (at_us < 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, at_us);
    return 1;
}

static int face_count(lua_State *L)
{
    lua_pushinteger(L, wait_queue_count(check_face(L)->queue));
    return 1;
}

static int face_gc(lua_State *L)
{
    struct face *face = check_face(L);
    wait_queue_free(face->queue);
    face->queue = NULL;
    return 0;
}

static int face_new(lua_State *L)
{
    lua_Integer limit = luaL_checkinteger(L, 1);
    luaL_argcheck(L, limit >= 1 && limit <= WAIT_QUEUE_MAX, 1, "a number of entries");
    struct face *face = lua_newuserdatauv(L, sizeof *face, 0);
    *face = (struct face){NULL};
    luaL_setmetatable(L, WAIT_QUEUE_TYPE);
    face->queue = wait_queue_new((unsigned)limit);
    return 1;
}

int open_wait_queue(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", face_new}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"add", face_add},   {"remove", face_remove},   {"serve", face_serve},       {"block", face_block}, {"round", face_round},
        {"next", face_next}, {"expired", face_expired}, {"deadline", face_deadline}, {"count", face_count}, {NULL, NULL},
    };
    new_type(L, WAIT_QUEUE_TYPE, methods, face_gc);
    luaL_newlib(L, functions);
    set_int(L, "max", WAIT_QUEUE_MAX);
    set_int(L, "ids", IDS_MAX);
    return 1;
}
