/* attempt_refusal.c -- answers whose status is not 2xx: a refusal, from the head on. The body only explains it, so it has a moment (WALK_REFUSAL_US) and
 * ATTEMPT_ERROR_MAX bytes: neither a silent nor an endless body delays the fallback. See attempt.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt_private.h"
#include "gateway/worker.h"

bool attempt_was_refused(const struct attempt *attempt)
{
    return attempt->status != 0 && (attempt->status < 200 || attempt->status > 299);
}

static struct slice error_header(void *head, struct slice name)
{
    const struct attempt *attempt = head;
    for (unsigned i = 0; i < attempt->header_count; i++)
        if (slice_equals_nocase(attempt->headers[i].name, name))
            return attempt->headers[i].value;
    return SLICE_NONE;
}

static void keep_headers(struct attempt *attempt, const struct http1_head *head)
{
    struct arena *arena = &attempt->request->arena;
    attempt->headers = arena_zalloc(arena, sizeof *attempt->headers * (head->header_count + 1));
    for (unsigned i = 0; attempt->headers != NULL && i < head->header_count; i++) {
        attempt->headers[i].name = arena_copy(arena, head->headers[i].name);
        attempt->headers[i].value = arena_copy(arena, head->headers[i].value);
        attempt->header_count = i + 1;
    }
}

void attempt_begin_refusal(struct attempt *attempt, const struct http1_head *head)
{
    keep_headers(attempt, head);
    attempt_tell(attempt, WALK_REFUSED);
}

void attempt_add_to_refusal(struct attempt *attempt, struct slice data)
{
    attempt->refusal_bytes += data.len;
    if (!attempt->coded)
        buffer_append_slice(&attempt->answer.body, data);
    if (attempt->refusal_bytes < ATTEMPT_ERROR_MAX)
        return;
    attempt_hang_up(attempt);
    attempt_end_refusal(attempt);
}

static struct failure read_refusal(struct attempt *attempt)
{
    return answer_read_refusal(&attempt->answer, attempt->status, error_header, attempt, loop_wall_us(attempt->request->worker->loop));
}

void attempt_end_refusal(struct attempt *attempt)
{
    struct failure failure = read_refusal(attempt);
    bool cannot = failure.kind == FAILURE_INVALID_REQUEST || failure.kind == FAILURE_MODEL_NOT_FOUND; /* few models of Bedrock count */
    if (cannot && attempt->answer.writer != NULL && attempt->request->route->wire->operation == OPERATION_COUNT)
        attempt_estimate(attempt);
    else
        attempt_fail(attempt, failure);
}

void attempt_note_refusal(struct attempt *attempt)
{
    struct failure failure = read_refusal(attempt);
    attempt_note_failure(attempt, &failure);
}
