/* keeper_private.h -- what the files of the keeper share: its thread (keeper.c), health checks, the leaderboard, access tokens. Private to keeper*.c.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_KEEPER_PRIVATE_H
#define PROCESS_KEEPER_PRIVATE_H
#include "process/keeper.h"
#include "process/asking.h"

struct keeper {
    struct gateway *gateway;
    struct loop *loop;
    struct upstream *upstream;
    pthread_t thread;
    struct generation *generation; /* followed; a reference */
    struct asking *checks;         /* keeper_check.c */
    struct asking *tokens;         /* keeper_token.c */
    struct watch wishes;           /* for tokens: gateway->token_fd */
    struct asking board;
    char said[COMPLAINT_MAX]; /* the last complaint about the leaderboard; empty: none */

    pthread_mutex_t lock;    /* guards the two below */
    struct generation *next; /* to be followed; a reference */
    bool stopping;
};

/* Each has two: one for when the keeper follows another generation, one for its end. */

/* ---- keeper_check.c */
bool checks_are_needed(const struct config *config);
void checks_follow(struct keeper *keeper, struct config *old); /* old: the config followed before, NULL: none */
void checks_stop(struct keeper *keeper);                       /* clears their marks, unless the gateway is draining */

/* ---- keeper_board.c */
void board_follow(struct keeper *keeper, const struct board *old, const struct board *fresh);
void board_stop(struct keeper *keeper);

/* ---- keeper_token.c */

bool tokens_are_needed(const struct config *config);
MUST_USE bool tokens_watch(struct keeper *keeper); /* once, when the keeper begins */
void tokens_follow(struct keeper *keeper);
void tokens_stop(struct keeper *keeper);
#endif
