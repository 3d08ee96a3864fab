/* calls.c -- the calls of an answer under way, for writers: which is which, and where the JSON text of its arguments stands while it comes in pieces.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "providers/calls.h"

void *call_slots_get(const struct call_slots *slots, unsigned tool)
{
    return tool < slots->count ? slots->list[tool] : NULL;
}

bool call_slots_set(struct call_slots *slots, struct arena *arena, unsigned tool, void *call)
{
    if (tool >= slots->count) {
        unsigned count = tool >= UINT32_MAX / 4 ? 0 : 2 * tool + 8;
        void **list = count == 0 ? NULL : arena_zalloc(arena, count * sizeof *list);
        if (list == NULL)
            return false;
        if (slots->count > 0)
            memcpy(list, slots->list, slots->count * sizeof *list);
        slots->list = list;
        slots->count = count;
    }
    slots->list[tool] = call;
    return true;
}

/* One decoded character of the arguments. */
static void nest(struct nesting *nesting, char byte)
{
    if (nesting->in_string) {
        if (nesting->escaped)
            nesting->escaped = false;
        else if (byte == '\\')
            nesting->escaped = true;
        else if (byte == '"')
            nesting->in_string = false;
    } else if (byte == '"') {
        nesting->in_string = true;
    } else if (byte == '{' || byte == '[') {
        nesting->depth++;
    } else if ((byte == '}' || byte == ']') && nesting->depth > 0) {
        nesting->closed |= --nesting->depth == 0;
    }
}

/* A piece is the inside of a JSON string, so its own escapes are never cut. */
void nesting_follow(struct nesting *nesting, struct slice piece)
{
    for (size_t i = 0; i < piece.len; i++) {
        char byte = piece.ptr[i];
        if (byte == '\\' && i + 1 < piece.len) {
            struct slice escape = {piece.ptr + i, piece.ptr[i + 1] == 'u' && piece.len - i >= 6 ? 6 : 2};
            byte = json_raw_equals(escape, LIT("\"")) ? '"' : json_raw_equals(escape, LIT("\\")) ? '\\' : ' ';
            for (const char *bracket = "{}[]"; escape.len == 6 && *bracket != '\0'; bracket++)
                if (json_raw_equals(escape, (struct slice){bracket, 1}))
                    byte = *bracket;
            i += escape.len - 1;
        }
        nest(nesting, byte);
    }
}
