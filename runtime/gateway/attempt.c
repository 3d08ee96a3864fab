/* attempt.c -- see attempt.h.
 *
 * The order inside one callback is always: look at the bytes, note what they mean, tell the walk, drain. Draining is the last thing because
 * it may end the request.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt_private.h"
#include "gateway/capacity.h"
#include "gateway/worker.h"
#include <stdlib.h>

enum { KEEP_BYTES = 4096 }; /* of a buffer that waits for the next attempt */

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

static void settle_health(struct attempt *attempt, bool ok, bool neutral)
{
    if (attempt->settled)
        return;
    attempt->settled = true;
    attempt_give_back(attempt);
    if (attempt->target->health == NULL)
        return;
    const struct walk_attempt *walked = &attempt->request->walk.attempts[attempt->number];
    const struct usage usage = attempt_billed(attempt, 0);
    int64_t now = now_us(attempt);
    struct health_outcome outcome = {
        .ok = ok,
        .neutral = neutral,
        .failure = attempt->failure,
        .duration_us = now - walked->began_us,
        .first_token_us = walked->content_us == 0 ? 0 : walked->content_us - walked->began_us,
        .input_tokens = usage.known ? usage.input : -1,
        .output_tokens = usage.known ? usage.output : -1,
        .cost_pico = usage_cost_pico(&usage, attempt->target->price),
    };
    health_end(attempt->target->health, &outcome, attempt->probe, now);
}

/* A pooled connection that its provider had given up says nothing of how the provider is doing: a fresh one tells. Where none follows, as another
 * target is asked in its place, it counts. */
static bool is_neutral_for_health(const struct attempt *attempt, const struct failure *failure)
{
    if (failure->sent == SENT_UNCERTAIN && walk_has_other(&attempt->request->walk))
        return false;
    return attempt->reused && failure->kind == FAILURE_UNAVAILABLE && attempt->status == 0 && failure->sent != SENT_REFUSED;
}

void attempt_hang_up(struct attempt *attempt)
{
    if (attempt->call != NULL)
        call_cancel(attempt->call);
    attempt->call = NULL;
}

void attempt_note_failure(struct attempt *attempt, const struct failure *failure)
{
    attempt->failed = true;
    attempt->failure = *failure;
    bool starved = attempt_note_memory(attempt, &attempt->failure);
    failure_hide(&attempt->failure, attempt->target->provider, attempt->token, &attempt->request->arena);
    attempt_note_key(attempt, &attempt->failure);
    attempt_note_token(attempt);
    attempt_hang_up(attempt);
    bool renewed = attempt->token.len > 0 && failure->kind == FAILURE_AUTH; /* there is a new one soon */
    settle_health(attempt, false, starved || attempt->failure.other_key || renewed || is_neutral_for_health(attempt, failure));
}

void attempt_fail(struct attempt *attempt, const struct failure *failure)
{
    attempt_note_failure(attempt, failure);
    attempt_tell(attempt, WALK_FAILED);
}

static struct failure incomplete(struct attempt *attempt, const char *what, enum phase phase)
{
    struct failure failure = failure_make(FAILURE_UNAVAILABLE, slice_of(what));
    failure.phase = phase;
    failure.sent = attempt->content ? SENT_CONTENT : SENT_UNCERTAIN;
    return failure;
}

/* ---------------------------------------------------------------- reading the answer */

static void on_answer_event(void *owner, const struct event *event)
{
    struct attempt *attempt = owner;
    if (attempt->failed)
        return;
    if (event->kind == EVENT_TOOL_BEGIN && attempt->writer != NULL && attempt->writer->wire->says_no_calls) {
        attempt->failed = true;
        attempt->failure = incomplete(attempt, "the provider called a tool that it was not given", PHASE_NONE);
        return;
    }
    if (event_is_content(event)) {
        attempt->content = true;
        attempt->held.limit = ATTEMPT_BODY_MAX; /* one event may bring much, and a dialect may say it several times over */
    }
    switch (event->kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_TOOL_ARGS:
        attempt->text_bytes += event->text_raw.len;
        break;
    case EVENT_USAGE:
        attempt->usage = event->usage;
        break;
    case EVENT_FINISH:
        attempt->finish = event->finish;
        break;
    case EVENT_END:
        attempt->ended = true;
        break;
    case EVENT_ERROR:
        attempt->failed = true;
        attempt->failure = event->failure;
        if (!attempt->content && event->failure.sent == SENT_CONTENT)
            attempt->failure.sent = SENT_REFUSED; /* an id or a role came before it: no answer yet, and nobody is told of it */
        return;                                   /* the client hears of it only when the walk gives up */
    default:
        break;
    }
    if (attempt->writer != NULL)
        attempt->writer->wire->write_event(attempt->writer, event, &attempt->held);
}

static bool is_committed(const struct attempt *attempt)
{
    return attempt->request->winner == attempt && attempt->request->streaming;
}

/* A provider that does not stop at what it was allowed, or at anything. */
static bool is_endless(const struct attempt *attempt)
{
    int64_t asked = attempt->request->facts.max_tokens, tokens = asked >= 0 ? asked : attempt->target->model.max_output;
    if (attempt->stream_bytes > ATTEMPT_STREAM_MAX)
        return true;
    return (asked >= 0 || tokens > 0) && tokens < ATTEMPT_STREAM_MAX / ATTEMPT_TOKEN_MAX &&
           attempt->text_bytes > ATTEMPT_TEXT_MAX + (size_t)tokens * ATTEMPT_TOKEN_MAX;
}

/* Bytes for the client: now, or when the walk commits. */
static void pass_on(struct attempt *attempt, struct slice bytes)
{
    struct request *request = attempt->request;
    if (bytes.len == 0)
        return;
    if (!is_committed(attempt)) {
        buffer_append_slice(&attempt->held, bytes);
        return;
    }
    if (request->gone || request->exchange == NULL)
        return;
    attempt->wrote = true;
    size_t buffered = exchange_write(request->exchange, bytes);
    if (buffered > STREAM_HIGH && !attempt->paused && attempt->call != NULL) {
        attempt->paused = true;
        call_pause(attempt->call);
    }
}

/* What did not fit ends amid an event: the failure that follows would be a part of it, so none of it goes out. */
static void flush_held(struct attempt *attempt)
{
    if (attempt->held.len == 0 || !is_committed(attempt))
        return;
    if (!attempt->held.overflow)
        pass_on(attempt, buffer_slice(&attempt->held));
    attempt->held.len = 0;
}

/* One event of the provider for a client of the same wire. Adjacent events leave as one run of bytes. */
static void pass_event(struct attempt *attempt, const struct sse_event *event, enum pass pass, struct slice rewritten, struct slice *run)
{
    if (pass == PASS_AS_IS && run->len > 0 && run->ptr + run->len == event->raw.ptr) {
        run->len += event->raw.len;
        return;
    }
    pass_on(attempt, *run);
    *run = SLICE_NONE;
    if (pass == PASS_AS_IS)
        *run = event->raw;
    else if (pass == PASS_REWRITE)
        pass_on(attempt, rewritten);
}

/* A CRLF that was cut: its CR ended the event, and the LF that is still to come is read over. The client gets it all the same, and now: some
 * wait for it before they look at the event. */
static bool lacks_lf(const struct attempt *attempt, struct slice raw)
{
    return attempt->wire->stream_form == STREAM_SSE && attempt->events.sse.after_cr && raw.len >= 3 &&
           memcmp(raw.ptr + raw.len - 3, "\r\n\r", 3) == 0;
}

static void read_one(struct attempt *attempt, const struct sse_event *event, struct slice *run)
{
    enum pass pass = PASS_AS_IS;
    struct slice rewritten = SLICE_NONE;
    bool passes = attempt->writer == NULL;
    if (!event->has_data) { /* a comment keeps the client's line alive too, once it has one; what else it may be is nobody's */
        if (passes && is_committed(attempt) && slice_starts_with(event->raw, LIT(":")))
            pass_event(attempt, event, PASS_AS_IS, SLICE_NONE, run);
        return;
    }
    attempt->wire->read_event(attempt->reader, event->name, event->data, attempt->request->facts.include_usage, passes ? &pass : NULL,
                              passes ? &rewritten : NULL);
    if (!passes || attempt->failed)
        return;
    pass_event(attempt, event, pass, rewritten, run);
    if (pass == PASS_AS_IS && lacks_lf(attempt, event->raw)) {
        pass_on(attempt, *run);
        pass_on(attempt, LIT("\n"));
        *run = SLICE_NONE;
    }
}

/* What is said anew to the client lacks a piece: a reader's or a writer's found no room. */
static bool has_hole(const struct attempt *attempt)
{
    return attempt->held.overflow || (attempt->writer != NULL && attempt->request->arena.overflow);
}

static void read_events(struct attempt *attempt, struct slice data)
{
    struct sse_event event;
    struct slice run = SLICE_NONE;
    attempt->stream_bytes += data.len;
    frames_feed(&attempt->events, data);
    while (!attempt->ended && !attempt->failed && frames_next(&attempt->events, &event)) {
        read_one(attempt, &event, &run);
        if (run.len > 0 &&
            (run.ptr < data.ptr || run.ptr >= data.ptr + data.len)) { /* a cut event: the reader's own copy, gone with the next one */
            pass_on(attempt, run);
            run = SLICE_NONE;
        }
    }
    pass_on(attempt, run);
    flush_held(attempt);
    if (attempt->failed)
        return;
    if (frames_too_big(&attempt->events)) {
        attempt->failed = true;
        attempt->failure = incomplete(attempt, "an event of the provider's stream is larger than 4 MB", PHASE_STREAM);
    } else if (frames_broken(&attempt->events)) {
        attempt->failed = true;
        attempt->failure = incomplete(attempt, "a frame of the provider's stream is damaged", PHASE_STREAM);
    } else if (is_endless(attempt)) {
        attempt->failed = true;
        attempt->failure = incomplete(attempt, "the provider's stream does not end", PHASE_STREAM);
    } else if (has_hole(attempt)) {
        bool content = attempt->content;
        attempt->failed = true;
        attempt->failure = incomplete(attempt,
                                      content ? "the answer is larger than can be held" : "the provider's stream brings no content",
                                      content ? PHASE_STREAM : PHASE_FIRST_TOKEN);
    }
}

/* A good status that cannot carry an answer: nothing, or a part of something. */
static bool is_whole(int status)
{
    return status != 204 && status != 205 && status != 206;
}

static void on_head(struct attempt *attempt, const struct http1_head *head)
{
    struct slice type = http1_header(head, LIT("content-type"));
    struct slice coding = http1_header(head, LIT("content-encoding"));
    attempt->status = head->status;
    attempt->coded = coding.len != 0 && !slice_equals_nocase(coding, LIT("identity"));
    if (attempt_was_refused(attempt)) {
        attempt_begin_refusal(attempt, head);
        return;
    }
    if (attempt->coded || !is_whole(head->status)) {
        struct failure failure = incomplete(attempt,
                                            attempt->coded ? "the provider compressed an answer although it was not asked to"
                                                           : "the provider answered without an answer",
                                            PHASE_HEADERS);
        failure.status = head->status;
        attempt_fail(attempt, &failure);
        return;
    }
    /* A provider that answers a request for a stream with one JSON body: an error in most cases, read whole. */
    attempt->sse = attempt->request->facts.stream && !slice_starts_with(type, LIT("application/json"));
    attempt->reader->stream = attempt->sse;
    if (attempt->request->facts.stream && !attempt->sse && attempt->writer == NULL) { /* its bytes are no stream: they are written anew */
        attempt->writer = attempt_new_writer(attempt);
        if (attempt->writer == NULL) {
            struct failure failure = incomplete(attempt, "the request has no memory left to read its answer", PHASE_HEADERS);
            attempt_fail(attempt, &failure);
            return;
        }
    }
    attempt_tell(attempt, WALK_HEADERS);
}

static void on_data(struct attempt *attempt, struct slice data)
{
    if (attempt->ended || attempt->failed)
        return; /* what stands behind the end marker is nobody's */
    if (attempt_was_refused(attempt)) {
        attempt_add_to_refusal(attempt, data);
        return;
    }
    if (!attempt->sse) {
        buffer_append_slice(&attempt->body, data);
        if (attempt->body.overflow) {
            struct failure failure = incomplete(attempt, "the provider's answer is larger than 64 MB", PHASE_BODY);
            attempt_fail(attempt, &failure);
            return;
        }
        attempt_tell(attempt, WALK_CHUNK);
        return;
    }
    attempt->wrote = false;
    read_events(attempt, data);
    if (attempt->failed) { /* content that came together with its failure is not committed: another attempt may still do better */
        struct failure failure = attempt->failure;
        if (attempt->content)
            failure.sent = SENT_CONTENT;
        if (failure.phase == PHASE_NONE)
            failure.phase = attempt->content ? PHASE_STREAM : PHASE_FIRST_TOKEN;
        attempt_fail(attempt, &failure);
        return;
    }
    if (attempt->content && !attempt->content_told) {
        attempt->content_told = true;
        attempt_tell(attempt, WALK_CONTENT);
    } else {
        attempt_tell(attempt, WALK_CHUNK);
    }
    if (attempt->ended) {
        struct request *request = attempt->request;
        loop_timer_set(request->worker->loop, &request->timer, now_us(attempt) + ATTEMPT_LINGER_US);
    }
}

/* The answer is whole. */
static void done(struct attempt *attempt)
{
    const struct provider *provider = attempt->target->provider;
    if (provider->key_count > 0)
        key_worked(attempt->request->config->key_pools[provider->index][attempt->key]);
    settle_health(attempt, true, false);
    if (attempt->content && !attempt->content_told) {
        attempt->content_told = true;
        if (attempt->request->facts.stream)
            attempt_tell(attempt, WALK_CONTENT);
    }
    attempt_tell(attempt, WALK_DONE);
}

/* Where a provider has no count of tokens the gateway's own estimate is the answer, and its header says so. */
void attempt_estimate(struct attempt *attempt)
{
    struct event count = {.kind = EVENT_USAGE, .usage = USAGE_UNKNOWN};
    count.usage.input = attempt->request->input_tokens;
    count.usage.known = count.usage.estimated = true;
    on_answer_event(attempt, &count);
    on_answer_event(attempt, &(struct event){.kind = EVENT_END});
    settle_health(attempt, false, true); /* says nothing of the provider */
    done(attempt);
}

static void end_of_whole(struct attempt *attempt)
{
    attempt->wire->read_answer(attempt->reader, buffer_slice(&attempt->body));
    if (attempt->failed || !attempt->ended || has_hole(attempt)) {
        const char *what = attempt->ended ? "the provider's answer is larger than can be held" : "the provider's answer is incomplete";
        struct failure failure = attempt->failed ? attempt->failure : incomplete(attempt, what, PHASE_BODY);
        if (failure.phase == PHASE_NONE)
            failure.phase = PHASE_BODY;
        attempt_fail(attempt, &failure);
        return;
    }
    done(attempt);
}

static void end_of_stream(struct attempt *attempt)
{
    struct sse_event event;
    struct slice run = SLICE_NONE;
    if (!attempt->ended && frames_finish(&attempt->events, &event)) {
        read_one(attempt, &event, &run);
        pass_on(attempt, run);
        if (run.len > 0) /* its blank line did not come: without one the client would not see it */
            pass_on(attempt, LIT("\n\n"));
    }
    if (!attempt->ended && !attempt->failed) {
        attempt->wire->read_eof(attempt->reader);
        if (attempt->ended && attempt->writer == NULL)
            pass_on(attempt, slice_of(attempt->wire->end_marker)); /* the provider left it out; clients wait for it */
    }
    flush_held(attempt);
    if (attempt->failed || !attempt->ended || has_hole(attempt)) {
        const char *what = attempt->ended ? "the answer is larger than can be held" : "the provider's stream ended without its end marker";
        struct failure failure = attempt->failed ? attempt->failure : incomplete(attempt, what, PHASE_STREAM);
        attempt_fail(attempt, &failure);
        return;
    }
    done(attempt);
}

static void on_end(struct attempt *attempt)
{
    attempt->call = NULL;
    if (attempt->failed)
        return;
    if (attempt_was_refused(attempt))
        attempt_end_refusal(attempt);
    else if (attempt->sse)
        end_of_stream(attempt);
    else
        end_of_whole(attempt);
}

static void on_failed(struct attempt *attempt, const struct failure *given)
{
    struct failure failure = *given;
    attempt->call = NULL;
    failure.message = arena_copy(&attempt->request->arena, given->message);
    if (attempt->ended) { /* the end marker was seen: what happens to the connection behind it does not matter */
        done(attempt);
        return;
    }
    if (attempt_was_refused(attempt)) { /* a refusal is one however little of its words came */
        attempt_end_refusal(attempt);
        return;
    }
    if (attempt->content && failure.sent != SENT_CONTENT) {
        failure.sent = SENT_CONTENT;
        failure.phase = PHASE_STREAM;
    }
    attempt_fail(attempt, &failure);
}

static void on_call_event(void *owner, const struct call_event *event)
{
    struct attempt *attempt = owner;
    struct request *request = attempt->request;
    /* Only a connection that died in silence counts as stale: an answer, however bad, is an answer. */
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

/* A buffer of an earlier attempt. */
static void reuse(struct buffer *to, struct buffer had, size_t limit)
{
    *to = had;
    buffer_clear(to);
    to->limit = limit;
}

/* Not from the arena: an attempt must be had even when the request has used its arena up. */
static struct attempt *take(struct worker *worker)
{
    struct attempt *attempt = worker->free_attempts;
    if (attempt == NULL) {
        attempt = xcalloc(1, sizeof *attempt);
        struct memory *memory = worker->gateway->memory;
        buffer_init_counted(&attempt->body, ATTEMPT_BODY_MAX, memory);
        buffer_init_counted(&attempt->held, ATTEMPT_BODY_MAX, memory);
        buffer_init_counted(&attempt->encoded, 2 * (size_t)ATTEMPT_BODY_MAX, memory);
        return attempt;
    }
    struct buffer body = attempt->body, held = attempt->held, encoded = attempt->encoded;
    worker->free_attempts = attempt->next;
    worker->free_attempt_count--;
    memset(attempt, 0, sizeof *attempt);
    reuse(&attempt->body, body, ATTEMPT_BODY_MAX);
    reuse(&attempt->held, held, ATTEMPT_BODY_MAX);
    reuse(&attempt->encoded, encoded, 2 * (size_t)ATTEMPT_BODY_MAX);
    return attempt;
}

/* A first attempt is every request's own, and a target that is well gets a fallback for nothing; the rest is taken from what the pool may spend. */
static void spend(struct attempt *attempt)
{
    const struct walk *walk = &attempt->request->walk;
    const struct walk_attempt *walked = &walk->attempts[attempt->number];
    bool again = false;
    if (attempt->number == 0 || walked->fresh)
        return;
    for (unsigned i = 0; i < attempt->number; i++)
        again |= walk->attempts[i].target == walked->target;
    if (again || walked->hedge || (attempt->target->health != NULL && !health_is_well(attempt->target->health, now_us(attempt))))
        pool_spend(attempt->request->pool);
    if (walked->hedge)
        pool_hedge(attempt->request->pool);
}

struct attempt *attempt_start(struct request *request, const struct walk_action *action)
{
    struct attempt *attempt = take(request->worker);
    struct complaint complaint;
    attempt->request = request;
    attempt->number = action->attempt;
    attempt->target = request->config->targets[action->target];
    attempt->wire = provider_wire(attempt->target->provider, request->route->wire);
    attempt->usage = USAGE_UNKNOWN;
    const struct provider *provider = attempt->target->provider;
    if (provider->key_count > 1)
        attempt->key = key_choose(request->config->key_pools[provider->index], provider->key_count, request->turn + attempt->number,
                                  now_us(attempt));
    frames_init(&attempt->events, attempt->wire->stream_form);
    frames_count(&attempt->events, request->worker->gateway->memory);
    attempt->held.limit = request->facts.stream ? ATTEMPT_HELD_MAX : ATTEMPT_BODY_MAX;
    request->attempts[action->attempt] = attempt;
    spend(attempt);
    /* A breaker that is half open learns from probes only; where it refuses, the plan has named this target all the same. */
    struct health *health = attempt->target->health;
    if (health != NULL && !health_begin(health, now_us(attempt), &attempt->probe))
        health_begin_anyway(health, now_us(attempt));

    struct failure full;
    if (!capacity_take(request, attempt->target, &attempt->capacity, &full)) {
        attempt->failed = true;
        attempt->failure = full;
        settle_health(attempt, false, true);
        attempt_tell(attempt, WALK_FAILED);
        return attempt;
    }
    if (!attempt_prepare(attempt, on_answer_event, &complaint)) {
        struct failure failure = failure_make(complaint.kind, complaint.message);
        failure.param = complaint.param;
        attempt_note_memory(attempt, &failure);
        attempt->failed = true;
        attempt->failure = failure;
        settle_health(attempt, false, true);
        attempt_tell(attempt, WALK_FAILED);
        return attempt;
    }
    if (attempt->part_count == 0) { /* a count that this wire cannot be asked for */
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
    if (attempt->call != NULL && attempt_was_refused(attempt)) { /* another one won, or the client left: true it is all the same */
        attempt_note_refusal(attempt);
        return;
    }
    attempt_hang_up(attempt);
    /* A deadline of ours counts against the target, but not when it was the request's whole time or the client that ended it. */
    bool blame = walked->state == ATTEMPT_FAILED && walked->failure.deadline != DEADLINE_TOTAL;
    attempt->failure = walked->failure;
    settle_health(attempt, false, !blame);
}

bool attempt_conclude(struct attempt *attempt)
{
    const struct request *request = attempt->request;
    bool refused = attempt_was_refused(attempt) && walk_is_due(&request->walk, attempt->number, now_us(attempt));
    if (attempt->call == NULL || attempt->failed || (!attempt->ended && !refused))
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
    flush_held(attempt);
    attempt->held.limit = ATTEMPT_BODY_MAX; /* a dialect may say the whole answer once more at its end */
}

/* Whatever went to the client so far ends with a whole event: what its provider cut is read to its end before it goes on. */
void attempt_ping(struct attempt *attempt)
{
    const char *ping = attempt->request->route->wire->ping;
    if (attempt->writer != NULL) {
        attempt->writer->wire->write_event(attempt->writer, &(struct event){.kind = EVENT_PING}, &attempt->held);
        flush_held(attempt);
    } else if (ping != NULL) {
        pass_on(attempt, slice_of(ping));
    }
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
    settle_health(attempt, false, true);
}

/* At once: what a burst of large answers took must not lie with those who wait. */
static void give_back(struct buffer *buffer)
{
    if (buffer->cap > KEEP_BYTES)
        buffer_free(buffer);
}

void attempt_release(struct attempt *attempt)
{
    struct worker *worker = attempt->request->worker;
    if (attempt->writer != NULL)
        attempt->writer->wire->writer_end(attempt->writer);
    frames_free(&attempt->events);
    give_back(&attempt->body);
    give_back(&attempt->held);
    give_back(&attempt->encoded);
    attempt->next = NULL;
    if (worker->free_attempt_count >= FREE_ATTEMPTS_MAX) {
        attempt_free_all(attempt);
        return;
    }
    attempt->next = worker->free_attempts;
    worker->free_attempts = attempt;
    worker->free_attempt_count++;
}

void attempt_free_all(struct attempt *attempts)
{
    while (attempts != NULL) {
        struct attempt *attempt = attempts;
        attempts = attempt->next;
        buffer_free(&attempt->body);
        buffer_free(&attempt->held);
        buffer_free(&attempt->encoded);
        free(attempt);
    }
}
