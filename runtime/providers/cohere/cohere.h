/* cohere.h -- what the files of wire_cohere share. All others go through wire.h.
 *
 *   write_request.c   struct chat -> request   read_answer.c  answers, streamed and whole
 *   write_messages.c  messages of a request    embed.c        embeddings
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_COHERE_COHERE_H
#define PROVIDERS_COHERE_COHERE_H
#include "providers/encode.h"

extern const struct name_rule cohere_tool_rule;

/* "messages". False: complaint. */
bool cohere_write_messages(struct encode *encode);
bool cohere_write_request(struct encode *encode);
bool cohere_write_embed(struct encode *encode);

enum { COHERE_READER_SIZE = 1024 };
void cohere_read_event(struct reader *reader, struct slice name, struct slice data);
void cohere_read_answer(struct reader *reader, struct slice body);
/* An answer to an embedding's request: EVENT_VECTOR for each. False: it is not one. */
bool cohere_read_vectors(struct reader *reader, struct slice body);
#endif
