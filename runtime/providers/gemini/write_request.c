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

static struct slice level_of(const struct encode *encode, enum effort effort)
{
    unsigned flags = encode->flags;
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

static int64_t fit_budget(const struct encode *encode, int64_t budget)
{
    const struct family *family = encode->family;
    bool off = budget == 0 && !(family->flags & GEMINI_ALWAYS_THINKS);
    if (budget < 0 || off)
        return budget;
    if (budget < family->budget_min)
        return family->budget_min;
    return budget > family->budget_max ? family->budget_max : budget;
}

/* Only a budget or a level: both are refused. Without thoughts there are none to be shown. */
static void put_thinking(struct encode *encode)
{
    static const int64_t defaults[] = {BUDGET_UNSAID, 0, 1024, 1024, 8192, 24576, INT64_MAX};
    const struct chat *chat = encode->chat;
    struct thinking thinking = {encode->effort, encode_budget(encode, defaults), false};
    bool asked = chat->effort_raw.len > 0 || chat->thinking_json.len > 0;
    if (chat->thinking_json.len > 0)
        take_thinking_object(chat->thinking_json, &thinking);
    if (!(encode->flags & (GEMINI_BUDGET | GEMINI_LEVEL))) {
        if (asked && thinking.effort != EFFORT_NONE)
            encode_drop(encode, chat->effort_raw.len > 0 ? LIT("reasoning_effort") : LIT("thinking"));
        return;
    }
    if (chat->effort_raw.len > 0 && encode->effort == EFFORT_NOT_GIVEN)
        encode_drop(encode, LIT("reasoning_effort"));
    struct place place = encode_open(encode, "thinkingConfig", '{');
    if ((encode->flags & GEMINI_LEVEL) && thinking.effort != EFFORT_NOT_GIVEN)
        encode_text(encode, "thinkingLevel", level_of(encode, thinking.effort));
    else if ((encode->flags & GEMINI_BUDGET) && thinking.budget != BUDGET_UNSAID)
        encode_int(encode, "thinkingBudget", fit_budget(encode, thinking.budget));
    if ((thinking.shown || encode->provider->include_thoughts) && thinking.effort != EFFORT_NONE)
        encode_value(encode, "includeThoughts", LIT("true"));
    encode_close(encode, '}', place);
}

/* ---------------------------------------------------------------- generationConfig */

static bool stop_is_filled(const struct encode *encode, struct slice stop_raw)
{
    (void)encode;
    return stop_raw.len > 0;
}

static bool put_format(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    bool whole = (encode->flags & GEMINI_JSON_SCHEMA) && (encode->model->capabilities & NEED_JSON_SCHEMA), empty;
    if (!encode_is_json_asked(encode) || (encode->flags & GEMINI_IN_WORDS))
        return true;
    encode_text(encode, "responseMimeType", LIT("application/json"));
    if (chat->format != FORMAT_SCHEMA || chat->schema_json.len == 0)
        return true;
    encode_key(encode, whole ? "responseJsonSchema" : "responseSchema");
    if (!whole)
        return gemini_write_subset(encode, chat->schema_json, LIT("response_format"), &empty);
    buffer_append_slice(encode->out, chat->schema_json);
    return true;
}

/* Extension: "modalities" with "image" in it. Sound would need a voice as well. */
static void put_modalities(struct encode *encode, struct slice list_json)
{
    struct json json;
    struct slice word;
    bool image = false, other = false;
    json_init(&json, list_json, JSON_DEPTH_MAX);
    if (list_json.len == 0)
        return;
    if (json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return encode_drop(encode, LIT("modalities"));
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
        encode_drop(encode, LIT("modalities"));
    if (image)
        encode_value(encode, "responseModalities", LIT("[\"TEXT\",\"IMAGE\"]"));
}

static bool put_generation_config(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    struct place place = encode_open(encode, "generationConfig", '{');
    int64_t max_tokens = encode_max_tokens(encode, -1), n = 1;
    if (max_tokens >= 0)
        encode_int(encode, "maxOutputTokens", max_tokens);
    encode_value(encode, "temperature", chat->temperature);
    encode_value(encode, "topP", chat->top_p);
    encode_value(encode, "topK", chat->top_k);
    encode_value(encode, "seed", chat->seed);
    encode_value(encode, "presencePenalty", chat->presence_penalty);
    encode_value(encode, "frequencyPenalty", chat->frequency_penalty);
    if (chat->n.len > 0 && (!json_to_count(chat->n, &n) || n < 1 || n > GEMINI_CHOICES_MAX))
        return encode_refuse(encode, LIT("this provider gives at most 8 answers per request"), LIT("n"));
    if (n > 1)
        encode_int(encode, "candidateCount", n);
    encode_stops(encode, "stopSequences", stop_is_filled, STOPS_MAX);
    if (!put_format(encode))
        return false;
    put_thinking(encode);
    put_modalities(encode, encode_extra(encode, LIT("modalities")));
    encode_close(encode, '}', place);
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

static bool put_function(struct encode *encode, const struct tool *tool)
{
    bool empty = false;
    encode_write(encode, "{\"name\":\"%\"", name_fit(tool->name_raw, &gemini_names, encode->arena));
    encode_text(encode, "description", tool->description_raw);
    size_t mark = encode->out->len;
    if ((encode->flags & GEMINI_JSON_SCHEMA) && has_parameters(tool->schema_json)) {
        encode_value(encode, "parametersJsonSchema", tool->schema_json);
    } else if (!(encode->flags & GEMINI_JSON_SCHEMA) && !is_empty(tool->schema_json)) {
        encode_key(encode, "parameters");
        if (!gemini_write_subset(encode, tool->schema_json, LIT("tools"), &empty))
            return false;
        if (empty)
            encode->out->len = mark;
    }
    encode_end(encode, '}');
    return true;
}

/* Tools that Google runs itself, said as its own API says them: { "googleSearch": {} }. */
static bool put_own_tool(struct encode *encode, const struct tool *tool)
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
        encode_write(encode, "{\"%\":%}", slice_of(names[i][0]), value);
        return true;
    }
    return encode_refuse(encode, LIT("this provider knows no tools but functions and its own"), LIT("tools"));
}

static void put_tool_config(struct encode *encode, bool strict)
{
    static const struct slice modes[] = {LIT("AUTO"), LIT("AUTO"), LIT("NONE"), LIT("ANY"), LIT("ANY")};
    const struct chat *chat = encode->chat;
    enum tool_choice choice = chat->tool_choice;
    bool checked = strict && choice <= TOOL_CHOICE_AUTO && (encode->flags & GEMINI_JSON_SCHEMA);
    if (choice == TOOL_CHOICE_NONE_GIVEN && !checked)
        return;
    encode_key(encode, "toolConfig");
    encode_write(encode, "{\"functionCallingConfig\":{\"mode\":\"%\"", checked ? LIT("VALIDATED") : modes[choice]);
    if (choice == TOOL_CHOICE_NAMED)
        encode_write(encode, ",\"allowedFunctionNames\":[\"%\"]", name_fit(chat->tool_choice_name_raw, &gemini_names, encode->arena));
    buffer_append_lit(encode->out, "}}");
}

/* Tools of a vendor's own kind may have names as well. */
static bool is_function(const struct tool *tool)
{
    return tool->name_raw.len > 0 && (tool->json.len == 0 || json_find(tool->json, "function").len > 0);
}

bool gemini_write_tools(struct encode *encode)
{
    bool functions = false, strict = false;
    if (encode->chat->tools == NULL)
        return true;
    encode_key(encode, "tools");
    encode_begin(encode, '[');
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (!is_function(tool))
            continue;
        if (!functions)
            buffer_append_lit(encode->out, "{\"functionDeclarations\":[");
        functions = true;
        strict |= tool->strict == 1;
        encode_comma(encode);
        if (!put_function(encode, tool))
            return false;
    }
    if (functions)
        buffer_append_lit(encode->out, "]}");
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (is_function(tool))
            continue;
        encode_comma(encode);
        if (!put_own_tool(encode, tool))
            return false;
    }
    encode_end(encode, ']');
    if (functions)
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

static void put_user(struct encode *encode)
{
    struct slice user = encode->chat->user_raw;
    if (user.len == 0)
        return;
    if (!(encode->flags & GEMINI_VERTEX) || !is_label(user))
        return encode_drop(encode, LIT("user"));
    encode_key(encode, "labels");
    encode_write(encode, "{\"user\":\"%\"}", user);
}

static bool is_list(const struct encode *encode, struct slice value_json)
{
    (void)encode;
    return value_json.ptr[0] == '[';
}

static const struct extra_rule extras[] = {
    {.name = "modalities", .place = EXTRA_ELSEWHERE},
    {"safety_settings", "safetySettings", EXTRA_TOP, is_list},
    {.name = NULL},
};

struct gemini_encode gemini_begin(const struct encode *given)
{
    struct gemini_encode self = {.base = *given};
    struct encode *encode = &self.base;
    encode->family = gemini_family(encode->model);
    encode->flags = encode->family->flags | (gemini_is_vertex(encode->provider->vendor) ? GEMINI_VERTEX : 0);
    if (encode->chat->tools != NULL && encode_is_json_asked(encode) && !(encode->flags & GEMINI_JSON_BESIDE_TOOLS))
        encode->flags |= GEMINI_IN_WORDS;
    encode->effort = effort_of(encode->chat->effort_raw, EFFORT_XHIGH);
    return self;
}

bool gemini_write_request(struct encode *given)
{
    struct gemini_encode self = gemini_begin(given);
    struct encode *encode = &self.base;
    encode_drop_content(encode);
    encode_begin(encode, '{');
    if (!gemini_write_contents(encode) || !gemini_write_tools(encode) || !put_generation_config(encode))
        return false;
    put_user(encode);
    encode_drop_members(encode, MEMBER_LOGPROBS | MEMBER_PARALLEL | MEMBER_METADATA | MEMBER_SERVICE_TIER);
    encode_extras(encode, extras, EXTRA_TOP);
    encode_end(encode, '}');
    if (encode->arena->overflow)
        return encode_refuse(encode, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    return true;
}
