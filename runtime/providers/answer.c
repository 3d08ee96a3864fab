/* answer.c -- see answer.h.
 * SPDX-License-Identifier: MIT */
#include "providers/answer.h"

enum { KEEP_BYTES = 4096 }; /* of a buffer that waits for the next answer */

/* ---------------------------------------------------------------- beginning and ending */

void answer_init(struct answer *answer, struct memory *memory)
{
    *answer = (struct answer){.usage = USAGE_UNKNOWN};
    buffer_init_counted(&answer->body, ANSWER_BODY_MAX, memory);
    buffer_init_counted(&answer->held, ANSWER_BODY_MAX, memory);
}

void answer_begin(struct answer *answer, const struct wire *wire, bool stream)
{
    *answer = (struct answer){.body = answer->body, .held = answer->held, .max_tokens = -1, .usage = USAGE_UNKNOWN};
    buffer_clear(&answer->body);
    buffer_clear(&answer->held);
    answer->held.limit = stream ? ANSWER_HELD_MAX : ANSWER_BODY_MAX;
    frames_init(&answer->events, wire->stream_form);
    frames_count(&answer->events, answer->body.memory);
}

void answer_give_back(struct buffer *buffer)
{
    if (buffer->cap > KEEP_BYTES)
        buffer_free(buffer);
}

void answer_end(struct answer *answer)
{
    if (answer->writer != NULL && answer->writer->wire->writer_end != NULL)
        answer->writer->wire->writer_end(answer->writer);
    frames_free(&answer->events);
    answer_give_back(&answer->body);
    answer_give_back(&answer->held);
}

void answer_free(struct answer *answer)
{
    buffer_free(&answer->body);
    buffer_free(&answer->held);
}

bool answer_starved(const struct answer *answer)
{
    return answer->body.starved || answer->held.starved || frames_starved(&answer->events);
}

bool answer_open_reader(struct answer *answer, const struct reader *given)
{
    struct reader *reader = answer->reader = arena_zalloc(given->arena, given->wire->reader_size);
    if (reader == NULL)
        return false;
    *reader = *given;
    reader->emit = answer_take;
    reader->owner = answer;
    reader->usage = USAGE_UNKNOWN;
    return true;
}

bool answer_open_writer(struct answer *answer, const struct writer *given)
{
    struct writer *writer = answer->writer = arena_zalloc(given->arena, given->wire->writer_size);
    if (writer == NULL)
        return false;
    *writer = *given;
    writer_open(writer);
    if (writer->wire->writer_begin != NULL)
        writer->wire->writer_begin(writer);
    return true;
}

/* ---------------------------------------------------------------- the verdict */

static void fail(struct answer *answer, const char *message, enum phase phase)
{
    if (answer->failed)
        return;
    answer->failed = true;
    answer->failure = failure_make(FAILURE_UNAVAILABLE, slice_of(message));
    answer->failure.phase = phase;
    answer->failure.sent = answer->content ? SENT_CONTENT : SENT_UNCERTAIN;
}

/* What is said anew to the client lacks a piece: a reader's or a writer's found no room. */
static bool has_hole(const struct answer *answer)
{
    return answer->held.overflow || (answer->writer != NULL && answer->reader->arena->overflow);
}

/* A provider that does not stop at what it was allowed, or at anything. */
static bool is_endless(const struct answer *answer)
{
    if (answer->stream_bytes > ANSWER_STREAM_MAX)
        return true;
    return answer->max_tokens >= 0 && answer->max_tokens < ANSWER_STREAM_MAX / ANSWER_BYTES_PER_TOKEN &&
           answer->text_bytes > ANSWER_TEXT_MAX + (size_t)answer->max_tokens * ANSWER_BYTES_PER_TOKEN;
}

/* What the stream may not become, however its reader takes it. */
static void judge_stream(struct answer *answer)
{
    if (frames_too_big(&answer->events))
        fail(answer, "an event of the provider's stream is larger than 4 MB", PHASE_STREAM);
    else if (frames_broken(&answer->events))
        fail(answer, "a frame of the provider's stream is damaged", PHASE_STREAM);
    else if (is_endless(answer))
        fail(answer, "the provider's stream does not end", PHASE_STREAM);
    else if (has_hole(answer) && answer->content)
        fail(answer, "the answer is larger than can be held", PHASE_STREAM);
    else if (has_hole(answer))
        fail(answer, "the provider's stream brings no content", PHASE_FIRST_TOKEN);
}

/* ---------------------------------------------------------------- events */

void answer_take(void *owner, const struct event *event)
{
    struct answer *answer = owner;
    if (answer->failed)
        return;
    if (event->kind == EVENT_TOOL_BEGIN && answer->writer != NULL && answer->writer->wire->says_no_calls) {
        fail(answer, "the provider called a tool that it was not given", PHASE_NONE);
        return;
    }
    if (event_is_content(event)) {
        answer->content = true;
        answer->held.limit = ANSWER_BODY_MAX; /* one event may bring much, and a dialect may say it several times over */
    }
    switch (event->kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_TOOL_ARGS:
        answer->text_bytes += event->text_raw.len;
        break;
    case EVENT_USAGE:
        answer->usage = event->usage;
        break;
    case EVENT_FINISH:
        answer->finish = event->finish;
        break;
    case EVENT_END:
        answer->ended = true;
        break;
    case EVENT_ERROR: /* the client hears of it only when no other attempt does better */
        answer->failed = true;
        answer->failure = event->failure;
        if (!answer->content && event->failure.sent == SENT_CONTENT)
            answer->failure.sent = SENT_REFUSED; /* an id or a role came before it: no answer yet */
        return;
    default:
        break;
    }
    if (answer->writer != NULL)
        answer->writer->wire->write_event(answer->writer, event, &answer->held);
}

void answer_estimate(struct answer *answer, int64_t input_tokens)
{
    struct event count = {.kind = EVENT_USAGE, .usage = USAGE_UNKNOWN};
    count.usage.input = input_tokens;
    count.usage.known = count.usage.estimated = true;
    answer_take(answer, &count);
    answer_take(answer, &(struct event){.kind = EVENT_END});
}

/* ---------------------------------------------------------------- bytes for the client */

/* Now, or when it is committed. */
static void pass_on(struct answer *answer, struct slice bytes)
{
    if (bytes.len == 0)
        return;
    if (answer->send == NULL)
        buffer_append_slice(&answer->held, bytes);
    else
        answer->send(answer->owner, bytes);
}

/* What did not fit ends amid an event: the failure that follows would be a part of it, so none of it goes out. */
static void flush_held(struct answer *answer)
{
    if (answer->held.len == 0 || answer->send == NULL)
        return;
    if (!answer->held.overflow)
        pass_on(answer, buffer_slice(&answer->held));
    answer->held.len = 0;
}

void answer_commit(struct answer *answer, void (*send)(void *owner, struct slice bytes), void *owner)
{
    answer->send = send;
    answer->owner = owner;
    flush_held(answer);
    answer->held.limit = ANSWER_BODY_MAX; /* a dialect may say the whole answer once more at its end */
}

/* Whatever went to the client so far ends with a whole event: what its provider cut is read to its end before it goes on. */
void answer_ping(struct answer *answer, const struct wire *client)
{
    if (answer->writer != NULL) {
        client->write_event(answer->writer, &(struct event){.kind = EVENT_PING}, &answer->held);
        flush_held(answer);
    } else if (client->ping != NULL) {
        pass_on(answer, slice_of(client->ping));
    }
}

/* One event of the provider for a client of the same wire. Adjacent events leave as one run of bytes. */
static void pass_event(struct answer *answer, const struct sse_event *event, enum pass pass, struct slice rewritten, struct slice *run)
{
    if (pass == PASS_AS_IS && run->len > 0 && run->ptr + run->len == event->raw.ptr) {
        run->len += event->raw.len;
        return;
    }
    pass_on(answer, *run);
    *run = SLICE_NONE;
    if (pass == PASS_AS_IS)
        *run = event->raw;
    else if (pass == PASS_REWRITE)
        pass_on(answer, rewritten);
}

/* A CRLF that was cut: its CR ended the event, and the LF that is still to come is read over. The client gets it all the same, and now: some
 * wait for it before they look at the event. */
static bool lacks_lf(const struct answer *answer, struct slice raw)
{
    return answer->events.form == STREAM_SSE && answer->events.sse.after_cr && raw.len >= 3 &&
           memcmp(raw.ptr + raw.len - 3, "\r\n\r", 3) == 0;
}

/* ---------------------------------------------------------------- bytes of the provider */

static void read_one(struct answer *answer, const struct sse_event *event, struct slice *run)
{
    struct reader *reader = answer->reader;
    bool passes = answer->writer == NULL;
    if (!event->has_data) { /* a comment keeps the client's line alive too, once it has one; other fields say nothing */
        if (passes && answer->send != NULL && slice_starts_with(event->raw, LIT(":")))
            pass_event(answer, event, PASS_AS_IS, SLICE_NONE, run);
        return;
    }
    reader->passes = passes;
    reader->include_usage = answer->include_usage;
    reader->pass = PASS_AS_IS;
    if (!reader->failed && !reader->ended)
        reader->wire->read_event(reader, event->name, event->data);
    if (!passes || answer->failed)
        return;
    pass_event(answer, event, reader->pass, reader->rewritten, run);
    if (reader->pass == PASS_AS_IS && lacks_lf(answer, event->raw)) {
        pass_on(answer, *run);
        pass_on(answer, LIT("\n"));
        *run = SLICE_NONE;
    }
}

static bool feed_stream(struct answer *answer, struct slice bytes)
{
    struct sse_event event;
    struct slice run = SLICE_NONE;
    answer->stream_bytes += bytes.len;
    frames_feed(&answer->events, bytes);
    while (!answer->ended && !answer->failed && frames_next(&answer->events, &event)) {
        read_one(answer, &event, &run);
        if (run.len > 0 && (run.ptr < bytes.ptr || run.ptr >= bytes.ptr + bytes.len)) {
            /* a cut event: the frames' own copy, gone with the next one */
            pass_on(answer, run);
            run = SLICE_NONE;
        }
    }
    pass_on(answer, run);
    flush_held(answer);
    judge_stream(answer);
    if (answer->failed && answer->content) /* also what came together with its failure */
        answer->failure.sent = SENT_CONTENT;
    if (answer->failed && answer->failure.phase == PHASE_NONE)
        answer->failure.phase = answer->content ? PHASE_STREAM : PHASE_FIRST_TOKEN;
    return !answer->failed;
}

bool answer_feed(struct answer *answer, struct slice bytes)
{
    if (answer->stream)
        return feed_stream(answer, bytes);
    buffer_append_slice(&answer->body, bytes);
    if (answer->body.overflow)
        fail(answer, "the provider's answer is larger than 64 MB", PHASE_BODY);
    return !answer->failed;
}

static void end_without_marker(struct reader *reader)
{
    if (reader->wire->read_eof != NULL && !reader->failed && !reader->ended)
        reader->wire->read_eof(reader);
}

static void finish_stream(struct answer *answer)
{
    struct sse_event event;
    struct slice run = SLICE_NONE;
    if (!answer->ended && frames_finish(&answer->events, &event)) {
        read_one(answer, &event, &run);
        pass_on(answer, run);
        if (run.len > 0) /* its blank line did not come: without one the client would not see it */
            pass_on(answer, LIT("\n\n"));
    }
    if (!answer->ended && !answer->failed) {
        end_without_marker(answer->reader);
        if (answer->ended && answer->writer == NULL)
            pass_on(answer, slice_of(answer->reader->wire->end_marker)); /* the provider left it out; clients wait for it */
    }
    flush_held(answer);
    if (!answer->ended)
        fail(answer, "the provider's stream ended without its end marker", PHASE_STREAM);
    else if (has_hole(answer))
        fail(answer, "the answer is larger than can be held", PHASE_STREAM);
}

static void finish_whole(struct answer *answer)
{
    answer->reader->wire->read_answer(answer->reader, buffer_slice(&answer->body));
    if (!answer->ended)
        fail(answer, "the provider's answer is incomplete", PHASE_BODY);
    else if (has_hole(answer))
        fail(answer, "the provider's answer is larger than can be held", PHASE_BODY);
    if (answer->failed && answer->failure.phase == PHASE_NONE)
        answer->failure.phase = PHASE_BODY;
}

bool answer_finish(struct answer *answer)
{
    (answer->stream ? finish_stream : finish_whole)(answer);
    return !answer->failed;
}

/* ---------------------------------------------------------------- refusals and failures */

struct failure answer_read_refusal(struct answer *answer, int status, struct slice (*header)(void *head, struct slice name), void *head,
                                   int64_t wall_us)
{
    struct reader *reader = answer->reader;
    struct slice body = buffer_slice(&answer->body);
    const struct error_answer refused = {status, body, header, head, wall_us, reader->arena};
    struct failure failure = reader->wire->read_failure(&refused);
    if (reader->wire->refine_failure != NULL)
        reader->wire->refine_failure(reader, status, body, &failure);
    failure.phase = PHASE_HEADERS;
    failure.sent = SENT_REFUSED;
    return failure;
}

void answer_write_failure(const struct wire *client, struct writer *writer, const struct failure *failure, struct slice request_id,
                          bool stream, struct buffer *out)
{
    if (stream && writer != NULL)
        writer->wire->write_event(writer, &(struct event){.kind = EVENT_ERROR, .failure = *failure}, out);
    if (out->overflow) /* the whole answer once more did not fit */
        buffer_clear(out);
    if (out->len == 0)
        client->write_failure(failure, request_id, stream, out);
}
