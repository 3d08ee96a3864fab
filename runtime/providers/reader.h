/* reader.h -- the state of reading one answer of a provider, and how its events are emitted.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_READER_H
#define PROVIDERS_READER_H
#include "base/arena.h"
#include "base/json.h"
#include "providers/chat.h"
#include "providers/event.h"

struct wire;        /* wire.h */
struct vendor;      /* vendor.h */
struct model_facts; /* vendor.h */
struct lookup;      /* lookup.h */

/* The state of reading one provider answer. Zeroed by its wire's `reader_size`-sized allocation in the request's arena. */
struct reader {
    const struct wire *wire;
    const struct vendor *vendor;
    struct arena *arena;
    event_fn emit;
    void *owner;
    const struct chat *chat; /* what was asked, where it was read; NULL when the client's bytes were passed on. Names and formats that were
                                      * rewritten on the way out are found again by it */
    const struct model_facts *model; /* may be NULL in specs */
    struct lookup *renamed;          /* name_unfit's; made at the first call of a tool */
    enum operation operation;
    void *asker;  /* as in struct chat */
    bool ended;   /* EVENT_END was emitted */
    bool failed;  /* EVENT_ERROR was emitted */
    bool content; /* reader_emit emitted what event_is_content */
    bool stream;
};

/* How one SSE event of the provider may be passed on to a client of the same wire. */
enum pass {
    PASS_AS_IS,
    PASS_DROP,    /* nothing for the client: a usage chunk that it has not asked for */
    PASS_REWRITE, /* `rewritten` holds what to send instead */
};

/* Emits the event, unless the answer has ended or failed. */
void reader_emit(struct reader *reader, const struct event *event);
/* EVENT_ERROR. What was sent of the request counts only while no content came. */
void reader_fail(struct reader *reader, struct failure failure, enum sent sent);
/* The provider began to answer, and this is no whole answer. */
void reader_fail_incomplete(struct reader *reader, const char *message);
/* EVENT_END. */
void reader_end(struct reader *reader);
/* The same behind EVENT_USAGE, where the usage is known. */
void reader_end_with(struct reader *reader, const struct usage *usage);
/* A piece of EVENT_TEXT, EVENT_REASONING or EVENT_REFUSAL; nothing for an empty one. */
void reader_emit_text(struct reader *reader, enum event_kind kind, unsigned choice, struct slice text_raw);
/* A whole body without the blanks around it, into *text. False: it cannot be an answer, and the reader has failed. */
MUST_USE bool reader_takes_body(struct reader *reader, struct slice body, struct slice *text);
/* The same, and it is one JSON object. */
MUST_USE bool reader_takes_object(struct reader *reader, struct slice body, struct slice *text);
/* For wires whose streams are never complete without their end marker. */
void reader_ignore_eof(struct reader *reader);

/* EVENT_VECTOR for each member of a JSON list of lists of numbers. False: it is none, or it is empty. */
bool reader_emit_vectors(struct reader *reader, struct slice list_json);
#endif
