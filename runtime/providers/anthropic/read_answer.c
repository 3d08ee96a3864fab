/* read_answer.c -- answers of Anthropic's Messages API, whole and streamed, as neutral events.
 *
 * A stream is blocks that open, grow and close, between message_start and message_stop; only message_stop makes it complete. Unknown events and deltas
 * are passed over, as the API asks of its clients. Counts of tokens are cumulative: later ones replace earlier ones.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

static const int64_t COUNT_MAX = 1LL << 53; /* what json_to_count believes */

struct anthropic_reader {
    struct reader base;
    struct answer_block block; /* the open one: blocks do not overlap on this wire */
    bool whole;                /* its input came with its start: later pieces would repeat it */
    unsigned tools;
    bool json_tool, finished;
};

_Static_assert(sizeof(struct anthropic_reader) <= ANTHROPIC_READER_SIZE, "anthropic.h: ANTHROPIC_READER_SIZE");

/* ---------------------------------------------------------------- usage and the end */

/* What is there and no count is unknown, whatever was said before. */
static void take_count(struct slice object, const char *name, int64_t *into)
{
    int64_t value;
    struct slice digits = json_find(object, name);
    if (digits.len > 0 && !slice_equals(digits, LIT("null")))
        *into = json_to_count(digits, &value) ? value : -1;
}

static bool is_null(struct slice value)
{
    return value.len == 0 || slice_equals(value, LIT("null"));
}

/* What was read from or written to a cache: not to say a count, or null, is none. */
static void take_cached(struct slice usage, const char *name, int64_t *into)
{
    if (*into < 0 && is_null(json_find(usage, name)))
        *into = 0;
    take_count(usage, name, into);
}

static void add_count(struct slice object, const char *name, int64_t *sum)
{
    int64_t value = -1;
    take_count(object, name, &value);
    if (value > 0 && __builtin_add_overflow(*sum, value, sum))
        *sum = INT64_MAX;
}

/* A context that was compacted on the way: the counts at the top leave out what that took. Not so where another model took over, which they follow. */
static void take_iterations(struct anthropic_reader *self, struct slice iterations)
{
    struct json json = json_list(iterations);
    struct slice entry;
    int64_t input = 0, output = 0;
    bool compacted = false;
    while (json_next(&json, &entry)) {
        struct slice type = json_find_string(entry, "type");
        if (slice_equals(type, LIT("fallback_message")))
            return;
        compacted |= slice_equals(type, LIT("compaction"));
        if (!slice_equals(type, LIT("compaction")) && !slice_equals(type, LIT("message")))
            continue;
        add_count(entry, "input_tokens", &input);
        add_count(entry, "output_tokens", &output);
    }
    if (!compacted || input < self->base.usage.input || output < self->base.usage.output || input > COUNT_MAX || output > COUNT_MAX)
        return;
    self->base.usage.input = input;
    self->base.usage.output = output;
}

static void take_usage(struct anthropic_reader *self, struct slice usage)
{
    if (usage.len == 0 || usage.ptr[0] != '{')
        return;
    take_count(usage, "input_tokens", &self->base.usage.input);
    take_count(usage, "output_tokens", &self->base.usage.output);
    struct slice written = json_find(usage, "cache_creation");
    if (is_null(json_find(usage, "cache_creation_input_tokens")) && written.len > 0 && written.ptr[0] == '{') {
        self->base.usage.cache_write = 0; /* told by lifetime only */
        add_count(written, "ephemeral_5m_input_tokens", &self->base.usage.cache_write);
        add_count(written, "ephemeral_1h_input_tokens", &self->base.usage.cache_write);
    }
    take_cached(usage, "cache_read_input_tokens", &self->base.usage.cache_read);
    take_cached(usage, "cache_creation_input_tokens", &self->base.usage.cache_write);
    take_iterations(self, json_find(usage, "iterations"));
    struct slice details = json_find(usage, "output_tokens_details");
    if (details.len > 0)
        take_count(details, "thinking_tokens", &self->base.usage.reasoning);
    self->base.usage.known = self->base.usage.input >= 0 && self->base.usage.output >= 0;
}

static const struct finish_word finishes[] = {
    {LIT("max_tokens"), FINISH_LENGTH},
    {LIT("model_context_window_exceeded"), FINISH_LENGTH},
    {LIT("tool_use"), FINISH_TOOL_CALLS},
    {LIT("refusal"), FINISH_CONTENT_FILTER},
};

/* `object` carries stop_reason, and perhaps stop_sequence and stop_details. */
static void take_finish(struct anthropic_reader *self, struct slice object)
{
    struct slice reason = json_find_string(object, "stop_reason");
    if (reason.len == 0 || self->finished)
        return;
    enum finish finish = FINISH_OF(finishes, reason, FINISH_STOP); /* end_turn, stop_sequence, pause_turn */
    if (finish == FINISH_TOOL_CALLS && self->json_tool && self->tools == 0)
        finish = FINISH_STOP; /* the only tool was ours */
    struct slice explanation = json_find_string(json_find(object, "stop_details"), "explanation");
    if (finish == FINISH_CONTENT_FILTER && explanation.len > 0)
        reader_emit(&self->base, &(struct event){.kind = EVENT_REFUSAL, .text_raw = explanation});
    self->finished = true;
    reader_emit(&self->base,
                &(struct event){.kind = EVENT_FINISH, .finish = finish, .stop_sequence_raw = json_find_string(object, "stop_sequence")});
}

static void start(struct anthropic_reader *self, struct slice message)
{
    if (self->base.started)
        return;
    reader_start(&self->base, json_find_string(message, "id"), json_find_string(message, "model"), 0);
    take_usage(self, json_find(message, "usage"));
}

/* ---------------------------------------------------------------- blocks */

static void begin_tool(struct anthropic_reader *self, struct slice block)
{
    struct slice name = json_find_string(block, "name"), input = json_find(block, "input");
    const struct chat *chat = self->base.chat;
    if (chat != NULL && chat->format == FORMAT_SCHEMA && json_raw_equals(name, LIT(ANTHROPIC_JSON_TOOL))) {
        self->block.kind = ANSWER_JSON;
        self->json_tool = true;
    } else {
        self->block.kind = ANSWER_CALL;
        self->block.tool = self->tools++;
        reader_begin_call(&self->base, self->block.tool, json_find_string(block, "id"), name_unfit(&self->base, name, &anthropic_names));
    }
    reader_grow_tool(&self->base, &self->block, reader_arguments(&self->base, input));
    self->whole = self->block.grew;
}

static void begin_block(struct anthropic_reader *self, struct slice block)
{
    struct slice type = json_find_string(block, "type");
    reader_end_block(&self->base, &self->block); /* one that was left open is over when the next one begins */
    reader_begin_block(&self->block, ANSWER_OTHER);
    self->whole = false;
    if (slice_equals(type, LIT("text"))) {
        reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(block, "text"));
    } else if (slice_equals(type, LIT("tool_use"))) {
        begin_tool(self, block);
    } else if (slice_equals(type, LIT("thinking"))) {
        struct slice text = json_find_string(block, "thinking");
        self->block.kind = ANSWER_THINKING;
        reader_keep_thinking(&self->base, &self->block, text, json_find_string(block, "signature"));
        reader_emit_text(&self->base, EVENT_REASONING, 0, text);
    } else if (slice_equals(type, LIT("redacted_thinking"))) {
        reader_emit(&self->base, &(struct event){.kind = EVENT_REDACTED, .data_raw = json_find_string(block, "data")});
    }
}

static void grow_block(struct anthropic_reader *self, struct slice delta)
{
    struct slice type = json_find_string(delta, "type");
    if (slice_equals(type, LIT("text_delta"))) {
        reader_emit(&self->base, &(struct event){.kind = EVENT_TEXT, .text_raw = json_find_string(delta, "text")});
    } else if (slice_equals(type, LIT("input_json_delta")) && (self->block.kind == ANSWER_CALL || self->block.kind == ANSWER_JSON)) {
        if (!self->whole)
            reader_grow_tool(&self->base, &self->block, json_find_string(delta, "partial_json"));
    } else if (slice_equals(type, LIT("thinking_delta"))) {
        struct slice text = json_find_string(delta, "thinking");
        reader_keep_thinking(&self->base, &self->block, text, SLICE_NONE);
        reader_emit(&self->base, &(struct event){.kind = EVENT_REASONING, .text_raw = text});
    } else if (slice_equals(type, LIT("signature_delta"))) {
        reader_keep_thinking(&self->base, &self->block, SLICE_NONE, json_find_string(delta, "signature"));
    }
}

/* ---------------------------------------------------------------- errors */

/* The statuses that the API gives its error types. */
static int status_of(struct slice type)
{
    static const struct {
        struct slice type;
        int status;
    } known[] = {
        {LIT("invalid_request_error"), 400}, {LIT("authentication_error"), 401},
        {LIT("billing_error"), 402},         {LIT("permission_error"), 403},
        {LIT("not_found_error"), 404},       {LIT("request_too_large"), 413},
        {LIT("rate_limit_error"), 429},      {LIT("api_error"), 500},
        {LIT("timeout_error"), 504},         {LIT("overloaded_error"), 529},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (slice_equals(type, known[i].type))
            return known[i].status;
    return 500;
}

static void fail_with(struct anthropic_reader *self, struct slice body)
{
    int status = status_of(json_find_string(json_find(body, "error"), "type"));
    const struct error_answer refused = {.status = status, .body = body, .arena = self->base.arena};
    reader_fail(&self->base, anthropic_read_failure(&refused), SENT_REFUSED);
}

/* SDKs choose the error's class by it, and some go on by themselves: a thread that is not found is begun anew with the whole conversation. */
static struct slice details_of(struct slice error, struct arena *arena)
{
    struct slice details = json_find(error, "details");
    return details.len > 0 && details.len <= FAILURE_MESSAGE_MAX && details.ptr[0] == '{' ? arena_copy(arena, details) : SLICE_NONE;
}

struct failure anthropic_read_failure(const struct error_answer *error_answer)
{
    struct slice error = json_find(slice_trim(error_answer->body), "error"), type = json_find_string(error, "type");
    struct slice message = failure_message(error_answer->body, error_answer->status, error_answer->arena);
    struct failure failure = failure_of(error_answer, failure_classify(error_answer->status, SLICE_NONE, message), message);
    if (failure.kind == FAILURE_UNAVAILABLE && type.len > 0) /* a proxy in between may have changed the status */
        failure.kind = failure_classify(status_of(type), SLICE_NONE, message);
    if (slice_equals(type, LIT("request_too_large")))
        failure.code = LIT("request_too_large");
    failure.details_json = details_of(error, error_answer->arena);
    return failure;
}

/* ---------------------------------------------------------------- the two ways in */

void anthropic_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct anthropic_reader *self = (struct anthropic_reader *)reader;
    if (!reader_takes_event(reader, data, "an event of the provider's stream is not JSON"))
        return;
    struct slice type = json_find_string(data, "type"); /* repeats the event's name */
    if (type.len == 0)
        type = name;
    if (!self->base.started && (slice_starts_with(type, LIT("content_")) || slice_equals(type, LIT("message_delta"))))
        reader_fail_incomplete(&self->base, "the provider's stream does not begin with message_start");
    else if (slice_equals(type, LIT("content_block_delta")))
        grow_block(self, json_find(data, "delta"));
    else if (slice_equals(type, LIT("content_block_start")))
        begin_block(self, json_find(data, "content_block"));
    else if (slice_equals(type, LIT("content_block_stop")))
        reader_end_block(&self->base, &self->block);
    else if (slice_equals(type, LIT("message_start")))
        start(self, json_find(data, "message"));
    else if (slice_equals(type, LIT("message_delta"))) {
        take_usage(self, json_find(data, "usage"));
        take_finish(self, json_find(data, "delta"));
    } else if (slice_equals(type, LIT("message_stop"))) {
        if (self->finished)
            reader_end(&self->base);
        else
            reader_fail_incomplete(&self->base, "the provider's stream ended without a stop reason");
    } else if (slice_equals(type, LIT("error"))) {
        fail_with(self, data);
    } else if (slice_equals(type, LIT("ping"))) {
        reader_emit(&self->base, &(struct event){.kind = EVENT_PING});
    }
}

static void read_content(struct anthropic_reader *self, struct slice content)
{
    struct json json = json_list(content);
    struct slice block;
    while (json_next(&json, &block)) {
        begin_block(self, block);
        reader_end_block(&self->base, &self->block);
    }
}

/* {"input_tokens": N} */
static void read_count(struct anthropic_reader *self, struct slice body)
{
    take_count(body, "input_tokens", &self->base.usage.input);
    self->base.usage.known = self->base.usage.input >= 0;
    if (self->base.usage.known)
        reader_end(&self->base);
    else
        reader_fail_incomplete(&self->base, "the provider's answer has no count of tokens");
}

void anthropic_read_answer(struct reader *reader, struct slice body)
{
    struct anthropic_reader *self = (struct anthropic_reader *)reader;
    struct slice text;
    if (!reader_takes_object(reader, body, &text))
        return;
    if (slice_equals(json_find_string(text, "type"), LIT("error")) || !is_null(json_find(text, "error")))
        return fail_with(self, text);
    if (reader->operation == OPERATION_COUNT)
        return read_count(self, text);
    struct slice content = json_find(text, "content");
    if (content.len == 0 || content.ptr[0] != '[')
        return reader_fail_incomplete(&self->base, "the provider's answer has no content");
    start(self, text);
    read_content(self, content);
    take_finish(self, text);
    if (!self->finished)
        return reader_fail_incomplete(&self->base, "the provider's answer has no stop reason");
    reader_end(&self->base);
}
