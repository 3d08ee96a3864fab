/* read_answer.c -- answers of Ollama's /api/chat and /api/embed, as neutral events.
 *
 * Every line of a stream is a whole answer's object with a piece of the message in it, and a whole answer is such a line that is done: one function reads
 * both. Only a line that is done makes an answer complete; it may bring content itself. Calls come whole, their arguments as objects.
 * SPDX-License-Identifier: MIT */
#include "providers/ollama/ollama.h"

struct ollama_reader {
    struct reader base;
    unsigned tools;
};

_Static_assert(sizeof(struct ollama_reader) <= OLLAMA_READER_SIZE, "ollama.h: OLLAMA_READER_SIZE");

/* ---------------------------------------------------------------- when it was */

/* Digits at a fixed place; -1: they are none. */
static int64_t digits_at(struct slice text, size_t at, size_t len)
{
    int64_t number;
    return at + len <= text.len && slice_to_int((struct slice){text.ptr + at, len}, &number) ? number : -1;
}

/* Days since 1970-01-01 in the Gregorian calendar: years begin in March, so that a leap day is the last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t of_march = month > 2 ? month - 3 : month + 9, from_march = month > 2 ? year : year - 1;
    return 365 * from_march + from_march / 4 - from_march / 100 + from_march / 400 + (153 * of_march + 2) / 5 + day - 1 - 719468;
}

/* RFC 3339 with any fraction of a second: "2026-01-01T00:00:00.123456789Z", "…+02:00". 0: it is not. */
static int64_t seconds_of(struct slice text)
{
    enum { ZONE_MIN = 19 };
    int64_t year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
    int64_t hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2), second = digits_at(text, 17, 2);
    size_t at = ZONE_MIN;
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 ||
        second > 60)
        return 0;
    if (at < text.len && text.ptr[at] == '.')
        for (at++; at < text.len && text.ptr[at] >= '0' && text.ptr[at] <= '9';)
            at++;
    int64_t seconds = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    if (at + 1 == text.len && (text.ptr[at] == 'Z' || text.ptr[at] == 'z'))
        return seconds;
    int64_t east_h = digits_at(text, at + 1, 2), east_m = digits_at(text, at + 4, 2);
    if (at + 6 != text.len || (text.ptr[at] != '+' && text.ptr[at] != '-') || east_h < 0 || east_m < 0)
        return 0;
    return seconds - (text.ptr[at] == '+' ? 1 : -1) * (east_h * 3600 + east_m * 60);
}

/* There is no id in these answers. */
static void start(struct ollama_reader *self, struct slice line)
{
    if (!self->base.started)
        reader_start(&self->base, SLICE_NONE, json_find_string(line, "model"), seconds_of(json_find_string(line, "created_at")));
}

/* ---------------------------------------------------------------- texts and calls */

static void take_call(struct ollama_reader *self, struct slice call)
{
    struct slice function = json_find(call, "function"), arguments = json_find(function, "arguments");
    unsigned tool = self->tools++;
    reader_begin_call(&self->base, tool, json_find_string(call, "id"), json_find_string(function, "name"));
    struct slice text = arguments.len > 2 && arguments.ptr[0] == '"' /* look-alikes write them as OpenAI does */
                            ? (struct slice){arguments.ptr + 1, arguments.len - 2}
                            : reader_arguments(&self->base, arguments);
    if (self->base.arena->overflow)
        return reader_fail_incomplete(&self->base, "the provider's answer is too large");
    reader_grow_call(&self->base, 0, tool, text);
    reader_end_call(&self->base, 0, tool);
}

static void take_message(struct ollama_reader *self, struct slice message)
{
    struct json json = json_list(json_find(message, "tool_calls"));
    struct slice call;
    reader_emit_text(&self->base, EVENT_REASONING, 0, json_find_string(message, "thinking"));
    reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(message, "content"));
    while (json_next(&json, &call))
        take_call(self, call);
}

/* ---------------------------------------------------------------- the end */

/* Zero is left out; what is there and no count is unknown. Where both are left out, none were needed: unless the model said something. */
static int64_t count_of(struct slice line, const char *name, bool *any)
{
    int64_t value;
    struct slice digits = json_find(line, name);
    if (digits.len == 0 || slice_equals(digits, LIT("null")))
        return 0;
    *any = true;
    return json_to_count(digits, &value) ? value : -1;
}

static void take_usage(struct ollama_reader *self, struct slice line)
{
    struct usage *usage = &self->base.usage;
    bool any = false;
    usage->input = count_of(line, "prompt_eval_count", &any);
    usage->output = count_of(line, "eval_count", &any);
    usage->known = (any || !self->base.content) && usage->input >= 0 && usage->output >= 0;
}

/* A model that was only loaded or unloaded (no messages) stopped; so did one that gives no reason. */
static bool finish_of(const struct ollama_reader *self, struct slice reason, enum finish *finish)
{
    static const struct slice stops[] = {LIT("stop"), LIT("load"), LIT("unload"), LIT("")};
    *finish = FINISH_LENGTH;
    if (json_raw_equals(reason, LIT("length")))
        return true;
    *finish = self->tools > 0 ? FINISH_TOOL_CALLS : FINISH_STOP;
    for (unsigned i = 0; i < sizeof stops / sizeof *stops; i++)
        if (json_raw_equals(reason, stops[i]))
            return true;
    return false;
}

static void end(struct ollama_reader *self, struct slice line)
{
    enum finish finish;
    if (!finish_of(self, json_find_string(line, "done_reason"), &finish))
        return reader_fail_incomplete(&self->base, "the provider's answer ended for a reason that is not known");
    take_usage(self, line);
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .finish = finish});
    reader_end(&self->base);
}

/* ---------------------------------------------------------------- lines */

/* {"error":"…"}: the status, when there was one, was written before it was known. */
static bool is_error(struct ollama_reader *self, struct slice line)
{
    struct slice error = json_find(line, "error");
    if (error.len == 0 || slice_equals(error, LIT("null")))
        return false;
    struct slice message = failure_message(line, 0, self->base.arena);
    reader_fail(&self->base, failure_make(failure_classify(0, SLICE_NONE, message), message), SENT_REFUSED);
    return true;
}

static void take_line(struct ollama_reader *self, struct slice line)
{
    struct slice message = json_find(line, "message");
    bool done = slice_equals(json_find(line, "done"), LIT("true"));
    if (is_error(self, line))
        return;
    if (!done && (message.len == 0 || message.ptr[0] != '{'))
        return; /* what is new is passed over */
    start(self, line);
    take_message(self, message);
    if (done)
        end(self, line);
}

void ollama_read_event(struct reader *reader, struct slice name, struct slice data)
{
    (void)name;
    if (reader_takes_event(reader, data, "a line of the provider's stream is not JSON"))
        take_line((struct ollama_reader *)reader, data);
}

/* ---------------------------------------------------------------- whole answers */

static void read_embed(struct ollama_reader *self, struct slice body)
{
    if (is_error(self, body))
        return;
    start(self, body);
    if (!reader_emit_vectors(&self->base, json_find(body, "embeddings")))
        return reader_fail_incomplete(&self->base, "the provider's answer has no embeddings");
    take_usage(self, body);
    reader_end(&self->base);
}

void ollama_read_answer(struct reader *reader, struct slice body)
{
    struct ollama_reader *self = (struct ollama_reader *)reader;
    struct slice text;
    if (!reader_takes_object(reader, body, &text))
        return;
    if (reader->operation == OPERATION_EMBED)
        return read_embed(self, text);
    take_line(self, text);
    if (!reader->failed && !reader->ended)
        reader_fail_incomplete(&self->base, "the provider's answer is not done");
}
