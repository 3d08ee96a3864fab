/* write_request.c -- struct chat into a request body of OpenAI's dialect, with the vendor's quirks: for clients of another dialect, and for vendors
 * that need more than edits of the client's bytes.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"
#include "providers/turns.h"

static bool is_listed(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

static unsigned quirks_of(const struct encode *encode)
{
    return encode->provider->vendor->quirks;
}

/* A vendor with strict fields gets only those on its list; one that refuses some does not get those, nor a model what it refuses. */
static bool is_taken(const struct encode *encode, const char *name)
{
    const struct vendor *vendor = encode->provider->vendor;
    return vendor->quirks & VENDOR_STRICT_FIELDS ? is_listed(vendor->fields, name) : !is_listed(vendor->unsent, name);
}

static bool is_sent(struct encode *encode, const char *name)
{
    if (is_taken(encode, name) && !openai_refuses(encode->flags, slice_of(name)))
        return true;
    encode_drop(encode, slice_of(name));
    return false;
}

/* A value that says what its absence says is no loss. */
static void put_value(struct encode *encode, const char *name, struct slice value_json)
{
    if (value_json.len > 0 && (openai_is_default(slice_of(name), value_json) ? is_taken(encode, name) : is_sent(encode, name)))
        encode_value(encode, name, value_json);
}

static void put_word(struct encode *encode, const char *name, struct slice raw)
{
    if (raw.len > 0 && is_sent(encode, name))
        encode_text(encode, name, raw);
}

static void put_flag(struct encode *encode, const char *name, int value)
{
    if (value >= 0)
        put_value(encode, name, value ? LIT("true") : LIT("false"));
}

/* ---------------------------------------------------------------- messages */

/* Where it is, or all of it. */
static void put_url(struct encode *encode, const struct part *part)
{
    if (part->url_raw.len > 0)
        buffer_append_slice(encode->out, part->url_raw);
    else
        encode_write(encode, "data:%;base64,%", part->media_type_raw, part->data_raw);
}

void openai_write_image(struct encode *encode, const struct part *part)
{
    buffer_append_lit(encode->out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
    put_url(encode, part);
    buffer_append_byte(encode->out, '"');
    if (part->detail_raw.len > 0)
        encode_write(encode, ",\"detail\":\"%\"", part->detail_raw);
    buffer_append_lit(encode->out, "}}");
}

static void put_text(struct encode *encode, struct slice raw)
{
    encode_write(encode, "{\"type\":\"text\",\"text\":\"%\"}", raw);
}

/* COMPAT(mistral, 2026-06): files have a word of their own. */
static void put_document(struct encode *encode, const struct part *part)
{
    if (part->text_raw.len > 0) {
        put_text(encode, part->text_raw);
    } else if (part->id_raw.len > 0 && part->url_raw.len == 0 && part->data_raw.len == 0) {
        encode_write(encode, "{\"type\":\"file\",\"file\":{\"file_id\":\"%\"}}", part->id_raw);
    } else if (quirks_of(encode) & VENDOR_STRICT_FIELDS) {
        buffer_append_lit(encode->out, "{\"type\":\"document_url\",\"document_url\":\"");
        put_url(encode, part);
        buffer_append_lit(encode->out, "\"}");
    } else {
        encode_write(encode, "{\"type\":\"file\",\"file\":{\"filename\":\"%\",\"file_data\":\"",
                     part->name_raw.len > 0 ? part->name_raw : LIT("document.pdf"));
        put_url(encode, part);
        buffer_append_lit(encode->out, "\"}}");
    }
}

/* A refusal in the history is OpenAI's own kind of text. */
static void content_part(struct encode *encode, const struct part *part)
{
    switch (part->kind) {
    case PART_IMAGE:
        openai_write_image(encode, part);
        break;
    case PART_DOCUMENT:
        put_document(encode, part);
        break;
    case PART_AUDIO:
        encode_write(encode, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":\"%\",\"format\":\"%\"}}", part->data_raw,
                     part->media_type_raw);
        break;
    case PART_OPAQUE:
        buffer_append_slice(encode->out, part->json);
        break;
    case PART_REFUSAL:
        if (quirks_of(encode) & VENDOR_OPENAI_MODELS) {
            encode_write(encode, "{\"type\":\"refusal\",\"refusal\":\"%\"}", part->text_raw);
            break;
        } /* fall through */
    default:
        put_text(encode, part->text_raw);
        break;
    }
}

static bool is_content(const struct encode *encode, const struct part *part)
{
    if (part->kind == PART_OPAQUE)
        return !(encode->flags & OPENAI_FOREIGN);
    return part->kind != PART_TOOL_CALL && part->kind != PART_TOOL_RESULT && part->kind != PART_REASONING && part->kind != PART_REDACTED;
}

static bool is_all_text(const struct encode *encode, const struct part *parts)
{
    bool refusals = quirks_of(encode) & VENDOR_OPENAI_MODELS;
    for (; parts != NULL; parts = parts->next)
        if (is_content(encode, parts) && parts->kind != PART_TEXT && (refusals || parts->kind != PART_REFUSAL))
            return false;
    return true;
}

/* Texts are joined where a string is expected or was given; anything else makes a list. */
static void content(struct encode *encode, const struct part *list, bool plain)
{
    bool joined = plain && is_all_text(encode, list);
    encode_key(encode, "content");
    encode_begin(encode, joined ? '"' : '[');
    for (; list != NULL; list = list->next) {
        if (!is_content(encode, list))
            continue;
        if (joined) {
            buffer_append_slice(encode->out, list->text_raw);
            continue;
        }
        encode_comma(encode);
        content_part(encode, list);
    }
    encode_end(encode, joined ? '"' : ']');
}

/* COMPAT(mistral, 2026-06): ids of exactly nine alphanumerics; foreign ones are hashed, the same id to the same nine within a request. */
static struct slice call_id(const struct encode *encode, struct slice id)
{
    return quirks_of(encode) & VENDOR_ID9 ? id_of_nine(encode->arena, id) : id;
}

/* Other dialects allow longer names; openai/read_answer.c finds the way back. */
static struct slice tool_name(const struct encode *encode, struct slice name)
{
    return encode->flags & OPENAI_FOREIGN ? name_fit(name, &openai_names, encode->arena) : name;
}

static void tool_calls(struct encode *encode, const struct part *list)
{
    struct place place = encode_open(encode, "tool_calls", '[');
    for (; list != NULL; list = list->next) {
        if (list->kind != PART_TOOL_CALL)
            continue;
        encode_comma(encode);
        encode_write(encode, "{\"id\":\"%\",\"type\":\"function\",\"function\":{\"name\":\"%\",\"arguments\":\"%\"}}",
                     call_id(encode, list->id_raw), tool_name(encode, list->name_raw), list->text_raw.len > 0 ? list->text_raw : LIT("{}"));
    }
    encode_close(encode, ']', place);
}

static void begin_message(struct encode *encode, struct slice role)
{
    encode_comma(encode);
    encode_begin(encode, '{');
    encode_text(encode, "role", role);
}

static bool tool_message(struct encode *encode, const struct part *result)
{
    begin_message(encode, LIT("tool"));
    encode_key(encode, "tool_call_id");
    json_append_quoted(encode->out, call_id(encode, result->id_raw));
    if (!(encode->flags & OPENAI_FOREIGN)) {
        content(encode, result->children, true);
    } else {
        encode_key(encode, "content");
        buffer_append_byte(encode->out, '"');
        for (const struct part *part = result->children; part != NULL; part = part->next)
            if (part->kind == PART_TEXT)
                buffer_append_slice(encode->out, part->text_raw);
        buffer_append_byte(encode->out, '"');
    }
    encode_end(encode, '}');
    return true;
}

/* Pictures cannot stand in the result of a tool here: the user shows those of a run of results behind it. */
static void result_images(struct encode *encode, const struct message *from, const struct message *to)
{
    struct place before = {encode->out->len, encode->first};
    begin_message(encode, LIT("user"));
    struct place list = encode_open(encode, "content", '[');
    for (; from != to; from = from->next) {
        for (const struct part *part = from->parts == NULL ? NULL : from->parts->children; part != NULL; part = part->next) {
            if (part->kind != PART_IMAGE)
                continue;
            encode_comma(encode);
            openai_write_image(encode, part);
        }
    }
    bool none = encode->first;
    encode_close(encode, ']', list);
    encode->first = none;
    encode_close(encode, '}', before);
}

/* Reasoning goes back where the vendor wants it with its tool calls (COMPAT(deepseek, 2026-08)); elsewhere it is only valid at its issuer. */
static void reasoning(struct encode *encode, const struct part *list)
{
    if (strcmp(encode->provider->vendor->name, "deepseek") != 0 || !part_list_has(list, PART_TOOL_CALL))
        return;
    encode_key(encode, "reasoning_content");
    encode_reasoning(encode, list);
}

static struct slice role_name(const struct encode *encode, const struct message *message)
{
    switch (message->role) {
    case ROLE_SYSTEM:
        return message->developer && !(encode->flags & OPENAI_NO_DEVELOPER) ? LIT("developer") : LIT("system");
    case ROLE_ASSISTANT:
        return LIT("assistant");
    case ROLE_TOOL:
        return LIT("tool");
    default:
        return LIT("user");
    }
}

/* Several texts stay apart where the client's dialect keeps them apart: its blocks of system and user are not one text cut in pieces. */
static bool is_string(const struct encode *encode, const struct message *given)
{
    const struct part *parts = given->parts;
    if (given->plain || given->role == ROLE_ASSISTANT || !(encode->flags & OPENAI_FOREIGN))
        return given->plain || given->role != ROLE_USER || is_all_text(encode, parts);
    return parts == NULL || parts->next == NULL;
}

/* Nothing but words of another dialect. */
static bool is_mute(const struct encode *encode, const struct message *given)
{
    bool mute = (encode->flags & OPENAI_FOREIGN) && given->parts != NULL;
    for (const struct part *part = given->parts; mute && part != NULL; part = part->next)
        mute = part->kind == PART_OPAQUE || part->kind == PART_REASONING || part->kind == PART_REDACTED;
    return mute;
}

static bool message_rest(struct encode *encode, const struct message *given)
{
    const struct part *parts = given->parts;
    bool calls = part_list_has(parts, PART_TOOL_CALL), said = part_list_has(parts, PART_TEXT) || part_list_has(parts, PART_REFUSAL);
    if (is_mute(encode, given))
        return true;
    begin_message(encode, role_name(encode, given));
    encode_text(encode, "name", given->name_raw);
    if (said || !calls || (quirks_of(encode) & VENDOR_STRICT_FIELDS))
        content(encode, parts, is_string(encode, given));
    else
        encode_value(encode, "content", LIT("null"));
    reasoning(encode, parts);
    tool_calls(encode, parts);
    if ((quirks_of(encode) & VENDOR_PREFIX) && given->role == ROLE_ASSISTANT && given->next == NULL && !calls)
        encode_value(encode, "prefix", LIT("true")); /* COMPAT(mistral, 2026-06) */
    encode_end(encode, '}');
    return true;
}

/* Tool results become messages of their own, before what else a message says. */
static void messages(struct encode *encode)
{
    const struct message *results = NULL; /* where the run of results began */
    encode_key(encode, "messages");
    encode_begin(encode, '[');
    for (const struct message *at = encode->chat->messages; at != NULL; at = at->next) {
        if (results == NULL && at->role == ROLE_TOOL)
            results = at;
        message_write(encode, at, tool_message, message_rest);
        if ((encode->flags & OPENAI_FOREIGN) && results != NULL && (at->next == NULL || at->next->role != ROLE_TOOL)) {
            result_images(encode, results, at->next);
            results = NULL;
        }
    }
    encode_end(encode, ']');
}

/* ---------------------------------------------------------------- tools */

static struct slice strict_word(int strict)
{
    return strict < 0 ? SLICE_NONE : strict ? LIT("true") : LIT("false");
}

static void tools(struct encode *encode)
{
    if (encode->chat->tools == NULL)
        return;
    encode_key(encode, "tools");
    encode_begin(encode, '[');
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        encode_comma(encode);
        if (tool->json.len > 0) {
            buffer_append_slice(encode->out, tool->json);
            continue;
        }
        encode_function(encode, tool_name(encode, tool->name_raw), tool->description_raw, tool->schema_json);
        encode_value(encode, "strict", strict_word(tool->strict));
        buffer_append_lit(encode->out, "}}");
    }
    encode_end(encode, ']');
}

static void tool_choice(struct encode *encode)
{
    static const struct slice words[] = {LIT(""), LIT("auto"), LIT("none"), LIT("required")};
    const struct chat *chat = encode->chat;
    if (chat->tool_choice != TOOL_CHOICE_NAMED)
        return encode_text(encode, "tool_choice", words[chat->tool_choice]);
    encode_key(encode, "tool_choice");
    encode_write(encode, "{\"type\":\"function\",\"function\":{\"name\":\"%\"}}", tool_name(encode, chat->tool_choice_name_raw));
}

static void response_format(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->format == FORMAT_NONE_GIVEN)
        return;
    encode_key(encode, "response_format");
    if (chat->format != FORMAT_SCHEMA)
        return encode_write(encode, "{\"type\":\"%\"}", chat->format == FORMAT_JSON ? LIT("json_object") : LIT("text"));
    encode_write(encode, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"%\",\"schema\":%",
                 chat->schema_name_raw.len > 0 ? chat->schema_name_raw : LIT("response"),
                 chat->schema_json.len > 0 ? chat->schema_json : LIT("{}"));
    encode_text(encode, "description", chat->schema_description_raw);
    encode_value(encode, "strict", strict_word(chat->schema_strict));
    buffer_append_lit(encode->out, "}}");
}

static void stops(struct encode *encode)
{
    enum { STOPS_MAX = 4 };
    const struct chat *chat = encode->chat;
    if (chat->stop_count == 0 || !is_sent(encode, "stop"))
        return;
    if (chat->stop_plain) {
        encode_key(encode, "stop");
        json_append_quoted(encode->out, chat->stops_raw[0]);
    } else {
        encode_stops(encode, "stop", NULL, encode->flags & OPENAI_FOREIGN ? STOPS_MAX : STOPS_ANY);
    }
}

/* What no field carries, and efforts, are the client's own words of OpenAI's: those of /v1/responses are chat's. */
static bool is_own_word(const struct encode *encode)
{
    return !(encode->flags & OPENAI_FOREIGN) || encode->chat->wire == &wire_responses;
}

/* COMPAT(groq, 2026-08): reasoning_format "raw" is refused beside tools and formats. */
static bool is_refused_raw(const struct encode *encode, const char *name, struct slice value_json)
{
    return strcmp(name, "reasoning_format") == 0 && slice_equals(value_json, LIT("\"raw\"")) &&
           (encode->chat->tools != NULL || encode->chat->format > FORMAT_TEXT);
}

static void extras(struct encode *encode)
{
    for (const struct extra *extra = encode->chat->extras; extra != NULL; extra = extra->next) {
        const char *name = is_own_word(encode) ? arena_copy(encode->arena, extra->name_raw).ptr : NULL;
        if (!is_own_word(encode))
            encode_drop(encode, extra->name_raw);
        else if (name != NULL && is_sent(encode, name))
            encode_value(encode, name, is_refused_raw(encode, name, extra->value_json) ? LIT("\"parsed\"") : extra->value_json);
    }
}

/* COMPAT(deepseek, 2026-08): low, high and max are known. COMPAT(mistral, 2026-06): none and high. */
static struct slice effort_said(unsigned quirks, struct slice raw)
{
    bool least = slice_equals(raw, LIT("minimal"));
    if (quirks & VENDOR_THINKING)
        return least ? LIT("low") : slice_equals(raw, LIT("medium")) ? LIT("high") : slice_equals(raw, LIT("xhigh")) ? LIT("max") : raw;
    if (quirks & VENDOR_EFFORT_TWO)
        return least || slice_equals(raw, LIT("none")) ? LIT("none") : LIT("high");
    return raw;
}

/* COMPAT(together, 2026-04): a number, of alternatives. */
static void logprobs(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (!(quirks_of(encode) & VENDOR_LOGPROBS_COUNT)) {
        put_flag(encode, "logprobs", chat->logprobs);
        put_value(encode, "top_logprobs", chat->top_logprobs);
    } else if (chat->logprobs == 1) {
        put_value(encode, "logprobs", chat->top_logprobs.len > 0 ? chat->top_logprobs : LIT("1"));
    } else if (chat->top_logprobs.len > 0) {
        encode_drop(encode, LIT("top_logprobs"));
    }
}

/* COMPAT(azure, 2026-08): older versions know the older name only, as some vendors do; models that reason know the newer one only. */
static const char *max_tokens_name(const struct encode *encode)
{
    bool newer = encode->chat->max_completion || (encode->flags & (OPENAI_REASONS | OPENAI_SAMPLES_AT_NONE));
    if ((quirks_of(encode) & VENDOR_MAX_TOKENS) || openai_is_before(encode->provider, LIT("2024-09-01")))
        return "max_tokens";
    return newer ? "max_completion_tokens" : "max_tokens";
}

static void effort(struct encode *encode)
{
    unsigned quirks = quirks_of(encode);
    struct slice raw = encode->chat->effort_raw, thinking = encode->chat->thinking_json;
    bool none = slice_equals(raw, LIT("none"));
    if (!is_own_word(encode) && raw.len > 0 && !(encode->model->capabilities & NEED_REASONING))
        return encode_drop(encode, LIT("reasoning_effort")); /* an effort made from a budget is refused by other models */
    if (quirks & VENDOR_THINKING)
        encode_value(encode, "thinking", thinking);
    if (raw.len == 0)
        return;
    if (quirks & VENDOR_EFFORT_OBJECT) {
        encode_key(encode, "reasoning");
        return encode_write(encode, "{\"effort\":\"%\"}", raw);
    }
    if ((quirks & VENDOR_THINKING) && thinking.len == 0) {
        encode_value(encode, "thinking", none ? LIT("{\"type\":\"disabled\"}") : LIT("{\"type\":\"enabled\"}"));
        if (none)
            return;
    }
    put_word(encode, "reasoning_effort", effort_said(quirks, raw));
}

/* Files go as data here, pictures also by address; an id is its own provider's. */
static bool has_data(struct encode *encode)
{
    struct parts parts = parts_said(encode->chat->messages, NULL);
    for (const struct part *part; (part = parts_next(&parts)) != NULL;) {
        bool data = part->data_raw.len > 0 || part->text_raw.len > 0 || slice_starts_with(part->url_raw, LIT("data:"));
        if ((part->kind == PART_DOCUMENT && !data) || (part->kind == PART_IMAGE && !data && part->url_raw.len == 0))
            return encode_refuse(encode, LIT("this provider takes files as data only, not by address or id"), LIT("messages"));
    }
    return true;
}

static void begin(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    encode->flags = openai_family(encode->provider, encode->model);
    if ((encode->flags & OPENAI_SAMPLES_AT_NONE) && slice_equals(chat->effort_raw, LIT("none")))
        encode->flags = OPENAI_SAMPLES_AT_NONE;
    if (chat->wire != NULL && chat->wire != &wire_openai)
        encode->flags |= OPENAI_FOREIGN;
    if ((quirks_of(encode) & VENDOR_NO_DEVELOPER) || openai_is_before(encode->provider, LIT("2024-12-01")))
        encode->flags |= OPENAI_NO_DEVELOPER;
}

static void put_sampling(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    put_value(encode, max_tokens_name(encode), chat->max_tokens);
    put_value(encode, "temperature", chat->temperature);
    put_value(encode, "top_p", chat->top_p);
    if ((encode->flags & OPENAI_FOREIGN) && chat->top_k.len > 0 && !(quirks_of(encode) & VENDOR_TOP_K))
        encode_drop(encode, LIT("top_k"));
    else
        put_value(encode, "top_k", chat->top_k);
    put_value(encode, "n", chat->n);
    put_value(encode, quirks_of(encode) & VENDOR_RANDOM_SEED ? "random_seed" : "seed", chat->seed);
    put_value(encode, "presence_penalty", chat->presence_penalty);
    put_value(encode, "frequency_penalty", chat->frequency_penalty);
}

bool openai_write_request(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    begin(encode);
    if ((encode->flags & OPENAI_FOREIGN) && !has_data(encode))
        return false;
    if (encode->flags & OPENAI_FOREIGN)
        encode_drop_content(encode);
    encode_begin(encode, '{');
    if (!encode->provider->dated_api) /* else the path names the deployment */
        encode_model(encode);
    messages(encode);
    put_sampling(encode);
    logprobs(encode);
    stops(encode);
    tools(encode);
    tool_choice(encode);
    put_flag(encode, quirks_of(encode) & VENDOR_PARALLEL_FUNCTION ? "parallel_function_calling" : "parallel_tool_calls",
             chat->parallel_tool_calls);
    response_format(encode);
    effort(encode);
    put_word(encode, "user", chat->user_raw);
    put_word(encode, "service_tier", chat->service_tier_raw);
    if (chat->metadata_json.len > 0 && is_sent(encode, "metadata"))
        encode_value(encode, "metadata", chat->metadata_json);
    extras(encode);
    if (chat->stream)
        encode_value(encode, "stream", LIT("true"));
    if (chat->stream && !(quirks_of(encode) & VENDOR_NO_STREAM_OPTIONS) && !openai_is_before(encode->provider, LIT("2024-09-01")))
        encode_value(encode, "stream_options", LIT("{\"include_usage\":true}"));
    encode_end(encode, '}');
    return true;
}
