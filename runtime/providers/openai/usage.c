/* usage.c -- the counts of an answer in OpenAI's dialect, with what vendors call by other names or count otherwise.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

void openai_count(struct json *json, int64_t *into)
{
    struct slice digits;
    int64_t value;
    if (json_peek(json) != JSON_NUMBER)
        json_skip(json, NULL);
    else if (json_number(json, &digits) && json_to_count(digits, &value))
        *into = value;
}

/* prompt_tokens_details and completion_tokens_details. */
static void read_details(struct json *json, struct usage *usage, bool prompt)
{
    struct slice key;
    if (!json_enter(json, JSON_OBJECT))
        return;
    while (json_member(json, &key)) {
        if (prompt && openai_is(key, LIT("cached_tokens")))
            openai_count(json, &usage->cache_read);
        else if (prompt && openai_is(key, LIT("cache_write_tokens")))
            openai_count(json, &usage->cache_write);
        else if (openai_is(key, LIT("audio_tokens")))
            openai_count(json, prompt ? &usage->audio_input : &usage->audio_output);
        else if (openai_is(key, LIT("reasoning_tokens")))
            openai_count(json, &usage->reasoning);
        else
            json_skip(json, NULL);
    }
}

/* COMPAT(xai, 2026-08): there, more cached than there was means that it was counted apart. */
static void add_apart(struct usage *usage)
{
    if (usage->input >= 0 && usage->cache_read > usage->input)
        usage->input += usage->cache_read;
    if (usage->reasoning > 0 && usage->output >= 0)
        usage->output += usage->reasoning;
}

/* COMPAT(openrouter, 2026-08): dollars. */
static void read_cost(struct json *json, struct usage *usage)
{
    enum { DOLLARS_MAX = 1000000 };
    struct slice digits;
    double dollars;
    if (json_peek(json) != JSON_NUMBER)
        json_skip(json, NULL);
    else if (json_number(json, &digits) && json_to_double(digits, &dollars) && dollars >= 0 && dollars < DOLLARS_MAX) {
        usage->cost_pico = (int64_t)(dollars * 1e12 + 0.5);
        usage->billed = true;
    }
}

/* False: null or not an object. */
bool openai_read_usage(const struct vendor *vendor, struct json *json, struct usage *usage)
{
    struct slice key;
    *usage = USAGE_UNKNOWN;
    if (!json_enter(json, JSON_OBJECT))
        return false;
    while (json_member(json, &key)) {
        if (openai_is(key, LIT("prompt_tokens")))
            openai_count(json, &usage->input);
        else if (openai_is(key, LIT("completion_tokens")))
            openai_count(json, &usage->output);
        else if (openai_is(key, LIT("total_tokens")))
            openai_count(json, &usage->total);
        else if (openai_is(key, LIT("prompt_tokens_details")) || openai_is(key, LIT("prompt_token_details")))
            read_details(json, usage, true);
        else if (openai_is(key, LIT("completion_tokens_details")))
            read_details(json, usage, false);
        else if (openai_is(key, LIT("cost")) && (vendor->quirks & VENDOR_SAYS_COST))
            read_cost(json, usage);
        else if (openai_is(key, LIT("prompt_cache_hit_tokens")) || openai_is(key, LIT("num_cached_tokens")))
            openai_count(json, &usage->cache_read);
        else
            json_skip(json, NULL);
    }
    if (usage->output < 0 && usage->input >= 0 && usage->total >= usage->input) /* COMPAT(vllm, 2026-08): null for none */
        usage->output = usage->total - usage->input;
    usage->known = usage->input >= 0 && usage->output >= 0;
    if (vendor->quirks & VENDOR_REASONING_APART)
        add_apart(usage);
    usage_make_disjoint(usage);
    return usage->known;
}
