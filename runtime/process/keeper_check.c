/* keeper_check.c -- see keeper.h: the health checks of providers.
 * SPDX-License-Identifier: MIT */
#include "process/keeper_private.h"
#include "base/list.h"
#include <stdio.h>

enum { CHECK_MAX = 128 * 1024 };

/* The health check of one provider. */
struct watched {
    struct asking asking;            /* the first member: asking_drop frees it */
    const struct provider *provider; /* both of the generation followed */
    struct check *check;
    struct tally tally;
    bool warned; /* that the check is set up wrong */
};

static struct watched *watched_of(const struct asking *asking)
{
    return container_of(asking, struct watched, asking);
}

/* Under the config's ad_hoc_lock: a target that is made on demand may be getting its record just now, or be replaced. */
static void mark_target(struct keeper *keeper, struct target *target, bool up)
{
    if (target->health != NULL)
        health_check(target->health, up, loop_now_us(keeper->loop));
}

/* After each answer, not only at a change: targets are made on demand in between. */
static void mark(struct watched *watched)
{
    struct keeper *keeper = watched->asking.keeper;
    struct config *config = keeper->generation->config;
    unsigned count = atomic_load(&config->target_count);
    atomic_store(&watched->check->down, watched->tally.down);
    pthread_mutex_lock(&config->ad_hoc_lock);
    for (unsigned i = 0; i < count; i++)
        if (config->targets[i]->provider == watched->provider)
            mark_target(keeper, config->targets[i], !watched->tally.down);
    pthread_mutex_unlock(&config->ad_hoc_lock);
}

static void log_check(const struct watched *watched, enum log_level level, const char *result, int status, struct slice why)
{
    struct log *log = watched->asking.keeper->gateway->log;
    char answered[32];
    snprintf(answered, sizeof answered, "it answered %d", status);
    log_event(log, level, "check", log_text("provider", watched->provider->name), log_text("result", slice_of(result)),
              log_text("message", status == 0 ? why : slice_of(answered)));
}

static bool is_expected(const struct check *check, int status)
{
    for (unsigned i = 0; i < CHECK_STATUSES_MAX && check->statuses[i] != 0; i++)
        if (check->statuses[i] == status)
            return true;
    return check->statuses[0] == 0 && status >= 200 && status <= 299;
}

/* The provider answers, but does not serve this path, or not with this key: chats may still work. */
static bool is_misconfigured(int status)
{
    return status == 401 || status == 403 || status == 404 || status == 405;
}

static bool judge_check(struct asking *asking, int status, struct slice why)
{
    struct watched *watched = watched_of(asking);
    bool expected = is_expected(watched->check, status), good = expected || is_misconfigured(status);
    if (!expected && status == 429)
        return true;
    if (!expected && good && !watched->warned)
        log_check(watched, LOG_WARN, "misconfigured", status, why);
    watched->warned = !expected && (good || watched->warned);
    if (tally_count(&watched->tally, good))
        log_check(watched, good ? LOG_INFO : LOG_WARN, good ? "up" : "down", status, why);
    mark(watched);
    return good;
}

static struct access_token *token_of(const struct watched *watched)
{
    return watched->asking.keeper->generation->config->access_tokens[watched->provider->index];
}

/* With a token where the provider wants one: before the blank line. */
static void write_check(const struct watched *watched, struct buffer *out)
{
    const struct provider *provider = watched->provider;
    struct slice head = watched->check->head, blank = LIT("\r\n");
    struct access_token *token = token_of(watched);
    struct arena arena;
    buffer_clear(out);
    if (token == NULL) {
        buffer_append_slice(out, head);
        return;
    }
    arena_init(&arena, NULL, CHECK_MAX);
    buffer_append(out, head.ptr, head.len - blank.len);
    provider->vendor->wire->write_auth(provider, access_token_copy(token, loop_now_us(watched->asking.keeper->loop), &arena), out);
    buffer_append_slice(out, blank);
    arena_free(&arena);
}

static void ask_check(struct asking *asking)
{
    const struct watched *watched = watched_of(asking);
    const struct provider *provider = watched->provider;
    if (token_of(watched) != NULL &&
        !access_token_is_good(token_of(watched), loop_now_us(asking->loop))) { /* a refusal would be no verdict */
        asking_put_off(asking);
        return;
    }
    write_check(watched, &asking->request);
    asking_send(asking, provider->origin, provider->proxy, watched->check->timeout_us);
}

/* ---------------------------------------------------------------- following generations */

static bool is_of(const struct watched *watched, const struct provider *provider, const struct check *check)
{
    return slice_equals(watched->provider->name, provider->name) && slice_equals(watched->provider->origin, provider->origin) &&
           slice_equals(watched->check->path, check->path);
}

static struct watched *find_watched(const struct keeper *keeper, const struct provider *provider, const struct check *check)
{
    struct asking *asking = keeper->checks;
    while (asking != NULL && (asking->kept || !is_of(watched_of(asking), provider, check)))
        asking = asking->next;
    return asking == NULL ? NULL : watched_of(asking);
}

static void follow_check(struct keeper *keeper, const struct provider *provider, struct check *check)
{
    struct watched *watched = find_watched(keeper, provider, check);
    if (watched != NULL) {
        asking_go_on(&watched->asking, check->every_us);
    } else {
        watched = xcalloc(1, sizeof *watched);
        watched->asking = (struct asking){.keeper = keeper, .next = keeper->checks, .ask = ask_check, .judge = judge_check};
        keeper->checks = &watched->asking;
        asking_begin(&watched->asking, keeper->loop, keeper->upstream, check->every_us, 0);
    }
    watched->provider = provider;
    watched->check = check;
    watched->tally.fall = check->fall;
    watched->tally.rise = check->rise;
    watched->asking.kept = true;
}

static bool is_checked(struct config *config, struct slice name)
{
    const struct target *target = config == NULL ? NULL : config_target(config, name);
    return target != NULL && config->checks[target->provider->index] != NULL;
}

/* Clears `down` of targets that no health check of the generation in force will ever clear (NULL: no generation). */
static void lift_marks(struct keeper *keeper, struct config *old, struct config *fresh)
{
    unsigned count = atomic_load(&old->target_count);
    for (unsigned i = 0; i < old->provider_count; i++)
        if (old->checks[i] != NULL)
            atomic_store(&old->checks[i]->down, false);
    pthread_mutex_lock(&old->ad_hoc_lock);
    for (unsigned i = 0; i < count; i++) {
        struct target *target = old->targets[i];
        if (target->health != NULL && old->checks[target->provider->index] != NULL && !is_checked(fresh, target->name))
            mark_target(keeper, target, true);
    }
    pthread_mutex_unlock(&old->ad_hoc_lock);
}

bool checks_are_needed(const struct config *config)
{
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->checks[i] != NULL)
            return true;
    return false;
}

void checks_follow(struct keeper *keeper, struct config *old)
{
    struct config *config = keeper->generation->config;
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->checks[i] != NULL)
            follow_check(keeper, &config->providers[i], config->checks[i]);
    asking_drop(&keeper->checks);
    for (struct asking *asking = keeper->checks; asking != NULL; asking = asking->next)
        mark(watched_of(asking));
    if (old != NULL)
        lift_marks(keeper, old, config);
}

void checks_stop(struct keeper *keeper)
{
    asking_drop(&keeper->checks);
    if (keeper->generation == NULL || atomic_load(&keeper->gateway->draining))
        return;
    loop_refresh_us(keeper->loop);
    lift_marks(keeper, keeper->generation->config, NULL);
}
