/* names.h -- names of tools where a provider allows less than the client, and names of what a writer leaves out.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_NAMES_H
#define PROVIDERS_NAMES_H
#include "providers/reader.h"

/* Appends the name of what a writer leaves out, ", " between. */
void names_drop(struct buffer *dropped, struct slice name);
/* A cache marker, where the provider knows none: the first one is named. `lost`: one was. */
void names_drop_marker(struct buffer *dropped, bool *lost, struct slice cache_control_json);
/* Appends the types of what the client said in words of its own dialect ("messages.video_url"): for writers of another, who leave it out.
 * What an assistant said so goes unnamed: it is history of tools that another house ran. */
void names_drop_content(const struct chat *chat, struct buffer *dropped);

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
#endif
