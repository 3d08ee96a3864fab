/* family.c -- what models behind OpenAI's dialect refuse, where one vendor's models differ from each other.
 *
 * COMPAT(openai, 2026-08; azure the same): models that reason take max_completion_tokens only, and of sampling nothing but the default; o3 and o4-mini
 * take no stop, the early ones no parallel_tool_calls; from gpt-5.1 on sampling is taken beside reasoning_effort "none".
 * COMPAT(xai, 2026-08): models that reason take no penalties and no stop, and few of them an effort.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

static bool has_part(struct slice id, const char *part)
{
    return slice_find(id, slice_of(part)) != NULL;
}

/* "gpt-5.1", "gpt-5.4-mini": a version behind the five. */
static bool is_pointed(struct slice id)
{
    return id.len > 6 && id.ptr[5] == '.' && id.ptr[6] >= '1' && id.ptr[6] <= '9';
}

static unsigned openai_model(struct slice id)
{
    if (slice_starts_with(id, LIT("ft:")))
        id = (struct slice){id.ptr + 3, id.len - 3};
    if (slice_starts_with(id, LIT("gpt-5")))
        return has_part(id, "-chat") ? 0 : OPENAI_REASONS | (is_pointed(id) ? OPENAI_SAMPLES_AT_NONE : 0);
    if (slice_starts_with(id, LIT("codex-mini")))
        return OPENAI_REASONS;
    if (id.len < 2 || id.ptr[0] != 'o' || id.ptr[1] < '1' || id.ptr[1] > '9' || (id.len > 2 && id.ptr[2] != '-'))
        return 0;
    bool early = id.ptr[1] == '1' || slice_starts_with(id, LIT("o3-mini"));
    return OPENAI_REASONS | (early ? OPENAI_NO_PARALLEL : OPENAI_NO_STOP);
}

static unsigned xai_model(struct slice id)
{
    bool plain = has_part(id, "non-reasoning") || slice_starts_with(id, LIT("grok-2")) || slice_starts_with(id, LIT("grok-beta")) ||
                 slice_starts_with(id, LIT("grok-vision")) || (slice_starts_with(id, LIT("grok-3")) && !has_part(id, "mini"));
    bool fixed = slice_equals(id, LIT("grok-4")) || slice_equals(id, LIT("grok-4-latest")) || slice_equals(id, LIT("grok-4-0709")) ||
                 slice_starts_with(id, LIT("grok-4-fast")) || slice_starts_with(id, LIT("grok-4-1-fast")) ||
                 slice_starts_with(id, LIT("grok-code"));
    return (plain ? 0 : OPENAI_NO_PENALTIES | OPENAI_NO_STOP) | (plain || fixed ? OPENAI_NO_EFFORT : 0);
}

unsigned openai_family(const struct provider *provider, const struct model_facts *model)
{
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    if (provider->vendor->quirks & VENDOR_OPENAI_MODELS)
        return openai_model(id);
    return provider->vendor->quirks & VENDOR_XAI_MODELS ? xai_model(id) : 0;
}

bool openai_refuses(unsigned family, struct slice name)
{
    static const struct {
        struct slice name;
        unsigned by;
    } refused[] = {
        {LIT("temperature"), OPENAI_REASONS},
        {LIT("top_p"), OPENAI_REASONS},
        {LIT("presence_penalty"), OPENAI_REASONS | OPENAI_NO_PENALTIES},
        {LIT("frequency_penalty"), OPENAI_REASONS | OPENAI_NO_PENALTIES},
        {LIT("logprobs"), OPENAI_REASONS},
        {LIT("top_logprobs"), OPENAI_REASONS},
        {LIT("logit_bias"), OPENAI_REASONS},
        {LIT("stop"), OPENAI_NO_STOP},
        {LIT("parallel_tool_calls"), OPENAI_NO_PARALLEL},
        {LIT("reasoning_effort"), OPENAI_NO_EFFORT},
    };
    for (unsigned i = 0; family != 0 && i < sizeof refused / sizeof *refused; i++)
        if ((refused[i].by & family) && openai_is(name, refused[i].name))
            return true;
    return false;
}

bool openai_refuses_some(unsigned family, struct slice body)
{
    struct json json;
    struct slice key;
    bool found = false;
    json_init(&json, body, JSON_DEPTH_MAX);
    if (family == 0 || json_peek(&json) != JSON_OBJECT || !json_object(&json))
        return false;
    while (!found && json_member(&json, &key)) {
        found = openai_refuses(family, key);
        json_skip(&json, NULL);
    }
    return found;
}

bool openai_is_default(struct slice name, struct slice value_json)
{
    static const struct slice ones[] = {LIT("temperature"), LIT("top_p"), LIT("n")};
    static const struct slice zeros[] = {LIT("presence_penalty"), LIT("frequency_penalty")};
    double number;
    if (slice_equals(value_json, LIT("true")) || slice_equals(value_json, LIT("false")))
        return slice_equals(name, LIT("parallel_tool_calls")) == slice_equals(value_json, LIT("true"));
    if (!json_to_double(value_json, &number))
        return false;
    for (unsigned i = 0; number == 1 && i < sizeof ones / sizeof *ones; i++)
        if (slice_equals(name, ones[i]))
            return true;
    for (unsigned i = 0; number == 0 && i < sizeof zeros / sizeof *zeros; i++)
        if (slice_equals(name, zeros[i]))
            return true;
    return false;
}
