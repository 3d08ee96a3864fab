/* names.h -- names of tools where a provider allows less than the client.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_NAMES_H
#define PROVIDERS_NAMES_H
#include "providers/reader.h"

/* What a tool may be called at a provider: `allowed` are the characters beside letters and digits, `max` the longest name (at least 16), `letter_first`
 * whether it must begin with a letter or underscore. A name that fits is given back as it is; another is rewritten, always the same way, with a hash
 * of the whole so that two never become one. */
struct name_rule {
    const char *allowed;
    unsigned max;
    bool letter_first;
};
struct slice name_fit(struct slice name_raw, const struct name_rule *rule, struct arena *arena);
/* The way back: the tool of the reader's chat whose fitted name that is; the name itself when there is none. */
struct slice name_unfit(struct reader *reader, struct slice name_raw, const struct name_rule *rule);
/* Nothing but letters, digits and the `allowed` ones. */
bool name_has_only(struct slice name, const char *allowed);
#endif
