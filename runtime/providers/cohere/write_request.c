/* write_request.c -- struct chat as a request to Cohere's /v2/chat. Fields of its own, said by their names, go on as they are; what it has no field for is
 * named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

enum { STOPS_MAX = 5, TOP_K_MAX = 500 };

/* ---------------------------------------------------------------- numbers */

/* A negative penalty has no counterpart. */
static void put_penalty(struct encode *encode, const char *name, struct slice digits)
{
    double number;
    if (digits.len == 0 || !json_to_double(digits, &number))
        return;
    if (number < 0)
        return encode_drop(encode, slice_of(name));
    encode_value(encode, name, number_between(digits, LIT("0"), LIT("1")));
}

static void put_sampling(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    int64_t count;
    encode_value(encode, "temperature", chat->temperature);
    encode_value(encode, "p", number_between(chat->top_p, LIT("0.01"), LIT("0.99")));
    if (json_to_count(chat->top_k, &count))
        encode_int(encode, "k", count < TOP_K_MAX ? count : TOP_K_MAX);
    else if (chat->top_k.len > 0)
        encode_drop(encode, LIT("top_k"));
    if (json_to_count(chat->seed, &count))
        encode_value(encode, "seed", chat->seed);
    else if (chat->seed.len > 0)
        encode_drop(encode, LIT("seed"));
    put_penalty(encode, "frequency_penalty", chat->frequency_penalty);
    put_penalty(encode, "presence_penalty", chat->presence_penalty);
}

/* ---------------------------------------------------------------- reasoning */

/* The models that think do so unless told not to. */
static bool is_disabled(const struct encode *encode)
{
    struct slice said = encode->chat->thinking_json;
    return said.len > 0 ? thinking_is_disabled(said) : encode->effort == EFFORT_NONE;
}

static void put_thinking(struct encode *encode)
{
    static const int64_t defaults[EFFORT_MAX + 1] = {0};
    struct slice said = encode->chat->thinking_json;
    bool disabled = is_disabled(encode);
    int64_t budget;
    if (said.len == 0 && encode->chat->effort_raw.len == 0)
        return;
    if (!(encode->model->capabilities & NEED_REASONING)) {
        if (!disabled)
            encode_drop(encode, said.len > 0 ? LIT("thinking") : LIT("reasoning_effort"));
        return;
    }
    encode_key(encode, "thinking");
    encode_write(encode, "{\"type\":\"%\"", disabled ? LIT("disabled") : LIT("enabled"));
    if (!json_to_count(json_find(said, "budget_tokens"), &budget))
        budget = encode_budget(encode, defaults);
    if (!disabled && budget > 0)
        encode_int(encode, "token_budget", budget);
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- tools and formats */

/* Tools that may not be called only stand in the way of a format. */
static bool has_tools(const struct encode *encode)
{
    return encode->chat->tools != NULL && !(encode->chat->tool_choice == TOOL_CHOICE_NONE && encode_is_json_asked(encode));
}

static bool put_tools(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool named = chat->tool_choice == TOOL_CHOICE_NAMED, strict = slice_equals(encode_extra(encode, LIT("strict_tools")), LIT("true"));
    if (!has_tools(encode))
        return true;
    encode_key(encode, "tools");
    encode_begin(encode, '[');
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        encode_drop_marker(encode, tool->cache_control_json);
        if (!encode_is_function(encode, tool))
            return false;
        if (named && !slice_equals(tool->name_raw, chat->tool_choice_name_raw))
            continue; /* one tool that must be called is the only one that is offered */
        strict |= tool->strict == 1;
        encode_comma(encode);
        encode_function(encode, name_fit(tool->name_raw, &cohere_tool_rule, encode->arena), tool->description_raw, tool_schema(tool));
        buffer_append_lit(encode->out, "}}");
    }
    if (!encode_has_tool(encode))
        return false;
    encode_end(encode, ']');
    if (strict)
        encode_value(encode, "strict_tools", LIT("true"));
    if (chat->tool_choice == TOOL_CHOICE_REQUIRED || named)
        encode_text(encode, "tool_choice", LIT("REQUIRED"));
    else if (chat->tool_choice == TOOL_CHOICE_NONE)
        encode_text(encode, "tool_choice", LIT("NONE"));
    if (chat->tool_choice != TOOL_CHOICE_NONE)
        encode_drop_members(encode, MEMBER_PARALLEL);
    return true;
}

/* A format beside tools or documents is refused by the API. */
static void put_format(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (!encode_is_json_asked(encode))
        return;
    if (has_tools(encode) || encode_extra(encode, LIT("documents")).len > 0)
        return encode_drop(encode, LIT("response_format"));
    encode_key(encode, "response_format");
    buffer_append_lit(encode->out, "{\"type\":\"json_object\"");
    if (chat->format == FORMAT_SCHEMA)
        encode_value(encode, "json_schema", chat->schema_json);
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- the rest */

static const struct extra_rule extras[] = {
    {.name = "documents"},
    {.name = "citation_options"},
    {.name = "safety_mode"},
    {.name = "priority"},
    {.name = "strict_tools", .place = EXTRA_ELSEWHERE},
    {.name = NULL},
};

/* COMPAT(cohere, 2026-08): thoughts go back to the models that have them, which say so in their names. */
static bool is_thinker(const struct encode *encode)
{
    return slice_find(model_id(encode->model), LIT("reasoning")) != NULL && !is_disabled(encode);
}

bool cohere_write_request(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    int64_t max_tokens = encode_max_tokens(encode, -1);
    encode->effort = effort_of(chat->effort_raw, EFFORT_XHIGH);
    encode->thinking = is_thinker(encode);
    if (!encode_is_one_answer(encode))
        return false;
    encode_drop_content(encode);
    encode_begin(encode, '{');
    encode_model(encode);
    encode_value(encode, "stream", chat->stream ? LIT("true") : LIT("false"));
    if (!cohere_write_messages(encode) || !put_tools(encode))
        return false;
    put_format(encode);
    if (max_tokens >= 0)
        encode_int(encode, "max_tokens", max_tokens);
    put_sampling(encode);
    encode_stops(encode, "stop_sequences", NULL, STOPS_MAX);
    put_thinking(encode);
    /* Log probabilities have a shape of their own in the answer and no words in ours: they are not asked for. */
    encode_drop_members(encode, MEMBER_LOGPROBS | MEMBER_USER | MEMBER_METADATA | MEMBER_SERVICE_TIER);
    encode_drop_marker(encode, chat->cache_control_json);
    encode_extras(encode, extras, EXTRA_TOP);
    encode_end(encode, '}');
    return true;
}
