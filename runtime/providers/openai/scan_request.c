/* scan_request.c -- what a chat request of OpenAI's dialect says; also (legacy) completions, embeddings and the gateway's own POST /completion.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"
#include "providers/scan.h"

enum { ANSWERS_MAX = 128 }; /* OpenAI's own bound */

/* ---------------------------------------------------------------- messages */

/* Where a part may hold a picture, a sound, a film or a file. */
struct part_seen {
    struct slice type, image, audio, file, other; /* other: audio_url, video_url */
};

/* {"url": …}, or the address itself. */
static struct slice address_of(struct slice json)
{
    return json.len > 1 && json.ptr[0] == '"' ? (struct slice){json.ptr + 1, json.len - 2} : json_find_string(json, "url");
}

/* A value in the place of another kind of part is none. */
static void note_part(struct facts *facts, const struct part_seen *part)
{
    struct slice type = part->type;
    unsigned needs = facts->needs;
    if (json_is(type, LIT("text"))) /* nearly all are */
        return;
    if (json_is(type, LIT("image_url"))) {
        facts_add_media(facts, PART_IMAGE, address_of(part->image), SLICE_NONE, SLICE_NONE);
    } else if (json_is(type, LIT("audio_url")) || json_is(type, LIT("video_url"))) { /* COMPAT(vllm, openrouter, 2026-08) */
        facts_add_media(facts, PART_AUDIO, address_of(part->other), SLICE_NONE, SLICE_NONE);
        facts->needs = needs; /* who can do with it is not known here */
    } else if (json_is(type, LIT("input_audio"))) {
        facts_add_media(facts, PART_AUDIO, SLICE_NONE, SLICE_NONE, json_find_string(part->audio, "data"));
    } else if (json_is(type, LIT("file"))) {
        facts_add_file(facts, json_find_string(part->file, "file_data"));
    }
}

/* Every text counts, also one that is given twice. */
static bool read_part(struct scan *scan)
{
    static const struct scan_member list[] = {
        {LIT("type"), scan_take_string, offsetof(struct part_seen, type)},
        {LIT("text"), scan_add_text, 0},
        {LIT("image_url"), scan_take_value, offsetof(struct part_seen, image)},
        {LIT("input_audio"), scan_take_value, offsetof(struct part_seen, audio)},
        {LIT("file"), scan_take_value, offsetof(struct part_seen, file)},
        {LIT("audio_url"), scan_take_value, offsetof(struct part_seen, other)},
        {LIT("video_url"), scan_take_value, offsetof(struct part_seen, other)},
    };
    static const struct scan_members members = SCAN_MEMBERS(list);
    struct part_seen part = {.type = SLICE_NONE};
    if (!scan_object(scan, &members, &part))
        return false;
    note_part(scan->facts, &part);
    return true;
}

static const struct scan_role roles[] = {
    {.name = LIT("assistant")}, {.name = LIT("user")},     {.name = LIT("system")}, {LIT("developer"), true},
    {.name = LIT("tool")},      {.name = LIT("function")}, {.name = SLICE_NONE},
};

static bool read_calls(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice calls;
    (void)member;
    (void)into;
    if (!json_skip(&scan->json, &calls))
        return false;
    facts_add_text(scan->facts, calls);
    scan->facts->foreign_thinking |= slice_find(calls, LIT("\"thought_signature\"")) != NULL;
    return true;
}

static bool read_foreign(struct scan *scan, const struct scan_member *member, void *into)
{
    scan->facts->foreign_thinking = true;
    return scan_ignore(scan, member, into);
}

static const struct scan_member message_members[] = {
    {LIT("role"), scan_take_role, 0},
    {LIT("content"), scan_take_content, 0},
    {LIT("tool_calls"), read_calls, 0},
    {LIT("thinking_blocks"), read_foreign, 0},
    {LIT("extra_content"), read_foreign, 0},
    {LIT("reasoning_details"), scan_ignore, 0}, /* these two are of use to who made them, but hardly texts */
    {LIT("annotations"), scan_ignore, 0},
};

/* ---------------------------------------------------------------- prompts and inputs */

enum { TOKEN_WEIGHT = 1000 }; /* of a token's id: thousandths, as in estimate.c */

static bool read_tokens(struct scan *scan, struct slice name)
{
    struct json *json = &scan->json;
    struct slice number;
    json_array(json);
    while (json_element(json)) {
        if (json_peek(json) != JSON_NUMBER)
            return scan_wrong_type(scan, name, "a list of token ids");
        if (!json_number(json, &number))
            return false;
        scan->facts->prompt_weight += TOKEN_WEIGHT;
    }
    return json->error == JSON_OK;
}

/* A string, a list of strings, a list of token ids, or a list of such lists. */
static bool read_prompts(struct scan *scan, struct slice name)
{
    struct json *json = &scan->json;
    struct facts *facts = scan->facts;
    struct slice text;
    size_t count = 0;
    if (json_peek(json) != JSON_ARRAY)
        return scan_wrong_type(scan, name, "a string or an array");
    json_array(json);
    for (; json_element(json); count++) {
        enum json_type type = json_peek(json);
        bool good = type == JSON_STRING   ? json_string(json, &text)
                    : type == JSON_NUMBER ? json_number(json, &text)
                    : type == JSON_ARRAY  ? read_tokens(scan, name)
                                          : scan_wrong_type(scan, name, "an array of strings or token ids");
        if (!good)
            return false;
        if (type == JSON_STRING)
            facts_add_text(facts, text);
        else if (type == JSON_NUMBER)
            facts->prompt_weight += TOKEN_WEIGHT;
        facts->prompt_count += type != JSON_NUMBER; /* numbers are one prompt, of token ids */
    }
    return json->error == JSON_OK &&
           (count > 0 || scan_refuse(scan, FAILURE_BAD_PARAMETER,
                                     arena_printf(scan->arena, "Invalid '%.*s': the array is empty.", (int)name.len, name.ptr), name));
}

static bool read_prompt(struct scan *scan, const struct scan_member *member, void *into)
{
    if (scan->variant != OPENAI_COMPLETION)
        return scan_ignore(scan, member, into);
    return json_peek(&scan->json) == JSON_STRING ? scan_add_text(scan, member, into) : read_prompts(scan, member->name);
}

static bool read_input(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice text;
    if (scan->variant != OPENAI_EMBEDDING)
        return scan_ignore(scan, member, into);
    if (json_peek(&scan->json) != JSON_STRING)
        return read_prompts(scan, member->name);
    if (!json_string(&scan->json, &text))
        return false;
    facts_add_text(scan->facts, text);
    return text.len > 0 || scan_refuse(scan, FAILURE_BAD_PARAMETER, LIT("Invalid 'input': it is empty."), member->name);
}

/* ---------------------------------------------------------------- the other fields */

/* The newer name counts, and the older one only without it. */
static bool read_max_tokens(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    int64_t count = facts->max_tokens;
    facts->max_tokens_key = scan->key;
    if (!scan_take_count(scan, member, into))
        return false;
    if (facts->max_completion_key.len > 0)
        facts->max_tokens = count;
    return true;
}

static bool read_max_completion(struct scan *scan, const struct scan_member *member, void *into)
{
    ((struct facts *)into)->max_completion_key = scan->key;
    return scan_take_count(scan, member, into);
}

static bool read_seed(struct scan *scan, const struct scan_member *member, void *into)
{
    ((struct facts *)into)->seed_key = scan->key;
    return scan_ignore(scan, member, into);
}

/* How many are made: n, or best_of where more are made than are shown. */
static bool read_answers(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    struct slice name = member->name;
    int64_t before = facts->answer_count;
    if (!scan_take_count(scan, member, into))
        return false;
    if (facts->answer_count > ANSWERS_MAX)
        return scan_refuse(scan, FAILURE_BAD_PARAMETER,
                           arena_printf(scan->arena, "Invalid '%.*s': expected an integer of at most 128.", (int)name.len, name.ptr), name);
    if (facts->answer_count < before)
        facts->answer_count = before;
    return true;
}

static bool read_best_of(struct scan *scan, const struct scan_member *member, void *into)
{
    return scan->variant == OPENAI_COMPLETION ? read_answers(scan, member, into) : scan_ignore(scan, member, into);
}

static bool read_stream_options(struct scan *scan, const struct scan_member *member, void *into)
{
    struct json *json = &scan->json;
    struct facts *facts = into;
    struct slice key;
    facts->stream_options.at = json_offset(json);
    facts->stream_options_empty = true;
    if (!json_take_null(json)) {
        if (json_peek(json) != JSON_OBJECT)
            return scan_wrong_type(scan, member->name, "an object");
        json_object(json);
        while (json_member(json, &key)) {
            facts->stream_options_empty = false;
            bool usage = json_is(key, LIT("include_usage"));
            size_t at = json_offset(json);
            enum json_type type = json_peek(json);
            if (usage && type != JSON_TRUE && type != JSON_FALSE && type != JSON_NULL)
                return scan_wrong_type(scan, LIT("stream_options.include_usage"), "a boolean");
            if (usage)
                facts->include_usage = type == JSON_TRUE;
            if (!json_skip(json, NULL))
                return false;
            if (usage)
                facts->include_usage_value = (struct span){at, (size_t)(json->at - json->start) - at};
        }
    }
    facts->stream_options.len = (size_t)(json->at - json->start) - facts->stream_options.at;
    return json->error == JSON_OK;
}

static bool read_format(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    if (!scan_counted_object(scan, member->name, &raw))
        return false;
    if (json_is(json_find_string(raw, "type"), LIT("json_schema")))
        ((struct facts *)into)->needs |= NEED_JSON_SCHEMA;
    return true;
}

static bool read_effort(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice quoted;
    (void)into;
    if (!scan_typed(scan, member->name, JSON_STRING, &quoted))
        return false;
    if (quoted.len > 2 && !json_is((struct slice){quoted.ptr + 1, quoted.len - 2}, LIT("none")))
        scan->facts->needs |= NEED_REASONING;
    return true;
}

/* ---------------------------------------------------------------- the request */

static const struct scan_member request_members[] = {
    {LIT("model"), scan_take_model, 0},
    {LIT("messages"), scan_take_messages, 0},
    {LIT("stream"), scan_take_flag, offsetof(struct facts, stream)},
    {LIT("stream_options"), read_stream_options, 0},
    {LIT("max_tokens"), read_max_tokens, offsetof(struct facts, max_tokens)},
    {LIT("max_completion_tokens"), read_max_completion, offsetof(struct facts, max_tokens)},
    {LIT("temperature"), scan_take_temperature, 0},
    {LIT("tools"), scan_take_tools, 0},
    {LIT("functions"), scan_take_tools, 0},
    {LIT("response_format"), read_format, 0},
    {LIT("reasoning_effort"), read_effort, 0},
    {LIT("user"), scan_take_text, offsetof(struct facts, user_raw)},
    {LIT("metadata"), scan_take_value, offsetof(struct facts, metadata_json)},
    {LIT("store"), scan_take_stored, 0},
    {LIT("background"), scan_take_stored, 0},
    {LIT("seed"), read_seed, 0},
    {LIT("n"), read_answers, offsetof(struct facts, answer_count)},
    {LIT("best_of"), read_best_of, offsetof(struct facts, answer_count)},
    {LIT("prompt"), read_prompt, 0},
    {LIT("input"), read_input, 0},
    {LIT("prediction"), scan_rest, 0},
    {LIT("suffix"), scan_rest, 0},
    SCAN_EXTENSIONS,
};

static const struct scan_dialect dialect = {
    .request = SCAN_MEMBERS(request_members),
    .message = SCAN_MEMBERS(message_members),
    .roles = roles,
    .known_roles = "'system', 'developer', 'assistant', 'user', 'tool' and 'function'",
    .read_part = read_part,
    .null_content = true,
    .needs_role = true,
    .expected = SCAN_OPENAI_TYPES,
    .messages = "an array of objects",
    .content = "a string or an array of parts",
    .part = "an object",
    .part_suffix = "[]",
    .place = "messages[%u]%s%s",
    .no_messages = "Invalid 'messages': empty array. Expected at least one message.",
    SCAN_OPENAI_WORDS,
};

bool openai_scan(enum openai_body kind, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const struct slice needed[] = {LIT("messages"), LIT("prompt"), LIT("input"), LIT("messages")};
    struct scan scan = {.dialect = &dialect, .variant = kind, .arena = arena, .facts = facts, .complaint = complaint};
    if (!scan_request(&scan, body))
        return false;
    if (kind == OPENAI_SIMPLE && !scan_has(&scan, LIT("model")))
        facts->model_raw = LIT("auto");
    else if (!scan_has(&scan, LIT("model")))
        return scan_missing(&scan, LIT("model"));
    return scan_has(&scan, needed[kind]) || scan_missing(&scan, needed[kind]);
}

bool openai_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return openai_scan(OPENAI_CHAT, body, arena, facts, complaint);
}
