/* engine.h -- what the gateway asks of the scripting language. lua/ fills it; nothing below lua/ knows that it is Lua.
 *
 * A generation is config + policies under one number: sources are read once, tried aside, and opened once per worker; then all
 * workers switch between two requests.
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
    /* --- any thread that owns what it passes; complaints are one line: "gateway.lua:12: providers.openai.key: expected …" */
    /* Reads gateway.lua, .env beside it and the folder of the policy that it names; evaluates and checks the config. What it has by URL is
     * taken from `copies` (NULL, or not there: as if it were empty). Never NULL; where something is wrong `*config` is, and the sources are good for `stamp`. */
    struct sources *(*read)(const char *config_path, struct copies *copies, struct config **config, char complaint[COMPLAINT_MAX]);
    /* May this be a leaderboard that was fetched from `url`? False: complaint. */
    bool (*is_board)(struct slice text, struct slice url, char complaint[COMPLAINT_MAX]);
    /* Appends a line for each variable of the environment that is not set and whose absence left something out of the config. */
    void (*review)(const char *config_path, struct buffer *out);
    void (*sources_free)(struct sources *sources);
    /* Opens a script: sandbox, policies loaded, shape and strategies checked. NULL: complaint. */
    struct script *(*open)(const struct sources *sources, struct config *config, struct log *log, char complaint[COMPLAINT_MAX]);
    void (*close)(struct script *script);
    /* A number that changes when a file of these sources changes on disk, comes or goes (stat only). */
    uint64_t (*stamp)(const struct sources *sources);
    /* The same number as it was when they were read. */
    uint64_t (*stamp_read)(const struct sources *sources);

    /* --- the worker's thread */
    /* Starts the pipeline for a request whose head and body are in. Returns when it waits (for the walk) or is over. */
    void (*begin)(struct script *script, struct request *request);
    /* The walk asks (request->ask is set) or is over: the pipeline goes on until it waits again or is over. */
    void (*resume)(struct script *script, struct request *request);
    /* explain: facts, limits, plan as JSON text; nothing is sent. */
    void (*explain)(struct script *script, struct request *request, struct buffer *out);
    /* The same as a question (trial.h): may it be asked this? False: what admit or route does with this request is a mistake, said in `complaint`. */
    bool (*trial)(struct script *script, struct request *request, char complaint[COMPLAINT_MAX]);
    /* As if the client had asked for the nth of the strategies that the policy exports. False: it has not so many. `request` NULL: only look. */
    bool (*choose_strategy)(struct script *script, struct request *request, unsigned nth);
};
#endif
