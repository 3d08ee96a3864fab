/* policies.c -- what a decision costs: the CPU of candidates, admit and route, with the script that serves.
 *
 *     policies CONFIG STRATEGY/MODEL ...      a line each: strategy, targets, ns of the candidates, ns of the decision
 *
 * A request stands before the pipeline's steps as a worker would have it; steps.admit and steps.route then run again and again, from the
 * request's handle being made to the plan in C, limits and all. Every turn has a new time, a new `turn` and new chance, so that nothing
 * that lives for a turn of the loop is found ready. Measured apart: which targets are fit (C, before any policy).
 * Not in the figures: reading the body, the walk.
 * SPDX-License-Identifier: MIT */
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/routes.h"
#include "gateway/worker.h"
#include "process/load.h"
#include "lua/engine/engine.h"
#include "lua/script.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURNS = 5000, ROUNDS = 15 };

static const char steps[] = "local steps = require 'gateway.steps'\n"
                            "return function(request) return steps.admit(request) and steps.route(request) end";

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int die(const char *text)
{
    fprintf(stderr, "policies: %s\n", text);
    exit(1);
}

/* Everybody was measured: each target has latencies of its own. */
static void measure_all(const struct config *config, int64_t now_us)
{
    for (unsigned i = 0; i < config->listed_target_count; i++) {
        struct health *health = config->targets[i]->health;
        struct health_outcome outcome = {.ok = true, .input_tokens = 100, .output_tokens = 200};
        for (unsigned k = 0; k < 40; k++) {
            bool probe;
            outcome.first_token_us = (100 + 17 * (i % 13) + k % 9) * US_PER_MS;
            outcome.duration_us = outcome.first_token_us + (900 + 50 * (i % 7)) * US_PER_MS;
            if (health_begin(health, now_us, &probe) && k > i % 5)
                health_end(health, &outcome, probe, now_us);
        }
    }
}

struct bench {
    struct worker *worker;
    struct request *request;
    struct pipeline_run run;
    lua_State *L;
    int steps; /* registry reference */
};

static void next_turn(struct bench *bench)
{
    struct request *request = bench->request;
    loop_refresh_us(bench->worker->loop);
    request->turn++;
    request->random = worker_random(bench->worker);
}

/* As a request of its own: its arena begins anew, nothing of the last one is left. */
static void find_candidates(struct bench *bench)
{
    struct request *request = bench->request;
    arena_free(&request->arena);
    arena_init(&request->arena, &bench->worker->arena_cache, REQUEST_ARENA_MAX);
    request->targets = NULL;
    request->unfits = NULL;
    request_candidates(request);
}

static void decide(struct bench *bench)
{
    lua_State *L = bench->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, bench->steps);
    bench->run.box = request_push_box(L, &bench->run);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1))
        luaL_error(L, "no plan: %s", bench->request->failure.message.ptr);
    bench->run.box->run = NULL;
    lua_pop(L, 1);
}

static void just_turn(struct bench *bench)
{
    (void)bench;
}

/* The least of some rounds: what it costs when nobody is in the way. */
static double ns_each(struct bench *bench, void (*work)(struct bench *bench))
{
    double best = 1e18;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t began = cpu_ns();
        for (int i = 0; i < TURNS; i++) {
            next_turn(bench);
            work(bench);
        }
        double each = (double)(cpu_ns() - began) / TURNS;
        best = each < best ? each : best;
    }
    return best;
}

static int run_one(lua_State *L) /* (struct bench) */
{
    struct bench *bench = lua_touserdata(L, 1);
    const struct request *request = bench->request;
    bench->L = L;
    if (luaL_loadstring(L, steps) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    bench->steps = luaL_ref(L, LUA_REGISTRYINDEX);
    find_candidates(bench);
    double turn = ns_each(bench, just_turn), candidates = ns_each(bench, find_candidates) - turn;
    find_candidates(bench);
    double decision = ns_each(bench, decide) - turn;
    printf("%.*s %u %.0f %.0f\n", (int)request->strategy.len, request->strategy.ptr, request->target_count, candidates, decision);
    luaL_unref(L, LUA_REGISTRYINDEX, bench->steps);
    return 0;
}

static void run(struct bench *bench, const char *strategy, const char *model)
{
    struct request *request = bench->request;
    request->strategy = slice_of(strategy);
    request->model_name = slice_of(model);
    request->model = config_model(request->config, request->model_name, &request->arena, &request->holds);
    if (request->model == NULL)
        die("no such model");
    bench->run = (struct pipeline_run){.script = request->local->script, .request = request};
    request->script_state = &bench->run;
    lua_State *L = request->local->script->L;
    lua_pushcfunction(L, run_one);
    lua_pushlightuserdata(L, bench);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        die(lua_tostring(L, -1));
    request->script_state = NULL;
}

int main(int argc, char **argv)
{
    static char body[] = "{\"model\":\"three\",\"max_tokens\":200,\"messages\":[{\"role\":\"user\",\"content\":\"Why is the sky blue?\"}]}";
    struct gateway gateway;
    char complaint[COMPLAINT_MAX] = "";
    if (argc < 3)
        die("CONFIG STRATEGY/MODEL ...");
    gateway_init(&gateway, &lua_engine, clock_monotonic_us(), clock_wall_us());
    struct generation *generation = generation_load(&gateway, &(struct load){.path = argv[1], .scripts = 1, .number = 1, .untried = true},
                                                    clock_monotonic_us(), complaint);
    if (generation == NULL)
        die(complaint);
    generation_swap(&gateway, generation);
    measure_all(generation->config, clock_monotonic_us());
    struct bench bench = {.worker = worker_new(&gateway, 0)};
    if (bench.worker == NULL)
        die("out of descriptors");
    bench.request = request_new(bench.worker, NULL, route_find(LIT("POST"), LIT("/v1/chat/completions")));
    bench.request->body = slice_of(body);
    if (!request_identify(bench.request))
        die("the request is refused");
    for (int i = 2; i < argc; i++) {
        char *slash = strchr(argv[i], '/');
        if (slash == NULL)
            die("STRATEGY/MODEL");
        *slash = '\0';
        run(&bench, argv[i], slash + 1);
    }
    request_release(bench.request);
    worker_free(bench.worker);
    gateway_fini(&gateway);
    return 0;
}
