/* keeper_private.h -- the pieces of the keeper: how anything is asked for (keeper.c), and access tokens (keeper_token.c). Private to keeper*.c.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_KEEPER_PRIVATE_H
#define PROCESS_KEEPER_PRIVATE_H
#include "process/keeper.h"
#include "routing/schedule.h"
#include "net/loop.h"
#include "net/upstream.h"

/* Whatever is asked for again and again: its schedule, one timer (when it is due; once it was asked, how long it may take), one call. */
struct asking {
    struct keeper *keeper;
    struct schedule schedule;
    struct timer timer;
    struct call *call; /* NULL: not under way */
    int64_t asked_us;
    struct buffer request; /* what the call sends: a copy, for the config may go while it is under way */
    struct slice part;
    enum { BODY_NONE, BODY_OF_200, BODY_ALWAYS } wants_body;
    struct buffer body;
    int status;
    void (*ask)(struct asking *asking);
    /* status 0: no whole answer came, and why. -> was it good? */
    bool (*judge)(struct asking *asking, int status, struct slice why);
    void (*planned)(struct asking *asking, bool good); /* NULL, or: may move the time that was planned, schedule.due_us */
};

struct watched; /* a check of one provider: keeper.c */
struct minted;  /* a token that is kept fresh: keeper_token.c */

struct keeper {
    struct gateway *gateway;
    struct loop *loop;
    struct upstream *upstream;
    pthread_t thread;
    struct generation *generation; /* followed; a reference */
    struct watched *watched;
    struct minted *minted;
    struct watch wishes; /* for tokens: gateway->token_fd */
    struct asking board;
    char said[COMPLAINT_MAX]; /* what was last wrong with the board; empty: nothing */

    pthread_mutex_t lock;    /* guards the two below */
    struct generation *next; /* to be followed; a reference */
    bool stopping;
};

void asking_begin(struct asking *asking, struct keeper *keeper, int64_t every_us, int64_t retry_us);
/* Sends `asking->request`, which the caller has written. */
void asking_send(struct asking *asking, struct slice origin, struct slice proxy, int64_t timeout_us);
void asking_end(struct asking *asking, int status, struct slice why);
/* Due by then at the latest, unless it is under way. */
void asking_hurry(struct asking *asking, int64_t latest_us);
void asking_stop(struct asking *asking);

/* ---- keeper_token.c */

bool tokens_are_needed(const struct config *config);
MUST_USE bool tokens_watch(struct keeper *keeper); /* once, when the keeper begins */
/* Another generation is followed; the one before is still there. */
void tokens_follow(struct keeper *keeper);
void tokens_stop(struct keeper *keeper);
#endif
