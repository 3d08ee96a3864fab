/* read_answer.c -- answers of Cohere's /v2/chat and /v2/embed, as neutral events.
 *
 * A stream is blocks of text or thinking, a plan, and calls, between message-start and message-end; message-end is what makes it complete, and it may say
 * that the answer failed. The plan of a turn that calls tools is narration of how it came to them: it is reasoning here, so that a client finds no text
 * beside calls. Sources of an answer (citations) have no words in the other dialects.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

enum { OPEN_MAX = 32 /* calls that grow at a time */ };

struct tool_call {
    int64_t index;
    unsigned tool;
};

struct cohere_reader {
    struct reader base;
    struct tool_call open[OPEN_MAX];
    unsigned open_count, tools;
};

_Static_assert(sizeof(struct cohere_reader) <= COHERE_READER_SIZE, "cohere.h: COHERE_READER_SIZE");

/* An object that has the provider's words in it. */
static void fail_with(struct cohere_reader *self, struct slice object)
{
    struct slice message = failure_message(object, 0, self->base.arena);
    reader_fail(&self->base, failure_make(failure_classify(0, SLICE_NONE, message), message), SENT_REFUSED);
}

/* ---------------------------------------------------------------- usage and the end */

/* Counts are written as floats; billed_units are lower, because the provider's own templates are free. */
static void take_usage(struct cohere_reader *self, struct slice usage)
{
    struct slice tokens = json_find(usage, "tokens");
    if (tokens.len == 0 || tokens.ptr[0] != '{')
        tokens = json_find(usage, "billed_units");
    int64_t input = json_find_count(tokens, "input_tokens"), cached = json_find_count(usage, "cached_tokens");
    if (input < 0)
        return;
    self->base.usage.cache_read = cached <= input ? cached : -1;
    self->base.usage.input = input - (self->base.usage.cache_read > 0 ? self->base.usage.cache_read : 0);
    self->base.usage.output = json_find_count(tokens, "output_tokens");
    self->base.usage.known = self->base.usage.output >= 0;
}

static const struct finish_word finishes[] = {
    {LIT("COMPLETE"), FINISH_STOP},        {LIT("STOP_SEQUENCE"), FINISH_STOP},         {LIT("MAX_TOKENS"), FINISH_LENGTH},
    {LIT("TOOL_CALL"), FINISH_TOOL_CALLS}, {LIT("ERROR_TOXIC"), FINISH_CONTENT_FILTER},
};

/* A reason that says that the answer failed; `object` may say more. */
static void fail_finish(struct cohere_reader *self, struct slice reason, struct slice object)
{
    bool said = json_find_string(object, "error").len > 0;
    if (json_raw_equals(reason, LIT("TIMEOUT"))) {
        struct slice message = said ? failure_message(object, 0, self->base.arena) : LIT("the provider took too long");
        reader_fail(&self->base, failure_make(FAILURE_TIMEOUT, message), SENT_UNCERTAIN);
    } else if (said) {
        fail_with(self, object);
    } else {
        reader_fail_incomplete(&self->base, json_raw_equals(reason, LIT("ERROR")) ? "the provider failed while it answered"
                                            : reason.len == 0                     ? "the provider's answer has no finish reason"
                                                              : "the provider's answer ended for a reason that is not known");
    }
}

/* `object` has finish_reason and usage. */
static void end(struct cohere_reader *self, struct slice object)
{
    struct slice reason = json_find_string(object, "finish_reason");
    enum finish finish = FINISH_OF(finishes, reason, FINISH_NONE);
    if (finish == FINISH_NONE)
        return fail_finish(self, reason, object);
    if (finish == FINISH_STOP && self->tools > 0 && json_raw_equals(reason, LIT("COMPLETE")))
        finish = FINISH_TOOL_CALLS; /* calls are to be run, whatever the model says */
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .finish = finish});
    take_usage(self, json_find(object, "usage"));
    reader_end(&self->base);
}

/* ---------------------------------------------------------------- texts and calls */

/* {"type":"text","text":…} or {"type":"thinking","thinking":…}; a delta has no type. */
static void take_content(struct cohere_reader *self, struct slice block)
{
    reader_emit_text(&self->base, EVENT_REASONING, 0, json_find_string(block, "thinking"));
    reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(block, "text"));
}

static void end_call(struct cohere_reader *self, unsigned at)
{
    unsigned tool = self->open[at].tool;
    self->open[at] = self->open[--self->open_count];
    reader_end_call(&self->base, 0, tool);
}

/* The one of that index, else none: open_count. */
static unsigned find_call(const struct cohere_reader *self, int64_t index)
{
    unsigned at = 0;
    while (at < self->open_count && self->open[at].index != index)
        at++;
    return at;
}

/* A tool without parameters may have null for arguments, as a value or as its text. */
static void grow_call(struct cohere_reader *self, unsigned at, struct slice arguments)
{
    if (!slice_equals(arguments, LIT("null")))
        reader_grow_call(&self->base, 0, self->open[at].tool, arguments);
}

static void begin_call(struct cohere_reader *self, int64_t index, struct slice call)
{
    struct slice function = json_find(call, "function"), name = json_find_string(function, "name");
    unsigned at = find_call(self, index);
    if (at < self->open_count)
        end_call(self, at);
    if (self->open_count == OPEN_MAX)
        return reader_fail_incomplete(&self->base, "the provider's answer has too many open calls");
    at = self->open_count++;
    self->open[at] = (struct tool_call){index, self->tools++};
    reader_begin_call(&self->base, self->open[at].tool, json_find_string(call, "id"), name_unfit(&self->base, name, &cohere_tool_rule));
    grow_call(self, at, json_find_string(function, "arguments"));
}

/* ---------------------------------------------------------------- streams */

static void on_call(struct cohere_reader *self, struct slice type, struct slice data)
{
    struct slice calls = json_find(json_find(json_find(data, "delta"), "message"), "tool_calls");
    int64_t index = json_find_count(data, "index");
    unsigned at = find_call(self, index);
    if (json_raw_equals(type, LIT("tool-call-start")))
        return begin_call(self, index, calls);
    if (json_raw_equals(type, LIT("tool-call-end"))) {
        if (at < self->open_count)
            end_call(self, at);
        return;
    }
    if (at == self->open_count)
        return reader_fail_incomplete(&self->base, "the provider's stream has a piece of a call that did not begin");
    grow_call(self, at, json_find_string(json_find(calls, "function"), "arguments"));
}

static void on_end(struct cohere_reader *self, struct slice delta)
{
    while (self->open_count > 0) /* none is left open */
        end_call(self, 0);
    end(self, delta);
}

/* An event without a type has nothing but an error's words. */
static void on_unknown(struct cohere_reader *self, struct slice type, struct slice data)
{
    if (type.len == 0 && (json_find_string(data, "message").len > 0 || json_find(data, "error").len > 0))
        fail_with(self, data);
}

void cohere_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct cohere_reader *self = (struct cohere_reader *)reader;
    (void)name; /* the data repeats it */
    if (!reader_takes_event(reader, data,
                            slice_equals(slice_trim(data), LIT("[DONE]")) ? "the provider's stream ended without message-end"
                                                                          : "an event of the provider's stream is not JSON"))
        return;
    struct slice type = json_find_string(data, "type"), delta = json_find(data, "delta"), message = json_find(delta, "message");
    bool content = slice_starts_with(type, LIT("content-")), call = slice_starts_with(type, LIT("tool-call-"));
    bool plan = json_raw_equals(type, LIT("tool-plan-delta")), over = json_raw_equals(type, LIT("message-end"));
    if (json_raw_equals(type, LIT("message-start")))
        reader_start(&self->base, json_find_string(data, "id"), SLICE_NONE, 0); /* there is no model and no time in these answers */
    else if (over && !self->base.started && FINISH_OF(finishes, json_find_string(delta, "finish_reason"), FINISH_NONE) == FINISH_NONE)
        fail_finish(self, json_find_string(delta, "finish_reason"), delta); /* it failed before it began */
    else if (!self->base.started && (content || call || plan || over))
        reader_fail_incomplete(&self->base, "the provider's stream does not begin with message-start");
    else if (content)
        take_content(self, json_find(message, "content"));
    else if (plan)
        reader_emit_text(&self->base, EVENT_REASONING, 0, json_find_string(message, "tool_plan"));
    else if (call)
        on_call(self, type, data);
    else if (over)
        on_end(self, delta);
    else
        on_unknown(self, type, data);
}

/* ---------------------------------------------------------------- whole answers */

static void read_blocks(struct cohere_reader *self, struct slice content)
{
    struct json json = json_list(content);
    struct slice block;
    while (json_next(&json, &block))
        take_content(self, block);
}

static void read_calls(struct cohere_reader *self, struct slice calls)
{
    struct json json = json_list(calls);
    struct slice call;
    while (json_next(&json, &call)) {
        begin_call(self, 0, call);
        if (self->open_count > 0)
            end_call(self, 0);
    }
}

static void read_chat(struct cohere_reader *self, struct slice body)
{
    struct slice message = json_find(body, "message");
    if (message.len == 0 || message.ptr[0] != '{') {
        if (message.len > 2 || json_find(body, "error").len > 0)
            return fail_with(self, body);
        return reader_fail_incomplete(&self->base, "the provider's answer has no message");
    }
    reader_start(&self->base, json_find_string(body, "id"), SLICE_NONE, 0);
    reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(message, "content")); /* one string, as in a request */
    read_blocks(self, json_find(message, "content"));
    reader_emit_text(&self->base, EVENT_REASONING, 0, json_find_string(message, "tool_plan"));
    read_calls(self, json_find(message, "tool_calls"));
    end(self, body);
}

static void read_embed(struct cohere_reader *self, struct slice body)
{
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    if (!cohere_read_vectors(&self->base, body))
        return reader_fail_incomplete(&self->base, "the provider's answer has no embeddings");
    self->base.usage.input = json_find_count(json_find(json_find(body, "meta"), "billed_units"), "input_tokens");
    self->base.usage.output = 0;
    self->base.usage.known = self->base.usage.input >= 0;
    reader_end(&self->base);
}

void cohere_read_answer(struct reader *reader, struct slice body)
{
    struct cohere_reader *self = (struct cohere_reader *)reader;
    struct slice text;
    if (!reader_takes_object(reader, body, &text))
        return;
    if (reader->operation == OPERATION_EMBED)
        read_embed(self, text);
    else
        read_chat(self, text);
}
