/* wire.c -- the wire of OpenAI's POST /v1/responses, both ways. Its parts are listed in responses.h.
 *
 * Towards a provider that speaks it the client's bytes go on. Towards any other the gateway is stateless: every turn brings its whole history,
 * nothing is stored, and what would need a store is refused by name.
 * Sources: OpenAI's API reference and the types of its SDKs.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"

struct slice responses_failure_code(const struct failure *failure)
{
    switch (failure->kind) {
    case FAILURE_RATE_LIMITED:
    case FAILURE_LIMITED:
        return LIT("rate_limit_exceeded");
    case FAILURE_QUOTA:
        return LIT("insufficient_quota");
    case FAILURE_CONTEXT_LENGTH:
        return LIT("context_length_exceeded");
    case FAILURE_INVALID_REQUEST:
    case FAILURE_CONTENT_FILTER:
        return LIT("invalid_prompt");
    default:
        return LIT("server_error");
    }
}

static void put_reason(const struct failure *failure, const struct failure_row *row, struct buffer *out)
{
    buffer_append_lit(out, ",\"code\":");
    json_append_string(out, responses_failure_code(failure));
    buffer_append_lit(out, ",\"message\":");
    json_append_string(out, failure->message.len > 0 ? failure->message : slice_of(row->name));
    buffer_append_lit(out, ",\"param\":");
    if (failure->param.len > 0)
        json_append_string(out, failure->param);
    else
        buffer_append_lit(out, "null");
}

/* Streamed without a writer (the provider's bytes were passed on) there is no response object of ours to call failed, and no count of the events
 * that went before: the event that stands for itself. Its members are told twice, flat as OpenAI documents them and in `error` as it sends them:
 * its SDKs raise for the latter only. */
static void write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out)
{
    const struct failure_row *row = failure_row(failure->kind);
    if (!stream) {
        openai_write_failure(failure, request_id, false, out);
        return;
    }
    buffer_append_lit(out, "event: error\ndata: {\"type\":\"error\",\"sequence_number\":0");
    put_reason(failure, row, out);
    buffer_printf(out, ",\"error\":{\"type\":\"%s\"", row->openai_type);
    put_reason(failure, row, out);
    buffer_append_lit(out, "}}\n\n");
}

const struct wire wire_responses = {
    .name = "responses",
    .read_facts = responses_read_facts,
    .read_chat = responses_read_chat,
    .writer_size = sizeof(struct responses_writer),
    .writer_begin = responses_writer_begin,
    .write_event = responses_write_event,
    .writer_end = responses_writer_end,
    .write_failure = write_failure,
    .failure_status = openai_failure_status,
    .paths = {"/responses"},
    .write_path = provider_write_path,
    .write_auth = openai_write_auth,
    .edits = responses_edits,
    .reader_size = RESPONSES_READER_SIZE,
    .read_event = responses_read_event,
    .read_answer = responses_read_answer,
    .read_failure = openai_read_failure,
    .accept_stream = "text/event-stream",
    .ping = ": ping\n\n",
};
