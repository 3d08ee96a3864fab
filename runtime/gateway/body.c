/* body.c -- a large body is freed as soon as no attempt can need it any more: a stream may last for minutes after its prompt was sent.
 *
 * The facts that are needed later are copied when the body is read (request_keep_apart); names of tools, and what an answer repeats, where they are
 * read. Small bodies are kept: freeing them saves too little. When the walk is over, the whole request will be freed soon.
 * SPDX-License-Identifier: MIT */
#include "gateway/body.h"
#include "gateway/attempt.h"

enum { METADATA_MAX = 64 * 1024, OPENING_MAX = 64 * 1024 };

static void keep(struct request *request, struct slice *text)
{
    *text = text->len > METADATA_MAX ? SLICE_NONE : arena_copy(&request->arena, *text);
}

void request_keep_apart(struct request *request)
{
    struct facts *facts = &request->facts;
    struct slice *const kept[] = {&facts->model_raw, &facts->user_raw, &facts->metadata_json, &facts->strategy_raw, &facts->provider_raw};
    struct slice opening = facts->opening_json;
    facts->opening_json = (struct slice){opening.ptr, opening.len < OPENING_MAX ? opening.len : OPENING_MAX};
    if (!request_is_large(request))
        return;
    for (unsigned i = 0; i < sizeof kept / sizeof *kept; i++)
        if (kept[i]->len > 0)
            keep(request, kept[i]);
    facts->opening_json = arena_copy(&request->arena, facts->opening_json);
}

/* This attempt will not read the body again. */
static bool is_done_with_it(const struct request *request, const struct attempt *attempt)
{
    if (attempt == NULL || attempt->call == NULL)
        return true;
    bool is_written = attempt->answer.writer != NULL, may_be_written = request->facts.stream && attempt->status == 0;
    return attempt->sent_us > 0 && (is_written ? !attempt->answer.writer->needs_body : !may_be_written);
}

static bool may_go(const struct request *request)
{
    if (!request->walk_begun || walk_is_over(&request->walk) || (!walk_is_committed(&request->walk) && walk_may_start(&request->walk)))
        return false;
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (!is_done_with_it(request, request->attempts[i]))
            return false;
    return true;
}

void request_drop_body(struct request *request)
{
    if (!request_is_large(request) || request->exchange == NULL || !may_go(request))
        return;
    for (unsigned i = 0; i < request->walk.attempt_count; i++) /* an attempt that was refused for its body */
        request->walk.attempts[i].failure.param = arena_copy(&request->arena, request->walk.attempts[i].failure.param);
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (request->attempts[i] != NULL && request->attempts[i]->answer.writer != NULL)
            request->attempts[i]->answer.writer->body = SLICE_NONE;
    request->failure.param = arena_copy(&request->arena, request->failure.param);
    request->body = SLICE_NONE;
    exchange_drop_body(request->exchange);
}
