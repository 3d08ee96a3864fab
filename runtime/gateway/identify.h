/* identify.h -- for what a request asks, and who could serve it; and what follows from prices.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_IDENTIFY_H
#define GATEWAY_IDENTIFY_H
#include "gateway/request.h"

/* What the tokens used have cost at the target that served; -1 unpriced or unknown. */
int64_t request_usage_pico(const struct request *request);
#endif
