/* bedrock.h -- the pieces of wire_bedrock. Private to bedrock*.c; everybody else goes through provider.h.
 *
 *   bedrock/family.c    what each family of models accepts     bedrock/read_answer.c   answers, streamed and whole
 *   bedrock/write_request.c   struct chat -> request                 bedrock/failure.c   refusals and exceptions
 *   bedrock/write_messages.c   messages of a request                  bedrock/embed.c    embeddings, whose bodies are each family's own
 *
 * What a Claude model accepts is asked from anthropic/family.c: it is the same model.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_BEDROCK_BEDROCK_H
#define PROVIDERS_BEDROCK_BEDROCK_H
#include "providers/anthropic/anthropic.h"
#include "providers/provider.h"

/* The name of the tool that stands for a JSON answer. */
#define BEDROCK_JSON_TOOL "json_tool_call"

enum {
    BEDROCK_CLAUDE = 1,
    BEDROCK_NOVA = 2,
    BEDROCK_NOVA_2 = 4,      /* reasons when asked */
    BEDROCK_GPT_OSS = 8,     /* takes reasoning_effort */
    BEDROCK_ID9 = 16,        /* ids of calls must be nine alphanumerics */
    BEDROCK_NO_SYSTEM = 32,  /* system texts must stand in the user's first turn */
    BEDROCK_FORCED = 64,     /* toolChoice any and tool */
    BEDROCK_STRUCTURED = 128 /* outputConfig.textFormat; of Claude its own family says */
};

unsigned bedrock_family(const struct model_facts *model);

/* How JSON by a schema is asked for. */
enum bedrock_format {
    BEDROCK_FORMAT_NONE,
    BEDROCK_FORMAT_TOOL,   /* a tool that must be called */
    BEDROCK_FORMAT_OUTPUT, /* outputConfig */
    BEDROCK_FORMAT_WORDS,  /* a line of the system text */
};

/* What is being written, and how. */
struct bedrock_encode {
    const struct chat *chat;
    const struct provider *provider;
    const struct model_facts *model;
    const struct family *claude;
    struct arena *arena;
    struct buffer *out, *dropped;
    struct complaint *complaint;
    unsigned family;
    enum bedrock_format format;
    bool first;        /* no member of the innermost object was written */
    bool thinking;     /* this request thinks: signed blocks go back */
    bool has_calls;    /* the history has calls or results of tools */
    bool lost_markers; /* a cache marker was dropped, and named */
    struct bedrock_document *documents;
    unsigned document_count;
};

extern const struct name_rule bedrock_tool_rule;

/* A cachePoint behind what was just written, where the model knows them. */
void bedrock_write_marker(struct bedrock_encode *encode, struct slice cache_control_json);
/* "system" and "messages". False: complaint. */
bool bedrock_write_messages(struct bedrock_encode *encode);
bool bedrock_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                           struct buffer *out, struct buffer *dropped, struct complaint *complaint);
bool bedrock_write_count(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                         struct buffer *out, struct buffer *dropped, struct complaint *complaint);
bool bedrock_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                         struct buffer *out, struct buffer *dropped, struct complaint *complaint);

enum { BEDROCK_READER_SIZE = 512 };
void bedrock_reader_begin(struct reader *reader);
void bedrock_read_event(struct reader *reader, struct slice name, struct slice data, bool include_usage, enum pass *pass,
                        struct slice *rewritten);
void bedrock_read_answer(struct reader *reader, struct slice body);
void bedrock_read_eof(struct reader *reader);
/* An answer to an embedding's request: EVENT_VECTOR for each and EVENT_USAGE. False: it is not one. */
bool bedrock_read_vectors(struct reader *reader, struct slice body);
void bedrock_read_failure(int status, struct slice body, struct slice (*header)(void *head, struct slice name), void *head, int64_t wall_us,
                          struct arena *arena, struct failure *failure);
/* The failure that an exception of a stream, or of a body with __type, means. */
struct failure bedrock_exception(struct slice name, struct slice body, struct arena *arena);
#endif
