/* walk_private.h -- what the files of the walk share: walk_decide.c (what is tried after or beside an attempt), walk_deadlines.c, and walk.c (events,
 * ends, the public calls). Private to walk*.c.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_WALK_PRIVATE_H
#define ROUTING_WALK_PRIVATE_H
#include "routing/walk.h"

#define NEVER INT64_MAX

enum { NO_ATTEMPT = UINT8_MAX };

static inline int64_t after(int64_t now_us, int64_t span_us)
{
    return span_us > 0 && span_us < NEVER - now_us ? now_us + span_us : NEVER;
}

static inline int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static inline bool is_running(const struct walk_attempt *attempt)
{
    return attempt->state >= ATTEMPT_CONNECTING && attempt->state <= ATTEMPT_STREAMING;
}

/* ---- walk.c */
void walk_push(struct walk *walk, enum walk_action_kind kind, unsigned attempt);
void walk_end_attempt(struct walk *walk, unsigned number, enum attempt_state state, int64_t now_us);
/* The walk ends with this failure of that attempt. */
void walk_fail(struct walk *walk, unsigned number, const struct failure *failure, int64_t now_us);
/* An attempt ended with this failure; what follows is decided. `reused`: its connection had carried another request before. */
void walk_attempt_failed(struct walk *walk, unsigned number, const struct failure *failure, bool reused, int64_t now_us);
void walk_stop(struct walk *walk, int64_t now_us); /* ends it at once; no answer is wanted any more */

/* ---- walk_decide.c */
/* The first step not begun whose target neither failed nor runs; plan.count when there is none. */
unsigned walk_next_startable(const struct walk *walk);
/* `index`: of the step. */
void walk_start(struct walk *walk, unsigned index, bool hedge, bool fresh, int64_t now_us);
void walk_start_hedge(struct walk *walk, int64_t now_us); /* where one is allowed */
/* How often this step was begun already under the plan in force; attempts that only replaced a stale connection count apart. */
unsigned walk_count_tries(const struct walk *walk, unsigned step, bool fresh);
/* No attempt runs any more: tries the same target again, asks the policy for another plan, or ends the walk. */
void walk_decide(struct walk *walk, unsigned number, bool reused, int64_t now_us);

/* ---- walk_deadlines.c */
int64_t walk_earliest_due(const struct walk *walk);
void walk_total_passed(struct walk *walk, int64_t now_us);
void walk_time_has_come(struct walk *walk, int64_t now_us);
#endif
