/* scan_request.c -- what a request of Anthropic's dialect says, in one pass over its bytes; and which edits make the same bytes fit for a provider
 * of the same dialect.
 *
 * Refused here, in the words of the API: what is not JSON, keys given twice that we and the provider could read differently, and wrong types of the
 * fields we lean on. Fields we do not know are the provider's to judge: betas come and go.
 * Sources: Anthropic's API reference and SDKs.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"
#include <math.h>

/* The fields that are looked at. */
/* clang-format off */
#define FIELDS(row)                                                                                                                        \
    row(MODEL, "model") row(MESSAGES, "messages") row(STREAM, "stream") row(MAX_TOKENS, "max_tokens") row(TEMPERATURE, "temperature")      \
        row(SYSTEM, "system") row(TOOLS, "tools") row(THINKING, "thinking") row(METADATA, "metadata")                                      \
            row(OUTPUT_CONFIG, "output_config") row(OUTPUT_FORMAT, "output_format") row(TOOL_CHOICE, "tool_choice")                        \
                row(STOP_SEQUENCES, "stop_sequences") row(STRATEGY, "routing_strategy") row(PROVIDER, "provider") row(FALLBACK, "fallback")
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

/* "messages.0.role: Input should be a valid string" */
static bool should_be(struct scan *scan, struct slice place, const char *expected)
{
    if (json_peek(&scan->json) == JSON_BAD)
        return false; /* not JSON at all: said at the end */
    return complain(scan, FAILURE_BAD_PARAMETER, arena_printf(scan->arena, "%.*s: Input should be %s", (int)place.len, place.ptr, expected),
                    place);
}

static bool required(struct scan *scan, struct slice place)
{
    return complain(scan, FAILURE_BAD_PARAMETER, arena_printf(scan->arena, "%.*s: Field required", (int)place.len, place.ptr), place);
}

static struct slice message_place(struct scan *scan, unsigned index, const char *field)
{
    return arena_printf(scan->arena, field[0] == '\0' ? "messages.%u%s" : "messages.%u.%s", index, field);
}

/* ---------------------------------------------------------------- blocks */

/* What one block says, whatever the order of its members. */
struct block {
    struct slice type, signature;
    struct slice source_type, media_type, data, url; /* of its source */
};

static bool read_blocks(struct scan *scan, int index);

/* A value in the place of another kind of block is none. */
static void note_block(struct facts *facts, const struct block *block)
{
    bool base64 = anthropic_is(block->source_type, LIT("base64"));
    if (anthropic_is(block->type, LIT("image")))
        facts_add_media(facts, PART_IMAGE, block->url, block->media_type, base64 ? block->data : SLICE_NONE);
    else if (anthropic_is(block->type, LIT("document")) && anthropic_is(block->source_type, LIT("text")))
        facts_add_text(facts, block->data);
    else if (anthropic_is(block->type, LIT("document")) && !anthropic_is(block->source_type, LIT("content")))
        facts_add_media(facts, PART_DOCUMENT, block->url, block->media_type, base64 ? block->data : SLICE_NONE);
    else if (anthropic_is(block->type, LIT("thinking")))
        facts->foreign_thinking |= anthropic_is_foreign(block->signature);
    if (anthropic_is(block->type, LIT("document")))
        facts->needs |= NEED_DOCUMENT;
}

/* Where a picture or a file is, or the blocks that a document is made of. */
static bool read_source(struct scan *scan, struct block *block, int index)
{
    struct json *json = &scan->json;
    struct slice key;
    const struct {
        struct slice name;
        struct slice *text;
    } texts[] = {{LIT("type"), &block->source_type},
                 {LIT("media_type"), &block->media_type},
                 {LIT("data"), &block->data},
                 {LIT("url"), &block->url}};
    if (json_peek(json) != JSON_OBJECT)
        return facts_skip(scan->facts, json);
    json_object(json);
    while (json_member(json, &key)) {
        enum json_type type = json_peek(json);
        unsigned i = 0;
        while (i < sizeof texts / sizeof *texts && !(type == JSON_STRING && anthropic_is(key, texts[i].name)))
            i++;
        bool content = anthropic_is(key, LIT("content")) && (type == JSON_STRING || type == JSON_ARRAY);
        if (!(i < sizeof texts / sizeof *texts ? json_string(json, texts[i].text)
              : content                        ? read_blocks(scan, index)
                                               : facts_skip(scan->facts, json)))
            return false;
    }
    return json->error == JSON_OK;
}

/* What is of use to who made it, but no text of the prompt. */
static bool is_sealed(struct slice key)
{
    return anthropic_is(key, LIT("signature")) || anthropic_is(key, LIT("citations")) || anthropic_is(key, LIT("data"));
}

/* Every text counts, also one that is given twice. */
static bool read_block_member(struct scan *scan, struct block *block, struct slice key, int index)
{
    struct json *json = &scan->json;
    struct slice text = SLICE_NONE;
    enum json_type type = json_peek(json);
    if (type == JSON_STRING && (anthropic_is(key, LIT("text")) || anthropic_is(key, LIT("thinking")))) {
        bool good = json_string(json, &text);
        facts_add_text(scan->facts, text);
        return good;
    }
    if (type == JSON_STRING && anthropic_is(key, LIT("type")))
        return json_string(json, &block->type);
    if (type == JSON_STRING && anthropic_is(key, LIT("signature")))
        return json_string(json, &block->signature);
    if (anthropic_is(key, LIT("content")) && (type == JSON_STRING || type == JSON_ARRAY))
        return read_blocks(scan, index);
    if (anthropic_is(key, LIT("source")))
        return read_source(scan, block, index);
    if (anthropic_is(key, LIT("input"))) {
        bool good = json_skip(json, &text);
        facts_add_text(scan->facts, text);
        return good;
    }
    return is_sealed(key) ? json_skip(json, NULL) : facts_skip(scan->facts, json);
}

static bool should_be_blocks(struct scan *scan, int index, const char *expected)
{
    return should_be(scan, index < 0 ? LIT("system") : message_place(scan, (unsigned)index, "content"), expected);
}

/* A string, or a list of blocks: the content of a message, and of results and documents in it; the system prompt (index -1). */
static bool read_blocks(struct scan *scan, int index)
{
    struct json *json = &scan->json;
    struct slice key, text;
    if (json_peek(json) == JSON_STRING) {
        if (!json_string(json, &text))
            return false;
        facts_add_text(scan->facts, text);
        return true;
    }
    if (json_peek(json) != JSON_ARRAY)
        return should_be_blocks(scan, index, "a valid list");
    json_array(json);
    while (json_element(json)) {
        struct block block = {.type = SLICE_NONE};
        if (json_peek(json) != JSON_OBJECT)
            return should_be_blocks(scan, index, "a list of content blocks");
        json_object(json);
        while (json_member(json, &key))
            if (!read_block_member(scan, &block, key, index))
                return false;
        if (json->error != JSON_OK)
            return false;
        note_block(scan->facts, &block);
    }
    return json->error == JSON_OK;
}

/* ---------------------------------------------------------------- messages */

static bool read_role(struct scan *scan, unsigned index, struct slice *role)
{
    if (json_peek(&scan->json) != JSON_STRING)
        return should_be(scan, message_place(scan, index, "role"), "a valid string");
    if (!json_string(&scan->json, role))
        return false;
    if (anthropic_is(*role, LIT("user")) || anthropic_is(*role, LIT("assistant")) || anthropic_is(*role, LIT("system")))
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER,
                    arena_printf(scan->arena, "messages.%u.role: Input should be 'user' or 'assistant'", index),
                    message_place(scan, index, "role"));
}

static bool read_message(struct scan *scan, unsigned index, bool *is_user)
{
    struct json *json = &scan->json;
    struct slice key, role = SLICE_NONE;
    bool content = false;
    if (json_peek(json) != JSON_OBJECT)
        return should_be(scan, message_place(scan, index, ""), "a valid dictionary");
    json_object(json);
    while (json_member(json, &key)) {
        bool good;
        if (anthropic_is(key, LIT("role"))) {
            good = read_role(scan, index, &role);
        } else if (anthropic_is(key, LIT("content"))) {
            content = true;
            good = read_blocks(scan, (int)index);
        } else {
            good = facts_skip(scan->facts, json);
        }
        if (!good)
            return false;
    }
    if (json->error != JSON_OK)
        return false;
    *is_user = anthropic_is(role, LIT("user"));
    return (role.len > 0 || required(scan, message_place(scan, index, "role"))) &&
           (content || required(scan, message_place(scan, index, "content")));
}

static bool read_messages(struct scan *scan)
{
    struct json *json = &scan->json;
    unsigned count = 0;
    bool is_user = false, opened = false;
    if (json_peek(json) != JSON_ARRAY)
        return should_be(scan, LIT("messages"), "a valid list");
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
    return count > 0 || complain(scan, FAILURE_BAD_PARAMETER, LIT("messages: at least one message is required"), LIT("messages"));
}

/* ---------------------------------------------------------------- the other fields */

static bool read_flag(struct scan *scan, enum field field, bool *value)
{
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return should_be(scan, field_names[field], "a valid boolean");
    return json_bool(&scan->json, value);
}

static bool read_text(struct scan *scan, enum field field, struct slice *raw)
{
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_STRING)
        return should_be(scan, field_names[field], "a valid string");
    return json_string(&scan->json, raw);
}

/* 0 is a request to fill the cache and say nothing. */
static bool read_max_tokens(struct scan *scan)
{
    struct slice number;
    if (json_peek(&scan->json) != JSON_NUMBER)
        return should_be(scan, LIT("max_tokens"), "a valid integer");
    if (!json_number(&scan->json, &number))
        return false;
    if (json_to_count(number, &scan->facts->max_tokens))
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER, LIT("max_tokens: Input should be a valid integer of at least 0"), LIT("max_tokens"));
}

static bool read_temperature(struct scan *scan)
{
    struct slice number;
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_NUMBER)
        return should_be(scan, LIT("temperature"), "a valid number");
    if (!json_number(&scan->json, &number))
        return false;
    if (json_to_double(number, &scan->facts->temperature) && isfinite(scan->facts->temperature))
        return true;
    return complain(scan, FAILURE_BAD_PARAMETER, LIT("temperature: Input should be a finite number"), LIT("temperature"));
}

static bool read_tools(struct scan *scan)
{
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_ARRAY)
        return should_be(scan, LIT("tools"), "a valid list");
    if (!json_skip(&scan->json, &raw))
        return false;
    if (slice_trim((struct slice){raw.ptr + 1, raw.len - 2}).len > 0)
        scan->facts->needs |= NEED_TOOLS;
    facts_add_text(scan->facts, raw);
    return true;
}

/* thinking, metadata, output_config, output_format. */
static bool read_object(struct scan *scan, enum field field)
{
    struct facts *facts = scan->facts;
    struct slice raw;
    enum json_type type = json_peek(&scan->json);
    if (type != JSON_NULL && type != JSON_OBJECT)
        return should_be(scan, field_names[field], "a valid dictionary");
    if (!json_skip(&scan->json, &raw))
        return false;
    if (type == JSON_NULL)
        return true;
    if (field == FIELD_THINKING && anthropic_thinks(raw))
        facts->needs |= NEED_REASONING;
    if (field == FIELD_METADATA) {
        facts->metadata_json = raw;
        facts->user_raw = json_find_string(raw, "user_id");
    }
    if (field == FIELD_OUTPUT_CONFIG || field == FIELD_OUTPUT_FORMAT)
        facts_add_rest(facts, raw);
    struct slice format = field == FIELD_OUTPUT_CONFIG ? json_find(raw, "format") : field == FIELD_OUTPUT_FORMAT ? raw : SLICE_NONE;
    if (anthropic_is(json_find_string(format, "type"), LIT("json_schema")))
        facts->needs |= NEED_JSON_SCHEMA;
    return true;
}

static bool read_model(struct scan *scan)
{
    struct facts *facts = scan->facts;
    facts->model.at = json_offset(&scan->json);
    if (json_peek(&scan->json) != JSON_STRING)
        return should_be(scan, LIT("model"), "a valid string");
    if (!json_string(&scan->json, &facts->model_raw))
        return false;
    facts->model.len = facts->model_raw.len + 2;
    if (slice_find(facts->model_raw, LIT("\\u0000")) != NULL) /* a name that ends early for some and not for others */
        return complain(scan, FAILURE_BAD_PARAMETER, LIT("model: Input should be a string without NUL"), LIT("model"));
    return facts->model_raw.len > 0 ||
           complain(scan, FAILURE_BAD_PARAMETER, LIT("model: String should have at least 1 character"), LIT("model"));
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
    if (field == FIELD_PROVIDER && json_peek(&scan->json) == JSON_OBJECT) { /* OpenRouter's field of that name is not ours */
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

static enum field field_of(struct slice key)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (anthropic_is(key, field_names[i]))
            return (enum field)i;
    return FIELD_COUNT;
}

static bool read_field(struct scan *scan, enum field field)
{
    struct facts *facts = scan->facts;
    switch (field) {
    case FIELD_MODEL:
        return read_model(scan);
    case FIELD_MESSAGES:
        return read_messages(scan);
    case FIELD_STREAM:
        return read_flag(scan, field, &facts->stream);
    case FIELD_MAX_TOKENS:
        return read_max_tokens(scan);
    case FIELD_TEMPERATURE:
        return read_temperature(scan);
    case FIELD_SYSTEM:
        return json_peek(&scan->json) == JSON_NULL ? json_skip(&scan->json, NULL) : read_blocks(scan, -1);
    case FIELD_TOOLS:
        return read_tools(scan);
    case FIELD_THINKING:
    case FIELD_METADATA:
    case FIELD_OUTPUT_CONFIG:
    case FIELD_OUTPUT_FORMAT:
        return read_object(scan, field);
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
                return complain(scan, FAILURE_DUPLICATE_KEY, arena_printf(scan->arena, "%s: Field is given twice", field_names[field].ptr),
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
        arena_printf(scan->arena, "The request body is not valid JSON: %s, at byte %zu.", what, (size_t)(scan->json.at - scan->json.start)),
        SLICE_NONE);
}

bool anthropic_scan(bool count, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const enum field needed[] = {FIELD_MODEL, FIELD_MESSAGES, FIELD_MAX_TOKENS};
    struct scan scan = {.body = body, .arena = arena, .facts = facts, .complaint = complaint, .only_extensions = true};
    *facts = (struct facts){
        .max_tokens = -1, .temperature = NAN, .replayable = true, .fallback = -1, .include_usage = true, .body_bytes = body.len};
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    json_init(&scan.json, body, JSON_DEPTH_MAX);
    enum json_type type = json_peek(&scan.json);
    if (type == JSON_BAD)
        return not_json(&scan);
    if (type != JSON_OBJECT)
        return complain(&scan, FAILURE_BAD_JSON, LIT("The request body must be a JSON object."), SLICE_NONE);
    json_object(&scan.json);
    facts->object_start = (size_t)(scan.json.at - scan.json.start);
    if (!read_members(&scan))
        return not_json(&scan);
    for (unsigned i = 0; i < (count ? 2 : 3); i++)
        if (!(scan.seen & 1u << needed[i]))
            return required(&scan, field_names[needed[i]]);
    facts->stream &= !count;
    return true;
}

bool anthropic_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return anthropic_scan(false, body, arena, facts, complaint);
}

/* ---------------------------------------------------------------- edits */

static unsigned put_edit(struct edit *edits, unsigned count, size_t at, size_t len, struct slice text)
{
    unsigned i = count;
    while (i > 0 && edits[i - 1].at > at) {
        edits[i] = edits[i - 1];
        i--;
    }
    edits[i] = (struct edit){at, len, text};
    return count + 1;
}

int anthropic_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX])
{
    struct edit cuts[2];
    unsigned count = 0, cut_count = facts->foreign_thinking ? anthropic_cut_reasoning(body, arena, cuts) : 0;
    (void)provider;
    if (facts->foreign_thinking && cut_count == 0)
        return -1; /* no memory: said by whoever tries the other way */
    struct slice plain = json_escape(arena, model->model);
    if (!slice_equals(plain, facts->model_raw))
        count = put_edit(edits, count, facts->model.at + 1, facts->model.len - 2, plain);
    for (unsigned i = 0; i < facts->extension_count; i++)
        count = put_edit(edits, count, facts->extensions[i].at, facts->extensions[i].len, SLICE_NONE);
    for (unsigned i = 0; i < cut_count; i++)
        count = put_edit(edits, count, cuts[i].at, cuts[i].len, cuts[i].text);
    return (int)count;
}
