/* answer.h -- what goes back to the client: status, headers, body, or the head of a stream.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H
#include "gateway/attempt.h"

/* The winner's whole answer. */
void answer_whole(struct request *request);
/* The head of the winner's stream; its events follow through exchange_write. */
void answer_stream(struct request *request);
/* A failure: as a whole answer, or as an error event when the stream has begun. */
void answer_failure(struct request *request, const struct failure *failure);
/* A small JSON answer of our own (health, models). The body is copied. */
void answer_json(struct request *request, int status, struct slice body);
/* No body (CORS preflight). */
void answer_empty(struct request *request, int status);
#endif
