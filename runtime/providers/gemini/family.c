/* family.c -- what each family of Google's models accepts.
 *
 * The id says the family and the version; an id that says neither (…-latest, a tuned model without base_model in the config) is taken for the newest kind.
 * COMPAT(gemini, 2026-08): from the provider's model and thinking pages and its SDK.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"

const struct name_rule gemini_names = {.allowed = "_.:-", .max = 64, .letter_first = true};

enum { NEWEST = 9999 };

/* "gemini-2.5-flash" -> 205; "gemini-3-pro" -> 300; NEWEST where there is no number. */
static unsigned version_of(struct slice id)
{
    const char *at = slice_find(id, LIT("gemini-")), *end = id.ptr + id.len;
    unsigned major = 0, minor = 0;
    while (at != NULL && at < end && (*at < '0' || *at > '9'))
        at++;
    if (at == NULL || at == end)
        return NEWEST;
    for (; at < end && *at >= '0' && *at <= '9' && major < 99; at++)
        major = major * 10 + (unsigned)(*at - '0');
    if (end - at > 1 && *at == '.' && at[1] >= '0' && at[1] <= '9')
        for (at++; at < end && *at >= '0' && *at <= '9' && minor < 10; at++)
            minor = minor * 10 + (unsigned)(*at - '0');
    return major >= 99 ? NEWEST : major * 100 + minor;
}

enum {
    GEMINI_2_5 = GEMINI_SYSTEM | GEMINI_JSON_SCHEMA | GEMINI_URLS,
    GEMINI_3 = GEMINI_2_5 | GEMINI_SIGNED | GEMINI_JSON_BESIDE_TOOLS,
};

const struct family *gemini_family(const struct model_facts *model)
{
    static const struct family families[] = {
        {.ids = "*gemma*", .flags = 0},
        {.ids = "*-image*", .since = 300, .flags = GEMINI_3},
        {.ids = "*-tts*", .since = 300, .flags = GEMINI_3},
        {.ids = "*pro*", .since = 301, .flags = GEMINI_3 | GEMINI_LEVEL | GEMINI_LEVEL_MEDIUM},
        {.ids = "*pro*", .since = 300, .flags = GEMINI_3 | GEMINI_LEVEL},
        {.ids = "*", .since = 307, .flags = GEMINI_3 | GEMINI_LEVEL | GEMINI_LEVEL_MEDIUM},
        {.ids = "*", .since = 300, .flags = GEMINI_3 | GEMINI_LEVEL | GEMINI_LEVEL_MINIMAL | GEMINI_LEVEL_MEDIUM},
        {.ids = "*-image*", .since = 205, .flags = GEMINI_2_5},
        {.ids = "*-tts*", .since = 205, .flags = GEMINI_2_5},
        {.ids = "*pro*", .since = 205, .flags = GEMINI_2_5 | GEMINI_BUDGET | GEMINI_ALWAYS_THINKS, .budget_min = 128, .budget_max = 32768},
        {.ids = "*lite*", .since = 205, .flags = GEMINI_2_5 | GEMINI_BUDGET, .budget_min = 512, .budget_max = 24576},
        {.ids = "*", .since = 205, .flags = GEMINI_2_5 | GEMINI_BUDGET, .budget_max = 24576},
        {.ids = "*", .since = 200, .flags = GEMINI_SYSTEM},
        {.ids = "*", .flags = GEMINI_SYSTEM | GEMINI_URLS},
    };
    struct slice id = model_id(model);
    return family_find(families, id, version_of(id));
}

bool gemini_is_vertex(const struct vendor *vendor)
{
    return vendor != NULL && slice_equals(slice_of(vendor->name), LIT("vertex_ai"));
}

/* COMPAT(vertex, 2026-08): the older embedding models; newer ones have batchEmbedContents as the Gemini API does. */
bool gemini_is_predicted(const struct model_facts *model)
{
    enum { PREDICTED = 1 };
    static const struct family families[] = {
        {.ids = "*gemini-embedding-001*", .flags = PREDICTED},
        {.ids = "*gemini-embedding-exp*", .flags = PREDICTED},
        {.ids = "*gemini*", .flags = 0},
        {.ids = "*", .flags = PREDICTED},
    };
    return family_find(families, model_id(model), 0)->flags;
}
