/* asking.h -- a periodic request of the keeper: a health check, a leaderboard, an access token. Its owner interprets the answer.
 *
 * Requests are sent on fresh connections: a health check shall find out whether the provider accepts new ones. Everything runs in the loop's thread.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_ASKING_H
#define PROCESS_ASKING_H
#include "net/loop.h"
#include "net/upstream.h"
#include "routing/schedule.h"

/* A schedule, one timer (when it is due; then how long the call may take), one call. */
struct asking {
    struct keeper *keeper; /* for its owner */
    struct asking *next;   /* in its owner's list */
    bool kept;             /* the new generation asks for it too */
    struct loop *loop;
    struct upstream *upstream;
    struct schedule schedule;
    struct timer timer;
    struct call *call; /* NULL: not under way */
    int64_t asked_us;
    struct buffer request; /* what the call sends: a copy, since the config may be freed while the call is under way */
    struct slice part;
    enum { BODY_NONE, BODY_OF_200, BODY_ALWAYS } wants_body;
    struct buffer body;
    int status;
    /* The owner's, set before asking_begin. */
    void (*ask)(struct asking *asking);
    /* status 0: no complete answer came; the text says why -> was it good? */
    bool (*judge)(struct asking *asking, int status, struct slice why);
    void (*planned)(struct asking *asking, bool good); /* NULL, or: may move the time that was planned, schedule.due_us */
};

void asking_begin(struct asking *asking, struct loop *loop, struct upstream *upstream, int64_t every_us, int64_t retry_us);
/* Sends `asking->request`, which the owner has written. */
void asking_send(struct asking *asking, struct slice origin, struct slice proxy, int64_t timeout_us);
void asking_end(struct asking *asking, int status, struct slice why);
/* It could not be sent, which says nothing about the other end: tries again in a second. */
void asking_put_off(struct asking *asking);
/* Due by then at the latest, unless it is under way. */
void asking_hurry(struct asking *asking, int64_t latest_us);
/* Sets the interval that a new config asks for. */
void asking_go_on(struct asking *asking, int64_t every_us);
void asking_stop(struct asking *asking);
/* Ends and frees those that were not kept (each is the first member of what its owner allocated), and clears `kept` of the others. */
void asking_drop(struct asking **list);
#endif
