/* responses.h -- what the files of wire_responses (OpenAI's POST /v1/responses) share. All others go through wire.h.
 *
 *   scan_request.c  the scan of a request         write_answer.c  writing an answer: items and their events
 *   read_request.c  request -> struct chat        write_object.c  the response object and what it echoes
 *   read_items.c    input items -> messages       read_answer.c   reading an answer
 *   edit_request.c  edits of the client's bytes
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_RESPONSES_RESPONSES_H
#define PROVIDERS_RESPONSES_RESPONSES_H
#include "providers/lookup.h"
#include "providers/openai/openai.h"

/* Signatures of other providers' reasoning travel as `encrypted_content` of reasoning items: the client gives them back untouched, and the prefix
 * says whose they are. What carries none of these is another provider's. */
#define RESPONSES_CLAUDE          "claude:"          /* signature of a thinking block; its text is the summary */
#define RESPONSES_CLAUDE_REDACTED "claude-redacted:" /* an opaque thinking block */
#define RESPONSES_GEMINI          "gemini:"          /* thought signature of the call that follows */
#define RESPONSES_GEMINI_TEXT     "gemini-text:"     /* thought signature of the text before it */

bool responses_read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
int responses_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX]);

bool responses_read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint);

/* What reading one request carries along. */
struct responses_scan {
    struct arena *arena;
    struct chat *chat;
    struct complaint *complaint;
    struct message **tail;   /* where the next message goes */
    struct message **open;   /* where the assistant's message under way stands; NULL: none */
    struct part **part_tail; /* of that message */
    struct part *last_text;  /* of that message */
    bool said, called;       /* that message has text or a refusal; a call */
    struct slice thought;    /* Google's signature, for the next call */
};

bool responses_refuse(struct responses_scan *scan, enum failure_kind kind, struct slice message, struct slice param);
/* `what`, or `what[detail]` where detail is a plain word, is left out: named once. */
void responses_drop(struct responses_scan *scan, struct slice what, struct slice detail);
bool responses_read_instructions(struct responses_scan *scan, struct slice text_raw);
bool responses_read_input(struct responses_scan *scan, struct slice input_json);

/* A parameter of the client's request that the answer repeats; each a whole JSON value, empty when it was not given. */
struct responses_writer;
struct responses_echo {
    struct slice instructions, max_output_tokens, parallel_tool_calls, reasoning, temperature, text, tool_choice, tools, top_p, user,
        metadata;
    struct slice service_tier, safety_identifier, prompt_cache_key, top_logprobs;
};
/* Reads self->echo from the request; what of it is needed to the end is copied where the body is large, or needs_body says that it must stay. */
void responses_read_echo(struct responses_writer *self);

enum responses_item_kind { ITEM_REASONING, ITEM_TEXT, ITEM_REFUSAL, ITEM_CALL, ITEM_CUSTOM };

struct responses_item {
    struct responses_item *next, *next_ready;
    enum responses_item_kind kind;
    unsigned index;         /* output_index */
    bool begun;             /* its first piece was announced */
    bool ready;             /* a call that is whole: the provider said so, or its arguments are */
    bool done, complete;    /* closed; with status "completed" */
    struct nesting nesting; /* of a call's arguments */
    struct slice id, call_id, name, encrypted;
    struct slice input;     /* ITEM_CUSTOM, once closed: the text inside of the arguments */
    struct buffer text;     /* text, summary, refusal or arguments */
    struct buffer logprobs; /* ITEM_TEXT: the inside of a list */
};

struct responses_writer {
    struct writer base;
    struct responses_echo echo;
    bool brief; /* the echo is too large to be repeated in each event */
    struct slice id;
    enum finish finish;
    struct responses_item *items, **tail;
    struct call_slots calls;
    struct responses_item *ready, **ready_tail; /* calls to close before another item opens */
    struct responses_item *open;                /* text, refusal or reasoning under way */
    struct lookup tools; /* of the request by their names, made at the first call: the value says whether it is a custom one */
    bool knows_tools;
    unsigned item_count;
    int64_t sequence;
    bool began; /* response.created was sent */
    bool lost;  /* there was no room for a piece: the answer may not end well */
};

/* ,"logprobs":[…] */
void responses_put_logprobs(struct buffer *out, const struct responses_item *item);
/* {…}: the text of an item as its part, with the text that is given. */
void responses_put_part(struct buffer *out, const struct responses_item *item, struct slice text);
void responses_put_item(struct buffer *out, const struct responses_item *item, struct slice status);
/* The whole object; `failure` NULL unless the status is "failed". */
void responses_put_object(const struct responses_writer *self, struct slice status, const struct failure *failure, struct buffer *out);
/* Our words for why a response failed. */
struct slice responses_failure_code(const struct failure *failure);

/* The request declared a tool of this name as `custom`: its calls carry text, not arguments. */
bool responses_is_custom(struct responses_writer *self, struct slice name_raw);

void responses_writer_begin(struct writer *writer);
void responses_write_event(struct writer *writer, const struct event *event, struct buffer *out);
void responses_writer_end(struct writer *writer);

enum { RESPONSES_READER_SIZE = 256 };
void responses_read_event(struct reader *reader, struct slice name, struct slice data);
void responses_read_answer(struct reader *reader, struct slice body);
#endif
