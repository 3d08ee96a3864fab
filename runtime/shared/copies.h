/* copies.h -- the last good copy of a text that was fetched from a URL, so that a new generation can be built without fetching it again.
 *
 * One is kept: the config names one such URL. Any thread; each call copies.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_COPIES_H
#define SHARED_COPIES_H
#include "base/bytes.h"

struct copies;

MUST_USE struct copies *copies_new(void);
void copies_free(struct copies *copies);
/* Replaces whatever was kept. */
void copies_put(struct copies *copies, struct slice url, struct slice text);
/* Appends the copy to `out`; false: there is none of this URL. */
MUST_USE bool copies_get(struct copies *copies, struct slice url, struct buffer *out);
/* Is this the copy that is kept? */
bool copies_has(struct copies *copies, struct slice url, struct slice text);
#endif
