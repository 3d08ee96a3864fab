/* write_schema.c -- JSON Schema in the OpenAPI subset that older Gemini models take.
 *
 * A schema is gathered first, out of its own keywords, what it refers to ($ref), all of allOf and the one alternative that is left beside null; then it is
 * written. References are written out, so they must not go in circles, and the whole is bounded. Constraints that the subset does not know are left out:
 * what comes back is then wider than asked for, never narrower.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"
#include "providers/lookup.h"

enum { TEXT_MAX = 128 * 1024, NODES_MAX = 2000, SOURCES_MAX = 16, PROPERTIES_MAX = 1024, DEPTH_MAX = 48 };
/* A reference may bring a long text many times: what one schema may become, and the bytes that all schemas of a request may have looked through. */
enum { WRITTEN_MAX = 1024 * 1024, WORK_MAX = 64 * 1024 * 1024 };

/* Keywords of which the first one found counts, in the order in which names[] has them. */
enum keyword {
    KEY_TYPE,
    KEY_FORMAT,
    KEY_TITLE,
    KEY_DESCRIPTION,
    KEY_ENUM,
    KEY_CONST,
    KEY_ITEMS,
    KEY_ANY_OF,
    KEY_ONE_OF,
    KEY_NULLABLE,
    KEY_PREFIX_ITEMS,
    KEY_ORDERING,
    KEY_DEFAULT,
    KEY_EXAMPLE,
    KEY_MIN_ITEMS,
    KEY_MAX_ITEMS,
    KEY_MINIMUM,
    KEY_MAXIMUM,
    KEY_MIN_LENGTH,
    KEY_MAX_LENGTH,
    KEY_PATTERN,
    KEY_MIN_PROPERTIES,
    KEY_MAX_PROPERTIES,
    KEY_COUNT
};

static const char *const names[KEY_COUNT] = {
    "type",    "format",   "title",       "description",      "enum",    "const",         "items",         "anyOf",
    "oneOf",   "nullable", "prefixItems", "propertyOrdering", "default", "example",       "minItems",      "maxItems",
    "minimum", "maximum",  "minLength",   "maxLength",        "pattern", "minProperties", "maxProperties",
};

/* References that are being followed, innermost first. */
struct link {
    const struct link *up;
    const char *target;
};

/* Where references nearly always point: read once, at the first of them. */
struct definitions {
    struct lookup members;
    bool read;
};
static const char *const definition_names[2] = {"$defs", "definitions"};

struct subset {
    struct encode *encode;
    struct gemini_encode *self;
    struct slice root;
    struct definitions definitions[2];
    unsigned nodes;
    size_t start; /* of what is written */
    struct slice complaint;
    bool empty_root;
};

struct node {
    struct slice keys[KEY_COUNT];
    struct slice properties[SOURCES_MAX], required[SOURCES_MAX];
    unsigned property_count, required_count;
    bool nullable;
    const struct link *links;
};

static bool fail(struct subset *subset, struct slice why)
{
    if (subset->complaint.len == 0)
        subset->complaint = why;
    return false;
}

/* ---------------------------------------------------------------- gathering */

static bool gather(struct subset *subset, struct node *node, struct slice text);

static bool is_null_type(struct slice schema)
{
    struct slice type = json_find_string(schema, "type");
    return slice_equals_nocase(type, LIT("null")) || slice_equals(json_find(schema, "const"), LIT("null"));
}

/* "#/$defs/a" by the index of that object; empty: it points elsewhere, or there is none. */
static struct slice look_up_definition(struct subset *subset, struct slice ref)
{
    for (unsigned i = 0; i < 2; i++) {
        struct definitions *definitions = &subset->definitions[i];
        struct slice folder = slice_of(definition_names[i]), name = {ref.ptr + folder.len + 3, ref.len - folder.len - 3};
        if (ref.len < folder.len + 4 || memcmp(ref.ptr, "#/", 2) != 0 || memcmp(ref.ptr + 2, folder.ptr, folder.len) != 0 ||
            ref.ptr[folder.len + 2] != '/' || memchr(name.ptr, '/', name.len) != NULL || memchr(name.ptr, '~', name.len) != NULL)
            continue;
        if (!definitions->read)
            lookup_members(&definitions->members, subset->encode->arena, json_find(subset->root, definition_names[i]));
        definitions->read = true;
        const struct lookup_entry *entry = lookup_first(&definitions->members, name);
        return entry == NULL ? SLICE_NONE : *(const struct slice *)entry->value;
    }
    return SLICE_NONE;
}

/* Where the root has what a pointer names; empty: nowhere. */
static struct slice look_up(struct subset *subset, struct slice ref_raw)
{
    struct arena *arena = subset->encode->arena;
    struct slice at = subset->root, ref = json_unescape(arena, ref_raw), definition = look_up_definition(subset, ref);
    if (definition.len > 0)
        return definition;
    subset->self->schema_work += at.len;
    if (ref.len == 0 || ref.ptr[0] != '#' || (ref.len > 1 && ref.ptr[1] != '/'))
        return SLICE_NONE;
    for (size_t i = 2; i <= ref.len && ref.len > 1 && at.len > 0;) {
        size_t end = i, len = 0;
        while (end < ref.len && ref.ptr[end] != '/')
            end++;
        char *name = arena_alloc(arena, end - i + 1);
        if (name == NULL)
            return SLICE_NONE;
        for (; i < end; i++) {
            bool escape = ref.ptr[i] == '~' && i + 1 < end && (ref.ptr[i + 1] == '0' || ref.ptr[i + 1] == '1');
            name[len++] = !escape ? ref.ptr[i] : ref.ptr[i + 1] == '1' ? '/' : '~';
            i += escape;
        }
        name[len] = '\0';
        at = json_find(at, name);
        i = end + 1;
    }
    return at;
}

static bool follow(struct subset *subset, struct node *node, struct slice ref_raw)
{
    struct slice target = look_up(subset, ref_raw);
    struct link *link = arena_alloc(subset->encode->arena, sizeof *link);
    if (target.len == 0 || link == NULL)
        return fail(subset, LIT("a $ref of the schema points nowhere within it"));
    for (const struct link *up = node->links; up != NULL; up = up->up)
        if (up->target == target.ptr)
            return fail(subset, LIT("this model takes no recursive schemas"));
    *link = (struct link){node->links, target.ptr};
    node->links = link;
    return gather(subset, node, target);
}

static bool gather_all(struct subset *subset, struct node *node, struct slice list)
{
    struct json json = json_list(list);
    struct slice one;
    while (json_next(&json, &one))
        if (!gather(subset, node, one))
            return false;
    return true;
}

/* Alternatives: null makes it nullable; where one other is left there is no choice. */
static bool gather_any(struct subset *subset, struct node *node, enum keyword key, struct slice list)
{
    struct json json;
    struct slice one, only = SLICE_NONE;
    unsigned count = 0;
    json_init(&json, list, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return true;
    while (json_element(&json) && json_skip(&json, &one)) {
        if (is_null_type(one)) {
            node->nullable = true;
            continue;
        }
        only = one;
        count++;
    }
    if (count == 1)
        return gather(subset, node, only);
    if (count > 1 && node->keys[key].len == 0)
        node->keys[key] = list;
    return true;
}

static bool add_source(struct subset *subset, struct slice *list, unsigned *count, struct slice value)
{
    if (*count == SOURCES_MAX)
        return fail(subset, LIT("the schema is put together from too many parts"));
    list[(*count)++] = value;
    return true;
}

static bool gather_member(struct subset *subset, struct node *node, struct slice key, struct slice value)
{
    if (slice_equals(key, LIT("properties")))
        return value.ptr[0] != '{' || add_source(subset, node->properties, &node->property_count, value);
    if (slice_equals(key, LIT("required")))
        return value.ptr[0] != '[' || add_source(subset, node->required, &node->required_count, value);
    if (slice_equals(key, LIT("allOf")))
        return gather_all(subset, node, value);
    if (slice_equals(key, LIT("$ref")) && value.ptr[0] == '"')
        return follow(subset, node, (struct slice){value.ptr + 1, value.len - 2});
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (!slice_equals(key, slice_of(names[i])))
            continue;
        if (i == KEY_ANY_OF || i == KEY_ONE_OF)
            return gather_any(subset, node, (enum keyword)i, value);
        if (node->keys[i].len == 0)
            node->keys[i] = value;
        return true;
    }
    return true;
}

static bool gather(struct subset *subset, struct node *node, struct slice text)
{
    struct json json;
    struct slice key, value;
    subset->self->schema_work += text.len;
    if (++subset->nodes > NODES_MAX || subset->self->schema_work > WORK_MAX || subset->encode->out->len - subset->start > WRITTEN_MAX)
        return fail(subset, LIT("the schema is too large for this model once its references are written out"));
    json_init(&json, text, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_OBJECT || !json_object(&json))
        return true; /* true, false: anything */
    while (json_member(&json, &key) && json_skip(&json, &value))
        if (!gather_member(subset, node, key, value))
            return false;
    return true;
}

/* ---------------------------------------------------------------- writing */

static bool put_schema(struct subset *subset, struct slice text, const struct link *links, unsigned depth);

static void put_kept(struct subset *subset, const struct node *node, enum keyword key)
{
    encode_value(subset->encode, names[key], node->keys[key]);
}

static bool is_type(struct slice type, const char *name)
{
    return slice_equals_nocase(type, slice_of(name));
}

/* The values of enum or const: strings all, null among them makes it nullable. Numbers are said as strings in format "enum". */
static void put_enum(struct subset *subset, struct node *node, bool number)
{
    struct slice one, constant = node->keys[KEY_CONST];
    struct json json;
    bool any = false, list = node->keys[KEY_ENUM].len > 0;
    json_init(&json, list ? node->keys[KEY_ENUM] : constant, JSON_DEPTH_MAX);
    if ((!list && constant.len == 0) || (list && (json_peek(&json) != JSON_ARRAY || !json_array(&json))))
        return;
    while ((list ? json_element(&json) : !any) && json_skip(&json, &one)) {
        if (slice_equals(one, LIT("null")))
            node->nullable = true;
        bool text = one.ptr[0] == '"' && one.len > 2; /* an empty one is refused */
        if (!text && !(one.ptr[0] == '-' || (one.ptr[0] >= '0' && one.ptr[0] <= '9'))) {
            if (!list)
                break;
            continue;
        }
        if (!any && number)
            encode_text(subset->encode, "format", LIT("enum"));
        if (!any)
            encode_key(subset->encode, "enum");
        buffer_append_byte(subset->encode->out, any ? ',' : '[');
        any = true;
        encode_write(subset->encode, text ? "%" : "\"%\"", one);
    }
    if (any)
        encode_end(subset->encode, ']');
}

static void put_string(struct subset *subset, struct node *node)
{
    if (slice_equals(node->keys[KEY_FORMAT], LIT("\"date-time\"")))
        put_kept(subset, node, KEY_FORMAT);
    put_enum(subset, node, false);
    put_kept(subset, node, KEY_MIN_LENGTH);
    put_kept(subset, node, KEY_MAX_LENGTH);
    put_kept(subset, node, KEY_PATTERN);
}

static void put_number(struct subset *subset, struct node *node)
{
    static const struct slice formats[] = {LIT("\"int32\""), LIT("\"int64\""), LIT("\"float\""), LIT("\"double\"")};
    if (node->keys[KEY_ENUM].len > 0 || node->keys[KEY_CONST].len > 0)
        put_enum(subset, node, true);
    for (unsigned i = 0; node->keys[KEY_ENUM].len + node->keys[KEY_CONST].len == 0 && i < sizeof formats / sizeof *formats; i++)
        if (slice_equals(node->keys[KEY_FORMAT], formats[i]))
            put_kept(subset, node, KEY_FORMAT);
    put_kept(subset, node, KEY_MINIMUM);
    put_kept(subset, node, KEY_MAXIMUM);
}

/* A list says what is in it. A tuple's members are alternatives here. */
static bool put_array(struct subset *subset, struct node *node, unsigned depth)
{
    struct slice items = node->keys[KEY_ITEMS], tuple = node->keys[KEY_PREFIX_ITEMS];
    put_kept(subset, node, KEY_MIN_ITEMS);
    put_kept(subset, node, KEY_MAX_ITEMS);
    encode_key(subset->encode, "items");
    if (items.len > 0 && items.ptr[0] == '[')
        tuple = items;
    if (tuple.len > 0 && tuple.ptr[0] == '[')
        items = arena_printf(subset->encode->arena, "{\"anyOf\":%.*s}", (int)tuple.len, tuple.ptr);
    return put_schema(subset, items.len > 0 ? items : LIT("{}"), node->links, depth + 1);
}

/* The properties that were written. */
struct keys {
    struct lookup names;
    unsigned count;
};

static bool count_properties(struct subset *subset, const struct node *node, struct keys *keys)
{
    struct json json;
    struct slice key;
    size_t count = 0;
    for (unsigned i = 0; i < node->property_count; i++) {
        json_init(&json, node->properties[i], JSON_DEPTH_MAX);
        if (json_object(&json))
            while (json_member(&json, &key) && json_skip(&json, NULL))
                count++;
    }
    if (count > PROPERTIES_MAX)
        return fail(subset, LIT("the schema has more than 1024 properties in one object"));
    *keys = (struct keys){.count = 0};
    return true;
}

/* Of several objects of properties the first one that has a name says what it is. */
static bool put_properties(struct subset *subset, const struct node *node, struct keys *keys, unsigned depth)
{
    struct json json;
    struct slice key, value;
    for (unsigned i = 0; i < node->property_count; i++) {
        json_init(&json, node->properties[i], JSON_DEPTH_MAX);
        if (!json_object(&json))
            continue;
        while (json_member(&json, &key) && json_skip(&json, &value)) {
            if (lookup_first(&keys->names, key) != NULL)
                continue;
            keys->count++;
            json_append_key(subset->encode->out, &subset->encode->first, key);
            if (!put_schema(subset, value, node->links, depth + 1))
                return false;
        }
        if (!lookup_members(&keys->names, subset->encode->arena, node->properties[i]))
            return fail(subset, LIT("the schema is too large for this model"));
    }
    return true;
}

/* Names that are not among the properties are refused. */
static void put_required(struct subset *subset, const struct node *node, struct keys *keys)
{
    struct encode *encode = subset->encode;
    struct place place = encode_open(encode, "required", '[');
    struct json json;
    struct slice name;
    for (unsigned i = 0; i < node->required_count; i++) {
        json_init(&json, node->required[i], JSON_DEPTH_MAX);
        if (!json_array(&json))
            continue;
        while (json_element(&json) && json_string(&json, &name)) {
            if (lookup_first(&keys->names, name) == NULL)
                continue;
            encode_comma(encode);
            json_append_quoted(encode->out, name);
        }
    }
    encode_close(encode, ']', place);
}

static bool put_object(struct subset *subset, const struct node *node, unsigned depth)
{
    struct keys keys;
    if (!count_properties(subset, node, &keys))
        return false;
    struct place place = encode_open(subset->encode, "properties", '{');
    if (!put_properties(subset, node, &keys, depth))
        return false;
    encode_close(subset->encode, '}', place); /* an empty list is refused */
    if (keys.count == 0) {
        subset->empty_root |= depth == 0;
        return true;
    }
    put_required(subset, node, &keys);
    put_kept(subset, node, KEY_ORDERING);
    put_kept(subset, node, KEY_MIN_PROPERTIES);
    put_kept(subset, node, KEY_MAX_PROPERTIES);
    return true;
}

static bool put_typed(struct subset *subset, struct node *node, struct slice type, unsigned depth)
{
    encode_text(subset->encode, "type", type);
    if (is_type(type, "object"))
        return put_object(subset, node, depth);
    if (is_type(type, "array"))
        return put_array(subset, node, depth);
    if (is_type(type, "string"))
        put_string(subset, node);
    else if (is_type(type, "number") || is_type(type, "integer"))
        put_number(subset, node);
    return true;
}

/* The type of values that stand in enum or const: of the first one that is not null. */
static struct slice type_of_values(const struct node *node)
{
    struct json json;
    struct slice one = node->keys[KEY_CONST];
    if (node->keys[KEY_ENUM].len > 0) {
        json_init(&json, node->keys[KEY_ENUM], JSON_DEPTH_MAX);
        if (json_peek(&json) != JSON_ARRAY || !json_array(&json))
            return SLICE_NONE;
        one = SLICE_NONE;
        while (json_element(&json) && json_skip(&json, &one) && slice_equals(one, LIT("null")))
            one = SLICE_NONE;
    }
    if (one.len == 0 || one.ptr[0] == 'n')
        return SLICE_NONE;
    if (one.ptr[0] == '"')
        return LIT("string");
    if (one.ptr[0] == 't' || one.ptr[0] == 'f')
        return LIT("boolean");
    if (one.ptr[0] == '{' || one.ptr[0] == '[')
        return one.ptr[0] == '{' ? LIT("object") : LIT("array");
    return memchr(one.ptr, '.', one.len) != NULL || memchr(one.ptr, 'e', one.len) != NULL ? LIT("number") : LIT("integer");
}

static struct slice inferred_type(const struct node *node)
{
    struct slice type = type_of_values(node);
    if (type.len > 0)
        return type;
    return node->property_count == 0 && (node->keys[KEY_ITEMS].len > 0 || node->keys[KEY_PREFIX_ITEMS].len > 0) ? LIT("array")
                                                                                                                : LIT("object");
}

/* ["string", "null"] -> string, nullable; several others become alternatives. */
static bool put_types(struct subset *subset, struct node *node, unsigned depth)
{
    struct slice types[7], type, said = node->keys[KEY_TYPE];
    struct json json;
    unsigned count = 0;
    json_init(&json, said, JSON_DEPTH_MAX);
    bool list = said.len > 0 && said.ptr[0] == '[' && json_array(&json);
    while (list ? json_element(&json) && json_string(&json, &type) : count == 0 && said.len > 2 && json_string(&json, &type)) {
        if (is_type(type, "null"))
            node->nullable = true;
        else if (count < sizeof types / sizeof *types)
            types[count++] = type;
        if (!list)
            break;
    }
    if (count <= 1)
        return put_typed(subset, node, count == 1 ? types[0] : inferred_type(node), depth);
    encode_key(subset->encode, "anyOf");
    encode_begin(subset->encode, '[');
    for (unsigned i = 0; i < count; i++) {
        encode_comma(subset->encode);
        encode_begin(subset->encode, '{');
        if (!put_typed(subset, node, types[i], depth + 1))
            return false;
        encode_end(subset->encode, '}');
    }
    encode_end(subset->encode, ']');
    return true;
}

static bool put_alternatives(struct subset *subset, struct node *node, struct slice list, unsigned depth)
{
    struct json json;
    struct slice one;
    json_init(&json, list, JSON_DEPTH_MAX);
    if (!json_array(&json))
        return true;
    encode_key(subset->encode, "anyOf");
    encode_begin(subset->encode, '[');
    while (json_element(&json) && json_skip(&json, &one)) {
        if (is_null_type(one))
            continue;
        encode_comma(subset->encode);
        if (!put_schema(subset, one, node->links, depth + 1))
            return false;
    }
    encode_end(subset->encode, ']');
    return true;
}

static bool put_schema(struct subset *subset, struct slice text, const struct link *links, unsigned depth)
{
    struct node node = {.links = links};
    if (depth > DEPTH_MAX)
        return fail(subset, LIT("the schema is nested too deeply for this model"));
    if (!gather(subset, &node, text))
        return false;
    struct slice list = node.keys[KEY_ANY_OF].len > 0 ? node.keys[KEY_ANY_OF] : node.keys[KEY_ONE_OF];
    encode_begin(subset->encode, '{');
    put_kept(subset, &node, KEY_TITLE);
    put_kept(subset, &node, KEY_DESCRIPTION);
    put_kept(subset, &node, KEY_DEFAULT);
    put_kept(subset, &node, KEY_EXAMPLE);
    /* Beside a type of their own, alternatives are constraints on it. */
    bool choice = list.len > 0 && node.keys[KEY_TYPE].len == 0 && node.property_count == 0;
    if (choice ? !put_alternatives(subset, &node, list, depth) : !put_types(subset, &node, depth))
        return false;
    if (node.nullable || slice_equals(node.keys[KEY_NULLABLE], LIT("true")))
        encode_value(subset->encode, "nullable", LIT("true"));
    encode_end(subset->encode, '}');
    return true;
}

bool gemini_write_subset(struct encode *encode, struct slice schema_json, struct slice param, bool *empty)
{
    struct subset subset = {.encode = encode, .self = (struct gemini_encode *)encode, .root = schema_json, .start = encode->out->len};
    if (schema_json.len > TEXT_MAX)
        return encode_refuse(encode, LIT("the schema is too large for this model"), param);
    if (!put_schema(&subset, schema_json, NULL, 0))
        return encode_refuse(encode, subset.complaint, param);
    *empty = subset.empty_root;
    return true;
}
