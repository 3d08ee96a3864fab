/* anthropic.h -- what the files of wire_anthropic share: with each other, and with bedrock, which asks what a Claude model accepts. All others go through wire.h.
 *
 *   family.c          what each model family accepts              scan_request.c  the scan of a request
 *   write_request.c   struct chat -> request                      read_request.c  request -> struct chat
 *   write_messages.c  messages of a request                       read_tools.c    its tools and formats
 *   write_file.c      its pictures and files                      edit_request.c  edits of the client's bytes
 *   write_schema.c    schemas it accepts                          write_answer.c  writing an answer
 *   read_answer.c     reading an answer                           failure.c       writing an error
 *   count.c           POST /v1/messages/count_tokens, both ways
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_ANTHROPIC_ANTHROPIC_H
#define PROVIDERS_ANTHROPIC_ANTHROPIC_H
#include "providers/encode.h"

struct take; /* take.h */

/* The name of the tool that stands for a JSON answer on models without structured output. */
#define ANTHROPIC_JSON_TOOL "json_tool_call"

enum {
    CLAUDE_STRUCTURED = 1,   /* output_config.format */
    CLAUDE_ADAPTIVE = 2,     /* thinking by effort, not by a budget */
    CLAUDE_NO_SAMPLING = 4,  /* temperature, top_p, top_k are refused */
    CLAUDE_ONE_SAMPLING = 8, /* temperature or top_p, not both */
    CLAUDE_XHIGH = 16,       /* effort xhigh */
    CLAUDE_REPLAYS = 32,     /* of a request: signed reasoning of the history goes back */
};

const struct family *anthropic_family(const struct model_facts *model);

/* What a tool may be called; newer models take 128 bytes. */
extern const struct name_rule anthropic_names;
/* "system" and "messages". False: complaint. */
bool anthropic_write_messages(struct encode *encode);
/* One block; part->kind says which. False: complaint. */
bool anthropic_write_image(struct encode *encode, const struct part *part);
bool anthropic_write_document(struct encode *encode, const struct part *part);
/* ,"cache_control":… where the part has one. */
void anthropic_write_marker(struct encode *encode, const struct part *part);
/* A tool loop is under way and its assistant turns have no signed reasoning: the API would refuse to think on. */
bool anthropic_lost_reasoning(const struct chat *chat);
/* A schema as structured output takes it: closed objects, no constraints it does not know. False: it is larger than any such schema, *complaint. */
bool anthropic_write_schema(struct buffer *out, struct slice schema_json, struct complaint *complaint);
bool anthropic_write_request(struct encode *encode);
bool anthropic_write_count(struct encode *encode);
void anthropic_write_auth(const struct provider *provider, struct slice key, struct buffer *out);

enum { ANTHROPIC_READER_SIZE = 512 };
void anthropic_read_event(struct reader *reader, struct slice name, struct slice data);
void anthropic_read_answer(struct reader *reader, struct slice body);
struct failure anthropic_read_failure(const struct error_answer *error_answer);

/* ---------------------------------------------------------------- towards clients */

/* A key or a word, also when it is spelt with escapes: a provider decodes them, and we must not read less than it does. */
static inline bool anthropic_is(struct slice raw, struct slice plain)
{
    return json_is(raw, plain);
}

/* Google's thought signatures travel through this dialect as thinking blocks without text whose signature begins so. */
#define ANTHROPIC_GOOGLE "gemini:"

/* A signature that Anthropic has not made: none at all (reasoning of other providers has none), or Google's. */
static inline bool anthropic_is_foreign(struct slice signature)
{
    return signature.len == 0 || slice_starts_with(signature, LIT(ANTHROPIC_GOOGLE));
}

/* The request's `thinking` switches it on. */
static inline bool anthropic_thinks(struct slice thinking_json)
{
    struct slice type = json_find_string(thinking_json, "type");
    return anthropic_is(type, LIT("enabled")) || anthropic_is(type, LIT("adaptive"));
}

/* count: the request asks how many tokens it has, and needs no max_tokens. */
bool anthropic_scan(bool count, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
bool anthropic_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
int anthropic_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX]);

bool anthropic_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint);
/* `tools`, into chat->tools and, what only Anthropic itself can run, into an extra of that name. False: not JSON, or no memory. */
bool anthropic_read_tools(struct take *take);
/* `output_config`, `output_format`, `thinking`: a format, an effort. */
void anthropic_read_format(struct chat *chat, struct arena *arena, struct slice format_json);
void anthropic_read_effort(struct chat *chat, struct slice effort_raw);

enum { ANTHROPIC_WRITER_SIZE = 400 };
void anthropic_writer_begin(struct writer *writer);
void anthropic_write_event(struct writer *writer, const struct event *event, struct buffer *out);
void anthropic_writer_end(struct writer *writer);
void anthropic_write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out);
int anthropic_failure_status(const struct failure *failure);
#endif
