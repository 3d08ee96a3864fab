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
    if (json_peek(json) != JSON_OBJECT) {
        json_skip(json, NULL);
        return;
    }
    json_object(json);
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

/* The wire's counts include what was cached; ours are disjoint. A provider's nonsense (more cached than there was) is cut, never negative.
 * COMPAT(xai, 2026-08): there it means that what was cached was counted apart. */
static void make_disjoint(const struct vendor *vendor, struct usage *usage)
{
    int64_t *const cached[] = {&usage->cache_read, &usage->cache_write};
    if ((vendor->quirks & VENDOR_REASONING_APART) && usage->input >= 0 && usage->cache_read > usage->input)
        usage->input += usage->cache_read;
    for (unsigned i = 0; i < 2 && usage->input >= 0; i++) {
        if (*cached[i] > usage->input)
            *cached[i] = usage->input;
        usage->input -= *cached[i] > 0 ? *cached[i] : 0;
    }
    if ((vendor->quirks & VENDOR_REASONING_APART) && usage->reasoning > 0 && usage->output >= 0)
        usage->output += usage->reasoning;
    if (usage->reasoning > usage->output)
        usage->reasoning = usage->output;
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
    if (json_peek(json) != JSON_OBJECT) {
        json_skip(json, NULL);
        return false;
    }
    json_object(json);
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
    make_disjoint(vendor, usage);
    return usage->known;
}
