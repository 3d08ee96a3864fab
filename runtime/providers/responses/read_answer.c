/* read_answer.c -- answers of /v1/responses, whole and streamed, as neutral events. The bytes themselves pass: clients of this wire are the only
 * ones that providers are asked for in it.
 *
 * A stream is over at response.completed or response.incomplete and at nothing else; [DONE] or the end of the bytes mean nothing here. Items that
 * only OpenAI knows (its hosted tools) say nothing in neutral words and are passed over.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"

enum { CALLS_MAX = 512 };

struct tool_call {
    int64_t output_index;
    bool grew, ended;
};

struct responses_reader {
    struct reader base;
    struct tool_call *calls; /* in the arena, made at the first call */
    unsigned call_count;
};

_Static_assert(sizeof(struct responses_reader) <= RESPONSES_READER_SIZE, "responses.h: RESPONSES_READER_SIZE");

/* `body` holds the error, or is it. */
static void fail_with(struct responses_reader *self, struct slice body)
{
    const struct error_answer refused = {.body = body, .arena = self->base.arena};
    reader_fail(&self->base, openai_read_failure(&refused), SENT_REFUSED);
}

/* ---------------------------------------------------------------- usage and finish */

static void read_usage(struct responses_reader *self, struct slice object)
{
    struct usage *usage = &self->base.usage;
    struct slice in = json_find(object, "input_tokens_details"), out = json_find(object, "output_tokens_details");
    usage_take_count(object, "input_tokens", &usage->input);
    usage_take_count(object, "output_tokens", &usage->output);
    usage_take_count(object, "total_tokens", &usage->total);
    usage_take_count(in, "cached_tokens", &usage->cache_read);
    usage_take_count(in, "cache_write_tokens", &usage->cache_write);
    usage_take_count(out, "reasoning_tokens", &usage->reasoning);
    usage->known = usage->input >= 0 && usage->output >= 0;
    usage_make_disjoint(usage);
}

/* ---------------------------------------------------------------- items */

static struct tool_call *find_call(struct responses_reader *self, int64_t output_index)
{
    for (unsigned i = self->call_count; i > 0; i--)
        if (self->calls[i - 1].output_index == output_index)
            return &self->calls[i - 1];
    return NULL;
}

static unsigned tool_of(const struct responses_reader *self, const struct tool_call *call)
{
    return (unsigned)(call - self->calls);
}

static struct tool_call *begin_call(struct responses_reader *self, struct slice item, int64_t output_index)
{
    if (self->calls == NULL)
        self->calls = arena_zalloc(self->base.arena, sizeof *self->calls * CALLS_MAX);
    if (self->calls == NULL || self->call_count == CALLS_MAX)
        return reader_fail_incomplete(&self->base, "the provider's answer has too many calls"), NULL;
    struct tool_call *call = &self->calls[self->call_count++];
    call->output_index = output_index;
    reader_begin_call(&self->base, tool_of(self, call), json_find_string(item, "call_id"), json_find_string(item, "name"));
    return call;
}

static void grow_call(struct responses_reader *self, struct tool_call *call, struct slice arguments)
{
    if (call->ended || arguments.len == 0)
        return;
    call->grew = true;
    reader_grow_call(&self->base, 0, tool_of(self, call), arguments);
}

/* The text of a custom tool as the arguments of the function that stands for it. */
static struct slice wrap_input(struct responses_reader *self, struct slice input)
{
    struct slice object = arena_printf(self->base.arena, "{\"input\":\"%.*s\"}", (int)input.len, input.ptr);
    return json_escape(self->base.arena, object);
}

static void end_call(struct responses_reader *self, struct tool_call *call, struct slice item)
{
    if (call->ended)
        return;
    if (!call->grew)
        grow_call(self, call,
                  slice_equals(json_find_string(item, "type"), LIT("custom_tool_call")) ? wrap_input(self, json_find_string(item, "input"))
                                                                                        : json_find_string(item, "arguments"));
    call->ended = true;
    reader_end_call(&self->base, 0, tool_of(self, call));
}

static bool is_call(struct slice type)
{
    return slice_equals(type, LIT("function_call")) || slice_equals(type, LIT("custom_tool_call"));
}

static void emit_texts(struct responses_reader *self, enum event_kind kind, struct slice list)
{
    struct json json = json_list(list);
    struct slice part;
    while (json_next(&json, &part)) {
        struct slice refusal = kind == EVENT_TEXT ? json_find_string(part, "refusal") : SLICE_NONE;
        struct slice text = refusal.len > 0 ? refusal : json_find_string(part, "text");
        reader_emit_text(&self->base, refusal.len > 0 ? EVENT_REFUSAL : kind, 0, text);
    }
}

/* All that a finished item says. */
static void read_item(struct responses_reader *self, struct slice item, int64_t output_index)
{
    struct slice type = json_find_string(item, "type");
    if (is_call(type)) {
        struct tool_call *call = begin_call(self, item, output_index);
        if (call != NULL)
            end_call(self, call, item);
    } else if (slice_equals(type, LIT("message"))) {
        emit_texts(self, EVENT_TEXT, json_find(item, "content"));
    } else if (slice_equals(type, LIT("reasoning"))) {
        emit_texts(self, EVENT_REASONING, json_find(item, "content"));
        emit_texts(self, EVENT_REASONING, json_find(item, "summary"));
    }
}

static void read_output(struct responses_reader *self, struct slice list)
{
    struct json json = json_list(list);
    struct slice item;
    for (int64_t index = 0; json_next(&json, &item); index++)
        read_item(self, item, index);
}

/* ---------------------------------------------------------------- the response */

static void start(struct responses_reader *self, struct slice response)
{
    int64_t created = 0;
    usage_take_count(response, "created_at", &created);
    reader_start(&self->base, json_find_string(response, "id"), json_find_string(response, "model"), created);
}

/* The end, by the object's own status: what is neither completed nor incomplete failed. */
static void end(struct responses_reader *self, struct slice response)
{
    struct slice status = json_find_string(response, "status");
    struct slice reason = json_find_string(json_find(response, "incomplete_details"), "reason");
    bool incomplete = slice_equals(status, LIT("incomplete"));
    struct slice error = json_find(response, "error");
    if (error.len > 0 && error.ptr[0] == '{')
        return fail_with(self, response);
    if (!incomplete && !slice_equals(status, LIT("completed")))
        return reader_fail_incomplete(&self->base, "the provider's response was not completed");
    start(self, response);
    if (!self->base.content)
        read_output(self, json_find(response, "output"));
    for (unsigned i = 0; i < self->call_count; i++)
        if (!self->calls[i].ended)
            end_call(self, &self->calls[i], SLICE_NONE);
    enum finish finish = !incomplete                                   ? (self->call_count > 0 ? FINISH_TOOL_CALLS : FINISH_STOP)
                         : slice_equals(reason, LIT("content_filter")) ? FINISH_CONTENT_FILTER
                                                                       : FINISH_LENGTH;
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .finish = finish});
    read_usage(self, json_find(response, "usage"));
    reader_end(&self->base);
}

/* ---------------------------------------------------------------- one event of a stream */

/* The members of an event that are looked at. */
struct said {
    struct slice type, delta;    /* raw strings */
    struct slice item, response; /* JSON values */
    int64_t output_index;
};

static bool read_said(struct slice data, struct said *said)
{
    struct json json = json_members(data);
    struct slice key, value, digits = SLICE_NONE;
    *said = (struct said){.output_index = -1};
    while (json_pair(&json, &key, &value)) {
        struct slice inside = value.len >= 2 && value.ptr[0] == '"' ? (struct slice){value.ptr + 1, value.len - 2} : SLICE_NONE;
        if (slice_equals(key, LIT("type")))
            said->type = inside;
        else if (slice_equals(key, LIT("delta")))
            said->delta = inside;
        else if (slice_equals(key, LIT("item")))
            said->item = value;
        else if (slice_equals(key, LIT("response")))
            said->response = value;
        else if (slice_equals(key, LIT("output_index")))
            digits = value;
    }
    if (digits.len > 0 && !json_to_count(digits, &said->output_index))
        said->output_index = -1;
    return json_finish(&json);
}

static void read_delta(struct responses_reader *self, const struct said *said, enum event_kind kind)
{
    start(self, SLICE_NONE);
    reader_emit_text(&self->base, kind, 0, said->delta);
}

static void read_item_event(struct responses_reader *self, const struct said *said, bool done)
{
    struct tool_call *call;
    start(self, SLICE_NONE);
    if (!is_call(json_find_string(said->item, "type")))
        return;
    call = find_call(self, said->output_index);
    if (call == NULL)
        call = begin_call(self, said->item, said->output_index);
    if (call != NULL && done)
        end_call(self, call, said->item);
}

static void read_arguments(struct responses_reader *self, const struct said *said)
{
    struct tool_call *call = find_call(self, said->output_index);
    if (call != NULL)
        grow_call(self, call, said->delta);
}

void responses_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct responses_reader *self = (struct responses_reader *)reader;
    struct said said;
    (void)name; /* the data repeats it */
    struct slice text = slice_trim(data);
    if (text.len == 0 || slice_equals(text, LIT("[DONE]")))
        return;
    if (!read_said(data, &said))
        return reader_fail_incomplete(&self->base, "an event of the provider's stream is not JSON");
    struct slice type = said.type;
    if (slice_equals(type, LIT("response.output_text.delta")))
        read_delta(self, &said, EVENT_TEXT);
    else if (slice_equals(type, LIT("response.function_call_arguments.delta")))
        read_arguments(self, &said);
    else if (slice_equals(type, LIT("response.reasoning_summary_text.delta")) || slice_equals(type, LIT("response.reasoning_text.delta")))
        read_delta(self, &said, EVENT_REASONING);
    else if (slice_equals(type, LIT("response.refusal.delta")))
        read_delta(self, &said, EVENT_REFUSAL);
    else if (slice_equals(type, LIT("response.output_item.added")) || slice_equals(type, LIT("response.output_item.done")))
        read_item_event(self, &said, type.ptr[type.len - 1] == 'e');
    else if (slice_equals(type, LIT("response.created")) || slice_equals(type, LIT("response.in_progress")))
        start(self, said.response);
    else if (slice_equals(type, LIT("response.completed")) || slice_equals(type, LIT("response.incomplete")))
        end(self, said.response);
    else if (slice_equals(type, LIT("response.failed")) || slice_equals(type, LIT("response.cancelled")))
        fail_with(self, said.response);
    else if (slice_equals(type, LIT("error")) || (type.len == 0 && json_find(data, "error").len > 0))
        fail_with(self, data);
}

void responses_read_answer(struct reader *reader, struct slice body)
{
    struct slice text;
    if (reader_takes_object(reader, body, &text))
        end((struct responses_reader *)reader, text);
}
