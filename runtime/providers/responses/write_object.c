/* write_object.c -- the response object: what the request asked, repeated, and what was answered.
 *
 * SDKs take most members for granted, so all of them are always there, null where there is nothing to say.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"

/* A stream repeats the request in three of its events; what is larger than this is left out of them. */
enum { ECHO_MAX = 128 * 1024 };

/* And a request longer than this does not stay for the sake of its echo, but where that is longer still. */
enum { LONG_BODY = 64 * 1024, ECHO_KEPT_MAX = 1024 * 1024 };

static void keep_echo(struct responses_writer *self)
{
    enum { COUNT = sizeof self->echo / sizeof(struct slice) };
    struct slice *values = (struct slice *)&self->echo; /* it has no other members */
    size_t total = 0;
    if (self->brief)
        self->echo.instructions = self->echo.text = SLICE_NONE;
    for (unsigned i = 0; i < COUNT; i++)
        total += values[i].len;
    self->base.needs_body = total > ECHO_KEPT_MAX;
    for (unsigned i = 0; i < COUNT && !self->base.needs_body; i++)
        if (values[i].len > 0)
            values[i] = arena_copy(self->base.arena, values[i]);
}

void responses_read_echo(struct responses_writer *self)
{
    struct responses_echo *echo = &self->echo;
    const struct {
        struct slice name, *value;
    } known[] = {
        {LIT("instructions"), &echo->instructions},
        {LIT("max_output_tokens"), &echo->max_output_tokens},
        {LIT("parallel_tool_calls"), &echo->parallel_tool_calls},
        {LIT("reasoning"), &echo->reasoning},
        {LIT("temperature"), &echo->temperature},
        {LIT("text"), &echo->text},
        {LIT("tool_choice"), &echo->tool_choice},
        {LIT("tools"), &echo->tools},
        {LIT("top_p"), &echo->top_p},
        {LIT("user"), &echo->user},
        {LIT("metadata"), &echo->metadata},
        {LIT("service_tier"), &echo->service_tier},
        {LIT("safety_identifier"), &echo->safety_identifier},
        {LIT("prompt_cache_key"), &echo->prompt_cache_key},
        {LIT("top_logprobs"), &echo->top_logprobs},
    };
    struct json json = json_members(self->base.body);
    struct slice key, value;
    if (json.error != JSON_OK)
        return;
    while (json_pair(&json, &key, &value))
        for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
            if (openai_is(key, known[i].name) && !slice_equals(value, LIT("null")))
                *known[i].value = value;
    self->brief = self->base.stream && echo->instructions.len + echo->tools.len + echo->text.len > ECHO_MAX;
    if (self->base.body.len > LONG_BODY)
        keep_echo(self);
}

static void read_tools(struct responses_writer *self)
{
    static const struct slice custom = LIT("custom"), other = LIT("");
    struct json json = json_list(self->echo.tools);
    struct slice tool;
    self->knows_tools = true;
    while (json_next(&json, &tool)) {
        bool is_custom = openai_is(json_find_string(tool, "type"), custom);
        self->lost |= !lookup_add(&self->tools, self->base.arena, json_find_string(tool, "name"), is_custom ? &custom : &other);
    }
}

bool responses_is_custom(struct responses_writer *self, struct slice name_raw)
{
    if (!self->knows_tools)
        read_tools(self);
    const struct lookup_entry *tool = lookup_first(&self->tools, name_raw);
    return tool != NULL && ((const struct slice *)tool->value)->len > 0;
}

/* A value of the client's, on one line: an LF between its tokens would end the data line of an event. */
static void put_value(struct buffer *out, struct slice json)
{
    size_t from = 0;
    for (size_t i = 0; i < json.len; i++) {
        if (json.ptr[i] != '\n' && json.ptr[i] != '\r')
            continue;
        buffer_append(out, json.ptr + from, i - from);
        buffer_append_byte(out, ' ');
        from = i + 1;
    }
    if (json.len > from)
        buffer_append(out, json.ptr + from, json.len - from);
}

/* Left out where `otherwise` is empty too. */
static void member(struct buffer *out, const char *name, struct slice json, struct slice otherwise)
{
    if (json.len == 0 && otherwise.len == 0)
        return;
    buffer_write(out, ",\"%\":", slice_of(name));
    put_value(out, json.len > 0 ? json : otherwise);
}

/* ---------------------------------------------------------------- items */

void responses_put_logprobs(struct buffer *out, const struct responses_item *item)
{
    buffer_append_lit(out, ",\"logprobs\":[");
    put_value(out, buffer_slice(&item->logprobs));
    buffer_append_byte(out, ']');
}

void responses_put_part(struct buffer *out, const struct responses_item *item, struct slice text)
{
    if (item->kind == ITEM_REASONING)
        return buffer_write(out, "{\"type\":\"summary_text\",\"text\":\"%\"}", text);
    if (item->kind == ITEM_REFUSAL)
        return buffer_write(out, "{\"type\":\"refusal\",\"refusal\":\"%\"}", text);
    buffer_write(out, "{\"type\":\"output_text\",\"text\":\"%\",\"annotations\":[]", text);
    responses_put_logprobs(out, item);
    buffer_append_byte(out, '}');
}

static void put_reasoning(struct buffer *out, const struct responses_item *item)
{
    buffer_append_lit(out, "\"type\":\"reasoning\",\"summary\":[");
    if (item->text.len > 0)
        responses_put_part(out, item, buffer_slice(&item->text));
    buffer_append_byte(out, ']');
    if (item->encrypted.len > 0)
        buffer_write(out, ",\"encrypted_content\":\"%\"", item->encrypted);
}

/* An item that was only begun has nothing in it yet. */
static void put_message(struct buffer *out, const struct responses_item *item, struct slice status)
{
    buffer_write(out, "\"type\":\"message\",\"status\":\"%\",\"role\":\"assistant\",\"content\":[", status);
    if (!slice_equals(status, LIT("in_progress")))
        responses_put_part(out, item, buffer_slice(&item->text));
    buffer_append_byte(out, ']');
}

void responses_put_item(struct buffer *out, const struct responses_item *item, struct slice status)
{
    buffer_write(out, "{\"id\":\"%\",", item->id);
    if (item->kind == ITEM_REASONING)
        put_reasoning(out, item);
    else if (item->kind == ITEM_CUSTOM)
        buffer_write(out, "\"type\":\"custom_tool_call\",\"status\":\"%\",\"call_id\":\"%\",\"name\":\"%\",\"input\":\"%\"", status,
                     item->call_id, item->name, item->input);
    else if (item->kind == ITEM_CALL)
        buffer_write(out, "\"type\":\"function_call\",\"status\":\"%\",\"call_id\":\"%\",\"name\":\"%\",\"arguments\":\"%\"", status,
                     item->call_id, item->name, buffer_slice(&item->text));
    else
        put_message(out, item, status);
    buffer_append_byte(out, '}');
}

static void put_items(const struct responses_writer *self, struct buffer *out)
{
    bool first = true;
    for (const struct responses_item *item = self->items; item != NULL; item = item->next) {
        json_append_comma(out, &first);
        responses_put_item(out, item, item->done && item->complete ? LIT("completed") : LIT("incomplete"));
    }
}

/* ---------------------------------------------------------------- the object */

/* The wire's counts include the cached ones. */
static void put_usage(struct buffer *out, const struct usage *usage)
{
    int64_t read = usage_count(usage->cache_read), written = usage_count(usage->cache_write), output = usage_count(usage->output);
    int64_t input = usage_count(usage->input) + read + written;
    buffer_write(out,
                 ",\"usage\":{\"input_tokens\":%,\"input_tokens_details\":{\"cached_tokens\":%,\"cache_write_tokens\":%},"
                 "\"output_tokens\":%,\"output_tokens_details\":{\"reasoning_tokens\":%},\"total_tokens\":%}",
                 DIGITS(input), DIGITS(read), DIGITS(written), DIGITS(output), DIGITS(usage_count(usage->reasoning)),
                 DIGITS(input + output));
}

static void put_error(struct buffer *out, const struct failure *failure)
{
    if (failure == NULL)
        return buffer_append_lit(out, ",\"error\":null");
    buffer_append_lit(out, ",\"error\":{\"code\":");
    json_append_string(out, responses_failure_code(failure));
    buffer_append_lit(out, ",\"message\":");
    json_append_string(out, failure->message.len > 0 ? failure->message : slice_of(failure_row(failure->kind)->name));
    buffer_append_byte(out, '}');
}

/* effort and summary are always there; format too. */
static void put_choices(const struct responses_echo *echo, struct buffer *out)
{
    struct slice effort = json_find(echo->reasoning, "effort"), summary = json_find(echo->reasoning, "summary");
    buffer_append_lit(out, ",\"reasoning\":{\"effort\":");
    put_value(out, effort.len > 0 ? effort : LIT("null"));
    member(out, "summary", summary, LIT("null"));
    buffer_append_byte(out, '}');
    struct slice format = json_find(echo->text, "format"), verbosity = json_find(echo->text, "verbosity");
    buffer_append_lit(out, ",\"text\":{\"format\":");
    put_value(out, format.len > 0 && format.ptr[0] == '{' ? format : LIT("{\"type\":\"text\"}"));
    member(out, "verbosity", verbosity, SLICE_NONE);
    buffer_append_byte(out, '}');
}

static void put_echo(const struct responses_writer *self, struct buffer *out)
{
    const struct responses_echo *echo = &self->echo;
    bool large = self->brief;
    member(out, "instructions", large ? SLICE_NONE : echo->instructions, LIT("null"));
    member(out, "max_output_tokens", echo->max_output_tokens, LIT("null"));
    member(out, "parallel_tool_calls", echo->parallel_tool_calls, LIT("true"));
    member(out, "previous_response_id", SLICE_NONE, LIT("null"));
    put_choices(large ? &(struct responses_echo){.reasoning = echo->reasoning} : echo, out);
    member(out, "store", SLICE_NONE, LIT("false"));
    member(out, "temperature", echo->temperature, LIT("null"));
    member(out, "tool_choice", echo->tool_choice, LIT("\"auto\""));
    member(out, "tools", large ? SLICE_NONE : echo->tools, LIT("[]"));
    member(out, "top_p", echo->top_p, LIT("null"));
    member(out, "truncation", SLICE_NONE, LIT("\"disabled\""));
    member(out, "user", echo->user, LIT("null"));
    member(out, "metadata", echo->metadata, LIT("{}"));
    member(out, "service_tier", echo->service_tier, SLICE_NONE);
    member(out, "safety_identifier", echo->safety_identifier, SLICE_NONE);
    member(out, "prompt_cache_key", echo->prompt_cache_key, SLICE_NONE);
    member(out, "top_logprobs", echo->top_logprobs, SLICE_NONE);
}

void responses_put_object(const struct responses_writer *self, struct slice status, const struct failure *failure, struct buffer *out)
{
    bool begun = slice_equals(status, LIT("in_progress")), filtered = self->finish == FINISH_CONTENT_FILTER;
    buffer_write(out, "{\"id\":\"%\",\"object\":\"response\",\"created_at\":%,\"status\":\"%\"", self->id, DIGITS(self->base.created),
                 status);
    put_error(out, failure);
    if (slice_equals(status, LIT("incomplete")))
        buffer_write(out, ",\"incomplete_details\":{\"reason\":\"%\"}", filtered ? LIT("content_filter") : LIT("max_output_tokens"));
    else
        buffer_append_lit(out, ",\"incomplete_details\":null");
    buffer_write(out, ",\"model\":\"%\",\"output\":[", self->base.model_raw);
    if (!begun)
        put_items(self, out);
    buffer_append_byte(out, ']');
    put_echo(self, out);
    if (!begun && self->base.usage.known)
        put_usage(out, &self->base.usage);
    else
        buffer_append_lit(out, ",\"usage\":null");
    buffer_append_byte(out, '}');
}
