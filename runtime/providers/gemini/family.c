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

static bool says(struct slice id, const char *part)
{
    return slice_find(id, slice_of(part)) != NULL;
}

static struct gemini_family levelled(struct slice id, unsigned version)
{
    struct gemini_family family = {GEMINI_SYSTEM | GEMINI_JSON_SCHEMA | GEMINI_URLS | GEMINI_SIGNED | GEMINI_JSON_BESIDE_TOOLS, 0, 0};
    bool pro = says(id, "pro");
    if (says(id, "-image") || says(id, "-tts"))
        return family;
    family.flags |= GEMINI_LEVEL;
    if (!pro && version <= 306)
        family.flags |= GEMINI_LEVEL_MINIMAL;
    if (!pro || version > 300)
        family.flags |= GEMINI_LEVEL_MEDIUM;
    return family;
}

struct gemini_family gemini_family(const struct model_facts *model)
{
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    if (says(id, "gemma"))
        return (struct gemini_family){0, 0, 0};
    unsigned version = version_of(id);
    if (version >= 300)
        return levelled(id, version);
    if (version < 200)
        return (struct gemini_family){GEMINI_SYSTEM | GEMINI_URLS, 0, 0};
    if (version < 205)
        return (struct gemini_family){GEMINI_SYSTEM, 0, 0};
    struct gemini_family family = {GEMINI_SYSTEM | GEMINI_JSON_SCHEMA | GEMINI_URLS, 0, 24576};
    if (says(id, "-image") || says(id, "-tts"))
        return family;
    family.flags |= GEMINI_BUDGET;
    if (says(id, "pro")) {
        family.flags |= GEMINI_ALWAYS_THINKS;
        family.budget_min = 128;
        family.budget_max = 32768;
    } else if (says(id, "lite")) {
        family.budget_min = 512;
    }
    return family;
}

bool gemini_is_vertex(const struct vendor *vendor)
{
    return vendor != NULL && slice_equals(slice_of(vendor->name), LIT("vertex_ai"));
}

/* COMPAT(vertex, 2026-08): the older embedding models; newer ones have batchEmbedContents as the Gemini API does. */
bool gemini_is_predicted(const struct model_facts *model)
{
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    return !says(id, "gemini") || says(id, "gemini-embedding-001") || says(id, "gemini-embedding-exp");
}
