/* parts.h -- the parts of a message as one text.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_PARTS_H
#define PROVIDERS_PARTS_H
#include "providers/chat.h"

/* What a wire that knows text alone can carry: text, a refusal, a document that is text. */
bool part_is_text(const struct part *part);
/* All of it as one JSON string; `between` (escaped) stands between two of them. Cache markers are named as dropped, as names_drop_marker does. */
void parts_write_text(const struct part *part, struct slice between, struct buffer *out, struct buffer *dropped, bool *lost_markers);
#endif
