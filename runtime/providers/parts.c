/* parts.c -- the parts of a message for wires that have one string where others have a list.
 * SPDX-License-Identifier: MIT */
#include "providers/names.h"
#include "providers/parts.h"

bool part_is_text(const struct part *part)
{
    return part->kind == PART_TEXT || part->kind == PART_REFUSAL || (part->kind == PART_DOCUMENT && part->text_raw.len > 0);
}

void parts_write_text(const struct part *part, struct slice between, struct buffer *out, struct buffer *dropped, bool *lost_markers)
{
    bool some = false;
    buffer_append_byte(out, '"');
    for (; part != NULL; part = part->next) {
        names_drop_marker(dropped, lost_markers, part->cache_control_json);
        if (!part_is_text(part) || part->text_raw.len == 0)
            continue;
        if (some)
            buffer_append_slice(out, between);
        some = true;
        buffer_append_slice(out, part->text_raw);
    }
    buffer_append_byte(out, '"');
}
