/* tokens.c -- access tokens for specs: shared/access_tokens and providers/google.
 *
 * tokens.new() gives a table with find(name) -> an entry (the digest is that of the name); an entry has put(text, until, renew), missed(again), answered(),
 * renew(now), take_wish(), is_good(now), wait(now), copy(now), refused(text, now), close(). Times are seconds.
 * google.digest(credential) -> hex, request(credential, wall) -> bytes | nil, token(body) -> text, life | nil, why,
 * refusal(credential, sent, status, body) -> text, renew(life).
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "lua/spec/bindings.h"
#include "providers/credentials/google.h"
#include "shared/access_tokens.h"

#define TABLE_TYPE "gateway.access_tokens"
#define TOKEN_TYPE "gateway.token"

enum { SPEC_ARENA_MAX = 1024 * 1024 };

static int push_seconds(lua_State *L, int64_t us)
{
    lua_pushnumber(L, seconds_of_us(us));
    return 1;
}

/* ---------------------------------------------------------------- the table */

static int tokens_new_face(lua_State *L)
{
    *push_held(L, TABLE_TYPE) = access_tokens_new();
    return 1;
}

static int tokens_find_face(lua_State *L)
{
    struct access_tokens **held = luaL_checkudata(L, 1, TABLE_TYPE);
    uint8_t digest[SHA256_BYTES];
    hash_sha256(check_slice(L, 2), digest);
    struct access_token **face = lua_newuserdatauv(L, sizeof *face, 1);
    *face = NULL;
    luaL_setmetatable(L, TOKEN_TYPE);
    lua_pushvalue(L, 1); /* the table outlives it */
    lua_setiuservalue(L, -2, 1);
    *face = access_tokens_find(*held, digest);
    return 1;
}

static struct access_token *check_token(lua_State *L)
{
    struct access_token *token = *(struct access_token **)luaL_checkudata(L, 1, TOKEN_TYPE);
    luaL_argcheck(L, token != NULL, 1, "it is closed");
    return token;
}

static int token_close(lua_State *L)
{
    struct access_token **face = luaL_checkudata(L, 1, TOKEN_TYPE);
    if (*face != NULL)
        access_token_unref(*face);
    *face = NULL;
    return 0;
}

static int put(lua_State *L)
{
    access_token_put(check_token(L), check_slice(L, 2), check_us(L, 3), check_us(L, 4));
    return 0;
}

static int missed(lua_State *L)
{
    access_token_missed(check_token(L), check_us(L, 2));
    return 0;
}

static int answered(lua_State *L)
{
    lua_pushboolean(L, access_token_is_answered(check_token(L)));
    return 1;
}

static int renew(lua_State *L)
{
    return push_seconds(L, access_token_renew_us(check_token(L), check_us(L, 2)));
}

static int take_wish(lua_State *L)
{
    lua_pushboolean(L, access_token_take_wish(check_token(L)));
    return 1;
}

static int is_good(lua_State *L)
{
    lua_pushboolean(L, access_token_is_good(check_token(L), check_us(L, 2)));
    return 1;
}

static int wait(lua_State *L)
{
    return push_seconds(L, access_token_wait_us(check_token(L), check_us(L, 2)));
}

static int copy(lua_State *L) /* nil: there is none that is good */
{
    struct slice text = access_token_copy(check_token(L), check_us(L, 2), hold_arena(L, SPEC_ARENA_MAX));
    if (text.len > 0)
        push_slice(L, text);
    else
        lua_pushnil(L);
    return 1;
}

static int refused(lua_State *L)
{
    lua_pushboolean(L, access_token_refused(check_token(L), check_slice(L, 2), check_us(L, 3)));
    return 1;
}

int open_tokens(lua_State *L)
{
    static const luaL_Reg functions[] = {{"new", tokens_new_face}, {NULL, NULL}};
    static const luaL_Reg table_methods[] = {{"find", tokens_find_face}, {NULL, NULL}};
    static const luaL_Reg token_methods[] = {
        {"put", put},         {"missed", missed}, {"answered", answered}, {"renew", renew},     {"take_wish", take_wish},
        {"is_good", is_good}, {"wait", wait},     {"copy", copy},         {"refused", refused}, {"close", token_close},
        {NULL, NULL}};
    new_held_type(L, TABLE_TYPE, table_methods, (void (*)(void *))access_tokens_free);
    new_type(L, TOKEN_TYPE, token_methods, token_close);
    luaL_newlib(L, functions);
    return 1;
}

/* ---------------------------------------------------------------- google */

static struct google_credential check_credential(lua_State *L, int index)
{
    luaL_checktype(L, index, LUA_TTABLE);
    struct slice kind = field_slice(L, index, "kind");
    return (struct google_credential){
        .kind = slice_equals(kind, LIT("service_account"))   ? GOOGLE_SERVICE_ACCOUNT
                : slice_equals(kind, LIT("authorized_user")) ? GOOGLE_USER
                                                             : GOOGLE_METADATA,
        .origin = field_slice(L, index, "origin"),
        .path = field_slice(L, index, "path"),
        .token_uri = field_slice(L, index, "token_uri"),
        .client_email = field_slice(L, index, "client_email"),
        .private_key = field_slice(L, index, "private_key"),
        .private_key_id = field_slice(L, index, "private_key_id"),
        .client_id = field_slice(L, index, "client_id"),
        .client_secret = field_slice(L, index, "client_secret"),
        .refresh_token = field_slice(L, index, "refresh_token"),
    };
}

static int google_digest_face(lua_State *L)
{
    struct google_credential credential = check_credential(L, 1);
    uint8_t digest[SHA256_BYTES];
    char hex[2 * SHA256_BYTES];
    google_digest(&credential, digest);
    hash_to_hex(digest, sizeof digest, hex);
    lua_pushlstring(L, hex, sizeof hex);
    return 1;
}

static int google_request_face(lua_State *L)
{
    struct google_credential credential = check_credential(L, 1);
    int64_t wall_us = check_us(L, 2);
    struct buffer *out = hold_buffer(L, 64 * 1024);
    if (google_write_request(&credential, wall_us, out))
        push_slice(L, buffer_slice(out));
    else
        lua_pushnil(L);
    return 1;
}

static int google_token_face(lua_State *L)
{
    struct google_token token;
    const char *why;
    if (google_read_token(check_slice(L, 1), hold_arena(L, SPEC_ARENA_MAX), &token, &why)) {
        push_slice(L, token.text);
        push_seconds(L, token.life_us);
    } else {
        lua_pushnil(L);
        lua_pushstring(L, why);
    }
    return 2;
}

static int google_refusal_face(lua_State *L)
{
    struct google_credential credential = check_credential(L, 1);
    struct slice sent = check_slice(L, 2), body = check_slice(L, 4);
    int status = (int)luaL_checkinteger(L, 3);
    return push_slice(L, google_read_refusal(&credential, sent, status, body, hold_arena(L, SPEC_ARENA_MAX)));
}

static int google_renew_face(lua_State *L)
{
    return push_seconds(L, google_renew_us(check_us(L, 1)));
}

int open_google(lua_State *L)
{
    static const luaL_Reg functions[] = {{"digest", google_digest_face},   {"request", google_request_face}, {"token", google_token_face},
                                         {"refusal", google_refusal_face}, {"renew", google_renew_face},     {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
