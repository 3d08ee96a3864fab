/* scan_request.c -- what a chat request of OpenAI's dialect says, in one pass over its bytes.
 *
 * Refused here: what is not JSON, what would be read differently by us and by the provider (keys given twice), and wrong types of the fields we
 * lean on. Everything else is the provider's to judge: it goes on byte for byte.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"
#include <math.h>
#include <stdio.h>

/* The fields that are looked at. */
/* clang-format off */
#define FIELDS(row)                                                                                                                        \
    row(MODEL, "model") row(MESSAGES, "messages") row(STREAM, "stream") row(STREAM_OPTIONS, "stream_options")                              \
        row(MAX_TOKENS, "max_tokens") row(MAX_COMPLETION_TOKENS, "max_completion_tokens") row(TEMPERATURE, "temperature")                  \
            row(TOOLS, "tools") row(FUNCTIONS, "functions") row(RESPONSE_FORMAT, "response_format")                                        \
                row(REASONING_EFFORT, "reasoning_effort") row(USER, "user") row(METADATA, "metadata") row(STORE, "store")                  \
                    row(BACKGROUND, "background") row(SEED, "seed") row(N, "n") row(STRATEGY, "routing_strategy")                          \
                        row(PROVIDER, "provider") row(FALLBACK, "fallback") row(PROMPT, "prompt")              \
                            row(INPUT, "input") row(BEST_OF, "best_of") row(PREDICTION, "prediction") row(SUFFIX, "suffix")
/* clang-format on */

#define ENUM(id, name) FIELD_##id,
enum field { FIELDS(ENUM) FIELD_COUNT };
#undef ENUM
#define NAME(id, name) {name, sizeof name - 1},
static const struct slice field_names[FIELD_COUNT] = {FIELDS(NAME)};
#undef NAME

enum { ANSWERS_MAX = 128 }; /* OpenAI's own bound */

struct scan {
    enum openai_body kind;
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
    struct slice message = arena_printf(scan->arena, "Invalid type for '%.*s': expected %s, but got %s instead.", (int)param.len, param.ptr,
                                        expected, type_name(found));
    return complain(scan, FAILURE_BAD_PARAMETER, message, param);
}

static bool missing(struct scan *scan, struct slice param)
{
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena, "Missing required parameter: '%.*s'.", (int)param.len, param.ptr), param);
}

/* ---------------------------------------------------------------- messages */

static struct slice message_param(struct scan *scan, unsigned index, const char *field)
{
    return arena_printf(scan->arena, field[0] == '\0' ? "messages[%u]%s" : "messages[%u].%s", index, field);
}

/* Where a part may hold a picture, a sound, a film or a file. */
struct media {
    struct slice image, audio, file, other; /* other: audio_url, video_url */
};

/* {"url": …}, or the address itself. */
static struct slice address_of(struct slice json)
{
    return json.len > 1 && json.ptr[0] == '"' ? (struct slice){json.ptr + 1, json.len - 2} : json_find_string(json, "url");
}

/* A value in the place of another kind of part is none. */
static void note_part(struct facts *facts, struct slice type, const struct media *media)
{
    unsigned needs = facts->needs;
    if (openai_is(type, LIT("image_url"))) {
        facts_add_media(facts, PART_IMAGE, address_of(media->image), SLICE_NONE, SLICE_NONE);
    } else if (openai_is(type, LIT("audio_url")) || openai_is(type, LIT("video_url"))) { /* COMPAT(vllm, openrouter, 2026-08) */
        facts_add_media(facts, PART_AUDIO, address_of(media->other), SLICE_NONE, SLICE_NONE);
        facts->needs = needs; /* who can do with it is not known here */
    } else if (openai_is(type, LIT("input_audio"))) {
        facts_add_media(facts, PART_AUDIO, SLICE_NONE, SLICE_NONE, json_find_string(media->audio, "data"));
    } else if (openai_is(type, LIT("file"))) {
        struct slice data = json_find_string(media->file, "file_data");
        bool is_url = slice_starts_with(data, LIT("data:"));
        facts_add_media(facts, PART_DOCUMENT, is_url ? data : SLICE_NONE, SLICE_NONE, is_url ? SLICE_NONE : data);
    }
}

/* Every text counts, also one that is given twice. */
static bool read_part(struct scan *scan)
{
    struct json *json = &scan->json;
    struct slice key, type = SLICE_NONE, text;
    struct media media = {.image = SLICE_NONE};
    if (!json_object(json))
        return false;
    while (json_member(json, &key)) {
        bool good, string = json_peek(json) == JSON_STRING;
        if (string && openai_is(key, LIT("type"))) {
            good = json_string(json, &type);
        } else if (string && openai_is(key, LIT("text"))) {
            good = json_string(json, &text);
            facts_add_text(scan->facts, text);
        } else if (openai_is(key, LIT("image_url"))) {
            good = json_skip(json, &media.image);
        } else if (openai_is(key, LIT("input_audio"))) {
            good = json_skip(json, &media.audio);
        } else if (openai_is(key, LIT("file"))) {
            good = json_skip(json, &media.file);
        } else if (openai_is(key, LIT("audio_url")) || openai_is(key, LIT("video_url"))) {
            good = json_skip(json, &media.other);
        } else {
            good = facts_skip(scan->facts, json);
        }
        if (!good)
            return false;
    }
    note_part(scan->facts, type, &media);
    return true;
}

static bool read_content(struct scan *scan, unsigned index)
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
                return wrong_type(scan, message_param(scan, index, "content[]"), "an object");
            if (!read_part(scan))
                return false;
        }
        return true;
    default:
        return wrong_type(scan, message_param(scan, index, "content"), "a string or an array of parts");
    }
}

static bool is_role(struct slice role)
{
    static const struct slice roles[] = {LIT("user"), LIT("assistant"), LIT("system"), LIT("developer"), LIT("tool"), LIT("function")};
    for (unsigned i = 0; i < sizeof roles / sizeof *roles; i++)
        if (json_raw_equals(role, roles[i]))
            return true;
    return false;
}

static bool read_role(struct scan *scan, unsigned index, struct slice *role)
{
    if (json_peek(&scan->json) != JSON_STRING)
        return wrong_type(scan, message_param(scan, index, "role"), "a string");
    if (!json_string(&scan->json, role))
        return false;
    if (!is_role(*role))
        return complain(
            scan, FAILURE_BAD_PARAMETER,
            arena_printf(scan->arena,
                         "Invalid value: '%.*s'. Supported values are: 'system', 'developer', 'assistant', 'user', 'tool' and 'function'.",
                         role->len < 40 ? (int)role->len : 40, role->ptr),
            message_param(scan, index, "role"));
    scan->facts->developer |= json_raw_equals(*role, LIT("developer"));
    return true;
}

/* Of a message: what is of use to who made it, but hardly a text. */
static bool is_sealed(struct slice key)
{
    return openai_is(key, LIT("reasoning_details")) || openai_is(key, LIT("annotations"));
}

static bool read_message(struct scan *scan, unsigned index, bool *is_user)
{
    struct json *json = &scan->json;
    struct slice key, role = SLICE_NONE, calls;
    if (json_peek(json) != JSON_OBJECT)
        return wrong_type(scan, message_param(scan, index, ""), "an object");
    json_object(json);
    while (json_member(json, &key)) {
        bool good = true;
        if (openai_is(key, LIT("role"))) {
            good = read_role(scan, index, &role);
        } else if (openai_is(key, LIT("content"))) {
            good = read_content(scan, index);
        } else if (openai_is(key, LIT("tool_calls"))) {
            good = json_skip(json, &calls);
            if (good)
                facts_add_text(scan->facts, calls);
            scan->facts->foreign_thinking |= good && slice_find(calls, LIT("\"thought_signature\"")) != NULL;
        } else if (openai_is(key, LIT("thinking_blocks")) || openai_is(key, LIT("extra_content"))) {
            scan->facts->foreign_thinking = true;
            good = json_skip(json, NULL);
        } else {
            good = is_sealed(key) ? json_skip(json, NULL) : facts_skip(scan->facts, json);
        }
        if (!good)
            return false;
    }
    *is_user = openai_is(role, LIT("user"));
    return json->error == JSON_OK && (role.len > 0 || missing(scan, message_param(scan, index, "role")));
}

static bool read_messages(struct scan *scan)
{
    struct json *json = &scan->json;
    unsigned count = 0;
    bool is_user = false, opened = false;
    if (json_peek(json) != JSON_ARRAY)
        return wrong_type(scan, LIT("messages"), "an array of objects");
    const char *begin = json->at;
    json_array(json);
    while (json_element(json)) {
        if (!read_message(scan, count++, &is_user))
            return false;
        scan->facts->message_count = count;
        if (!opened)
            scan->facts->opening_json = (struct slice){begin, (size_t)(json->at - begin)};
        opened |= is_user;
    }
    if (json->error != JSON_OK)
        return false;
    return count > 0 ||
           complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'messages': empty array. Expected at least one message."), LIT("messages"));
}

/* ---------------------------------------------------------------- prompts and inputs */

static bool read_tokens(struct scan *scan, enum field field)
{
    struct json *json = &scan->json;
    struct slice number;
    json_array(json);
    while (json_element(json)) {
        if (json_peek(json) != JSON_NUMBER)
            return wrong_type(scan, field_names[field], "a list of token ids");
        if (!json_number(json, &number))
            return false;
        scan->facts->prompt_weight += 1000;
    }
    return json->error == JSON_OK;
}

/* A string, a list of strings, a list of token ids, or a list of such lists. */
static bool read_prompt(struct scan *scan, enum field field)
{
    struct json *json = &scan->json;
    struct slice text, name = field_names[field];
    size_t count = 0;
    if (json_peek(json) == JSON_STRING) {
        if (!json_string(json, &text))
            return false;
        facts_add_text(scan->facts, text);
        return text.len > 0 || field == FIELD_PROMPT || complain(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'input': it is empty."), name);
    }
    if (json_peek(json) != JSON_ARRAY)
        return wrong_type(scan, name, "a string or an array");
    json_array(json);
    for (; json_element(json); count++) {
        enum json_type type = json_peek(json);
        bool good = type == JSON_STRING   ? json_string(json, &text)
                    : type == JSON_NUMBER ? json_number(json, &text)
                    : type == JSON_ARRAY  ? read_tokens(scan, field)
                                          : wrong_type(scan, name, "an array of strings or token ids");
        if (!good)
            return false;
        if (type == JSON_STRING)
            facts_add_text(scan->facts, text);
        else if (type == JSON_NUMBER)
            scan->facts->prompt_weight += 1000;
        scan->facts->prompt_count += type != JSON_NUMBER; /* numbers are one prompt, of token ids */
    }
    return json->error == JSON_OK &&
           (count > 0 || complain(scan, FAILURE_BAD_PARAMETER,
                                  arena_printf(scan->arena, "Invalid '%.*s': the array is empty.", (int)name.len, name.ptr), name));
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

static bool read_count(struct scan *scan, enum field field, int64_t *count)
{
    struct slice number, name = field_names[field];
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_NUMBER)
        return wrong_type(scan, name, "an integer");
    if (!json_number(&scan->json, &number))
        return false;
    if (slice_to_int(number, count) && *count >= 1)
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena, "Invalid '%.*s': expected an integer of at least 1, but got %.*s.", (int)name.len, name.ptr,
                                 number.len < 32 ? (int)number.len : 32, number.ptr),
                    name);
}

/* n, or best_of where more are made than are shown. */
static bool read_answers(struct scan *scan, enum field field)
{
    int64_t count = 0;
    if (!read_count(scan, field, &count))
        return false;
    if (count > ANSWERS_MAX) {
        struct slice name = field_names[field];
        return complain(scan, FAILURE_BAD_PARAMETER,
                        arena_printf(scan->arena, "Invalid '%.*s': expected an integer of at most 128.", (int)name.len, name.ptr), name);
    }
    if (count > scan->facts->answer_count)
        scan->facts->answer_count = count;
    return true;
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

static bool read_stream_options(struct scan *scan)
{
    struct json *json = &scan->json;
    struct facts *facts = scan->facts;
    struct slice key;
    facts->stream_options.at = json_offset(json);
    facts->stream_options_empty = true;
    if (json_peek(json) == JSON_NULL) {
        json_skip(json, NULL);
    } else {
        if (json_peek(json) != JSON_OBJECT)
            return wrong_type(scan, LIT("stream_options"), "an object");
        json_object(json);
        while (json_member(json, &key)) {
            facts->stream_options_empty = false;
            bool usage = json_raw_equals(key, LIT("include_usage"));
            size_t at = json_offset(json);
            if (usage && json_peek(json) != JSON_TRUE && json_peek(json) != JSON_FALSE && json_peek(json) != JSON_NULL)
                return wrong_type(scan, LIT("stream_options.include_usage"), "a boolean");
            if (usage)
                facts->include_usage = json_peek(json) == JSON_TRUE;
            if (!json_skip(json, NULL))
                return false;
            if (usage)
                facts->include_usage_value = (struct span){at, (size_t)(json->at - json->start) - at};
        }
    }
    facts->stream_options.len = (size_t)(json->at - json->start) - facts->stream_options.at;
    return json->error == JSON_OK;
}

static bool read_tools(struct scan *scan, enum field field)
{
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_ARRAY)
        return wrong_type(scan, field_names[field], "an array");
    if (!json_skip(&scan->json, &raw))
        return false;
    if (raw.len > 2)
        scan->facts->needs |= NEED_TOOLS;
    facts_add_text(scan->facts, raw);
    return true;
}

static bool read_format(struct scan *scan)
{
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type != JSON_NULL && type != JSON_OBJECT)
        return wrong_type(scan, LIT("response_format"), "an object");
    if (!json_skip(&scan->json, &raw))
        return false;
    if (type == JSON_OBJECT && json_raw_equals(json_find_string(raw, "type"), LIT("json_schema")))
        scan->facts->needs |= NEED_JSON_SCHEMA;
    facts_add_rest(scan->facts, raw);
    return true;
}

static bool read_effort(struct scan *scan)
{
    struct slice raw = SLICE_NONE;
    if (!read_text(scan, FIELD_REASONING_EFFORT, &raw))
        return false;
    if (raw.len > 0 && !json_raw_equals(raw, LIT("none")))
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
    /* OpenRouter has a field `provider` of its own, an object: that one is not ours. */
    if (field == FIELD_PROVIDER && json_peek(&scan->json) == JSON_OBJECT) {
        scan->only_extensions = false;
        return json_skip(&scan->json, NULL);
    }
    bool good = field == FIELD_FALLBACK ? read_flag(scan, field, &value)
                                        : read_text(scan, field, field == FIELD_STRATEGY ? &facts->strategy_raw : &facts->provider_raw);
    if (!good)
        return false;
    if (field == FIELD_FALLBACK)
        facts->fallback = value;
    cut_extension(scan);
    return true;
}

/* ---------------------------------------------------------------- the scan */

/* Most keys have a length of their own; a spelling with escapes means the same to a provider and so to us. */
static enum field field_of(struct slice key)
{
    bool escaped = memchr(key.ptr, '\\', key.len) != NULL;
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (escaped ? json_raw_equals(key, field_names[i]) : slice_equals(key, field_names[i]))
            return (enum field)i;
    return FIELD_COUNT;
}

static struct span key_span(const struct scan *scan, struct slice key)
{
    return (struct span){scan->key_at, key.len + 2};
}

static bool read_field(struct scan *scan, enum field field, struct slice key)
{
    struct facts *facts = scan->facts;
    bool flag = false;
    switch (field) {
    case FIELD_MODEL:
        return read_model(scan);
    case FIELD_MESSAGES:
        return read_messages(scan);
    case FIELD_STREAM:
        return read_flag(scan, field, &facts->stream);
    case FIELD_STREAM_OPTIONS:
        return read_stream_options(scan);
    case FIELD_MAX_TOKENS:
        facts->max_tokens_key = key_span(scan, key);
        return read_count(scan, field, facts->max_completion_key.len > 0 ? &(int64_t){0} : &facts->max_tokens);
    case FIELD_MAX_COMPLETION_TOKENS:
        facts->max_completion_key = key_span(scan, key);
        return read_count(scan, field, &facts->max_tokens);
    case FIELD_TEMPERATURE:
        return read_temperature(scan);
    case FIELD_TOOLS:
    case FIELD_FUNCTIONS:
        return read_tools(scan, field);
    case FIELD_RESPONSE_FORMAT:
        return read_format(scan);
    case FIELD_REASONING_EFFORT:
        return read_effort(scan);
    case FIELD_USER:
        return read_text(scan, field, &facts->user_raw);
    case FIELD_METADATA:
        return json_skip(&scan->json, &facts->metadata_json);
    case FIELD_STORE:
    case FIELD_BACKGROUND:
        if (!read_flag(scan, field, &flag))
            return false;
        facts->replayable &= !flag;
        return true;
    case FIELD_SEED:
        facts->seed_key = key_span(scan, key);
        return json_skip(&scan->json, NULL);
    case FIELD_BEST_OF: /* a chat has no such thing */
        if (scan->kind != OPENAI_COMPLETION)
            return json_skip(&scan->json, NULL);
        return read_answers(scan, field);
    case FIELD_N:
        return read_answers(scan, field);
    case FIELD_STRATEGY:
    case FIELD_PROVIDER:
    case FIELD_FALLBACK:
        return read_extension(scan, field);
    case FIELD_PROMPT:
    case FIELD_INPUT:
        return scan->kind == (field == FIELD_PROMPT ? OPENAI_COMPLETION : OPENAI_EMBEDDING) ? read_prompt(scan, field)
                                                                                            : json_skip(&scan->json, NULL);
    case FIELD_PREDICTION:
    case FIELD_SUFFIX:
        return facts_skip(facts, &scan->json);
    case FIELD_COUNT:
        break;
    }
    return json_skip(&scan->json, NULL);
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
        if (!read_field(scan, field, key))
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

bool openai_scan(enum openai_body kind, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const enum field required[] = {FIELD_MESSAGES, FIELD_PROMPT, FIELD_INPUT, FIELD_MESSAGES};
    struct scan scan = {.kind = kind, .body = body, .arena = arena, .facts = facts, .complaint = complaint, .only_extensions = true};
    *facts = (struct facts){.max_tokens = -1, .temperature = NAN, .replayable = true, .fallback = -1, .body_bytes = body.len};
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
    if (!(scan.seen & 1u << FIELD_MODEL)) {
        if (kind != OPENAI_SIMPLE)
            return missing(&scan, LIT("model"));
        facts->model_raw = LIT("auto");
    }
    return (scan.seen & 1u << required[kind]) || missing(&scan, field_names[required[kind]]);
}

bool openai_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return openai_scan(OPENAI_CHAT, body, arena, facts, complaint);
}
