/* write_request.c -- struct chat as a request to Converse, ConverseStream and CountTokens. The model's id stands in the path, not here.
 *
 * What Converse has no field for goes into additionalModelRequestFields where the model's family is known to take it; the rest is named to the caller.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

enum { BUDGET_MIN = 1024, CLAUDE_MAX_TOKENS = 4096, METADATA_MAX = 16, METADATA_TEXT_MAX = 256 };

const struct name_rule bedrock_tool_rule = {.allowed = "_-", .max = 64};

void bedrock_write_marker(struct bedrock_encode *encode, struct slice cache_control_json)
{
    if (cache_control_json.len == 0 || cache_control_json.ptr[0] != '{')
        return;
    struct slice ttl = json_find_string(cache_control_json, "ttl");
    if (!(encode->family & (BEDROCK_CLAUDE | BEDROCK_NOVA))) {
        if (!encode->lost_markers)
            names_drop(encode->dropped, LIT("cache_control"));
        encode->lost_markers = true;
        return;
    }
    buffer_append_lit(encode->out, ",{\"cachePoint\":{\"type\":\"default\"");
    if ((encode->family & BEDROCK_CLAUDE) && (slice_equals(ttl, LIT("5m")) || slice_equals(ttl, LIT("1h")))) {
        buffer_append_lit(encode->out, ",\"ttl\":");
        json_append_quoted(encode->out, ttl);
    }
    buffer_append_lit(encode->out, "}}");
}

/* An object that is begun by its first member and ended when it has one. */
struct object {
    const char *name;
    bool begun;
};

static void raw_member(struct bedrock_encode *encode, struct object *object, struct slice name_raw)
{
    if (!object->begun) {
        json_append_key(encode->out, &encode->first, slice_of(object->name));
        buffer_append_byte(encode->out, '{');
        object->begun = true;
        encode->first = true;
    }
    json_append_key(encode->out, &encode->first, name_raw);
}

static void member(struct bedrock_encode *encode, struct object *object, const char *name)
{
    raw_member(encode, object, slice_of(name));
}

static void end_object(struct bedrock_encode *encode, const struct object *object)
{
    if (object->begun)
        buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- reasoning */

static const char *level_of(enum effort effort)
{
    static const char *const names[] = {"", "", "low", "low", "medium", "high", "high"};
    return names[effort];
}

static int64_t budget_of(const struct bedrock_encode *encode, enum effort effort)
{
    static const int64_t defaults[] = {0, 0, 1024, 1024, 2048, 4096, 8192};
    int64_t budget = effort < EFFORT_MINIMAL ? 0 : encode->provider->reasoning_budgets[effort - EFFORT_MINIMAL];
    budget = budget > 0 ? budget : defaults[effort];
    return budget < BUDGET_MIN ? BUDGET_MIN : budget;
}

static bool is_forced(const struct chat *chat)
{
    return chat->tools != NULL && (chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED);
}

static bool wants_thinking(const struct bedrock_encode *encode, enum effort effort)
{
    const struct chat *chat = encode->chat;
    bool said = chat->thinking_json.len > 0;
    if (encode->family & BEDROCK_NOVA_2)
        return effort > EFFORT_NONE;
    if (!(encode->family & BEDROCK_CLAUDE) || anthropic_lost_reasoning(chat))
        return false; /* the client lost the signed blocks: going on without thinking beats a refusal */
    if (said)
        return !json_raw_equals(json_find_string(chat->thinking_json, "type"), LIT("disabled"));
    return effort > EFFORT_NONE && !is_forced(chat); /* a forced tool and thinking exclude each other */
}

/* COMPAT(bedrock, 2026-08): a forced tool works with every Claude, outputConfig with some: it is used where the tool cannot be, beside thinking and on
 * those that decide by themselves how much to think. */
static enum bedrock_format format_of(const struct bedrock_encode *encode)
{
    unsigned claude = (encode->family & BEDROCK_CLAUDE) ? encode->claude->flags : 0;
    bool able = encode->model->capabilities & NEED_JSON_SCHEMA;
    if (encode->chat->format != FORMAT_SCHEMA)
        return BEDROCK_FORMAT_NONE;
    if (able &&
        ((encode->family & BEDROCK_STRUCTURED) || ((claude & FAMILY_STRUCTURED) && (encode->thinking || (claude & FAMILY_ADAPTIVE)))))
        return BEDROCK_FORMAT_OUTPUT;
    return encode->family & BEDROCK_FORCED ? BEDROCK_FORMAT_TOOL : BEDROCK_FORMAT_WORDS;
}

static void put_claude_thinking(struct bedrock_encode *encode, struct object *additional, enum effort effort)
{
    struct buffer *out = encode->out;
    bool xhigh = effort == EFFORT_XHIGH && (encode->claude->flags & FAMILY_XHIGH), said = encode->chat->thinking_json.len > 0;
    if (!encode->thinking) {
        if (said && !json_raw_equals(json_find_string(encode->chat->thinking_json, "type"), LIT("disabled")))
            names_drop(encode->dropped, LIT("thinking"));
        else if (!said && effort > EFFORT_NONE)
            names_drop(encode->dropped, LIT("reasoning_effort"));
        return;
    }
    member(encode, additional, "thinking");
    if (said) { /* the client's own goes on as it is */
        buffer_append_slice(out, encode->chat->thinking_json);
    } else if (encode->claude->flags & FAMILY_ADAPTIVE) {
        buffer_append_lit(out, "{\"type\":\"adaptive\"}");
        member(encode, additional, "output_config");
        buffer_printf(out, "{\"effort\":\"%s\"}", xhigh ? "xhigh" : level_of(effort));
    } else {
        buffer_append_lit(out, "{\"type\":\"enabled\",\"budget_tokens\":");
        buffer_append_int(out, budget_of(encode, effort));
        buffer_append_byte(out, '}');
    }
}

/* COMPAT(bedrock, 2026-08): Nova 2 takes no maxTokens beside high effort; the client's bound is worth more. */
static void put_nova_reasoning(struct bedrock_encode *encode, struct object *additional, enum effort effort)
{
    bool bounded = encode->chat->max_tokens.len > 0 || encode->provider->default_max_tokens > 0;
    if (!encode->thinking)
        return;
    if (effort >= EFFORT_HIGH && bounded) {
        effort = EFFORT_MEDIUM;
        names_drop(encode->dropped, LIT("reasoning_effort"));
    }
    member(encode, additional, "reasoningConfig");
    buffer_printf(encode->out, "{\"type\":\"enabled\",\"maxReasoningEffort\":\"%s\"}", level_of(effort));
}

static void put_reasoning(struct bedrock_encode *encode, struct object *additional, enum effort effort)
{
    const struct chat *chat = encode->chat;
    if (chat->thinking_json.len > 0 && !(encode->family & BEDROCK_CLAUDE))
        names_drop(encode->dropped, LIT("thinking"));
    if (encode->family & BEDROCK_CLAUDE) {
        put_claude_thinking(encode, additional, effort);
    } else if (encode->family & BEDROCK_NOVA_2) {
        put_nova_reasoning(encode, additional, effort);
    } else if ((encode->family & BEDROCK_GPT_OSS) && effort > EFFORT_NONE) {
        member(encode, additional, "reasoning_effort");
        buffer_printf(encode->out, "\"%s\"", level_of(effort));
    } else if (effort > EFFORT_NONE || (effort == EFFORT_NONE && (encode->family & BEDROCK_GPT_OSS))) {
        names_drop(encode->dropped, LIT("reasoning_effort"));
    }
}

/* ---------------------------------------------------------------- additionalModelRequestFields */

static void put_top_k(struct bedrock_encode *encode, struct object *additional)
{
    unsigned claude = encode->claude->flags;
    if (encode->chat->top_k.len == 0)
        return;
    if ((encode->family & BEDROCK_CLAUDE) && !encode->thinking && !(claude & FAMILY_NO_SAMPLING)) {
        member(encode, additional, "top_k");
        buffer_append_slice(encode->out, encode->chat->top_k);
    } else if ((encode->family & BEDROCK_NOVA) && !encode->thinking) {
        member(encode, additional, "inferenceConfig");
        buffer_append_lit(encode->out, "{\"topK\":");
        buffer_append_slice(encode->out, encode->chat->top_k);
        buffer_append_byte(encode->out, '}');
    } else {
        names_drop(encode->dropped, LIT("top_k"));
    }
}

/* One call at a time is not a thing of Converse, but of Claude. */
static void put_parallel(struct bedrock_encode *encode, struct object *additional)
{
    const struct chat *chat = encode->chat;
    if (chat->parallel_tool_calls != 0 || chat->tools == NULL || chat->tool_choice == TOOL_CHOICE_NONE)
        return;
    if (!(encode->family & BEDROCK_CLAUDE)) {
        names_drop(encode->dropped, LIT("parallel_tool_calls"));
        return;
    }
    member(encode, additional, "tool_choice");
    if (chat->tool_choice == TOOL_CHOICE_NAMED && encode->format != BEDROCK_FORMAT_TOOL) {
        buffer_append_lit(encode->out, "{\"type\":\"tool\",\"name\":");
        json_append_quoted(encode->out, name_fit(chat->tool_choice_name_raw, &bedrock_tool_rule, encode->arena));
    } else {
        bool any = chat->tool_choice == TOOL_CHOICE_REQUIRED || encode->format == BEDROCK_FORMAT_TOOL;
        buffer_append_slice(encode->out, any ? LIT("{\"type\":\"any\"") : LIT("{\"type\":\"auto\""));
    }
    buffer_append_lit(encode->out, ",\"disable_parallel_tool_use\":true}");
}

static void put_additional(struct bedrock_encode *encode, enum effort effort)
{
    struct object additional = {.name = "additionalModelRequestFields"};
    put_reasoning(encode, &additional, effort);
    put_top_k(encode, &additional);
    put_parallel(encode, &additional);
    end_object(encode, &additional);
}

/* ---------------------------------------------------------------- inferenceConfig */

/* -1: not to be sent. The budget for thinking comes on top of what was asked for as answer. */
static int64_t max_tokens_of(const struct bedrock_encode *encode, enum effort effort)
{
    const struct chat *chat = encode->chat;
    int64_t wanted = -1, limit = encode->model->max_output;
    bool claude = encode->family & BEDROCK_CLAUDE;
    if (!json_to_count(chat->max_tokens, &wanted)) {
        wanted = encode->provider->default_max_tokens > 0 ? encode->provider->default_max_tokens : -1;
        if (wanted < 0 && claude) /* its default is 4096, and cuts answers */
            wanted = limit > 0 ? limit : CLAUDE_MAX_TOKENS;
    }
    bool budget = claude && encode->thinking && chat->thinking_json.len == 0 && !(encode->claude->flags & FAMILY_ADAPTIVE);
    if (limit > 0 && wanted > limit)
        wanted = limit;
    return budget && wanted <= budget_of(encode, effort) ? wanted + budget_of(encode, effort) : wanted;
}

static struct slice clamped(struct slice digits)
{
    double number;
    if (!json_to_double(digits, &number))
        return SLICE_NONE;
    return number > 1 ? LIT("1") : number < 0 ? LIT("0") : digits;
}

static void put_sampling(struct bedrock_encode *encode, struct object *config)
{
    const struct chat *chat = encode->chat;
    unsigned claude = (encode->family & BEDROCK_CLAUDE) ? encode->claude->flags : 0;
    bool refused = encode->thinking || (claude & FAMILY_NO_SAMPLING);
    struct slice temperature = clamped(chat->temperature), top_p = clamped(chat->top_p);
    double number = 0;
    if (temperature.len > 0 && !refused) {
        member(encode, config, "temperature");
        buffer_append_slice(encode->out, temperature);
    } else if (temperature.len > 0 && !(json_to_double(chat->temperature, &number) && number == 1)) {
        names_drop(encode->dropped, LIT("temperature"));
    }
    if (top_p.len > 0 && (refused || (temperature.len > 0 && (claude & FAMILY_ONE_SAMPLING)))) {
        names_drop(encode->dropped, LIT("top_p"));
    } else if (top_p.len > 0) {
        member(encode, config, "topP");
        buffer_append_slice(encode->out, top_p);
    }
}

static void put_stops(struct bedrock_encode *encode, struct object *config)
{
    const struct chat *chat = encode->chat;
    bool any = false;
    for (unsigned i = 0; i < chat->stop_count; i++) {
        if (slice_trim(json_unescape(encode->arena, chat->stops_raw[i])).len == 0)
            continue; /* blanks only are refused */
        if (!any)
            member(encode, config, "stopSequences");
        buffer_append_byte(encode->out, any ? ',' : '[');
        any = true;
        json_append_quoted(encode->out, chat->stops_raw[i]);
    }
    if (any)
        buffer_append_byte(encode->out, ']');
}

static void put_inference(struct bedrock_encode *encode, enum effort effort)
{
    struct object config = {.name = "inferenceConfig"};
    int64_t max_tokens = max_tokens_of(encode, effort);
    if (max_tokens >= 0) {
        member(encode, &config, "maxTokens");
        buffer_append_int(encode->out, max_tokens);
    }
    put_sampling(encode, &config);
    put_stops(encode, &config);
    end_object(encode, &config);
}

/* ---------------------------------------------------------------- tools and formats */

static bool is_strict(const struct bedrock_encode *encode)
{
    unsigned claude = (encode->family & BEDROCK_CLAUDE) ? encode->claude->flags : 0;
    return (encode->family & BEDROCK_STRUCTURED) || (claude & FAMILY_STRUCTURED);
}

static void put_tool(struct bedrock_encode *encode, struct slice name_raw, struct slice description_raw, struct slice schema_json,
                     bool strict)
{
    buffer_append_lit(encode->out, "{\"toolSpec\":{\"name\":");
    json_append_quoted(encode->out, name_raw);
    if (description_raw.len > 0) {
        buffer_append_lit(encode->out, ",\"description\":");
        json_append_quoted(encode->out, description_raw);
    }
    buffer_append_lit(encode->out, ",\"inputSchema\":{\"json\":");
    buffer_append_slice(encode->out, schema_json);
    buffer_append_slice(encode->out, strict ? LIT("},\"strict\":true}}") : LIT("}}}"));
}

static bool is_shallow(struct slice schema_json)
{
    enum { AROUND = 8 };
    struct json json;
    json_init(&json, schema_json, JSON_DEPTH_MAX - AROUND);
    return json_skip(&json, NULL);
}

static bool put_tools(struct bedrock_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool first = true;
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        struct slice schema = tool->schema_json.len > 2 ? tool->schema_json : LIT("{\"type\":\"object\",\"properties\":{}}");
        if (tool->name_raw.len == 0)
            return complaint_refuse(encode->complaint, LIT("this provider knows no tools but functions"), LIT("tools"));
        if (!is_shallow(schema))
            return complaint_refuse(encode->complaint, LIT("a tool's schema is nested too deeply"), LIT("tools"));
        if (!first)
            buffer_append_byte(encode->out, ',');
        first = false;
        put_tool(encode, name_fit(tool->name_raw, &bedrock_tool_rule, encode->arena), tool->description_raw, schema,
                 tool->strict == 1 && is_strict(encode));
        bedrock_write_marker(encode, tool->cache_control_json);
    }
    if (encode->format == BEDROCK_FORMAT_TOOL) {
        if (!first)
            buffer_append_byte(encode->out, ',');
        first = false;
        if (!is_shallow(chat->schema_json.len > 0 ? chat->schema_json : LIT("{}")))
            return complaint_refuse(encode->complaint, LIT("the schema is nested too deeply"), LIT("response_format"));
        put_tool(encode, LIT(BEDROCK_JSON_TOOL), LIT("Return the answer as JSON."),
                 chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}"), false);
    }
    if (first) /* the history has calls: the API wants tools then, although the client offers none any more */
        put_tool(encode, LIT("unavailable"), LIT("No tool can be called."), LIT("{\"type\":\"object\",\"properties\":{}}"), false);
    return true;
}

static void put_choice(struct bedrock_encode *encode)
{
    const struct chat *chat = encode->chat;
    enum tool_choice choice = chat->tools == NULL ? TOOL_CHOICE_NONE_GIVEN : chat->tool_choice;
    struct slice name = name_fit(chat->tool_choice_name_raw, &bedrock_tool_rule, encode->arena);
    if (encode->format == BEDROCK_FORMAT_TOOL) {
        choice = chat->tools == NULL ? TOOL_CHOICE_NAMED : TOOL_CHOICE_REQUIRED;
        name = LIT(BEDROCK_JSON_TOOL);
    }
    bool forced = choice == TOOL_CHOICE_REQUIRED || choice == TOOL_CHOICE_NAMED;
    if (choice == TOOL_CHOICE_NONE || (forced && !(encode->family & BEDROCK_FORCED))) {
        names_drop(encode->dropped, LIT("tool_choice"));
        choice = TOOL_CHOICE_AUTO;
    }
    if (choice == TOOL_CHOICE_NONE_GIVEN)
        return;
    buffer_append_lit(encode->out, ",\"toolChoice\":");
    if (choice == TOOL_CHOICE_NAMED) {
        buffer_append_lit(encode->out, "{\"tool\":{\"name\":");
        json_append_quoted(encode->out, name);
        buffer_append_lit(encode->out, "}}");
    } else {
        buffer_append_slice(encode->out, choice == TOOL_CHOICE_REQUIRED ? LIT("{\"any\":{}}") : LIT("{\"auto\":{}}"));
    }
}

/* There is no choice "none": without calls in the history the tools are left out, else they must stand there and may be called. */
static bool put_tool_config(struct bedrock_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool offered = chat->tools != NULL && chat->tool_choice != TOOL_CHOICE_NONE;
    if (!offered && !encode->has_calls && encode->format != BEDROCK_FORMAT_TOOL)
        return true;
    json_append_key(encode->out, &encode->first, LIT("toolConfig"));
    buffer_append_lit(encode->out, "{\"tools\":[");
    if (!put_tools(encode))
        return false;
    buffer_append_byte(encode->out, ']');
    put_choice(encode);
    buffer_append_byte(encode->out, '}');
    return true;
}

static bool put_output_config(struct bedrock_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct slice schema = chat->schema_json.len > 0 ? chat->schema_json : LIT("{\"type\":\"object\"}");
    struct buffer fit;
    bool good = true;
    if (encode->format == BEDROCK_FORMAT_WORDS)
        names_drop(encode->dropped, LIT("response_format"));
    if (encode->format != BEDROCK_FORMAT_OUTPUT)
        return true;
    buffer_init_counted(&fit, encode->out->limit, encode->out->memory);
    if (encode->family & BEDROCK_CLAUDE)
        good = anthropic_write_schema(&fit, schema, encode->complaint);
    else
        buffer_append_slice(&fit, schema);
    encode->out->overflow |= buffer_has_hole(&fit, encode->out);
    json_append_key(encode->out, &encode->first, LIT("outputConfig"));
    buffer_append_lit(encode->out, "{\"textFormat\":{\"type\":\"json_schema\",\"structure\":{\"jsonSchema\":{\"schema\":");
    json_append_string(encode->out, buffer_slice(&fit)); /* a schema is text there */
    if (chat->schema_name_raw.len > 0) {
        buffer_append_lit(encode->out, ",\"name\":");
        json_append_quoted(encode->out, name_fit(chat->schema_name_raw, &bedrock_tool_rule, encode->arena));
    }
    buffer_append_lit(encode->out, "}}}}");
    buffer_free(&fit);
    return good;
}

/* ---------------------------------------------------------------- the rest */

static bool is_label(struct slice raw, bool value)
{
    for (size_t i = 0; i < raw.len; i++) {
        char byte = raw.ptr[i];
        bool word = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
        if (!word && memchr(" :_@$#=/+,-.", byte, 12) == NULL)
            return false;
    }
    return raw.len <= METADATA_TEXT_MAX && (value || raw.len > 0);
}

/* At most sixteen pairs of short plain texts, for the account's own logs. */
static void put_metadata(struct bedrock_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct object metadata = {.name = "requestMetadata"};
    struct json json;
    struct slice key, value;
    unsigned count = 0;
    bool lost = false, user = chat->user_raw.len == 0;
    json_init(&json, chat->metadata_json, JSON_DEPTH_MAX);
    if (chat->metadata_json.len > 0 && json_peek(&json) == JSON_OBJECT && json_object(&json)) {
        while (json_member(&json, &key)) {
            bool text = json_peek(&json) == JSON_STRING;
            bool fits = text ? json_string(&json, &value) && is_label(key, false) && is_label(value, true)
                             : (json_skip(&json, NULL), false);
            lost |= !fits || count == METADATA_MAX;
            if (!fits || count == METADATA_MAX)
                continue;
            user |= slice_equals(key, LIT("user")); /* said twice: the map's own counts */
            raw_member(encode, &metadata, key);
            json_append_quoted(encode->out, value);
            count++;
        }
    }
    if (lost)
        names_drop(encode->dropped, LIT("metadata"));
    if (!user && count < METADATA_MAX && is_label(chat->user_raw, false)) {
        member(encode, &metadata, "user");
        json_append_quoted(encode->out, chat->user_raw);
    } else if (!user) {
        names_drop(encode->dropped, LIT("user"));
    }
    end_object(encode, &metadata);
}

static void put_service_tier(struct bedrock_encode *encode)
{
    struct slice tier = encode->chat->service_tier_raw;
    if (tier.len == 0 || slice_equals(tier, LIT("auto")))
        return;
    if (!slice_equals(tier, LIT("default")) && !slice_equals(tier, LIT("flex")) && !slice_equals(tier, LIT("priority"))) {
        names_drop(encode->dropped, LIT("service_tier"));
        return;
    }
    json_append_key(encode->out, &encode->first, LIT("serviceTier"));
    buffer_append_lit(encode->out, "{\"type\":");
    json_append_quoted(encode->out, tier);
    buffer_append_byte(encode->out, '}');
}

/* Fields of Converse's own, said by their names, go on as they are. What has no counterpart is left out, and named. */
static void put_rest(struct bedrock_encode *encode)
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
    for (const struct tool *tool = chat->tools; !is_strict(encode) && tool != NULL; tool = tool->next) {
        if (tool->strict == 1) {
            names_drop(encode->dropped, LIT("strict"));
            break;
        }
    }
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next) {
        bool object = extra->value_json.len > 0 && extra->value_json.ptr[0] == '{';
        if (object && slice_equals(extra->name_raw, LIT("guardrailConfig"))) {
            json_append_key(encode->out, &encode->first, LIT("guardrailConfig"));
            buffer_append_slice(encode->out, extra->value_json);
        } else if (object && slice_equals(extra->name_raw, LIT("performanceConfig"))) {
            json_append_key(encode->out, &encode->first, LIT("performanceConfig"));
            buffer_append_slice(encode->out, extra->value_json);
        } else if (!slice_equals(extra->value_json, LIT("null"))) {
            names_drop(encode->dropped, extra->name_raw);
        }
    }
}

static bool has_calls(const struct chat *chat)
{
    for (const struct message *message = chat->messages; message != NULL; message = message->next)
        for (const struct part *part = message->parts; part != NULL; part = part->next)
            if (part->kind == PART_TOOL_CALL || part->kind == PART_TOOL_RESULT)
                return true;
    return false;
}

static void begin(struct bedrock_encode *encode, enum effort effort)
{
    encode->family = bedrock_family(encode->model);
    encode->claude = anthropic_family(encode->model);
    encode->first = true;
    encode->has_calls = has_calls(encode->chat);
    encode->thinking = wants_thinking(encode, effort);
    encode->format = format_of(encode);
    if (encode->format == BEDROCK_FORMAT_TOOL && !(encode->family & BEDROCK_NOVA))
        encode->thinking = false; /* the tool is forced */
}

bool bedrock_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                           struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct bedrock_encode encode = {
        .chat = chat, .provider = provider, .model = model, .arena = arena, .out = out, .dropped = dropped, .complaint = complaint};
    enum effort effort = effort_of(chat->effort_raw, EFFORT_XHIGH);
    int64_t n = 1;
    begin(&encode, effort);
    if (chat->n.len > 0 && slice_to_int(chat->n, &n) && n > 1)
        return complaint_refuse(encode.complaint, LIT("this provider gives one answer per request: n must be 1"), LIT("n"));
    names_drop_content(chat, dropped);
    buffer_append_byte(out, '{');
    if (!bedrock_write_messages(&encode))
        return false;
    put_inference(&encode, effort);
    if (!put_tool_config(&encode))
        return false;
    put_additional(&encode, effort);
    if (!put_output_config(&encode))
        return false;
    put_metadata(&encode);
    put_service_tier(&encode);
    put_rest(&encode);
    buffer_append_byte(out, '}');
    return true;
}

/* {"input":{"converse":{…}}}: only what costs tokens. */
bool bedrock_write_count(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                         struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct bedrock_encode encode = {
        .chat = chat, .provider = provider, .model = model, .arena = arena, .out = out, .dropped = dropped, .complaint = complaint};
    enum effort effort = effort_of(chat->effort_raw, EFFORT_XHIGH);
    begin(&encode, effort);
    buffer_append_lit(out, "{\"input\":{\"converse\":{");
    if (!bedrock_write_messages(&encode) || !put_tool_config(&encode))
        return false;
    put_additional(&encode, effort);
    buffer_append_lit(out, "}}}");
    return true;
}
