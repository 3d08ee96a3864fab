/* family.c -- what each family of Claude models accepts, as data.
 * COMPAT(anthropic, 2026-08): from the provider's model pages and SDKs; an unknown family is taken for the newest kind.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

enum { NEWEST = CLAUDE_STRUCTURED | CLAUDE_ADAPTIVE | CLAUDE_NO_SAMPLING | CLAUDE_XHIGH };

const struct family *anthropic_family(const struct model_facts *model)
{
    static const struct family families[] = {
        {.ids = "*opus-5*", .flags = NEWEST},
        {.ids = "*sonnet-5*", .flags = NEWEST},
        {.ids = "*fable-5*", .flags = NEWEST},
        {.ids = "*opus-4-7*", .flags = NEWEST},
        {.ids = "*opus-4-8*", .flags = NEWEST},
        {.ids = "*opus-4-6*", .flags = CLAUDE_STRUCTURED | CLAUDE_ADAPTIVE},
        {.ids = "*sonnet-4-6*", .flags = CLAUDE_STRUCTURED | CLAUDE_ADAPTIVE},
        {.ids = "*sonnet-4-5*", .flags = CLAUDE_STRUCTURED | CLAUDE_ONE_SAMPLING},
        {.ids = "*opus-4-5*", .flags = CLAUDE_STRUCTURED | CLAUDE_ONE_SAMPLING},
        {.ids = "*haiku-4-5*", .flags = CLAUDE_STRUCTURED | CLAUDE_ONE_SAMPLING},
        {.ids = "*opus-4-1*", .flags = CLAUDE_STRUCTURED | CLAUDE_ONE_SAMPLING},
        {.ids = "*sonnet-4*", .flags = 0},
        {.ids = "*opus-4*", .flags = 0},
        {.ids = "*3-*", .flags = 0},
        {.ids = "*", .flags = NEWEST},
    };
    return family_find(families, model_id(model), 0);
}
