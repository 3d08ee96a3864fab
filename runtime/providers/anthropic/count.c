/* count.c -- the wire of POST /v1/messages/count_tokens, both ways: a request of Anthropic's dialect that asks how many tokens it has.
 *
 * To Anthropic the client's bytes go on. Where a provider cannot be asked, the gateway's own estimate is the answer: never an error, never less than 1.
 * Sources: Anthropic's API reference.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

static bool read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return anthropic_scan(true, body, arena, facts, complaint);
}

/* ---------------------------------------------------------------- writing an answer */

struct count_writer {
    struct writer base;
    int64_t tokens;
};

static void writer_begin(struct writer *writer)
{
    ((struct count_writer *)writer)->tokens = writer->estimated_input;
}

static void write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct count_writer *self = (struct count_writer *)writer;
    if (event->kind == EVENT_USAGE && event->usage.input >= 0)
        self->tokens = event->usage.input;
    if (event->kind == EVENT_END)
        buffer_printf(out, "{\"input_tokens\":%lld}", (long long)(self->tokens > 0 ? self->tokens : 1));
}

static void writer_end(struct writer *writer)
{
    (void)writer; /* nothing is gathered */
}

/* ---------------------------------------------------------------- towards a provider */

static void write_path(const struct provider *provider, const struct model_facts *model, enum operation operation, bool stream,
                       struct buffer *out)
{
    (void)provider;
    (void)model;
    (void)operation;
    (void)stream;
    buffer_append_lit(out, "/messages/count_tokens");
}

const struct wire wire_count_tokens = {
    .name = "count_tokens",
    .operation = OPERATION_COUNT,
    .read_facts = read_facts,
    .read_chat = anthropic_read_chat,
    .writer_size = sizeof(struct count_writer),
    .writer_begin = writer_begin,
    .write_event = write_event,
    .writer_end = writer_end,
    .write_failure = anthropic_write_failure,
    .failure_status = anthropic_failure_status,
    .write_path = write_path,
    .write_auth = anthropic_write_auth,
    .write_count = anthropic_write_count,
    .edits = anthropic_edits,
    .reader_size = ANTHROPIC_READER_SIZE,
    .read_event = anthropic_read_event,
    .read_answer = anthropic_read_answer,
    .read_failure = anthropic_read_failure,
    .forwards = "anthropic-beta",
    .accept_stream = "text/event-stream",
};
