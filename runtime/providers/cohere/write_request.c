/* write_request.c -- struct chat as a request to Cohere's /v2/chat. Fields of its own, said by their names, go on as they are; what it has no field for is
 * named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

enum { STOPS_MAX = 5, TOP_K_MAX = 500 };

static void put_value(struct cohere_encode *encode, const char *name, struct slice value_json)
{
    json_append_key(encode->out, &encode->first, slice_of(name));
    buffer_append_slice(encode->out, value_json);
}

/* ---------------------------------------------------------------- numbers */

static void put_max_tokens(struct cohere_encode *encode)
{
    int64_t wanted, limit = encode->model->max_output;
    if (!json_to_count(encode->chat->max_tokens, &wanted))
        wanted = encode->provider->default_max_tokens > 0 ? encode->provider->default_max_tokens : -1;
    if (wanted < 0)
        return;
    json_append_key(encode->out, &encode->first, LIT("max_tokens"));
    buffer_append_int(encode->out, limit > 0 && wanted > limit ? limit : wanted);
}

/* A number between two others; `low` and `high` are how the ends are written. */
static struct slice clamped(struct slice digits, struct slice low, struct slice high)
{
    double number, least = 0, most = 0;
    if (!json_to_double(digits, &number) || !json_to_double(low, &least) || !json_to_double(high, &most))
        return SLICE_NONE;
    return number < least ? low : number > most ? high : digits;
}

/* A negative penalty has no counterpart. */
static void put_penalty(struct cohere_encode *encode, const char *name, struct slice digits)
{
    double number;
    if (digits.len == 0 || !json_to_double(digits, &number))
        return;
    if (number < 0)
        return names_drop(encode->dropped, slice_of(name));
    put_value(encode, name, clamped(digits, LIT("0"), LIT("1")));
}

static void put_stops(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    unsigned count = chat->stop_count < STOPS_MAX ? chat->stop_count : STOPS_MAX;
    for (unsigned i = 0; i < count; i++) {
        if (i == 0)
            json_append_key(encode->out, &encode->first, LIT("stop_sequences"));
        buffer_append_byte(encode->out, i == 0 ? '[' : ',');
        json_append_quoted(encode->out, chat->stops_raw[i]);
    }
    if (count > 0)
        buffer_append_byte(encode->out, ']');
    if (chat->stop_count > STOPS_MAX)
        names_drop(encode->dropped, LIT("stop"));
}

static void put_sampling(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct slice top_p = clamped(chat->top_p, LIT("0.01"), LIT("0.99"));
    int64_t count;
    if (chat->temperature.len > 0)
        put_value(encode, "temperature", chat->temperature);
    if (top_p.len > 0)
        put_value(encode, "p", top_p);
    if (json_to_count(chat->top_k, &count)) {
        json_append_key(encode->out, &encode->first, LIT("k"));
        buffer_append_int(encode->out, count < TOP_K_MAX ? count : TOP_K_MAX);
    } else if (chat->top_k.len > 0) {
        names_drop(encode->dropped, LIT("top_k"));
    }
    if (json_to_count(chat->seed, &count))
        put_value(encode, "seed", chat->seed);
    else if (chat->seed.len > 0)
        names_drop(encode->dropped, LIT("seed"));
    put_penalty(encode, "frequency_penalty", chat->frequency_penalty);
    put_penalty(encode, "presence_penalty", chat->presence_penalty);
}

/* ---------------------------------------------------------------- reasoning */

static int64_t budget_of(const struct cohere_encode *encode)
{
    enum effort effort = effort_of(encode->chat->effort_raw, EFFORT_XHIGH);
    int64_t budget = 0;
    if (json_to_count(json_find(encode->chat->thinking_json, "budget_tokens"), &budget))
        return budget;
    return effort < EFFORT_MINIMAL ? 0 : encode->provider->reasoning_budgets[effort - EFFORT_MINIMAL];
}

/* The models that think do so unless told not to. */
static bool is_disabled(const struct chat *chat)
{
    return chat->thinking_json.len > 0 ? json_raw_equals(json_find_string(chat->thinking_json, "type"), LIT("disabled"))
                                       : json_raw_equals(chat->effort_raw, LIT("none"));
}

static void put_thinking(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool able = encode->model->capabilities & NEED_REASONING, disabled = is_disabled(chat);
    if (chat->thinking_json.len == 0 && chat->effort_raw.len == 0)
        return;
    if (!able) {
        if (!disabled)
            names_drop(encode->dropped, chat->thinking_json.len > 0 ? LIT("thinking") : LIT("reasoning_effort"));
        return;
    }
    int64_t budget = disabled ? 0 : budget_of(encode);
    json_append_key(encode->out, &encode->first, LIT("thinking"));
    buffer_append_slice(encode->out, disabled ? LIT("{\"type\":\"disabled\"") : LIT("{\"type\":\"enabled\""));
    if (budget > 0) {
        buffer_append_lit(encode->out, ",\"token_budget\":");
        buffer_append_int(encode->out, budget);
    }
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- tools and formats */

static struct slice find_extra(const struct chat *chat, struct slice name)
{
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next)
        if (slice_equals(extra->name_raw, name) && !slice_equals(extra->value_json, LIT("null")))
            return extra->value_json;
    return SLICE_NONE;
}

static bool is_asked_for_json(const struct chat *chat)
{
    return chat->format == FORMAT_JSON || chat->format == FORMAT_SCHEMA;
}

/* Tools that may not be called only stand in the way of a format. */
static bool has_tools(const struct chat *chat)
{
    return chat->tools != NULL && !(chat->tool_choice == TOOL_CHOICE_NONE && is_asked_for_json(chat));
}

/* One tool that must be called is the only one that is offered. */
static bool is_offered(const struct chat *chat, const struct tool *tool)
{
    return chat->tool_choice != TOOL_CHOICE_NAMED || slice_equals(tool->name_raw, chat->tool_choice_name_raw);
}

static void put_tool(struct cohere_encode *encode, const struct tool *tool)
{
    struct buffer *out = encode->out;
    buffer_append_lit(out, "{\"type\":\"function\",\"function\":{\"name\":");
    json_append_quoted(out, name_fit(tool->name_raw, &cohere_tool_rule, encode->arena));
    if (tool->description_raw.len > 0) {
        buffer_append_lit(out, ",\"description\":");
        json_append_quoted(out, tool->description_raw);
    }
    buffer_append_lit(out, ",\"parameters\":");
    buffer_append_slice(out, tool->schema_json.len > 2 ? tool->schema_json : LIT("{\"type\":\"object\",\"properties\":{}}"));
    buffer_append_lit(out, "}}");
}

static bool put_tools(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool any = false, strict = slice_equals(find_extra(chat, LIT("strict_tools")), LIT("true"));
    if (!has_tools(chat))
        return true;
    json_append_key(encode->out, &encode->first, LIT("tools"));
    buffer_append_byte(encode->out, '[');
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        names_drop_marker(encode->dropped, &encode->lost_markers, tool->cache_control_json);
        if (tool->name_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider knows no tools but functions"), LIT("tools"));
        if (!is_offered(chat, tool))
            continue;
        if (any)
            buffer_append_byte(encode->out, ',');
        any = true;
        strict |= tool->strict == 1;
        put_tool(encode, tool);
    }
    buffer_append_byte(encode->out, ']');
    if (!any)
        return complaint_refuse(encode->complaint, LIT("the tool that must be called is not among the tools"), LIT("tool_choice"));
    if (strict)
        put_value(encode, "strict_tools", LIT("true"));
    if (chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED)
        put_value(encode, "tool_choice", LIT("\"REQUIRED\""));
    else if (chat->tool_choice == TOOL_CHOICE_NONE)
        put_value(encode, "tool_choice", LIT("\"NONE\""));
    if (chat->parallel_tool_calls == 0 && chat->tool_choice != TOOL_CHOICE_NONE)
        names_drop(encode->dropped, LIT("parallel_tool_calls"));
    return true;
}

/* A format beside tools or documents is refused by the API. */
static void put_format(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    if (!is_asked_for_json(chat))
        return;
    if (has_tools(chat) || find_extra(chat, LIT("documents")).len > 0)
        return names_drop(encode->dropped, LIT("response_format"));
    json_append_key(encode->out, &encode->first, LIT("response_format"));
    buffer_append_lit(encode->out, "{\"type\":\"json_object\"");
    if (chat->format == FORMAT_SCHEMA && chat->schema_json.len > 0) {
        buffer_append_lit(encode->out, ",\"json_schema\":");
        buffer_append_slice(encode->out, chat->schema_json);
    }
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- the rest */

static bool is_own(struct slice name)
{
    static const struct slice names[] = {LIT("documents"), LIT("citation_options"), LIT("safety_mode"), LIT("priority")};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_equals(name, names[i]))
            return true;
    return false;
}

/* Log probabilities have a shape of their own in the answer and no words in ours: they are not asked for. */
static void put_rest(struct cohere_encode *encode)
{
    const struct chat *chat = encode->chat;
    const struct {
        struct slice name;
        bool given;
    } unknown[] = {
        {LIT("logprobs"), chat->logprobs == 1},
        {LIT("top_logprobs"), chat->top_logprobs.len > 0},
        {LIT("user"), chat->user_raw.len > 0},
        {LIT("metadata"), chat->metadata_json.len > 0},
        {LIT("service_tier"), chat->service_tier_raw.len > 0 && !slice_equals(chat->service_tier_raw, LIT("auto"))},
    };
    for (unsigned i = 0; i < sizeof unknown / sizeof *unknown; i++)
        if (unknown[i].given)
            names_drop(encode->dropped, unknown[i].name);
    names_drop_marker(encode->dropped, &encode->lost_markers, chat->cache_control_json);
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next) {
        if (slice_equals(extra->value_json, LIT("null")) || slice_equals(extra->name_raw, LIT("strict_tools")))
            continue;
        if (!is_own(extra->name_raw)) {
            names_drop(encode->dropped, extra->name_raw);
            continue;
        }
        if (!encode->first)
            buffer_append_byte(encode->out, ',');
        json_append_quoted(encode->out, extra->name_raw);
        buffer_append_byte(encode->out, ':');
        buffer_append_slice(encode->out, extra->value_json);
    }
}

/* COMPAT(cohere, 2026-08): thoughts go back to the models that have them, which say so in their names. */
static bool is_thinker(const struct model_facts *model)
{
    struct slice id = model->base_model.len > 0 ? model->base_model : model->model;
    return slice_find(id, LIT("reasoning")) != NULL;
}

bool cohere_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct cohere_encode encode = {.chat = chat,
                                   .provider = provider,
                                   .model = model,
                                   .arena = arena,
                                   .out = out,
                                   .dropped = dropped,
                                   .complaint = complaint,
                                   .first = true,
                                   .thinks = is_thinker(model) && !is_disabled(chat)};
    int64_t n = 1;
    if (chat->n.len > 0 && (!json_to_count(chat->n, &n) || n != 1))
        return complaint_refuse(encode.complaint, LIT("this provider gives one answer per request: n must be 1"), LIT("n"));
    names_drop_content(chat, dropped);
    buffer_append_byte(out, '{');
    json_append_key(encode.out, &encode.first, LIT("model"));
    json_append_string(out, model->model);
    put_value(&encode, "stream", chat->stream ? LIT("true") : LIT("false"));
    if (!cohere_write_messages(&encode) || !put_tools(&encode))
        return false;
    put_format(&encode);
    put_max_tokens(&encode);
    put_sampling(&encode);
    put_stops(&encode);
    put_thinking(&encode);
    put_rest(&encode);
    buffer_append_byte(out, '}');
    return true;
}
