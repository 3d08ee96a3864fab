/* anthropic.h -- the pieces of wire_anthropic. Private to anthropic*.c; everybody else goes through provider.h.
 *
 *   anthropic_family.c   what each model family accepts       anthropic_answer.c   reading an answer
 *   anthropic_request.c  struct chat -> request               anthropic_schema.c   schemas it accepts
 *   anthropic_message.c  messages of a request
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_ANTHROPIC_H
#define PROVIDERS_ANTHROPIC_H
#include "providers/provider.h"

/* The name of the tool that stands for a JSON answer on models without structured output. */
#define ANTHROPIC_JSON_TOOL "json_tool_call"

enum {
    FAMILY_STRUCTURED = 1,   /* output_config.format */
    FAMILY_ADAPTIVE = 2,     /* thinking by effort, not by a budget */
    FAMILY_NO_SAMPLING = 4,  /* temperature, top_p, top_k are refused */
    FAMILY_ONE_SAMPLING = 8, /* temperature or top_p, not both */
    FAMILY_XHIGH = 16,       /* effort xhigh */
};

struct family {
    const char *part; /* of the model's id */
    int64_t max_output;
    unsigned flags;
};

const struct family *anthropic_family(const struct model_facts *model);

/* What is being written, and how. */
struct anthropic_encode {
    const struct chat *chat;
    const struct provider *provider;
    const struct model_facts *model;
    const struct family *family;
    struct arena *arena;
    struct buffer *out, *dropped;
    struct complaint *complaint;
    bool first;    /* no member of the innermost object was written */
    bool thinking; /* this request thinks: signed blocks go back */
};

void anthropic_key(struct anthropic_encode *encode, const char *name);
void anthropic_quoted(struct buffer *out, struct slice raw);
bool anthropic_refuse(struct anthropic_encode *encode, struct slice message, struct slice param);
/* "system" and "messages". False: complaint. */
bool anthropic_write_messages(struct anthropic_encode *encode);
/* A tool loop is under way and its assistant turns have no signed reasoning: the API would refuse to think on. */
bool anthropic_lost_reasoning(const struct chat *chat);
/* A schema as structured output takes it: closed objects, no constraints it does not know. */
void anthropic_write_schema(struct buffer *out, struct slice schema_json);
bool anthropic_write_request(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                             struct buffer *out, struct buffer *dropped, struct complaint *complaint);

enum { ANTHROPIC_READER_SIZE = 512 };
void anthropic_reader_begin(struct reader *reader);
void anthropic_read_event(struct reader *reader, struct slice name, struct slice data, bool include_usage, enum pass *pass,
                          struct slice *rewritten);
void anthropic_read_answer(struct reader *reader, struct slice body);
void anthropic_read_eof(struct reader *reader);
void anthropic_read_failure(int status, struct slice body, struct slice (*header)(void *head, struct slice name), void *head,
                            int64_t wall_us, struct arena *arena, struct failure *failure);
#endif
