/* trial.c -- see trial.h.
 * SPDX-License-Identifier: MIT */
#include "process/trial.h"
#include "base/json.h"
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/routes.h"
#include "gateway/worker.h"
#include <stdio.h>

enum { TIERS_MAX = 256, USERS_TRIED_MAX = 64, BODY_MAX = 2048, CAPACITY_COUNT = 3 };

/* A request of each dialect, as a client's first one. */
#define MESSAGES "\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]"
static const struct dialect {
    const char *path, *members;
    bool streams;
} dialects[] = {
    {"/v1/chat/completions", MESSAGES, false},
    {"/v1/chat/completions", MESSAGES, true},
    {"/v1/messages", "\"max_tokens\":1024," MESSAGES, false},
    {"/v1/messages", "\"max_tokens\":1024," MESSAGES, true},
    {"/v1/responses", "\"input\":\"Hello!\"", false},
    {"/v1/responses", "\"input\":\"Hello!\"", true},
    {"/v1/completions", "\"prompt\":\"Hello!\"", false},
    {"/v1/completions", "\"prompt\":\"Hello!\"", true},
    {"/completion", MESSAGES, false},
    {"/completion", MESSAGES, true},
    {"/v1/embeddings", "\"input\":\"Hello!\"", false},
    {"/v1/messages/count_tokens", MESSAGES, false},
};
enum { DIALECT_COUNT = sizeof dialects / sizeof *dialects };

enum capacity { CAPACITY_FREE, CAPACITY_NONE, CAPACITY_WAITED };

/* Users of one tier. */
struct tier {
    struct slice name;
    const struct user **users; /* one for each user of the config; NULL: the anonymous */
    unsigned count;
};

/* What the combinations are made of. */
struct menu {
    const struct config *config;
    struct slice *models;
    struct tier tiers[TIERS_MAX];
    unsigned model_count, tier_count, strategy_count, capacity_count;
};

/* One combination. */
struct pick {
    struct slice model;
    const struct user *user;
    const struct dialect *dialect;
    unsigned strategy; /* 0: the config's */
    enum capacity capacity;
};

/* ---------------------------------------------------------------- what there is to combine */

static struct tier *find_tier(struct menu *menu, struct slice name)
{
    for (unsigned i = 0; i < menu->tier_count; i++)
        if (slice_equals(menu->tiers[i].name, name))
            return &menu->tiers[i];
    if (menu->tier_count == TIERS_MAX)
        return NULL;
    menu->tiers[menu->tier_count].name = name;
    return &menu->tiers[menu->tier_count++];
}

static void read_tiers(struct menu *menu, struct arena *arena)
{
    const struct config *config = menu->config;
    for (unsigned i = 0; i < config->user_count; i++) {
        struct tier *tier = find_tier(menu, config->users[i].tier);
        if (tier != NULL)
            tier->count++;
    }
    for (unsigned i = 0; i < menu->tier_count; i++) {
        menu->tiers[i].users = arena_alloc(arena, sizeof(struct user *) * menu->tiers[i].count);
        menu->tiers[i].count = 0;
    }
    for (unsigned i = 0; i < config->user_count; i++) {
        struct tier *tier = find_tier(menu, config->users[i].tier);
        if (tier != NULL && tier->users != NULL)
            tier->users[tier->count++] = &config->users[i];
    }
    menu->tier_count += config->user_count == 0; /* of the anonymous */
}

/* Its first target's name, else a model that no list has. */
static struct slice full_name(const struct config *config, const struct provider *provider, struct arena *arena)
{
    for (unsigned i = 0; i < config->listed_target_count; i++)
        if (config->targets[i]->provider == provider)
            return config->targets[i]->name;
    return arena_printf(arena, "%.*s/hello", (int)provider->name.len, provider->name.ptr);
}

static bool has_limits(const struct config *config)
{
    for (unsigned i = 0; i < config->listed_target_count; i++)
        if (config->targets[i]->limit_count > 0)
            return true;
    return false;
}

static unsigned count_strategies(struct worker *worker)
{
    unsigned count = 0;
    while (worker->gateway->engine->choose_strategy(worker->generations->script, NULL, count))
        count++;
    return count + 1;
}

static void read_menu(struct menu *menu, struct worker *worker, struct arena *arena)
{
    const struct config *config = menu->config;
    menu->models = arena_alloc(arena, sizeof *menu->models * (config->model_count + config->provider_count + 1));
    for (unsigned i = 0; menu->models != NULL && i < config->model_count; i++)
        if (!config->models[i].from_catalog)
            menu->models[menu->model_count++] = config->models[i].name;
    for (unsigned i = 0; menu->models != NULL && i < config->provider_count; i++)
        menu->models[menu->model_count++] = full_name(config, &config->providers[i], arena);
    read_tiers(menu, arena);
    menu->strategy_count = count_strategies(worker);
    menu->capacity_count = has_limits(config) ? CAPACITY_COUNT : 1;
}

/* ---------------------------------------------------------------- one combination */

/* A user of the tier that may ask for the model, another one each time; NULL: there is none. */
static const struct user *find_user(const struct tier *tier, struct slice model, uint64_t turn)
{
    for (unsigned i = 0; i < tier->count && i < USERS_TRIED_MAX; i++)
        if (user_may_use(tier->users[(turn + i) % tier->count], model))
            return tier->users[(turn + i) % tier->count];
    return NULL;
}

/* Models change fastest, then tiers: every model and every tier is met early, however many there are. False: no client could send this one. */
static bool read_pick(const struct menu *menu, uint64_t number, uint64_t turn, struct pick *pick)
{
    pick->model = menu->models[number % menu->model_count];
    number /= menu->model_count;
    const struct tier *tier = &menu->tiers[number % menu->tier_count];
    number /= menu->tier_count;
    pick->dialect = &dialects[number % DIALECT_COUNT];
    number /= DIALECT_COUNT;
    pick->strategy = (unsigned)(number % menu->strategy_count);
    pick->capacity = (enum capacity)(number / menu->strategy_count);
    pick->user = find_user(tier, pick->model, turn);
    return menu->config->user_count == 0 || pick->user != NULL;
}

static struct slice write_body(struct request *request, const struct pick *pick)
{
    struct buffer out;
    buffer_init(&out, BODY_MAX);
    buffer_append_lit(&out, "{\"model\":");
    json_append_string(&out, pick->model);
    buffer_printf(&out, ",%s%s}", pick->dialect->streams ? "\"stream\":true," : "", pick->dialect->members);
    struct slice body = out.overflow ? SLICE_NONE : arena_copy(&request->arena, buffer_slice(&out));
    buffer_free(&out);
    return body;
}

/* Makes targets lack capacity, as the config's limits could. False: they never could. */
static bool arrange_capacity(struct request *request, enum capacity capacity)
{
    for (unsigned i = 0; capacity != CAPACITY_FREE && i < request->target_count; i++)
        if (request->targets[i]->limit_count == 0)
            return false;
    if (capacity == CAPACITY_WAITED)
        request->waited_us = US_PER_S;
    if (capacity != CAPACITY_NONE)
        return true;
    for (unsigned i = 0; i < request->target_count; i++)
        request->unfits[request->unfit_count++] = (struct unfit){request->targets[i], "limit", false};
    request->target_count = 0;
    request->capacity_in_us = US_PER_S;
    return true;
}

/* The description of the request, added to the message behind the policy's file and line. */
static void name_request(const struct pick *pick, struct slice strategy, char complaint[COMPLAINT_MAX])
{
    static const char *const capacities[] = {"", ", all targets full", ", after waiting"};
    struct slice tier = pick->user == NULL ? LIT("default") : pick->user->tier;
    size_t len = strlen(complaint);
    snprintf(complaint + len, COMPLAINT_MAX - len, " (asked on trial: %s%s, model \"%.*s\", tier \"%.*s\", strategy \"%.*s\"%s)",
             pick->dialect->path, pick->dialect->streams ? " streamed" : "", (int)pick->model.len, pick->model.ptr, (int)tier.len, tier.ptr,
             (int)strategy.len, strategy.ptr, capacities[pick->capacity]);
}

enum tried { TRIED, NOT_TRIED, TRIED_WRONG };

/* A request that no target can serve, whatever the policy says, is not tried. */
static enum tried try_one(struct worker *worker, const struct pick *pick, char complaint[COMPLAINT_MAX])
{
    const struct engine *engine = worker->gateway->engine;
    struct request *request = request_new(worker, NULL, route_find(LIT("POST"), slice_of(pick->dialect->path)));
    enum tried tried = NOT_TRIED;
    request->body = write_body(request, pick);
    request->user = pick->user;
    if (request->body.len > 0 && request_identify(request) && request->target_count > 0 && arrange_capacity(request, pick->capacity)) {
        if (pick->strategy > 0)
            engine->choose_strategy(request->local->script, request, pick->strategy - 1);
        tried = engine->trial(request->local->script, request, complaint) ? TRIED : TRIED_WRONG;
        if (tried == TRIED_WRONG)
            name_request(pick, request->strategy, complaint);
    }
    request_release(request);
    return tried;
}

/* ---------------------------------------------------------------- all of them */

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Steps by the golden section: no combination comes twice, and wherever the trial ends those tried are spread evenly. */
static uint64_t even_step(uint64_t total)
{
    uint64_t step = (uint64_t)((double)total * 0.6180339887498949);
    if (step == 0)
        step = 1;
    while (common_divisor(total, step) != 1)
        step++;
    return step;
}

static bool try_all(struct worker *worker, const struct menu *menu, char complaint[COMPLAINT_MAX])
{
    uint64_t total = (uint64_t)menu->model_count * menu->tier_count * DIALECT_COUNT * menu->strategy_count * menu->capacity_count;
    uint64_t step = total == 0 ? 0 : even_step(total), number = 0;
    int64_t until_us = loop_refresh_us(worker->loop) + TRIAL_US;
    unsigned calls = 0;
    for (uint64_t i = 0; i < total && calls < TRIAL_CALLS_MAX && loop_refresh_us(worker->loop) < until_us; i++) {
        struct pick pick;
        enum tried tried = read_pick(menu, number, i, &pick) ? try_one(worker, &pick, complaint) : NOT_TRIED;
        if (tried == TRIED_WRONG)
            return false;
        calls += tried == TRIED ? 2 : 0;
        number = (number + step) % total;
    }
    return true;
}

bool trial_run(struct gateway *gateway, char complaint[COMPLAINT_MAX])
{
    struct menu menu = {.config = gateway->current->config};
    struct arena arena;
    struct worker *worker = worker_new(gateway, 0);
    if (worker == NULL) {
        snprintf(complaint, COMPLAINT_MAX, "out of descriptors (raise ulimit -n) or memory: the policy cannot be tried");
        return false;
    }
    arena_init(&arena, NULL, REQUEST_ARENA_MAX);
    read_menu(&menu, worker, &arena);
    bool ok = try_all(worker, &menu, complaint);
    arena_free(&arena);
    worker_free(worker);
    return ok;
}
