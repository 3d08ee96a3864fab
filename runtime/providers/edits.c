/* edits.c -- a body with declared edits, as a list of slices: nothing is copied but what is new.
 * SPDX-License-Identifier: MIT */
#include "providers/wire.h"

static unsigned put(struct slice *parts, unsigned count, unsigned max, struct slice piece)
{
    if (piece.len > 0 && count < max)
        parts[count++] = piece;
    return count;
}

unsigned edits_apply(struct slice body, const struct edit *edits, unsigned count, struct slice *parts, unsigned parts_max)
{
    unsigned made = 0;
    size_t at = 0;
    for (unsigned i = 0; i < count; i++) {
        made = put(parts, made, parts_max, (struct slice){body.ptr + at, edits[i].at - at});
        made = put(parts, made, parts_max, edits[i].text);
        at = edits[i].at + edits[i].len;
    }
    return put(parts, made, parts_max, (struct slice){body.ptr + at, body.len - at});
}

unsigned edits_put(struct edit edits[EDITS_MAX], unsigned count, struct edit edit)
{
    unsigned i = count;
    for (; i > 0 && (edits[i - 1].at > edit.at || (edits[i - 1].at == edit.at && edit.len == 0)); i--)
        edits[i] = edits[i - 1];
    edits[i] = edit;
    return count + 1;
}

unsigned edits_own(const struct facts *facts, const struct model_facts *model, struct arena *arena, struct edit edits[EDITS_MAX])
{
    unsigned count = 0;
    struct slice plain = json_escape(arena, model->model);
    if (!slice_equals(plain, facts->model_raw))
        edits[count++] = (struct edit){facts->model.at + 1, facts->model.len - 2, plain};
    for (unsigned i = 0; i < facts->extension_count; i++)
        count = edits_put(edits, count, (struct edit){facts->extensions[i].at, facts->extensions[i].len, SLICE_NONE});
    return count;
}
