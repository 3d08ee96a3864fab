/* write_request.c -- struct chat as a request to generateContent (Gemini API v1beta, Vertex AI v1).
 *
 * The API refuses fields it does not know, so only what is listed here is sent; what cannot be carried is named to the caller. Whether an answer is streamed
 * stands in the path.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"

enum { STOPS_MAX = 5 };

/* ---------------------------------------------------------------- thinking */

/* What is asked of the model's thinking. budget: tokens, -1 as it likes, -2 nothing said. */
struct thinking {
    enum effort effort;
    int64_t budget;
    bool shown; /* the client waits for its text */
};

enum { BUDGET_FREE = -1, BUDGET_UNSAID = -2 };

static int64_t budget_of(const struct gemini_encode *encode, enum effort effort)
{
    static const int64_t defaults[] = {BUDGET_UNSAID, 0, 1024, 1024, 8192, 24576, INT64_MAX};
    int64_t configured = effort < EFFORT_MINIMAL ? 0 : encode->provider->reasoning_budgets[effort - EFFORT_MINIMAL];
    return configured > 0 ? configured : defaults[effort];
}

/* Anthropic's thinking object, as far as it says how much. */
static void take_thinking_object(struct slice object, struct thinking *thinking)
{
    struct slice type = json_find_string(object, "type");
    int64_t tokens;
    if (json_raw_equals(type, LIT("disabled"))) {
        *thinking = (struct thinking){EFFORT_NONE, 0, false};
        return;
    }
    thinking->shown = !json_raw_equals(json_find_string(object, "display"), LIT("omitted"));
    if (json_raw_equals(type, LIT("enabled")) && json_to_count(json_find(object, "budget_tokens"), &tokens)) {
        thinking->budget = tokens;
        thinking->effort = tokens <= 1024 ? EFFORT_LOW : tokens <= 8192 ? EFFORT_MEDIUM : EFFORT_HIGH;
    } else if (thinking->effort == EFFORT_NOT_GIVEN) {
        thinking->budget = BUDGET_FREE;
    }
}

static struct slice level_of(const struct gemini_encode *encode, enum effort effort)
{
    unsigned flags = encode->family.flags;
    switch (effort) {
    case EFFORT_NONE:
    case EFFORT_MINIMAL:
        return flags & GEMINI_LEVEL_MINIMAL ? LIT("minimal") : LIT("low");
    case EFFORT_LOW:
        return LIT("low");
    case EFFORT_MEDIUM:
        return flags & GEMINI_LEVEL_MEDIUM ? LIT("medium") : LIT("high");
    default:
        return LIT("high");
    }
}

static int64_t fit_budget(const struct gemini_family *family, int64_t budget)
{
    bool off = budget == 0 && !(family->flags & GEMINI_ALWAYS_THINKS);
    if (budget < 0 || off)
        return budget;
    if (budget < family->budget_min)
        return family->budget_min;
    return budget > family->budget_max ? family->budget_max : budget;
}

/* Only a budget or a level: both are refused. Without thoughts there are none to be shown. */
static void put_thinking(struct gemini_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct thinking thinking = {effort_of(chat->effort_raw, EFFORT_XHIGH), BUDGET_UNSAID, false};
    struct gemini_encode inner = *encode;
    bool asked = chat->effort_raw.len > 0 || chat->thinking_json.len > 0;
    thinking.budget = budget_of(encode, thinking.effort);
    if (chat->thinking_json.len > 0)
        take_thinking_object(chat->thinking_json, &thinking);
    if (!(encode->family.flags & (GEMINI_BUDGET | GEMINI_LEVEL))) {
        if (asked && thinking.effort != EFFORT_NONE)
            names_drop(encode->dropped, chat->effort_raw.len > 0 ? LIT("reasoning_effort") : LIT("thinking"));
        return;
    }
    if (chat->effort_raw.len > 0 && effort_of(chat->effort_raw, EFFORT_XHIGH) == EFFORT_NOT_GIVEN)
        names_drop(encode->dropped, LIT("reasoning_effort"));
    bool level = (encode->family.flags & GEMINI_LEVEL) && thinking.effort != EFFORT_NOT_GIVEN;
    bool budget = (encode->family.flags & GEMINI_BUDGET) && thinking.budget != BUDGET_UNSAID;
    bool shown = (thinking.shown || encode->provider->include_thoughts) && thinking.effort != EFFORT_NONE;
    if (!level && !budget && !shown)
        return;
    json_append_key(encode->out, &encode->first, LIT("thinkingConfig"));
    buffer_append_byte(encode->out, '{');
    inner.first = true;
    if (level) {
        json_append_key(inner.out, &inner.first, LIT("thinkingLevel"));
        json_append_quoted(encode->out, level_of(encode, thinking.effort));
    } else if (budget) {
        json_append_key(inner.out, &inner.first, LIT("thinkingBudget"));
        buffer_append_int(encode->out, fit_budget(&encode->family, thinking.budget));
    }
    if (shown) {
        json_append_key(inner.out, &inner.first, LIT("includeThoughts"));
        buffer_append_lit(encode->out, "true");
    }
    buffer_append_byte(encode->out, '}');
}

/* ---------------------------------------------------------------- generationConfig */

static void put_number(struct gemini_encode *encode, const char *name, struct slice digits)
{
    if (digits.len == 0)
        return;
    json_append_key(encode->out, &encode->first, slice_of(name));
    buffer_append_slice(encode->out, digits);
}

static void put_max_tokens(struct gemini_encode *encode)
{
    int64_t wanted = 0, limit = encode->model->max_output;
    if (!json_to_count(encode->chat->max_tokens, &wanted))
        wanted = encode->provider->default_max_tokens > 0 ? encode->provider->default_max_tokens : -1;
    if (wanted < 0)
        return;
    json_append_key(encode->out, &encode->first, LIT("maxOutputTokens"));
    buffer_append_int(encode->out, limit > 0 && wanted > limit ? limit : wanted);
}

static void put_stops(struct gemini_encode *encode)
{
    const struct chat *chat = encode->chat;
    unsigned count = 0;
    for (unsigned i = 0; i < chat->stop_count; i++) {
        if (chat->stops_raw[i].len == 0)
            continue;
        if (count++ == STOPS_MAX) {
            names_drop(encode->dropped, LIT("stop"));
            break;
        }
        if (count == 1)
            json_append_key(encode->out, &encode->first, LIT("stopSequences"));
        buffer_append_byte(encode->out, count == 1 ? '[' : ',');
        json_append_quoted(encode->out, chat->stops_raw[i]);
    }
    if (count > 0)
        buffer_append_byte(encode->out, ']');
}

static bool put_format(struct gemini_encode *encode)
{
    const struct chat *chat = encode->chat;
    bool whole = (encode->family.flags & GEMINI_JSON_SCHEMA) && (encode->model->capabilities & NEED_JSON_SCHEMA), empty;
    if ((chat->format != FORMAT_JSON && chat->format != FORMAT_SCHEMA) || encode->in_words)
        return true;
    json_append_key(encode->out, &encode->first, LIT("responseMimeType"));
    buffer_append_lit(encode->out, "\"application/json\"");
    if (chat->format != FORMAT_SCHEMA || chat->schema_json.len == 0)
        return true;
    json_append_key(encode->out, &encode->first, slice_of(whole ? "responseJsonSchema" : "responseSchema"));
    if (!whole)
        return gemini_write_subset(encode, chat->schema_json, LIT("response_format"), &empty);
    buffer_append_slice(encode->out, chat->schema_json);
    return true;
}

/* Extension: "modalities" with "image" in it. Sound would need a voice as well. */
static void put_modalities(struct gemini_encode *encode, const struct extra *extra)
{
    struct json json;
    struct slice word;
    bool image = false, other = false;
    json_init(&json, extra->value_json, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return names_drop(encode->dropped, extra->name_raw);
    while (json_element(&json)) {
        if (json_peek(&json) != JSON_STRING || !json_string(&json, &word)) {
            other = true;
            break;
        }
        if (json_raw_equals(word, LIT("image")))
            image = true;
        else if (!json_raw_equals(word, LIT("text")))
            other = true;
    }
    if (other)
        names_drop(encode->dropped, extra->name_raw);
    if (!image)
        return;
    json_append_key(encode->out, &encode->first, LIT("responseModalities"));
    buffer_append_lit(encode->out, "[\"TEXT\",\"IMAGE\"]");
}

static bool is_null(const struct extra *extra)
{
    return slice_equals(extra->value_json, LIT("null"));
}

static bool put_generation_config(struct gemini_encode *encode)
{
    const struct chat *chat = encode->chat;
    struct gemini_encode inner = *encode;
    size_t mark = encode->out->len;
    bool was_first = encode->first;
    int64_t n = 1;
    json_append_key(encode->out, &encode->first, LIT("generationConfig"));
    buffer_append_byte(encode->out, '{');
    inner.first = true;
    put_max_tokens(&inner);
    put_number(&inner, "temperature", chat->temperature);
    put_number(&inner, "topP", chat->top_p);
    put_number(&inner, "topK", chat->top_k);
    put_number(&inner, "seed", chat->seed);
    put_number(&inner, "presencePenalty", chat->presence_penalty);
    put_number(&inner, "frequencyPenalty", chat->frequency_penalty);
    if (chat->n.len > 0 && (!json_to_count(chat->n, &n) || n < 1 || n > GEMINI_CHOICES_MAX))
        return complaint_refuse(encode->complaint, LIT("this provider gives at most 8 answers per request"), LIT("n"));
    if (n > 1) {
        json_append_key(inner.out, &inner.first, LIT("candidateCount"));
        buffer_append_int(encode->out, n);
    }
    put_stops(&inner);
    if (!put_format(&inner))
        return false;
    put_thinking(&inner);
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next)
        if (json_raw_equals(extra->name_raw, LIT("modalities")) && !is_null(extra))
            put_modalities(&inner, extra);
    buffer_append_byte(encode->out, '}');
    if (inner.first) { /* nothing in it */
        encode->out->len = mark;
        encode->first = was_first;
    }
    return true;
}

/* ---------------------------------------------------------------- tools */

static bool is_empty(struct slice object)
{
    struct json json;
    struct slice key;
    json_init(&json, object, JSON_DEPTH_MAX);
    return object.len == 0 || json_peek(&json) != JSON_OBJECT || !json_object(&json) || !json_member(&json, &key);
}

/* A function without parameters has no schema: an empty one is refused. */
static bool has_parameters(struct slice schema)
{
    static const char *const others[] = {"$ref", "anyOf", "oneOf", "allOf", "additionalProperties", "patternProperties"};
    if (!is_empty(json_find(schema, "properties")))
        return true;
    for (unsigned i = 0; i < sizeof others / sizeof *others; i++) {
        struct slice value = json_find(schema, others[i]);
        if (value.len > 0 && !slice_equals(value, LIT("false")))
            return true;
    }
    return false;
}

static bool put_function(struct gemini_encode *encode, const struct tool *tool)
{
    struct buffer *out = encode->out;
    size_t mark;
    bool empty = false;
    buffer_append_lit(out, "{\"name\":");
    json_append_quoted(out, name_fit(tool->name_raw, &gemini_names, encode->arena));
    if (tool->description_raw.len > 0) {
        buffer_append_lit(out, ",\"description\":");
        json_append_quoted(out, tool->description_raw);
    }
    mark = out->len;
    if ((encode->family.flags & GEMINI_JSON_SCHEMA) && has_parameters(tool->schema_json)) {
        buffer_append_lit(out, ",\"parametersJsonSchema\":");
        buffer_append_slice(out, tool->schema_json);
    } else if (!(encode->family.flags & GEMINI_JSON_SCHEMA) && !is_empty(tool->schema_json)) {
        buffer_append_lit(out, ",\"parameters\":");
        if (!gemini_write_subset(encode, tool->schema_json, LIT("tools"), &empty))
            return false;
        if (empty)
            out->len = mark;
    }
    buffer_append_byte(out, '}');
    return true;
}

/* Tools that Google runs itself, said as its own API says them: { "googleSearch": {} }. */
static bool put_own_tool(struct gemini_encode *encode, const struct tool *tool)
{
    static const char *const names[][2] = {{"googleSearch", "google_search"},
                                           {"codeExecution", "code_execution"},
                                           {"urlContext", "url_context"},
                                           {"googleMaps", "google_maps"},
                                           {"enterpriseWebSearch", "enterprise_web_search"}};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice value = json_find(tool->json, names[i][0]);
        if (value.len == 0)
            value = json_find(tool->json, names[i][1]);
        if (value.len == 0 || value.ptr[0] != '{')
            continue;
        buffer_printf(encode->out, "{\"%s\":", names[i][0]);
        buffer_append_slice(encode->out, value);
        buffer_append_byte(encode->out, '}');
        return true;
    }
    return complaint_refuse(encode->complaint, LIT("this provider knows no tools but functions and its own"), LIT("tools"));
}

static void put_tool_config(struct gemini_encode *encode, bool strict)
{
    static const struct slice modes[] = {LIT("AUTO"), LIT("AUTO"), LIT("NONE"), LIT("ANY"), LIT("ANY")};
    const struct chat *chat = encode->chat;
    enum tool_choice choice = chat->tool_choice;
    bool checked = strict && choice <= TOOL_CHOICE_AUTO && (encode->family.flags & GEMINI_JSON_SCHEMA);
    if (choice == TOOL_CHOICE_NONE_GIVEN && !checked)
        return;
    json_append_key(encode->out, &encode->first, LIT("toolConfig"));
    buffer_append_lit(encode->out, "{\"functionCallingConfig\":{\"mode\":\"");
    buffer_append_slice(encode->out, checked ? LIT("VALIDATED") : modes[choice]);
    buffer_append_byte(encode->out, '"');
    if (choice == TOOL_CHOICE_NAMED) {
        buffer_append_lit(encode->out, ",\"allowedFunctionNames\":[");
        json_append_quoted(encode->out, name_fit(chat->tool_choice_name_raw, &gemini_names, encode->arena));
        buffer_append_byte(encode->out, ']');
    }
    buffer_append_lit(encode->out, "}}");
}

/* Tools of a vendor's own kind may have names as well. */
static bool is_function(const struct tool *tool)
{
    return tool->name_raw.len > 0 && (tool->json.len == 0 || json_find(tool->json, "function").len > 0);
}

bool gemini_write_tools(struct gemini_encode *encode)
{
    struct buffer *out = encode->out;
    bool first = true, first_function = true, strict = false;
    if (encode->chat->tools == NULL)
        return true;
    json_append_key(encode->out, &encode->first, LIT("tools"));
    buffer_append_byte(out, '[');
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (!is_function(tool))
            continue;
        if (first_function)
            buffer_append_lit(out, "{\"functionDeclarations\":[");
        json_append_comma(out, &first_function);
        strict |= tool->strict == 1;
        if (!put_function(encode, tool))
            return false;
    }
    if (!first_function)
        buffer_append_lit(out, "]}");
    first = first_function;
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (is_function(tool))
            continue;
        json_append_comma(out, &first);
        if (!put_own_tool(encode, tool))
            return false;
    }
    buffer_append_byte(out, ']');
    if (!first_function)
        put_tool_config(encode, strict);
    return true;
}

/* ---------------------------------------------------------------- the rest */

/* Vertex: labels for the bill, of lower-case letters, digits, "_" and "-", at most 63. */
static bool is_label(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || (text.ptr[i] >= '0' && text.ptr[i] <= '9') || text.ptr[i] == '_' ||
              text.ptr[i] == '-'))
            return false;
    return text.len <= 63;
}

static void put_user(struct gemini_encode *encode)
{
    struct slice user = encode->chat->user_raw;
    if (user.len == 0)
        return;
    if (!encode->vertex || !is_label(user))
        return names_drop(encode->dropped, LIT("user"));
    json_append_key(encode->out, &encode->first, LIT("labels"));
    buffer_append_lit(encode->out, "{\"user\":");
    json_append_quoted(encode->out, user);
    buffer_append_byte(encode->out, '}');
}

/* What has no counterpart here and changes nothing that the client could rely on: left out, and named. */
static void put_extras(struct gemini_encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->logprobs == 1)
        names_drop(encode->dropped, LIT("logprobs"));
    if (chat->top_logprobs.len > 0)
        names_drop(encode->dropped, LIT("top_logprobs"));
    if (chat->parallel_tool_calls == 0)
        names_drop(encode->dropped, LIT("parallel_tool_calls"));
    if (chat->metadata_json.len > 0)
        names_drop(encode->dropped, LIT("metadata"));
    if (chat->service_tier_raw.len > 0 && !slice_equals(chat->service_tier_raw, LIT("auto")))
        names_drop(encode->dropped, LIT("service_tier"));
    for (const struct extra *extra = chat->extras; extra != NULL; extra = extra->next) {
        if (is_null(extra) || json_raw_equals(extra->name_raw, LIT("modalities")))
            continue;
        if (json_raw_equals(extra->name_raw, LIT("safety_settings")) && extra->value_json.ptr[0] == '[') {
            json_append_key(encode->out, &encode->first, LIT("safetySettings"));
            buffer_append_slice(encode->out, extra->value_json);
        } else {
            names_drop(encode->dropped, extra->name_raw);
        }
    }
}

bool gemini_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct gemini_encode encode = gemini_encode(chat, provider, model, arena, out, dropped, complaint);
    names_drop_content(chat, dropped);
    buffer_append_byte(out, '{');
    if (!gemini_write_contents(&encode) || !gemini_write_tools(&encode) || !put_generation_config(&encode))
        return false;
    put_user(&encode);
    put_extras(&encode);
    buffer_append_byte(out, '}');
    if (arena->overflow)
        return complaint_refuse(encode.complaint, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    return true;
}
