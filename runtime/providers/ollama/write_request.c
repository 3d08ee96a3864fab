/* write_request.c -- struct chat as a request to Ollama's /api/chat, struct embed as one to /api/embed.
 *
 * What steers the model stands in `options`; what is not said there is what the model's own file says. It streams unless told not to. The context is
 * small by default and a longer prompt is cut without a word: num_ctx and truncate, extensions, go on as they are.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

/* ---------------------------------------------------------------- tools, formats, reasoning */

/* There is no choice of tools: none are offered where none may be called, only the one where it must be; that it must be cannot be said. */
static bool put_tools(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool named = chat->tool_choice == TOOL_CHOICE_NAMED, strict = false;
    if (chat->tools == NULL || chat->tool_choice == TOOL_CHOICE_NONE)
        return true;
    encode_key(encode, "tools");
    encode_begin(encode, '[');
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        if (named && !slice_equals(tool->name_raw, chat->tool_choice_name_raw))
            continue;
        strict |= tool->strict == 1;
        encode_drop_marker(encode, tool->cache_control_json);
        if (!encode_is_function(encode, tool))
            return false;
        encode_comma(encode);
        encode_function(encode, tool->name_raw, tool->description_raw, tool_schema(tool));
        buffer_append_lit(encode->out, "}}");
    }
    if (!encode_has_tool(encode))
        return false;
    encode_end(encode, ']');
    if (named || chat->tool_choice == TOOL_CHOICE_REQUIRED)
        encode_drop(encode, LIT("tool_choice"));
    if (strict)
        encode_drop(encode, LIT("strict"));
    encode_drop_members(encode, MEMBER_PARALLEL);
    return true;
}

static void put_format(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->format == FORMAT_SCHEMA && chat->schema_json.len > 0)
        encode_value(encode, "format", chat->schema_json);
    else if (encode_is_json_asked(encode))
        encode_text(encode, "format", LIT("json"));
}

/* A budget as the nearest level. */
static struct slice level_of_budget(int64_t budget)
{
    enum { LOW = 2048, MEDIUM = 8192 };
    return effort_word(budget <= LOW ? EFFORT_LOW : budget <= MEDIUM ? EFFORT_MEDIUM : EFFORT_HIGH);
}

/* COMPAT(ollama, 2026-08): "max" is new and older servers refuse it, so only a client that says it gets it. A model that does not think refuses any
 * `think` but false, so nothing is said where nothing was asked. */
static void put_think(struct encode *encode)
{
    struct slice said = encode->chat->thinking_json;
    int64_t budget;
    if (said.len > 0 ? thinking_is_disabled(said) : encode->effort == EFFORT_NONE)
        encode_value(encode, "think", LIT("false"));
    else if (said.len > 0 && json_to_count(json_find(said, "budget_tokens"), &budget))
        encode_text(encode, "think", level_of_budget(budget));
    else if (said.len > 0)
        encode_value(encode, "think", LIT("true"));
    else if (encode->effort != EFFORT_NOT_GIVEN)
        encode_text(encode, "think", effort_word(encode->effort));
    else if (encode->chat->effort_raw.len > 0)
        encode_drop(encode, LIT("reasoning_effort"));
}

/* ---------------------------------------------------------------- options */

/* Extensions: options of Ollama's own that have no other name, and members. */
static const struct extra_rule extras[] = {
    {.name = "num_ctx", .place = EXTRA_OPTIONS},
    {.name = "min_p", .place = EXTRA_OPTIONS},
    {.name = "repeat_penalty", .place = EXTRA_OPTIONS},
    {.name = "repeat_last_n", .place = EXTRA_OPTIONS},
    {.name = "typical_p", .place = EXTRA_OPTIONS},
    {.name = "num_keep", .place = EXTRA_OPTIONS},
    {.name = "keep_alive"},
    {.name = "truncate"},
    {.name = "shift"},
    {.name = NULL},
};

static void put_options(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    struct place place = encode_open(encode, "options", '{');
    int64_t max_tokens = encode_max_tokens(encode, -1);
    if (max_tokens >= 0)
        encode_int(encode, "num_predict", max_tokens);
    encode_value(encode, "temperature", chat->temperature);
    encode_value(encode, "top_p", chat->top_p);
    encode_value(encode, "top_k", chat->top_k);
    encode_value(encode, "seed", chat->seed);
    encode_value(encode, "presence_penalty", chat->presence_penalty);
    encode_value(encode, "frequency_penalty", chat->frequency_penalty);
    encode_stops(encode, "stop", NULL, STOPS_ANY);
    encode_extras(encode, extras, EXTRA_OPTIONS);
    encode_close(encode, '}', place);
}

bool ollama_write_request(struct encode *given)
{
    struct ollama_encode self = {.base = *given};
    struct encode *encode = &self.base;
    const struct chat *chat = encode->chat;
    encode->effort = effort_of(chat->effort_raw, EFFORT_MAX);
    if (!encode_is_one_answer(encode))
        return false;
    encode_drop_content(encode);
    encode_begin(encode, '{');
    encode_model(encode);
    encode_value(encode, "stream", chat->stream ? LIT("true") : LIT("false"));
    if (!ollama_write_messages(encode) || !put_tools(encode))
        return false;
    put_format(encode);
    put_think(encode);
    put_options(encode);
    /* Log probabilities would have no words in our answer: they are not asked for. */
    encode_drop_members(encode, MEMBER_LOGPROBS | MEMBER_USER | MEMBER_METADATA | MEMBER_SERVICE_TIER);
    encode_drop_marker(encode, chat->cache_control_json);
    encode_extras(encode, extras, EXTRA_TOP);
    encode_end(encode, '}');
    return true;
}

/* ---------------------------------------------------------------- embeddings */

bool ollama_write_embed(struct encode *encode)
{
    const struct embed *embed = encode->embed;
    if (embed->count == 0)
        return encode_refuse(encode, LIT("this provider takes at least one text"), LIT("input"));
    encode_begin(encode, '{');
    encode_model(encode);
    encode_inputs(encode, "input");
    encode_value(encode, "dimensions", embed->dimensions);
    encode_end(encode, '}');
    if (embed->input_type_raw.len > 0)
        encode_drop(encode, LIT("input_type"));
    if (embed->user_raw.len > 0)
        encode_drop(encode, LIT("user"));
    return true;
}
