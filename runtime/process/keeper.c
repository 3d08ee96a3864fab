/* keeper.c -- see keeper.h: how things are asked for, checks, the leaderboard.
 *
 * Whatever is asked again and again is an `asking` (keeper_private.h). What the answer means is its owner's. Requests are sent on fresh connections: a
 * check shall find out whether new ones are taken.
 * SPDX-License-Identifier: MIT */
#include "process/keeper_private.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BODY_MAX = 1024 * 1024, REQUEST_MAX = 128 * 1024 };

#define BOARD_RETRY_US   (10 * US_PER_S)
#define BOARD_TIMEOUT_US (10 * US_PER_S)
#define ASK_LATER_US     (US_PER_S)

/* A check of one provider. */
struct watched {
    struct asking asking;
    struct watched *next;
    const struct provider *provider; /* both of the generation followed */
    struct check *check;
    struct tally tally;
    bool warned; /* that it is not set up right */
    bool kept;   /* the generation that is being taken over has it */
};

/* ---------------------------------------------------------------- asking */

void asking_end(struct asking *asking, int status, struct slice why)
{
    struct keeper *keeper = asking->keeper;
    if (asking->call != NULL)
        call_cancel(asking->call); /* nothing to cancel inside its last event */
    asking->call = NULL;
    bool good = asking->judge(asking, status, why);
    buffer_free(&asking->body);
    schedule_next(&asking->schedule, good, asking->asked_us);
    if (asking->planned != NULL)
        asking->planned(asking, good);
    loop_timer_set(keeper->loop, &asking->timer, asking->schedule.due_us);
}

/* Nothing was asked, for want of a descriptor: that says nothing of the other end. */
static void put_off(struct asking *asking)
{
    struct loop *loop = asking->keeper->loop;
    asking->call = NULL;
    loop_timer_set(loop, &asking->timer, asking->schedule.due_us = loop_now_us(loop) + ASK_LATER_US);
}

static void on_event(void *owner, const struct call_event *event)
{
    struct asking *asking = owner;
    switch (event->kind) {
    case CALL_HEAD:
        asking->status = event->head->status;
        if (asking->wants_body == BODY_NONE || (asking->wants_body == BODY_OF_200 && asking->status != 200))
            asking_end(asking, asking->status, SLICE_NONE);
        break;
    case CALL_DATA:
        buffer_append_slice(&asking->body, event->data);
        if (asking->body.overflow)
            asking_end(asking, 0, LIT("it is longer than 1 MB"));
        break;
    case CALL_END:
        asking_end(asking, asking->status, SLICE_NONE);
        break;
    case CALL_FAILED:
        if (event->failure.kind == FAILURE_STARVED)
            put_off(asking);
        else
            asking_end(asking, 0, event->failure.message);
        break;
    default:
        break;
    }
}

static void on_timer(struct timer *timer)
{
    struct asking *asking = container_of(timer, struct asking, timer);
    if (asking->call == NULL)
        asking->ask(asking);
    else
        asking_end(asking, 0, LIT("no answer in time"));
}

void asking_send(struct asking *asking, struct slice origin, struct slice proxy, int64_t timeout_us)
{
    struct keeper *keeper = asking->keeper;
    asking->part = buffer_slice(&asking->request);
    asking->status = 0;
    asking->asked_us = loop_now_us(keeper->loop);
    struct call_request request = {.origin = upstream_origin(keeper->upstream, origin, proxy),
                                   .parts = &asking->part,
                                   .part_count = 1,
                                   .fresh = true,
                                   .on_event = on_event,
                                   .owner = asking};
    asking->call = call_start(&request);
    loop_timer_set(keeper->loop, &asking->timer, asking->asked_us + timeout_us);
}

void asking_begin(struct asking *asking, struct keeper *keeper, int64_t every_us, int64_t retry_us)
{
    uint64_t seed;
    hash_random(&seed, sizeof seed);
    asking->keeper = keeper;
    asking->timer.due = on_timer;
    buffer_init(&asking->request, REQUEST_MAX);
    buffer_init(&asking->body, BODY_MAX);
    schedule_begin(&asking->schedule, every_us, retry_us, seed, loop_now_us(keeper->loop));
    loop_timer_set(keeper->loop, &asking->timer, asking->schedule.due_us);
}

void asking_hurry(struct asking *asking, int64_t latest_us)
{
    if (asking->call == NULL && asking->schedule.due_us > latest_us)
        loop_timer_set(asking->keeper->loop, &asking->timer, asking->schedule.due_us = latest_us);
}

/* The config may have become impatient. */
static void go_on_asking(struct asking *asking, int64_t every_us)
{
    asking->schedule.every_us = every_us;
    asking_hurry(asking, loop_now_us(asking->keeper->loop) + every_us);
}

void asking_stop(struct asking *asking)
{
    if (asking->call != NULL)
        call_cancel(asking->call);
    loop_timer_clear(asking->keeper->loop, &asking->timer);
    buffer_free(&asking->request);
    buffer_free(&asking->body);
    asking->call = NULL;
}

/* ---------------------------------------------------------------- checks */

/* Under the config's ad_hoc_lock: one that came ad hoc may be getting its record just now, or lose its place. */
static void mark_target(struct keeper *keeper, struct target *target, bool up)
{
    if (target->health != NULL)
        health_check(target->health, up, loop_now_us(keeper->loop));
}

/* After each answer, not only when something changed: targets come ad hoc. */
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
    for (unsigned i = 0; i < check->status_count; i++)
        if (check->statuses[i] == status)
            return true;
    return check->status_count == 0 && status >= 200 && status <= 299;
}

/* Somebody is there and does not serve this path, or not to this key: chats may go well. */
static bool is_askew(int status)
{
    return status == 401 || status == 403 || status == 404 || status == 405;
}

static bool judge_check(struct asking *asking, int status, struct slice why)
{
    struct watched *watched = container_of(asking, struct watched, asking);
    bool expected = is_expected(watched->check, status), good = expected || is_askew(status);
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

static struct token *token_of(const struct watched *watched)
{
    return watched->asking.keeper->generation->config->tokens[watched->provider->index];
}

/* With a token where the provider wants one: before the blank line. */
static void write_check(const struct watched *watched, struct buffer *out)
{
    const struct provider *provider = watched->provider;
    struct slice head = watched->check->head, blank = LIT("\r\n");
    struct token *token = token_of(watched);
    struct arena arena;
    buffer_clear(out);
    if (token == NULL) {
        buffer_append_slice(out, head);
        return;
    }
    arena_init(&arena, NULL, REQUEST_MAX);
    buffer_append(out, head.ptr, head.len - blank.len);
    provider->vendor->wire->write_auth(provider, token_copy(token, loop_now_us(watched->asking.keeper->loop), &arena), out);
    buffer_append_slice(out, blank);
    arena_free(&arena);
}

static void ask_check(struct asking *asking)
{
    const struct watched *watched = container_of(asking, struct watched, asking);
    const struct provider *provider = watched->provider;
    struct loop *loop = asking->keeper->loop;
    int64_t now_us = loop_now_us(loop);
    if (token_of(watched) != NULL && !token_is_good(token_of(watched), now_us)) { /* its refusal would say nothing */
        loop_timer_set(loop, &asking->timer, asking->schedule.due_us = now_us + ASK_LATER_US);
        return;
    }
    write_check(watched, &asking->request);
    asking_send(asking, provider->origin, provider->proxy, watched->check->timeout_us);
}

/* ---------------------------------------------------------------- the leaderboard */

static void log_board(const struct keeper *keeper, enum log_level level, const char *result, const char *message)
{
    log_event(keeper->gateway->log, level, "leaderboard", log_text("url", keeper->generation->config->board.url),
              log_text("result", slice_of(result)), log_text("message", slice_of(message)));
}

/* With a ticket, which no request waits for: without one the process is only woken. */
static void ask_for_reload(struct gateway *gateway)
{
    uint64_t one = 1;
    atomic_fetch_add(&gateway->reload_asked, 1);
    if (write(gateway->reload_fd, &one, sizeof one) < 0)
        return; /* the counter is at its maximum: a reload is due in any case */
}

/* Sound text: into force when it is new. */
static void take_board(struct keeper *keeper, struct slice url, struct slice text)
{
    bool known = copies_has(keeper->gateway->copies, url, text);
    if (!known)
        copies_put(keeper->gateway->copies, url, text);
    if (!known || keeper->said[0] != '\0')
        log_board(keeper, LOG_INFO, known ? "unchanged" : "taken", "");
    keeper->said[0] = '\0';
    if (!known)
        ask_for_reload(keeper->gateway);
}

static bool judge_board(struct asking *asking, int status, struct slice why)
{
    struct keeper *keeper = asking->keeper;
    struct slice url = keeper->generation->config->board.url, text = buffer_slice(&asking->body);
    char complaint[COMPLAINT_MAX] = "";
    if (status == 200 && (copies_has(keeper->gateway->copies, url, text) || keeper->gateway->engine->is_board(text, url, complaint))) {
        take_board(keeper, url, text);
        return true;
    }
    if (status == 0)
        snprintf(complaint, sizeof complaint, "%.*s", (int)why.len, why.ptr);
    else if (status != 200)
        snprintf(complaint, sizeof complaint, "it answered %d", status);
    if (strcmp(complaint, keeper->said) != 0)
        log_board(keeper, LOG_WARN, "kept", complaint);
    memcpy(keeper->said, complaint, sizeof complaint);
    return false;
}

static void ask_board(struct asking *asking)
{
    const struct board *board = &asking->keeper->generation->config->board;
    buffer_clear(&asking->request);
    buffer_append_slice(&asking->request, board->head);
    asking_send(asking, board->origin, SLICE_NONE, BOARD_TIMEOUT_US);
}

/* ---------------------------------------------------------------- following generations */

static void follow_board(struct keeper *keeper, const struct board *old, const struct board *fresh)
{
    if (old != NULL && old->url.len > 0 && slice_equals(old->url, fresh->url)) {
        go_on_asking(&keeper->board, fresh->every_us);
        return;
    }
    if (old != NULL && old->url.len > 0)
        asking_stop(&keeper->board);
    keeper->said[0] = '\0';
    keeper->board = (struct asking){.wants_body = BODY_OF_200, .ask = ask_board, .judge = judge_board};
    if (fresh->url.len > 0)
        asking_begin(&keeper->board, keeper, fresh->every_us, BOARD_RETRY_US);
}

static struct watched *find_watched(const struct keeper *keeper, const struct provider *provider, const struct check *check)
{
    struct watched *watched = keeper->watched;
    while (watched != NULL &&
           (watched->kept || !slice_equals(watched->provider->name, provider->name) ||
            !slice_equals(watched->provider->origin, provider->origin) || !slice_equals(watched->check->path, check->path)))
        watched = watched->next;
    return watched;
}

static void follow_check(struct keeper *keeper, const struct provider *provider, struct check *check)
{
    struct watched *watched = find_watched(keeper, provider, check);
    if (watched != NULL) {
        go_on_asking(&watched->asking, check->every_us);
    } else {
        watched = xcalloc(1, sizeof *watched);
        watched->asking = (struct asking){.ask = ask_check, .judge = judge_check};
        watched->next = keeper->watched;
        keeper->watched = watched;
        asking_begin(&watched->asking, keeper, check->every_us, 0);
    }
    watched->provider = provider;
    watched->check = check;
    watched->tally.fall = check->fall;
    watched->tally.rise = check->rise;
    watched->kept = true;
}

/* Those that the generation in force does not have; the others wait to be asked for again. */
static void drop_watched(struct keeper *keeper)
{
    for (struct watched **link = &keeper->watched; *link != NULL;) {
        struct watched *watched = *link;
        if (watched->kept) {
            watched->kept = false;
            link = &watched->next;
            continue;
        }
        *link = watched->next;
        asking_stop(&watched->asking);
        free(watched);
    }
}

static bool is_checked(struct config *config, struct slice name)
{
    const struct target *target = config == NULL ? NULL : config_target(config, name);
    return target != NULL && config->checks[target->provider->index] != NULL;
}

/* No target stays down that no check of the generation in force (NULL: there is none any more) will bring back. */
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

static void adopt(struct keeper *keeper, struct generation *fresh)
{
    struct generation *old = keeper->generation;
    struct config *config = fresh->config;
    keeper->generation = fresh;
    follow_board(keeper, old == NULL ? NULL : &old->config->board, &config->board);
    tokens_follow(keeper);
    for (unsigned i = 0; i < config->provider_count; i++)
        if (config->checks[i] != NULL)
            follow_check(keeper, &config->providers[i], config->checks[i]);
    drop_watched(keeper);
    for (struct watched *watched = keeper->watched; watched != NULL; watched = watched->next)
        mark(watched);
    if (old != NULL) {
        lift_marks(keeper, old->config, config);
        generation_unref(old);
    }
}

static void on_wake(void *owner)
{
    struct keeper *keeper = owner;
    pthread_mutex_lock(&keeper->lock);
    struct generation *next = keeper->next;
    bool stopping = keeper->stopping;
    keeper->next = NULL;
    pthread_mutex_unlock(&keeper->lock);
    if (next != NULL)
        adopt(keeper, next);
    if (stopping)
        loop_stop(keeper->loop);
}

/* ---------------------------------------------------------------- life */

bool keeper_is_needed(const struct config *config)
{
    bool needed = config->board.url.len > 0 || tokens_are_needed(config);
    for (unsigned i = 0; i < config->provider_count; i++)
        needed |= config->checks[i] != NULL;
    return needed;
}

static void *run(void *arg)
{
    struct keeper *keeper = arg;
    loop_run(keeper->loop);
    return NULL;
}

static void keeper_free(struct keeper *keeper)
{
    struct generation *followed = keeper->generation;
    drop_watched(keeper);
    tokens_stop(keeper);
    if (followed != NULL && followed->config->board.url.len > 0)
        asking_stop(&keeper->board);
    if (followed != NULL && !atomic_load(&keeper->gateway->draining)) {
        loop_refresh_us(keeper->loop);
        lift_marks(keeper, followed->config, NULL);
    }
    upstream_free(keeper->upstream);
    loop_free(keeper->loop);
    if (followed != NULL)
        generation_unref(followed);
    if (keeper->next != NULL)
        generation_unref(keeper->next);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}

struct keeper *keeper_start(struct gateway *gateway)
{
    struct keeper *keeper = xcalloc(1, sizeof *keeper);
    struct upstream_settings settings = {.idle_us = 30 * US_PER_S, .lifetime_us = 600 * US_PER_S, .idle_max = 0};
    keeper->gateway = gateway;
    pthread_mutex_init(&keeper->lock, NULL);
    keeper->loop = loop_new();
    keeper->upstream = keeper->loop == NULL ? NULL : upstream_new(keeper->loop, gateway->trust, &settings);
    if (keeper->upstream != NULL && tokens_watch(keeper)) {
        loop_set_wake(keeper->loop, on_wake, keeper);
        keeper_follow(keeper);
        if (pthread_create(&keeper->thread, NULL, run, keeper) == 0)
            return keeper;
    }
    keeper_free(keeper);
    return NULL;
}

void keeper_follow(struct keeper *keeper)
{
    struct generation *current = generation_current(keeper->gateway);
    pthread_mutex_lock(&keeper->lock);
    struct generation *missed = keeper->next;
    keeper->next = current;
    pthread_mutex_unlock(&keeper->lock);
    if (missed != NULL)
        generation_unref(missed);
    loop_wake(keeper->loop);
}

void keeper_stop(struct keeper *keeper)
{
    if (keeper == NULL)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->stopping = true;
    pthread_mutex_unlock(&keeper->lock);
    loop_wake(keeper->loop);
    pthread_join(keeper->thread, NULL);
    keeper_free(keeper);
}
