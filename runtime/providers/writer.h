/* writer.h -- the state of writing one answer to a client.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_WRITER_H
#define PROVIDERS_WRITER_H
#include "base/arena.h"
#include "providers/event.h"

struct wire; /* wire.h */

/* The state of writing one answer for a client. */
struct writer {
    const struct wire *wire;
    struct arena *arena; /* for what must be kept between events (ids, names); bounded */
    bool stream, include_usage;
    struct slice id;         /* 32 hex digits of our own: for an answer whose provider gave none, and for the ids of its items */
    struct slice model;      /* plain: the model to name when the provider names none */
    struct slice asked;      /* plain: the model the client asked for */
    struct slice provider;   /* plain: the entry's name */
    struct slice body;       /* the client's request, where a dialect must echo it; gone after the first content, if it is large */
    bool needs_body;         /* set by writer_begin: it must stay to the end */
    int64_t created;         /* seconds */
    int64_t estimated_input; /* tokens of the prompt, before the provider says */
    const int64_t *price;    /* a price list, in pico-dollars per token; -1 unpriced; NULL in specs */
    /* Set by writer_open and writer_takes: */
    struct slice model_raw; /* the provider's name of the model, else `model`, escaped */
    struct usage usage;
};

void writer_open(struct writer *writer); /* before its wire's writer_begin */
/* True: the event only says what model, time or usage the answer has, and is taken. */
bool writer_takes(struct writer *writer, const struct event *event);
/* The id of an EVENT_TOOL_BEGIN for the client: the provider's, or one made from the answer's own id, new for every answer. In the writer's arena. */
struct slice writer_call_id(const struct writer *writer, const struct event *event);

enum { WRITTEN_CHOICES_MAX = 32 }; /* choices of an answer that is written anew; attempt_request.c refuses what asks for more */
#endif
