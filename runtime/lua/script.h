/* script.h -- what the files of the engine share: one script per worker and generation, one run per request.
 *
 *   sources.c   files -> struct sources, struct config
 *   engine.c    opens and closes scripts; begins, resumes and ends runs
 *   steps.c     what the steps of pipeline.lua do
 *   request.c   `request` as policies see it
 *   target.c    targets and lists of them
 *   live.c      what changes of a target
 *   plan.c      what policies return -> struct plan
 *   adapter.c   providers whose wire is a file of Lua
 * SPDX-License-Identifier: MIT */
#ifndef LUA_SCRIPT_H
#define LUA_SCRIPT_H
#include "gateway/request.h"
#include "gateway/engine.h"
#include "routing/stops.h"
#include "lua/call.h"
#include "lua/order.h"
#include <lauxlib.h>
#include <lua.h>

struct adapter_refs; /* adapter.h */

enum policy_function { POLICY_ADMIT, POLICY_ROUTE, POLICY_RECOVER, POLICY_SETTLE, POLICY_COUNT };

/* What changes of a target, as of one turn of the loop: what most strategies look at, and the whole picture, each taken when asked for. */
struct live {
    int64_t glanced_us, at_us;
    struct health_glance glance;
    struct health_view view;
};

/* The value for targets that were never measured: the median of the model's measured targets, for answers of so many tokens. */
struct model_pace {
    const struct model *model;
    int64_t at_us, tokens;
    double ms;
};

/* Registry references of one state. */
struct script_refs {
    int run;                                        /* pipeline.run */
    int policy[POLICY_COUNT];                       /* LUA_NOREF where the default does nothing */
    int admitted, routed, recovered, settled, rest; /* of plan.lua */
    int explain, decode, freeze;
    int proxies;    /* target index + 1 -> proxy */
    int lookup;     /* proxy or name -> target index + 1, false: off */
    int lists;      /* model index + 1 -> list of all its targets */
    int strategies; /* name -> true, and the names as a list; or LUA_NOREF */
};

struct script {
    lua_State *L;
    lua_State *running; /* the thread that is running now, when C was called from one; else NULL */
    struct adapter_refs *adapters;
    struct config *config;
    struct log *log;
    struct script_refs refs;
    int64_t (*now_us)(const struct request *request); /* the loop's clock: adapter.c is in the module too, which has none */
    struct pipeline_run *deciding;                    /* whose policy is running: facts that depend on the request are worked out for it */
    struct pipeline_run *idle;                        /* runs to use again, with their threads */
    struct stops stops[POLICY_COUNT];
    struct live **live; /* by target index, made when first asked for */
    struct model_pace pace;
    struct fact_reader reader; /* gives gateway.order what changes of a target */
    uint32_t *marks, serial;   /* marks[target index] == serial: a candidate of the request that is deciding */
};

/* One request's way through the pipeline. Kept and used again, thread and all. */
struct pipeline_run {
    struct script *script;
    struct request *request;
    struct box *box;
    lua_State *thread;
    struct plan plan;
    bool recorded;
    struct pipeline_run *next;
};

/* What `request` holds in Lua: made anew for each request, so that a policy that keeps it finds it closed. */
struct box {
    struct pipeline_run *run; /* NULL: over */
};

/* ---- sources.c */
MUST_USE struct sources *sources_read(const char *config_path, struct copies *copies, struct config **config,
                                      char complaint[COMPLAINT_MAX]);
MUST_USE bool sources_is_board(struct slice text, struct slice url, char complaint[COMPLAINT_MAX]);
void sources_free(struct sources *sources);
uint64_t sources_stamp(const struct sources *sources);
uint64_t sources_stamp_read(const struct sources *sources);
/* A new state with the gateway's modules in reach of require, to be closed with call_close_state and nothing else: its blocks are not malloc's.
 * `memory` counts it, or is NULL. NULL: memory is out. */
MUST_USE lua_State *sources_new_state(struct memory *memory);
/* A name beside gateway.lua; the caller frees it. */
MUST_USE char *sources_beside(const char *config_path, const char *name);
/* Pushes the options for policy.load; false: the built-in policy is meant, nothing pushed. May raise. */
MUST_USE bool sources_push_policy(lua_State *L, const struct sources *sources);

/* Pushes the options for adapter.load; false: there are not so many. May raise. */
MUST_USE bool sources_push_adapter(lua_State *L, const struct sources *sources, unsigned index);

/* ---- steps.c */
int open_steps(lua_State *L);

/* ---- request.c */
void request_open_types(lua_State *L);
int request_pairs(lua_State *L);                                      /* __pairs of all views: upvalue 1 is what pairs goes on with */
struct box *request_push_box(lua_State *L, struct pipeline_run *run); /* pushes the userdata */
/* Its candidates were looked for again: targets and unfit are made anew when asked for. */
void request_forget_lists(lua_State *L, int index);
struct pipeline_run *request_run(lua_State *L, int index); /* of a request that the gateway's own Lua passed; raises when it is over */

/* Is it listed, or made and held by the request that is deciding? Another may have its place by now. */
static inline bool script_holds(const struct script *script, const struct target *target)
{
    if (target->index < script->config->listed_target_count)
        return true;
    return script->deciding != NULL && config_holds(script->config, &script->deciding->request->holds, target);
}

/* ---- target.c; all may raise */
void target_open(lua_State *L, struct script *script); /* fills refs.proxies, lookup, lists */
void target_push_list(lua_State *L, struct script *script, const struct request *request);
void target_push_unfit(lua_State *L, struct script *script, const struct request *request);
/* The table behind a list of ours at `index`: pushes it and returns true; else pushes nothing. */
bool target_push_behind(lua_State *L, int index);

/* ---- live.c; none raises */
const struct health_view *target_view(struct script *script, const struct target *target);
const struct health_glance *target_glance(struct script *script, const struct target *target);
/* How long the request that is deciding would take there; NAN where nothing is known of any target. */
double target_expected_ms(struct script *script, const struct target *target);

/* ---- plan.c */
/* The list at `index`, when it is nothing but targets -> run->plan; false: let plan.lua look at it. */
MUST_USE bool plan_take_targets(lua_State *L, struct pipeline_run *run, int index);
/* What plan.lua made of a plan (indexes and steps) at `index` -> run->plan, unfit targets left out. False: none is left. */
MUST_USE bool plan_take_steps(lua_State *L, struct pipeline_run *run, int index, bool again);
/* Pushes the steps of the walk not begun yet, for plan.rest. */
void plan_push_rest(lua_State *L, struct pipeline_run *run);
#endif
