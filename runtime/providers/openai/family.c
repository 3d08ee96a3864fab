/* family.c -- what models behind OpenAI's dialect refuse, where one vendor's models differ from each other.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

/* COMPAT(openai, 2026-08; azure the same): models that reason take max_completion_tokens only, and of sampling nothing but the default; o3 and o4-mini
 * take no stop, the early ones no parallel_tool_calls; from gpt-5.1 on sampling is taken beside reasoning_effort "none". */
static const struct family openai_families[] = {
    {.ids = "gpt-5*-chat*", .flags = 0},
    {.ids = "gpt-5.#*", .flags = OPENAI_REASONS | OPENAI_SAMPLES_AT_NONE},
    {.ids = "gpt-5*", .flags = OPENAI_REASONS},
    {.ids = "codex-mini*", .flags = OPENAI_REASONS},
    {.ids = "o1", .flags = OPENAI_REASONS | OPENAI_NO_PARALLEL},
    {.ids = "o1-*", .flags = OPENAI_REASONS | OPENAI_NO_PARALLEL},
    {.ids = "o3-mini*", .flags = OPENAI_REASONS | OPENAI_NO_PARALLEL},
    {.ids = "o#", .flags = OPENAI_REASONS | OPENAI_NO_STOP},
    {.ids = "o#-*", .flags = OPENAI_REASONS | OPENAI_NO_STOP},
    {.ids = "*", .flags = 0},
};

/* COMPAT(xai, 2026-08): models that reason take no penalties and no stop, and few of them an effort. */
static const struct family xai_families[] = {
    {.ids = "*non-reasoning*", .flags = OPENAI_NO_EFFORT},
    {.ids = "grok-2*", .flags = OPENAI_NO_EFFORT},
    {.ids = "grok-beta*", .flags = OPENAI_NO_EFFORT},
    {.ids = "grok-vision*", .flags = OPENAI_NO_EFFORT},
    {.ids = "grok-3*mini*", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP},
    {.ids = "grok-3*", .flags = OPENAI_NO_EFFORT},
    {.ids = "grok-4", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "grok-4-latest", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "grok-4-0709", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "grok-4-fast*", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "grok-4-1-fast*", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "grok-code*", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP | OPENAI_NO_EFFORT},
    {.ids = "*", .flags = OPENAI_NO_PENALTIES | OPENAI_NO_STOP},
};

unsigned openai_family(const struct provider *provider, const struct model_facts *model)
{
    unsigned quirks = provider->vendor->quirks;
    struct slice id = model_id(model), tuned = LIT("ft:");
    if (quirks & VENDOR_XAI_MODELS)
        return family_find(xai_families, id, 0)->flags;
    if (!(quirks & VENDOR_OPENAI_MODELS))
        return 0;
    if (slice_starts_with(id, tuned))
        id = (struct slice){id.ptr + tuned.len, id.len - tuned.len};
    return family_find(openai_families, id, 0)->flags;
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
