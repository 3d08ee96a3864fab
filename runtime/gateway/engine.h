/* engine.h -- what the gateway needs of the scripting language: a table of functions. lua/ implements it; nothing below lua/ knows that it is Lua.
 *
 * A generation is config + policies under one number: sources are read once, tried, and opened once per worker; then each
 * worker switches to it between two requests.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ENGINE_H
#define GATEWAY_ENGINE_H
#include "config/config.h"
#include "shared/copies.h"

struct request;
struct script;  /* one generation's policies, opened in one worker; used by one thread at a time */
struct sources; /* the bytes of gateway.lua and of every policy, read once */

enum { COMPLAINT_MAX = 1024 };

struct engine {
    /* --- any thread that owns the arguments; complaints are one line: "gateway.lua:12: providers.openai.key: expected …" */
    /* Reads gateway.lua, .env beside it and the folder of the policy that it names; evaluates and checks the config. What the config names by URL is
     * taken from `copies` (NULL, or not there: as if it were empty). The caller frees the sources (sources_free) and the config (config_free); no sources:
     * there is no memory. Where something else is wrong `*config` is NULL, and the sources serve `stamp` only. */
    struct sources *(*read)(const char *config_path, struct copies *copies, struct config **config, char complaint[COMPLAINT_MAX]);
    /* Is this text a valid leaderboard? `url`: where it was fetched from. False: complaint. */
    bool (*is_board)(struct slice text, struct slice url, char complaint[COMPLAINT_MAX]);
    /* Appends a line for each unset environment variable whose absence disabled a part of the config. */
    void (*review)(const char *config_path, struct buffer *out);
    void (*sources_free)(struct sources *sources);
    /* Opens a script: sandbox, policies loaded, shape and strategies checked. NULL: complaint. */
    struct script *(*open)(const struct sources *sources, struct config *config, struct log *log, char complaint[COMPLAINT_MAX]);
    void (*close)(struct script *script);
    /* A number that changes when a file of these sources is changed, created or deleted (stat only). */
    uint64_t (*stamp)(const struct sources *sources);
    /* The same number, as of when they were read. */
    uint64_t (*stamp_read)(const struct sources *sources);

    /* --- the worker's thread */
    /* Starts the pipeline for a request whose head and body are in. Returns when it waits (for the walk) or is over. */
    void (*begin)(struct script *script, struct request *request);
    /* The walk asks (request->ask is set) or is over: the pipeline goes on until it waits again or is over. */
    void (*resume)(struct script *script, struct request *request);
    /* explain: facts, limits, plan as JSON text; nothing is sent. */
    void (*explain)(struct script *script, struct request *request, struct buffer *out);
    /* For a trial (trial.h). False: admit or route makes a mistake with this request; `complaint` says which. */
    bool (*trial)(struct script *script, struct request *request, char complaint[COMPLAINT_MAX]);
    /* As if the client had asked for the nth strategy that the policy exports. False: there are fewer. `request` NULL: only checks that. */
    bool (*choose_strategy)(struct script *script, struct request *request, unsigned nth);
};
#endif
