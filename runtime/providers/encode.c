/* encode.c -- see encode.h.
 * SPDX-License-Identifier: MIT */
#include "providers/encode.h"

/* ---------------------------------------------------------------- pieces of JSON */

void encode_comma(struct encode *encode)
{
    json_append_comma(encode->out, &encode->first);
}

void encode_key(struct encode *encode, const char *name)
{
    json_append_key(encode->out, &encode->first, slice_of(name));
}

void encode_value(struct encode *encode, const char *name, struct slice value_json)
{
    if (value_json.len == 0)
        return;
    encode_key(encode, name);
    buffer_append_slice(encode->out, value_json);
}

void encode_text(struct encode *encode, const char *name, struct slice raw)
{
    if (raw.len == 0)
        return;
    encode_key(encode, name);
    json_append_quoted(encode->out, raw);
}

void encode_int(struct encode *encode, const char *name, int64_t number)
{
    encode_key(encode, name);
    buffer_append_int(encode->out, number);
}

void encode_model(struct encode *encode)
{
    encode_key(encode, "model");
    json_append_string(encode->out, encode->model->model);
}

void encode_begin(struct encode *encode, char bracket)
{
    buffer_append_byte(encode->out, bracket);
    encode->first = true;
}

void encode_end(struct encode *encode, char bracket)
{
    buffer_append_byte(encode->out, bracket);
    encode->first = false;
}

struct place encode_open(struct encode *encode, const char *name, char bracket)
{
    struct place before = {encode->out->len, encode->first};
    encode_key(encode, name);
    encode_begin(encode, bracket);
    return before;
}

void encode_close(struct encode *encode, char bracket, struct place place)
{
    if (!encode->first)
        return encode_end(encode, bracket);
    encode->out->len = place.len;
    encode->first = place.first;
}

/* ---------------------------------------------------------------- refusing, leaving out */

bool encode_refuse(struct encode *encode, struct slice message, struct slice param)
{
    return complaint_refuse(encode->complaint, message, param);
}

void encode_drop(struct encode *encode, struct slice name)
{
    if (encode->dropped->len > 0)
        buffer_append_lit(encode->dropped, ", ");
    buffer_append_slice(encode->dropped, name);
}

void encode_drop_marker(struct encode *encode, struct slice cache_control_json)
{
    if (cache_control_json.len > 0 && !encode->lost_markers)
        encode_drop(encode, LIT("cache_control"));
    encode->lost_markers |= cache_control_json.len > 0;
}

static void drop_opaque(struct encode *encode, const struct part *parts)
{
    for (const struct part *part = parts; part != NULL; part = part->next) {
        drop_opaque(encode, part->children);
        if (part->kind != PART_OPAQUE)
            continue;
        struct slice type = json_find_string(part->json, "type");
        encode_drop(encode, LIT("messages."));
        buffer_append_slice(encode->dropped, type.len == 0 ? LIT("content") : type);
    }
}

void encode_drop_content(struct encode *encode)
{
    for (const struct message *message = encode->chat->messages; message != NULL; message = message->next)
        if (message->role != ROLE_ASSISTANT)
            drop_opaque(encode, message->parts);
}

void encode_drop_members(struct encode *encode, unsigned members)
{
    const struct chat *chat = encode->chat;
    const struct {
        unsigned member;
        bool given;
        struct slice name;
    } known[] = {
        {MEMBER_SEED, chat->seed.len > 0, LIT("seed")},
        {MEMBER_PENALTIES, chat->presence_penalty.len > 0, LIT("presence_penalty")},
        {MEMBER_PENALTIES, chat->frequency_penalty.len > 0, LIT("frequency_penalty")},
        {MEMBER_LOGPROBS, chat->logprobs == 1, LIT("logprobs")},
        {MEMBER_LOGPROBS, chat->top_logprobs.len > 0, LIT("top_logprobs")},
        {MEMBER_PARALLEL, chat->parallel_tool_calls == 0, LIT("parallel_tool_calls")},
        {MEMBER_USER, chat->user_raw.len > 0, LIT("user")},
        {MEMBER_METADATA, chat->metadata_json.len > 0, LIT("metadata")},
        {MEMBER_SERVICE_TIER, chat->service_tier_raw.len > 0 && !slice_equals(chat->service_tier_raw, LIT("auto")), LIT("service_tier")},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if ((known[i].member & members) && known[i].given)
            encode_drop(encode, known[i].name);
}

static bool is_null(struct slice value_json)
{
    return slice_equals(value_json, LIT("null"));
}

bool extra_is_object(const struct encode *encode, struct slice value_json)
{
    (void)encode;
    return value_json.len > 0 && value_json.ptr[0] == '{';
}

void encode_extras(struct encode *encode, const struct extra_rule *rules, enum place_of_extra place)
{
    for (const struct extra *extra = encode->chat->extras; extra != NULL; extra = extra->next) {
        const struct extra_rule *rule = rules;
        if (is_null(extra->value_json))
            continue;
        while (rule->name != NULL && !json_raw_equals(extra->name_raw, slice_of(rule->name)))
            rule++;
        bool passes = rule->name != NULL && (rule->check == NULL || rule->check(encode, extra->value_json));
        if (passes && rule->place == place)
            encode_value(encode, rule->as != NULL ? rule->as : rule->name, extra->value_json);
        else if (!passes && place == EXTRA_TOP)
            encode_drop(encode, extra->name_raw);
    }
}

struct slice encode_extra(const struct encode *encode, struct slice name)
{
    for (const struct extra *extra = encode->chat->extras; extra != NULL; extra = extra->next)
        if (json_raw_equals(extra->name_raw, name) && !is_null(extra->value_json))
            return extra->value_json;
    return SLICE_NONE;
}

/* ---------------------------------------------------------------- what wires ask of a chat */

bool encode_is_one_answer(struct encode *encode)
{
    int64_t n = 1;
    if (encode->chat->n.len == 0 || (json_to_count(encode->chat->n, &n) && n == 1))
        return true;
    return encode_refuse(encode, LIT("this provider gives one answer per request: n must be 1"), LIT("n"));
}

int64_t encode_max_tokens(const struct encode *encode, int64_t otherwise)
{
    int64_t wanted, limit = encode->model->max_output, usual = encode->provider->default_max_tokens;
    if (!json_to_count(encode->chat->max_tokens, &wanted))
        wanted = usual > 0 ? usual : otherwise;
    return limit > 0 && wanted > limit ? limit : wanted;
}

int64_t encode_budget(const struct encode *encode, const int64_t *defaults)
{
    enum effort known = encode->effort < EFFORT_XHIGH ? encode->effort : EFFORT_XHIGH;
    int64_t configured = known < EFFORT_MINIMAL ? 0 : encode->provider->reasoning_budgets[known - EFFORT_MINIMAL];
    return configured > 0 ? configured : defaults[encode->effort];
}

enum effort effort_of(struct slice effort_raw, enum effort most)
{
    static const struct slice names[] = {LIT("none"), LIT("minimal"), LIT("low"), LIT("medium"), LIT("high"), LIT("xhigh"), LIT("max")};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (json_raw_equals(effort_raw, names[i]))
            return EFFORT_NONE + i < most ? (enum effort)(EFFORT_NONE + i) : most;
    return EFFORT_NOT_GIVEN;
}

struct slice effort_word(enum effort effort)
{
    static const struct slice words[] = {LIT(""), LIT(""), LIT("low"), LIT("low"), LIT("medium"), LIT("high"), LIT("high"), LIT("max")};
    return words[effort];
}

bool thinking_is_disabled(struct slice thinking_json)
{
    return json_raw_equals(json_find_string(thinking_json, "type"), LIT("disabled"));
}

struct slice number_between(struct slice digits, struct slice low, struct slice high)
{
    double number, least = 0, most = 0;
    if (!json_to_double(digits, &number) || !json_to_double(low, &least) || !json_to_double(high, &most))
        return SLICE_NONE;
    return number < least ? low : number > most ? high : digits;
}

bool stop_has_text(const struct encode *encode, struct slice stop_raw)
{
    return slice_trim(json_unescape(encode->arena, stop_raw)).len > 0;
}

void encode_stops(struct encode *encode, const char *name, bool (*is_good)(const struct encode *encode, struct slice stop_raw),
                  unsigned max)
{
    unsigned count = 0;
    for (unsigned i = 0; i < encode->chat->stop_count; i++) {
        struct slice stop = encode->chat->stops_raw[i];
        if (is_good != NULL && !is_good(encode, stop))
            continue;
        if (count++ == max) {
            encode_drop(encode, LIT("stop"));
            break;
        }
        if (count == 1)
            encode_key(encode, name);
        encode_write(encode, count == 1 ? "[\"%\"" : ",\"%\"", stop);
    }
    if (count > 0)
        buffer_append_byte(encode->out, ']');
}

bool encode_is_json_asked(const struct encode *encode)
{
    return encode->chat->format == FORMAT_JSON || encode->chat->format == FORMAT_SCHEMA;
}

void encode_function(struct encode *encode, struct slice name_raw, struct slice description_raw, struct slice schema_json)
{
    encode_write(encode, "{\"type\":\"function\",\"function\":{\"name\":\"%\"", name_raw);
    encode->first = false;
    encode_text(encode, "description", description_raw);
    encode_value(encode, "parameters", schema_json);
}

struct slice tool_schema(const struct tool *tool)
{
    return tool->schema_json.len > 2 ? tool->schema_json : LIT("{\"type\":\"object\",\"properties\":{}}");
}

bool encode_is_function(struct encode *encode, const struct tool *tool)
{
    return tool->name_raw.len > 0 || encode_refuse(encode, LIT("this provider knows no tools but functions"), LIT("tools"));
}

bool encode_has_tool(struct encode *encode)
{
    return !encode->first || encode_refuse(encode, LIT("the tool that must be called is not among the tools"), LIT("tool_choice"));
}

/* ---------------------------------------------------------------- embeddings */

void encode_inputs(struct encode *encode, const char *name)
{
    encode_key(encode, name);
    encode_begin(encode, '[');
    for (unsigned i = 0; i < encode->embed->count; i++) {
        encode_comma(encode);
        json_append_quoted(encode->out, encode->embed->inputs_raw[i]);
    }
    encode_end(encode, ']');
}

struct slice encode_input_type(const struct encode *encode)
{
    struct slice said = encode->embed->input_type_raw, usual = encode->provider->default_input_type;
    return said.len > 0 ? said : usual.len > 0 ? usual : LIT("search_document");
}
