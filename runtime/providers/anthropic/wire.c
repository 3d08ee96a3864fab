/* wire.c -- the wire of Anthropic's Messages API (POST /v1/messages), both ways. Its parts are listed in anthropic.h.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

void anthropic_write_auth(const struct provider *provider, struct slice key, struct buffer *out)
{
    if (key.len > 0) {
        buffer_append_lit(out, "x-api-key: ");
        buffer_append_slice(out, key);
        buffer_append_lit(out, "\r\n");
    }
    buffer_append_lit(out, "anthropic-version: ");
    buffer_append_slice(out, provider->api_version.len > 0 ? provider->api_version : LIT("2023-06-01"));
    buffer_append_lit(out, "\r\n");
}

const struct wire wire_anthropic = {
    .name = "anthropic",
    .read_facts = anthropic_read_facts,
    .read_chat = anthropic_read_chat,
    .writer_size = ANTHROPIC_WRITER_SIZE,
    .writer_begin = anthropic_writer_begin,
    .write_event = anthropic_write_event,
    .writer_end = anthropic_writer_end,
    .write_failure = anthropic_write_failure,
    .failure_status = anthropic_failure_status,
    .paths = {[OPERATION_CHAT] = "/messages", [OPERATION_COUNT] = "/messages/count_tokens"},
    .write_path = provider_write_path,
    .write_auth = anthropic_write_auth,
    .write_request = anthropic_write_request,
    .write_count = anthropic_write_count,
    .edits = anthropic_edits,
    .reader_size = ANTHROPIC_READER_SIZE,
    .read_event = anthropic_read_event,
    .read_answer = anthropic_read_answer,
    .read_failure = anthropic_read_failure,
    .forwards = "anthropic-beta",
    .accept_stream = "text/event-stream",
    .ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n",
};
