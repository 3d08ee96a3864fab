/* write_request.c -- struct chat as a request to Anthropic's Messages API (POST /v1/messages, version 2023-06-01).
 *
 * The API refuses fields it does not know, so only what is listed here is sent; what cannot be carried is named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

enum { BUDGET_MIN = 1024, MAX_TOKENS_DEFAULT = 4096 };

const struct name_rule anthropic_names = {"_-", 128, false};

/* ---------------------------------------------------------------- reasoning */

/* A budget lies below max_tokens: it comes on top of what was asked for as answer, as far as the model goes. */
static void add_budget(const struct encode *encode, int64_t budget, int64_t *max_tokens)
{
    int64_t limit = encode->model->max_output;
    if (*max_tokens <= budget)
        *max_tokens += budget;
    if (limit > budget && *max_tokens > limit)
        *max_tokens = limit;
}

static void put_budget(struct encode *encode, int64_t *max_tokens)
{
    static const int64_t defaults[] = {0, 0, 1024, 1024, 2048, 4096, 8192, 8192};
    int64_t budget = encode_budget(encode, defaults), limit = encode->model->max_output;
    if (limit > 0 && budget >= limit)
        budget = limit / 2;
    if (budget < BUDGET_MIN)
        budget = BUDGET_MIN;
    add_budget(encode, budget, max_tokens);
    buffer_append_lit(encode->out, "{\"type\":\"enabled\",\"budget_tokens\":");
    buffer_append_int(encode->out, budget);
    buffer_append_byte(encode->out, '}');
}

/* The client's own thinking object goes on as it is; an effort becomes a budget or an effort, by family. Models that think by themselves must be told
 * not to. */
static void put_thinking(struct encode *encode, int64_t *max_tokens)
{
    struct slice said = encode->chat->thinking_json;
    bool given = said.len > 0, adaptive = encode->flags & CLAUDE_ADAPTIVE;
    bool off = given ? thinking_is_disabled(said) : encode->effort == EFFORT_NONE;
    int64_t budget;
    if (!given && encode->effort == EFFORT_NOT_GIVEN)
        return;
    if (given && (encode->thinking || off)) {
        if (encode->thinking && json_to_count(json_find(said, "budget_tokens"), &budget))
            add_budget(encode, budget, max_tokens);
        encode_value(encode, "thinking", said);
    } else if (encode->thinking && !adaptive) {
        encode_key(encode, "thinking");
        put_budget(encode, max_tokens);
    } else if (adaptive) {
        encode_value(encode, "thinking", encode->thinking ? LIT("{\"type\":\"adaptive\"}") : LIT("{\"type\":\"disabled\"}"));
    }
    if (given && !encode->thinking && !off)
        encode_drop(encode, LIT("thinking"));
}

/* The model keeps to schemas: of answers and of strict tools. */
static bool is_structured(const struct encode *encode)
{
    return (encode->flags & CLAUDE_STRUCTURED) && (encode->model->capabilities & NEED_JSON_SCHEMA);
}

static bool uses_json_tool(const struct encode *encode)
{
    return encode->chat->format == FORMAT_SCHEMA && !is_structured(encode);
}

static bool is_thinking(const struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool forced = chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED || uses_json_tool(encode);
    if (anthropic_lost_reasoning(chat))
        return false; /* the client lost the signed blocks: going on without thinking beats a refusal */
    bool wanted = chat->thinking_json.len > 0 ? !thinking_is_disabled(chat->thinking_json) : encode->effort > EFFORT_NONE;
    return wanted && !forced; /* a forced tool and thinking exclude each other */
}

/* ---------------------------------------------------------------- sampling */

static void put_or_drop(struct encode *encode, const char *name, struct slice value, bool refused)
{
    if (value.len > 0 && refused)
        encode_drop(encode, slice_of(name));
    else
        encode_value(encode, name, value);
}

static void put_sampling(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool none = encode->flags & CLAUDE_NO_SAMPLING, refused = none || encode->thinking;
    struct slice temperature = number_between(chat->temperature, LIT("0"), LIT("1")); /* 0..1 here, 0..2 there */
    double number = 0, top_p = 0;
    if (!(refused && json_to_double(chat->temperature, &number) && number == 1))
        put_or_drop(encode, "temperature", temperature, refused);
    bool high = json_to_double(chat->top_p, &top_p) && top_p >= 0.95 && top_p <= 1; /* all that thinking allows */
    put_or_drop(encode, "top_p", chat->top_p,
                none || (encode->thinking ? !high : temperature.len > 0 && (encode->flags & CLAUDE_ONE_SAMPLING)));
    put_or_drop(encode, "top_k", chat->top_k, refused);
}

/* ---------------------------------------------------------------- tools and formats */

/* An object at the top, and said to be one. */
static void put_input_schema(struct encode *encode, struct slice schema)
{
    bool object = schema.len >= 2 && schema.ptr[0] == '{';
    struct slice inside = object ? slice_trim((struct slice){schema.ptr + 1, schema.len - 2}) : SLICE_NONE;
    if (inside.len > 0 && json_find(schema, "type").len == 0)
        encode_write(encode, "{\"type\":\"object\",%}", inside);
    else
        buffer_append_slice(encode->out, inside.len > 0 ? schema : LIT("{\"type\":\"object\",\"properties\":{}}"));
}

static void put_tool(struct encode *encode, const struct tool *tool)
{
    encode_write(encode, "{\"name\":\"%\"", name_fit(tool->name_raw, &anthropic_names, encode->arena));
    encode_text(encode, "description", tool->description_raw);
    encode_key(encode, "input_schema");
    put_input_schema(encode, tool->schema_json);
    if (tool->strict == 1 && is_structured(encode)) /* older models refuse the word, and keep to schemas as well as they can */
        encode_value(encode, "strict", LIT("true"));
    encode_value(encode, "cache_control", tool->cache_control_json);
    buffer_append_byte(encode->out, '}');
}

static struct slice answer_schema(const struct chat *chat)
{
    return chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}");
}

static bool put_tools(struct encode *encode)
{
    bool json_tool = uses_json_tool(encode);
    if (encode->chat->tools == NULL && !json_tool)
        return true;
    encode_key(encode, "tools");
    encode_begin(encode, '[');
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (!encode_is_function(encode, tool))
            return false;
        encode_comma(encode);
        put_tool(encode, tool);
    }
    if (json_tool) {
        encode_comma(encode);
        encode_write(encode, "{\"name\":\"" ANTHROPIC_JSON_TOOL "\",\"description\":\"Return the answer as JSON.\",\"input_schema\":%}",
                     answer_schema(encode->chat));
    }
    encode_end(encode, ']');
    return true;
}

static void put_tool_choice(struct encode *encode)
{
    static const struct slice words[] = {LIT("auto"), LIT("auto"), LIT("none"), LIT("any"), LIT("tool")};
    const struct chat *chat = encode->chat;
    enum tool_choice choice = chat->tool_choice;
    struct slice name = chat->tool_choice_name_raw;
    if (uses_json_tool(encode)) {
        choice = chat->tools == NULL || choice == TOOL_CHOICE_NONE ? TOOL_CHOICE_NAMED : TOOL_CHOICE_REQUIRED;
        name = LIT(ANTHROPIC_JSON_TOOL);
    } else if (chat->tools == NULL || (choice == TOOL_CHOICE_NONE_GIVEN && chat->parallel_tool_calls != 0)) {
        return;
    }
    encode_key(encode, "tool_choice");
    encode_write(encode, "{\"type\":\"%\"", words[choice]);
    if (choice == TOOL_CHOICE_NAMED)
        encode_write(encode, ",\"name\":\"%\"", name_fit(name, &anthropic_names, encode->arena));
    if (chat->parallel_tool_calls == 0 && choice != TOOL_CHOICE_NONE)
        buffer_append_lit(encode->out, ",\"disable_parallel_tool_use\":true");
    buffer_append_byte(encode->out, '}');
}

/* effort and format share an object. */
static bool put_output_config(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool schema = chat->format == FORMAT_SCHEMA && !uses_json_tool(encode);
    bool by_effort = encode->thinking && (encode->flags & CLAUDE_ADAPTIVE) && encode->effort > EFFORT_NONE;
    if (chat->effort_raw.len > 0 && encode->effort != EFFORT_NONE && !encode->thinking && chat->thinking_json.len == 0)
        encode_drop(encode, LIT("reasoning_effort"));
    struct place place = encode_open(encode, "output_config", '{');
    if (by_effort)
        encode_text(encode, "effort",
                    encode->effort == EFFORT_XHIGH && (encode->flags & CLAUDE_XHIGH) ? LIT("xhigh") : effort_word(encode->effort));
    if (schema) {
        encode_key(encode, "format");
        buffer_append_lit(encode->out, "{\"type\":\"json_schema\",\"schema\":");
        if (!anthropic_write_schema(encode->out, answer_schema(chat), encode->complaint))
            return false;
        buffer_append_byte(encode->out, '}');
    }
    encode_close(encode, '}', place);
    return true;
}

/* ---------------------------------------------------------------- the rest */

/* OpenAI's newer name of `user`. */
static bool is_user(const struct encode *encode, struct slice value_json)
{
    return encode->chat->user_raw.len == 0 && value_json.len > 2 && value_json.ptr[0] == '"';
}

static const struct extra_rule extras[] = {
    {"safety_identifier", NULL, EXTRA_ELSEWHERE, is_user},
    {.name = NULL},
};

static void put_user(struct encode *encode)
{
    struct slice user = encode->chat->user_raw, identifier = encode_extra(encode, LIT("safety_identifier"));
    if (is_user(encode, identifier))
        user = (struct slice){identifier.ptr + 1, identifier.len - 2};
    if (user.len == 0)
        return;
    encode_key(encode, "metadata");
    encode_write(encode, "{\"user_id\":\"%\"}", user);
}

static void put_service_tier(struct encode *encode)
{
    struct slice tier = encode->chat->service_tier_raw;
    bool usual = slice_equals(tier, LIT("default"));
    if (tier.len > 0 && !usual && !slice_equals(tier, LIT("auto")))
        return encode_drop(encode, LIT("service_tier"));
    encode_text(encode, "service_tier", usual ? LIT("standard_only") : tier);
}

static void begin(struct encode *encode)
{
    encode->family = anthropic_family(encode->model);
    encode->flags = encode->family->flags;
    encode->effort = effort_of(encode->chat->effort_raw, EFFORT_MAX);
    encode->thinking = is_thinking(encode);
    encode_begin(encode, '{');
    encode_model(encode);
}

static bool put_question(struct encode *encode)
{
    encode_drop_content(encode);
    if (!anthropic_write_messages(encode) || !put_tools(encode))
        return false;
    put_tool_choice(encode);
    return put_output_config(encode);
}

/* What is counted: no length, no sampling. */
bool anthropic_write_count(struct encode *encode)
{
    begin(encode);
    put_thinking(encode, &(int64_t){0});
    if (!put_question(encode))
        return false;
    encode_end(encode, '}');
    return true;
}

bool anthropic_write_request(struct encode *encode)
{
    int64_t limit = encode->model->max_output, max_tokens = encode_max_tokens(encode, limit > 0 ? limit : MAX_TOKENS_DEFAULT);
    if (!encode_is_one_answer(encode))
        return false;
    begin(encode);
    put_thinking(encode, &max_tokens);
    encode_int(encode, "max_tokens", max_tokens);
    if (!put_question(encode))
        return false;
    put_sampling(encode);
    encode_stops(encode, "stop_sequences", stop_has_text, STOPS_ANY);
    put_user(encode);
    put_service_tier(encode);
    encode_value(encode, "cache_control", encode->chat->cache_control_json);
    encode_drop_members(encode, MEMBER_SEED | MEMBER_PENALTIES | MEMBER_LOGPROBS | MEMBER_METADATA);
    encode_extras(encode, extras, EXTRA_TOP);
    if (encode->chat->stream)
        encode_value(encode, "stream", LIT("true"));
    encode_end(encode, '}');
    return true;
}
