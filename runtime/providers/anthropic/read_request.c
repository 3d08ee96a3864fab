/* read_request.c -- a request of Anthropic's dialect into struct chat, for a provider that speaks another one.
 *
 * Blocks become parts in their order; results of tools become messages of their own, before what else the user says, as every other dialect has it. What
 * only Anthropic understands stays as it stood there: opaque parts, extras. No field is refused for being unknown.
 * Sources: Anthropic's API reference and SDKs, for the fields that its coding agent sends.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "providers/anthropic/anthropic.h"
#include "providers/take.h"

/* The state of reading one request, and values that are looked at when all are known. */
struct reading {
    struct take base;
    struct message **tail;  /* of the messages */
    struct message *system; /* the top-level prompt: stands first wherever its field stood */
    struct slice model, max_tokens, stream, temperature, top_p, top_k, tool_choice, thinking, output_config, output_format, metadata;
    struct slice service_tier, cache_control;
};

/* ---------------------------------------------------------------- parts */

struct parts {
    struct part *first, **tail;
};

/* The content of one message: what it says, results of tools, and system texts in its middle. */
struct content {
    struct parts said, results, system;
    bool plain;
    struct slice google; /* a thought signature that waits for its call */
};

static bool add_text(struct reading *reading, struct parts *parts, struct slice text_raw, struct slice marker)
{
    struct part *part = take_part(reading->base.arena, &parts->tail, PART_TEXT);
    if (part == NULL)
        return false;
    part->text_raw = text_raw;
    part->cache_control_json = marker;
    return true;
}

/* The members that any block may have, whatever their order. */
struct block {
    struct slice json, type, text, thinking, signature, data, id, name, title, call_id;
    struct slice input, content, source, marker, is_error;
};

static bool read_block(struct take *take, struct block *block)
{
    static const struct take_member list[] = {
        {LIT("type"), take_string, offsetof(struct block, type)},
        {LIT("text"), take_string, offsetof(struct block, text)},
        {LIT("thinking"), take_string, offsetof(struct block, thinking)},
        {LIT("signature"), take_string, offsetof(struct block, signature)},
        {LIT("data"), take_string, offsetof(struct block, data)},
        {LIT("id"), take_string, offsetof(struct block, id)},
        {LIT("name"), take_string, offsetof(struct block, name)},
        {LIT("title"), take_string, offsetof(struct block, title)},
        {LIT("tool_use_id"), take_string, offsetof(struct block, call_id)},
        {LIT("input"), take_value, offsetof(struct block, input)},
        {LIT("content"), take_value, offsetof(struct block, content)},
        {LIT("source"), take_value, offsetof(struct block, source)},
        {LIT("cache_control"), take_value, offsetof(struct block, marker)},
        {LIT("is_error"), take_value, offsetof(struct block, is_error)},
    };
    static const struct take_members members = TAKE_MEMBERS(list);
    *block = (struct block){.type = SLICE_NONE};
    json_peek(&take->json);
    const char *begin = take->json.at;
    if (!take_object(take, &members, block))
        return false;
    block->json = (struct slice){begin, (size_t)(take->json.at - begin)};
    return true;
}

/* ---------------------------------------------------------------- blocks that hold others */

static const struct slice line_end = LIT("\\n");

/* The texts of a string or of a list of blocks, a line each. */
static void add_lines(struct arena *arena, struct arena_joined *all, struct slice content)
{
    struct slice element;
    struct json json;
    json_init(&json, content, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_ARRAY) {
        arena_join(arena, all, line_end, take_inside(content));
        return;
    }
    json_array(&json);
    while (json_element(&json) && json_skip(&json, &element))
        if (element.ptr[0] == '{')
            arena_join(arena, all, line_end, json_find_string(element, "text"));
}

static struct slice text_of(struct arena *arena, struct slice content)
{
    struct arena_joined all = {.one = SLICE_NONE};
    add_lines(arena, &all, content);
    return arena_joined_text(&all);
}

/* Where a picture or a file is: data, an address, or an id that only its own provider knows. */
static void take_source(struct reading *reading, struct part *part, struct slice source)
{
    struct slice type = json_find_string(source, "type");
    if (json_is(type, LIT("base64"))) {
        part->media_type_raw = json_find_string(source, "media_type");
        part->data_raw = json_find_string(source, "data");
    } else if (json_is(type, LIT("url"))) {
        part->url_raw = json_find_string(source, "url");
    } else if (json_is(type, LIT("text"))) {
        part->media_type_raw = json_find_string(source, "media_type");
        part->text_raw = json_find_string(source, "data");
    } else if (json_is(type, LIT("content"))) {
        part->media_type_raw = LIT("text/plain");
        part->text_raw = text_of(reading->base.arena, json_find(source, "content"));
    } else {
        part->id_raw = json_find_string(source, "file_id");
    }
}

static bool add_file(struct reading *reading, struct parts *parts, enum part_kind kind, const struct block *block)
{
    struct part *part = take_part(reading->base.arena, &parts->tail, kind);
    if (part == NULL)
        return false;
    part->name_raw = block->title;
    part->cache_control_json = block->marker;
    take_source(reading, part, block->source);
    return true;
}

/* A search result is text with its title and its source. */
static bool add_search_result(struct reading *reading, struct parts *parts, const struct block *block)
{
    struct arena_joined all = {.one = block->title};
    arena_join(reading->base.arena, &all, line_end, take_inside(block->source));
    add_lines(reading->base.arena, &all, block->content);
    return add_text(reading, parts, arena_joined_text(&all), block->marker);
}

/* What a result holds: text and pictures stay in it. A file cannot stand in a result elsewhere: it follows in the user's own message. */
static bool read_result_content(struct reading *reading, struct content *content, struct part *result, struct slice text)
{
    struct parts children = {.tail = &result->children};
    struct take inner = reading->base;
    struct json *json = &inner.json;
    struct block block;
    json_init(json, text, JSON_DEPTH_MAX);
    if (json_peek(json) == JSON_STRING)
        return add_text(reading, &children, take_inside(text), SLICE_NONE);
    if (json_peek(json) != JSON_ARRAY)
        return true;
    json_array(json);
    while (json_element(json)) {
        bool good = json_peek(json) == JSON_OBJECT && read_block(&inner, &block);
        if (!good)
            return false;
        if (json_is(block.type, LIT("text")))
            good = add_text(reading, &children, block.text, block.marker);
        else if (json_is(block.type, LIT("image")))
            good = add_file(reading, &children, PART_IMAGE, &block);
        else if (json_is(block.type, LIT("search_result")))
            good = add_search_result(reading, &children, &block);
        else if (json_is(block.type, LIT("document")))
            good = add_file(reading, &content->said, PART_DOCUMENT, &block);
        if (!good)
            return false;
    }
    return json->error == JSON_OK;
}

static bool add_result(struct reading *reading, struct content *content, const struct block *block)
{
    struct part *part = take_part(reading->base.arena, &content->results.tail, PART_TOOL_RESULT);
    if (part == NULL)
        return false;
    part->id_raw = block->call_id;
    part->is_error = slice_equals(block->is_error, LIT("true"));
    part->cache_control_json = block->marker;
    part->json = block->content; /* until its message is made: whether it was one string */
    return read_result_content(reading, content, part, block->content);
}

/* ---------------------------------------------------------------- plain blocks */

static bool add_call(struct reading *reading, struct content *content, const struct block *block)
{
    struct part *part = take_part(reading->base.arena, &content->said.tail, PART_TOOL_CALL);
    if (part == NULL)
        return false;
    part->id_raw = block->id;
    part->name_raw = block->name;
    part->text_raw = json_escape(reading->base.arena, block->input.len > 0 && block->input.ptr[0] == '{' ? block->input : LIT("{}"));
    part->cache_control_json = block->marker;
    part->signature_raw = content->google;
    content->google = SLICE_NONE;
    return part->text_raw.ptr != NULL;
}

static bool add_thinking(struct reading *reading, struct content *content, const struct block *block)
{
    if (slice_starts_with(block->signature, LIT(ANTHROPIC_GOOGLE))) {
        size_t skip = sizeof ANTHROPIC_GOOGLE - 1;
        content->google = (struct slice){block->signature.ptr + skip, block->signature.len - skip};
        return true;
    }
    struct part *part = take_part(reading->base.arena, &content->said.tail, PART_REASONING);
    if (part == NULL)
        return false;
    part->text_raw = block->thinking;
    part->signature_raw = block->signature;
    return true;
}

static bool add_opaque(struct reading *reading, struct parts *parts, enum part_kind kind, const struct block *block)
{
    struct part *part = take_part(reading->base.arena, &parts->tail, kind);
    if (part == NULL)
        return false;
    part->data_raw = kind == PART_REDACTED ? block->data : SLICE_NONE;
    part->json = kind == PART_OPAQUE ? block->json : SLICE_NONE;
    return true;
}

static bool add_block(struct reading *reading, struct content *content, const struct block *block)
{
    struct slice type = block->type;
    if (json_is(type, LIT("text")))
        return add_text(reading, &content->said, block->text, block->marker);
    if (json_is(type, LIT("tool_use")))
        return add_call(reading, content, block);
    if (json_is(type, LIT("tool_result")))
        return add_result(reading, content, block);
    if (json_is(type, LIT("image")))
        return add_file(reading, &content->said, PART_IMAGE, block);
    if (json_is(type, LIT("document")))
        return add_file(reading, &content->said, PART_DOCUMENT, block);
    if (json_is(type, LIT("thinking")))
        return add_thinking(reading, content, block);
    if (json_is(type, LIT("redacted_thinking")))
        return add_opaque(reading, &content->said, PART_REDACTED, block);
    if (json_is(type, LIT("search_result")))
        return add_search_result(reading, &content->said, block);
    if (json_is(type, LIT("mid_conv_system")))
        return add_text(reading, &content->system, block->text.len > 0 ? block->text : text_of(reading->base.arena, block->content),
                        block->marker);
    return add_opaque(reading, &content->said, PART_OPAQUE, block);
}

static bool read_content(struct reading *reading, struct content *content)
{
    struct json *json = &reading->base.json;
    struct block block;
    struct slice text;
    content->plain = json_peek(json) == JSON_STRING;
    if (content->plain)
        return json_string(json, &text) && add_text(reading, &content->said, text, SLICE_NONE);
    if (json_peek(json) != JSON_ARRAY)
        return json_skip(json, NULL);
    json_array(json);
    while (json_element(json))
        if (!read_block(&reading->base, &block) || !add_block(reading, content, &block))
            return false;
    return json->error == JSON_OK;
}

static void content_begin(struct content *content)
{
    *content = (struct content){.plain = false};
    content->said.tail = &content->said.first;
    content->results.tail = &content->results.first;
    content->system.tail = &content->system.first;
}

/* ---------------------------------------------------------------- messages */

static bool add_message(struct reading *reading, enum role role, bool plain, struct part *parts)
{
    struct message *message = arena_zalloc(reading->base.arena, sizeof *message);
    if (message == NULL)
        return false;
    *message = (struct message){.role = role, .plain = plain, .parts = parts};
    *reading->tail = message;
    reading->tail = &message->next;
    return true;
}

/* Results first, each a message; then system texts; then the rest. */
static bool add_messages(struct reading *reading, enum role role, struct content *content)
{
    bool more = content->results.first != NULL || content->system.first != NULL;
    for (struct part *result = content->results.first, *next; result != NULL; result = next) {
        bool plain = take_inside(result->json).ptr != NULL;
        next = result->next;
        result->next = NULL;
        result->json = SLICE_NONE;
        if (!add_message(reading, ROLE_TOOL, plain, result))
            return false;
    }
    if (content->system.first != NULL && !add_message(reading, ROLE_SYSTEM, false, content->system.first))
        return false;
    return (content->said.first == NULL && more) || add_message(reading, role, content->plain, content->said.first);
}

struct message_said {
    struct slice role;
    struct content content;
};

static bool read_message_content(struct take *take, const struct take_member *member, void *into)
{
    (void)member;
    return read_content((struct reading *)take, &((struct message_said *)into)->content);
}

static bool read_message(struct take *take, void *into)
{
    static const struct take_member list[] = {{LIT("role"), take_string, offsetof(struct message_said, role)},
                                              {LIT("content"), read_message_content, 0}};
    static const struct take_members members = TAKE_MEMBERS(list);
    struct message_said said = {.role = SLICE_NONE};
    content_begin(&said.content);
    if (!take_object(take, &members, &said))
        return false;
    enum role role = json_is(said.role, LIT("assistant")) ? ROLE_ASSISTANT : json_is(said.role, LIT("system")) ? ROLE_SYSTEM : ROLE_USER;
    return add_messages(into, role, &said.content);
}

static bool read_messages(struct take *take, const struct take_member *member, void *into)
{
    (void)member;
    return take_list(take, read_message, into);
}

/* COMPAT(claude code, 2026-08): its first system text differs from request to request and says nothing to a model: it would only spoil caches. */
static void cut_billing_line(struct part **parts)
{
    while (*parts != NULL) {
        bool billing = slice_starts_with((*parts)->text_raw, LIT("x-anthropic-billing-header:"));
        if (billing || (*parts)->kind != PART_TEXT)
            *parts = (*parts)->next;
        else
            parts = &(*parts)->next;
    }
}

static bool read_system(struct take *take, const struct take_member *member, void *into)
{
    struct reading *reading = into;
    struct content content;
    (void)member;
    (void)take;
    content_begin(&content);
    if (!read_content(reading, &content))
        return false;
    cut_billing_line(&content.said.first);
    if (content.said.first == NULL)
        return true;
    reading->system = arena_zalloc(reading->base.arena, sizeof *reading->system);
    if (reading->system == NULL)
        return false;
    *reading->system = (struct message){.role = ROLE_SYSTEM, .plain = content.plain, .parts = content.said.first};
    return true;
}

/* ---------------------------------------------------------------- the other fields */

static bool read_stops(struct take *take, const struct take_member *member, void *into)
{
    static const struct slice words[] = {[STOPS_NO_LIST] = LIT("stop_sequences: Input should be a valid list"),
                                         [STOPS_NO_TEXT] = LIT("stop_sequences: Input should be a list of strings"),
                                         [STOPS_TOO_MANY] = LIT("stop_sequences: too many")};
    enum take_stops stops = take_stops(take);
    (void)into;
    return stops == STOPS_TAKEN || (stops != STOPS_UNREAD && take_refuse(take, words[stops], member->name));
}

static bool read_tool_choice(struct reading *reading, struct slice choice)
{
    static const struct {
        struct slice word;
        enum tool_choice choice;
    } known[] = {{LIT("auto"), TOOL_CHOICE_AUTO},
                 {LIT("any"), TOOL_CHOICE_REQUIRED},
                 {LIT("tool"), TOOL_CHOICE_NAMED},
                 {LIT("none"), TOOL_CHOICE_NONE}};
    struct chat *chat = reading->base.chat;
    struct slice type = json_find_string(choice, "type");
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (json_is(type, known[i].word))
            chat->tool_choice = known[i].choice;
    chat->tool_choice_name_raw = json_find_string(choice, "name");
    if (choice.len > 0 && chat->tool_choice == TOOL_CHOICE_NONE_GIVEN)
        return take_refuse(&reading->base, LIT("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"), LIT("tool_choice"));
    if (chat->tool_choice == TOOL_CHOICE_NAMED && chat->tool_choice_name_raw.len == 0)
        return take_refuse(&reading->base, LIT("tool_choice.name: Field required"), LIT("tool_choice"));
    if (slice_equals(json_find(choice, "disable_parallel_tool_use"), LIT("true")))
        chat->parallel_tool_calls = 0;
    return true;
}

/* Other providers take 64 bytes; a longer name is hashed, always to the same one. */
static struct slice short_user(struct arena *arena, struct slice user_raw)
{
    enum { USER_MAX = 64 };
    uint8_t hash[SHA256_BYTES];
    if (user_raw.len <= USER_MAX)
        return user_raw;
    char *hex = arena_alloc(arena, USER_MAX);
    if (hex == NULL)
        return SLICE_NONE;
    hash_sha256(user_raw, hash);
    hash_to_hex(hash, sizeof hash, hex);
    return (struct slice){hex, USER_MAX};
}

/* 0 fills the cache and says nothing: no other provider knows that, one token is the least they give. */
static struct slice max_tokens_of(struct arena *arena, struct slice number)
{
    int64_t count;
    if (!json_to_count(number, &count))
        return SLICE_NONE;
    return count == 0 ? LIT("1") : arena_printf(arena, "%lld", (long long)count);
}

static void take_tier(struct chat *chat, struct slice tier_raw)
{
    if (json_is(tier_raw, LIT("auto")))
        chat->service_tier_raw = LIT("auto");
    else if (json_is(tier_raw, LIT("standard_only")))
        chat->service_tier_raw = LIT("default");
}

/* COMPAT(anthropic, 2026-11): a turn may say no more than which answer it goes on from; the rest of the conversation is held at Anthropic. Told so, its
 * SDKs say all of it again, as a new thread: that one is left out by name. */
static bool refuse_continued(struct take *take, struct slice thread_json)
{
    if (!json_is(json_find_string(thread_json, "type"), LIT("continue")))
        return true;
    *take->complaint = (struct complaint){
        FAILURE_NO_THREAD, LIT("the provider of this model does not hold the thread of previous_message_id: send the whole conversation"),
        LIT("thread")};
    return false;
}

static bool read_other(struct take *take, struct slice name_raw, void *into)
{
    struct slice value;
    (void)into;
    if (json_peek(&take->json) == JSON_NULL || take_is_own(take, name_raw))
        return json_skip(&take->json, NULL);
    return json_skip(&take->json, &value) && (!json_is(name_raw, LIT("thread")) || refuse_continued(take, value)) &&
           chat_add_extra(take->chat, take->arena, name_raw, value, take->complaint);
}

static bool read_tools(struct take *take, const struct take_member *member, void *into)
{
    (void)into;
    return anthropic_read_tools(take) || take->arena->overflow ||
           take_refuse(take, LIT("tools: Input should be a list of objects"), member->name);
}

static const struct take_member request_list[] = {
    {LIT("model"), take_value, offsetof(struct reading, model)},
    {LIT("messages"), read_messages, 0},
    {LIT("system"), read_system, 0},
    {LIT("max_tokens"), take_value, offsetof(struct reading, max_tokens)},
    {LIT("stream"), take_value, offsetof(struct reading, stream)},
    {LIT("temperature"), take_value, offsetof(struct reading, temperature)},
    {LIT("top_p"), take_value, offsetof(struct reading, top_p)},
    {LIT("top_k"), take_value, offsetof(struct reading, top_k)},
    {LIT("tools"), read_tools, 0},
    {LIT("tool_choice"), take_value, offsetof(struct reading, tool_choice)},
    {LIT("stop_sequences"), read_stops, 0},
    {LIT("thinking"), take_value, offsetof(struct reading, thinking)},
    {LIT("output_config"), take_value, offsetof(struct reading, output_config)},
    {LIT("output_format"), take_value, offsetof(struct reading, output_format)},
    {LIT("metadata"), take_value, offsetof(struct reading, metadata)},
    {LIT("service_tier"), take_value, offsetof(struct reading, service_tier)},
    {LIT("cache_control"), take_value, offsetof(struct reading, cache_control)},
};

static bool finish(struct reading *reading)
{
    struct chat *chat = reading->base.chat;
    const struct {
        struct slice value;
        const char *name;
    } numbers[] = {{reading->temperature, "temperature"}, {reading->top_p, "top_p"}, {reading->top_k, "top_k"}};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value.len > 0 && !take_is_number(numbers[i].value))
            return take_refuse(&reading->base, arena_printf(reading->base.arena, "%s: Input should be a valid number", numbers[i].name),
                               slice_of(numbers[i].name));
    if (reading->system != NULL) {
        reading->system->next = chat->messages;
        chat->messages = reading->system;
    }
    chat->model_raw = take_inside(reading->model);
    chat->temperature = reading->temperature;
    chat->top_p = reading->top_p;
    chat->top_k = reading->top_k;
    chat->cache_control_json = reading->cache_control;
    chat->stream = slice_equals(reading->stream, LIT("true"));
    chat->include_usage = true;
    chat->max_tokens = max_tokens_of(reading->base.arena, reading->max_tokens);
    chat->max_completion = true;
    chat->user_raw = short_user(reading->base.arena, json_find_string(reading->metadata, "user_id"));
    take_tier(chat, take_inside(reading->service_tier));
    chat->thinking_json = reading->thinking;
    anthropic_read_effort(chat, json_find_string(reading->output_config, "effort"));
    struct slice format = json_find(reading->output_config, "format");
    anthropic_read_format(chat, reading->base.arena, format.len > 0 ? format : reading->output_format);
    return read_tool_choice(reading, reading->tool_choice);
}

bool anthropic_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    static const struct take_members members = {request_list, sizeof request_list / sizeof *request_list, read_other};
    struct reading reading = {.base = {.arena = arena, .chat = chat, .complaint = complaint}, .tail = &chat->messages};
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    *chat = (struct chat){.wire = &wire_anthropic, .parallel_tool_calls = -1, .schema_strict = -1, .logprobs = -1};
    json_init(&reading.base.json, body, JSON_DEPTH_MAX);
    bool good = take_object(&reading.base, &members, &reading) && finish(&reading) && !arena->overflow;
    return good || chat_is_unread(arena, complaint);
}
