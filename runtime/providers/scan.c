/* scan.c -- one pass over the body of a client's request, by the tables of its dialect.
 * SPDX-License-Identifier: MIT */
#include "providers/scan.h"
#include <math.h>

/* ---------------------------------------------------------------- complaints */

bool scan_refuse(struct scan *scan, enum failure_kind kind, struct slice message, struct slice param)
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

bool scan_wrong_type(struct scan *scan, struct slice place, const char *wanted)
{
    enum json_type found = json_peek(&scan->json);
    if (found == JSON_BAD)
        return false; /* not JSON at all: said at the end */
    return scan_refuse(scan, FAILURE_BAD_PARAMETER,
                       arena_printf(scan->arena, scan->dialect->wrong_type, (int)place.len, place.ptr, wanted, type_name(found)), place);
}

bool scan_missing(struct scan *scan, struct slice name)
{
    return scan_refuse(scan, FAILURE_BAD_PARAMETER, arena_printf(scan->arena, scan->dialect->missing, (int)name.len, name.ptr), name);
}

/* "messages[3].role", of the message that is read. */
static struct slice place_of(struct scan *scan, struct slice field)
{
    return arena_printf(scan->arena, scan->dialect->place, (unsigned)scan->index, field.len > 0 ? "." : "", field.ptr);
}

static struct slice content_place(struct scan *scan, const char *suffix)
{
    struct slice place = scan->index < 0 ? scan->field : place_of(scan, scan->field);
    return suffix == NULL ? place : arena_printf(scan->arena, "%.*s%s", (int)place.len, place.ptr, suffix);
}

static bool not_json(struct scan *scan)
{
    if (scan->complaint->message.len > 0)
        return false;
    if (slice_trim(scan->body).len == 0)
        return scan_refuse(scan, FAILURE_BAD_JSON, LIT("The request body is empty; expected a JSON object."), SLICE_NONE);
    const char *what = json_error_text(scan->json.error == JSON_WRONG_TYPE ? JSON_SYNTAX : scan->json.error);
    return scan_refuse(scan, FAILURE_BAD_JSON,
                       arena_printf(scan->arena, scan->dialect->not_json, what, (size_t)(scan->json.at - scan->json.start)), SLICE_NONE);
}

/* ---------------------------------------------------------------- objects */

static struct slice *slice_at(void *into, const struct scan_member *member)
{
    return (struct slice *)(void *)((char *)into + member->at);
}

/* memcmp, without a call for names of 4 to 16 bytes: nearly all are. */
static inline bool same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t a8, b8, a8_end, b8_end;
    uint32_t a4, b4, a4_end, b4_end;
    if (len < 4 || len > 16)
        return memcmp(a, b, len) == 0;
    if (len < 8) {
        memcpy(&a4, a, 4), memcpy(&b4, b, 4), memcpy(&a4_end, a + len - 4, 4), memcpy(&b4_end, b + len - 4, 4);
        return ((a4 ^ b4) | (a4_end ^ b4_end)) == 0;
    }
    memcpy(&a8, a, 8), memcpy(&b8, b, 8), memcpy(&a8_end, a + len - 8, 8), memcpy(&b8_end, b + len - 8, 8);
    return ((a8 ^ b8) | (a8_end ^ b8_end)) == 0;
}

/* As json_is, where names are many and all in a table. */
static inline bool is_name(struct slice raw, struct slice name)
{
    return (raw.len == name.len && same_bytes(raw.ptr, name.ptr, name.len)) || (raw.len > name.len && json_is(raw, name));
}

/* A spelling with escapes means the same to a provider, and so to us. */
static const struct scan_member *find_escaped(const struct scan_members *members, struct slice key)
{
    if (memchr(key.ptr, '\\', key.len) != NULL)
        for (const struct scan_member *member = members->list; member < members->list + members->count; member++)
            if (json_raw_equals(key, member->name))
                return member;
    return NULL;
}

static inline const struct scan_member *find_member(const struct scan_members *members, struct slice key)
{
    for (const struct scan_member *member = members->list, *end = member + members->count; member < end; member++)
        if (member->name.len == key.len && same_bytes(member->name.ptr, key.ptr, key.len))
            return member;
    return find_escaped(members, key);
}

bool scan_object(struct scan *scan, const struct scan_members *members, void *into)
{
    struct slice key;
    if (!json_object(&scan->json))
        return false;
    while (json_member(&scan->json, &key)) {
        const struct scan_member *member = find_member(members, key);
        if (!(member != NULL ? member->read(scan, member, into) : facts_skip(scan->facts, &scan->json)))
            return false;
    }
    return scan->json.error == JSON_OK;
}

bool scan_ignore(struct scan *scan, const struct scan_member *member, void *into)
{
    (void)member;
    (void)into;
    return json_skip(&scan->json, NULL);
}

bool scan_rest(struct scan *scan, const struct scan_member *member, void *into)
{
    (void)member;
    (void)into;
    return facts_skip(scan->facts, &scan->json);
}

static bool add_text(struct scan *scan)
{
    struct slice text;
    if (!json_string_here(&scan->json, &text))
        return false;
    facts_add_text(scan->facts, text);
    return true;
}

bool scan_add_text(struct scan *scan, const struct scan_member *member, void *into)
{
    return json_peek(&scan->json) == JSON_STRING ? add_text(scan) : scan_rest(scan, member, into);
}

bool scan_take_string(struct scan *scan, const struct scan_member *member, void *into)
{
    return json_peek(&scan->json) == JSON_STRING ? json_string_here(&scan->json, slice_at(into, member)) : scan_rest(scan, member, into);
}

bool scan_take_value(struct scan *scan, const struct scan_member *member, void *into)
{
    return json_skip(&scan->json, slice_at(into, member));
}

/* ---------------------------------------------------------------- messages */

bool scan_content(struct scan *scan)
{
    const struct scan_dialect *dialect = scan->dialect;
    struct json *json = &scan->json;
    enum json_type type = json_peek(json);
    if (type == JSON_STRING)
        return add_text(scan);
    if (type == JSON_NULL && dialect->null_content)
        return json_skip(json, NULL);
    if (type != JSON_ARRAY)
        return scan_wrong_type(scan, content_place(scan, NULL), dialect->content);
    json_array(json);
    while (json_element(json)) {
        if (json_peek(json) != JSON_OBJECT)
            return scan_wrong_type(scan, content_place(scan, dialect->part_suffix), dialect->part);
        if (!dialect->read_part(scan))
            return false;
    }
    return json->error == JSON_OK;
}

bool scan_take_content(struct scan *scan, const struct scan_member *member, void *into)
{
    scan->field = member->name;
    ((struct scan_message *)into)->content = true;
    return scan_content(scan);
}

static bool refuse_role(struct scan *scan, struct slice role)
{
    enum { SHOWN_MAX = 40 };
    const struct scan_dialect *dialect = scan->dialect;
    struct slice place = place_of(scan, LIT("role")), shown = {role.ptr, role.len < SHOWN_MAX ? role.len : SHOWN_MAX};
    const char *words = dialect->bad_role != NULL ? dialect->bad_role : dialect->wrong_type;
    struct slice what = dialect->bad_role != NULL ? shown : place;
    return scan_refuse(scan, FAILURE_BAD_PARAMETER, arena_printf(scan->arena, words, (int)what.len, what.ptr, dialect->known_roles), place);
}

bool scan_take_role(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice *role = &((struct scan_message *)into)->role;
    if (json_peek(&scan->json) != JSON_STRING)
        return scan_wrong_type(scan, place_of(scan, member->name), scan->dialect->expected[JSON_STRING]);
    if (!json_string_here(&scan->json, role))
        return false;
    for (const struct scan_role *known = scan->dialect->roles; known->name.len > 0; known++)
        if (is_name(*role, known->name)) {
            if (known->developer)
                scan->facts->developer = true;
            return true;
        }
    return refuse_role(scan, *role);
}

static bool read_message(struct scan *scan, struct scan_message *message)
{
    const struct scan_dialect *dialect = scan->dialect;
    *message = (struct scan_message){.content = false};
    if (json_peek(&scan->json) != JSON_OBJECT)
        return scan_wrong_type(scan, place_of(scan, LIT("")), dialect->expected[JSON_OBJECT]);
    if (!scan_object(scan, &dialect->message, message))
        return false;
    if (dialect->needs_role && message->role.len == 0)
        return scan_missing(scan, place_of(scan, LIT("role")));
    return !dialect->needs_content || message->content || scan_missing(scan, place_of(scan, LIT("content")));
}

bool scan_take_messages(struct scan *scan, const struct scan_member *member, void *into)
{
    struct json *json = &scan->json;
    struct facts *facts = scan->facts;
    struct scan_message message;
    bool opened = false;
    (void)into;
    if (json_peek(json) != JSON_ARRAY)
        return scan_wrong_type(scan, member->name, scan->dialect->messages);
    const char *begin = json->at;
    json_array(json);
    for (scan->index = 0; json_element(json); scan->index++) {
        if (!read_message(scan, &message))
            return false;
        facts->message_count++;
        if (!opened)
            facts->opening_json = (struct slice){begin, (size_t)(json->at - begin)};
        opened = opened || json_is(message.role, LIT("user"));
    }
    bool empty = scan->index == 0;
    scan->index = -1;
    if (json->error != JSON_OK)
        return false;
    return !empty || scan_refuse(scan, FAILURE_BAD_PARAMETER, slice_of(scan->dialect->no_messages), member->name);
}

/* ---------------------------------------------------------------- members of a request */

bool scan_take_model(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    facts->model.at = json_offset(&scan->json);
    if (json_peek(&scan->json) != JSON_STRING)
        return scan_wrong_type(scan, member->name, scan->dialect->expected[JSON_STRING]);
    if (!json_string_here(&scan->json, &facts->model_raw))
        return false;
    facts->model.len = facts->model_raw.len + 2;
    if (slice_find(facts->model_raw, LIT("\\u0000")) != NULL) /* a name that ends early for some and not for others */
        return scan_refuse(scan, FAILURE_BAD_PARAMETER, slice_of(scan->dialect->model_with_nul), member->name);
    return facts->model_raw.len > 0 || scan_refuse(scan, FAILURE_BAD_PARAMETER, slice_of(scan->dialect->no_model), member->name);
}

static bool read_flag(struct scan *scan, struct slice name, bool *value)
{
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return scan_wrong_type(scan, name, scan->dialect->expected[JSON_TRUE]);
    return json_bool(&scan->json, value);
}

bool scan_take_flag(struct scan *scan, const struct scan_member *member, void *into)
{
    return read_flag(scan, member->name, (bool *)(void *)((char *)into + member->at));
}

bool scan_take_stored(struct scan *scan, const struct scan_member *member, void *into)
{
    bool flag = false;
    (void)into;
    if (!read_flag(scan, member->name, &flag))
        return false;
    scan->facts->replayable &= !flag;
    return true;
}

bool scan_typed(struct scan *scan, struct slice name, enum json_type type, struct slice *raw)
{
    enum json_type found = json_peek(&scan->json);
    *raw = SLICE_NONE;
    if (found == JSON_NULL)
        return json_skip(&scan->json, NULL);
    if (found != type)
        return scan_wrong_type(scan, name, scan->dialect->expected[type]);
    return json_skip(&scan->json, raw);
}

bool scan_counted_object(struct scan *scan, struct slice name, struct slice *raw)
{
    if (!scan_typed(scan, name, JSON_OBJECT, raw))
        return false;
    facts_add_rest(scan->facts, *raw);
    return true;
}

bool scan_take_text(struct scan *scan, const struct scan_member *member, void *into)
{
    struct slice quoted;
    if (!scan_typed(scan, member->name, JSON_STRING, &quoted))
        return false;
    if (quoted.len > 0)
        *slice_at(into, member) = (struct slice){quoted.ptr + 1, quoted.len - 2};
    return true;
}

/* Its digits; empty for null. */
static bool read_number(struct scan *scan, struct slice name, const char *wanted, struct slice *number)
{
    enum json_type type = json_peek(&scan->json);
    *number = SLICE_NONE;
    if (type == JSON_NUMBER)
        return json_number(&scan->json, number);
    return type == JSON_NULL ? json_skip(&scan->json, NULL) : scan_wrong_type(scan, name, wanted);
}

bool scan_take_count(struct scan *scan, const struct scan_member *member, void *into)
{
    int64_t *count = (int64_t *)(void *)((char *)into + member->at);
    struct slice number, name = member->name;
    if (!read_number(scan, name, "an integer", &number))
        return false;
    if (number.len == 0 || (slice_to_int(number, count) && *count >= 1))
        return true;
    return scan_refuse(scan, FAILURE_BAD_PARAMETER,
                       arena_printf(scan->arena, "Invalid '%.*s': expected an integer of at least 1, but got %.*s.", (int)name.len,
                                    name.ptr, number.len < 32 ? (int)number.len : 32, number.ptr),
                       name);
}

bool scan_take_temperature(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    struct slice number;
    if (!read_number(scan, member->name, scan->dialect->expected[JSON_NUMBER], &number))
        return false;
    if (number.len == 0 || (json_to_double(number, &facts->temperature) && isfinite(facts->temperature)))
        return true;
    return scan_refuse(scan, FAILURE_BAD_PARAMETER, slice_of(scan->dialect->bad_temperature), member->name);
}

bool scan_take_tools(struct scan *scan, const struct scan_member *member, void *into)
{
    struct facts *facts = into;
    struct slice raw;
    if (!scan_typed(scan, member->name, JSON_ARRAY, &raw))
        return false;
    if (raw.len > 2)
        facts->needs |= NEED_TOOLS;
    facts_add_text(facts, raw);
    return true;
}

/* ---------------------------------------------------------------- the gateway's own members */

/* The member just read goes, with the comma before it, or the one behind it when it has none before it. */
static bool cut_extension(struct scan *scan)
{
    struct facts *facts = scan->facts;
    size_t end = (size_t)(scan->json.at - scan->json.start), from = scan->last_end;
    if (scan->only_extensions) {
        size_t comma = json_offset(&scan->json);
        from = scan->key.at;
        if (comma < scan->body.len && scan->body.ptr[comma] == ',')
            end = comma + 1;
    }
    facts->extensions[facts->extension_count++] = (struct span){from, end - from};
    return true;
}

bool scan_take_extension(struct scan *scan, const struct scan_member *member, void *into)
{
    return scan_take_text(scan, member, into) && cut_extension(scan);
}

/* OpenRouter has a field of that name, an object: that one is not ours. */
bool scan_take_provider(struct scan *scan, const struct scan_member *member, void *into)
{
    if (json_peek(&scan->json) != JSON_OBJECT)
        return scan_take_extension(scan, member, into);
    scan->only_extensions = false;
    return json_skip(&scan->json, NULL);
}

bool scan_take_fallback(struct scan *scan, const struct scan_member *member, void *into)
{
    bool value = true;
    if (!read_flag(scan, member->name, &value))
        return false;
    ((struct facts *)into)->fallback = value;
    return cut_extension(scan);
}

static bool is_extension(const struct scan_member *member)
{
    return member != NULL &&
           (member->read == scan_take_extension || member->read == scan_take_provider || member->read == scan_take_fallback);
}

/* ---------------------------------------------------------------- the request */

static bool read_members(struct scan *scan)
{
    const struct scan_members *members = &scan->dialect->request;
    struct slice key;
    while (json_member(&scan->json, &key)) {
        const struct scan_member *member = find_member(members, key);
        uint32_t bit = member == NULL ? 0 : 1u << (member - members->list);
        scan->key = (struct span){(size_t)(key.ptr - 1 - scan->json.start), key.len + 2};
        if (scan->seen & bit)
            return scan_refuse(scan, FAILURE_DUPLICATE_KEY, arena_printf(scan->arena, scan->dialect->duplicate, member->name.ptr),
                               member->name);
        scan->seen |= bit;
        if (!(member != NULL ? member->read(scan, member, scan->facts) : json_skip(&scan->json, NULL)))
            return false;
        scan->only_extensions = scan->only_extensions && is_extension(member);
        scan->last_end = (size_t)(scan->json.at - scan->json.start);
    }
    return json_finish(&scan->json);
}

bool scan_has(const struct scan *scan, struct slice name)
{
    const struct scan_members *members = &scan->dialect->request;
    return scan->seen & 1u << (find_member(members, name) - members->list);
}

bool scan_request(struct scan *scan, struct slice body)
{
    *scan->facts = (struct facts){.max_tokens = -1, .temperature = NAN, .replayable = true, .fallback = -1, .body_bytes = body.len};
    *scan->complaint = (struct complaint){FAILURE_BAD_JSON, SLICE_NONE, SLICE_NONE};
    scan->body = body;
    scan->only_extensions = true;
    scan->index = -1;
    json_init(&scan->json, body, JSON_DEPTH_MAX);
    enum json_type type = json_peek(&scan->json);
    if (type == JSON_BAD)
        return not_json(scan);
    if (type != JSON_OBJECT)
        return scan_refuse(scan, FAILURE_BAD_JSON, arena_printf(scan->arena, scan->dialect->not_object, type_name(type)), SLICE_NONE);
    json_object(&scan->json);
    scan->facts->object_start = (size_t)(scan->json.at - scan->json.start);
    return read_members(scan) || not_json(scan);
}
