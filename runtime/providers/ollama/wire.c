/* wire.c -- the wire of Ollama's own API towards providers: /api/chat as lines of JSON, /api/embed. Its parts are listed in ollama.h.
 * Sources: Ollama's API document and the types of its server.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

static struct failure read_failure(const struct error_answer *error_answer)
{
    struct slice message = failure_message(error_answer->body, error_answer->status, error_answer->arena);
    return failure_of(error_answer, failure_classify(error_answer->status, SLICE_NONE, message), message);
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
