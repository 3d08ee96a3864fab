/* config.c -- struct config for specs: built of a checked table, and asked what it knows.
 * SPDX-License-Identifier: MIT */
#include "lua/spec/bindings.h"
#include "lua/config.h"

#define CONFIG_TYPE "gateway.config"

static struct config *check_config(lua_State *L)
{
    return check_held(L, 1, CONFIG_TYPE);
}

/* config:model(name) -> names of its targets | nil */
static int config_model_face(lua_State *L)
{
    struct config *config = check_config(L);
    const struct model *model = config_model(config, check_slice(L, 2), hold_arena(L, 1024 * 1024), NULL);
    if (model == NULL)
        lua_pushnil(L);
    else
        lua_createtable(L, (int)model->target_count, 0);
    for (unsigned i = 0; model != NULL && i < model->target_count; i++) {
        push_slice(L, model->targets[i]->name);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* config:nearest(name, max) -> names */
static int config_nearest_face(lua_State *L)
{
    struct config *config = check_config(L);
    struct slice name = check_slice(L, 2), names[16];
    unsigned count = config_nearest(config, NULL, name, names, (unsigned)luaL_checkinteger(L, 3));
    lua_newtable(L);
    for (unsigned i = 0; i < count; i++) {
        push_slice(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* config:target(name) -> { index, weight, context, price, head_json, … } | nil */
static int config_target_face(lua_State *L)
{
    struct config *config = check_config(L);
    struct slice name = check_slice(L, 2);
    const struct target *target = config_target(config, name);
    if (target == NULL)
        return 0;
    lua_newtable(L);
    set_number(L, "index", target->index);
    set_number(L, "weight", target->weight);
    set_number(L, "priority", (double)target->priority);
    set_number(L, "context", (double)target->context);
    set_number(L, "max_output", (double)target->model.max_output);
    set_number(L, "capabilities", target->model.capabilities);
    set_seconds(L, "timeout", target->timeout_us);
    set_slice(L, "head_json", target->head_json);
    set_slice(L, "head_stream", target->head_stream);
    lua_newtable(L);
    for (int i = 0; i < (target->price[PRICE_ABOVE] > 0 ? PRICE_LIST : PRICE_COUNT); i++) {
        lua_pushinteger(L, target->price[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "price");
    return 1;
}

/* config:user(key, now_s) -> { user, tier, name, metadata (JSON) } | nil: of no user, or expired */
static int config_user_face(lua_State *L)
{
    struct config *config = check_config(L);
    uint8_t digest[SHA256_BYTES];
    struct slice key = check_slice(L, 2);
    hash_sha256(key, digest);
    const struct user *user = keyring_find(config->keyring, digest);
    if (user == NULL || user_has_expired(user, check_us(L, 3)))
        return 0;
    lua_newtable(L);
    set_slice(L, "user", user->id);
    set_slice(L, "tier", user->tier);
    set_slice(L, "name", user->name);
    set_slice(L, "metadata", user->metadata_json);
    return 1;
}

/* config.build(checked, path) -> config | nil, complaint */
static int config_build_face(lua_State *L)
{
    char complaint[1024];
    struct slice path = check_slice(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    void **held = push_held(L, CONFIG_TYPE);
    lua_pushvalue(L, 1);
    *held = config_build(L, path, complaint, sizeof complaint);
    lua_pop(L, 1);
    if (*held != NULL)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, complaint);
    return 2;
}

static int config_vendors_face(lua_State *L)
{
    config_push_vendors(L);
    return 1;
}

int open_config(lua_State *L)
{
    static const luaL_Reg functions[] = {{"build", config_build_face}, {"vendors", config_vendors_face}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"model", config_model_face},
                                       {"nearest", config_nearest_face},
                                       {"target", config_target_face},
                                       {"user", config_user_face},
                                       {NULL, NULL}};
    new_held_type(L, CONFIG_TYPE, methods, (void (*)(void *))config_free);
    luaL_newlib(L, functions);
    return 1;
}
