/* edit_request.c -- which edits make the bytes of a client fit for a provider of the same dialect.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

/* Usage is always asked for: a stream without it could not be accounted. */
static unsigned ask_usage(const struct facts *facts, struct edit *edits, unsigned count)
{
    struct span options = facts->stream_options, value = facts->include_usage_value;
    if (value.len > 0)
        return edits_put(edits, count, (struct edit){value.at, value.len, LIT("true")});
    if (options.len == 0)
        return edits_put(edits, count, (struct edit){facts->object_start, 0, LIT("\"stream_options\":{\"include_usage\":true},")});
    if (facts->stream_options_empty)
        return edits_put(edits, count, (struct edit){options.at, options.len, LIT("{\"include_usage\":true}")});
    return edits_put(edits, count, (struct edit){options.at + 1, 0, LIT("\"include_usage\":true,")});
}

int openai_plain_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                       struct arena *arena, struct edit edits[EDITS_MAX])
{
    (void)body;
    unsigned count = edits_own(facts, model, arena, edits);
    if (facts->stream && !facts->include_usage && !(provider->vendor->quirks & VENDOR_NO_STREAM_OPTIONS))
        count = ask_usage(facts, edits, count);
    return (int)count;
}

/* Signatures of Anthropic's and Google's reasoning are for their issuers alone; Google's own OpenAI endpoint is one. */
static bool is_signed_elsewhere(const struct facts *facts, const struct provider *provider)
{
    return facts->foreign_thinking && slice_find(provider->origin, LIT(".googleapis.com")) == NULL;
}

int openai_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                 struct arena *arena, struct edit edits[EDITS_MAX])
{
    unsigned quirks = provider->vendor->quirks, family = openai_family(provider, model);
    if ((quirks & (VENDOR_STRICT_FIELDS | VENDOR_ID9)) || ((quirks & VENDOR_NO_DEVELOPER) && facts->developer) ||
        ((quirks & VENDOR_MAX_TOKENS) && facts->max_completion_key.len > 0 && facts->max_tokens_key.len > 0) ||
        ((quirks & VENDOR_NO_STREAM_OPTIONS) && facts->stream_options.len > 0) || provider->vendor->unsent != NULL ||
        ((quirks & VENDOR_AZURE) && provider->dated_api) || is_signed_elsewhere(facts, provider) || (quirks & VENDOR_THINKING) ||
        ((quirks & VENDOR_EFFORT_OBJECT) && (facts->needs & NEED_REASONING)) || openai_refuses_some(family, body) ||
        ((family & OPENAI_REASONS) && facts->max_completion_key.len > 0 && facts->max_tokens_key.len > 0))
        return -1; /* more than edits can do */
    unsigned count = (unsigned)openai_plain_edits(body, facts, provider, model, arena, edits);
    if ((quirks & VENDOR_MAX_TOKENS) && facts->max_completion_key.len > 0)
        count = edits_put(edits, count, (struct edit){facts->max_completion_key.at, facts->max_completion_key.len, LIT("\"max_tokens\"")});
    if ((family & OPENAI_REASONS) && facts->max_tokens_key.len > 0)
        count = edits_put(edits, count,
                          (struct edit){facts->max_tokens_key.at, facts->max_tokens_key.len, LIT("\"max_completion_tokens\"")});
    if ((quirks & VENDOR_RANDOM_SEED) && facts->seed_key.len > 0)
        count = edits_put(edits, count, (struct edit){facts->seed_key.at, facts->seed_key.len, LIT("\"random_seed\"")});
    return (int)count;
}
