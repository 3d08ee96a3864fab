/* bedrock.h -- what the files of wire_bedrock share. All others go through wire.h.
 *
 *   family.c          what each family of models accepts   read_answer.c  answers, streamed and whole
 *   write_request.c   struct chat -> request               failure.c      refusals and exceptions
 *   write_messages.c  messages of a request                embed.c        embeddings, whose bodies are each family's own
 *
 * What a Claude model accepts is asked from anthropic/family.c: it is the same model.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_BEDROCK_BEDROCK_H
#define PROVIDERS_BEDROCK_BEDROCK_H
#include "providers/anthropic/anthropic.h"
#include "providers/provider.h"

/* The name of the tool that stands for a JSON answer. */
#define BEDROCK_JSON_TOOL "json_tool_call"

/* Behind the bits of CLAUDE_*, which a Claude model has as well. */
enum {
    BEDROCK_CLAUDE = 1 << 8,
    BEDROCK_NOVA = 1 << 9,
    BEDROCK_NOVA_2 = 1 << 10,     /* reasons when asked */
    BEDROCK_GPT_OSS = 1 << 11,    /* takes reasoning_effort */
    BEDROCK_ID9 = 1 << 12,        /* ids of calls must be nine alphanumerics */
    BEDROCK_NO_SYSTEM = 1 << 13,  /* system texts must stand in the user's first turn */
    BEDROCK_FORCED = 1 << 14,     /* toolChoice any and tool */
    BEDROCK_STRUCTURED = 1 << 15, /* outputConfig.textFormat; of Claude its own family says */
    /* Of a request: how JSON by a schema is asked for. */
    BEDROCK_BY_TOOL = 1 << 16,   /* a tool that must be called */
    BEDROCK_BY_OUTPUT = 1 << 17, /* outputConfig */
    BEDROCK_BY_WORDS = 1 << 18,  /* a line of the system text */
};

unsigned bedrock_family(const struct model_facts *model);

enum { BEDROCK_DEPTH_AROUND = 8 }; /* levels around arguments and schemas: they count for the depth as well */

struct bedrock_encode {
    struct encode base;
    struct bedrock_document *documents;
    unsigned document_count;
};

extern const struct name_rule bedrock_tool_rule;

/* A cachePoint behind what was just written, where the model knows them. */
void bedrock_write_marker(struct encode *encode, struct slice cache_control_json);
/* "system" and "messages", of a struct bedrock_encode. False: complaint. */
bool bedrock_write_messages(struct encode *encode);
bool bedrock_write_request(struct encode *encode);
bool bedrock_write_count(struct encode *encode);
bool bedrock_write_embed(struct encode *encode);

enum { BEDROCK_READER_SIZE = 512 };
void bedrock_read_event(struct reader *reader, struct slice name, struct slice data);
void bedrock_read_answer(struct reader *reader, struct slice body);
void bedrock_read_eof(struct reader *reader);
/* An answer to an embedding's request: EVENT_VECTOR for each and EVENT_USAGE. False: it is not one. */
bool bedrock_read_vectors(struct reader *reader, struct slice body);
struct failure bedrock_read_failure(const struct error_answer *error_answer);
/* The failure that an exception of a stream, or of a body with __type, means. */
struct failure bedrock_exception(struct slice name, struct slice body, struct arena *arena);
#endif
