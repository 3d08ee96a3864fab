/* chat_check.c -- see chat_check.h.
 *
 * A provider of the client's own dialect judges the client's bytes itself. Where they are translated, a call without a name or a format without a schema
 * would vanish or become something else: it is refused here, with its parameter.
 * SPDX-License-Identifier: MIT */
#include "providers/chat_check.h"
#include "providers/wire.h"

/* What the parts of a conversation are called in the dialect of the client. */
struct words {
    struct slice messages, schema;
};

static struct words words_of(const struct wire *wire)
{
    if (wire == &wire_anthropic)
        return (struct words){LIT("messages"), LIT("output_config.format")};
    if (wire == &wire_responses)
        return (struct words){LIT("input"), LIT("text.format")};
    return (struct words){LIT("messages"), LIT("response_format")};
}

static bool refuse(struct complaint *complaint, struct slice message, struct slice param)
{
    *complaint = (struct complaint){FAILURE_BAD_PARAMETER, message, param};
    return false;
}

static bool is_object(struct slice json)
{
    return json.len > 0 && json.ptr[0] == '{';
}

static bool check_parts(const struct part *part, struct slice param, struct complaint *complaint)
{
    for (; part != NULL; part = part->next) {
        if (part->kind == PART_TOOL_CALL && part->name_raw.len == 0)
            return refuse(complaint, LIT("A call of a tool has no name."), param);
        if (part->kind == PART_TOOL_CALL && part->id_raw.len == 0)
            return refuse(complaint, LIT("A call of a tool has no id."), param);
        if (part->kind == PART_TOOL_RESULT && part->id_raw.len == 0)
            return refuse(complaint, LIT("A tool's result does not say which call it belongs to."), param);
    }
    return true;
}

static bool check_tools(const struct chat *chat, struct complaint *complaint)
{
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next) {
        if (tool->json.len == 0 && tool->name_raw.len == 0)
            return refuse(complaint, LIT("A tool has no name."), LIT("tools"));
        if (tool->schema_json.len > 0 && !is_object(tool->schema_json))
            return refuse(complaint, LIT("The parameters of a tool must be a JSON schema: an object."), LIT("tools"));
    }
    return true;
}

static bool has_tool(const struct chat *chat, struct slice name_raw)
{
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next)
        if (slice_equals(tool->name_raw, name_raw))
            return true;
    return false;
}

/* Nothing to choose from: the choice goes, by name, for the tools may have gone before it. */
static void drop_choice(struct chat *chat, struct arena *arena)
{
    chat->tool_choice = TOOL_CHOICE_NONE_GIVEN;
    chat->dropped = arena_printf(arena, "%.*s%stool_choice", (int)chat->dropped.len, chat->dropped.len == 0 ? "" : chat->dropped.ptr,
                                 chat->dropped.len == 0 ? "" : ", ");
}

bool chat_check(struct chat *chat, struct arena *arena, struct complaint *complaint)
{
    struct words words = words_of(chat->wire);
    bool must = chat->tool_choice == TOOL_CHOICE_REQUIRED || chat->tool_choice == TOOL_CHOICE_NAMED;
    for (const struct message *message = chat->messages; message != NULL; message = message->next)
        if (!check_parts(message->parts, words.messages, complaint))
            return false;
    if (!check_tools(chat, complaint))
        return false;
    if (chat->format == FORMAT_SCHEMA && !is_object(chat->schema_json))
        return refuse(complaint, LIT("A format 'json_schema' wants a schema: an object."), words.schema);
    if (must && (chat->tools == NULL ||
                 (chat->tool_choice == TOOL_CHOICE_NAMED && chat->dropped.len > 0 && !has_tool(chat, chat->tool_choice_name_raw))))
        drop_choice(chat, arena);
    if (chat->tool_choice == TOOL_CHOICE_NAMED && !has_tool(chat, chat->tool_choice_name_raw))
        return refuse(complaint, LIT("the tool that must be called is not among the tools"), LIT("tool_choice"));
    return true;
}
