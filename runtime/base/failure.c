/* failure.c -- the table of failure.h, laid out.
 * SPDX-License-Identifier: MIT */
#include "base/failure.h"

#define ROW(id, name, openai_status, openai_type, openai_code, anthropic_status, anthropic_type, follows)                                  \
    {name, openai_status, openai_type, openai_code, anthropic_status, anthropic_type, follows},
static const struct failure_row rows[FAILURE_COUNT] = {FAILURE_KINDS(ROW)};
#undef ROW

const struct failure_row *failure_row(enum failure_kind kind)
{
    return &rows[kind];
}

bool failure_kind_of(struct slice name, enum failure_kind *kind)
{
    for (unsigned i = 0; i < FAILURE_COUNT; i++) {
        if (slice_equals(name, slice_of(rows[i].name))) {
            *kind = (enum failure_kind)i;
            return true;
        }
    }
    return false;
}

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASE_COUNT] = {"none", "connect", "tls", "send", "headers", "first_token", "body", "stream"};
    return names[phase];
}

const char *sent_name(enum sent sent)
{
    static const char *const names[] = {"not_sent", "refused", "uncertain", "content_started"};
    return names[sent];
}

const char *deadline_name(enum deadline deadline)
{
    static const char *const names[DEADLINE_COUNT] = {"none", "connect", "tls", "headers", "first_token", "idle", "total"};
    return names[deadline];
}

const struct failure_row *failure_type_row(const struct failure *failure)
{
    int status = failure->kind == FAILURE_REFUSED ? failure->status : 0;
    if (status == 0 || status == 403)
        return failure_row(failure->kind);
    enum failure_kind kind = status == 401                    ? FAILURE_NO_KEY
                             : status == 404                  ? FAILURE_NO_MODEL
                             : status == 413                  ? FAILURE_TOO_LARGE
                             : status < 500                   ? FAILURE_BAD_PARAMETER
                             : status == 503 || status == 529 ? FAILURE_NO_TARGET
                                                              : FAILURE_INTERNAL;
    return failure_row(kind);
}

struct failure failure_shed(void)
{
    struct failure failure = failure_make(FAILURE_SHEDDING, LIT("The gateway has no memory for this request now. Try again in a second."));
    failure.retry_after_us = 1000000;
    return failure;
}

struct failure failure_make(enum failure_kind kind, struct slice message)
{
    return (struct failure){.kind = kind, .message = message, .retry_after_us = -1};
}
