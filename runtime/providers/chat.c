/* chat.c -- what every reader of a request does with struct chat: it keeps members that no field carries, and only tools that may be called.
 * SPDX-License-Identifier: MIT */
#include "providers/chat.h"
#include "providers/lookup.h"

/* ---------------------------------------------------------------- tools that may be called */

/* "name" in the entry, or in the object that its type names. */
static struct slice name_of_tool(struct slice entry)
{
    struct slice name = json_find_string(entry, "name");
    if (name.len == 0)
        name = json_find_string(json_find(entry, "function"), "name");
    return name.len > 0 ? name : json_find_string(json_find(entry, "custom"), "name");
}

bool chat_keep_tools(struct chat *chat, struct arena *arena, struct slice list_json)
{
    struct lookup tools = {.count = 0}; /* a value: not named yet */
    struct json json;
    struct slice one;
    for (const struct tool *tool = chat->tools; tool != NULL; tool = tool->next)
        if (!lookup_add(&tools, arena, tool->name_raw, tool))
            return false;
    json_init(&json, list_json, JSON_DEPTH_MAX);
    if (list_json.len > 0 && json_array(&json)) {
        while (json_element(&json) && json_skip(&json, &one)) {
            struct lookup_entry *named = lookup_first(&tools, name_of_tool(one));
            if (named != NULL)
                named->value = NULL;
        }
    }
    for (struct tool **at = &chat->tools; *at != NULL;) {
        if ((*at)->name_raw.len == 0 || lookup_first(&tools, (*at)->name_raw)->value == NULL)
            at = &(*at)->next;
        else
            *at = (*at)->next;
    }
    return true;
}

/* ---------------------------------------------------------------- members that no field carries */

bool chat_count_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct complaint *complaint)
{
    enum { EXTRAS_MAX = 256, NAME_MAX = 80 }; /* a dialect knows a few dozen members */
    if (++chat->extra_count <= EXTRAS_MAX)
        return true;
    struct slice name = {name_raw.ptr, name_raw.len < NAME_MAX ? name_raw.len : NAME_MAX};
    if (complaint->message.len == 0)
        *complaint = (struct complaint){FAILURE_BAD_PARAMETER,
                                        arena_printf(arena, "The request has more than %d members that are not known; '%.*s' is the next.",
                                                     EXTRAS_MAX, (int)name.len, name.ptr),
                                        name};
    return false;
}

bool chat_is_unread(const struct arena *arena, struct complaint *complaint)
{
    if (complaint->message.len == 0 && arena->overflow)
        *complaint = (struct complaint){FAILURE_TOO_LARGE, LIT("the request has too many parts"), SLICE_NONE};
    else if (complaint->message.len == 0)
        *complaint = (struct complaint){FAILURE_BAD_JSON, LIT("The request body could not be read."), SLICE_NONE};
    return false;
}

bool chat_add_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct slice value_json, struct complaint *complaint)
{
    struct extra *extra = arena_alloc(arena, sizeof *extra);
    if (extra == NULL || !chat_count_extra(chat, arena, name_raw, complaint))
        return false;
    *extra = (struct extra){NULL, name_raw, value_json};
    *(chat->extras == NULL ? &chat->extras : chat->extras_tail) = extra;
    chat->extras_tail = &extra->next;
    return true;
}
