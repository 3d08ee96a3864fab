/* event.h -- the neutral answer: what every provider wire reads and every client wire writes, one event at a time.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_EVENT_H
#define PROVIDERS_EVENT_H
#include "base/failure.h"
#include "providers/usage.h"

enum finish { FINISH_NONE, FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS, FINISH_CONTENT_FILTER };

enum event_kind {
    EVENT_START,      /* id_raw, model_raw, created (seconds, 0 unknown) */
    EVENT_TEXT,       /* text_raw: a piece (may be empty when it only brings signature_raw, Google's thought signature) */
    EVENT_REASONING,  /* text_raw: a piece of reasoning */
    EVENT_SIGNATURE,  /* end of a reasoning block: text_raw = the block's whole text, signature_raw */
    EVENT_REDACTED,   /* data_raw: an opaque reasoning block */
    EVENT_REFUSAL,    /* text_raw: a piece */
    EVENT_LOGPROBS,   /* data_raw: a JSON list, as OpenAI's chat writes it: how likely each token of the text before was */
    EVENT_TOOL_BEGIN, /* tool (dense from 0 per choice), id_raw (empty: the writer makes one up), name_raw; signature_raw: Google's */
    EVENT_TOOL_ARGS,  /* tool, text_raw: a piece of the arguments */
    EVENT_TOOL_END,   /* tool; arguments were empty when no piece came: writers emit {} */
    EVENT_VECTOR,     /* an embedding: choice = its index, data_raw = a JSON list of numbers */
    EVENT_USAGE,      /* usage; may come more than once, the last counts. The whole answer to OPERATION_COUNT: usage.input */
    EVENT_FINISH,     /* finish; once per choice */
    EVENT_END,        /* the wire's own end marker: only now is the answer complete */
    EVENT_ERROR,      /* failure: the provider says it failed; nothing may follow */
    EVENT_PING,       /* a keep-alive */
};

struct event {
    enum event_kind kind;
    unsigned choice, tool;
    struct slice text_raw, id_raw, name_raw, model_raw, signature_raw, data_raw;
    struct slice stop_sequence_raw; /* EVENT_FINISH where the wire says which */
    int64_t created;
    enum finish finish;
    struct usage usage;
    struct failure failure;
};

typedef void (*event_fn)(void *owner, const struct event *event); /* slices are borrowed until it returns */

/* First text, reasoning, tool or refusal, or the finish: from here on an answer is committed. */
bool event_is_content(const struct event *event);
#endif
