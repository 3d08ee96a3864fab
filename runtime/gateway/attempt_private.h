/* attempt_private.h -- what the files of an attempt share: its life (attempt.c), what its end means (attempt_end.c), and answers that are
 * refusals (attempt_refusal.c).
 * Private to attempt*.c.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ATTEMPT_PRIVATE_H
#define GATEWAY_ATTEMPT_PRIVATE_H
#include "gateway/attempt.h"

/* ---- attempt.c */
void attempt_tell(struct attempt *attempt, enum walk_event_kind kind);
void attempt_hang_up(struct attempt *attempt);
/* What attempt_note_failure does, and the walk decides what follows. */
void attempt_fail(struct attempt *attempt, struct failure failure);
/* Done with a count of our own. */
void attempt_estimate(struct attempt *attempt);

/* ---- attempt_end.c */
/* Once: its capacity goes back, and its target's health is told. `neutral`: it says nothing of the target. */
void attempt_settle_health(struct attempt *attempt, bool ok, bool neutral);
/* What a failure says of its key, its token and its target; the connection is of no use any more. */
void attempt_note_failure(struct attempt *attempt, const struct failure *failure);

/* ---- attempt_refusal.c */
bool attempt_was_refused(const struct attempt *attempt); /* its head came, and is no 2xx */
void attempt_begin_refusal(struct attempt *attempt, const struct http1_head *head);
void attempt_add_to_refusal(struct attempt *attempt, struct slice data);
/* Its words are in, or had their time: the attempt fails with what they say, however little came of them. */
void attempt_end_refusal(struct attempt *attempt);
/* It is not wanted any more, but what its head says of key and target holds. Nothing is told to the walk. */
void attempt_note_refusal(struct attempt *attempt);
#endif
