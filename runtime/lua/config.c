/* config.c -- the table that lua/gateway/config.lua checked -> struct config.
 *
 * What to complain about was complained about in Lua; here only what needs C: digests of keys, and request heads that come out too long.
 * A field that is missing here is a mistake of the gateway, and raises.
 * SPDX-License-Identifier: MIT */
#include "lua/config.h"
#include "lua/adapter.h"
#include "lua/fields.h"
#include "lua/hold.h"
#include "lua/limit.h"
#include "lua/value.h"
#include "providers/credentials/google.h"
#include <stdio.h>
#include <stdlib.h>

/* One row of lua/gateway/fields.lua: the field of the checked table, and where it goes. */
struct config_field {
    const char *name;
    enum {
        TAKE_TEXT = 1,
        TAKE_FLAG,
        TAKE_NUMBER,
        TAKE_INT64,
        TAKE_UNSIGNED,
        TAKE_INT,
        TAKE_SIZE,
        TAKE_SECONDS,
        TAKE_TEXTS,
        TAKE_INTS,
        TAKE_INNER
    } take;
    size_t at, count_at;              /* TAKE_TEXTS: where the length goes; TAKE_INTS: how many there are at most */
    const char *words;                /* for an enum, in its order: each ends with a NUL, the last with two */
    const struct config_field *inner; /* the field is a table of these, which go into the same struct */
};

/* An enum is an unsigned. */
#define TAKE_OF(member)                                                                                                                    \
    _Generic((member), struct slice: TAKE_TEXT, bool: TAKE_FLAG, double: TAKE_NUMBER, int64_t: TAKE_INT64, unsigned: TAKE_UNSIGNED,        \
        int: TAKE_INT, size_t: TAKE_SIZE, int64_t *: TAKE_INTS)
#define FIELD(name, type, member, words)                                                                                                   \
    {                                                                                                                                      \
        name, TAKE_OF(((type *)NULL)->member), offsetof(type, member), sizeof(((type *)NULL)->member) / sizeof(int64_t), words, NULL       \
    }
#define SECONDS(name, type, member, words)                                                                                                 \
    {                                                                                                                                      \
        name, TAKE_SECONDS, offsetof(type, member), 0, words, NULL                                                                         \
    }
#define COUNTED(name, type, member, count)                                                                                                 \
    {                                                                                                                                      \
        name, TAKE_TEXTS, offsetof(type, member), offsetof(type, count), NULL, NULL                                                        \
    }
#define INNER(name, fields)                                                                                                                \
    {                                                                                                                                      \
        name, TAKE_INNER, 0, 0, NULL, fields                                                                                               \
    }
#include "config_fields.h"

enum { METADATA_MAX = 64 * 1024, METADATA_DEPTH = 32 };

struct build {
    struct config *config;
    struct slice path;
    char *complaint;
    size_t size;
};

/* ---------------------------------------------------------------- fields of the table at the top */

static struct slice take_string(lua_State *L, struct config *config, const char *key)
{
    return field_copy(L, -1, key, &config->arena);
}

/* Pushes a table that must be there; returns its length. */
static unsigned enter(lua_State *L, const char *key)
{
    if (lua_getfield(L, -1, key) != LUA_TTABLE)
        luaL_error(L, "config: %s is not there", key);
    return (unsigned)lua_rawlen(L, -1);
}

static void *take_memory(lua_State *L, struct config *config, size_t count, size_t size)
{
    void *memory = arena_zalloc(&config->arena, (count + 1) * size);
    if (memory == NULL)
        luaL_error(L, "config: it is too large");
    return memory;
}

/* Pushes a list that must be there; returns memory for what is made of it. */
static void *enter_list(lua_State *L, struct config *config, const char *key, unsigned *count, size_t size)
{
    *count = enter(L, key);
    return take_memory(L, config, *count, size);
}

static struct slice *take_strings(lua_State *L, struct config *config, const char *key, unsigned *count)
{
    struct slice *list = enter_list(L, config, key, count, sizeof *list);
    for (unsigned i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, i + 1);
        list[i].ptr = luaL_checklstring(L, -1, &list[i].len);
        list[i] = arena_copy(&config->arena, list[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return list;
}

static unsigned word_at(lua_State *L, const char *words)
{
    struct slice said = to_slice(L, -1);
    unsigned place = 0;
    for (; *words != '\0' && !slice_equals(slice_of(words), said); words += strlen(words) + 1)
        place++;
    if (*words == '\0')
        luaL_error(L, "config: '%s' is none of the words", said.ptr);
    return place;
}

static void take_ints(lua_State *L, int64_t *list, size_t max)
{
    for (size_t i = 0; i < max; i++) {
        if (lua_rawgeti(L, -1, (lua_Integer)i + 1) == LUA_TNUMBER)
            list[i] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
}

static void take_fields(lua_State *L, struct config *config, const struct config_field *field, void *into);

/* The value at the top. */
static void take_value(lua_State *L, struct config *config, const struct config_field *field, void *into)
{
    char *at = (char *)into + field->at;
    struct slice text = to_slice(L, -1);
    switch (field->take) {
    case TAKE_TEXT:
        *(struct slice *)(void *)at = text.ptr == NULL ? text : arena_copy(&config->arena, text);
        break;
    case TAKE_FLAG:
        *(bool *)at = lua_toboolean(L, -1);
        break;
    case TAKE_NUMBER:
        *(double *)(void *)at = lua_tonumber(L, -1);
        break;
    case TAKE_INT64:
        *(int64_t *)(void *)at = lua_tointeger(L, -1);
        break;
    case TAKE_UNSIGNED:
        *(unsigned *)(void *)at = field->words == NULL ? (unsigned)lua_tointeger(L, -1) : word_at(L, field->words);
        break;
    case TAKE_INT:
        *(int *)(void *)at = (int)lua_tointeger(L, -1);
        break;
    case TAKE_SIZE:
        *(size_t *)(void *)at = (size_t)lua_tointeger(L, -1);
        break;
    case TAKE_SECONDS:
        *(int64_t *)(void *)at = us_of_seconds(lua_tonumber(L, -1));
        break;
    case TAKE_INTS:
        take_ints(L, (int64_t *)(void *)at, field->count_at);
        break;
    case TAKE_INNER:
        take_fields(L, config, field->inner, into);
        break;
    case TAKE_TEXTS:
        break;
    }
}

/* The fields of the table at the top. One that is not there leaves its member as it is. */
static void take_fields(lua_State *L, struct config *config, const struct config_field *field, void *into)
{
    luaL_checkstack(L, 8, "config");
    for (; field->name != NULL; field++) {
        if (field->take == TAKE_TEXTS) {
            unsigned *count = (unsigned *)(void *)((char *)into + field->count_at);
            *(struct slice **)(void *)((char *)into + field->at) = take_strings(L, config, field->name, count);
            continue;
        }
        if (lua_getfield(L, -1, field->name) != LUA_TNIL)
            take_value(L, config, field, into);
        lua_pop(L, 1);
    }
}

/* ---------------------------------------------------------------- providers and targets */

static void take_headers(lua_State *L, struct config *config, struct provider *provider)
{
    unsigned count = enter(L, "headers");
    for (unsigned i = 0; i < count && i < PROVIDER_HEADERS_MAX; i++) {
        struct slice text[2];
        lua_rawgeti(L, -1, i + 1);
        for (int part = 0; part < 2; part++) {
            lua_rawgeti(L, -1, part + 1);
            text[part].ptr = luaL_checklstring(L, -1, &text[part].len);
            text[part] = arena_copy(&config->arena, text[part]);
            lua_pop(L, 1);
        }
        provider->header_names[i] = text[0];
        provider->header_values[i] = text[1];
        provider->header_count = i + 1;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* What lua/gateway/credentials.lua read; NULL: the provider has keys, or needs none. */
static const struct google_credential *take_credential(lua_State *L, struct config *config)
{
    struct google_credential *credential = NULL;
    if (lua_getfield(L, -1, "credential") == LUA_TTABLE) {
        credential = take_memory(L, config, 1, sizeof *credential);
        take_fields(L, config, credential_fields, credential);
    }
    lua_pop(L, 1);
    return credential;
}

static void take_provider(lua_State *L, struct config *config, struct provider *provider)
{
    struct slice kind = take_string(L, config, "kind");
    if (lua_getfield(L, -1, "adapter") == LUA_TTABLE)
        provider->vendor = adapter_vendor(L, config);
    else
        provider->vendor = vendor_find(kind);
    lua_pop(L, 1);
    if (provider->vendor == NULL)
        luaL_error(L, "config: unknown vendor '%s'", kind.ptr);
    provider->credential = take_credential(L, config);
    take_headers(L, config, provider);
    take_fields(L, config, provider_fields, provider);
}

/* The limit that lua/gateway/limits.lua made of the field `limits`, copied; NULL: none. */
static struct limit_rule *take_limit(lua_State *L, struct config *config)
{
    lua_getfield(L, -1, "limits");
    const struct limit_rule *said = limit_at(L, -1);
    lua_pop(L, 1);
    if (said == NULL)
        return NULL;
    struct limit_rule *rule = take_memory(L, config, 1, sizeof *rule);
    *rule = *said;
    return rule;
}

/* What lua/gateway/health_check.lua made of the field `check`; NULL: the provider is not asked. */
static struct check *take_check(lua_State *L, struct config *config, const struct provider *provider)
{
    struct check *check = NULL;
    if (lua_getfield(L, -1, "check") == LUA_TTABLE) {
        check = take_memory(L, config, 1, sizeof *check);
        take_fields(L, config, check_fields, check);
        if (!config_write_check(config, provider, check))
            luaL_error(L, "config: the headers of provider %s are too long", provider->name.ptr);
    }
    lua_pop(L, 1);
    return check;
}

static void take_board(lua_State *L, struct config *config)
{
    if (lua_getfield(L, -1, "board") == LUA_TTABLE) {
        take_fields(L, config, leaderboard_fields, &config->board);
        if (!config_write_board(config, take_string(L, config, "path")))
            luaL_error(L, "config: it is too large");
    }
    lua_pop(L, 1);
}

static void take_providers(lua_State *L, struct config *config)
{
    config->providers = enter_list(L, config, "providers", &config->provider_count, sizeof *config->providers);
    config->provider_limits = take_memory(L, config, config->provider_count, sizeof *config->provider_limits);
    config->provider_times = take_memory(L, config, config->provider_count, sizeof *config->provider_times);
    config->checks = take_memory(L, config, config->provider_count, sizeof *config->checks);
    for (unsigned i = 0; i < config->provider_count; i++) {
        struct provider *provider = &config->providers[i];
        lua_rawgeti(L, -1, i + 1);
        provider->index = i;
        take_provider(L, config, provider);
        config->provider_limits[i] = take_limit(L, config);
        enter(L, "defaults");
        take_fields(L, config, times_fields, &config->provider_times[i]);
        lua_pop(L, 1);
        config->checks[i] = take_check(L, config, provider);
        if (provider->origin.len == 0)
            config->wants_mock = true;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    config->statuses = enter_list(L, config, "statuses", &config->status_count, sizeof *config->statuses);
    for (unsigned i = 0; i < config->status_count; i++) {
        lua_rawgeti(L, -1, i + 1);
        take_fields(L, config, status_fields, &config->statuses[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_targets(lua_State *L, struct config *config)
{
    unsigned count = enter(L, "targets");
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        int64_t provider = field_int(L, -1, "provider", 0);
        if (provider < 1 || provider > config->provider_count)
            luaL_error(L, "config: target %d has no provider", (int)i + 1);
        struct target *target = config_add_target(config, &config->providers[provider - 1], take_string(L, config, "model"));
        if (target == NULL)
            luaL_error(L, "config: there are too many targets");
        take_fields(L, config, target_fields, target);
        config_limit_target(config, target, "target", target->name, take_limit(L, config));
        if (!config_write_heads(config, target))
            luaL_error(L, "config: the headers of provider %s are too long", target->provider->name.ptr);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_models(lua_State *L, struct config *config)
{
    config->models = enter_list(L, config, "models", &config->model_count, sizeof *config->models);
    for (unsigned i = 0; i < config->model_count; i++) {
        struct model *model = &config->models[i];
        lua_rawgeti(L, -1, i + 1);
        take_fields(L, config, model_fields, model);
        model->targets = enter_list(L, config, "targets", &model->target_count, sizeof *model->targets);
        for (unsigned t = 0; t < model->target_count; t++) {
            lua_rawgeti(L, -1, t + 1);
            model->targets[t] = config->targets[lua_tointeger(L, -1) - 1];
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* ---------------------------------------------------------------- users */

static void write_json(lua_State *L, struct buffer *out, int depth);

static void write_json_table(lua_State *L, struct buffer *out, int depth)
{
    size_t len = lua_rawlen(L, -1);
    const char *separator = "";
    buffer_append_byte(out, len > 0 ? '[' : '{');
    for (size_t i = 1; i <= len; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i);
        buffer_printf(out, "%s", separator);
        write_json(L, out, depth + 1);
        lua_pop(L, 1);
        separator = ",";
    }
    lua_pushnil(L);
    while (len == 0 && lua_next(L, -2) != 0) {
        struct slice key;
        lua_pushvalue(L, -2);
        key.ptr = lua_tolstring(L, -1, &key.len);
        buffer_printf(out, "%s", separator);
        json_append_string(out, key);
        buffer_append_byte(out, ':');
        lua_pop(L, 1);
        write_json(L, out, depth + 1);
        lua_pop(L, 1);
        separator = ",";
    }
    if (len > 0)
        lua_pop(L, 1);
    buffer_append_byte(out, len > 0 ? ']' : '}');
}

static void write_json(lua_State *L, struct buffer *out, int depth)
{
    if (!lua_istable(L, -1)) {
        value_write_plain(L, -1, out);
        return;
    }
    if (depth > METADATA_DEPTH)
        luaL_error(L, "config: tables nested deeper than %d", METADATA_DEPTH);
    luaL_checkstack(L, 8, "config");
    write_json_table(L, out, depth);
}

static struct slice take_metadata(lua_State *L, struct config *config)
{
    struct slice made = SLICE_NONE;
    if (lua_getfield(L, -1, "metadata") == LUA_TTABLE) {
        struct buffer *out = hold_buffer(L, METADATA_MAX);
        lua_pushvalue(L, -2);
        write_json(L, out, 1);
        made = out->overflow ? SLICE_NONE : arena_copy(&config->arena, buffer_slice(out));
        lua_pop(L, 2);
        if (made.len == 0)
            luaL_error(L, "config: metadata of a key is longer than %d KB", METADATA_MAX / 1024);
    }
    lua_pop(L, 1);
    return made;
}

/* The digest of `key`, or the one given. */
static bool take_digest(lua_State *L, uint8_t digest[SHA256_BYTES])
{
    int top = lua_gettop(L);
    struct slice text = SLICE_NONE;
    bool found = lua_getfield(L, -1, "key") == LUA_TSTRING;
    if (found) {
        text.ptr = lua_tolstring(L, -1, &text.len);
        hash_sha256(text, digest);
    } else if (lua_getfield(L, -2, "sha256") == LUA_TSTRING) {
        text.ptr = lua_tolstring(L, -1, &text.len);
        found = hash_from_hex(text, digest, SHA256_BYTES);
    }
    lua_settop(L, top);
    return found;
}

static void take_users(lua_State *L, struct config *config)
{
    config->users = enter_list(L, config, "users", &config->user_count, sizeof *config->users);
    for (unsigned i = 0; i < config->user_count; i++) {
        struct user *user = &config->users[i];
        lua_rawgeti(L, -1, i + 1);
        take_fields(L, config, user_fields, user);
        user->metadata_json = take_metadata(L, config);
        user->index = i;
        if (!take_digest(L, user->digest))
            luaL_error(L, "keys[%d]: there is no key", (int)i + 1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    config->keyring = keyring_new(config->users, config->user_count);
    if (config->keyring == NULL)
        luaL_error(L, "keys: no memory for so many");
    enter(L, "admin");
    config->has_admin_key = take_digest(L, config->admin_digest);
    lua_pop(L, 1);
}

/* ---------------------------------------------------------------- the rest */

static void take_rest(lua_State *L, struct config *config)
{
    config->log_format = LOG_UNSET;
    config->walk = (struct walk_settings){
        .hedge = true, .backoff_base_us = US_PER_S / 10, .backoff_max_us = 5 * US_PER_S, .retry_after_max_us = 10 * US_PER_S};
    take_fields(L, config, top_fields, config);
    unsigned count;
    struct slice *proxies = take_strings(L, config, "proxies", &count);
    config->proxies = take_memory(L, config, count, sizeof *config->proxies);
    for (config->proxy_count = 0; config->proxy_count < count; config->proxy_count++)
        if (!network_parse(proxies[config->proxy_count], &config->proxies[config->proxy_count]))
            luaL_error(L, "config: %s is no network", proxies[config->proxy_count].ptr);
}

static struct slice directory_of(struct slice path)
{
    while (path.len > 0 && path.ptr[path.len - 1] != '/')
        path.len--;
    return path.len > 1 ? (struct slice){path.ptr, path.len - 1} : path.len == 1 ? path : LIT(".");
}

static int build(lua_State *L) /* (checked table, struct build) */
{
    struct build *build = lua_touserdata(L, 2);
    struct config *config = build->config;
    lua_settop(L, 1);
    config->path = arena_copy(&config->arena, build->path);
    config->directory = arena_copy(&config->arena, directory_of(build->path));
    take_providers(L, config);
    take_targets(L, config);
    take_models(L, config);
    take_users(L, config);
    take_rest(L, config);
    take_board(L, config);
    if (config->arena.overflow)
        return luaL_error(L, "config: it is too large");
    return 0;
}

struct config *config_build(lua_State *L, struct slice path, char *complaint, size_t size)
{
    struct build job = {config_new(), path, complaint, size};
    int top = lua_gettop(L);
    lua_pushvalue(L, top);
    if (!call_protected(L, build, &job, 1, 0)) {
        snprintf(complaint, size, "%.*s: %s", (int)path.len, path.ptr, lua_tostring(L, -1));
        lua_settop(L, top);
        config_free(job.config);
        return NULL;
    }
    config_seal(job.config);
    return job.config;
}

/* ---------------------------------------------------------------- vendors */

static void set_strings(lua_State *L, const char *key, const char *const list[3])
{
    lua_newtable(L);
    for (int i = 0; i < 3 && list[i] != NULL; i++) {
        lua_pushstring(L, list[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, key);
}

static void push_vendor(lua_State *L, const struct vendor *vendor)
{
    lua_createtable(L, 0, 4);
    set_string(L, "name", vendor->name);
    set_string(L, "base_url", vendor->base_url); /* nil for NULL */
    set_bool(L, "no_key", (vendor->quirks & VENDOR_NO_KEY) != 0);
    set_strings(L, "key_env", vendor->key_env);
    set_strings(L, "base_env", vendor->base_env);
}

void config_push_vendors(lua_State *L)
{
    lua_newtable(L);
    for (unsigned i = 0; i < vendor_count; i++) {
        push_vendor(L, &vendors[i]);
        lua_setfield(L, -2, vendors[i].name);
    }
}
