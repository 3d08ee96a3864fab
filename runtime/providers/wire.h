/* wire.h -- the table of functions of a wire, and the wires there are.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_WIRE_H
#define PROVIDERS_WIRE_H
#include "base/frames.h"
#include "providers/facts.h"
#include "providers/failures.h"
#include "providers/reader.h"
#include "providers/vendor.h"
#include "providers/writer.h"

/* A change to the client's body: at `at`, `len` bytes go and `text` comes. Sorted, not overlapping. */
struct edit {
    size_t at, len;
    struct slice text;
};
enum { EDITS_MAX = 12 };
/* One more among those that are there, in its place: what is put in comes before what goes. Returns the count. */
unsigned edits_put(struct edit edits[EDITS_MAX], unsigned count, struct edit edit);
/* The first ones of any wire: the model's name, and the gateway's own members. Returns the count. */
unsigned edits_own(const struct facts *facts, const struct model_facts *model, struct arena *arena, struct edit edits[EDITS_MAX]);
/* The body with its edits, without copying it: fills parts (slices of body and of the edits). Returns the count. */
unsigned edits_apply(struct slice body, const struct edit *edits, unsigned count, struct slice *parts, unsigned parts_max);

struct encode; /* the state of writing one request: encode.h */

struct wire {
    const char *name;             /* "openai" "anthropic" … */
    enum operation operation;     /* what its clients ask for */
    enum stream_form stream_form; /* how its providers cut a stream into events (base/frames.h) */

    /* --- towards the client */
    /* One scan: checks the JSON, refuses duplicate keys that matter and wrong types, fills facts. False: *complaint. */
    bool (*read_facts)(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
    /* The whole request in neutral form, for another wire to write. */
    bool (*read_chat)(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint); /* OPERATION_CHAT, _COUNT */
    bool (*read_embed)(struct slice body, struct arena *arena, struct embed *embed, struct complaint *complaint); /* OPERATION_EMBED */
    size_t writer_size;
    void (*writer_begin)(struct writer *writer); /* the struct writer part is filled by the caller, the rest is zero. NULL: that is all */
    /* Streamed: appends the client's SSE bytes for this event (possibly none). Whole: collects; at EVENT_END appends the whole JSON body. EVENT_ERROR
     * comes only once a stream is committed and broken: a dialect whose failures belong to the stream says it here; nothing: write_failure. */
    void (*write_event)(struct writer *writer, const struct event *event, struct buffer *out);
    /* Gives back what a writer gathered when no EVENT_END came. Called exactly once for each writer_begin; harmless after the end. NULL: it gathers
     * nothing. */
    void (*writer_end)(struct writer *writer);
    /* An error body (whole) or error event (streamed, after commit), always complete, always this dialect's shape. */
    void (*write_failure)(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out);
    int (*failure_status)(const struct failure *failure);

    /* --- towards the provider */
    /* Path under provider->path, e.g. "/chat/completions"; appended to out, percent-encoded where names stand in it. `paths`: by operation, where it
     * does not depend on more. */
    const char *paths[OPERATION_COUNT + 1];
    void (*write_path)(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out);
    /* The provider's own headers (auth, version), each "Name: value\r\n", appended to out. `key` is the one chosen from the pool. */
    void (*write_auth)(const struct provider *provider, struct slice key, struct buffer *out);
    /* The same where they depend on the body and the time (SigV4); NULL elsewhere. `path` is the whole path, parts the body. Called instead of write_auth
     * when the provider has no key. */
    void (*write_signature)(const struct provider *provider, struct slice path, const struct slice *parts, unsigned part_count,
                            int64_t wall_us, struct buffer *out);
    /* The body of a chat, of embeddings, of a question how many tokens a chat has: encode.h. The last two NULL: this wire has none (attempt_request.c). */
    bool (*write_request)(struct encode *encode);
    bool (*write_embed)(struct encode *encode);
    bool (*write_count)(struct encode *encode);
    /* Same wire on both sides: which edits make the client's body fit for this provider (model name, usage asked for, extensions cut,
     * vendor renames). Returns the count; -1: the body must go through read_chat/write_request after all (a vendor that needs more than edits). */
    int (*edits)(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                 struct arena *arena, struct edit edits[EDITS_MAX]);
    size_t reader_size;
    /* One event of the provider's stream (SSE event, NDJSON line, AWS frame): emits neutral events. Not called behind a failure or an end. */
    void (*read_event)(struct reader *reader, struct slice name, struct slice data);
    /* A whole 2xx body: emits the same events a stream would. A body that is not a complete answer emits EVENT_ERROR. reader->operation says what was
     * asked. */
    void (*read_answer)(struct reader *reader, struct slice body);
    /* The stream's bytes ended: emits EVENT_END when this wire allows an end without marker (openai: finish was seen), else nothing. NULL:
     * it never does. */
    void (*read_eof)(struct reader *reader);
    /* A non-2xx answer. Fills everything but phase. `sent` is REFUSED. */
    struct failure (*read_failure)(const struct error_answer *error_answer);
    /* What this wire knows better than read_failure, which came before; NULL for most. */
    void (*refine_failure)(struct reader *reader, int status, struct slice body, struct failure *failure);
    const char *forwards;      /* a header of the client's that goes on to a provider of the same wire; NULL: none */
    bool says_no_calls;        /* its answers have no word for a call: one that comes unasked fails the attempt instead of vanishing */
    const char *accept_stream; /* Accept header for streams */
    const char *ping;          /* for a client whose provider is silent: a whole comment or event. NULL: this wire has no streams */
    const char *end_marker;    /* what ends a stream, for clients of this wire whose provider left it out; NULL: never left out */
};

/* A wire's write_path where `paths` say it: for an operation without one that of OPERATION_CHAT. */
void provider_write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model,
                         enum operation operation, bool stream, struct buffer *out);

/* Client and provider: */
extern const struct wire wire_openai, wire_completions, wire_embeddings, wire_responses, wire_anthropic, wire_count_tokens;
extern const struct wire wire_simple;                                         /* clients only: POST /completion */
extern const struct wire wire_gemini, wire_cohere, wire_ollama, wire_bedrock; /* providers only */

#endif
