/* write_request.c -- struct chat as a request to Converse, ConverseStream and CountTokens. The model's id stands in the path, not here.
 *
 * What Converse has no field for goes into additionalModelRequestFields where the model's family is known to take it; the rest is named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"
#include "providers/turns.h"

enum { BUDGET_MIN = 1024, CLAUDE_MAX_TOKENS = 4096, METADATA_MAX = 16, METADATA_TEXT_MAX = 256 };

const struct name_rule bedrock_tool_rule = {.allowed = "_-", .max = 64};

void bedrock_write_marker(struct encode *encode, struct slice cache_control_json)
{
    if (cache_control_json.len == 0 || cache_control_json.ptr[0] != '{')
        return;
    if (!(encode->flags & (BEDROCK_CLAUDE | BEDROCK_NOVA)))
        return encode_drop_marker(encode, cache_control_json);
    struct slice ttl = json_find_string(cache_control_json, "ttl");
    buffer_append_lit(encode->out, ",{\"cachePoint\":{\"type\":\"default\"");
    if ((encode->flags & BEDROCK_CLAUDE) && (slice_equals(ttl, LIT("5m")) || slice_equals(ttl, LIT("1h"))))
        encode_text(encode, "ttl", ttl);
    buffer_append_lit(encode->out, "}}");
}

/* ---------------------------------------------------------------- reasoning */

static int64_t budget_of(const struct encode *encode)
{
    static const int64_t defaults[] = {0, 0, 1024, 1024, 2048, 4096, 8192};
    int64_t budget = encode_budget(encode, defaults);
    return budget < BUDGET_MIN ? BUDGET_MIN : budget;
}

static bool is_forced(const struct chat *chat)
{
    return chat->tools != NULL && (chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED);
}

static bool wants_thinking(const struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (encode->flags & BEDROCK_NOVA_2)
        return encode->effort > EFFORT_NONE;
    if (!(encode->flags & BEDROCK_CLAUDE) || anthropic_lost_reasoning(chat))
        return false; /* the client lost the signed blocks: going on without thinking beats a refusal */
    if (chat->thinking_json.len > 0)
        return !thinking_is_disabled(chat->thinking_json);
    return encode->effort > EFFORT_NONE && !is_forced(chat); /* a forced tool and thinking exclude each other */
}

/* COMPAT(bedrock, 2026-08): a forced tool works with every Claude, outputConfig with some: it is used where the tool cannot be, beside thinking and on
 * those that decide by themselves how much to think. */
static unsigned format_of(const struct encode *encode)
{
    bool able = encode->model->capabilities & NEED_JSON_SCHEMA;
    if (encode->chat->format != FORMAT_SCHEMA)
        return 0;
    if (able && ((encode->flags & BEDROCK_STRUCTURED) ||
                 ((encode->flags & CLAUDE_STRUCTURED) && (encode->thinking || (encode->flags & CLAUDE_ADAPTIVE)))))
        return BEDROCK_BY_OUTPUT;
    return encode->flags & BEDROCK_FORCED ? BEDROCK_BY_TOOL : BEDROCK_BY_WORDS;
}

static void put_claude_thinking(struct encode *encode)
{
    struct slice said = encode->chat->thinking_json;
    if (!encode->thinking) {
        if (said.len > 0 && !thinking_is_disabled(said))
            encode_drop(encode, LIT("thinking"));
        else if (said.len == 0 && encode->effort > EFFORT_NONE)
            encode_drop(encode, LIT("reasoning_effort"));
        return;
    }
    encode_value(encode, "thinking", said); /* the client's own goes on as it is */
    if (said.len > 0)
        return;
    encode_key(encode, "thinking");
    if (encode->flags & CLAUDE_ADAPTIVE) {
        bool xhigh = encode->effort == EFFORT_XHIGH && (encode->flags & CLAUDE_XHIGH);
        encode_write(encode, "{\"type\":\"adaptive\"},\"output_config\":{\"effort\":\"%\"}",
                     xhigh ? LIT("xhigh") : effort_word(encode->effort));
    } else {
        buffer_append_lit(encode->out, "{\"type\":\"enabled\",\"budget_tokens\":");
        buffer_append_int(encode->out, budget_of(encode));
        buffer_append_byte(encode->out, '}');
    }
}

/* COMPAT(bedrock, 2026-08): Nova 2 takes no maxTokens beside high effort; the client's bound is worth more. */
static void put_nova_reasoning(struct encode *encode)
{
    bool bounded = encode->chat->max_tokens.len > 0 || encode->provider->default_max_tokens > 0;
    enum effort effort = encode->effort;
    if (!encode->thinking)
        return;
    if (effort >= EFFORT_HIGH && bounded) {
        effort = EFFORT_MEDIUM;
        encode_drop(encode, LIT("reasoning_effort"));
    }
    encode_key(encode, "reasoningConfig");
    encode_write(encode, "{\"type\":\"enabled\",\"maxReasoningEffort\":\"%\"}", effort_word(effort));
}

static void put_reasoning(struct encode *encode)
{
    bool asked = encode->effort > EFFORT_NONE;
    if (encode->chat->thinking_json.len > 0 && !(encode->flags & BEDROCK_CLAUDE))
        encode_drop(encode, LIT("thinking"));
    if (encode->flags & BEDROCK_CLAUDE)
        put_claude_thinking(encode);
    else if (encode->flags & BEDROCK_NOVA_2)
        put_nova_reasoning(encode);
    else if ((encode->flags & BEDROCK_GPT_OSS) && asked)
        encode_text(encode, "reasoning_effort", effort_word(encode->effort));
    else if (asked || (encode->effort == EFFORT_NONE && (encode->flags & BEDROCK_GPT_OSS)))
        encode_drop(encode, LIT("reasoning_effort"));
}

/* ---------------------------------------------------------------- additionalModelRequestFields */

static void put_top_k(struct encode *encode)
{
    struct slice top_k = encode->chat->top_k;
    if (top_k.len == 0)
        return;
    if ((encode->flags & BEDROCK_CLAUDE) && !encode->thinking && !(encode->flags & CLAUDE_NO_SAMPLING)) {
        encode_value(encode, "top_k", top_k);
    } else if ((encode->flags & BEDROCK_NOVA) && !encode->thinking) {
        encode_key(encode, "inferenceConfig");
        encode_write(encode, "{\"topK\":%}", top_k);
    } else {
        encode_drop(encode, LIT("top_k"));
    }
}

/* One call at a time is not a thing of Converse, but of Claude. */
static void put_parallel(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->parallel_tool_calls != 0 || chat->tools == NULL || chat->tool_choice == TOOL_CHOICE_NONE)
        return;
    if (!(encode->flags & BEDROCK_CLAUDE))
        return encode_drop(encode, LIT("parallel_tool_calls"));
    bool named = chat->tool_choice == TOOL_CHOICE_NAMED && !(encode->flags & BEDROCK_BY_TOOL);
    bool any = chat->tool_choice == TOOL_CHOICE_REQUIRED || (encode->flags & BEDROCK_BY_TOOL);
    encode_key(encode, "tool_choice");
    if (named)
        encode_write(encode, "{\"type\":\"tool\",\"name\":\"%\"", name_fit(chat->tool_choice_name_raw, &bedrock_tool_rule, encode->arena));
    else
        encode_write(encode, "{\"type\":\"%\"", any ? LIT("any") : LIT("auto"));
    buffer_append_lit(encode->out, ",\"disable_parallel_tool_use\":true}");
}

static void put_additional(struct encode *encode)
{
    struct place place = encode_open(encode, "additionalModelRequestFields", '{');
    put_reasoning(encode);
    put_top_k(encode);
    put_parallel(encode);
    encode_close(encode, '}', place);
}

/* ---------------------------------------------------------------- inferenceConfig */

/* -1: not to be sent. The budget for thinking comes on top of what was asked for as answer. */
static int64_t max_tokens_of(const struct encode *encode)
{
    int64_t limit = encode->model->max_output, usual = limit > 0 ? limit : CLAUDE_MAX_TOKENS;
    bool claude = encode->flags & BEDROCK_CLAUDE; /* its default is 4096, and cuts answers */
    bool budget = claude && encode->thinking && encode->chat->thinking_json.len == 0 && !(encode->flags & CLAUDE_ADAPTIVE);
    int64_t wanted = encode_max_tokens(encode, claude ? usual : -1);
    return budget && wanted <= budget_of(encode) ? wanted + budget_of(encode) : wanted;
}

static void put_sampling(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool refused = encode->thinking || (encode->flags & CLAUDE_NO_SAMPLING);
    struct slice temperature = number_between(chat->temperature, LIT("0"), LIT("1"));
    struct slice top_p = number_between(chat->top_p, LIT("0"), LIT("1"));
    double number = 0;
    if (!refused)
        encode_value(encode, "temperature", temperature);
    else if (temperature.len > 0 && !(json_to_double(chat->temperature, &number) && number == 1))
        encode_drop(encode, LIT("temperature"));
    if (top_p.len > 0 && (refused || (temperature.len > 0 && (encode->flags & CLAUDE_ONE_SAMPLING))))
        encode_drop(encode, LIT("top_p"));
    else
        encode_value(encode, "topP", top_p);
}

static void put_inference(struct encode *encode)
{
    struct place place = encode_open(encode, "inferenceConfig", '{');
    int64_t max_tokens = max_tokens_of(encode);
    if (max_tokens >= 0)
        encode_int(encode, "maxTokens", max_tokens);
    put_sampling(encode);
    encode_stops(encode, "stopSequences", stop_has_text, STOPS_ANY);
    encode_close(encode, '}', place);
}

/* ---------------------------------------------------------------- tools and formats */

static bool is_strict(const struct encode *encode)
{
    return encode->flags & (BEDROCK_STRUCTURED | CLAUDE_STRUCTURED);
}

static void put_tool(struct encode *encode, struct slice name_raw, struct slice description_raw, struct slice schema_json, bool strict)
{
    encode_comma(encode);
    encode_write(encode, "{\"toolSpec\":{\"name\":\"%\"", name_raw);
    encode_text(encode, "description", description_raw);
    encode_write(encode, ",\"inputSchema\":{\"json\":%}%}}", schema_json, strict ? LIT(",\"strict\":true") : SLICE_NONE);
}

/* False: what stands around it would make it too deep; complaint. */
static bool is_shallow(struct encode *encode, struct slice schema_json, struct slice message, struct slice param)
{
    struct json json;
    json_init(&json, schema_json, JSON_DEPTH_MAX - BEDROCK_DEPTH_AROUND);
    return json_skip(&json, NULL) || encode_refuse(encode, message, param);
}

static bool put_tools(struct encode *encode)
{
    struct slice answer = encode->chat->schema_json.len > 0 ? encode->chat->schema_json : LIT("{\"type\":\"object\"}");
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        struct slice schema = tool_schema(tool);
        if (!encode_is_function(encode, tool) || !is_shallow(encode, schema, LIT("a tool's schema is nested too deeply"), LIT("tools")))
            return false;
        put_tool(encode, name_fit(tool->name_raw, &bedrock_tool_rule, encode->arena), tool->description_raw, schema,
                 tool->strict == 1 && is_strict(encode));
        bedrock_write_marker(encode, tool->cache_control_json);
    }
    if (encode->flags & BEDROCK_BY_TOOL) {
        if (!is_shallow(encode, answer, LIT("the schema is nested too deeply"), LIT("response_format")))
            return false;
        put_tool(encode, LIT(BEDROCK_JSON_TOOL), LIT("Return the answer as JSON."), answer, false);
    }
    if (encode->first) /* the history has calls: the API wants tools then, although the client offers none any more */
        put_tool(encode, LIT("unavailable"), LIT("No tool can be called."), LIT("{\"type\":\"object\",\"properties\":{}}"), false);
    return true;
}

static void put_choice(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    enum tool_choice choice = chat->tools == NULL ? TOOL_CHOICE_NONE_GIVEN : chat->tool_choice;
    struct slice name = name_fit(chat->tool_choice_name_raw, &bedrock_tool_rule, encode->arena);
    if (encode->flags & BEDROCK_BY_TOOL) {
        choice = chat->tools == NULL ? TOOL_CHOICE_NAMED : TOOL_CHOICE_REQUIRED;
        name = LIT(BEDROCK_JSON_TOOL);
    }
    bool forced = choice == TOOL_CHOICE_REQUIRED || choice == TOOL_CHOICE_NAMED;
    if (choice == TOOL_CHOICE_NONE || (forced && !(encode->flags & BEDROCK_FORCED))) {
        encode_drop(encode, LIT("tool_choice"));
        choice = TOOL_CHOICE_AUTO;
    }
    if (choice == TOOL_CHOICE_NAMED)
        encode_write(encode, ",\"toolChoice\":{\"tool\":{\"name\":\"%\"}}", name);
    else if (choice != TOOL_CHOICE_NONE_GIVEN)
        encode_write(encode, ",\"toolChoice\":{\"%\":{}}", choice == TOOL_CHOICE_REQUIRED ? LIT("any") : LIT("auto"));
}

/* There is no choice "none": without calls in the history the tools are left out, else they must stand there and may be called. */
static bool put_tool_config(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool offered = chat->tools != NULL && chat->tool_choice != TOOL_CHOICE_NONE;
    bool called = parts_have(chat->messages, NULL, PART_TOOL_CALL) || parts_have(chat->messages, NULL, PART_TOOL_RESULT);
    if (!offered && !called && !(encode->flags & BEDROCK_BY_TOOL))
        return true;
    encode_key(encode, "toolConfig");
    buffer_append_lit(encode->out, "{\"tools\":");
    encode_begin(encode, '[');
    if (!put_tools(encode))
        return false;
    encode_end(encode, ']');
    put_choice(encode);
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool put_output_config(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    struct slice schema = chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}");
    struct buffer fit;
    bool good = true;
    if (encode->flags & BEDROCK_BY_WORDS)
        encode_drop(encode, LIT("response_format"));
    if (!(encode->flags & BEDROCK_BY_OUTPUT))
        return true;
    buffer_init_counted(&fit, encode->out->limit, encode->out->memory);
    if (encode->flags & BEDROCK_CLAUDE)
        good = anthropic_write_schema(&fit, schema, encode->complaint);
    else
        buffer_append_slice(&fit, schema);
    encode->out->overflow |= buffer_has_hole(&fit, encode->out);
    encode_key(encode, "outputConfig");
    buffer_append_lit(encode->out, "{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":");
    json_append_string(encode->out, buffer_slice(&fit)); /* a schema is text there */
    if (chat->schema_name_raw.len > 0)
        encode_text(encode, "name", name_fit(chat->schema_name_raw, &bedrock_tool_rule, encode->arena));
    buffer_append_lit(encode->out, "}}}}");
    buffer_free(&fit);
    return good;
}

/* ---------------------------------------------------------------- the rest */

static bool is_label(struct slice raw)
{
    return raw.len <= METADATA_TEXT_MAX && name_has_only(raw, " :_@$#=/+,-.");
}

/* At most sixteen pairs of short plain texts, for the account's own logs. */
static void put_metadata(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    struct place place = encode_open(encode, "requestMetadata", '{');
    struct json json;
    struct slice key, value;
    unsigned count = 0;
    bool lost = false, user = chat->user_raw.len == 0;
    json_init(&json, chat->metadata_json, JSON_DEPTH_MAX);
    if (chat->metadata_json.len > 0 && json_peek(&json) == JSON_OBJECT && json_object(&json)) {
        while (json_member(&json, &key)) {
            bool text = json_peek(&json) == JSON_STRING;
            bool fits = text ? json_string(&json, &value) && key.len > 0 && is_label(key) && is_label(value)
                             : (json_skip(&json, NULL), false);
            lost |= !fits || count == METADATA_MAX;
            if (!fits || count == METADATA_MAX)
                continue;
            user |= slice_equals(key, LIT("user")); /* said twice: the map's own counts */
            encode_comma(encode);
            encode_write(encode, "\"%\":\"%\"", key, value);
            count++;
        }
    }
    if (lost)
        encode_drop(encode, LIT("metadata"));
    if (!user && count < METADATA_MAX && is_label(chat->user_raw))
        encode_text(encode, "user", chat->user_raw);
    else if (!user)
        encode_drop(encode, LIT("user"));
    encode_close(encode, '}', place);
}

static void put_service_tier(struct encode *encode)
{
    struct slice tier = encode->chat->service_tier_raw;
    if (tier.len == 0 || slice_equals(tier, LIT("auto")))
        return;
    if (!slice_equals(tier, LIT("default")) && !slice_equals(tier, LIT("flex")) && !slice_equals(tier, LIT("priority")))
        return encode_drop(encode, LIT("service_tier"));
    encode_key(encode, "serviceTier");
    encode_write(encode, "{\"type\":\"%\"}", tier);
}

/* Fields of Converse's own, said by their names, go on as they are. What has no counterpart is left out, and named. */
static void put_rest(struct encode *encode)
{
    static const struct extra_rule extras[] = {
        {"guardrailConfig", NULL, EXTRA_TOP, extra_is_object},
        {"performanceConfig", NULL, EXTRA_TOP, extra_is_object},
        {.name = NULL},
    };
    const struct tool *tool = is_strict(encode) ? NULL : encode->chat->tools;
    encode_drop_members(encode, MEMBER_SEED | MEMBER_PENALTIES | MEMBER_LOGPROBS);
    while (tool != NULL && tool->strict != 1)
        tool = tool->next;
    if (tool != NULL)
        encode_drop(encode, LIT("strict"));
    encode_extras(encode, extras, EXTRA_TOP);
}

static struct bedrock_encode begin(const struct encode *given)
{
    struct bedrock_encode self = {.base = *given};
    struct encode *encode = &self.base;
    encode->flags = bedrock_family(encode->model);
    encode->effort = effort_of(encode->chat->effort_raw, EFFORT_XHIGH);
    encode->thinking = wants_thinking(encode);
    encode->flags |= format_of(encode);
    if ((encode->flags & BEDROCK_BY_TOOL) && !(encode->flags & BEDROCK_NOVA))
        encode->thinking = false; /* the tool is forced */
    return self;
}

bool bedrock_write_request(struct encode *given)
{
    struct bedrock_encode self = begin(given);
    struct encode *encode = &self.base;
    if (!encode_is_one_answer(encode))
        return false;
    encode_drop_content(encode);
    encode_begin(encode, '{');
    if (!bedrock_write_messages(encode))
        return false;
    put_inference(encode);
    if (!put_tool_config(encode))
        return false;
    put_additional(encode);
    if (!put_output_config(encode))
        return false;
    put_metadata(encode);
    put_service_tier(encode);
    put_rest(encode);
    encode_end(encode, '}');
    return true;
}

/* {"input":{"converse":{…}}}: only what costs tokens. */
bool bedrock_write_count(struct encode *given)
{
    struct bedrock_encode self = begin(given);
    struct encode *encode = &self.base;
    buffer_append_lit(encode->out, "{\"input\":{\"converse\":");
    encode_begin(encode, '{');
    if (!bedrock_write_messages(encode) || !put_tool_config(encode))
        return false;
    put_additional(encode);
    buffer_append_lit(encode->out, "}}}");
    return true;
}
