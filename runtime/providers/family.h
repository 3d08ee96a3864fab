/* family.h -- what each family of a provider's models accepts, as data: one table of rows per wire, the same shape for all.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_FAMILY_H
#define PROVIDERS_FAMILY_H
#include "providers/provider.h"

struct family {
    const char *ids; /* a pattern for the model's id: * stands for any text, # for a digit from 1 to 9 */
    unsigned flags;  /* bits of the wire */
    unsigned since;  /* the version from which on the row holds, where a wire's ids say one: 205 is 2.5 */
    int64_t budget_min, budget_max;
};

/* The id that says the family: base_model where the config gives one, for tuned models and deployments. */
struct slice model_id(const struct model_facts *model);
/* The first row that holds; the last of a table must take any id. */
const struct family *family_find(const struct family *families, struct slice id, unsigned version);
#endif
