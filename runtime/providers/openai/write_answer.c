/* write_answer.c -- neutral events as an answer of OpenAI's dialect: chunks of a stream, or one whole body.
 *
 * The rules of the stream are those the SDKs lean on: one id, model and created throughout; role and empty content first; tool calls numbered from
 * 0; one finish per choice; usage only when asked, on a chunk without choices; then [DONE].
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

enum { CHOICES_MAX = WRITTEN_CHOICES_MAX, CALLS_SEEN = 512, TEXT_MAX = 64 * 1024 * 1024 };

/* What is gathered of one choice of a whole answer. */
struct choice {
    struct buffer text, reasoning, refusal, calls, blocks, logprobs;
    unsigned open_call;                     /* tool + 1 of the call whose arguments are being written, 0: none */
    struct slice call_signature, signature; /* Google's: of the open call, of the text */
    bool args;                              /* of the open call, some came */
    bool used;
    enum finish finish;
};

struct openai_writer {
    struct writer base;
    struct slice id, model;
    int64_t created;
    struct usage usage;
    uint32_t began;         /* bit per choice: its role was sent */
    uint32_t *open_calls;   /* streamed: a bit per choice and call whose arguments were empty so far; in the arena */
    bool lost;              /* a piece had no place: an answer with a hole is none */
    struct choice *choices; /* whole answers; heap buffers inside, released at EVENT_END */
};

_Static_assert(sizeof(struct openai_writer) <= OPENAI_WRITER_SIZE, "openai.h: OPENAI_WRITER_SIZE");

void openai_writer_begin(struct writer *writer)
{
    struct openai_writer *self = (struct openai_writer *)writer;
    bool whole = slice_starts_with(writer->id, LIT("chatcmpl-"));
    self->id = arena_printf(writer->arena, whole ? "%.*s" : "chatcmpl-%.*s", (int)writer->id.len, writer->id.ptr);
    self->model = json_escape(writer->arena, writer->model);
    self->created = writer->created;
    self->usage = USAGE_UNKNOWN;
}

static void take_start(struct openai_writer *self, const struct event *event)
{
    if (event->id_raw.len > 0) {
        bool own = slice_starts_with(event->id_raw, LIT("chatcmpl-"));
        self->id = own ? arena_copy(self->base.arena, event->id_raw)
                       : arena_printf(self->base.arena, "chatcmpl-%.*s", (int)event->id_raw.len, event->id_raw.ptr);
    }
    if (event->model_raw.len > 0)
        self->model = arena_copy(self->base.arena, event->model_raw);
    if (event->created > 0)
        self->created = event->created;
}

static const char *finish_name(enum finish finish)
{
    static const char *const names[] = {"stop", "stop", "length", "tool_calls", "content_filter"};
    return names[finish];
}

/* The wire's counts include the cached ones. */
void openai_put_usage(struct buffer *out, const struct usage *usage)
{
    int64_t read = usage->cache_read > 0 ? usage->cache_read : 0, written = usage->cache_write > 0 ? usage->cache_write : 0;
    int64_t prompt = (usage->input > 0 ? usage->input : 0) + read + written, completion = usage->output > 0 ? usage->output : 0;
    buffer_append_lit(out, ",\"usage\":{\"prompt_tokens\":");
    buffer_append_int(out, prompt);
    buffer_append_lit(out, ",\"completion_tokens\":");
    buffer_append_int(out, completion);
    buffer_append_lit(out, ",\"total_tokens\":");
    buffer_append_int(out, prompt + completion);
    if (usage->cache_read >= 0 || usage->cache_write >= 0) {
        buffer_append_lit(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
        buffer_append_int(out, read);
        if (usage->cache_write >= 0) {
            buffer_append_lit(out, ",\"cache_write_tokens\":");
            buffer_append_int(out, written);
        }
        buffer_append_byte(out, '}');
    }
    if (usage->reasoning >= 0) {
        buffer_append_lit(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":");
        buffer_append_int(out, usage->reasoning);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

/* ---------------------------------------------------------------- streamed */

static void begin_chunk(struct openai_writer *self, struct buffer *out)
{
    buffer_append_lit(out, "data: {\"id\":");
    json_append_quoted(out, self->id);
    buffer_append_lit(out, ",\"object\":\"chat.completion.chunk\",\"created\":");
    buffer_append_int(out, self->created);
    buffer_append_lit(out, ",\"model\":");
    json_append_quoted(out, self->model);
    buffer_append_lit(out, ",\"choices\":[");
}

static void begin_delta(struct openai_writer *self, unsigned choice, struct buffer *out)
{
    begin_chunk(self, out);
    buffer_append_lit(out, "{\"index\":");
    buffer_append_int(out, choice);
    buffer_append_lit(out, ",\"delta\":{");
}

static void end_delta(struct buffer *out)
{
    buffer_append_lit(out, "},\"finish_reason\":null}]}\n\n");
}

/* Held back until there is something to say: nothing is committed before first content. */
static void put_role(struct openai_writer *self, unsigned choice, struct buffer *out)
{
    uint32_t bit = 1u << (choice % 32);
    if (self->began & bit)
        return;
    self->began |= bit;
    begin_delta(self, choice, out);
    buffer_append_lit(out, "\"role\":\"assistant\",\"content\":\"\"");
    end_delta(out);
}

/* ,"extra_content":{"google":{"thought_signature":…}} */
static void put_signature(struct buffer *out, struct slice signature)
{
    if (signature.len == 0)
        return;
    buffer_append_lit(out, ",\"extra_content\":{\"google\":{\"thought_signature\":");
    json_append_quoted(out, signature);
    buffer_append_lit(out, "}}");
}

static void put_piece(struct openai_writer *self, const struct event *event, struct slice name, struct buffer *out)
{
    put_role(self, event->choice, out);
    begin_delta(self, event->choice, out);
    json_append_quoted(out, name);
    buffer_append_byte(out, ':');
    json_append_quoted(out, event->text_raw);
    put_signature(out, event->signature_raw);
    end_delta(out);
}

static void put_block(struct buffer *out, const struct event *event)
{
    if (event->kind == EVENT_REDACTED) {
        buffer_append_lit(out, "{\"type\":\"redacted_thinking\",\"data\":");
        json_append_quoted(out, event->data_raw);
    } else {
        buffer_append_lit(out, "{\"type\":\"thinking\",\"thinking\":");
        json_append_quoted(out, event->text_raw);
        buffer_append_lit(out, ",\"signature\":");
        json_append_quoted(out, event->signature_raw);
    }
    buffer_append_byte(out, '}');
}

static void put_call_piece(struct openai_writer *self, const struct event *event, struct slice arguments, struct buffer *out)
{
    begin_delta(self, event->choice, out);
    buffer_append_lit(out, "\"tool_calls\":[{\"index\":");
    buffer_append_int(out, event->tool);
    if (event->kind == EVENT_TOOL_BEGIN) {
        buffer_append_lit(out, ",\"id\":");
        json_append_quoted(out, writer_call_id(&self->base, event));
        buffer_append_lit(out, ",\"type\":\"function\",\"function\":{\"name\":");
        json_append_quoted(out, event->name_raw);
        buffer_append_lit(out, ",\"arguments\":\"\"}");
        put_signature(out, event->signature_raw);
        buffer_append_lit(out, "}]");
    } else {
        buffer_append_lit(out, ",\"function\":{\"arguments\":");
        json_append_quoted(out, arguments);
        buffer_append_lit(out, "}}]");
    }
    end_delta(out);
}

/* Where the call's bit is; `unseen` for those beyond what is counted. */
static uint32_t *open_bits(struct openai_writer *self, const struct event *event, uint32_t *unseen)
{
    enum { WORDS = CALLS_SEEN / 32 };
    if (event->choice >= CHOICES_MAX || event->tool >= CALLS_SEEN)
        return unseen;
    if (self->open_calls == NULL)
        self->open_calls = arena_zalloc(self->base.arena, sizeof *self->open_calls * CHOICES_MAX * WORDS);
    return self->open_calls == NULL ? unseen : &self->open_calls[event->choice * WORDS + event->tool / 32];
}

static void stream_call(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    uint32_t unseen = 0, *open = open_bits(self, event, &unseen), bit = 1u << event->tool % 32;
    if (event->kind == EVENT_TOOL_BEGIN) {
        put_role(self, event->choice, out);
        *open |= bit;
        put_call_piece(self, event, SLICE_NONE, out);
    } else if (event->kind == EVENT_TOOL_ARGS) {
        *open &= ~bit;
        put_call_piece(self, event, event->text_raw, out);
    } else if (*open & bit) { /* a call without arguments: clients parse "" as broken JSON */
        *open &= ~bit;
        put_call_piece(self, event, LIT("{}"), out);
    }
}

/* On a chunk of their own, on one line: an LF between tokens would end the data line. */
static void put_logprobs(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    put_role(self, event->choice, out);
    begin_delta(self, event->choice, out);
    buffer_append_lit(out, "},\"logprobs\":{\"content\":");
    for (size_t i = 0; i < event->data_raw.len; i++)
        buffer_append_byte(out, event->data_raw.ptr[i] == '\n' || event->data_raw.ptr[i] == '\r' ? ' ' : event->data_raw.ptr[i]);
    buffer_append_lit(out, ",\"refusal\":null},\"finish_reason\":null}]}\n\n");
}

static void stream_event(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    switch (event->kind) {
    case EVENT_TEXT:
        return put_piece(self, event, LIT("content"), out);
    case EVENT_REASONING:
        return put_piece(self, event, LIT("reasoning_content"), out);
    case EVENT_REFUSAL:
        return put_piece(self, event, LIT("refusal"), out);
    case EVENT_SIGNATURE:
    case EVENT_REDACTED:
        put_role(self, event->choice, out);
        begin_delta(self, event->choice, out);
        buffer_append_lit(out, "\"thinking_blocks\":[");
        put_block(out, event);
        buffer_append_byte(out, ']');
        return end_delta(out);
    case EVENT_TOOL_BEGIN:
    case EVENT_TOOL_ARGS:
    case EVENT_TOOL_END:
        return stream_call(self, event, out);
    case EVENT_LOGPROBS:
        return put_logprobs(self, event, out);
    case EVENT_FINISH:
        put_role(self, event->choice, out);
        begin_delta(self, event->choice, out);
        buffer_printf(out, "},\"finish_reason\":\"%s\"}]}\n\n", finish_name(event->finish));
        return;
    case EVENT_PING:
        buffer_append_slice(out, slice_of(self->base.wire->ping));
        return;
    case EVENT_END:
        if (self->base.include_usage && self->usage.known) {
            begin_chunk(self, out);
            buffer_append_byte(out, ']');
            openai_put_usage(out, &self->usage);
            buffer_append_lit(out, "}\n\n");
        }
        buffer_append_lit(out, "data: [DONE]\n\n");
        return;
    default:
        return;
    }
}

/* ---------------------------------------------------------------- whole */

static struct choice *choice_of(struct openai_writer *self, unsigned index)
{
    if (self->choices == NULL) {
        self->choices = arena_zalloc(self->base.arena, sizeof *self->choices * CHOICES_MAX);
        for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++) {
            struct buffer *buffers[] = {&self->choices[i].text,  &self->choices[i].reasoning, &self->choices[i].refusal,
                                        &self->choices[i].calls, &self->choices[i].blocks,    &self->choices[i].logprobs};
            for (unsigned k = 0; k < sizeof buffers / sizeof *buffers; k++)
                buffer_init_counted(buffers[k], TEXT_MAX, arena_memory(self->base.arena));
        }
    }
    if (self->choices == NULL || index >= CHOICES_MAX) {
        self->lost = true;
        return NULL;
    }
    self->choices[index].used = true;
    return &self->choices[index];
}

static void close_call(struct choice *choice)
{
    if (choice->open_call == 0)
        return;
    buffer_append_slice(&choice->calls, choice->args ? LIT("\"}") : LIT("{}\"}"));
    put_signature(&choice->calls, choice->call_signature);
    buffer_append_byte(&choice->calls, '}');
    choice->open_call = 0;
}

static void gather_call(struct openai_writer *self, struct choice *choice, const struct event *event)
{
    if (event->kind == EVENT_TOOL_END)
        return close_call(choice);
    if (event->kind == EVENT_TOOL_ARGS) { /* pieces of several calls are not mixed in whole answers */
        if (choice->open_call != event->tool + 1) {
            self->lost = true;
            return;
        }
        buffer_append_slice(&choice->calls, event->text_raw);
        choice->args = true;
        return;
    }
    close_call(choice);
    if (choice->calls.len > 0)
        buffer_append_byte(&choice->calls, ',');
    buffer_append_lit(&choice->calls, "{\"id\":");
    json_append_quoted(&choice->calls, writer_call_id(&self->base, event));
    buffer_append_lit(&choice->calls, ",\"type\":\"function\",\"function\":{\"name\":");
    json_append_quoted(&choice->calls, event->name_raw);
    buffer_append_lit(&choice->calls, ",\"arguments\":\"");
    choice->open_call = event->tool + 1;
    choice->args = false;
    choice->call_signature = arena_copy(self->base.arena, event->signature_raw);
}

static void gather(struct openai_writer *self, struct choice *choice, const struct event *event)
{
    switch (event->kind) {
    case EVENT_TEXT:
        if (event->signature_raw.len > 0)
            choice->signature = arena_copy(self->base.arena, event->signature_raw);
        return buffer_append_slice(&choice->text, event->text_raw);
    case EVENT_REASONING:
        return buffer_append_slice(&choice->reasoning, event->text_raw);
    case EVENT_REFUSAL:
        return buffer_append_slice(&choice->refusal, event->text_raw);
    case EVENT_SIGNATURE:
    case EVENT_REDACTED:
        if (choice->blocks.len > 0)
            buffer_append_byte(&choice->blocks, ',');
        return put_block(&choice->blocks, event);
    case EVENT_LOGPROBS:
        if (choice->logprobs.len > 0)
            buffer_append_byte(&choice->logprobs, ',');
        return buffer_append_slice(&choice->logprobs, (struct slice){event->data_raw.ptr + 1, event->data_raw.len - 2});
    case EVENT_FINISH:
        choice->finish = event->finish;
        return;
    default:
        return gather_call(self, choice, event);
    }
}

static bool has_hole(const struct choice *choice, struct buffer *out)
{
    const struct buffer *parts[] = {&choice->text,  &choice->reasoning, &choice->refusal,
                                    &choice->calls, &choice->blocks,    &choice->logprobs};
    bool hole = false;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hole |= buffer_has_hole(parts[i], out);
    return hole;
}

static void put_choice(struct buffer *out, unsigned index, struct choice *choice)
{
    close_call(choice);
    buffer_append_lit(out, "{\"index\":");
    buffer_append_int(out, index);
    buffer_append_lit(out, ",\"message\":{\"role\":\"assistant\",\"content\":");
    if (choice->text.len == 0 && (choice->calls.len > 0 || choice->refusal.len > 0))
        buffer_append_lit(out, "null");
    else
        json_append_quoted(out, buffer_slice(&choice->text));
    buffer_append_lit(out, ",\"refusal\":");
    if (choice->refusal.len > 0)
        json_append_quoted(out, buffer_slice(&choice->refusal));
    else
        buffer_append_lit(out, "null");
    if (choice->reasoning.len > 0) {
        buffer_append_lit(out, ",\"reasoning_content\":");
        json_append_quoted(out, buffer_slice(&choice->reasoning));
    }
    if (choice->blocks.len > 0) {
        buffer_append_lit(out, ",\"thinking_blocks\":[");
        buffer_append_slice(out, buffer_slice(&choice->blocks));
        buffer_append_byte(out, ']');
    }
    if (choice->calls.len > 0) {
        buffer_append_lit(out, ",\"tool_calls\":[");
        buffer_append_slice(out, buffer_slice(&choice->calls));
        buffer_append_byte(out, ']');
    }
    put_signature(out, choice->signature);
    buffer_append_lit(out, "},\"logprobs\":");
    if (choice->logprobs.len > 0) {
        buffer_append_lit(out, "{\"content\":[");
        buffer_append_slice(out, buffer_slice(&choice->logprobs));
        buffer_append_lit(out, "],\"refusal\":null}");
    } else {
        buffer_append_lit(out, "null");
    }
    buffer_printf(out, ",\"finish_reason\":\"%s\"}", finish_name(choice->finish));
}

static void free_choice(struct choice *choice)
{
    buffer_free(&choice->text);
    buffer_free(&choice->reasoning);
    buffer_free(&choice->refusal);
    buffer_free(&choice->calls);
    buffer_free(&choice->blocks);
    buffer_free(&choice->logprobs);
}

static void put_answer(struct openai_writer *self, struct buffer *out)
{
    bool first = true;
    choice_of(self, 0);
    buffer_append_lit(out, "{\"id\":");
    json_append_quoted(out, self->id);
    buffer_append_lit(out, ",\"object\":\"chat.completion\",\"created\":");
    buffer_append_int(out, self->created);
    buffer_append_lit(out, ",\"model\":");
    json_append_quoted(out, self->model);
    buffer_append_lit(out, ",\"choices\":[");
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++) {
        if (self->choices[i].used) {
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            put_choice(out, i, &self->choices[i]);
            self->lost |= has_hole(&self->choices[i], out);
        }
        free_choice(&self->choices[i]);
    }
    buffer_append_byte(out, ']');
    if (self->usage.known)
        openai_put_usage(out, &self->usage);
    buffer_append_byte(out, '}');
    out->overflow |= self->lost;
}

void openai_write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct openai_writer *self = (struct openai_writer *)writer;
    if (event->kind == EVENT_START)
        return take_start(self, event);
    if (event->kind == EVENT_USAGE) {
        self->usage = event->usage;
        return;
    }
    if (writer->stream)
        return stream_event(self, event, out);
    if (event->kind == EVENT_END)
        return put_answer(self, out);
    struct choice *choice = event->kind == EVENT_PING || event->kind == EVENT_ERROR ? NULL : choice_of(self, event->choice);
    if (choice != NULL)
        gather(self, choice, event);
}

/* What a whole answer gathered, when no EVENT_END came: the attempt failed. */
void openai_writer_end(struct writer *writer)
{
    struct openai_writer *self = (struct openai_writer *)writer;
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++)
        free_choice(&self->choices[i]);
}
