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

static void write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    int64_t tokens = writer->usage.input >= 0 ? writer->usage.input : writer->estimated_input;
    if (!writer_takes(writer, event) && event->kind == EVENT_END)
        buffer_write(out, "{\"input_tokens\":%}", DIGITS(tokens > 0 ? tokens : 1));
}

const struct wire wire_count_tokens = {
    .name = "count_tokens",
    .operation = OPERATION_COUNT,
    .read_facts = read_facts,
    .read_chat = anthropic_read_chat,
    .writer_size = sizeof(struct writer),
    .write_event = write_event,
    .write_failure = anthropic_write_failure,
    .failure_status = anthropic_failure_status,
    .paths = {[OPERATION_COUNT] = "/messages/count_tokens"},
    .write_path = provider_write_path,
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
