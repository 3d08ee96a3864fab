/* sources.c -- gateway.lua, .env beside it and the folder of the policy it names: read once, evaluated, checked.
 *
 * The very bytes that were tried are those that every worker's script is opened with. What policies need of the config crosses into the
 * scripts as text.
 * SPDX-License-Identifier: MIT */
#include "base/file.h"
#include "lua/adapter.h"
#include "lua/bindings.h"
#include "lua/engine/embedded.h"
#include "lua/config.h"
#include "lua/engine/evaluate.h"
#include "lua/hold.h"
#include "lua/script.h"
#include <dirent.h>
#include <errno.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_MAX = 4 * 1024 * 1024, FILES_MAX = 1024, DATA_MAX = 64 };

int luaopen_cjson_safe(lua_State *L); /* exported beside luaopen_cjson, but missing in its header */

struct source {
    char *name; /* "default" */
    struct buffer text;
    char *why; /* it could not be read; NULL: it was */
};

struct sources {
    char *path;     /* of gateway.lua, as it was given */
    char *env_path; /* .env beside it */
    uint64_t stamp_read;
    char *folder; /* of the policy, to open and to watch */
    char *shown;  /* the same as messages name it */
    char *policy; /* "default"; NULL: the built-in one */
    char *strategy;
    char *strategy_place; /* where the config says it; NULL: it does not */
    char *said;           /* what the policy's load needs of the config: a chunk of Lua that returns { settings, tiers } */
    size_t said_len;
    char *why_folder; /* the folder could not be read; NULL: it was */
    struct source files[FILES_MAX];
    unsigned file_count;
    struct source adapters[ADAPTERS_MAX]; /* each by the name that the config gave it */
    unsigned adapter_count;
    char *data[DATA_MAX]; /* files beside gateway.lua that it names: the leaderboard, the table of prices, credentials */
    unsigned data_count;
    char *shortage; /* a file of data that could not be read, and the machine is to blame */
};

/* ---------------------------------------------------------------- files */

static char *join(const char *folder, const char *name)
{
    size_t len = strlen(folder);
    char *path = xcalloc(1, len + strlen(name) + 2);
    memcpy(path, folder, len);
    path[len] = '/';
    memcpy(path + len + 1, name, strlen(name));
    return path;
}

/* A name beside gateway.lua. */
char *sources_beside(const char *config_path, const char *name)
{
    const char *slash = strrchr(config_path, '/');
    size_t len = slash == NULL || name[0] == '/' ? 0 : (size_t)(slash + 1 - config_path);
    char *path = xcalloc(1, len + strlen(name) + 1);
    memcpy(path, config_path, len);
    memcpy(path + len, name, strlen(name));
    return path;
}

static bool is_lua(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && name[0] != '.' && strcmp(name + len - 4, ".lua") == 0;
}

static int compare_sources(const void *a, const void *b)
{
    return strcmp(((const struct source *)a)->name, ((const struct source *)b)->name);
}

static char *copy_text(const char *text)
{
    return xstrndup(text, strlen(text));
}

static void add_file(struct sources *sources, const char *entry)
{
    struct source *file = &sources->files[sources->file_count++];
    char *path = join(sources->folder, entry), why[FILE_WHY_MAX];
    file->name = xstrndup(entry, strlen(entry) - 4);
    buffer_init(&file->text, FILE_MAX);
    if (!file_read(path, &file->text, why)) {
        buffer_free(&file->text);
        file->why = copy_text(why);
    }
    free(path);
}

/* Every *.lua of the policy's folder. What cannot be read is the matter of the policy that needs it: it says why. */
static void read_folder(struct sources *sources)
{
    DIR *folder = opendir(sources->folder);
    const struct dirent *entry = NULL;
    char why[FILE_WHY_MAX] = "";
    while (folder != NULL && sources->file_count < FILES_MAX && (errno = 0, entry = readdir(folder)) != NULL)
        if (is_lua(entry->d_name))
            add_file(sources, entry->d_name);
    if (entry != NULL)
        snprintf(why, sizeof why, "holds more than %d files of policies", FILES_MAX);
    else if ((folder == NULL && errno != ENOENT) || (folder != NULL && errno != 0))
        file_write_why(errno, why);
    if (why[0] != '\0')
        sources->why_folder = copy_text(why);
    if (folder != NULL)
        closedir(folder);
    qsort(sources->files, sources->file_count, sizeof *sources->files, compare_sources);
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15ull;
    return hash ^ hash >> 29;
}

static uint64_t stamp_file(const char *path)
{
    struct stat status;
    uint64_t hash = 0;
    if (stat(path, &status) != 0)
        return 1;
    hash = mix(hash, (uint64_t)status.st_ino);
    hash = mix(hash, (uint64_t)status.st_size);
    hash = mix(hash, (uint64_t)status.st_mtim.tv_sec);
    return mix(hash, (uint64_t)status.st_mtim.tv_nsec);
}

static uint64_t stamp_name(const char *name)
{
    uint64_t hash = 0;
    for (; *name != '\0'; name++)
        hash = mix(hash, (unsigned char)*name);
    return hash;
}

/* Sums, since a folder has no order. */
uint64_t sources_stamp(const struct sources *sources)
{
    uint64_t stamp = mix(stamp_file(sources->path), 1) + mix(stamp_file(sources->env_path), 2);
    DIR *folder = sources->folder == NULL ? NULL : opendir(sources->folder);
    const struct dirent *entry;
    for (unsigned i = 0; i < sources->data_count; i++)
        stamp += mix(stamp_file(sources->data[i]), stamp_name(sources->data[i]));
    for (unsigned i = 0; i < sources->adapter_count; i++) {
        char *path = sources_beside(sources->path, sources->adapters[i].name);
        stamp += mix(stamp_file(path), stamp_name(sources->adapters[i].name));
        free(path);
    }
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (!is_lua(entry->d_name))
            continue;
        char *path = join(sources->folder, entry->d_name);
        stamp += mix(stamp_file(path), stamp_name(entry->d_name));
        free(path);
    }
    if (folder != NULL)
        closedir(folder);
    return stamp;
}

uint64_t sources_stamp_read(const struct sources *sources)
{
    return sources->stamp_read;
}

void sources_free(struct sources *sources)
{
    for (unsigned i = 0; i < sources->file_count; i++) {
        free(sources->files[i].name);
        free(sources->files[i].why);
        buffer_free(&sources->files[i].text);
    }
    for (unsigned i = 0; i < sources->adapter_count; i++) {
        free(sources->adapters[i].name);
        buffer_free(&sources->adapters[i].text);
    }
    free(sources->path);
    free(sources->env_path);
    for (unsigned i = 0; i < sources->data_count; i++)
        free(sources->data[i]);
    free(sources->shortage);
    free(sources->why_folder);
    free(sources->folder);
    free(sources->shown);
    free(sources->policy);
    free(sources->strategy);
    free(sources->strategy_place);
    free(sources->said);
    free(sources);
}

/* ---------------------------------------------------------------- states */

static int load_embedded(lua_State *L) /* upvalue 1: the file */
{
    const struct embedded_lua *file = lua_touserdata(L, lua_upvalueindex(1));
    lua_pushfstring(L, "@lua/%s", file->name);
    if (luaL_loadbufferx(L, file->text, file->len, lua_tostring(L, -1), "t") != LUA_OK)
        return lua_error(L);
    lua_pushstring(L, file->name);
    lua_call(L, 1, 1);
    return 1;
}

static int open_state(lua_State *L)
{
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    for (unsigned i = 0; i < embedded_lua_count; i++) {
        lua_pushlightuserdata(L, (void *)&embedded_lua[i]);
        lua_pushcclosure(L, load_embedded, 1);
        lua_setfield(L, -2, embedded_lua[i].name);
    }
    lua_pushcfunction(L, open_runtime);
    lua_setfield(L, -2, "gateway.runtime");
    lua_pushcfunction(L, open_steps);
    lua_setfield(L, -2, "gateway.steps");
    lua_pushcfunction(L, luaopen_cjson_safe);
    lua_setfield(L, -2, "cjson.safe");
    return 0;
}

lua_State *sources_new_state(struct memory *memory)
{
    lua_State *L = call_new_state(memory);
    if (L == NULL)
        return NULL;
    if (call_protected(L, open_state, NULL, 0, 0))
        return L;
    call_close_state(L);
    return NULL;
}

/* ---------------------------------------------------------------- gateway.lua */

struct reading {
    struct sources *sources;
    struct copies *copies; /* NULL: nothing is fetched */
    struct config *config;
    char *complaint;
};

static int complain(lua_State *L, struct reading *reading) /* the text at the top */
{
    snprintf(reading->complaint, COMPLAINT_MAX, "%s", text_or(L, -1, "gateway.lua cannot be read"));
    lua_pushboolean(L, false);
    return 1;
}

/* The whole name of a data file beside gateway.lua, noted as one; NULL: there are too many. */
static const char *note_data(struct sources *sources, const char *name)
{
    char *path = sources_beside(sources->path, name);
    for (unsigned i = 0; i < sources->data_count; i++) {
        if (strcmp(sources->data[i], path) == 0) {
            free(path);
            return sources->data[i];
        }
    }
    if (sources->data_count < DATA_MAX)
        return sources->data[sources->data_count++] = path;
    free(path);
    return NULL;
}

/* read(name) -> text | nil, why: of a data file beside gateway.lua, which is then watched with it. Upvalue 1: the sources. */
static int config_read(lua_State *L)
{
    struct sources *sources = lua_touserdata(L, lua_upvalueindex(1));
    const char *path = note_data(sources, luaL_checkstring(L, 1));
    if (path == NULL) {
        lua_pushnil(L);
        lua_pushfstring(L, "there are more than %d files of data", DATA_MAX);
        return 2;
    }
    if (evaluate_push_text(L, path, false))
        return 1;
    if (file_is_shortage(errno) && sources->shortage == NULL)
        sources->shortage = copy_text(lua_tostring(L, -1));
    lua_pushnil(L);
    lua_insert(L, -2);
    return 2;
}

/* fetched(url) -> the last good copy of what it said | nil. Upvalue 1: the copies. */
static int config_fetched(lua_State *L)
{
    struct copies *copies = lua_touserdata(L, lua_upvalueindex(1));
    struct slice url = check_slice(L, 1);
    struct buffer *text = hold_buffer(L, FILE_MAX);
    if (copies != NULL && copies_get(copies, url, text))
        push_slice(L, buffer_slice(text));
    else
        lua_pushnil(L);
    return 1;
}

static int push_adapter(lua_State *L, const struct sources *sources, unsigned index) /* -> options for adapter.load */
{
    const struct source *file = &sources->adapters[index];
    lua_createtable(L, 0, 3);
    set_string(L, "file", file->name);
    set_slice(L, "text", buffer_slice(&file->text));
    set_int(L, "index", index + 1);
    return 1;
}

/* (name of an adapter's file) -> { file, text, index } | nil, why; each file is read once. Upvalue 1: struct sources. */
static int read_adapter(lua_State *L)
{
    struct sources *sources = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_checkstring(L, 1);
    for (unsigned i = 0; i < sources->adapter_count; i++)
        if (strcmp(sources->adapters[i].name, name) == 0)
            return push_adapter(L, sources, i);
    struct source *file = &sources->adapters[sources->adapter_count];
    if (sources->adapter_count == ADAPTERS_MAX) {
        lua_pushnil(L);
        lua_pushfstring(L, "there are more than %d adapters", ADAPTERS_MAX);
        return 2;
    }
    char *path = sources_beside(sources->path, name), why[FILE_WHY_MAX];
    buffer_init(&file->text, FILE_MAX);
    bool found = file_read(path, &file->text, why);
    free(path);
    if (!found) {
        buffer_free(&file->text);
        note_data(sources, name); /* watched all the same */
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", name, why);
        return 2;
    }
    file->name = copy_text(name);
    return push_adapter(L, sources, sources->adapter_count++);
}

/* Checks the table at `raw` -> the checked one at the top; false: the complaint is. */
static bool check(lua_State *L, const struct reading *reading, int raw, int text, int env)
{
    struct sources *sources = reading->sources;
    lua_pushvalue(L, raw);
    lua_createtable(L, 0, 7);
    set_string(L, "file", sources->path);
    lua_pushvalue(L, text);
    lua_setfield(L, -2, "text");
    lua_pushvalue(L, env);
    lua_setfield(L, -2, "env");
    set_function(L, "read", config_read, sources);
    set_function(L, "fetched", config_fetched, reading->copies);
    set_function(L, "read_adapter", read_adapter, sources);
    config_push_vendors(L);
    lua_setfield(L, -2, "vendors");
    call_module(L, "gateway.config", "check", 2, 2);
    if (lua_isnil(L, -2))
        return false;
    lua_pop(L, 1);
    return true;
}

/* The caller frees it; NULL: it is not there. */
static char *take_field(lua_State *L, int index, const char *key)
{
    struct slice text = field_slice(L, index, key);
    return text.ptr == NULL ? NULL : xstrndup(text.ptr, text.len);
}

/* The policy that the config names; else policies/default.lua beside it, where there is one; else the built-in one. The folder is watched all the same. */
static void find_policy(lua_State *L, struct sources *sources, int checked)
{
    if (lua_getfield(L, checked, "policy") == LUA_TTABLE) {
        sources->shown = take_field(L, lua_gettop(L), "folder");
        sources->policy = take_field(L, lua_gettop(L), "name");
    } else {
        char *folder = sources_beside(sources->path, "policies"), *path = sources_beside(sources->path, "policies/default.lua");
        struct stat status;
        bool leads_nowhere = !file_is_absent(folder) && stat(folder, &status) != 0;
        sources->shown = copy_text("policies");
        if (leads_nowhere || !file_is_absent(path))
            sources->policy = copy_text("default");
        free(folder);
        free(path);
    }
    lua_pop(L, 1);
    sources->folder = sources_beside(sources->path, sources->shown);
}

static void keep_said(lua_State *L, struct sources *sources, int checked)
{
    lua_createtable(L, 0, 2);
    lua_getfield(L, checked, "settings");
    lua_setfield(L, -2, "settings");
    lua_getfield(L, checked, "tiers");
    lua_setfield(L, -2, "tiers");
    call_module(L, "gateway.config", "as_text", 1, 1);
    const char *text = lua_tolstring(L, -1, &sources->said_len);
    sources->said = xcalloc(1, sources->said_len + 1);
    memcpy(sources->said, text, sources->said_len);
    lua_pop(L, 1);
}

static void push_texts(lua_State *L, const struct sources *sources)
{
    lua_createtable(L, 0, (int)sources->file_count);
    for (unsigned i = 0; i < sources->file_count; i++) {
        const struct buffer *text = &sources->files[i].text;
        set_slice(L, sources->files[i].name, buffer_slice(text));
    }
}

/* Puts what looks like a mistake into the checked table, as `remarks`. */
static void remark(lua_State *L, const struct sources *sources, int raw, int text, int checked)
{
    lua_pushvalue(L, raw);
    lua_pushvalue(L, checked);
    lua_pushstring(L, sources->path);
    lua_pushvalue(L, text);
    lua_createtable(L, 0, 2);
    set_string(L, "name", sources->policy);
    push_texts(L, sources);
    lua_setfield(L, -2, "sources");
    call_module(L, "gateway.remarks", "of", 5, 1);
    lua_setfield(L, checked, "remarks");
}

/* (struct reading) -> true, or false with reading->complaint */
static int read_all(lua_State *L)
{
    struct reading *reading = lua_touserdata(L, 1);
    struct sources *sources = reading->sources;
    enum { TEXT = 2, ENV, RAW, CHECKED };

    if (!evaluate_push_text(L, sources->path, false) || !evaluate_push_env(L, sources->env_path) || !evaluate(L, sources->path, TEXT, ENV))
        return complain(L, reading);
    lua_replace(L, RAW);
    lua_settop(L, RAW);
    if (!check(L, reading, RAW, TEXT, ENV))
        return complain(L, reading);
    if (sources->shortage != NULL) { /* a config may do without a file that is not there, but not without memory or descriptors */
        lua_pushstring(L, sources->shortage);
        return complain(L, reading);
    }
    find_policy(L, sources, CHECKED);
    sources->strategy = take_field(L, CHECKED, "strategy");
    sources->strategy_place = take_field(L, CHECKED, "strategy_place");
    if (sources->policy == NULL && sources->strategy_place != NULL) {
        lua_pushfstring(L, "%s: the built-in policy has none: say policy = \"policies/default.lua\" as well, or leave it out",
                        sources->strategy_place);
        return complain(L, reading);
    }
    keep_said(L, sources, CHECKED);
    lua_settop(L, CHECKED);
    if (sources->policy != NULL)
        read_folder(sources);
    remark(L, sources, RAW, TEXT, CHECKED);
    reading->config = config_build(L, slice_of(sources->path), reading->complaint, COMPLAINT_MAX);
    lua_pushboolean(L, reading->config != NULL);
    return 1;
}

struct sources *sources_read(const char *config_path, struct copies *copies, struct config **config, char complaint[COMPLAINT_MAX])
{
    struct sources *sources = calloc(1, sizeof *sources); /* large */
    struct reading reading = {.sources = sources, .copies = copies, .complaint = complaint};
    lua_State *L = sources == NULL ? NULL : sources_new_state(NULL);
    bool ok = false;
    snprintf(complaint, COMPLAINT_MAX, "%s: out of memory", config_path);
    if (sources == NULL)
        return NULL;
    sources->path = xstrndup(config_path, strlen(config_path));
    sources->env_path = sources_beside(config_path, ".env");
    if (L != NULL) {
        if (call_protected(L, read_all, &reading, 0, 1))
            ok = lua_toboolean(L, -1);
        else
            complain(L, &reading);
        call_close_state(L);
    }
    sources->stamp_read = sources_stamp(sources);
    if (!ok && reading.config != NULL)
        config_free(reading.config);
    *config = ok ? reading.config : NULL;
    if (!ok)
        return sources;
    if (sources->policy != NULL)
        (*config)->policy_file = arena_printf(&(*config)->arena, "%s/%s.lua", sources->shown, sources->policy);
    (*config)->policy_name = sources->policy == NULL ? LIT("builtin") : arena_copy(&(*config)->arena, slice_of(sources->policy));
    return sources;
}

/* ---------------------------------------------------------------- what was fetched */

static int complain_about_board(lua_State *L) /* (text and url as struct slice [2]) -> complaint | nil */
{
    const struct slice *said = lua_touserdata(L, 1);
    push_slice(L, said[0]);
    push_slice(L, said[1]);
    call_module(L, "gateway.leaderboard", "complaint", 2, 1);
    return 1;
}

bool sources_is_board(struct slice text, struct slice url, char complaint[COMPLAINT_MAX])
{
    lua_State *L = sources_new_state(NULL);
    snprintf(complaint, COMPLAINT_MAX, "out of memory");
    if (L == NULL)
        return false;
    struct slice said[2] = {text, url};
    bool ok = call_protected(L, complain_about_board, said, 0, 1) && lua_isnil(L, -1);
    if (!ok)
        snprintf(complaint, COMPLAINT_MAX, "%s", text_or(L, -1, "it cannot be read"));
    call_close_state(L);
    return ok;
}

/* ---------------------------------------------------------------- for scripts */

bool sources_push_adapter(lua_State *L, const struct sources *sources, unsigned index)
{
    return index < sources->adapter_count && push_adapter(L, sources, index) == 1;
}

bool sources_push_policy(lua_State *L, const struct sources *sources)
{
    if (sources->policy == NULL)
        return false;
    if (luaL_loadbufferx(L, sources->said, sources->said_len, "=said", "t") != LUA_OK)
        return lua_error(L), false;
    lua_call(L, 0, 1);
    set_string(L, "name", sources->policy);
    set_string(L, "folder", sources->shown);
    set_string(L, "strategy", sources->strategy);
    set_string(L, "strategy_place", sources->strategy_place);
    set_string(L, "config", sources->path);
    set_string(L, "unread_folder", sources->why_folder);
    lua_createtable(L, 0, (int)sources->file_count);
    lua_createtable(L, 0, 0);
    for (unsigned i = 0; i < sources->file_count; i++) {
        const struct source *file = &sources->files[i];
        push_slice(L, file->why != NULL ? slice_of(file->why) : buffer_slice(&file->text));
        lua_setfield(L, file->why != NULL ? -2 : -3, file->name);
    }
    lua_setfield(L, -3, "unread");
    lua_setfield(L, -2, "sources");
    return true;
}
