/* record.h -- the log lines of a request, and of refusals that the server makes before there is one.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_RECORD_H
#define GATEWAY_RECORD_H
#include "gateway/request.h"

/* "request_start", where the log wants to know so much. */
void request_record_start(struct request *request);
/* "request_complete". `labels` are JSON members (",\"a\":1"), already bounded. Called once, when over. */
void request_record(struct request *request, struct slice labels);
/* "request_complete" of a refusal that the server made by itself. */
void record_refusal(struct worker *worker, const struct refusal *refusal, const struct failure *failure, const char *id);
#endif
