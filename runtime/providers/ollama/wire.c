/* wire.c -- the wire of Ollama's own API towards providers: /api/chat as lines of JSON, /api/embed. Its parts are listed in ollama.h.
 * Sources: Ollama's API document and the types of its server.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

static void read_failure(int status, struct slice body, struct slice (*header)(void *head, struct slice name), void *head, int64_t wall_us,
                         struct arena *arena, struct failure *failure)
{
    struct slice message = failure_message(body, status, arena);
    *failure = failure_make(failure_classify(status, SLICE_NONE, message), message);
    failure->status = status;
    failure->sent = SENT_REFUSED;
    failure->retry_after_us = retry_after_us(header, head, wall_us);
}

const struct wire wire_ollama = {
    .name = "ollama",
    .stream_form = STREAM_NDJSON,
    .paths = {[OPERATION_CHAT] = "/chat", [OPERATION_EMBED] = "/embed"},
    .write_path = provider_write_path,
    .write_auth = provider_write_bearer, /* a server of one's own wants no key; ollama.com does */
    .write_request = ollama_write_request,
    .write_embed = ollama_write_embed,
    .reader_size = OLLAMA_READER_SIZE,
    .read_event = ollama_read_event,
    .read_answer = ollama_read_answer,
    .read_failure = read_failure,
    .accept_stream = "application/x-ndjson",
};
