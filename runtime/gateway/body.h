/* body.h -- the body of a request: what is copied from it, and when it is freed.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H
#include "gateway/request.h"

void request_keep_apart(struct request *request); /* the facts were read: copies them, so that they outlive a large body */
void request_drop_body(struct request *request);  /* frees it, if it is large and no longer needed */
#endif
