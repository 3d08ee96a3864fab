/* write_request.c -- struct chat into a request body of OpenAI's dialect, with the vendor's quirks: for clients of another dialect, and for vendors
 * that need more than edits of the client's bytes.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

struct encode {
    const struct chat *chat;
    const struct vendor *vendor;
    struct arena *arena;
    struct buffer *out, *dropped;
    bool first;
    bool foreign;      /* the client speaks another dialect: opaque parts and extras are words of that one */
    bool no_developer; /* this role is said as system */
    unsigned family;   /* OPENAI_* */
};

static bool is_listed(const char *const *list, const char *name)
{
    for (; list != NULL && *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

/* A vendor with strict fields gets only those on its list; one that refuses some does not get those, nor a model what it refuses. */
static bool is_taken(const struct encode *encode, const char *name)
{
    bool strict = encode->vendor->quirks & VENDOR_STRICT_FIELDS;
    return strict ? is_listed(encode->vendor->fields, name) : !is_listed(encode->vendor->unsent, name);
}

static bool is_sent(struct encode *encode, const char *name)
{
    if (is_taken(encode, name) && !openai_refuses(encode->family, slice_of(name)))
        return true;
    names_drop(encode->dropped, slice_of(name));
    return false;
}

/* A value that says what its absence says is no loss. */
static bool is_value_sent(struct encode *encode, const char *name, struct slice value)
{
    return openai_is_default(slice_of(name), value) ? is_taken(encode, name) : is_sent(encode, name);
}

static void number(struct encode *encode, const char *name, struct slice digits)
{
    if (digits.len > 0 && is_value_sent(encode, name, digits)) {
        json_append_key(encode->out, &encode->first, slice_of(name));
        buffer_append_slice(encode->out, digits);
    }
}

static void text(struct encode *encode, const char *name, struct slice raw)
{
    if (raw.len > 0 && is_sent(encode, name)) {
        json_append_key(encode->out, &encode->first, slice_of(name));
        json_append_quoted(encode->out, raw);
    }
}

static void flag(struct encode *encode, const char *name, int value)
{
    struct slice word = value ? LIT("true") : LIT("false");
    if (value >= 0 && is_value_sent(encode, name, word)) {
        json_append_key(encode->out, &encode->first, slice_of(name));
        buffer_append_slice(encode->out, word);
    }
}

/* ---------------------------------------------------------------- messages */

/* Where it is, or all of it. */
static void put_url(struct buffer *out, const struct part *part)
{
    if (part->url_raw.len > 0) {
        buffer_append_slice(out, part->url_raw);
    } else {
        buffer_append_lit(out, "data:");
        buffer_append_slice(out, part->media_type_raw);
        buffer_append_lit(out, ";base64,");
        buffer_append_slice(out, part->data_raw);
    }
}

void openai_write_image(struct buffer *out, const struct part *part)
{
    buffer_append_lit(out, "{\"type\":\"image_url\",\"image_url\":{\"url\":\"");
    put_url(out, part);
    buffer_append_byte(out, '"');
    if (part->detail_raw.len > 0) {
        buffer_append_lit(out, ",\"detail\":");
        json_append_quoted(out, part->detail_raw);
    }
    buffer_append_lit(out, "}}");
}

/* COMPAT(mistral, 2026-06): files have a word of their own. */
static void document(const struct vendor *vendor, struct buffer *out, const struct part *part)
{
    if (part->text_raw.len > 0) {
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
        json_append_quoted(out, part->text_raw);
        buffer_append_byte(out, '}');
        return;
    }
    if (part->id_raw.len > 0 && part->url_raw.len == 0 && part->data_raw.len == 0) {
        buffer_append_lit(out, "{\"type\":\"file\",\"file\":{\"file_id\":");
        json_append_quoted(out, part->id_raw);
        buffer_append_lit(out, "}}");
        return;
    }
    if (vendor->quirks & VENDOR_STRICT_FIELDS) {
        buffer_append_lit(out, "{\"type\":\"document_url\",\"document_url\":\"");
        put_url(out, part);
        buffer_append_lit(out, "\"}");
        return;
    }
    buffer_append_lit(out, "{\"type\":\"file\",\"file\":{\"filename\":");
    json_append_quoted(out, part->name_raw.len > 0 ? part->name_raw : LIT("document.pdf"));
    buffer_append_lit(out, ",\"file_data\":\"");
    put_url(out, part);
    buffer_append_lit(out, "\"}}");
}

/* A refusal in the history is OpenAI's own kind of text. */
static void content_part(const struct vendor *vendor, struct buffer *out, const struct part *part)
{
    switch (part->kind) {
    case PART_IMAGE:
        openai_write_image(out, part);
        break;
    case PART_DOCUMENT:
        document(vendor, out, part);
        break;
    case PART_AUDIO:
        buffer_append_lit(out, "{\"type\":\"input_audio\",\"input_audio\":{\"data\":");
        json_append_quoted(out, part->data_raw);
        buffer_append_lit(out, ",\"format\":");
        json_append_quoted(out, part->media_type_raw);
        buffer_append_lit(out, "}}");
        break;
    case PART_REFUSAL:
        buffer_append_slice(out, vendor->quirks & VENDOR_OPENAI_MODELS ? LIT("{\"type\":\"refusal\",\"refusal\":")
                                                                       : LIT("{\"type\":\"text\",\"text\":"));
        json_append_quoted(out, part->text_raw);
        buffer_append_byte(out, '}');
        break;
    case PART_OPAQUE:
        buffer_append_slice(out, part->json);
        break;
    default:
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
        json_append_quoted(out, part->text_raw);
        buffer_append_byte(out, '}');
        break;
    }
}

static bool is_content(const struct encode *encode, const struct part *part)
{
    if (part->kind == PART_OPAQUE)
        return !encode->foreign;
    return part->kind != PART_TOOL_CALL && part->kind != PART_TOOL_RESULT && part->kind != PART_REASONING && part->kind != PART_REDACTED;
}

static bool is_all_text(const struct encode *encode, const struct part *parts)
{
    bool refusals = encode->vendor->quirks & VENDOR_OPENAI_MODELS;
    for (; parts != NULL; parts = parts->next)
        if (is_content(encode, parts) && parts->kind != PART_TEXT && (refusals || parts->kind != PART_REFUSAL))
            return false;
    return true;
}

/* Texts are joined where a string is expected or was given; anything else makes a list. */
static void content(struct encode *encode, const struct part *parts, bool plain)
{
    struct buffer *out = encode->out;
    bool first = true;
    json_append_key(encode->out, &encode->first, LIT("content"));
    if (is_all_text(encode, parts) && plain) {
        buffer_append_byte(out, '"');
        for (; parts != NULL; parts = parts->next)
            if (is_content(encode, parts))
                buffer_append_slice(out, parts->text_raw);
        buffer_append_byte(out, '"');
        return;
    }
    buffer_append_byte(out, '[');
    for (; parts != NULL; parts = parts->next) {
        if (!is_content(encode, parts))
            continue;
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        content_part(encode->vendor, out, parts);
    }
    buffer_append_byte(out, ']');
}

/* COMPAT(mistral, 2026-06): ids of exactly nine alphanumerics; foreign ones are hashed, the same id to the same nine within a request. */
static void call_id(struct encode *encode, struct slice id)
{
    static const char alphabet[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    uint64_t hash = 14695981039346656037ULL; /* FNV-1a: for naming, not for keeping secrets */
    bool fine = id.len == 9;
    for (size_t i = 0; i < id.len; i++) {
        hash = (hash ^ (unsigned char)id.ptr[i]) * 1099511628211ULL;
        fine = fine && memchr(alphabet, id.ptr[i], 62) != NULL;
    }
    if (!(encode->vendor->quirks & VENDOR_ID9) || fine) {
        json_append_quoted(encode->out, id);
        return;
    }
    char nine[9];
    for (unsigned i = 0; i < sizeof nine; i++, hash /= 62)
        nine[i] = alphabet[hash % 62];
    json_append_quoted(encode->out, (struct slice){nine, sizeof nine});
}

/* Other dialects allow longer names; openai/read_answer.c finds the way back. */
static void tool_name(struct encode *encode, struct slice name)
{
    json_append_quoted(encode->out, encode->foreign ? name_fit(name, &openai_names, encode->arena) : name);
}

static void tool_calls(struct encode *encode, const struct part *parts)
{
    struct buffer *out = encode->out;
    bool any = false;
    for (; parts != NULL; parts = parts->next) {
        if (parts->kind != PART_TOOL_CALL)
            continue;
        if (!any)
            json_append_key(encode->out, &encode->first, LIT("tool_calls"));
        buffer_append_byte(out, any ? ',' : '[');
        any = true;
        buffer_append_lit(out, "{\"id\":");
        call_id(encode, parts->id_raw);
        buffer_append_lit(out, ",\"type\":\"function\",\"function\":{\"name\":");
        tool_name(encode, parts->name_raw);
        buffer_append_lit(out, ",\"arguments\":");
        json_append_quoted(out, parts->text_raw.len > 0 ? parts->text_raw : LIT("{}"));
        buffer_append_lit(out, "}}");
    }
    if (any)
        buffer_append_byte(out, ']');
}

static bool has_kind(const struct part *parts, enum part_kind kind)
{
    for (; parts != NULL; parts = parts->next)
        if (parts->kind == kind)
            return true;
    return false;
}

static void begin_message(struct encode *encode, bool *first, struct slice role)
{
    if (!*first)
        buffer_append_byte(encode->out, ',');
    *first = false;
    buffer_append_byte(encode->out, '{');
    encode->first = true;
    json_append_key(encode->out, &encode->first, LIT("role"));
    json_append_quoted(encode->out, role);
}

/* The texts of a result, one string. */
static void texts(struct encode *encode, const struct part *parts)
{
    json_append_key(encode->out, &encode->first, LIT("content"));
    buffer_append_byte(encode->out, '"');
    for (; parts != NULL; parts = parts->next)
        if (parts->kind == PART_TEXT)
            buffer_append_slice(encode->out, parts->text_raw);
    buffer_append_byte(encode->out, '"');
}

static void tool_message(struct encode *encode, const struct part *result, bool *first)
{
    begin_message(encode, first, LIT("tool"));
    json_append_key(encode->out, &encode->first, LIT("tool_call_id"));
    call_id(encode, result->id_raw);
    if (encode->foreign)
        texts(encode, result->children);
    else
        content(encode, result->children, true);
    buffer_append_byte(encode->out, '}');
}

/* Pictures cannot stand in the result of a tool here: the user shows those of a run of results behind it. */
static void result_images(struct encode *encode, const struct message *from, const struct message *to, bool *first)
{
    struct buffer *out = encode->out;
    bool any = false;
    for (; from != to; from = from->next) {
        for (const struct part *part = from->parts == NULL ? NULL : from->parts->children; part != NULL; part = part->next) {
            if (part->kind != PART_IMAGE)
                continue;
            if (!any) {
                begin_message(encode, first, LIT("user"));
                json_append_key(encode->out, &encode->first, LIT("content"));
            }
            buffer_append_byte(out, any ? ',' : '[');
            any = true;
            openai_write_image(out, part);
        }
    }
    if (any)
        buffer_append_lit(out, "]}");
}

/* Reasoning goes back where the vendor wants it with its tool calls (COMPAT(deepseek, 2026-08)); elsewhere it is only valid at its issuer. */
static void reasoning(struct encode *encode, const struct part *parts)
{
    if (strcmp(encode->vendor->name, "deepseek") != 0 || !has_kind(parts, PART_TOOL_CALL))
        return;
    json_append_key(encode->out, &encode->first, LIT("reasoning_content"));
    buffer_append_byte(encode->out, '"');
    for (; parts != NULL; parts = parts->next)
        if (parts->kind == PART_REASONING)
            buffer_append_slice(encode->out, parts->text_raw);
    buffer_append_byte(encode->out, '"');
}

static struct slice role_name(const struct encode *encode, const struct message *message)
{
    switch (message->role) {
    case ROLE_SYSTEM:
        return message->developer && !encode->no_developer ? LIT("developer") : LIT("system");
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
    if (given->plain || given->role == ROLE_ASSISTANT || !encode->foreign)
        return given->plain || given->role != ROLE_USER || is_all_text(encode, parts);
    return parts == NULL || parts->next == NULL;
}

/* Nothing but words of another dialect. */
static bool is_mute(const struct encode *encode, const struct message *given)
{
    bool mute = encode->foreign && given->parts != NULL;
    for (const struct part *part = given->parts; mute && part != NULL; part = part->next)
        mute = part->kind == PART_OPAQUE || part->kind == PART_REASONING || part->kind == PART_REDACTED;
    return mute;
}

/* Tool results become messages of their own, before what else the message says. */
static void message(struct encode *encode, const struct message *given, bool *first)
{
    bool rest = false;
    for (const struct part *part = given->parts; part != NULL; part = part->next) {
        if (part->kind == PART_TOOL_RESULT)
            tool_message(encode, part, first);
        else
            rest = true;
    }
    if ((!rest && given->parts != NULL) || is_mute(encode, given))
        return;
    begin_message(encode, first, role_name(encode, given));
    if (given->name_raw.len > 0) {
        json_append_key(encode->out, &encode->first, LIT("name"));
        json_append_quoted(encode->out, given->name_raw);
    }
    bool calls = has_kind(given->parts, PART_TOOL_CALL), said = has_kind(given->parts, PART_TEXT) || has_kind(given->parts, PART_REFUSAL);
    if (said || !calls || (encode->vendor->quirks & VENDOR_STRICT_FIELDS))
        content(encode, given->parts, is_string(encode, given));
    else {
        json_append_key(encode->out, &encode->first, LIT("content"));
        buffer_append_lit(encode->out, "null");
    }
    reasoning(encode, given->parts);
    tool_calls(encode, given->parts);
    if ((encode->vendor->quirks & VENDOR_PREFIX) && given->role == ROLE_ASSISTANT && given->next == NULL && !calls) {
        json_append_key(encode->out, &encode->first, LIT("prefix")); /* COMPAT(mistral, 2026-06) */
        buffer_append_lit(encode->out, "true");
    }
    buffer_append_byte(encode->out, '}');
}

static void messages(struct encode *encode)
{
    bool first = true;
    json_append_key(encode->out, &encode->first, LIT("messages"));
    buffer_append_byte(encode->out, '[');
    const struct message *results = NULL; /* where the run of results began */
    for (const struct message *at = encode->chat->messages; at != NULL; at = at->next) {
        if (results == NULL && at->role == ROLE_TOOL)
            results = at;
        message(encode, at, &first);
        if (encode->foreign && results != NULL && (at->next == NULL || at->next->role != ROLE_TOOL)) {
            result_images(encode, results, at->next, &first);
            results = NULL;
        }
    }
    buffer_append_byte(encode->out, ']');
    encode->first = false;
}

/* ---------------------------------------------------------------- tools */

static void tools(struct encode *encode)
{
    struct buffer *out = encode->out;
    bool first = true;
    if (encode->chat->tools == NULL)
        return;
    json_append_key(encode->out, &encode->first, LIT("tools"));
    buffer_append_byte(out, '[');
    for (const struct tool *tool = encode->chat->tools; tool != NULL; tool = tool->next) {
        if (!first)
            buffer_append_byte(out, ',');
        first = false;
        if (tool->json.len > 0) {
            buffer_append_slice(out, tool->json);
            continue;
        }
        buffer_append_lit(out, "{\"type\":\"function\",\"function\":{\"name\":");
        tool_name(encode, tool->name_raw);
        if (tool->description_raw.len > 0) {
            buffer_append_lit(out, ",\"description\":");
            json_append_quoted(out, tool->description_raw);
        }
        if (tool->schema_json.len > 0) {
            buffer_append_lit(out, ",\"parameters\":");
            buffer_append_slice(out, tool->schema_json);
        }
        if (tool->strict >= 0)
            buffer_append_slice(out, tool->strict ? LIT(",\"strict\":true") : LIT(",\"strict\":false"));
        buffer_append_lit(out, "}}");
    }
    buffer_append_byte(out, ']');
}

static void tool_choice(struct encode *encode)
{
    static const struct slice words[] = {LIT(""), LIT("\"auto\""), LIT("\"none\""), LIT("\"required\"")};
    const struct chat *chat = encode->chat;
    if (chat->tool_choice == TOOL_CHOICE_NONE_GIVEN)
        return;
    json_append_key(encode->out, &encode->first, LIT("tool_choice"));
    if (chat->tool_choice != TOOL_CHOICE_NAMED) {
        buffer_append_slice(encode->out, words[chat->tool_choice]);
        return;
    }
    buffer_append_lit(encode->out, "{\"type\":\"function\",\"function\":{\"name\":");
    tool_name(encode, chat->tool_choice_name_raw);
    buffer_append_lit(encode->out, "}}");
}

static void response_format(struct encode *encode)
{
    const struct chat *chat = encode->chat;
    if (chat->format == FORMAT_NONE_GIVEN)
        return;
    json_append_key(encode->out, &encode->first, LIT("response_format"));
    if (chat->format != FORMAT_SCHEMA) {
        buffer_append_slice(encode->out, chat->format == FORMAT_JSON ? LIT("{\"type\":\"json_object\"}") : LIT("{\"type\":\"text\"}"));
        return;
    }
    buffer_append_lit(encode->out, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":");
    json_append_quoted(encode->out, chat->schema_name_raw.len > 0 ? chat->schema_name_raw : LIT("response"));
    buffer_append_lit(encode->out, ",\"schema\":");
    buffer_append_slice(encode->out, chat->schema_json.len > 0 ? chat->schema_json : LIT("{}"));
    if (chat->schema_description_raw.len > 0) {
        buffer_append_lit(encode->out, ",\"description\":");
        json_append_quoted(encode->out, chat->schema_description_raw);
    }
    if (chat->schema_strict >= 0)
        buffer_append_slice(encode->out, chat->schema_strict ? LIT(",\"strict\":true") : LIT(",\"strict\":false"));
    buffer_append_lit(encode->out, "}}");
}

static void stops(struct encode *encode)
{
    enum { STOPS_MAX = 4 };
    const struct chat *chat = encode->chat;
    unsigned count = encode->foreign && chat->stop_count > STOPS_MAX ? STOPS_MAX : chat->stop_count;
    if (count == 0 || !is_sent(encode, "stop"))
        return;
    if (count < chat->stop_count)
        names_drop(encode->dropped, LIT("stop"));
    json_append_key(encode->out, &encode->first, LIT("stop"));
    if (chat->stop_plain) {
        json_append_quoted(encode->out, chat->stops_raw[0]);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        buffer_append_byte(encode->out, i == 0 ? '[' : ',');
        json_append_quoted(encode->out, chat->stops_raw[i]);
    }
    buffer_append_byte(encode->out, ']');
}

/* What no field carries, and efforts, are the client's own words of OpenAI's: those of /v1/responses are chat's. */
static bool is_own_word(const struct encode *encode)
{
    return !encode->foreign || encode->chat->wire == &wire_responses;
}

static void extras(struct encode *encode)
{
    for (const struct extra *extra = encode->chat->extras; extra != NULL; extra = extra->next) {
        if (!is_own_word(encode)) {
            names_drop(encode->dropped, extra->name_raw);
            continue;
        }
        const char *name = arena_copy(encode->arena, extra->name_raw).ptr;
        if (name == NULL || !is_sent(encode, name))
            continue;
        json_append_key(encode->out, &encode->first, slice_of(name));
        bool raw = strcmp(name, "reasoning_format") == 0 && slice_equals(extra->value_json, LIT("\"raw\"")) &&
                   (encode->chat->tools != NULL || encode->chat->format > FORMAT_TEXT);
        buffer_append_slice(encode->out, raw ? LIT("\"parsed\"") : extra->value_json); /* COMPAT(groq, 2026-08): refused beside these */
    }
}

/* COMPAT(deepseek, 2026-08): low, high and max are known. COMPAT(mistral, 2026-06): none and high. */
static struct slice effort_word(unsigned quirks, struct slice raw)
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
    if (!(encode->vendor->quirks & VENDOR_LOGPROBS_COUNT)) {
        flag(encode, "logprobs", chat->logprobs);
        number(encode, "top_logprobs", chat->top_logprobs);
    } else if (chat->logprobs == 1) {
        number(encode, "logprobs", chat->top_logprobs.len > 0 ? chat->top_logprobs : LIT("1"));
    } else if (chat->top_logprobs.len > 0) {
        names_drop(encode->dropped, LIT("top_logprobs"));
    }
}

/* COMPAT(azure, 2026-08): older versions know the older name only, as some vendors do; models that reason know the newer one only. */
static const char *max_tokens_name(const struct encode *encode, const struct provider *provider)
{
    if ((provider->vendor->quirks & VENDOR_MAX_TOKENS) || openai_is_before(provider, LIT("2024-09-01")))
        return "max_tokens";
    return encode->chat->max_completion || (encode->family & (OPENAI_REASONS | OPENAI_SAMPLES_AT_NONE)) ? "max_completion_tokens"
                                                                                                        : "max_tokens";
}

static void effort(struct encode *encode, const struct model_facts *model)
{
    unsigned quirks = encode->vendor->quirks;
    struct slice raw = encode->chat->effort_raw;
    if (!is_own_word(encode) && raw.len > 0 &&
        !(model->capabilities & NEED_REASONING)) { /* an effort made from a budget is refused by other models */
        names_drop(encode->dropped, LIT("reasoning_effort"));
        return;
    }
    if ((quirks & VENDOR_THINKING) && encode->chat->thinking_json.len > 0) {
        json_append_key(encode->out, &encode->first, LIT("thinking"));
        buffer_append_slice(encode->out, encode->chat->thinking_json);
    }
    if (raw.len == 0)
        return;
    if (quirks & VENDOR_EFFORT_OBJECT) {
        json_append_key(encode->out, &encode->first, LIT("reasoning"));
        buffer_append_lit(encode->out, "{\"effort\":");
        json_append_quoted(encode->out, raw);
        buffer_append_byte(encode->out, '}');
        return;
    }
    if ((quirks & VENDOR_THINKING) && encode->chat->thinking_json.len == 0) {
        bool none = slice_equals(raw, LIT("none"));
        json_append_key(encode->out, &encode->first, LIT("thinking"));
        buffer_append_slice(encode->out, none ? LIT("{\"type\":\"disabled\"}") : LIT("{\"type\":\"enabled\"}"));
        if (none)
            return;
    }
    text(encode, "reasoning_effort", effort_word(quirks, raw));
}

/* Files go as data here, pictures also by address; an id is its own provider's. */
static bool has_data(const struct chat *chat, struct complaint *complaint)
{
    for (const struct message *message = chat->messages; message != NULL; message = message->next) {
        for (const struct part *part = message->parts; part != NULL; part = part->next) {
            bool data = part->data_raw.len > 0 || part->text_raw.len > 0 || slice_starts_with(part->url_raw, LIT("data:"));
            bool lost = (part->kind == PART_DOCUMENT && !data) || (part->kind == PART_IMAGE && !data && part->url_raw.len == 0);
            if (!lost)
                continue;
            *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER,
                                            LIT("this provider takes files as data only, not by address or id"), LIT("messages")};
            return false;
        }
    }
    return true;
}

bool openai_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct encode encode = {.chat = chat,
                            .vendor = provider->vendor,
                            .arena = arena,
                            .out = out,
                            .dropped = dropped,
                            .first = true,
                            .foreign = chat->wire != NULL && chat->wire != &wire_openai,
                            .no_developer = (provider->vendor->quirks & VENDOR_NO_DEVELOPER) ||
                                            openai_is_before(provider, LIT("2024-12-01")),
                            .family = openai_family(provider, model)};
    unsigned quirks = provider->vendor->quirks;
    if ((encode.family & OPENAI_SAMPLES_AT_NONE) && slice_equals(chat->effort_raw, LIT("none")))
        encode.family = OPENAI_SAMPLES_AT_NONE;
    if (encode.foreign && !has_data(chat, complaint))
        return false;
    if (encode.foreign)
        names_drop_content(chat, dropped);
    buffer_append_byte(out, '{');
    if (!provider->dated_api) { /* else the path names the deployment */
        json_append_key(encode.out, &encode.first, LIT("model"));
        json_append_string(out, model->model);
    }
    messages(&encode);
    number(&encode, max_tokens_name(&encode, provider), chat->max_tokens);
    number(&encode, "temperature", chat->temperature);
    number(&encode, "top_p", chat->top_p);
    if (encode.foreign && chat->top_k.len > 0 && !(quirks & VENDOR_TOP_K))
        names_drop(encode.dropped, LIT("top_k"));
    else
        number(&encode, "top_k", chat->top_k);
    number(&encode, "n", chat->n);
    number(&encode, quirks & VENDOR_RANDOM_SEED ? "random_seed" : "seed", chat->seed);
    number(&encode, "presence_penalty", chat->presence_penalty);
    number(&encode, "frequency_penalty", chat->frequency_penalty);
    logprobs(&encode);
    stops(&encode);
    tools(&encode);
    tool_choice(&encode);
    flag(&encode, quirks & VENDOR_PARALLEL_FUNCTION ? "parallel_function_calling" : "parallel_tool_calls", chat->parallel_tool_calls);
    response_format(&encode);
    effort(&encode, model);
    text(&encode, "user", chat->user_raw);
    text(&encode, "service_tier", chat->service_tier_raw);
    if (chat->metadata_json.len > 0 && is_sent(&encode, "metadata")) {
        json_append_key(encode.out, &encode.first, LIT("metadata"));
        buffer_append_slice(out, chat->metadata_json);
    }
    extras(&encode);
    if (chat->stream) {
        json_append_key(encode.out, &encode.first, LIT("stream"));
        buffer_append_lit(out, "true");
        if (!(quirks & VENDOR_NO_STREAM_OPTIONS) && !openai_is_before(provider, LIT("2024-09-01"))) {
            json_append_key(encode.out, &encode.first, LIT("stream_options"));
            buffer_append_lit(out, "{\"include_usage\":true}");
        }
    }
    buffer_append_byte(out, '}');
    return true;
}
