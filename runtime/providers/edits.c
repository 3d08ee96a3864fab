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
