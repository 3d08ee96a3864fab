/* model_pages.h -- the models that a caller may ask for, in the words of OpenAI or Anthropic. Each page answers its request by itself.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_MODEL_PAGES_H
#define GATEWAY_MODEL_PAGES_H
#include "gateway/request.h"

void model_page_list(struct request *request); /* GET /v1/models */
void model_page_one(struct request *request);  /* GET /v1/models/{model} */
#endif
