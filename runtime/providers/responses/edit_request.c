/* edit_request.c -- which edits make the bytes of a client fit for a provider that speaks /v1/responses itself.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"

/* Whether this item is reasoning that was sealed by this gateway: it means nothing to a provider that speaks this wire itself. */
static bool is_ours(struct slice item_json)
{
    struct slice sealed = json_find_string(item_json, "encrypted_content");
    return json_raw_equals(json_find_string(item_json, "type"), LIT("reasoning")) &&
           (slice_starts_with(sealed, LIT("claude")) || slice_starts_with(sealed, LIT("gemini")));
}

/* The list of items without those that only we can read; SLICE_NONE: none is among them. */
static struct slice without_ours(struct slice input, struct arena *arena)
{
    struct json json;
    struct slice item;
    bool found = false;
    if (slice_find(input, LIT("\"" RESPONSES_CLAUDE)) == NULL && slice_find(input, LIT("\"" RESPONSES_CLAUDE_REDACTED)) == NULL &&
        slice_find(input, LIT("\"" RESPONSES_GEMINI)) == NULL && slice_find(input, LIT("\"" RESPONSES_GEMINI_TEXT)) == NULL)
        return SLICE_NONE;
    char *copy = arena_alloc(arena, input.len + 1), *to = copy;
    json_init(&json, input, JSON_DEPTH_MAX);
    if (copy == NULL || json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return SLICE_NONE;
    *to++ = '[';
    while (json_element(&json) && json_skip(&json, &item)) {
        if (is_ours(item)) {
            found = true;
            continue;
        }
        if (to > copy + 1)
            *to++ = ',';
        to = mempcpy(to, item.ptr, item.len);
    }
    *to++ = ']';
    return found ? (struct slice){copy, (size_t)(to - copy)} : SLICE_NONE;
}

/* The model's name, our own fields, and reasoning that another provider made. */
int responses_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX])
{
    struct slice input = json_find(body, "input"), cleaned = without_ours(input, arena);
    (void)provider;
    unsigned count = edits_own(facts, model, arena, edits);
    if (cleaned.len > 0)
        count = edits_put(edits, count, (struct edit){(size_t)(input.ptr - body.ptr), input.len, cleaned});
    return (int)count;
}
