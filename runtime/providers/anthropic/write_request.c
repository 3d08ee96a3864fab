/* write_request.c -- struct chat as a request to Anthropic's Messages API (POST /v1/messages, version 2023-06-01).
 *
 * The API refuses fields it does not know, so only what is listed here is sent; what cannot be carried is named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

enum { BUDGET_MIN = 1024, MAX_TOKENS_DEFAULT = 4096 };

const struct name_rule anthropic_names = {"_-", 128, false};

void anthropic_write_name(struct anthropic_encode *encode, struct slice name_raw)
{
    json_append_quoted(encode->out, name_fit(name_raw, &anthropic_names, encode->arena));
}

/* ---------------------------------------------------------------- reasoning */

static int64_t budget_of(const struct anthropic_encode *encode, enum effort effort)
{
    static const int64_t defaults[] = {0, 0, 1024, 1024, 2048, 4096, 8192, 8192};
    enum effort known = effort > EFFORT_XHIGH ? EFFORT_XHIGH : effort;
    int64_t configured = known < EFFORT_MINIMAL ? 0 : encode->provider->reasoning_budgets[known - EFFORT_MINIMAL];
    return configured > 0 ? configured : defaults[effort];
}

static int64_t max_tokens_of(const struct anthropic_encode *encode)
{
    int64_t wanted = 0, limit = encode->model->max_output;
    if (!json_to_count(encode->chat->max_tokens, &wanted)) {
        wanted = encode->provider->default_max_tokens;
        if (wanted == 0)
            wanted = limit > 0 ? limit : MAX_TOKENS_DEFAULT;
    }
    return limit > 0 && wanted > limit ? limit : wanted;
}

static bool is_disabled(struct slice thinking_json)
{
    return json_raw_equals(json_find_string(thinking_json, "type"), LIT("disabled"));
}

/* A budget lies below max_tokens: it comes on top of what was asked for as answer, as far as the model goes. */
static void make_room(const struct anthropic_encode *encode, int64_t budget, int64_t *max_tokens)
{
    int64_t limit = encode->model->max_output;
    if (*max_tokens <= budget)
        *max_tokens += budget;
    if (limit > budget && *max_tokens > limit)
        *max_tokens = limit;
}

static void put_budget(struct anthropic_encode *encode, enum effort effort, int64_t *max_tokens)
{
    int64_t budget = budget_of(encode, effort), limit = encode->model->max_output;
    if (limit > 0 && budget >= limit)
        budget = limit / 2;
    if (budget < BUDGET_MIN)
        budget = BUDGET_MIN;
    make_room(encode, budget, max_tokens);
    buffer_append_lit(encode->out, "{\"type\":\"enabled\",\"budget_tokens\":");
    buffer_append_int(encode->out, budget);
    buffer_append_byte(encode->out, '}');
}

/* The client's own thinking object goes on as it is; an effort becomes a budget or an effort, by family. Models that think by themselves must be told
 * not to. */
static void put_thinking(struct anthropic_encode *encode, enum effort effort, int64_t *max_tokens)
{
    const struct chat *chat = encode->chat;
    bool given = chat->thinking_json.len > 0, adaptive = encode->family->flags & FAMILY_ADAPTIVE;
    bool off = given ? is_disabled(chat->thinking_json) : effort == EFFORT_NONE;
    int64_t budget;
    if (!given && effort == EFFORT_NOT_GIVEN)
        return;
    if (given && (encode->thinking || off)) {
        if (encode->thinking && json_to_count(json_find(chat->thinking_json, "budget_tokens"), &budget))
            make_room(encode, budget, max_tokens);
        json_append_key(encode->out, &encode->first, LIT("thinking"));
        buffer_append_slice(encode->out, chat->thinking_json);
    } else if (encode->thinking) {
        json_append_key(encode->out, &encode->first, LIT("thinking"));
        if (adaptive)
            buffer_append_lit(encode->out, "{\"type\":\"adaptive\"}");
        else
            put_budget(encode, effort, max_tokens);
    } else if (adaptive) {
        json_append_key(encode->out, &encode->first, LIT("thinking"));
        buffer_append_lit(encode->out, "{\"type\":\"disabled\"}");
    }
    if (given && !encode->thinking && !off)
        names_drop(encode->dropped, LIT("thinking"));
}

/* The model keeps to schemas: of answers and of strict tools. */
static bool is_structured(const struct anthropic_encode *encode)
{
    return (encode->family->flags & FAMILY_STRUCTURED) && (encode->model->capabilities & NEED_JSON_SCHEMA);
}

static bool uses_json_tool(const struct anthropic_encode *encode)
{
    return encode->chat->format == FORMAT_SCHEMA && !is_structured(encode);
}

static bool is_thinking(const struct anthropic_encode *encode, enum effort effort)
{
    const struct chat *chat = encode->chat;
    bool forced = chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED || uses_json_tool(encode);
    if (anthropic_lost_reasoning(chat))
        return false; /* the client lost the signed blocks: going on without thinking beats a refusal */
    bool wanted = chat->thinking_json.len > 0 ? !is_disabled(chat->thinking_json) : effort > EFFORT_NONE;
    return wanted && !forced; /* a forced tool and thinking exclude each other */
}

/* ---------------------------------------------------------------- sampling */

static void put_sampling(struct anthropic_encode *encode)
{
    const struct chat *chat = encode->chat;
    unsigned flags = encode->family->flags;
    double temperature = 1;
    bool given = chat->temperature.len > 0 && json_to_double(chat->temperature, &temperature);
    bool refused = (flags & FAMILY_NO_SAMPLING) || encode->thinking;
    if (given && !(refused && temperature == 1)) {
        if (refused) {
            names_drop(encode->dropped, LIT("temperature"));
        } else {
            json_append_key(encode->out, &encode->first, LIT("temperature")); /* 0..1 here, 0..2 there */
            buffer_append_slice(encode->out, temperature > 1 ? LIT("1") : temperature < 0 ? LIT("0") : chat->temperature);
        }
    }
    if (chat->top_p.len > 0) {
        double top_p = 0;
        bool high = json_to_double(chat->top_p, &top_p) && top_p >= 0.95 && top_p <= 1; /* all that thinking allows */
        if ((flags & FAMILY_NO_SAMPLING) || (encode->thinking ? !high : given && (flags & FAMILY_ONE_SAMPLING))) {
            names_drop(encode->dropped, LIT("top_p"));
        } else {
            json_append_key(encode->out, &encode->first, LIT("top_p"));
            buffer_append_slice(encode->out, chat->top_p);
        }
    }
    if (chat->top_k.len > 0) {
        if (refused) {
            names_drop(encode->dropped, LIT("top_k"));
        } else {
            json_append_key(encode->out, &encode->first, LIT("top_k"));
            buffer_append_slice(encode->out, chat->top_k);
        }
    }
}

static void put_stops(struct anthropic_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool any = false;
    for (unsigned i = 0; i < chat->stop_count; i++) {
        struct slice stop = chat->stops_raw[i];
        if (slice_trim(json_unescape(encode->arena, stop)).len == 0)
            continue; /* blanks only are refused */
        if (!any)
            json_append_key(encode->out, &encode->first, LIT("stop_sequences"));
        buffer_append_byte(encode->out, any ? ',' : '[');
        any = true;
        json_append_quoted(encode->out, stop);
    }
    if (any)
        buffer_append_byte(encode->out, ']');
}

/* ---------------------------------------------------------------- tools and formats */

/* An object at the top, and said to be one. */
static void put_input_schema(struct buffer *out, struct slice schema)
{
    bool object = schema.len >= 2 && schema.ptr[0] == '{';
    struct slice inside = object ? slice_trim((struct slice){schema.ptr + 1, schema.len - 2}) : SLICE_NONE;
    if (inside.len == 0) {
        buffer_append_lit(out, "{\"type\":\"object\",\"properties\":{}}");
    } else if (json_find(schema, "type").len == 0) {
        buffer_append_lit(out, "{\"type\":\"object\",");
        buffer_append_slice(out, inside);
        buffer_append_byte(out, '}');
    } else {
        buffer_append_slice(out, schema);
    }
}

static void put_tool(struct anthropic_encode *encode, const struct tool *tool)
{
    struct buffer *out = encode->out;
    buffer_append_lit(out, "{\"name\":");
    anthropic_write_name(encode, tool->name_raw);
    if (tool->description_raw.len > 0) {
        buffer_append_lit(out, ",\"description\":");
        json_append_quoted(out, tool->description_raw);
    }
    buffer_append_lit(out, ",\"input_schema\":");
    put_input_schema(out, tool->schema_json);
    if (tool->strict == 1 && is_structured(encode)) /* older models refuse the word, and keep to schemas as well as they can */
        buffer_append_lit(out, ",\"strict\":true");
    if (tool->cache_control_json.len > 0) {
        buffer_append_lit(out, ",\"cache_control\":");
        buffer_append_slice(out, tool->cache_control_json);
    }
    buffer_append_byte(out, '}');
}

static bool put_tools(struct anthropic_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct buffer *out = encode->out;
    bool json_tool = uses_json_tool(encode), first = true;
    if (chat->tools == NULL && !json_tool)
        return true;
    json_append_key(encode->out, &encode->first, LIT("tools"));
    buffer_append_byte(out, '[');
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        if (tool->name_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider knows no tools but functions"), LIT("tools"));
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        put_tool(encode, tool);
    }
    if (json_tool) {
        if (!first)
            buffer_append_byte(out, ',');
        buffer_append_lit(out, "{\"name\":\"" ANTHROPIC_JSON_TOOL "\",\"description\":\"Return the answer as JSON.\",\"input_schema\":");
        buffer_append_slice(out, chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}"));
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
    return true;
}

static void put_tool_choice(struct anthropic_encode *encode)
{
    static const struct slice words[] = {LIT("auto"), LIT("auto"), LIT("none"), LIT("any"), LIT("tool")};
    const struct chat *chat = encode->chat;
    struct buffer *out = encode->out;
    enum tool_choice choice = chat->tool_choice;
    struct slice name = chat->tool_choice_name_raw;
    if (uses_json_tool(encode)) {
        choice = chat->tools == NULL || choice == TOOL_CHOICE_NONE ? TOOL_CHOICE_NAMED : TOOL_CHOICE_REQUIRED;
        name = LIT(ANTHROPIC_JSON_TOOL);
    } else if (chat->tools == NULL || (choice == TOOL_CHOICE_NONE_GIVEN && chat->parallel_tool_calls != 0)) {
        return;
    }
    json_append_key(encode->out, &encode->first, LIT("tool_choice"));
    buffer_append_lit(out, "{\"type\":\"");
    buffer_append_slice(out, words[choice]);
    buffer_append_byte(out, '"');
    if (choice == TOOL_CHOICE_NAMED) {
        buffer_append_lit(out, ",\"name\":");
        anthropic_write_name(encode, name);
    }
    if (chat->parallel_tool_calls == 0 && choice != TOOL_CHOICE_NONE)
        buffer_append_lit(out, ",\"disable_parallel_tool_use\":true");
    buffer_append_byte(out, '}');
}

/* effort and format share an object. */
static bool put_output_config(struct anthropic_encode *encode, enum effort effort)
{
    static const char *const names[] = {"", "", "low", "low", "medium", "high", "high", "max"};
    const struct chat *chat = encode->chat;
    bool schema = chat->format == FORMAT_SCHEMA && !uses_json_tool(encode);
    bool by_effort = encode->thinking && (encode->family->flags & FAMILY_ADAPTIVE) && effort > EFFORT_NONE;
    if (chat->effort_raw.len > 0 && effort != EFFORT_NONE && !encode->thinking && chat->thinking_json.len == 0)
        names_drop(encode->dropped, LIT("reasoning_effort"));
    if (!schema && !by_effort)
        return true;
    json_append_key(encode->out, &encode->first, LIT("output_config"));
    buffer_append_byte(encode->out, '{');
    if (by_effort)
        buffer_printf(encode->out, "\"effort\":\"%s\"%s",
                      effort == EFFORT_XHIGH && (encode->family->flags & FAMILY_XHIGH) ? "xhigh" : names[effort], schema ? "," : "");
    if (schema) {
        buffer_append_lit(encode->out, "\"format\":{\"type\":\"json_schema\",\"schema\":");
        if (!anthropic_write_schema(encode->out, chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}"),
                                    encode->complaint))
            return false;
        buffer_append_byte(encode->out, '}');
    }
    buffer_append_byte(encode->out, '}');
    return true;
}

/* ---------------------------------------------------------------- the rest */

/* OpenAI's newer name of `user`. */
static bool is_user(const struct anthropic_encode *encode, const struct extra *extra)
{
    return encode->chat->user_raw.len == 0 && extra->value_json.len > 2 && extra->value_json.ptr[0] == '"' &&
           json_raw_equals(extra->name_raw, LIT("safety_identifier"));
}

static void put_user(struct anthropic_encode *encode)
{
    struct slice user = encode->chat->user_raw;
    for (const struct extra *extra = encode->chat->extras; extra != NULL; extra = extra->next)
        if (is_user(encode, extra))
            user = (struct slice){extra->value_json.ptr + 1, extra->value_json.len - 2};
    if (user.len == 0)
        return;
    json_append_key(encode->out, &encode->first, LIT("metadata"));
    buffer_append_lit(encode->out, "{\"user_id\":");
    json_append_quoted(encode->out, user);
    buffer_append_byte(encode->out, '}');
}

/* What has no counterpart here and changes nothing that the client could rely on: left out, and named. */
static void drop_rest(struct anthropic_encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->seed.len > 0)
        names_drop(encode->dropped, LIT("seed"));
    if (chat->presence_penalty.len > 0)
        names_drop(encode->dropped, LIT("presence_penalty"));
    if (chat->frequency_penalty.len > 0)
        names_drop(encode->dropped, LIT("frequency_penalty"));
    if (chat->logprobs == 1)
        names_drop(encode->dropped, LIT("logprobs"));
    if (chat->top_logprobs.len > 0)
        names_drop(encode->dropped, LIT("top_logprobs"));
    if (chat->metadata_json.len > 0)
        names_drop(encode->dropped, LIT("metadata"));
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next)
        if (!slice_equals(extra->value_json, LIT("null")) && !is_user(encode, extra))
            names_drop(encode->dropped, extra->name_raw);
}

static void put_service_tier(struct anthropic_encode *encode)
{
    struct slice tier = encode->chat->service_tier_raw;
    if (tier.len == 0)
        return;
    if (slice_equals(tier, LIT("auto")) || slice_equals(tier, LIT("default"))) {
        json_append_key(encode->out, &encode->first, LIT("service_tier"));
        buffer_append_slice(encode->out, slice_equals(tier, LIT("auto")) ? LIT("\"auto\"") : LIT("\"standard_only\""));
    } else {
        names_drop(encode->dropped, LIT("service_tier"));
    }
}

static bool put_question(struct anthropic_encode *encode)
{
    names_drop_content(encode->chat, encode->dropped);
    if (!anthropic_write_messages(encode) || !put_tools(encode))
        return false;
    put_tool_choice(encode);
    return true;
}

/* What is counted: no length, no sampling. */
bool anthropic_write_count(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                           struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct anthropic_encode encode = {chat, provider, model, anthropic_family(model), arena, out, dropped, complaint, true, false, false};
    enum effort effort = effort_of(chat->effort_raw, EFFORT_MAX);
    encode.thinking = is_thinking(&encode, effort);
    buffer_append_byte(out, '{');
    json_append_key(encode.out, &encode.first, LIT("model"));
    json_append_string(out, model->model);
    put_thinking(&encode, effort, &(int64_t){0});
    if (!put_question(&encode) || !put_output_config(&encode, effort))
        return false;
    buffer_append_byte(out, '}');
    return true;
}

bool anthropic_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                             struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct anthropic_encode encode = {chat, provider, model, anthropic_family(model), arena, out, dropped, complaint, true, false, false};
    enum effort effort = effort_of(chat->effort_raw, EFFORT_MAX);
    int64_t max_tokens = max_tokens_of(&encode), n = 1;
    if (chat->n.len > 0 && json_to_count(chat->n, &n) && n > 1)
        return complaint_refuse(encode.complaint, LIT("this provider gives one answer per request: n must be 1"), LIT("n"));
    encode.thinking = is_thinking(&encode, effort);
    buffer_append_byte(out, '{');
    json_append_key(encode.out, &encode.first, LIT("model"));
    json_append_string(out, model->model);
    put_thinking(&encode, effort, &max_tokens);
    json_append_key(encode.out, &encode.first, LIT("max_tokens"));
    buffer_append_int(out, max_tokens);
    if (!put_question(&encode) || !put_output_config(&encode, effort))
        return false;
    put_sampling(&encode);
    put_stops(&encode);
    put_user(&encode);
    put_service_tier(&encode);
    if (chat->cache_control_json.len > 0) {
        json_append_key(encode.out, &encode.first, LIT("cache_control"));
        buffer_append_slice(out, chat->cache_control_json);
    }
    drop_rest(&encode);
    if (chat->stream) {
        json_append_key(encode.out, &encode.first, LIT("stream"));
        buffer_append_lit(out, "true");
    }
    buffer_append_byte(out, '}');
    return true;
}
