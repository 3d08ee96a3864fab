/* write_request.c -- struct chat as a request to Ollama's /api/chat, struct embed as one to /api/embed.
 *
 * What steers the model stands in `options`; what is not said there is what the model's own file says. It streams unless told not to. The context is
 * small by default and a longer prompt is cut without a word: num_ctx and truncate, extensions, go on as they are.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

/* ---------------------------------------------------------------- tools, formats, reasoning */

static bool put_tool(struct ollama_encode *encode, const struct tool *tool)
{
    struct buffer *out = encode->out;
    names_drop_marker(encode->dropped, &encode->lost_markers, tool->cache_control_json);
    if (tool->name_raw.len == 0)
        return complaint_refuse(encode->complaint, LIT("this provider knows no tools but functions"), LIT("tools"));
    buffer_append_lit(out, "{\"type\":\"function\",\"function\":{\"name\":");
    json_append_quoted(out, tool->name_raw);
    if (tool->description_raw.len > 0) {
        buffer_append_lit(out, ",\"description\":");
        json_append_quoted(out, tool->description_raw);
    }
    buffer_append_lit(out, ",\"parameters\":");
    buffer_append_slice(out, tool->schema_json.len > 2 ? tool->schema_json : LIT("{\"type\":\"object\",\"properties\":{}}"));
    buffer_append_lit(out, "}}");
    return true;
}

/* There is no choice of tools: none are offered where none may be called, only the one where it must be; that it must be cannot be said. */
static bool put_tools(struct ollama_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool named = chat->tool_choice == TOOL_CHOICE_NAMED, any = false, strict = false;
    if (chat->tools == NULL || chat->tool_choice == TOOL_CHOICE_NONE)
        return true;
    json_append_key(encode->out, &encode->first, LIT("tools"));
    buffer_append_byte(encode->out, '[');
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        if (named && !slice_equals(tool->name_raw, chat->tool_choice_name_raw))
            continue;
        if (any)
            buffer_append_byte(encode->out, ',');
        any = true;
        strict |= tool->strict == 1;
        if (!put_tool(encode, tool))
            return false;
    }
    buffer_append_byte(encode->out, ']');
    if (!any)
        return complaint_refuse(encode->complaint, LIT("the tool that must be called is not among the tools"), LIT("tool_choice"));
    if (named || chat->tool_choice == TOOL_CHOICE_REQUIRED)
        names_drop(encode->dropped, LIT("tool_choice"));
    if (strict)
        names_drop(encode->dropped, LIT("strict"));
    if (chat->parallel_tool_calls == 0)
        names_drop(encode->dropped, LIT("parallel_tool_calls"));
    return true;
}

static void put_format(struct ollama_encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->format != FORMAT_JSON && chat->format != FORMAT_SCHEMA)
        return;
    json_append_key(encode->out, &encode->first, LIT("format"));
    buffer_append_slice(encode->out, chat->format == FORMAT_SCHEMA && chat->schema_json.len > 0 ? chat->schema_json : LIT("\"json\""));
}

/* A budget as the nearest level. */
static struct slice level_of_budget(int64_t budget)
{
    enum { LOW = 2048, MEDIUM = 8192 };
    return budget <= LOW ? LIT("\"low\"") : budget <= MEDIUM ? LIT("\"medium\"") : LIT("\"high\"");
}

/* COMPAT(ollama, 2026-08): "max" is new and older servers refuse it, so only who says it gets it. A model that does not think refuses any `think` but
 * false, so nothing is said where nothing was asked. */
static struct slice think_of(const struct chat *chat)
{
    static const struct {
        struct slice effort, think;
    } levels[] = {{LIT("none"), LIT("false")},        {LIT("minimal"), LIT("\"low\"")}, {LIT("low"), LIT("\"low\"")},
                  {LIT("medium"), LIT("\"medium\"")}, {LIT("high"), LIT("\"high\"")},   {LIT("xhigh"), LIT("\"high\"")},
                  {LIT("max"), LIT("\"max\"")}};
    int64_t budget;
    if (chat->thinking_json.len > 0) {
        if (json_raw_equals(json_find_string(chat->thinking_json, "type"), LIT("disabled")))
            return LIT("false");
        return json_to_count(json_find(chat->thinking_json, "budget_tokens"), &budget) ? level_of_budget(budget) : LIT("true");
    }
    for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++)
        if (json_raw_equals(chat->effort_raw, levels[i].effort))
            return levels[i].think;
    return SLICE_NONE;
}

static void put_think(struct ollama_encode *encode)
{
    struct slice think = think_of(encode->chat);
    if (think.len > 0) {
        json_append_key(encode->out, &encode->first, LIT("think"));
        buffer_append_slice(encode->out, think);
    } else if (encode->chat->effort_raw.len > 0) {
        names_drop(encode->dropped, LIT("reasoning_effort"));
    }
}

/* ---------------------------------------------------------------- options */

/* An object that is begun by its first member. */
static void option(struct ollama_encode *encode, bool *begun, struct slice name, struct slice value_json)
{
    if (!*begun) {
        json_append_key(encode->out, &encode->first, LIT("options"));
        buffer_append_byte(encode->out, '{');
    } else {
        buffer_append_byte(encode->out, ',');
    }
    *begun = true;
    json_append_quoted(encode->out, name);
    buffer_append_byte(encode->out, ':');
    buffer_append_slice(encode->out, value_json);
}

static struct slice max_tokens_of(const struct ollama_encode *encode)
{
    int64_t wanted, limit = encode->model->max_output;
    if (!json_to_count(encode->chat->max_tokens, &wanted))
        wanted = encode->provider->default_max_tokens > 0 ? encode->provider->default_max_tokens : -1;
    if (wanted < 0)
        return SLICE_NONE;
    return arena_printf(encode->arena, "%lld", (long long)(limit > 0 && wanted > limit ? limit : wanted));
}

static void put_stops(struct ollama_encode *encode, bool *begun)
{
    const struct chat *chat = encode->chat;
    if (chat->stop_count == 0)
        return;
    option(encode, begun, LIT("stop"), LIT("["));
    for (unsigned i = 0; i < chat->stop_count; i++) {
        if (i > 0)
            buffer_append_byte(encode->out, ',');
        json_append_quoted(encode->out, chat->stops_raw[i]);
    }
    buffer_append_byte(encode->out, ']');
}

static bool is_in(struct slice name, const struct slice *names, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (slice_equals(name, names[i]))
            return true;
    return false;
}

/* Extensions: options of Ollama's own that have no other name. */
static bool is_option(struct slice name)
{
    static const struct slice names[] = {LIT("num_ctx"),       LIT("min_p"),     LIT("repeat_penalty"),
                                         LIT("repeat_last_n"), LIT("typical_p"), LIT("num_keep")};
    return is_in(name, names, sizeof names / sizeof *names);
}

static bool is_own(struct slice name)
{
    static const struct slice names[] = {LIT("keep_alive"), LIT("truncate"), LIT("shift")};
    return is_in(name, names, sizeof names / sizeof *names);
}

static void put_options(struct ollama_encode *encode)
{
    const struct chat *chat = encode->chat;
    const struct {
        struct slice name, value;
    } numbers[] = {
        {LIT("num_predict"), max_tokens_of(encode)},
        {LIT("temperature"), chat->temperature},
        {LIT("top_p"), chat->top_p},
        {LIT("top_k"), chat->top_k},
        {LIT("seed"), chat->seed},
        {LIT("presence_penalty"), chat->presence_penalty},
        {LIT("frequency_penalty"), chat->frequency_penalty},
    };
    bool begun = false;
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value.len > 0)
            option(encode, &begun, numbers[i].name, numbers[i].value);
    put_stops(encode, &begun);
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next)
        if (is_option(extra->name_raw) && !slice_equals(extra->value_json, LIT("null")))
            option(encode, &begun, extra->name_raw, extra->value_json);
    if (begun)
        buffer_append_byte(encode->out, '}');
}

/* Log probabilities would have no words in our answer: they are not asked for. */
static void put_rest(struct ollama_encode *encode)
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
        if (slice_equals(extra->value_json, LIT("null")) || is_option(extra->name_raw))
            continue;
        if (!is_own(extra->name_raw)) {
            names_drop(encode->dropped, extra->name_raw);
            continue;
        }
        buffer_append_byte(encode->out, ',');
        json_append_quoted(encode->out, extra->name_raw);
        buffer_append_byte(encode->out, ':');
        buffer_append_slice(encode->out, extra->value_json);
    }
}

bool ollama_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct ollama_encode encode = {.chat = chat,
                                   .provider = provider,
                                   .model = model,
                                   .arena = arena,
                                   .out = out,
                                   .dropped = dropped,
                                   .complaint = complaint,
                                   .first = true};
    int64_t n = 1;
    if (chat->n.len > 0 && (!json_to_count(chat->n, &n) || n != 1))
        return complaint_refuse(encode.complaint, LIT("this provider gives one answer per request: n must be 1"), LIT("n"));
    names_drop_content(chat, dropped);
    buffer_append_byte(out, '{');
    json_append_key(encode.out, &encode.first, LIT("model"));
    json_append_string(out, model->model);
    json_append_key(encode.out, &encode.first, LIT("stream"));
    buffer_append_slice(out, chat->stream ? LIT("true") : LIT("false"));
    if (!ollama_write_messages(&encode) || !put_tools(&encode))
        return false;
    put_format(&encode);
    put_think(&encode);
    put_options(&encode);
    put_rest(&encode);
    buffer_append_byte(out, '}');
    return true;
}

/* ---------------------------------------------------------------- embeddings */

bool ollama_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    (void)provider;
    (void)arena;
    if (embed->count == 0) {
        *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER, LIT("this provider takes at least one text"), LIT("input")};
        return false;
    }
    buffer_append_lit(out, "{\"model\":");
    json_append_string(out, model->model);
    buffer_append_lit(out, ",\"input\":[");
    for (unsigned i = 0; i < embed->count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_quoted(out, embed->inputs_raw[i]);
    }
    buffer_append_byte(out, ']');
    if (embed->dimensions.len > 0) {
        buffer_append_lit(out, ",\"dimensions\":");
        buffer_append_slice(out, embed->dimensions);
    }
    buffer_append_byte(out, '}');
    if (embed->input_type_raw.len > 0)
        names_drop(dropped, LIT("input_type"));
    if (embed->user_raw.len > 0)
        names_drop(dropped, LIT("user"));
    return true;
}
