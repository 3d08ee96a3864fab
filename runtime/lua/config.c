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

static double take_number(lua_State *L, const char *key, double otherwise)
{
    return field_number(L, -1, key, otherwise);
}

static int64_t take_int(lua_State *L, const char *key)
{
    return field_int(L, -1, key, 0);
}

static int64_t take_us(lua_State *L, const char *key)
{
    return us_of_seconds(field_number(L, -1, key, 0));
}

static bool take_bool(lua_State *L, const char *key)
{
    return field_bool(L, -1, key);
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

static struct slice *take_strings(lua_State *L, struct config *config, const char *key, unsigned *count)
{
    *count = enter(L, key);
    struct slice *list = take_memory(L, config, *count, sizeof *list);
    for (unsigned i = 0; i < *count; i++) {
        lua_rawgeti(L, -1, i + 1);
        list[i].ptr = luaL_checklstring(L, -1, &list[i].len);
        list[i] = arena_copy(&config->arena, list[i]);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return list;
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
        struct slice kind = take_string(L, config, "kind");
        credential = take_memory(L, config, 1, sizeof *credential);
        credential->kind = slice_equals(kind, LIT("service_account"))   ? GOOGLE_SERVICE_ACCOUNT
                           : slice_equals(kind, LIT("authorized_user")) ? GOOGLE_USER
                                                                        : GOOGLE_METADATA;
        credential->origin = take_string(L, config, "origin");
        credential->path = take_string(L, config, "path");
        credential->token_uri = take_string(L, config, "token_uri");
        credential->client_email = take_string(L, config, "client_email");
        credential->private_key = take_string(L, config, "private_key");
        credential->private_key_id = take_string(L, config, "private_key_id");
        credential->client_id = take_string(L, config, "client_id");
        credential->client_secret = take_string(L, config, "client_secret");
        credential->refresh_token = take_string(L, config, "refresh_token");
        credential->quota_project = take_string(L, config, "quota_project");
    }
    lua_pop(L, 1);
    return credential;
}

static void take_provider(lua_State *L, struct config *config, struct provider *provider)
{
    struct slice kind = take_string(L, config, "kind");
    provider->name = take_string(L, config, "name");
    if (lua_getfield(L, -1, "adapter") == LUA_TTABLE)
        provider->vendor = adapter_vendor(L, config);
    else
        provider->vendor = vendor_find(kind);
    lua_pop(L, 1);
    if (provider->vendor == NULL)
        luaL_error(L, "config: unknown vendor '%s'", kind.ptr);
    provider->origin = take_string(L, config, "origin");
    provider->path = take_string(L, config, "path");
    provider->proxy = take_string(L, config, "proxy");
    provider->keys = take_strings(L, config, "keys", &provider->key_count);
    provider->credential = take_credential(L, config);
    take_headers(L, config, provider);
    provider->api_version = take_string(L, config, "api_version");
    provider->dated_api = take_bool(L, "dated_api");
    provider->is_vendors = take_bool(L, "is_vendors");
    provider->region = take_string(L, config, "region");
    provider->project = take_string(L, config, "project");
    provider->location = take_string(L, config, "location");
    provider->access_key_id = take_string(L, config, "access_key_id");
    provider->secret_access_key = take_string(L, config, "secret_access_key");
    provider->session_token = take_string(L, config, "session_token");
    provider->default_input_type = take_string(L, config, "default_input_type");
    provider->include_thoughts = take_bool(L, "include_thoughts");
    provider->default_max_tokens = take_int(L, "default_max_tokens");
    provider->empty_text_placeholder = take_string(L, config, "empty_text_placeholder");
    provider->drop_params = take_bool(L, "drop_params");
    enter(L, "reasoning_budgets");
    for (unsigned i = 0; i < sizeof provider->reasoning_budgets / sizeof *provider->reasoning_budgets; i++) {
        lua_rawgeti(L, -1, i + 1);
        provider->reasoning_budgets[i] = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
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

/* What lua/gateway/checks.lua made of the field `check`; NULL: the provider is not asked. */
static struct check *take_check(lua_State *L, struct config *config, const struct provider *provider)
{
    struct check *check = NULL;
    if (lua_getfield(L, -1, "check") == LUA_TTABLE) {
        check = take_memory(L, config, 1, sizeof *check);
        check->path = take_string(L, config, "path");
        check->every_us = take_us(L, "every");
        check->timeout_us = take_us(L, "timeout");
        check->fall = (unsigned)take_int(L, "fall");
        check->rise = (unsigned)take_int(L, "rise");
        unsigned count = enter(L, "expect");
        while (check->status_count < count && check->status_count < CHECK_STATUSES_MAX) {
            lua_rawgeti(L, -1, check->status_count + 1);
            check->statuses[check->status_count++] = (int)lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        if (!config_write_check(config, provider, check))
            luaL_error(L, "config: the headers of provider %s are too long", provider->name.ptr);
    }
    lua_pop(L, 1);
    return check;
}

static void take_board(lua_State *L, struct config *config)
{
    if (lua_getfield(L, -1, "board") == LUA_TTABLE) {
        config->board.url = take_string(L, config, "url");
        config->board.origin = take_string(L, config, "origin");
        config->board.every_us = take_us(L, "every");
        if (!config_write_board(config, take_string(L, config, "path")))
            luaL_error(L, "config: it is too large");
    }
    lua_pop(L, 1);
}

static void take_providers(lua_State *L, struct config *config)
{
    config->provider_count = enter(L, "providers");
    config->providers = take_memory(L, config, config->provider_count, sizeof *config->providers);
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
        config->provider_times[i] = (struct provider_times){take_us(L, "timeout"), take_us(L, "first_token")};
        lua_pop(L, 1);
        config->checks[i] = take_check(L, config, provider);
        if (provider->origin.len == 0)
            config->wants_mock = true;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    config->listen_place = take_string(L, config, "listen_place");
    config->remarks = take_strings(L, config, "remarks", &config->remark_count);
    config->status_count = enter(L, "statuses");
    config->statuses = take_memory(L, config, config->status_count, sizeof *config->statuses);
    for (unsigned i = 0; i < config->status_count; i++) {
        lua_rawgeti(L, -1, i + 1);
        config->statuses[i].name = take_string(L, config, "name");
        config->statuses[i].why_off = take_string(L, config, "why_off");
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_facts(lua_State *L, struct config *config, struct target *target)
{
    target->weight = take_number(L, "weight", target->weight);
    target->quality = take_number(L, "quality", 0);
    target->leaderboard = take_number(L, "leaderboard", 0);
    target->max_temperature = take_number(L, "max_temperature", target->max_temperature);
    target->priority = (int64_t)take_number(L, "priority", 1);
    target->context = take_int(L, "context");
    target->model.max_output = take_int(L, "max_output");
    target->model.capabilities = (unsigned)take_int(L, "capabilities");
    target->model.base_model = take_string(L, config, "base_model");
    target->timeout_us = take_us(L, "timeout");
    target->first_token_us = take_us(L, "first_token");
    struct slice makes = take_string(L, config, "makes");
    target->makes = slice_equals(makes, LIT("vectors")) ? MAKES_VECTORS : slice_equals(makes, LIT("text")) ? MAKES_TEXT : MAKES_ANYTHING;
    enter(L, "price");
    for (unsigned i = 0; i < PRICE_LIST; i++) {
        lua_rawgeti(L, -1, i + 1);
        target->price[i] = lua_isnil(L, -1) ? -1 : lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_targets(lua_State *L, struct config *config)
{
    unsigned count = enter(L, "targets");
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, -1, i + 1);
        int64_t provider = take_int(L, "provider");
        if (provider < 1 || provider > config->provider_count)
            luaL_error(L, "config: target %d has no provider", (int)i + 1);
        struct target *target = config_add_target(config, &config->providers[provider - 1], take_string(L, config, "model"));
        if (target == NULL)
            luaL_error(L, "config: there are too many targets");
        take_facts(L, config, target);
        config_limit_target(config, target, "target", target->name, take_limit(L, config));
        if (!config_write_heads(config, target))
            luaL_error(L, "config: the headers of provider %s are too long", target->provider->name.ptr);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void take_models(lua_State *L, struct config *config)
{
    config->model_count = enter(L, "models");
    config->models = take_memory(L, config, config->model_count, sizeof *config->models);
    for (unsigned i = 0; i < config->model_count; i++) {
        struct model *model = &config->models[i];
        lua_rawgeti(L, -1, i + 1);
        model->name = take_string(L, config, "name");
        model->from_catalog = take_bool(L, "from_catalog");
        model->target_count = enter(L, "targets");
        model->targets = take_memory(L, config, model->target_count, sizeof *model->targets);
        for (unsigned t = 0; t < model->target_count; t++) {
            lua_rawgeti(L, -1, t + 1);
            model->targets[t] = config->targets[lua_tointeger(L, -1) - 1];
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
        model->off = take_strings(L, config, "off", &model->off_count);
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
    config->user_count = enter(L, "users");
    config->users = take_memory(L, config, config->user_count, sizeof *config->users);
    for (unsigned i = 0; i < config->user_count; i++) {
        struct user *user = &config->users[i];
        lua_rawgeti(L, -1, i + 1);
        user->id = take_string(L, config, "user");
        user->tier = take_string(L, config, "tier");
        user->name = take_string(L, config, "name");
        user->models = take_strings(L, config, "models", &user->model_count);
        user->expires_wall_us = take_us(L, "expires");
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

static int take_word(lua_State *L, const char *key, const char *const *words)
{
    int found = 0;
    lua_getfield(L, -1, key);
    for (int i = 0; words[i] != NULL; i++)
        if (lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), words[i]) == 0)
            found = i;
    lua_pop(L, 1);
    return found;
}

static void take_deadlines(lua_State *L, struct config *config)
{
    struct walk_settings *settings = &config->walk;
    *settings = (struct walk_settings){
        .hedge = true, .backoff_base_us = US_PER_S / 10, .backoff_max_us = 5 * US_PER_S, .retry_after_max_us = 10 * US_PER_S};
    enter(L, "timeouts");
    settings->connect_us = take_us(L, "connect");
    settings->tls_us = take_us(L, "tls");
    settings->headers_us = take_us(L, "headers");
    settings->first_token_us = take_us(L, "first_token");
    settings->idle_us = take_us(L, "idle");
    settings->total_us = take_us(L, "total");
    lua_pop(L, 1);
    enter(L, "retry");
    settings->attempts = (unsigned)take_int(L, "attempts");
    settings->replay_uncertain = take_bool(L, "uncertain");
    lua_pop(L, 1);
    enter(L, "breaker");
    config->health.failures = (unsigned)take_int(L, "failures");
    config->health.open_us = take_us(L, "open");
    lua_pop(L, 1);
}

static void take_rest(lua_State *L, struct config *config)
{
    static const char *const levels[] = {"debug", "info", "warn", "error", NULL}, *const formats[] = {"json", "text", "unset", NULL};
    enter(L, "listen");
    config->listen_host = take_string(L, config, "host");
    config->listen_port = (int)take_int(L, "port");
    config->listen_is_loopback = take_bool(L, "is_loopback");
    lua_pop(L, 1);
    config->workers = (unsigned)take_int(L, "workers");
    config->open = take_bool(L, "open");
    config->body_limit = (size_t)take_int(L, "body_limit");
    config->memory_limit = (size_t)take_int(L, "memory");
    config->drain_us = take_us(L, "drain");
    config->drain_delay_us = take_us(L, "drain_delay");
    config->strategy = take_string(L, config, "strategy");
    enter(L, "log");
    config->log_level = (enum log_level)take_word(L, "level", levels);
    config->log_format = (enum log_format)take_word(L, "format", formats);
    config->log_bodies = take_bool(L, "bodies");
    lua_pop(L, 1);
    enter(L, "cors");
    config->cors_origins = take_strings(L, config, "origins", &config->cors_count);
    config->cors_any = take_bool(L, "any");
    lua_pop(L, 1);
    config->hosts = take_strings(L, config, "hosts", &config->host_count);
    struct slice *proxies = take_strings(L, config, "proxies", &config->proxy_count);
    config->proxies = take_memory(L, config, config->proxy_count, sizeof *config->proxies);
    for (unsigned i = 0; i < config->proxy_count; i++)
        if (!network_parse(proxies[i], &config->proxies[i]))
            luaL_error(L, "config: %s is no network", proxies[i].ptr);
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
    take_deadlines(L, config);
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

static void push_vendor(lua_State *L, const struct vendor *vendor)
{
    lua_createtable(L, 0, 4);
    set_string(L, "name", vendor->name);
    set_string(L, "base_url", vendor->base_url); /* nil for NULL */
    set_bool(L, "no_key", (vendor->quirks & VENDOR_NO_KEY) != 0);
    lua_newtable(L);
    for (int i = 0; i < 3 && vendor->key_env[i] != NULL; i++) {
        lua_pushstring(L, vendor->key_env[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "key_env");
    lua_newtable(L);
    for (int i = 0; i < 3 && vendor->base_env[i] != NULL; i++) {
        lua_pushstring(L, vendor->base_env[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "base_env");
}

void config_push_vendors(lua_State *L)
{
    lua_newtable(L);
    for (unsigned i = 0; i < vendor_count; i++) {
        push_vendor(L, &vendors[i]);
        lua_setfield(L, -2, vendors[i].name);
    }
}
