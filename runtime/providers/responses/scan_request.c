/* scan_request.c -- what a request to /v1/responses says, in one pass over its bytes; and which edits make the same bytes fit for a provider that
 * speaks this wire itself.
 *
 * Refused here: what is not JSON, keys given twice, wrong types of the fields we lean on, and answers in the background, which nobody could fetch
 * from us. Everything else goes on byte for byte, or is judged when it is translated.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"
#include <math.h>

/* The fields that are looked at. */
/* clang-format off */
#define FIELDS(row)                                                                                                                        \
    row(MODEL, "model") row(INPUT, "input") row(INSTRUCTIONS, "instructions") row(STREAM, "stream")                                        \
        row(MAX_OUTPUT_TOKENS, "max_output_tokens") row(TEMPERATURE, "temperature") row(TOOLS, "tools") row(TEXT, "text")                  \
            row(REASONING, "reasoning") row(USER, "user") row(METADATA, "metadata") row(STORE, "store") row(BACKGROUND, "background")      \
                row(PREVIOUS, "previous_response_id") row(CONVERSATION, "conversation") row(PROMPT, "prompt")                              \
                    row(STRATEGY, "routing_strategy") row(PROVIDER, "provider") row(FALLBACK, "fallback")
/* clang-format on */

#define ENUM(id, name) FIELD_##id,
enum field { FIELDS(ENUM) FIELD_COUNT };
#undef ENUM
#define NAME(id, name) {name, sizeof name - 1},
static const struct slice field_names[FIELD_COUNT] = {FIELDS(NAME)};
#undef NAME

struct scan {
    struct json json;
    struct slice body;
    struct arena *arena;
    struct facts *facts;
    struct complaint *complaint;
    uint32_t seen;
    bool only_extensions;    /* every member so far was one of the gateway's own */
    size_t key_at, last_end; /* where the current key begins, where the last value ended */
};

/* ---------------------------------------------------------------- complaints */

static bool complain(struct scan *scan, enum failure_kind kind, struct slice message, struct slice param)
{
    if (scan->complaint->message.len == 0)
        *scan->complaint = (struct complaint){kind, message, param};
    return false;
}

static const char *type_name(enum json_type type)
{
    static const char *const names[] = {"nothing", "null", "a boolean", "a boolean", "a number", "a string", "an array", "an object"};
    return names[type];
}

static bool wrong_type(struct scan *scan, struct slice param, const char *expected)
{
    enum json_type found = json_peek(&scan->json);
    if (found == JSON_BAD)
        return false; /* not JSON at all: said at the end */
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena, "Invalid type for '%.*s': expected %s, but got %s instead.", (int)param.len, param.ptr,
                                 expected, type_name(found)),
                    param);
}

static struct slice item_param(struct scan *scan, unsigned index, const char *field)
{
    return arena_printf(scan->arena, field[0] == '\0' ? "input[%u]%s" : "input[%u].%s", index, field);
}

/* ---------------------------------------------------------------- input */

/* What a part holds, whatever the order of its members. */
struct held {
    struct slice type, image, audio, file;
};

/* A value in the place of another kind of part is none. */
static void note_part(struct facts *facts, const struct held *held)
{
    if (openai_is(held->type, LIT("input_image"))) {
        facts_add_media(facts, PART_IMAGE, held->image, SLICE_NONE, SLICE_NONE);
    } else if (openai_is(held->type, LIT("input_audio"))) {
        facts_add_media(facts, PART_AUDIO, SLICE_NONE, SLICE_NONE, json_find_string(held->audio, "data"));
    } else if (openai_is(held->type, LIT("input_file"))) {
        bool is_url = slice_starts_with(held->file, LIT("data:"));
        facts_add_media(facts, PART_DOCUMENT, is_url ? held->file : SLICE_NONE, SLICE_NONE, is_url ? SLICE_NONE : held->file);
    }
}

/* Of an answer that comes back: what is of use to who shows it, but no text of the prompt. */
static bool is_sealed(struct slice key)
{
    return openai_is(key, LIT("annotations")) || openai_is(key, LIT("logprobs")) || openai_is(key, LIT("encrypted_content"));
}

/* Every text counts, also one that is given twice. */
static bool read_part(struct scan *scan)
{
    struct json *json = &scan->json;
    struct slice key, text;
    struct held held = {.type = SLICE_NONE};
    json_object(json);
    while (json_member(json, &key)) {
        bool string = json_peek(json) == JSON_STRING, good;
        if (string && openai_is(key, LIT("text"))) {
            good = json_string(json, &text);
            facts_add_text(scan->facts, text);
        } else if (openai_is(key, LIT("input_audio"))) {
            good = json_skip(json, &held.audio);
        } else {
            good = string && openai_is(key, LIT("type"))        ? json_string(json, &held.type)
                   : string && openai_is(key, LIT("image_url")) ? json_string(json, &held.image)
                   : string && openai_is(key, LIT("file_data")) ? json_string(json, &held.file)
                   : is_sealed(key)                             ? json_skip(json, NULL)
                                                                : facts_skip(scan->facts, json);
        }
        if (!good)
            return false;
    }
    note_part(scan->facts, &held);
    return json->error == JSON_OK;
}

/* `content` of a message, `output` of a call: a string or parts. */
static bool read_content(struct scan *scan, unsigned index, const char *field)
{
    struct json *json = &scan->json;
    struct slice text;
    switch (json_peek(json)) {
    case JSON_NULL:
        return json_skip(json, NULL);
    case JSON_STRING:
        if (!json_string(json, &text))
            return false;
        facts_add_text(scan->facts, text);
        return true;
    case JSON_ARRAY:
        json_array(json);
        while (json_element(json)) {
            if (json_peek(json) != JSON_OBJECT)
                return wrong_type(scan, item_param(scan, index, field), "an array of objects");
            if (!read_part(scan))
                return false;
        }
        return json->error == JSON_OK;
    default:
        return wrong_type(scan, item_param(scan, index, field), "a string or an array of parts");
    }
}

static bool read_role(struct scan *scan, unsigned index, struct slice *role)
{
    static const struct slice roles[] = {LIT("user"), LIT("assistant"), LIT("system"), LIT("developer")};
    if (json_peek(&scan->json) != JSON_STRING)
        return wrong_type(scan, item_param(scan, index, "role"), "a string");
    if (!json_string(&scan->json, role))
        return false;
    for (unsigned i = 0; i < sizeof roles / sizeof *roles; i++)
        if (json_raw_equals(*role, roles[i]))
            return true;
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena,
                                 "Invalid value: '%.*s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
                                 role->len < 40 ? (int)role->len : 40, role->ptr),
                    item_param(scan, index, "role"));
}

static bool read_item(struct scan *scan, unsigned index, bool *is_user)
{
    struct json *json = &scan->json;
    struct slice key, text, role = SLICE_NONE;
    if (json_peek(json) != JSON_OBJECT)
        return wrong_type(scan, item_param(scan, index, ""), "an object");
    json_object(json);
    while (json_member(json, &key)) {
        bool good = true;
        if (openai_is(key, LIT("role"))) {
            good = read_role(scan, index, &role);
        } else if (openai_is(key, LIT("content"))) {
            good = read_content(scan, index, "content");
        } else if (openai_is(key, LIT("output"))) {
            enum json_type type = json_peek(json); /* a hosted tool's may be an object */
            good = type == JSON_STRING || type == JSON_ARRAY ? read_content(scan, index, "output") : facts_skip(scan->facts, json);
        } else if ((openai_is(key, LIT("arguments")) || openai_is(key, LIT("input"))) && json_peek(json) == JSON_STRING) {
            good = json_string(json, &text);
            if (good)
                facts_add_text(scan->facts, text);
        } else {
            good = is_sealed(key) ? json_skip(json, NULL) : facts_skip(scan->facts, json);
        }
        if (!good)
            return false;
    }
    *is_user = openai_is(role, LIT("user"));
    return json->error == JSON_OK;
}

static bool read_input(struct scan *scan)
{
    struct json *json = &scan->json;
    struct facts *facts = scan->facts;
    unsigned count = 0;
    bool is_user = false, opened = false;
    enum json_type type = json_peek(json);
    const char *begin = json->at;
    struct slice text;
    if (type == JSON_STRING) {
        if (!json_string(json, &text))
            return false;
        facts_add_text(facts, text);
        facts->message_count++;
        facts->opening_json = (struct slice){begin, (size_t)(json->at - begin)};
        return true;
    }
    if (type != JSON_ARRAY)
        return wrong_type(scan, LIT("input"), "a string or an array of items");
    json_array(json);
    while (json_element(json)) {
        if (!read_item(scan, count++, &is_user))
            return false;
        facts->message_count++;
        if (!opened)
            facts->opening_json = (struct slice){begin, (size_t)(json->at - begin)};
        opened |= is_user;
    }
    if (json->error != JSON_OK)
        return false;
    return count > 0 ||
           complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'input': empty array. Expected at least one item."), LIT("input"));
}

/* ---------------------------------------------------------------- the other fields */

static bool read_flag(struct scan *scan, enum field field, bool *value)
{
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return wrong_type(scan, field_names[field], "a boolean");
    return json_bool(&scan->json, value);
}

static bool read_text(struct scan *scan, enum field field, struct slice *raw)
{
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_STRING)
        return wrong_type(scan, field_names[field], "a string");
    return json_string(&scan->json, raw);
}

static bool read_max_tokens(struct scan *scan)
{
    struct slice number, name = LIT("max_output_tokens");
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_NUMBER)
        return wrong_type(scan, name, "an integer");
    if (!json_number(&scan->json, &number))
        return false;
    if (slice_to_int(number, &scan->facts->max_tokens) && scan->facts->max_tokens >= 1)
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena, "Invalid 'max_output_tokens': expected an integer of at least 1, but got %.*s.",
                                 number.len < 32 ? (int)number.len : 32, number.ptr),
                    name);
}

static bool read_temperature(struct scan *scan)
{
    struct slice number;
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_NUMBER)
        return wrong_type(scan, LIT("temperature"), "a number");
    if (!json_number(&scan->json, &number))
        return false;
    if (json_to_double(number, &scan->facts->temperature) && isfinite(scan->facts->temperature))
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'temperature': not a number that can be held."), LIT("temperature"));
}

static bool read_tools(struct scan *scan)
{
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_ARRAY)
        return wrong_type(scan, LIT("tools"), "an array");
    if (!json_skip(&scan->json, &raw))
        return false;
    if (raw.len > 2)
        scan->facts->needs |= NEED_TOOLS;
    facts_add_text(scan->facts, raw);
    return true;
}

/* `text` with its format, `reasoning` with its effort. */
static bool read_object(struct scan *scan, enum field field)
{
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type != JSON_NULL && type != JSON_OBJECT)
        return wrong_type(scan, field_names[field], "an object");
    if (!json_skip(&scan->json, &raw) || type == JSON_NULL)
        return scan->json.error == JSON_OK;
    facts_add_rest(scan->facts, raw);
    struct slice effort = json_find_string(raw, "effort");
    if (field == FIELD_TEXT && json_raw_equals(json_find_string(json_find(raw, "format"), "type"), LIT("json_schema")))
        scan->facts->needs |= NEED_JSON_SCHEMA;
    if (field == FIELD_REASONING && effort.len > 0 && !json_raw_equals(effort, LIT("none")))
        scan->facts->needs |= NEED_REASONING;
    return true;
}

static bool read_model(struct scan *scan)
{
    struct facts *facts = scan->facts;
    facts->model.at = json_offset(&scan->json);
    if (json_peek(&scan->json) != JSON_STRING)
        return wrong_type(scan, LIT("model"), "a string");
    if (!json_string(&scan->json, &facts->model_raw))
        return false;
    facts->model.len = facts->model_raw.len + 2;
    if (slice_find(facts->model_raw, LIT("\\u0000")) != NULL) /* a name that ends early for some and not for others */
        return complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'model': it holds a NUL."), LIT("model"));
    return facts->model_raw.len > 0 || complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'model': it is empty."), LIT("model"));
}

static bool read_stored(struct scan *scan, enum field field)
{
    bool flag = false;
    if (!read_flag(scan, field, &flag))
        return false;
    if (flag && field == FIELD_BACKGROUND)
        return complain(scan, FAILURE_UNSUPPORTED_PARAMETER,
                        LIT("this gateway stores no responses: one that is made in the background could not be fetched"),
                        LIT("background"));
    scan->facts->replayable &= !flag;
    return true;
}

/* ---------------------------------------------------------------- the gateway's own fields */

/* The member just read goes, with the comma before it, or the one behind it when it has none before it. */
static void cut_extension(struct scan *scan)
{
    struct facts *facts = scan->facts;
    size_t end = (size_t)(scan->json.at - scan->json.start), from = scan->last_end;
    if (scan->only_extensions) {
        size_t comma = json_offset(&scan->json);
        from = scan->key_at;
        if (comma < scan->body.len && scan->body.ptr[comma] == ',')
            end = comma + 1;
    }
    facts->extensions[facts->extension_count++] = (struct span){from, end - from};
}

static bool read_extension(struct scan *scan, enum field field)
{
    struct facts *facts = scan->facts;
    bool value = true;
    if (field == FIELD_PROVIDER && json_peek(&scan->json) == JSON_OBJECT) { /* OpenRouter's own */
        scan->only_extensions = false;
        return json_skip(&scan->json, NULL);
    }
    if (!(field == FIELD_FALLBACK ? read_flag(scan, field, &value)
                                  : read_text(scan, field, field == FIELD_STRATEGY ? &facts->strategy_raw : &facts->provider_raw)))
        return false;
    if (field == FIELD_FALLBACK)
        facts->fallback = value;
    cut_extension(scan);
    return true;
}

/* ---------------------------------------------------------------- the scan */

static enum field field_of(struct slice key)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (openai_is(key, field_names[i]))
            return (enum field)i;
    return FIELD_COUNT;
}

static bool read_field(struct scan *scan, enum field field)
{
    struct facts *facts = scan->facts;
    struct slice text = SLICE_NONE;
    switch (field) {
    case FIELD_MODEL:
        return read_model(scan);
    case FIELD_INPUT:
        return read_input(scan);
    case FIELD_INSTRUCTIONS:
        if (!read_text(scan, field, &text))
            return false;
        facts_add_text(facts, text);
        facts->message_count += text.len > 0;
        return true;
    case FIELD_STREAM:
        return read_flag(scan, field, &facts->stream);
    case FIELD_MAX_OUTPUT_TOKENS:
        return read_max_tokens(scan);
    case FIELD_TEMPERATURE:
        return read_temperature(scan);
    case FIELD_TOOLS:
        return read_tools(scan);
    case FIELD_TEXT:
    case FIELD_REASONING:
        return read_object(scan, field);
    case FIELD_USER:
        return read_text(scan, field, &facts->user_raw);
    case FIELD_METADATA:
        return json_skip(&scan->json, &facts->metadata_json);
    case FIELD_STORE:
    case FIELD_BACKGROUND:
        return read_stored(scan, field);
    case FIELD_PROMPT: /* one that is stored there, with the values of its variables */
        return facts_skip(facts, &scan->json);
    case FIELD_STRATEGY:
    case FIELD_PROVIDER:
    case FIELD_FALLBACK:
        return read_extension(scan, field);
    default:
        return json_skip(&scan->json, NULL);
    }
}

static bool read_members(struct scan *scan)
{
    struct slice key;
    while (json_member(&scan->json, &key)) {
        enum field field = field_of(key);
        scan->key_at = (size_t)(key.ptr - 1 - scan->json.start);
        if (field < FIELD_COUNT) {
            if (scan->seen & 1u << field)
                return complain(scan, FAILURE_DUPLICATE_KEY,
                                arena_printf(scan->arena, "Duplicate key: '%s' is given twice.", field_names[field].ptr),
                                field_names[field]);
            scan->seen |= 1u << field;
        }
        if (!read_field(scan, field))
            return false;
        if (field != FIELD_STRATEGY && field != FIELD_PROVIDER && field != FIELD_FALLBACK)
            scan->only_extensions = false;
        scan->last_end = (size_t)(scan->json.at - scan->json.start);
    }
    return json_finish(&scan->json);
}

static bool not_json(struct scan *scan)
{
    if (scan->complaint->message.len > 0)
        return false;
    if (slice_trim(scan->body).len == 0)
        return complain(scan, FAILURE_BAD_JSON, LIT("The request body is empty; expected a JSON object."), SLICE_NONE);
    const char *what = json_error_text(scan->json.error == JSON_WRONG_TYPE ? JSON_SYNTAX : scan->json.error);
    return complain(
        scan, FAILURE_BAD_JSON,
        arena_printf(scan->arena, "The request body could not be read: %s, at byte %zu.", what, (size_t)(scan->json.at - scan->json.start)),
        SLICE_NONE);
}

bool responses_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const uint32_t says_something = 1u << FIELD_INPUT | 1u << FIELD_PROMPT | 1u << FIELD_PREVIOUS | 1u << FIELD_CONVERSATION;
    struct scan scan = {.body = body, .arena = arena, .facts = facts, .complaint = complaint, .only_extensions = true};
    /* Usage stands in the last event whether it is asked for or not. */
    *facts = (struct facts){
        .max_tokens = -1, .temperature = NAN, .replayable = true, .fallback = -1, .include_usage = true, .body_bytes = body.len};
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    json_init(&scan.json, body, JSON_DEPTH_MAX);
    enum json_type type = json_peek(&scan.json);
    if (type == JSON_BAD)
        return not_json(&scan);
    if (type != JSON_OBJECT)
        return complain(&scan, FAILURE_BAD_JSON, arena_printf(arena, "The request body must be a JSON object, not %s.", type_name(type)),
                        SLICE_NONE);
    json_object(&scan.json);
    facts->object_start = (size_t)(scan.json.at - scan.json.start);
    if (!read_members(&scan))
        return not_json(&scan);
    if (!(scan.seen & 1u << FIELD_MODEL))
        return complain(&scan, FAILURE_BAD_PARAMETER, LIT("Missing required parameter: 'model'."), LIT("model"));
    return (scan.seen & says_something) ||
           complain(&scan, FAILURE_BAD_PARAMETER, LIT("Missing required parameter: 'input'."), LIT("input"));
}

/* ---------------------------------------------------------------- edits */

bool responses_is_ours(struct slice item_json)
{
    struct slice sealed = json_find_string(item_json, "encrypted_content");
    return json_raw_equals(json_find_string(item_json, "type"), LIT("reasoning")) &&
           (slice_starts_with(sealed, LIT("claude")) || slice_starts_with(sealed, LIT("gemini")));
}

/* The list of items without those that only we can read; SLICE_NONE: none is among them. */
static struct slice without_ours(struct slice input, struct arena *arena)
{
    struct json json;
    struct slice item;
    bool found = false;
    if (slice_find(input, LIT("\"" RESPONSES_CLAUDE)) == NULL && slice_find(input, LIT("\"" RESPONSES_CLAUDE_REDACTED)) == NULL &&
        slice_find(input, LIT("\"" RESPONSES_GEMINI)) == NULL && slice_find(input, LIT("\"" RESPONSES_GEMINI_TEXT)) == NULL)
        return SLICE_NONE;
    char *copy = arena_alloc(arena, input.len + 1), *to = copy;
    json_init(&json, input, JSON_DEPTH_MAX);
    if (copy == NULL || json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return SLICE_NONE;
    *to++ = '[';
    while (json_element(&json) && json_skip(&json, &item)) {
        if (responses_is_ours(item)) {
            found = true;
            continue;
        }
        if (to > copy + 1)
            *to++ = ',';
        to = mempcpy(to, item.ptr, item.len);
    }
    *to++ = ']';
    return found ? (struct slice){copy, (size_t)(to - copy)} : SLICE_NONE;
}

static unsigned put_edit(struct edit *edits, unsigned count, struct edit edit)
{
    unsigned i = count;
    for (; i > 0 && edits[i - 1].at > edit.at; i--)
        edits[i] = edits[i - 1];
    edits[i] = edit;
    return count + 1;
}

/* The model's name, our own fields, and reasoning that another provider made. */
int responses_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX])
{
    unsigned count = 0;
    struct slice plain = json_escape(arena, model->model), input = json_find(body, "input"), cleaned = without_ours(input, arena);
    (void)provider;
    if (!slice_equals(plain, facts->model_raw))
        count = put_edit(edits, count, (struct edit){facts->model.at + 1, facts->model.len - 2, plain});
    for (unsigned i = 0; i < facts->extension_count; i++)
        count = put_edit(edits, count, (struct edit){facts->extensions[i].at, facts->extensions[i].len, SLICE_NONE});
    if (cleaned.len > 0)
        count = put_edit(edits, count, (struct edit){(size_t)(input.ptr - body.ptr), input.len, cleaned});
    return (int)count;
}
