/* read_tools.c -- tools, formats and efforts of a request of Anthropic's dialect, for a provider that speaks another one.
 *
 * A client's own tools are functions. Those that Anthropic defines and the client runs (a shell, an editor) get the schema that the documentation
 * describes; those that Anthropic runs itself no other provider can run: they stand in an extra named "tools", so that a writer that leaves them out says so.
 * Sources: Anthropic's documentation of its client tools.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"
#include "providers/lookup.h"
#include "providers/take.h"

/* ---------------------------------------------------------------- tools that Anthropic defines and the client runs */

/* COMPAT(anthropic, 2026-08): their types carry dates; what they take has not changed with them but for members that models may leave out. */
static const struct {
    struct slice prefix, description, schema;
} client_tools[] = {
    {LIT("bash_20"), LIT("Run a command in a persistent bash shell."),
     LIT("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"description\":\"The command to run\"},"
         "\"restart\":{\"type\":\"boolean\",\"description\":\"Start the shell anew instead\"}}}")},
    {LIT("text_editor_20"), LIT("View, create and edit text files."),
     LIT("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\",\"enum\":[\"view\",\"create\",\"str_replace\",\"insert\"]},"
         "\"path\":{\"type\":\"string\",\"description\":\"Path of the file or directory\"},"
         "\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"view: first and last line\"},"
         "\"file_text\":{\"type\":\"string\",\"description\":\"create: the content\"},"
         "\"old_str\":{\"type\":\"string\",\"description\":\"str_replace: the text to replace, found exactly once\"},"
         "\"new_str\":{\"type\":\"string\",\"description\":\"str_replace: the text to put in its place\"},"
         "\"insert_line\":{\"type\":\"integer\",\"description\":\"insert: the line behind which to insert, 0 for the beginning\"},"
         "\"insert_text\":{\"type\":\"string\",\"description\":\"insert: the text to insert\"}},\"required\":[\"command\",\"path\"]}")},
    {LIT("memory_20"), LIT("Keep notes in files under /memories that last from one conversation to the next."),
     LIT("{\"type\":\"object\",\"properties\":{\"command\":{\"type\":\"string\","
         "\"enum\":[\"view\",\"create\",\"str_replace\",\"insert\",\"delete\",\"rename\"]},"
         "\"path\":{\"type\":\"string\"},\"view_range\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
         "\"file_text\":{\"type\":\"string\"},\"old_str\":{\"type\":\"string\"},\"new_str\":{\"type\":\"string\"},"
         "\"insert_line\":{\"type\":\"integer\"},\"insert_text\":{\"type\":\"string\"},"
         "\"old_path\":{\"type\":\"string\"},\"new_path\":{\"type\":\"string\"}},\"required\":[\"command\"]}")},
    {LIT("computer_20"), LIT("Look at the screen and use mouse and keyboard."),
     LIT("{\"type\":\"object\",\"properties\":{\"action\":{\"type\":\"string\",\"description\":\"screenshot, left_click, right_click, "
         "middle_click, double_click, triple_click, left_click_drag, left_mouse_down, left_mouse_up, mouse_move, cursor_position, key, "
         "hold_key, "
         "type, scroll, wait, zoom\"},"
         "\"coordinate\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":\"x and y in pixels\"},"
         "\"start_coordinate\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
         "\"region\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"}},"
         "\"text\":{\"type\":\"string\",\"description\":\"what to type, or the keys to press\"},"
         "\"duration\":{\"type\":\"number\",\"description\":\"seconds\"},"
         "\"scroll_direction\":{\"type\":\"string\",\"enum\":[\"up\",\"down\",\"left\",\"right\"]},"
         "\"scroll_amount\":{\"type\":\"integer\"}},\"required\":[\"action\"]}")},
};

struct given {
    struct slice json, type, name, description, schema, marker, strict;
};

static bool read_given(struct take *take, struct given *given)
{
    static const struct take_member list[] = {
        {LIT("type"), take_string, offsetof(struct given, type)},
        {LIT("name"), take_string, offsetof(struct given, name)},
        {LIT("description"), take_string, offsetof(struct given, description)},
        {LIT("input_schema"), take_value, offsetof(struct given, schema)},
        {LIT("cache_control"), take_value, offsetof(struct given, marker)},
        {LIT("strict"), take_value, offsetof(struct given, strict)},
    };
    static const struct take_members members = TAKE_MEMBERS(list);
    json_peek(&take->json);
    const char *begin = take->json.at;
    if (!take_object(take, &members, given))
        return false;
    given->json = (struct slice){begin, (size_t)(take->json.at - begin)};
    return true;
}

/* A function, or one of client_tools. False: Anthropic runs it. */
static bool as_function(const struct given *given, struct tool *tool)
{
    *tool = (struct tool){.name_raw = given->name,
                          .description_raw = given->description,
                          .schema_json = given->schema,
                          .cache_control_json = given->marker,
                          .strict = given->strict.len == 0 ? -1 : slice_equals(given->strict, LIT("true"))};
    if (given->type.len == 0 || json_is(given->type, LIT("custom")))
        return true;
    for (unsigned i = 0; i < sizeof client_tools / sizeof *client_tools; i++) {
        if (!slice_starts_with(given->type, client_tools[i].prefix))
            continue;
        tool->description_raw = client_tools[i].description;
        tool->schema_json = client_tools[i].schema;
        return true;
    }
    return false;
}

/* The tools that Anthropic runs, as the first of what no field carries. */
static bool add_served(struct arena *arena, struct chat *chat, struct arena_text *served)
{
    if (served->len == 0)
        return true;
    struct extra *extra = arena_alloc(arena, sizeof *extra);
    if (extra == NULL || !arena_append(arena, served, LIT("]")))
        return false;
    *extra = (struct extra){chat->extras, LIT("tools"), {served->ptr, served->len}};
    if (chat->extras == NULL)
        chat->extras_tail = &extra->next;
    chat->extras = extra;
    return true;
}

bool anthropic_read_tools(struct take *take)
{
    struct json *json = &take->json;
    struct arena *arena = take->arena;
    struct chat *chat = take->chat;
    struct tool **tail = &chat->tools;
    struct arena_text served = {.len = 0};
    if (json_peek(json) != JSON_ARRAY)
        return json_skip(json, NULL);
    json_array(json);
    while (json_element(json)) {
        struct given given = {.json = SLICE_NONE};
        struct tool *tool = arena_alloc(arena, sizeof *tool);
        if (tool == NULL || !read_given(take, &given))
            return false;
        if (as_function(&given, tool)) {
            *tail = tool;
            tail = &tool->next;
        } else if (!arena_append(arena, &served, served.len == 0 ? LIT("[") : LIT(",")) || !arena_append(arena, &served, given.json)) {
            return false;
        }
    }
    return json->error == JSON_OK && add_served(arena, chat, &served);
}

/* ---------------------------------------------------------------- formats */

/* Every property of this object is required, and there are no others. */
static bool is_closed(struct slice object, struct arena *arena)
{
    struct slice properties = json_find(object, "properties"), needed = json_find(object, "required"), key, name;
    struct json members, names;
    struct lookup required = {.count = 0};
    if (!slice_equals(json_find(object, "additionalProperties"), LIT("false")))
        return false;
    json_init(&names, needed, JSON_DEPTH_MAX);
    if (needed.len > 0 && json_array(&names))
        while (json_element(&names) && json_string(&names, &name))
            if (!lookup_add(&required, arena, name, NULL))
                return false;
    json_init(&members, properties, JSON_DEPTH_MAX);
    if (properties.len == 0 || !json_object(&members))
        return properties.len == 0;
    while (json_member(&members, &key))
        if (!json_skip(&members, NULL) || lookup_first(&required, key) == NULL)
            return false;
    return members.error == JSON_OK;
}

/* A schema in OpenAI's strict form: closed objects all the way down, and no keyword that it refuses. */
static bool is_strict(struct slice schema, struct arena *arena, unsigned depth)
{
    static const struct slice refused[] = {
        LIT("allOf"), LIT("oneOf"), LIT("not"), LIT("if"), LIT("patternProperties"), LIT("dependentRequired")};
    enum { DEPTH_MAX = 10, SIZE_MAX_BYTES = 64 * 1024 };
    struct json json;
    struct slice key, value;
    if (depth > DEPTH_MAX || schema.len > SIZE_MAX_BYTES)
        return false;
    json_init(&json, schema, JSON_DEPTH_MAX);
    enum json_type type = json_peek(&json);
    bool object = json_is(json_find_string(schema, "type"), LIT("object")) || json_find(schema, "properties").len > 0;
    if (type == JSON_ARRAY) {
        json_array(&json);
        while (json_element(&json))
            if (!json_skip(&json, &value) || !is_strict(value, arena, depth + 1))
                return false;
        return true;
    }
    if (type != JSON_OBJECT)
        return true;
    if (object && !is_closed(schema, arena))
        return false;
    json_object(&json);
    while (json_member(&json, &key) && json_skip(&json, &value)) {
        for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++)
            if (slice_equals(key, refused[i]))
                return false;
        bool data = slice_equals(key, LIT("enum")) || slice_equals(key, LIT("const")) || slice_equals(key, LIT("default"));
        if (slice_equals(key, LIT("properties"))) { /* its members are schemas, its names no keywords */
            struct json members = json_members(value);
            while (json_pair(&members, &key, &value))
                if (!is_strict(value, arena, depth + 1))
                    return false;
        } else if (!data && !is_strict(value, arena, depth + 1)) {
            return false;
        }
    }
    return true;
}

void anthropic_read_format(struct chat *chat, struct arena *arena, struct slice format_json)
{
    if (!json_is(json_find_string(format_json, "type"), LIT("json_schema")))
        return;
    chat->format = FORMAT_SCHEMA;
    chat->schema_json = json_find(format_json, "schema");
    chat->schema_name_raw = json_find_string(format_json, "name");
    chat->schema_strict = json_is(json_find_string(chat->schema_json, "type"), LIT("object")) && is_strict(chat->schema_json, arena, 0)
                              ? 1
                              : -1;
}

/* ---------------------------------------------------------------- effort */

/* A budget says as much as an effort: the wire pack's steps. The best that every model of effort knows is "high". */
void anthropic_read_effort(struct chat *chat, struct slice effort_raw)
{
    enum { LOW_MAX = 2048, MEDIUM_MAX = 8192 };
    struct slice type = json_find_string(chat->thinking_json, "type");
    int64_t budget;
    if (json_is(type, LIT("disabled")))
        return;
    if (effort_raw.len > 0)
        chat->effort_raw = json_is(effort_raw, LIT("max")) ? LIT("high") : effort_raw;
    else if (json_is(type, LIT("adaptive")))
        chat->effort_raw = LIT("medium");
    else if (json_is(type, LIT("enabled")) && json_to_count(json_find(chat->thinking_json, "budget_tokens"), &budget))
        chat->effort_raw = budget <= LOW_MAX ? LIT("low") : budget <= MEDIUM_MAX ? LIT("medium") : LIT("high");
    else if (json_is(type, LIT("enabled")))
        chat->effort_raw = LIT("medium");
}
