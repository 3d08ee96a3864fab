/* cohere.h -- the pieces of wire_cohere. Private to cohere*.c; everybody else goes through provider.h.
 *
 *   cohere/write_request.c   struct chat -> request        cohere/read_answer.c   answers, streamed and whole
 *   cohere/write_messages.c   messages of a request         cohere/embed.c    embeddings
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_COHERE_COHERE_H
#define PROVIDERS_COHERE_COHERE_H
#include "providers/provider.h"

/* What is being written, and how. */
struct cohere_encode {
    const struct chat *chat;
    const struct provider *provider;
    const struct model_facts *model;
    struct arena *arena;
    struct buffer *out, *dropped;
    struct complaint *complaint;
    bool first;        /* no member of the body was written */
    bool thinks;       /* the model is one that reasons, and it was not told not to */
    bool lost_markers; /* a cache marker was dropped, and named */
};

extern const struct name_rule cohere_tool_rule;

/* "messages". False: complaint. */
bool cohere_write_messages(struct cohere_encode *encode);
bool cohere_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint);
bool cohere_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint);

enum { COHERE_READER_SIZE = 1024 };
void cohere_reader_begin(struct reader *reader);
void cohere_read_event(struct reader *reader, struct slice name, struct slice data, bool include_usage, enum pass *pass,
                       struct slice *rewritten);
void cohere_read_answer(struct reader *reader, struct slice body);
/* An answer to an embedding's request: EVENT_VECTOR for each. False: it is not one. */
bool cohere_read_vectors(struct reader *reader, struct slice body);
#endif
