/* openai.h -- what the files of wire_openai share: with each other, and with the wires that build on it (completions, embeddings, simple, responses, cohere).
 * All others go through wire.h.
 *
 *   scan_request.c   the scan of a request           read_answer.c   reading an answer
 *   read_request.c   request -> struct chat          write_answer.c  writing an answer
 *   edit_request.c   edits of the client's bytes     failure.c       failures, both ways
 *   write_request.c  struct chat -> request          usage.c         counts of tokens
 *   family.c         what a vendor's models refuse
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_OPENAI_OPENAI_H
#define PROVIDERS_OPENAI_OPENAI_H
#include "providers/encode.h"

/* The bodies that share one scan: chat completions, (legacy) completions, embeddings, and the gateway's own POST /completion. */
enum openai_body { OPENAI_CHAT, OPENAI_COMPLETION, OPENAI_EMBEDDING, OPENAI_SIMPLE };
bool openai_scan(enum openai_body kind, struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
bool openai_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
int openai_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                 struct arena *arena, struct edit edits[EDITS_MAX]);

/* The wire's path, or Azure's way to it. */
void openai_write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out);
void openai_write_auth(const struct provider *provider, struct slice key, struct buffer *out);

/* What the model refuses of what its vendor's others take. */
enum {
    OPENAI_REASONS = 1,         /* no sampling but the default, max_completion_tokens only */
    OPENAI_SAMPLES_AT_NONE = 2, /* but sampling beside reasoning_effort "none" */
    OPENAI_NO_STOP = 4,
    OPENAI_NO_PARALLEL = 8,
    OPENAI_NO_PENALTIES = 16,
    OPENAI_NO_EFFORT = 32,
    /* Of a request: */
    OPENAI_FOREIGN = 64,       /* the client speaks another dialect: opaque parts and extras are words of that one */
    OPENAI_NO_DEVELOPER = 128, /* this role is said as system */
};
unsigned openai_family(const struct provider *provider, const struct model_facts *model);
bool openai_refuses(unsigned family, struct slice name);
bool openai_refuses_some(unsigned family, struct slice body); /* of the members of a request */
/* The value is the default: it may be left out without loss, and is no reason to refuse. */
bool openai_is_default(struct slice name, struct slice value_json);
/* A dated api_version of Azure from before that day. */
bool openai_is_before(const struct provider *provider, struct slice day);

/* Model, extensions and the usage of a stream: for the wires beside chat, which vendors' quirks do not touch. Never -1. */
int openai_plain_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                       struct arena *arena, struct edit edits[EDITS_MAX]);

bool openai_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint);
/* {"type":"image_url",…} */
void openai_write_image(struct encode *encode, const struct part *part);
bool openai_write_request(struct encode *encode);

/* A key or a word, also when it is spelt with escapes: a provider decodes them, and we must not read less than it does. */
static inline bool openai_is(struct slice raw, struct slice plain)
{
    return json_is(raw, plain);
}

/* Google's thought signature, where Google's own OpenAI endpoint puts it: in `extra_content` of a call or a message. */
static inline struct slice openai_thought_signature(struct slice extra_content_json)
{
    return json_find_string(json_find(extra_content_json, "google"), "thought_signature");
}

/* What a function may be called. */
static const struct name_rule openai_names = {.allowed = "_-", .max = 64};

/* Room for the private structs; checked where they are defined. */
enum { OPENAI_READER_SIZE = 640, OPENAI_WRITER_SIZE = 320 };
void openai_read_event(struct reader *reader, struct slice name, struct slice data);
void openai_read_answer(struct reader *reader, struct slice body);
void openai_read_eof(struct reader *reader);
struct failure openai_read_failure(const struct error_answer *error_answer);
/* A count where one stands; anything else is passed over. */
void openai_count(struct json *json, int64_t *into);
/* False: null, not an object, or no counts. */
bool openai_read_usage(const struct vendor *vendor, struct json *json, struct usage *usage);
void openai_refine_failure(struct reader *reader, int status, struct slice body, struct failure *failure);

void openai_writer_begin(struct writer *writer);
void openai_write_event(struct writer *writer, const struct event *event, struct buffer *out);
/* ,"usage":{…} */
/* {"id":…,"choices":[ */
void openai_put_head(const struct writer *writer, struct slice id, struct slice object, struct buffer *out);
/* ,"usage":{…}; nothing where it is not known. */
void openai_put_usage(const struct writer *writer, struct buffer *out);
/* The chunk of the usage, if the client asked for it, and [DONE]. */
void openai_put_stream_end(const struct writer *writer, struct slice id, struct slice object, struct buffer *out);
void openai_write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out);
void openai_writer_end(struct writer *writer);
int openai_failure_status(const struct failure *failure);
#endif
