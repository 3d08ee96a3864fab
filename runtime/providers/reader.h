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

/* How one SSE event of the provider may be passed on to a client of the same wire. */
enum pass {
    PASS_AS_IS,
    PASS_DROP,    /* nothing for the client: a usage chunk that it has not asked for */
    PASS_REWRITE, /* `rewritten` holds what to send instead */
};

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
    bool passes;        /* the bytes of each event go on as `pass` says, which is PASS_AS_IS unless read_event sets it */
    bool include_usage; /* the client asked for it */
    bool started;       /* EVENT_START was emitted */
    enum pass pass;
    struct slice rewritten; /* good until the next event */
    unsigned emitted;       /* how many events were */
    struct usage usage;     /* for reader_end; unknown at the beginning */
};

/* Emits the event, unless the answer has ended or failed. */
void reader_emit(struct reader *reader, const struct event *event);
/* EVENT_ERROR. What was sent of the request counts only while no content came. */
void reader_fail(struct reader *reader, struct failure failure, enum sent sent);
/* The provider began to answer, and this is no whole answer. */
void reader_fail_incomplete(struct reader *reader, const char *message);
/* EVENT_START, once. */
void reader_start(struct reader *reader, struct slice id_raw, struct slice model_raw, int64_t created);
/* EVENT_END, behind EVENT_USAGE where the usage is known. */
void reader_end(struct reader *reader);
/* A call of the first choice begins. */
void reader_begin_call(struct reader *reader, unsigned tool, struct slice id_raw, struct slice name_raw);
/* A piece of a call's arguments, nothing for an empty one; and the call's end. */
void reader_grow_call(struct reader *reader, unsigned choice, unsigned tool, struct slice arguments_raw);
void reader_end_call(struct reader *reader, unsigned choice, unsigned tool);
/* The arguments that came as an object, as they are emitted; empty: there are none, or the arena is full. */
struct slice reader_arguments(struct reader *reader, struct slice object_json);
/* A piece of EVENT_TEXT, EVENT_REASONING or EVENT_REFUSAL; nothing for an empty one. */
void reader_emit_text(struct reader *reader, enum event_kind kind, unsigned choice, struct slice text_raw);
/* A whole body without the blanks around it, into *text. False: it cannot be an answer, and the reader has failed. */
MUST_USE bool reader_takes_body(struct reader *reader, struct slice body, struct slice *text);
/* The same, and it is one JSON object. */
MUST_USE bool reader_takes_object(struct reader *reader, struct slice body, struct slice *text);
/* An event's data is one JSON object. False: it is blank, or the reader has failed with the message. */
MUST_USE bool reader_takes_event(struct reader *reader, struct slice data, const char *message);

/* ANSWER_JSON: a call of the tool that stands for a schema, whose arguments are the answer's text. */
enum answer_block_kind { ANSWER_OTHER, ANSWER_CALL, ANSWER_JSON, ANSWER_THINKING };

/* A piece of an answer on the wires that open, grow and close such pieces. */
struct answer_block {
    enum answer_block_kind kind;
    unsigned tool;
    bool grew;                             /* a piece of its arguments came */
    bool lost;                             /* its thinking is larger than can be held: there will be no EVENT_SIGNATURE */
    struct arena_text thinking, signature; /* gathered for EVENT_SIGNATURE; their memory is used again by the next block */
};
void reader_begin_block(struct answer_block *block, enum answer_block_kind kind);
void reader_grow_tool(struct reader *reader, struct answer_block *block, struct slice arguments_raw);
/* Emits nothing yet: the text is on its way already. */
void reader_keep_thinking(struct reader *reader, struct answer_block *block, struct slice text_raw, struct slice signature_raw);
void reader_end_block(struct reader *reader, struct answer_block *block);

/* Words for how an answer ended. */
struct finish_word {
    struct slice word;
    enum finish finish;
};
enum finish finish_find(const struct finish_word *words, unsigned count, struct slice reason_raw, enum finish otherwise);
#define FINISH_OF(words, reason_raw, otherwise) finish_find((words), sizeof(words) / sizeof *(words), (reason_raw), (otherwise))

/* EVENT_VECTOR. False: the text is no list of numbers, or an empty one. */
bool reader_emit_vector(struct reader *reader, unsigned index, struct slice numbers_json);
/* EVENT_VECTOR for each member of a JSON list of lists of numbers. False: it is none, or it is empty. */
bool reader_emit_vectors(struct reader *reader, struct slice list_json);
#endif
