/* attempt_private.h -- what the files of an attempt share: attempt.c (beginning, events), attempt_end.c (health and billing at its end),
 * attempt_refusal.c (answers with another status than 2xx).
 * Private to attempt*.c.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ATTEMPT_PRIVATE_H
#define GATEWAY_ATTEMPT_PRIVATE_H
#include "gateway/attempt.h"

/* ---- attempt.c */
void attempt_tell(struct attempt *attempt, enum walk_event_kind kind);
void attempt_hang_up(struct attempt *attempt);
/* attempt_note_failure, then reports the failure to the walk, which decides what follows. */
void attempt_fail(struct attempt *attempt, struct failure failure);
/* Ends it with the gateway's own estimate as the answer. */
void attempt_estimate(struct attempt *attempt);

/* ---- attempt_end.c */
/* Once per attempt: gives its capacity back and updates the target's health record. `neutral`: without a verdict on the target. */
void attempt_settle_health(struct attempt *attempt, bool ok, bool neutral);
/* Applies a failure to its key, its access token and its target, and drops the connection. */
void attempt_note_failure(struct attempt *attempt, const struct failure *failure);

/* ---- attempt_refusal.c */
bool attempt_was_refused(const struct attempt *attempt); /* its head came, and is not 2xx */
void attempt_begin_refusal(struct attempt *attempt, const struct http1_head *head);
void attempt_add_to_refusal(struct attempt *attempt, struct slice data);
/* The refusal's body is complete, or its time is over: the attempt fails with what was read of it. */
void attempt_end_refusal(struct attempt *attempt);
/* The attempt was cancelled, but what its head says about key and target still counts. Reports nothing to the walk. */
void attempt_note_refusal(struct attempt *attempt);
#endif
