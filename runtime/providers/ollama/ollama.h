/* ollama.h -- the pieces of wire_ollama. Private to ollama*.c; everybody else goes through provider.h.
 *
 *   ollama/write_request.c   struct chat -> request        ollama/read_answer.c   answers, streamed and whole
 *   ollama/write_messages.c   messages of a request
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_OLLAMA_OLLAMA_H
#define PROVIDERS_OLLAMA_OLLAMA_H
#include "providers/lookup.h"
#include "providers/provider.h"

/* What is being written, and how. */
struct ollama_encode {
    const struct chat *chat;
    const struct provider *provider;
    const struct model_facts *model;
    struct arena *arena;
    struct buffer *out, *dropped;
    struct complaint *complaint;
    bool first;          /* no member of the innermost object was written */
    bool lost_markers;   /* a cache marker was dropped, and named */
    struct lookup calls; /* all of the conversation, by their ids */
    size_t calls_passed; /* those before the message being written */
};

/* "messages". False: complaint. */
bool ollama_write_messages(struct ollama_encode *encode);
bool ollama_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint);
bool ollama_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint);

enum { OLLAMA_READER_SIZE = 512 };
void ollama_reader_begin(struct reader *reader);
void ollama_read_event(struct reader *reader, struct slice name, struct slice data, bool include_usage, enum pass *pass,
                       struct slice *rewritten);
void ollama_read_answer(struct reader *reader, struct slice body);
#endif
