/* scan_request.c -- what a request to /v1/responses says. Answers in the background are refused: the client could not fetch them from this gateway.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"
#include "providers/scan.h"

/* ---------------------------------------------------------------- input */

/* What a part holds, whatever the order of its members. */
struct part_seen {
    struct slice type, image, audio, file;
};

/* Every text counts, also one that is given twice. A value in the place of another kind of part is none. */
static bool read_part(struct scan *scan)
{
    static const struct scan_member list[] = {
        {LIT("type"), scan_take_string, offsetof(struct part_seen, type)},
        {LIT("text"), scan_add_text, 0},
        {LIT("image_url"), scan_take_string, offsetof(struct part_seen, image)},
        {LIT("input_audio"), scan_take_value, offsetof(struct part_seen, audio)},
        {LIT("file_data"), scan_take_string, offsetof(struct part_seen, file)},
        {LIT("annotations"), scan_ignore, 0},
        {LIT("logprobs"), scan_ignore, 0},
        {LIT("encrypted_content"), scan_ignore, 0},
    };
    static const struct scan_members members = SCAN_MEMBERS(list);
    struct part_seen part = {.type = SLICE_NONE};
    if (!scan_object(scan, &members, &part))
        return false;
    if (json_is(part.type, LIT("input_image")))
        facts_add_media(scan->facts, PART_IMAGE, part.image, SLICE_NONE, SLICE_NONE);
    else if (json_is(part.type, LIT("input_audio")))
        facts_add_media(scan->facts, PART_AUDIO, SLICE_NONE, SLICE_NONE, json_find_string(part.audio, "data"));
    else if (json_is(part.type, LIT("input_file")))
        facts_add_file(scan->facts, part.file);
    return true;
}

static const struct scan_role roles[] = {
    {.name = LIT("assistant")}, {.name = LIT("user")}, {.name = LIT("system")}, {.name = LIT("developer")}, {.name = SLICE_NONE},
};

/* Of a call, as the content of a message; a hosted tool's may be an object. */
static bool read_output(struct scan *scan, const struct scan_member *member, void *into)
{
    enum json_type type = json_peek(&scan->json);
    return type == JSON_STRING || type == JSON_ARRAY ? scan_take_content(scan, member, into) : scan_rest(scan, member, into);
}

static const struct scan_member item_members[] = {
    {LIT("role"), scan_take_role, 0},
    {LIT("content"), scan_take_content, 0},
    {LIT("output"), read_output, 0},
    {LIT("arguments"), scan_add_text, 0},
    {LIT("input"), scan_add_text, 0},
    {LIT("annotations"), scan_ignore, 0}, /* these three are of use to who shows an answer, but no text of the prompt */
    {LIT("logprobs"), scan_ignore, 0},
    {LIT("encrypted_content"), scan_ignore, 0},
};

static bool read_input(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    if (json_peek(&scan->json) != JSON_STRING)
        return scan_take_messages(scan, member, into);
    const char *begin = scan->json.at;
    facts->message_count++;
    if (!scan_add_text(scan, member, into))
        return false;
    facts->opening_json = (struct slice){begin, (size_t)(scan->json.at - begin)};
    return true;
}

/* ---------------------------------------------------------------- the other fields */

static bool read_instructions(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    struct slice quoted;
    if (!scan_typed(scan, member->name, JSON_STRING, &quoted))
        return false;
    if (quoted.len > 2) {
        facts_add_text(facts, (struct slice){quoted.ptr + 1, quoted.len - 2});
        facts->message_count++;
    }
    return true;
}

/* `text` with its format. */
static bool read_format(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    if (!scan_counted_object(scan, member->name, &raw))
        return false;
    if (json_is(json_find_string(json_find(raw, "format"), "type"), LIT("json_schema")))
        ((struct facts *)into)->needs |= NEED_JSON_SCHEMA;
    return true;
}

/* `reasoning` with its effort. */
static bool read_reasoning(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    if (!scan_counted_object(scan, member->name, &raw))
        return false;
    struct slice effort = json_find_string(raw, "effort");
    if (effort.len > 0 && !json_is(effort, LIT("none")))
        ((struct facts *)into)->needs |= NEED_REASONING;
    return true;
}

static bool read_background(struct scan *scan, const struct scan_member *member, void *into)
{
    if (json_peek(&scan->json) != JSON_TRUE)
        return scan_take_stored(scan, member, into);
    return json_skip(&scan->json, NULL) &&
           scan_refuse(scan, FAILURE_UNSUPPORTED_PARAMETER,
                       LIT("this gateway stores no responses: one that is made in the background could not be fetched"), member->name);
}

/* ---------------------------------------------------------------- the request */

static const struct scan_member request_members[] = {
    {LIT("model"), scan_take_model, 0},
    {LIT("input"), read_input, 0},
    {LIT("instructions"), read_instructions, 0},
    {LIT("stream"), scan_take_flag, offsetof(struct facts, stream)},
    {LIT("max_output_tokens"), scan_take_count, offsetof(struct facts, max_tokens)},
    {LIT("temperature"), scan_take_temperature, 0},
    {LIT("tools"), scan_take_tools, 0},
    {LIT("text"), read_format, 0},
    {LIT("reasoning"), read_reasoning, 0},
    {LIT("user"), scan_take_text, offsetof(struct facts, user_raw)},
    {LIT("metadata"), scan_take_value, offsetof(struct facts, metadata_json)},
    {LIT("store"), scan_take_stored, 0},
    {LIT("background"), read_background, 0},
    {LIT("previous_response_id"), scan_ignore, 0},
    {LIT("conversation"), scan_ignore, 0},
    {LIT("prompt"), scan_rest, 0}, /* one that is stored there, with the values of its variables */
    SCAN_EXTENSIONS,
};

static const struct scan_dialect dialect = {
    .request = SCAN_MEMBERS(request_members),
    .message = SCAN_MEMBERS(item_members),
    .roles = roles,
    .known_roles = "'assistant', 'system', 'developer', and 'user'",
    .read_part = read_part,
    .null_content = true,
    .expected = SCAN_OPENAI_TYPES,
    .messages = "a string or an array of items",
    .content = "a string or an array of parts",
    .part = "an array of objects",
    .place = "input[%u]%s%s",
    .no_messages = "Invalid 'input': empty array. Expected at least one item.",
    SCAN_OPENAI_WORDS,
};

bool responses_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const struct slice says_something[] = {LIT("input"), LIT("prompt"), LIT("previous_response_id"), LIT("conversation")};
    struct scan scan = {.dialect = &dialect, .arena = arena, .facts = facts, .complaint = complaint};
    if (!scan_request(&scan, body))
        return false;
    facts->include_usage = true; /* it stands in the last event whether it is asked for or not */
    if (!scan_has(&scan, LIT("model")))
        return scan_missing(&scan, LIT("model"));
    for (unsigned i = 0; i < sizeof says_something / sizeof *says_something; i++)
        if (scan_has(&scan, says_something[i]))
            return true;
    return scan_missing(&scan, LIT("input"));
}
