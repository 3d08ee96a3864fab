/* anthropic.c -- the wire of Anthropic's Messages API towards providers. Its parts are listed in anthropic.h.
 *
 * The side towards clients (POST /v1/messages) comes with the dialects: until then only its errors are written.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic.h"

static void write_path(const struct provider *provider, const struct model_facts *model, enum operation operation, bool stream,
                       struct buffer *out)
{
    (void)provider;
    (void)model;
    (void)operation;
    (void)stream;
    buffer_append_lit(out, "/messages");
}

static void write_auth(const struct provider *provider, struct slice key, struct buffer *out)
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

static int failure_status(const struct failure *failure)
{
    const struct failure_row *row = failure_row(failure->kind);
    bool own = failure->kind == FAILURE_REFUSED || failure->kind == FAILURE_LIMITED;
    return own && failure->status >= 400 && failure->status <= 599 ? failure->status : row->anthropic_status;
}

/* {"type":"error","error":{"type":…,"message":…},"request_id":…} */
static void write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out)
{
    const struct failure_row *row = failure_row(failure->kind);
    if (stream)
        buffer_append_lit(out, "event: error\ndata: ");
    buffer_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", row->anthropic_type);
    json_append_string(out, failure->message.len > 0 ? failure->message : slice_of(row->name));
    buffer_append_lit(out, "},\"request_id\":");
    json_append_string(out, request_id);
    buffer_append_slice(out, stream ? LIT("}\n\n") : LIT("}"));
}

const struct wire wire_anthropic = {
    .name = "anthropic",
    .write_failure = write_failure,
    .failure_status = failure_status,
    .write_path = write_path,
    .write_auth = write_auth,
    .write_request = anthropic_write_request,
    .reader_size = ANTHROPIC_READER_SIZE,
    .reader_begin = anthropic_reader_begin,
    .read_event = anthropic_read_event,
    .read_answer = anthropic_read_answer,
    .read_eof = anthropic_read_eof,
    .read_failure = anthropic_read_failure,
    .forwards = "anthropic-beta",
    .accept_stream = "text/event-stream",
};
