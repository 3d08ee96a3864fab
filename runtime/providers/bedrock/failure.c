/* failure.c -- what Bedrock's refusals mean: the exception's name says it, the status only where there is no name.
 *
 * COMPAT(bedrock, 2026-08): the name stands in the header x-amzn-errortype ("ThrottlingException:http://…") or in the body's __type ("com.amazon…#Name");
 * streams write it with a small first letter.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

struct exception {
    struct slice name;
    enum failure_kind kind;
    int status;
};

static const struct exception *find_exception(struct slice name)
{
    static const struct exception known[] = {
        {LIT("ValidationException"), FAILURE_INVALID_REQUEST, 400},
        {LIT("AccessDeniedException"), FAILURE_AUTH, 403},
        {LIT("UnrecognizedClientException"), FAILURE_AUTH, 403},
        {LIT("InvalidSignatureException"), FAILURE_AUTH, 403},
        {LIT("SignatureDoesNotMatch"), FAILURE_AUTH, 403},
        {LIT("IncompleteSignatureException"), FAILURE_AUTH, 403},
        {LIT("MissingAuthenticationTokenException"), FAILURE_AUTH, 403},
        {LIT("ExpiredTokenException"), FAILURE_AUTH, 403},
        {LIT("RequestExpired"), FAILURE_AUTH, 403},
        {LIT("ResourceNotFoundException"), FAILURE_MODEL_NOT_FOUND, 404},
        {LIT("ModelTimeoutException"), FAILURE_TIMEOUT, 408},
        {LIT("ModelErrorException"), FAILURE_UNAVAILABLE, 424},
        {LIT("ModelStreamErrorException"), FAILURE_UNAVAILABLE, 424},
        {LIT("ThrottlingException"), FAILURE_RATE_LIMITED, 429},
        {LIT("TooManyRequestsException"), FAILURE_RATE_LIMITED, 429},
        {LIT("ModelNotReadyException"), FAILURE_OVERLOADED, 429},
        {LIT("ServiceQuotaExceededException"), FAILURE_QUOTA, 400},
        {LIT("InternalServerException"), FAILURE_UNAVAILABLE, 500},
        {LIT("ServiceUnavailableException"), FAILURE_OVERLOADED, 503},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equals_nocase(name, known[i].name))
            return &known[i];
    return NULL;
}

/* Without what stands before '#' and behind ':'. */
static struct slice bare_name(struct slice text)
{
    const char *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    if (colon != NULL)
        text.len = (size_t)(colon - text.ptr);
    const char *hash = text.len == 0 ? NULL : memrchr(text.ptr, '#', text.len);
    if (hash != NULL)
        text = (struct slice){hash + 1, (size_t)(text.ptr + text.len - hash) - 1};
    return slice_trim(text);
}

/* A request that was not valid may have been too long, or filtered: the words tell. */
static enum failure_kind refine(enum failure_kind kind, struct slice message)
{
    if (kind != FAILURE_INVALID_REQUEST)
        return kind;
    enum failure_kind words = failure_classify(400, SLICE_NONE, message);
    return words == FAILURE_CONTEXT_LENGTH || words == FAILURE_CONTENT_FILTER ? words : kind;
}

struct failure bedrock_exception(struct slice name, struct slice body, struct arena *arena)
{
    const struct exception *known = find_exception(bare_name(name));
    int status = known == NULL ? 500 : known->status;
    struct slice message = failure_message(body, status, arena);
    struct failure failure = failure_make(known == NULL ? FAILURE_UNAVAILABLE : refine(known->kind, message), message);
    failure.status = status;
    return failure;
}

struct failure bedrock_read_failure(const struct error_answer *error_answer)
{
    struct slice name = error_answer->header == NULL ? SLICE_NONE
                                                     : bare_name(error_answer->header(error_answer->head, LIT("x-amzn-errortype")));
    if (name.len == 0)
        name = bare_name(json_find_string(slice_trim(error_answer->body), "__type"));
    const struct exception *known = find_exception(name);
    struct slice message = failure_message(error_answer->body, error_answer->status, error_answer->arena);
    if (known != NULL)
        return failure_of(error_answer, refine(known->kind, message), message);
    bool model_failed = error_answer->status == 424;
    return failure_of(error_answer, model_failed ? FAILURE_UNAVAILABLE : failure_classify(error_answer->status, name, message), message);
}
