/* scan_request.c -- what a request of Anthropic's dialect says, in the words of its API. Fields without a row are the provider's to judge: betas come and
 * go.
 * Sources: Anthropic's API reference and SDKs.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"
#include "providers/scan.h"

/* ---------------------------------------------------------------- blocks */

/* What one block says, whatever the order of its members. */
struct block {
    struct slice type, signature;
    struct slice source_type, media_type, data, url; /* of its source */
};

/* A value in the place of another kind of block is none. */
static void note_block(struct facts *facts, const struct block *block)
{
    if (json_is(block->type, LIT("text"))) /* nearly all are */
        return;
    bool base64 = json_is(block->source_type, LIT("base64"));
    if (json_is(block->type, LIT("image")))
        facts_add_media(facts, PART_IMAGE, block->url, block->media_type, base64 ? block->data : SLICE_NONE);
    else if (json_is(block->type, LIT("document")) && json_is(block->source_type, LIT("text")))
        facts_add_text(facts, block->data);
    else if (json_is(block->type, LIT("document")) && !json_is(block->source_type, LIT("content")))
        facts_add_media(facts, PART_DOCUMENT, block->url, block->media_type, base64 ? block->data : SLICE_NONE);
    else if (json_is(block->type, LIT("thinking")))
        facts->foreign_thinking |= anthropic_is_foreign(block->signature);
    if (json_is(block->type, LIT("document")))
        facts->needs |= NEED_DOCUMENT;
}

/* The blocks of a result or of a document, in those of a message. */
static bool read_inner(struct scan *scan, const struct scan_member *member, void *into)
{
    enum json_type type = json_peek(&scan->json);
    return type == JSON_STRING || type == JSON_ARRAY ? scan_content(scan) : scan_rest(scan, member, into);
}

/* Where a picture or a file is, or the blocks that a document is made of. */
static bool read_source(struct scan *scan, const struct scan_member *member, void *into)
{
    static const struct scan_member list[] = {
        {LIT("type"), scan_take_string, offsetof(struct block, source_type)},
        {LIT("media_type"), scan_take_string, offsetof(struct block, media_type)},
        {LIT("data"), scan_take_string, offsetof(struct block, data)},
        {LIT("url"), scan_take_string, offsetof(struct block, url)},
        {LIT("content"), read_inner, 0},
    };
    static const struct scan_members members = SCAN_MEMBERS(list);
    return json_peek(&scan->json) == JSON_OBJECT ? scan_object(scan, &members, into) : scan_rest(scan, member, into);
}

static bool read_signature(struct scan *scan, const struct scan_member *member, void *into)
{
    return json_peek(&scan->json) == JSON_STRING ? scan_take_string(scan, member, into) : scan_ignore(scan, member, into);
}

/* The arguments of a call. */
static bool read_arguments(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    (void)member;
    (void)into;
    if (!json_skip(&scan->json, &raw))
        return false;
    facts_add_text(scan->facts, raw);
    return true;
}

/* Every text counts, also one that is given twice. */
static bool read_block(struct scan *scan)
{
    static const struct scan_member list[] = {
        {LIT("type"), scan_take_string, offsetof(struct block, type)},
        {LIT("text"), scan_add_text, 0},
        {LIT("thinking"), scan_add_text, 0},
        {LIT("content"), read_inner, 0},
        {LIT("source"), read_source, 0},
        {LIT("input"), read_arguments, 0},
        {LIT("signature"), read_signature, offsetof(struct block, signature)},
        {LIT("citations"), scan_ignore, 0}, /* these two are of use to who made them, but no text of the prompt */
        {LIT("data"), scan_ignore, 0},
    };
    static const struct scan_members members = SCAN_MEMBERS(list);
    struct block block = {.type = SLICE_NONE};
    if (!scan_object(scan, &members, &block))
        return false;
    note_block(scan->facts, &block);
    return true;
}

static const struct scan_role roles[] = {
    {.name = LIT("assistant")},
    {.name = LIT("user")},
    {.name = LIT("system")},
    {.name = SLICE_NONE},
};

static const struct scan_member message_members[] = {
    {LIT("role"), scan_take_role, 0},
    {LIT("content"), scan_take_content, 0},
};

/* ---------------------------------------------------------------- the other fields */

static bool read_system(struct scan *scan, const struct scan_member *member, void *into)
{
    (void)into;
    scan->field = member->name;
    return json_take_null(&scan->json) || scan_content(scan);
}

/* 0 is a request to fill the cache and say nothing. */
static bool read_max_tokens(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice number;
    if (json_peek(&scan->json) != JSON_NUMBER)
        return scan_wrong_type(scan, member->name, "a valid integer");
    if (!json_number(&scan->json, &number))
        return false;
    return json_to_count(number, &((struct facts *)into)->max_tokens) ||
           scan_refuse(scan, FAILURE_BAD_PARAMETER, LIT("max_tokens: Input should be a valid integer of at least 0"), member->name);
}

static bool read_tools(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    struct slice raw;
    if (!scan_typed(scan, member->name, JSON_ARRAY, &raw))
        return false;
    if (raw.len > 2 && slice_trim((struct slice){raw.ptr + 1, raw.len - 2}).len > 0)
        facts->needs |= NEED_TOOLS;
    facts_add_text(facts, raw);
    return true;
}

static bool read_thinking(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    if (!scan_typed(scan, member->name, JSON_OBJECT, &raw))
        return false;
    if (anthropic_thinks(raw))
        ((struct facts *)into)->needs |= NEED_REASONING;
    return true;
}

static bool read_metadata(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    if (!scan_typed(scan, member->name, JSON_OBJECT, &facts->metadata_json))
        return false;
    facts->user_raw = json_find_string(facts->metadata_json, "user_id");
    return true;
}

/* output_format, and output_config with its format. */
static bool read_format(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice raw;
    if (!scan_counted_object(scan, member->name, &raw))
        return false;
    struct slice format = slice_equals(member->name, LIT("output_config")) ? json_find(raw, "format") : raw;
    if (json_is(json_find_string(format, "type"), LIT("json_schema")))
        ((struct facts *)into)->needs |= NEED_JSON_SCHEMA;
    return true;
}

/* ---------------------------------------------------------------- the request */

static const struct scan_member request_members[] = {
    {LIT("model"), scan_take_model, 0},
    {LIT("messages"), scan_take_messages, 0},
    {LIT("max_tokens"), read_max_tokens, 0},
    {LIT("stream"), scan_take_flag, offsetof(struct facts, stream)},
    {LIT("temperature"), scan_take_temperature, 0},
    {LIT("system"), read_system, 0},
    {LIT("tools"), read_tools, 0},
    {LIT("thinking"), read_thinking, 0},
    {LIT("metadata"), read_metadata, 0},
    {LIT("output_config"), read_format, 0},
    {LIT("output_format"), read_format, 0},
    {LIT("tool_choice"), scan_ignore, 0},
    {LIT("stop_sequences"), scan_ignore, 0},
    SCAN_EXTENSIONS,
};

static const struct scan_dialect dialect = {
    .request = SCAN_MEMBERS(request_members),
    .message = SCAN_MEMBERS(message_members),
    .roles = roles,
    .known_roles = "'user' or 'assistant'",
    .read_part = read_block,
    .needs_role = true,
    .needs_content = true,
    .expected = {"", "", "a valid boolean", "a valid boolean", "a valid number", "a valid string", "a valid list", "a valid dictionary"},
    .messages = "a valid list",
    .content = "a valid list",
    .part = "a list of content blocks",
    .place = "messages.%u%s%s",
    .wrong_type = "%.*s: Input should be %s",
    .missing = "%.*s: Field required",
    .duplicate = "%s: Field is given twice",
    .no_messages = "messages: at least one message is required",
    .no_model = "model: String should have at least 1 character",
    .model_with_nul = "model: Input should be a string without NUL",
    .bad_temperature = "temperature: Input should be a finite number",
    .not_object = "The request body must be a JSON object.",
    .not_json = "The request body is not valid JSON: %s, at byte %zu.",
};

bool anthropic_scan(bool count, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    static const struct slice needed[] = {LIT("model"), LIT("messages"), LIT("max_tokens")};
    struct scan scan = {.dialect = &dialect, .arena = arena, .facts = facts, .complaint = complaint};
    if (!scan_request(&scan, body))
        return false;
    for (unsigned i = 0; i < (count ? 2 : 3); i++)
        if (!scan_has(&scan, needed[i]))
            return scan_missing(&scan, needed[i]);
    facts->include_usage = true; /* the dialect always has it */
    facts->stream &= !count;
    return true;
}

bool anthropic_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return anthropic_scan(false, body, arena, facts, complaint);
}
