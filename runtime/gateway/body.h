/* body.h -- the body of a request: what is kept of it, and when it goes.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H
#include "gateway/request.h"

void request_keep_apart(struct request *request); /* the facts were read: they outlive a large body */
void request_drop_body(struct request *request);  /* if it is large, and may go now */
#endif
