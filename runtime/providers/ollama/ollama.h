/* ollama.h -- what the files of wire_ollama share. All others go through wire.h.
 *
 *   write_request.c   struct chat -> request   read_answer.c  answers, streamed and whole
 *   write_messages.c  messages of a request
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_OLLAMA_OLLAMA_H
#define PROVIDERS_OLLAMA_OLLAMA_H
#include "providers/encode.h"
#include "providers/lookup.h"

/* What is being written, and how. */
struct ollama_encode {
    struct encode base;
    struct lookup calls; /* all of the conversation, by their ids */
    size_t calls_passed; /* those before the message being written */
};

/* "messages", of a struct ollama_encode. False: complaint. */
bool ollama_write_messages(struct encode *encode);
bool ollama_write_request(struct encode *encode);
bool ollama_write_embed(struct encode *encode);

enum { OLLAMA_READER_SIZE = 512 };
void ollama_read_event(struct reader *reader, struct slice name, struct slice data);
void ollama_read_answer(struct reader *reader, struct slice body);
#endif
