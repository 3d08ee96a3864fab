/* failure.c -- failures in OpenAI's dialect, both ways: what a provider's refusal means, and how one is said to a client.
 *
 * "Compatible" servers agree on the object's shape and on little else: the code may be a word, a status as a number or as digits in a string, and what
 * really happened may stand in `metadata`. Sources: the providers' documentation of errors.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

/* ---------------------------------------------------------------- reading */

enum { WORD_MAX = 256 }; /* of a code or the name of a parameter */

/* The code as text, also where it is a number. */
static struct slice code_of(struct slice object)
{
    struct slice code = json_find(object, "code");
    if (code.len >= 2 && code.ptr[0] == '"')
        return (struct slice){code.ptr + 1, code.len - 2};
    return code.len > 0 && code.ptr[0] >= '0' && code.ptr[0] <= '9' ? code : SLICE_NONE;
}

static struct slice word(struct arena *arena, struct slice raw)
{
    return raw.len > WORD_MAX ? SLICE_NONE : arena_copy(arena, json_unescape(arena, raw));
}

/* COMPAT(openrouter, 2026-08): moderation gives its reasons beside the message, and what the provider behind it said stands raw. */
static enum failure_kind kind_by_metadata(int status, struct slice metadata, enum failure_kind kind, struct arena *arena)
{
    struct slice reasons = json_find(metadata, "reasons"), raw = json_find_string(metadata, "raw");
    if (status == 403 && reasons.len > 0 && reasons.ptr[0] == '[')
        return FAILURE_CONTENT_FILTER;
    if (raw.len == 0)
        return kind;
    return failure_classify(status, json_find_string(metadata, "error_type"), json_unescape(arena, raw));
}

static enum failure_kind kind_of(int status, struct slice object, struct slice code, struct slice message, struct arena *arena)
{
    struct slice type = json_find_string(object, "type"), inner = json_find_string(json_find(object, "innererror"), "code");
    if (status >= 500 && slice_equals(code, LIT("429"))) /* COMPAT(google, 2026-08): the status was wrapped by a proxy */
        status = 429;
    enum failure_kind plain = failure_classify(status, SLICE_NONE, SLICE_NONE), kind = failure_classify(status, code, message);
    if (kind == plain && inner.len > 0) /* COMPAT(azure, 2026-08): the filter's name */
        kind = failure_classify(status, inner, SLICE_NONE);
    if (kind == plain && type.len > 0)
        kind = failure_classify(status, type, SLICE_NONE);
    return kind == plain ? kind_by_metadata(status, json_find(object, "metadata"), kind, arena) : kind;
}

struct failure openai_read_failure(const struct error_answer *error_answer)
{
    struct arena *arena = error_answer->arena;
    struct slice text = failure_object(error_answer->body), error = json_find(text, "error");
    struct slice object = error.len > 0 && error.ptr[0] == '{' ? error : text, code = code_of(object);
    struct slice message = failure_message(error_answer->body, error_answer->status, arena);
    struct failure failure = failure_of(error_answer, kind_of(error_answer->status, object, code, message, arena), message);
    if (failure.retry_after_us < 0 && (error_answer->status == 429 || failure.kind == FAILURE_RATE_LIMITED))
        failure.retry_after_us = retry_after_said(message);
    failure.code = word(arena, code);
    failure.param = word(arena, json_find_string(object, "param"));
    return failure;
}

/* COMPAT(azure, 2026-08): 424 is a dependency of its own that failed; elsewhere it is the request's. */
void openai_refine_failure(struct reader *reader, int status, struct slice body, struct failure *failure)
{
    (void)body;
    if (status == 424 && failure->kind == FAILURE_INVALID_REQUEST && (reader->vendor->quirks & VENDOR_AZURE))
        failure->kind = FAILURE_UNAVAILABLE;
}

/* ---------------------------------------------------------------- writing */

int openai_failure_status(const struct failure *failure)
{
    const struct failure_row *row = failure_row(failure->kind);
    int status = failure->status;
    if (failure->kind == FAILURE_REFUSED || failure->kind == FAILURE_LIMITED)
        return status >= 400 && status <= 599 ? status : row->openai_status;
    /* A few statuses say more than their class and are kept. */
    if (failure->kind == FAILURE_INVALID_REQUEST && (status == 404 || status == 413))
        return status;
    if (failure->kind == FAILURE_AUTH && status == 403)
        return 403;
    if (failure->kind == FAILURE_UNAVAILABLE && status == 503)
        return 503;
    return row->openai_status;
}

void openai_write_failure(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out)
{
    const struct failure_row *row = failure_row(failure->kind);
    bool forbidden = failure->kind == FAILURE_AUTH && failure->status == 403;
    struct slice code = failure->code.len > 0 ? failure->code : row->openai_code == NULL ? SLICE_NONE : slice_of(row->openai_code);
    (void)request_id; /* it is in the header */
    if (!(row->follows & FAILURE_OURS) &&
        failure->kind != FAILURE_INVALID_REQUEST) /* one name for one thing, whatever the provider calls it */
        code = row->openai_code == NULL ? SLICE_NONE : slice_of(row->openai_code);
    if (forbidden)
        code = LIT("permission_denied");
    if (stream)
        buffer_append_lit(out, "data: ");
    buffer_append_lit(out, "{\"error\":{\"message\":");
    json_append_string(out, failure->message.len > 0 ? failure->message : slice_of(row->name));
    buffer_printf(out, ",\"type\":\"%s\",\"param\":", forbidden ? "permission_error" : failure_type_row(failure)->openai_type);
    struct slice param = failure->param;
    if (param.len == 0 && failure->kind == FAILURE_CONTEXT_LENGTH)
        param = LIT("messages");
    else if (param.len == 0 && failure->kind == FAILURE_MODEL_NOT_FOUND)
        param = LIT("model");
    if (param.len > 0)
        json_append_string(out, param);
    else
        buffer_append_lit(out, "null");
    buffer_append_lit(out, ",\"code\":");
    if (code.len > 0)
        json_append_string(out, code);
    else
        buffer_append_lit(out, "null");
    buffer_append_lit(out, "}}");
    if (stream)
        buffer_append_lit(out, "\n\n");
}
