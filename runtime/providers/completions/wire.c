/* wire.c -- the wire of OpenAI's legacy POST /v1/completions, both ways: one prompt in, one text out.
 *
 * To a vendor that speaks it the client's bytes go on. To another one the prompt becomes the one message of a chat: what a completion can say beyond
 * that (several prompts, a suffix, token ids) is refused by name, never guessed at.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

/* ---------------------------------------------------------------- reading a request */

static bool read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    return openai_scan(OPENAI_COMPLETION, body, arena, facts, complaint);
}

/* The prompt's text: a string, or a list that holds exactly one. */
static bool read_prompt(struct slice prompt_json, struct slice *text_raw, struct complaint *complaint)
{
    struct json json;
    struct slice more;
    json_init(&json, prompt_json, JSON_DEPTH_MAX);
    if (json_peek(&json) == JSON_STRING)
        return json_string(&json, text_raw);
    if (json_peek(&json) != JSON_ARRAY || !json_array(&json) || !json_element(&json) || json_peek(&json) != JSON_STRING)
        return complaint_refuse(complaint, LIT("lists of token ids mean something to their own provider only"), LIT("prompt"));
    if (!json_string(&json, text_raw))
        return false;
    if (json_element(&json) && json_skip(&json, &more))
        return complaint_refuse(complaint, LIT("this provider takes one prompt per request"), LIT("prompt"));
    return true;
}

/* What of a completion no chat can say, and what is only said when it asks for something. */
static bool check_members(struct slice body, struct complaint *complaint)
{
    static const struct slice names[] = {LIT("suffix"), LIT("echo"), LIT("best_of"), LIT("logprobs"), LIT("tools")};
    static const struct slice harmless[] = {LIT("null"), LIT("false"), LIT("1"), LIT("0"), LIT("\"\""), LIT("[]")};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        struct slice value = json_find(body, names[i].ptr);
        bool fine = value.len == 0;
        for (unsigned k = 0; k < sizeof harmless / sizeof *harmless; k++)
            fine = fine || slice_equals(value, harmless[k]);
        if (!fine)
            return complaint_refuse(complaint, LIT("this provider is asked by a chat, which cannot say this"), names[i]);
    }
    return true;
}

/* Read as a chat without messages; what only completions know is taken out of the extras. */
static bool read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    static const struct slice own[] = {LIT("prompt"), LIT("suffix"), LIT("echo"), LIT("best_of")};
    struct slice text = SLICE_NONE;
    if (!openai_read_chat(body, arena, chat, complaint) || !check_members(body, complaint) ||
        !read_prompt(json_find(body, "prompt"), &text, complaint))
        return false;
    for (struct extra **at = &chat->extras; *at != NULL;) {
        bool cut = false;
        for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
            cut |= json_is((*at)->name_raw, own[i]);
        if (cut)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    chat->logprobs = -1;
    struct message *message = arena_zalloc(arena, sizeof *message);
    struct part *part = arena_zalloc(arena, sizeof *part);
    if (message == NULL || part == NULL)
        return complaint_refuse(complaint, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    *part = (struct part){.kind = PART_TEXT, .text_raw = text};
    *message = (struct message){.role = ROLE_USER, .plain = true, .parts = part};
    chat->messages = message;
    return true;
}

/* ---------------------------------------------------------------- writing an answer */

enum { CHOICES_MAX = WRITTEN_CHOICES_MAX, TEXT_MAX = 64 * 1024 * 1024 };

struct choice {
    struct buffer text;
    enum finish finish;
    bool used;
};

struct completions_writer {
    struct writer base;
    struct slice id;
    struct choice *choices; /* whole answers: released at the end */
};

static const struct slice object = LIT("text_completion");

static void writer_begin(struct writer *writer)
{
    struct completions_writer *self = (struct completions_writer *)writer;
    self->id = arena_printf(writer->arena, "cmpl-%.*s", (int)writer->id.len, writer->id.ptr);
}

static struct slice finish_name(enum finish finish)
{
    return finish == FINISH_LENGTH ? LIT("length") : finish == FINISH_CONTENT_FILTER ? LIT("content_filter") : LIT("stop");
}

static void put_choice(struct buffer *out, unsigned index, struct slice text)
{
    buffer_write(out, "{\"text\":\"%\",\"index\":%,\"logprobs\":null,\"finish_reason\":", text, DIGITS(index));
}

/* A refusal is all that this dialect's client gets to read. */
static bool is_text(const struct event *event)
{
    return event->kind == EVENT_TEXT || event->kind == EVENT_REFUSAL;
}

static void put_chunk(const struct completions_writer *self, const struct event *event, struct buffer *out)
{
    buffer_append_lit(out, "data: ");
    openai_put_head(&self->base, self->id, object, out);
    put_choice(out, event->choice, is_text(event) ? event->text_raw : SLICE_NONE);
    if (event->kind == EVENT_FINISH)
        buffer_write(out, "\"%\"}]}\n\n", finish_name(event->finish));
    else
        buffer_append_lit(out, "null}]}\n\n");
}

static void write_streamed(struct completions_writer *self, const struct event *event, struct buffer *out)
{
    if (is_text(event) || event->kind == EVENT_FINISH)
        put_chunk(self, event, out);
    else if (event->kind == EVENT_PING)
        buffer_append_slice(out, slice_of(self->base.wire->ping));
    else if (event->kind == EVENT_END)
        openai_put_stream_end(&self->base, self->id, object, out);
}

static struct choice *choice_of(struct completions_writer *self, unsigned index)
{
    if (self->choices == NULL) {
        self->choices = arena_zalloc(self->base.arena, sizeof *self->choices * CHOICES_MAX);
        for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++)
            buffer_init_counted(&self->choices[i].text, TEXT_MAX, arena_memory(self->base.arena));
    }
    if (self->choices == NULL || index >= CHOICES_MAX)
        return NULL;
    self->choices[index].used = true;
    return &self->choices[index];
}

static void writer_end(struct writer *writer)
{
    struct completions_writer *self = (struct completions_writer *)writer;
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++)
        buffer_free(&self->choices[i].text);
}

static void write_whole(struct completions_writer *self, const struct event *event, struct buffer *out)
{
    struct choice *choice = is_text(event) || event->kind == EVENT_FINISH ? choice_of(self, event->choice) : NULL;
    if (choice != NULL && is_text(event))
        buffer_append_slice(&choice->text, event->text_raw);
    else if (choice != NULL)
        choice->finish = event->finish;
    if (event->kind != EVENT_END)
        return;
    bool first = true;
    choice_of(self, 0);
    openai_put_head(&self->base, self->id, object, out);
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++) {
        if (!self->choices[i].used)
            continue;
        json_append_comma(out, &first);
        put_choice(out, i, buffer_slice(&self->choices[i].text));
        buffer_write(out, "\"%\"}", finish_name(self->choices[i].finish));
        out->overflow |= buffer_has_hole(&self->choices[i].text, out); /* an answer with a hole is none */
    }
    out->overflow |= self->choices == NULL;
    buffer_append_byte(out, ']');
    openai_put_usage(&self->base, out);
    buffer_append_byte(out, '}');
    writer_end(&self->base);
}

static void write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct completions_writer *self = (struct completions_writer *)writer;
    if (writer_takes(writer, event))
        return;
    if (writer->stream)
        write_streamed(self, event, out);
    else
        write_whole(self, event, out);
}

/* ---------------------------------------------------------------- towards a provider */

const struct wire wire_completions = {
    .name = "completions",
    .read_facts = read_facts,
    .read_chat = read_chat,
    .writer_size = sizeof(struct completions_writer),
    .writer_begin = writer_begin,
    .write_event = write_event,
    .writer_end = writer_end,
    .write_failure = openai_write_failure,
    .says_no_calls = true,
    .failure_status = openai_failure_status,
    .paths = {"/completions"},
    .write_path = openai_write_path,
    .write_auth = openai_write_auth,
    .edits = openai_plain_edits,
    .reader_size = OPENAI_READER_SIZE,
    .read_event = openai_read_event,
    .read_answer = openai_read_answer,
    .read_eof = openai_read_eof,
    .read_failure = openai_read_failure,
    .accept_stream = "text/event-stream",
    .ping = ": ping\n\n",
    .end_marker = "data: [DONE]\n\n",
};
