/* openai.c -- the wire of OpenAI's chat completions, both ways. Its parts are listed in openai.h.
 * Sources: OpenAI's API reference and SDKs; deviations of vendors are rows in vendors.c.
 * SPDX-License-Identifier: MIT */
#include "providers/openai.h"

static void write_path(const struct provider *provider, const struct model_facts *model, enum operation operation, bool stream,
                       struct buffer *out)
{
    (void)provider;
    (void)model;
    (void)operation;
    (void)stream;
    buffer_append_lit(out, "/chat/completions");
}

static void write_auth(const struct provider *provider, struct slice key, struct buffer *out)
{
    (void)provider;
    if (key.len == 0)
        return;
    buffer_append_lit(out, "Authorization: Bearer ");
    buffer_append_slice(out, key);
    buffer_append_lit(out, "\r\n");
}

const struct wire wire_openai = {
    .name = "openai",
    .read_facts = openai_read_facts,
    .read_chat = openai_read_chat,
    .writer_size = OPENAI_WRITER_SIZE,
    .writer_begin = openai_writer_begin,
    .write_event = openai_write_event,
    .writer_end = openai_writer_end,
    .write_failure = openai_write_failure,
    .failure_status = openai_failure_status,
    .write_path = write_path,
    .write_auth = write_auth,
    .write_request = openai_write_request,
    .edits = openai_edits,
    .reader_size = OPENAI_READER_SIZE,
    .reader_begin = openai_reader_begin,
    .read_event = openai_read_event,
    .read_answer = openai_read_answer,
    .read_eof = openai_read_eof,
    .read_failure = openai_read_failure,
    .accept_stream = "text/event-stream",
    .end_marker = "data: [DONE]\n\n",
};
