/* keeper.c -- see keeper.h: the thread, and how it follows generations.
 * SPDX-License-Identifier: MIT */
#include "process/keeper_private.h"
#include <stdlib.h>

static void adopt(struct keeper *keeper, struct generation *fresh)
{
    struct generation *old = keeper->generation;
    keeper->generation = fresh;
    board_follow(keeper, old == NULL ? NULL : &old->config->board, &fresh->config->board);
    tokens_follow(keeper);
    checks_follow(keeper, old == NULL ? NULL : old->config);
    if (old != NULL)
        generation_unref(old);
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
    return config->board.url.len > 0 || tokens_are_needed(config) || checks_are_needed(config);
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
    checks_stop(keeper);
    tokens_stop(keeper);
    board_stop(keeper);
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
