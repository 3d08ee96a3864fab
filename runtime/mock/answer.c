/* answer.c -- what a good provider would say: an echo, tool calls built from the tools' schemas, JSON that fits the schema asked for.
 *
 * The same request always gets the same answer. It is cut by `stop` and by max_tokens (words) as a model's would be.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"

enum { TEXT_MAX = 64 * 1024 * 1024, ARGUMENTS_MAX = 64 * 1024, SAMPLE_DEPTH = 16 };

/* ---------------------------------------------------------------- values by schema */

static void sample(struct slice root, struct slice schema, unsigned depth, struct buffer *out);

/* "#/$defs/Name" and "#/definitions/Name". */
static struct slice follow(struct slice root, struct slice reference)
{
    static const char *const places[] = {"$defs", "definitions"};
    char name[128];
    const char *slash = memrchr(reference.ptr, '/', reference.len);
    size_t len = slash == NULL ? 0 : (size_t)(reference.ptr + reference.len - slash - 1);
    if (len == 0 || len >= sizeof name)
        return SLICE_NONE;
    memcpy(name, slash + 1, len);
    name[len] = '\0';
    for (unsigned i = 0; i < 2; i++) {
        struct slice defined = json_find(json_find(root, places[i]), name);
        if (defined.len > 0)
            return defined;
    }
    return SLICE_NONE;
}

static bool is_required(struct slice required, struct slice name)
{
    struct json json = json_list(required);
    struct slice entry;
    while (json_element(&json))
        if (json_string(&json, &entry) && slice_equals(entry, name))
            return true;
    return false;
}

static void sample_object(struct slice root, struct slice schema, unsigned depth, struct buffer *out)
{
    struct json json = json_members(json_find(schema, "properties"));
    struct slice name, of, required = json_find(schema, "required");
    bool first = true;
    buffer_append_byte(out, '{');
    while (json_pair(&json, &name, &of)) {
        if (!is_required(required, name))
            continue;
        json_append_key(out, &first, name);
        sample(root, of, depth + 1, out);
    }
    buffer_append_byte(out, '}');
}

/* The first entry of a raw array, or SLICE_NONE. */
static struct slice first_of(struct slice array)
{
    struct json json = json_list(array);
    struct slice value = SLICE_NONE;
    json_next(&json, &value);
    return value;
}

/* `const`, `default`, the first of `enum` or `examples`: the schema says itself what would do. */
static struct slice given_value(struct slice schema)
{
    struct slice value = json_find(schema, "const");
    if (value.len == 0)
        value = first_of(json_find(schema, "enum"));
    if (value.len == 0)
        value = json_find(schema, "default");
    return value.len > 0 ? value : first_of(json_find(schema, "examples"));
}

static struct slice type_of(struct slice schema)
{
    struct slice type = json_find(schema, "type");
    if (type.len > 0 && type.ptr[0] == '[')
        type = first_of(type);
    if (type.len >= 2 && type.ptr[0] == '"')
        return (struct slice){type.ptr + 1, type.len - 2};
    return json_find(schema, "properties").len > 0 ? LIT("object") : LIT("string");
}

static void sample(struct slice root, struct slice schema, unsigned depth, struct buffer *out)
{
    static const char *const choices[] = {"anyOf", "oneOf", "allOf"};
    struct slice given, chosen = SLICE_NONE, reference = json_find_string(schema, "$ref");
    if (depth > SAMPLE_DEPTH || schema.len == 0 || schema.ptr[0] != '{') {
        buffer_append_lit(out, "null");
        return;
    }
    if (reference.len > 0)
        chosen = follow(root, reference);
    for (unsigned i = 0; i < 3 && chosen.len == 0; i++)
        chosen = first_of(json_find(schema, choices[i]));
    if (chosen.len > 0) {
        sample(root, chosen, depth + 1, out);
        return;
    }
    given = given_value(schema);
    struct slice type = type_of(schema);
    if (given.len > 0) {
        buffer_append_slice(out, given);
    } else if (slice_equals(type, LIT("object"))) {
        sample_object(root, schema, depth, out);
    } else if (slice_equals(type, LIT("array"))) {
        struct slice items = json_find(schema, "items");
        buffer_append_byte(out, '[');
        if (items.len > 0)
            sample(root, items, depth + 1, out);
        buffer_append_byte(out, ']');
    } else if (slice_equals(type, LIT("integer")) || slice_equals(type, LIT("number"))) {
        struct slice minimum = json_find(schema, "minimum");
        buffer_append_slice(out, minimum.len > 0 ? minimum : LIT("1"));
    } else if (slice_equals(type, LIT("boolean"))) {
        buffer_append_lit(out, "true");
    } else {
        buffer_append_slice(out, slice_equals(type, LIT("null")) ? LIT("null") : LIT("\"mock\""));
    }
}

/* A value that fits a JSON schema: its required members only. */
static void mock_sample(struct slice schema, struct buffer *out)
{
    sample(schema, schema, 0, out);
}

/* ---------------------------------------------------------------- tools */

/* A tool of either dialect: {"type":"function","function":{name,parameters}} or {name,input_schema}. */
static struct slice tool_name(struct slice tool)
{
    struct slice function = json_find(tool, "function");
    return json_find_string(function.len > 0 ? function : tool, "name");
}

static struct slice tool_schema(struct slice tool)
{
    struct slice function = json_find(tool, "function");
    return function.len > 0 ? json_find(function, "parameters") : json_find(tool, "input_schema");
}

static void call_tool(struct mock_reply *reply, struct slice tool)
{
    if (reply->tool_count == MOCK_TOOLS_MAX || tool_name(tool).len == 0)
        return;
    struct slice schema = tool_schema(tool);
    struct buffer *arguments = &reply->tools[reply->tool_count].arguments;
    reply->tools[reply->tool_count++].name = tool_name(tool);
    buffer_init(arguments, ARGUMENTS_MAX);
    if (schema.len > 0 && schema.ptr[0] == '{' && slice_equals(type_of(schema), LIT("object")))
        mock_sample(schema, arguments);
    else
        buffer_append_lit(arguments, "{}");
}

static struct slice forced_name(struct slice choice)
{
    struct slice function = json_find(choice, "function");
    return json_find_string(function.len > 0 ? function : choice, "name");
}

/* "required", {"type":"any"}, or one named. */
static bool is_forced(const struct mock_call *call)
{
    struct slice choice = call->tool_choice;
    if (choice.len == 0)
        return false;
    if (choice.ptr[0] == '"')
        return slice_equals(choice, LIT("\"required\""));
    return forced_name(choice).len > 0 || slice_equals(json_find_string(choice, "type"), LIT("any"));
}

static bool is_forbidden(const struct mock_call *call)
{
    struct slice choice = call->tool_choice;
    return slice_equals(choice, LIT("\"none\"")) ||
           (choice.len > 0 && choice.ptr[0] == '{' && slice_equals(json_find_string(choice, "type"), LIT("none")));
}

/* A user who speaks of a tool means it to be used. */
static bool is_mentioned(const struct mock_call *call, struct slice name)
{
    struct slice text = buffer_slice(&call->last_text);
    return call->last == MOCK_LAST_USER && text.len > 0 && (slice_find(text, LIT("tool")) != NULL || slice_find(text, name) != NULL);
}

/* False: this request is answered with text. */
static bool call_tools(struct mock_reply *reply, const struct mock_call *call)
{
    struct slice asked = mock_behaviour(slice_of(call->model));
    bool parallel = slice_equals(asked, LIT("parallel-tools")), always = parallel || slice_equals(asked, LIT("tools"));
    bool forced = is_forced(call);
    if (call->tools.len == 0 || call->tools.ptr[0] != '[' || is_forbidden(call) || (call->last == MOCK_LAST_TOOL && !forced))
        return false;
    struct slice wanted = forced && call->tool_choice.ptr[0] == '{' ? forced_name(call->tool_choice) : SLICE_NONE;
    struct slice tool = SLICE_NONE;
    struct json json = json_list(call->tools);
    while (json_next(&json, &tool)) {
        struct slice name = tool_name(tool);
        if (wanted.len > 0 ? slice_equals(wanted, name) : always || forced || is_mentioned(call, name))
            call_tool(reply, tool);
        if (reply->tool_count > 0 && !parallel)
            break;
    }
    if (parallel && reply->tool_count == 1)
        call_tool(reply, first_of(call->tools));
    return reply->tool_count > 0;
}

/* ---------------------------------------------------------------- text */

static bool wants_json(const struct mock_call *call, struct slice *schema)
{
    if (call->format.len == 0 || call->format.ptr[0] != '{')
        return false;
    struct slice type = json_find_string(call->format, "type"), nested = json_find(call->format, "json_schema");
    *schema = json_find(nested.len > 0 ? nested : call->format, "schema");
    return slice_equals(type, LIT("json_object")) || slice_equals(type, LIT("json_schema"));
}

static void write_text(struct mock_reply *reply, const struct mock_call *call)
{
    struct buffer *text = &reply->text;
    struct slice schema, heard = buffer_slice(&call->last_text), model = mock_behaviour(slice_of(call->model));
    int64_t count;
    if (wants_json(call, &schema)) {
        if (schema.len > 0)
            mock_sample(schema, text);
        else
            buffer_append_lit(text, "{\"mock\":true}");
        return;
    }
    if (mock_number_after(model, LIT("events-"), &count)) {
        for (int64_t i = 0; i < count && i < 100000; i++)
            buffer_printf(text, i == 0 ? "word%lld" : " word%lld", (long long)i);
        return;
    }
    if (mock_number_after(model, LIT("fault-big-"), &count)) { /* kilobytes */
        for (int64_t i = 0; i < count * 128 && i < TEXT_MAX / 8; i++)
            buffer_append_lit(text, "mocking ");
        return;
    }
    buffer_append_lit(text, "This is the mock provider. ");
    if (call->images > 0)
        buffer_printf(text, "I see %u image%s. ", call->images, call->images == 1 ? "" : "s");
    if (heard.len == 0) {
        buffer_append_lit(text, "You said nothing.");
        return;
    }
    buffer_append_slice(text, call->last == MOCK_LAST_TOOL ? LIT("The tool said: ") : LIT("You said: "));
    buffer_append_slice(text, heard);
}

static void cut_at_stop(struct mock_reply *reply, const struct mock_call *call)
{
    for (unsigned i = 0; i < call->stop_count; i++) {
        struct slice stop = buffer_slice(&call->stops[i]);
        const char *at = stop.len == 0 ? NULL : slice_find(buffer_slice(&reply->text), stop);
        if (at != NULL) {
            reply->text.len = (size_t)(at - reply->text.ptr);
            reply->stopped_by = stop;
        }
    }
}

/* Keeps `max` words. */
static void cut_at_words(struct mock_reply *reply, int64_t max)
{
    int64_t words = 0;
    bool inside = false;
    for (size_t i = 0; i < reply->text.len; i++) {
        bool blank = reply->text.ptr[i] == ' ' || reply->text.ptr[i] == '\n' || reply->text.ptr[i] == '\t';
        if (!blank && !inside && words++ == max) {
            reply->text.len = i > 0 && max > 0 ? i - 1 : 0;
            reply->finish = "length";
            reply->stopped_by = SLICE_NONE;
            return;
        }
        inside = !blank;
    }
}

void mock_reply_make(struct mock_reply *reply, const struct mock_call *call)
{
    memset(reply, 0, sizeof *reply);
    buffer_init(&reply->text, TEXT_MAX);
    reply->finish = "stop";
    if (call_tools(reply, call)) {
        reply->finish = "tool_calls";
        for (unsigned i = 0; i < reply->tool_count; i++)
            reply->words += 1 + mock_count_words(buffer_slice(&reply->tools[i].arguments));
        return;
    }
    write_text(reply, call);
    cut_at_stop(reply, call);
    if (call->max_tokens >= 0)
        cut_at_words(reply, call->max_tokens);
    reply->words = mock_count_words(buffer_slice(&reply->text));
}

void mock_reply_free(struct mock_reply *reply)
{
    buffer_free(&reply->text);
    for (unsigned i = 0; i < reply->tool_count; i++)
        buffer_free(&reply->tools[i].arguments);
}

/* ---------------------------------------------------------------- bench */

void mock_bench_make(struct mock_script scripts[MOCK_BENCH_SCRIPTS], const struct mock_settings *settings)
{
    struct mock_reply reply = {.finish = "stop"};
    for (unsigned i = 0; i < MOCK_BENCH_SCRIPTS; i++) {
        struct mock_script *script = &scripts[i];
        struct mock_call call;
        mock_script_init(script);
        mock_call_init(&call);
        call.dialect = i & 4 ? MOCK_ANTHROPIC : MOCK_OPENAI;
        call.stream = (i & 2) != 0;
        call.include_usage = (i & 1) != 0;
        call.created = 1700000000;
        call.words = 11;
        memcpy(call.model, "mock-model", sizeof "mock-model");
        buffer_init(&reply.text, TEXT_MAX);
        for (unsigned n = 0; call.stream && n < settings->events; n++)
            buffer_printf(&reply.text, n == 0 ? "tok%u" : " tok%u", n);
        while (!call.stream && reply.text.len < settings->reply_bytes && !reply.text.overflow)
            buffer_append_byte(&reply.text, reply.text.len % 7 == 6 ? ' ' : 'a');
        reply.words = mock_count_words(buffer_slice(&reply.text));
        mock_wire_answer(&call, &reply, script);
        script->pieces[0].wait_ms = settings->delay_ms;
        for (unsigned p = 2; call.stream && p < script->count; p++)
            script->pieces[p].wait_ms = settings->gap_ms;
        buffer_free(&reply.text);
        mock_call_free(&call);
    }
}
