/* attempt.c -- see attempt.h.
 *
 * The order inside one callback is always: read the bytes, note what they mean, report to the walk, drain. Draining comes last because
 * it may end the request.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt_private.h"
#include "gateway/capacity.h"
#include "gateway/worker.h"
#include <stdlib.h>

static int64_t now_us(const struct attempt *attempt)
{
    return loop_now_us(attempt->request->worker->loop);
}

void attempt_tell(struct attempt *attempt, enum walk_event_kind kind)
{
    struct walk_event event = {
        .kind = kind, .attempt = attempt->number, .reused = attempt->reused && attempt->status == 0, .wrote = attempt->wrote};
    if (kind == WALK_FAILED)
        event.failure = attempt->failure;
    request_event(attempt->request, &event);
}

void attempt_hang_up(struct attempt *attempt)
{
    if (attempt->call != NULL)
        call_cancel(attempt->call);
    attempt->call = NULL;
}

void attempt_fail(struct attempt *attempt, struct failure failure)
{
    attempt_note_failure(attempt, &failure);
    attempt_tell(attempt, WALK_FAILED);
}

/* ---------------------------------------------------------------- the answer */

/* Bytes for the client, once the walk has committed. */
static void send_on(void *owner, struct slice bytes)
{
    struct attempt *attempt = owner;
    struct request *request = attempt->request;
    if (request->gone || request->exchange == NULL)
        return;
    attempt->wrote = true;
    size_t buffered = exchange_write(request->exchange, bytes);
    if (buffered > STREAM_HIGH && !attempt->paused && attempt->call != NULL) {
        attempt->paused = true;
        call_pause(attempt->call);
    }
}

/* A 2xx status that cannot carry an answer: no content, or a part of something. */
static bool is_whole(int status)
{
    return status != 204 && status != 205 && status != 206;
}

static void fail_at_head(struct attempt *attempt, const char *message, int status)
{
    struct failure failure = failure_make(FAILURE_UNAVAILABLE, slice_of(message));
    failure.phase = PHASE_HEADERS;
    failure.sent = SENT_UNCERTAIN;
    failure.status = status;
    attempt_fail(attempt, failure);
}

static void on_head(struct attempt *attempt, const struct http1_head *head)
{
    struct slice type = http1_header(head, LIT("content-type"));
    struct slice coding = http1_header(head, LIT("content-encoding"));
    struct answer *answer = &attempt->answer;
    bool asked = attempt->request->facts.stream;
    attempt->status = head->status;
    attempt->coded = coding.len != 0 && !slice_equals_nocase(coding, LIT("identity"));
    if (attempt_was_refused(attempt))
        return attempt_begin_refusal(attempt, head);
    if (attempt->coded)
        return fail_at_head(attempt, "the provider compressed an answer although it was not asked to", head->status);
    if (!is_whole(head->status))
        return fail_at_head(attempt, "the provider answered without an answer", head->status);
    /* A provider that answers a request for a stream with one JSON body: an error in most cases, read whole. */
    answer->stream = answer->reader->stream = asked && !slice_starts_with(type, LIT("application/json"));
    if (asked && !answer->stream && answer->writer == NULL &&
        !attempt_open_writer(attempt)) /* the body is not a stream, so the events are written anew */
        return fail_at_head(attempt, "the request has no memory left to read its answer", 0);
    attempt_tell(attempt, WALK_HEADERS);
}

static void on_data(struct attempt *attempt, struct slice data)
{
    struct answer *answer = &attempt->answer;
    struct request *request = attempt->request;
    if (answer->ended || attempt->failed)
        return; /* bytes behind the end marker are not part of the answer */
    if (attempt_was_refused(attempt))
        return attempt_add_to_refusal(attempt, data);
    attempt->wrote = false;
    if (!answer_feed(answer, data)) /* content that came together with a failure is not committed: another attempt may still succeed */
        return attempt_fail(attempt, answer->failure);
    bool first = answer->stream && answer->content && !attempt->content_told;
    attempt->content_told |= first;
    attempt_tell(attempt, first ? WALK_CONTENT : WALK_CHUNK);
    if (answer->ended)
        loop_timer_set(request->worker->loop, &request->timer, now_us(attempt) + ATTEMPT_LINGER_US);
}

/* The answer is complete. */
static void done(struct attempt *attempt)
{
    const struct provider *provider = attempt->target->provider;
    if (provider->key_count > 0)
        key_worked(attempt->request->config->key_pools[provider->index][attempt->key]);
    attempt_settle_health(attempt, true, false);
    if (attempt->answer.content && !attempt->content_told) {
        attempt->content_told = true;
        if (attempt->request->facts.stream)
            attempt_tell(attempt, WALK_CONTENT);
    }
    attempt_tell(attempt, WALK_DONE);
}

/* Where a provider has no count of tokens the gateway's own estimate is the answer, and its header says so. */
void attempt_estimate(struct attempt *attempt)
{
    answer_estimate(&attempt->answer, attempt->request->input_tokens);
    attempt_settle_health(attempt, false, true); /* this is no verdict on the provider */
    done(attempt);
}

static void on_end(struct attempt *attempt)
{
    attempt->call = NULL;
    if (attempt->failed)
        return;
    if (attempt_was_refused(attempt))
        attempt_end_refusal(attempt);
    else if (answer_finish(&attempt->answer))
        done(attempt);
    else
        attempt_fail(attempt, attempt->answer.failure);
}

static void on_failed(struct attempt *attempt, const struct failure *given)
{
    struct failure failure = *given;
    attempt->call = NULL;
    failure.message = arena_copy(&attempt->request->arena, given->message);
    if (attempt->answer.ended) /* the end marker was seen: what happens to the connection after it does not matter */
        return done(attempt);
    if (attempt_was_refused(attempt)) /* it is a refusal, however little of its body came */
        return attempt_end_refusal(attempt);
    if (attempt->answer.content && failure.sent != SENT_CONTENT) {
        failure.sent = SENT_CONTENT;
        failure.phase = PHASE_STREAM;
    }
    attempt_fail(attempt, failure);
}

static void on_call_event(void *owner, const struct call_event *event)
{
    struct attempt *attempt = owner;
    struct request *request = attempt->request;
    /* Only a connection that ended without a byte counts as stale; a bad answer is an answer. */
    attempt->reused = event->reused && !event->answered;
    switch (event->kind) {
    case CALL_CONNECTED:
        attempt_tell(attempt, WALK_CONNECTED);
        break;
    case CALL_READY:
        attempt_tell(attempt, WALK_READY);
        break;
    case CALL_SENT:
        attempt->sent_us = now_us(attempt);
        buffer_free(&attempt->encoded); /* a stream may last for minutes */
        attempt_tell(attempt, WALK_SENT);
        break;
    case CALL_HEAD:
        on_head(attempt, event->head);
        break;
    case CALL_DATA:
        on_data(attempt, event->data);
        if (attempt->left && (attempt->left_bytes += event->data.len) > ATTEMPT_LEFT_MAX)
            request_event(request, &(struct walk_event){.kind = WALK_STOP});
        break;
    case CALL_END:
        on_end(attempt);
        break;
    case CALL_FAILED:
        on_failed(attempt, &event->failure);
        break;
    }
    request->drain(request);
}

/* ---------------------------------------------------------------- beginning and ending */

/* Not from the arena: an attempt must be possible even where the request has used up its arena. */
static struct attempt *take(struct worker *worker)
{
    struct attempt *attempt = worker->free_attempts;
    if (attempt == NULL) {
        attempt = xcalloc(1, sizeof *attempt);
        answer_init(&attempt->answer, worker->gateway->memory);
        buffer_init_counted(&attempt->encoded, 2 * (size_t)ANSWER_BODY_MAX, worker->gateway->memory);
        return attempt;
    }
    worker->free_attempts = attempt->next;
    worker->free_attempt_count--;
    *attempt = (struct attempt){.answer = attempt->answer, .encoded = attempt->encoded}; /* keeps their memory */
    buffer_clear(&attempt->encoded);
    return attempt;
}

/* The first attempt is free; so are a repetition on a fresh connection and a fallback to a healthy target. The rest uses spare attempts of the model. */
static void spend(struct attempt *attempt)
{
    const struct walk *walk = &attempt->request->walk;
    const struct walk_attempt *walked = &walk->attempts[attempt->number];
    bool again = false;
    if (attempt->number == 0 || walked->fresh)
        return;
    for (unsigned i = 0; i < attempt->number; i++)
        again |= walk->attempts[i].target == walked->target;
    if (again || walked->hedge || (attempt->target->health != NULL && !health_is_healthy(attempt->target->health, now_us(attempt))))
        model_spend(attempt->request->stats);
    if (walked->hedge)
        model_hedge(attempt->request->stats);
}

static void begin_answer(struct attempt *attempt)
{
    const struct facts *facts = &attempt->request->facts;
    int64_t allowed = attempt->target->model.max_output;
    answer_begin(&attempt->answer, attempt->wire, facts->stream);
    attempt->answer.include_usage = facts->include_usage;
    attempt->answer.max_tokens = facts->max_tokens >= 0 ? facts->max_tokens : allowed > 0 ? allowed : -1;
}

/* It failed before anything was sent: this is no verdict on the target. */
static struct attempt *fail_unsent(struct attempt *attempt, struct failure failure)
{
    attempt->failed = true;
    attempt->failure = failure;
    attempt_settle_health(attempt, false, true);
    attempt_tell(attempt, WALK_FAILED);
    return attempt;
}

struct attempt *attempt_start(struct request *request, const struct walk_action *action)
{
    struct attempt *attempt = take(request->worker);
    struct complaint complaint;
    attempt->request = request;
    attempt->number = action->attempt;
    attempt->target = request->config->targets[action->target];
    attempt->wire = provider_wire(attempt->target->provider, request->route->wire);
    const struct provider *provider = attempt->target->provider;
    if (provider->key_count > 1)
        attempt->key = key_choose(request->config->key_pools[provider->index], provider->key_count, request->turn + attempt->number,
                                  now_us(attempt));
    begin_answer(attempt);
    request->attempts[action->attempt] = attempt;
    spend(attempt);
    /* A half-open breaker counts probes only. Where it refuses, the target is tried without it: the plan names it. */
    struct health *health = attempt->target->health;
    if (health != NULL && !health_begin(health, now_us(attempt), &attempt->probe))
        health_begin_anyway(health, now_us(attempt));

    struct failure full;
    if (!capacity_take(request, attempt->target, &attempt->capacity, &full))
        return fail_unsent(attempt, full);
    if (!attempt_prepare(attempt, &complaint)) {
        struct failure failure = failure_make(complaint.kind, complaint.message);
        failure.param = complaint.param;
        attempt_note_memory(attempt, &failure);
        return fail_unsent(attempt, failure);
    }
    if (attempt->part_count == 0) { /* a count of tokens, which this wire does not offer */
        attempt_estimate(attempt);
        return attempt;
    }
    struct call_request call = {
        .origin = worker_origin(request->worker, request->local, attempt->target->provider),
        .parts = attempt->parts,
        .part_count = attempt->part_count,
        .fresh = action->fresh,
        .on_event = on_call_event,
        .owner = attempt,
    };
    attempt->call = call_start(&call);
    return attempt;
}

void attempt_cancel(struct attempt *attempt)
{
    const struct walk_attempt *walked = &attempt->request->walk.attempts[attempt->number];
    if (attempt->call != NULL && attempt_was_refused(attempt)) /* another attempt won, or the client left: the refusal still counts */
        return attempt_note_refusal(attempt);
    attempt_hang_up(attempt);
    /* A deadline counts against the target, but not the total deadline of the request, nor a client that left. */
    bool blame = walked->state == ATTEMPT_FAILED && walked->failure.deadline != DEADLINE_TOTAL;
    attempt->failure = walked->failure;
    attempt_settle_health(attempt, false, !blame);
}

bool attempt_conclude(struct attempt *attempt)
{
    const struct request *request = attempt->request;
    bool refused = attempt_was_refused(attempt) && walk_is_due(&request->walk, attempt->number, now_us(attempt));
    if (attempt->call == NULL || attempt->failed || (!attempt->answer.ended && !refused))
        return false;
    attempt_hang_up(attempt);
    if (refused)
        attempt_end_refusal(attempt);
    else
        done(attempt);
    return true;
}

void attempt_commit(struct attempt *attempt)
{
    answer_commit(&attempt->answer, send_on, attempt);
}

void attempt_ping(struct attempt *attempt)
{
    answer_ping(&attempt->answer, attempt->request->route->wire);
}

void attempt_read_on(struct attempt *attempt)
{
    attempt->left = true;
    if (attempt->paused && attempt->call != NULL)
        call_resume(attempt->call);
    attempt->paused = false;
}

void attempt_stop(struct attempt *attempt)
{
    attempt_hang_up(attempt);
    attempt_settle_health(attempt, false, true);
}

void attempt_release(struct attempt *attempt)
{
    struct worker *worker = attempt->request->worker;
    answer_end(&attempt->answer);
    answer_give_back(&attempt->encoded);
    attempt->next = NULL;
    if (worker->free_attempt_count >= FREE_ATTEMPTS_MAX)
        return attempt_free_all(attempt);
    attempt->next = worker->free_attempts;
    worker->free_attempts = attempt;
    worker->free_attempt_count++;
}

void attempt_free_all(struct attempt *attempts)
{
    while (attempts != NULL) {
        struct attempt *attempt = attempts;
        attempts = attempt->next;
        answer_free(&attempt->answer);
        buffer_free(&attempt->encoded);
        free(attempt);
    }
}
