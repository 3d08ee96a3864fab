/* asking.h -- what is asked for again and again: a provider's health, a leaderboard, an access token. What the answer means is its owner's.
 *
 * Requests are sent on fresh connections: a health check shall find out whether new ones are taken. All in the thread of its loop.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_ASKING_H
#define PROCESS_ASKING_H
#include "net/loop.h"
#include "net/upstream.h"
#include "routing/schedule.h"

/* Its schedule, one timer (when it is due; once it was asked, how long it may take), one call. */
struct asking {
    struct keeper *keeper; /* for its owner */
    struct asking *next;   /* in its owner's list */
    bool kept;             /* the generation that is being taken over has it */
    struct loop *loop;
    struct upstream *upstream;
    struct schedule schedule;
    struct timer timer;
    struct call *call; /* NULL: not under way */
    int64_t asked_us;
    struct buffer request; /* what the call sends: a copy, for the config may go while it is under way */
    struct slice part;
    enum { BODY_NONE, BODY_OF_200, BODY_ALWAYS } wants_body;
    struct buffer body;
    int status;
    /* The owner's, set before asking_begin. */
    void (*ask)(struct asking *asking);
    /* status 0: no whole answer came, and why. -> was it good? */
    bool (*judge)(struct asking *asking, int status, struct slice why);
    void (*planned)(struct asking *asking, bool good); /* NULL, or: may move the time that was planned, schedule.due_us */
};

void asking_begin(struct asking *asking, struct loop *loop, struct upstream *upstream, int64_t every_us, int64_t retry_us);
/* Sends `asking->request`, which the owner has written. */
void asking_send(struct asking *asking, struct slice origin, struct slice proxy, int64_t timeout_us);
void asking_end(struct asking *asking, int status, struct slice why);
/* It could not be asked, which says nothing of the other end: again in a second. */
void asking_put_off(struct asking *asking);
/* Due by then at the latest, unless it is under way. */
void asking_hurry(struct asking *asking, int64_t latest_us);
/* A config that is new asks for it as often as this. */
void asking_go_on(struct asking *asking, int64_t every_us);
void asking_stop(struct asking *asking);
/* Ends those that were not kept, and frees them: each is the first member of what its owner allocated. The others wait to be kept again. */
void asking_drop(struct asking **list);
#endif
