/* health_pages.h -- the pages about the state of the gateway and its providers: /health*, /providers, /admin/providers/….
 *
 * Each function answers its request. Shapes: the contract's section 4.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_HEALTH_PAGES_H
#define GATEWAY_HEALTH_PAGES_H
#include "gateway/request.h"

void health_page_live(struct request *request);
void health_page_ready(struct request *request);
void health_page_summary(struct request *request);       /* GET /health */
void health_page_providers(struct request *request);     /* GET /providers */
void health_page_breaker(struct request *request);       /* GET /admin/providers/{provider}/circuit-breaker */
void health_page_breaker_reset(struct request *request); /* POST …/circuit-breaker/reset: closes them all, ends cool-downs */
#endif
