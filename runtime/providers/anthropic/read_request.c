/* read_request.c -- a request of Anthropic's dialect into struct chat, for a provider that speaks another one.
 *
 * Blocks become parts in their order; results of tools become messages of their own, before what else the user says, as every other dialect has it. What
 * only Anthropic understands stays as it stood there: opaque parts, extras. No field is refused for being unknown.
 * Sources: Anthropic's API reference and SDKs, for the fields that its coding agent sends.
 * SPDX-License-Identifier: MIT */
#include "base/hash.h"
#include "providers/anthropic/anthropic.h"

struct scan {
    struct json json;
    struct arena *arena;
    struct chat *chat;
    struct complaint *complaint;
    struct message **tail;  /* of the messages */
    struct message *system; /* the top-level prompt: stands first wherever its field stood */
};

static bool complain(struct scan *scan, struct slice message, struct slice param)
{
    if (scan->complaint->message.len == 0)
        *scan->complaint = (struct complaint){FAILURE_BAD_PARAMETER, message, param};
    return false;
}

/* Any value but null. */
static bool take_value(struct json *json, struct slice *text)
{
    return json_peek(json) == JSON_NULL ? json_skip(json, NULL) : json_skip(json, text);
}

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

static struct part *add_part(struct scan *scan, struct parts *parts, enum part_kind kind)
{
    struct part *part = arena_zalloc(scan->arena, sizeof *part);
    if (part == NULL)
        return NULL;
    part->kind = kind;
    *parts->tail = part;
    parts->tail = &part->next;
    return part;
}

static bool add_text(struct scan *scan, struct parts *parts, struct slice text_raw, struct slice marker)
{
    struct part *part = add_part(scan, parts, PART_TEXT);
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

static bool read_member(struct json *json, struct block *block, struct slice key)
{
    const struct {
        struct slice name;
        struct slice *string, *value;
    } members[] = {
        {LIT("type"), &block->type, NULL},
        {LIT("text"), &block->text, NULL},
        {LIT("thinking"), &block->thinking, NULL},
        {LIT("signature"), &block->signature, NULL},
        {LIT("data"), &block->data, NULL},
        {LIT("id"), &block->id, NULL},
        {LIT("name"), &block->name, NULL},
        {LIT("title"), &block->title, NULL},
        {LIT("tool_use_id"), &block->call_id, NULL},
        {LIT("input"), NULL, &block->input},
        {LIT("content"), NULL, &block->content},
        {LIT("source"), NULL, &block->source},
        {LIT("cache_control"), NULL, &block->marker},
        {LIT("is_error"), NULL, &block->is_error},
    };
    for (unsigned i = 0; i < sizeof members / sizeof *members; i++) {
        if (!anthropic_is(key, members[i].name))
            continue;
        if (members[i].value != NULL)
            return take_value(json, members[i].value);
        return json_peek(json) == JSON_STRING ? json_string(json, members[i].string) : json_skip(json, NULL);
    }
    return json_skip(json, NULL);
}

static bool read_block(struct json *json, struct block *block)
{
    struct slice key;
    *block = (struct block){.type = SLICE_NONE};
    json_peek(json);
    const char *begin = json->at;
    if (!json_object(json))
        return false;
    while (json_member(json, &key))
        if (!read_member(json, block, key))
            return false;
    block->json = (struct slice){begin, (size_t)(json->at - begin)};
    return json->error == JSON_OK;
}

static struct slice inside(struct slice quoted)
{
    return quoted.len >= 2 && quoted.ptr[0] == '"' ? (struct slice){quoted.ptr + 1, quoted.len - 2} : SLICE_NONE;
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
        arena_join(arena, all, line_end, inside(content));
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
static void take_source(struct scan *scan, struct part *part, struct slice source)
{
    struct slice type = json_find_string(source, "type");
    if (anthropic_is(type, LIT("base64"))) {
        part->media_type_raw = json_find_string(source, "media_type");
        part->data_raw = json_find_string(source, "data");
    } else if (anthropic_is(type, LIT("url"))) {
        part->url_raw = json_find_string(source, "url");
    } else if (anthropic_is(type, LIT("text"))) {
        part->media_type_raw = json_find_string(source, "media_type");
        part->text_raw = json_find_string(source, "data");
    } else if (anthropic_is(type, LIT("content"))) {
        part->media_type_raw = LIT("text/plain");
        part->text_raw = text_of(scan->arena, json_find(source, "content"));
    } else {
        part->id_raw = json_find_string(source, "file_id");
    }
}

static bool add_file(struct scan *scan, struct parts *parts, enum part_kind kind, const struct block *block)
{
    struct part *part = add_part(scan, parts, kind);
    if (part == NULL)
        return false;
    part->name_raw = block->title;
    part->cache_control_json = block->marker;
    take_source(scan, part, block->source);
    return true;
}

/* A search result is text with its title and its source. */
static bool add_search_result(struct scan *scan, struct parts *parts, const struct block *block)
{
    struct arena_joined all = {.one = block->title};
    arena_join(scan->arena, &all, line_end, inside(block->source));
    add_lines(scan->arena, &all, block->content);
    return add_text(scan, parts, arena_joined_text(&all), block->marker);
}

/* What a result holds: text and pictures stay in it. A file cannot stand in a result elsewhere: it follows in the user's own message. */
static bool read_result_content(struct scan *scan, struct content *content, struct part *result, struct slice text)
{
    struct parts children = {.tail = &result->children};
    struct json json;
    struct block block;
    json_init(&json, text, JSON_DEPTH_MAX);
    if (json_peek(&json) == JSON_STRING)
        return add_text(scan, &children, inside(text), SLICE_NONE);
    if (json_peek(&json) != JSON_ARRAY)
        return true;
    json_array(&json);
    while (json_element(&json)) {
        bool good = json_peek(&json) == JSON_OBJECT && read_block(&json, &block);
        if (!good)
            return false;
        if (anthropic_is(block.type, LIT("text")))
            good = add_text(scan, &children, block.text, block.marker);
        else if (anthropic_is(block.type, LIT("image")))
            good = add_file(scan, &children, PART_IMAGE, &block);
        else if (anthropic_is(block.type, LIT("search_result")))
            good = add_search_result(scan, &children, &block);
        else if (anthropic_is(block.type, LIT("document")))
            good = add_file(scan, &content->said, PART_DOCUMENT, &block);
        if (!good)
            return false;
    }
    return json.error == JSON_OK;
}

static bool add_result(struct scan *scan, struct content *content, const struct block *block)
{
    struct part *part = add_part(scan, &content->results, PART_TOOL_RESULT);
    if (part == NULL)
        return false;
    part->id_raw = block->call_id;
    part->is_error = slice_equals(block->is_error, LIT("true"));
    part->cache_control_json = block->marker;
    part->json = block->content; /* until its message is made: whether it was one string */
    return read_result_content(scan, content, part, block->content);
}

/* ---------------------------------------------------------------- plain blocks */

static bool add_call(struct scan *scan, struct content *content, const struct block *block)
{
    struct part *part = add_part(scan, &content->said, PART_TOOL_CALL);
    if (part == NULL)
        return false;
    part->id_raw = block->id;
    part->name_raw = block->name;
    part->text_raw = json_escape(scan->arena, block->input.len > 0 && block->input.ptr[0] == '{' ? block->input : LIT("{}"));
    part->cache_control_json = block->marker;
    part->signature_raw = content->google;
    content->google = SLICE_NONE;
    return part->text_raw.ptr != NULL;
}

static bool add_thinking(struct scan *scan, struct content *content, const struct block *block)
{
    if (slice_starts_with(block->signature, LIT(ANTHROPIC_GOOGLE))) {
        size_t skip = sizeof ANTHROPIC_GOOGLE - 1;
        content->google = (struct slice){block->signature.ptr + skip, block->signature.len - skip};
        return true;
    }
    struct part *part = add_part(scan, &content->said, PART_REASONING);
    if (part == NULL)
        return false;
    part->text_raw = block->thinking;
    part->signature_raw = block->signature;
    return true;
}

static bool add_opaque(struct scan *scan, struct parts *parts, enum part_kind kind, const struct block *block)
{
    struct part *part = add_part(scan, parts, kind);
    if (part == NULL)
        return false;
    part->data_raw = kind == PART_REDACTED ? block->data : SLICE_NONE;
    part->json = kind == PART_OPAQUE ? block->json : SLICE_NONE;
    return true;
}

static bool add_block(struct scan *scan, struct content *content, const struct block *block)
{
    struct slice type = block->type;
    if (anthropic_is(type, LIT("text")))
        return add_text(scan, &content->said, block->text, block->marker);
    if (anthropic_is(type, LIT("tool_use")))
        return add_call(scan, content, block);
    if (anthropic_is(type, LIT("tool_result")))
        return add_result(scan, content, block);
    if (anthropic_is(type, LIT("image")))
        return add_file(scan, &content->said, PART_IMAGE, block);
    if (anthropic_is(type, LIT("document")))
        return add_file(scan, &content->said, PART_DOCUMENT, block);
    if (anthropic_is(type, LIT("thinking")))
        return add_thinking(scan, content, block);
    if (anthropic_is(type, LIT("redacted_thinking")))
        return add_opaque(scan, &content->said, PART_REDACTED, block);
    if (anthropic_is(type, LIT("search_result")))
        return add_search_result(scan, &content->said, block);
    if (anthropic_is(type, LIT("mid_conv_system")))
        return add_text(scan, &content->system, block->text.len > 0 ? block->text : text_of(scan->arena, block->content), block->marker);
    return add_opaque(scan, &content->said, PART_OPAQUE, block);
}

static bool read_content(struct scan *scan, struct content *content)
{
    struct json *json = &scan->json;
    struct block block;
    struct slice text;
    content->plain = json_peek(json) == JSON_STRING;
    if (content->plain)
        return json_string(json, &text) && add_text(scan, &content->said, text, SLICE_NONE);
    if (json_peek(json) != JSON_ARRAY)
        return json_skip(json, NULL);
    json_array(json);
    while (json_element(json))
        if (!read_block(json, &block) || !add_block(scan, content, &block))
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

static bool add_message(struct scan *scan, enum role role, bool plain, struct part *parts)
{
    struct message *message = arena_zalloc(scan->arena, sizeof *message);
    if (message == NULL)
        return false;
    *message = (struct message){.role = role, .plain = plain, .parts = parts};
    *scan->tail = message;
    scan->tail = &message->next;
    return true;
}

/* Results first, each a message; then system texts; then the rest. */
static bool add_messages(struct scan *scan, enum role role, struct content *content)
{
    bool more = content->results.first != NULL || content->system.first != NULL;
    for (struct part *result = content->results.first, *next; result != NULL; result = next) {
        bool plain = inside(result->json).ptr != NULL;
        next = result->next;
        result->next = NULL;
        result->json = SLICE_NONE;
        if (!add_message(scan, ROLE_TOOL, plain, result))
            return false;
    }
    if (content->system.first != NULL && !add_message(scan, ROLE_SYSTEM, false, content->system.first))
        return false;
    return (content->said.first == NULL && more) || add_message(scan, role, content->plain, content->said.first);
}

static bool read_message(struct scan *scan)
{
    struct json *json = &scan->json;
    struct slice key, role = SLICE_NONE;
    struct content content;
    content_begin(&content);
    if (!json_object(json))
        return false;
    while (json_member(json, &key)) {
        bool is_role = anthropic_is(key, LIT("role")) && json_peek(json) == JSON_STRING;
        if (!(is_role                             ? json_string(json, &role)
              : anthropic_is(key, LIT("content")) ? read_content(scan, &content)
                                                  : json_skip(json, NULL)))
            return false;
    }
    return json->error == JSON_OK && add_messages(scan,
                                                  anthropic_is(role, LIT("assistant")) ? ROLE_ASSISTANT
                                                  : anthropic_is(role, LIT("system"))  ? ROLE_SYSTEM
                                                                                       : ROLE_USER,
                                                  &content);
}

static bool read_messages(struct scan *scan)
{
    if (!json_array(&scan->json))
        return false;
    while (json_element(&scan->json))
        if (!read_message(scan))
            return false;
    return scan->json.error == JSON_OK;
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

static bool read_system(struct scan *scan)
{
    struct content content;
    content_begin(&content);
    if (!read_content(scan, &content))
        return false;
    cut_billing_line(&content.said.first);
    if (content.said.first == NULL)
        return true;
    scan->system = arena_zalloc(scan->arena, sizeof *scan->system);
    if (scan->system == NULL)
        return false;
    *scan->system = (struct message){.role = ROLE_SYSTEM, .plain = content.plain, .parts = content.said.first};
    return true;
}

/* ---------------------------------------------------------------- the other fields */

static bool read_stops(struct scan *scan)
{
    struct json *json = &scan->json;
    struct chat *chat = scan->chat;
    enum { STOPS_MAX = 64 };
    if (json_peek(json) == JSON_NULL)
        return json_skip(json, NULL);
    if (json_peek(json) != JSON_ARRAY)
        return complain(scan, LIT("stop_sequences: Input should be a valid list"), LIT("stop_sequences"));
    chat->stops_raw = arena_zalloc(scan->arena, sizeof *chat->stops_raw * STOPS_MAX);
    if (chat->stops_raw == NULL)
        return false;
    json_array(json);
    while (json_element(json)) {
        if (chat->stop_count == STOPS_MAX)
            return complain(scan, LIT("stop_sequences: too many"), LIT("stop_sequences"));
        if (json_peek(json) != JSON_STRING)
            return complain(scan, LIT("stop_sequences: Input should be a list of strings"), LIT("stop_sequences"));
        if (!json_string(json, &chat->stops_raw[chat->stop_count++]))
            return false;
    }
    return json->error == JSON_OK;
}

static bool read_tool_choice(struct scan *scan, struct slice choice)
{
    static const struct {
        struct slice word;
        enum tool_choice choice;
    } known[] = {{LIT("auto"), TOOL_CHOICE_AUTO},
                 {LIT("any"), TOOL_CHOICE_REQUIRED},
                 {LIT("tool"), TOOL_CHOICE_NAMED},
                 {LIT("none"), TOOL_CHOICE_NONE}};
    struct chat *chat = scan->chat;
    struct slice type = json_find_string(choice, "type");
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (anthropic_is(type, known[i].word))
            chat->tool_choice = known[i].choice;
    chat->tool_choice_name_raw = json_find_string(choice, "name");
    if (choice.len > 0 && chat->tool_choice == TOOL_CHOICE_NONE_GIVEN)
        return complain(scan, LIT("tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"), LIT("tool_choice"));
    if (chat->tool_choice == TOOL_CHOICE_NAMED && chat->tool_choice_name_raw.len == 0)
        return complain(scan, LIT("tool_choice.name: Field required"), LIT("tool_choice"));
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

/* 0 fills the cache and says nothing: nobody else knows that, one token is the least they give. */
static struct slice max_tokens_of(struct arena *arena, struct slice number)
{
    int64_t count;
    if (!json_to_count(number, &count))
        return SLICE_NONE;
    return count == 0 ? LIT("1") : arena_printf(arena, "%lld", (long long)count);
}

static void take_tier(struct chat *chat, struct slice tier_raw)
{
    if (anthropic_is(tier_raw, LIT("auto")))
        chat->service_tier_raw = LIT("auto");
    else if (anthropic_is(tier_raw, LIT("standard_only")))
        chat->service_tier_raw = LIT("default");
}

static bool add_extra(struct scan *scan, struct slice name)
{
    struct slice value = SLICE_NONE;
    if (!take_value(&scan->json, &value))
        return false;
    return value.len == 0 || chat_add_extra(scan->chat, scan->arena, name, value, scan->complaint);
}

/* COMPAT(anthropic, 2026-11): a turn may say no more than which answer it goes on from; the rest of the conversation is held at Anthropic. Told so, its
 * SDKs say all of it again, as a new thread: that one is nobody's to hold, and left out by name. */
static bool read_thread(struct scan *scan, struct slice name)
{
    struct json ahead = scan->json;
    struct slice value = SLICE_NONE;
    if (json_skip(&ahead, &value) && anthropic_is(json_find_string(value, "type"), LIT("continue"))) {
        *scan->complaint = (struct complaint){
            FAILURE_NO_THREAD,
            LIT("the provider of this model does not hold the thread of previous_message_id: send the whole conversation"), LIT("thread")};
        return false;
    }
    return add_extra(scan, name);
}

/* Values that are looked at when all are known. */
struct later {
    struct slice model, max_tokens, stream, tool_choice, thinking, output_config, output_format, metadata, service_tier;
};

static bool read_value(struct scan *scan, struct slice key, struct later *later, bool *known)
{
    struct chat *chat = scan->chat;
    const struct {
        struct slice name;
        struct slice *value;
    } values[] = {
        {LIT("model"), &later->model},
        {LIT("max_tokens"), &later->max_tokens},
        {LIT("stream"), &later->stream},
        {LIT("temperature"), &chat->temperature},
        {LIT("top_p"), &chat->top_p},
        {LIT("top_k"), &chat->top_k},
        {LIT("tool_choice"), &later->tool_choice},
        {LIT("thinking"), &later->thinking},
        {LIT("output_config"), &later->output_config},
        {LIT("output_format"), &later->output_format},
        {LIT("metadata"), &later->metadata},
        {LIT("service_tier"), &later->service_tier},
        {LIT("cache_control"), &chat->cache_control_json},
    };
    *known = true;
    for (unsigned i = 0; i < sizeof values / sizeof *values; i++)
        if (anthropic_is(key, values[i].name))
            return take_value(&scan->json, values[i].value);
    *known = false;
    return true;
}

static bool read_field(struct scan *scan, struct slice key, struct later *later)
{
    struct json *json = &scan->json;
    bool known, good = read_value(scan, key, later, &known);
    if (known)
        return good;
    if (anthropic_is(key, LIT("messages")))
        return read_messages(scan);
    if (anthropic_is(key, LIT("system")))
        return read_system(scan);
    if (anthropic_is(key, LIT("tools")))
        return anthropic_read_tools(json, scan->arena, scan->chat) || scan->arena->overflow ||
               complain(scan, LIT("tools: Input should be a list of objects"), LIT("tools"));
    if (anthropic_is(key, LIT("stop_sequences")))
        return read_stops(scan);
    if (anthropic_is(key, LIT("thread")))
        return read_thread(scan, key);
    bool ours = anthropic_is(key, LIT("routing_strategy")) || anthropic_is(key, LIT("fallback")) ||
                (anthropic_is(key, LIT("provider")) && json_peek(json) != JSON_OBJECT);
    return ours ? json_skip(json, NULL) : add_extra(scan, key);
}

static bool is_number(struct slice value)
{
    return value.len > 0 && (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9'));
}

static bool finish(struct scan *scan, const struct later *later)
{
    struct chat *chat = scan->chat;
    const struct {
        struct slice value;
        const char *name;
    } numbers[] = {{chat->temperature, "temperature"}, {chat->top_p, "top_p"}, {chat->top_k, "top_k"}};
    for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (numbers[i].value.len > 0 && !is_number(numbers[i].value))
            return complain(scan, arena_printf(scan->arena, "%s: Input should be a valid number", numbers[i].name),
                            slice_of(numbers[i].name));
    if (scan->system != NULL) {
        scan->system->next = chat->messages;
        chat->messages = scan->system;
    }
    chat->model_raw = inside(later->model);
    chat->stream = slice_equals(later->stream, LIT("true"));
    chat->include_usage = true;
    chat->max_tokens = max_tokens_of(scan->arena, later->max_tokens);
    chat->max_completion = true;
    chat->user_raw = short_user(scan->arena, json_find_string(later->metadata, "user_id"));
    take_tier(chat, inside(later->service_tier));
    chat->thinking_json = later->thinking;
    anthropic_read_effort(chat, json_find_string(later->output_config, "effort"));
    struct slice format = json_find(later->output_config, "format");
    anthropic_read_format(chat, scan->arena, format.len > 0 ? format : later->output_format);
    return read_tool_choice(scan, later->tool_choice);
}

bool anthropic_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    struct scan scan = {.arena = arena, .chat = chat, .complaint = complaint};
    struct later later = {.model = SLICE_NONE};
    struct slice key;
    *complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    *chat = (struct chat){.wire = &wire_anthropic, .parallel_tool_calls = -1, .schema_strict = -1, .logprobs = -1};
    scan.tail = &chat->messages;
    json_init(&scan.json, body, JSON_DEPTH_MAX);
    bool good = json_object(&scan.json);
    while (good && json_member(&scan.json, &key))
        good = read_field(&scan, key, &later);
    good = good && scan.json.error == JSON_OK && finish(&scan, &later) && !arena->overflow;
    return good || chat_is_unread(arena, complaint);
}
