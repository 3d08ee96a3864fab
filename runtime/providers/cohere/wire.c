/* wire.c -- the wire of Cohere's second API towards providers: /v2/chat and /v2/embed. Its parts are listed in cohere.h.
 * Sources: Cohere's API reference (v2) and its OpenAPI document.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

/* COMPAT(cohere, 2026-08): 498 is a token that is blocked or not valid; a trial key has a limit per minute and one per month, and only the words
 * tell them apart. */
static enum failure_kind class_of(int status, struct slice message)
{
    if (status == 498)
        return FAILURE_AUTH;
    if (status == 429 && slice_find(message, LIT("calls / month")) != NULL)
        return FAILURE_QUOTA;
    return failure_classify(status, SLICE_NONE, message);
}

static struct failure read_failure(const struct error_answer *error_answer)
{
    struct slice message = failure_message(error_answer->body, error_answer->status, error_answer->arena);
    return failure_of(error_answer, class_of(error_answer->status, message), message);
}

const struct wire wire_cohere = {
    .name = "cohere",
    .stream_form = STREAM_SSE,
    .paths = {[OPERATION_CHAT] = "/chat", [OPERATION_EMBED] = "/embed"},
    .write_path = provider_write_path,
    .write_auth = provider_write_bearer,
    .write_request = cohere_write_request,
    .write_embed = cohere_write_embed,
    .reader_size = COHERE_READER_SIZE,
    .read_event = cohere_read_event,
    .read_answer = cohere_read_answer,
    .read_failure = read_failure,
    .accept_stream = "text/event-stream",
};
