/* family.c -- what each family of Claude models accepts, as data.
 * COMPAT(anthropic, 2026-08): from the provider's model pages and SDKs; an unknown family is taken for the newest kind.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

static const unsigned NEWEST = FAMILY_STRUCTURED | FAMILY_ADAPTIVE | FAMILY_NO_SAMPLING | FAMILY_XHIGH;

const struct family *anthropic_family(const struct model_facts *model)
{
    static const struct family families[] = {
        {"opus-5", 128000, NEWEST},
        {"sonnet-5", 128000, NEWEST},
        {"fable-5", 128000, NEWEST},
        {"opus-4-7", 128000, NEWEST},
        {"opus-4-8", 128000, NEWEST},
        {"opus-4-6", 128000, FAMILY_STRUCTURED | FAMILY_ADAPTIVE},
        {"sonnet-4-6", 64000, FAMILY_STRUCTURED | FAMILY_ADAPTIVE},
        {"sonnet-4-5", 64000, FAMILY_STRUCTURED | FAMILY_ONE_SAMPLING},
        {"opus-4-5", 64000, FAMILY_STRUCTURED | FAMILY_ONE_SAMPLING},
        {"haiku-4-5", 64000, FAMILY_STRUCTURED | FAMILY_ONE_SAMPLING},
        {"opus-4-1", 32000, FAMILY_STRUCTURED | FAMILY_ONE_SAMPLING},
        {"sonnet-4", 64000, 0},
        {"opus-4", 32000, 0},
        {"3-7-sonnet", 64000, 0},
        {"3-5-", 8192, 0},
        {"3-", 4096, 0},
        {"", 0, NEWEST},
    };
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    const struct family *family = families;
    while (family->part[0] != '\0' && slice_find(id, slice_of(family->part)) == NULL)
        family++;
    return family;
}
