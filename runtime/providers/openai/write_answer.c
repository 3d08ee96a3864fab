/* write_answer.c -- neutral events as an answer of OpenAI's dialect: chunks of a stream, or one whole body.
 *
 * The rules of the stream are those the SDKs lean on: one id, model and created throughout; role and empty content first; tool calls numbered from
 * 0; one finish per choice; usage only when asked, on a chunk without choices; then [DONE].
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

enum { CHOICES_MAX = WRITTEN_CHOICES_MAX, CALLS_SEEN = 512, TEXT_MAX = 64 * 1024 * 1024 };

enum piece { TEXT, REASONING, REFUSAL, CALLS, BLOCKS, LOGPROBS, PIECES };

/* What is gathered of one choice of a whole answer. */
struct choice {
    struct buffer pieces[PIECES];
    unsigned open_call;                     /* tool + 1 of the call whose arguments are being written, 0: none */
    struct slice call_signature, signature; /* Google's: of the open call, of the text */
    bool args;                              /* of the open call, some came */
    bool used;
    enum finish finish;
};

struct openai_writer {
    struct writer base;
    struct slice id;
    uint32_t began;         /* bit per choice: its role was sent */
    uint32_t *open_calls;   /* streamed: a bit per choice and call whose arguments were empty so far; in the arena */
    bool lost;              /* a piece had no place: an answer with a hole is none */
    struct choice *choices; /* whole answers; heap buffers inside, released at EVENT_END */
};

_Static_assert(sizeof(struct openai_writer) <= OPENAI_WRITER_SIZE, "openai.h: OPENAI_WRITER_SIZE");

static struct slice make_id(struct arena *arena, struct slice id)
{
    bool own = slice_starts_with(id, LIT("chatcmpl-"));
    return own ? arena_copy(arena, id) : arena_printf(arena, "chatcmpl-%.*s", (int)id.len, id.ptr);
}

void openai_writer_begin(struct writer *writer)
{
    ((struct openai_writer *)writer)->id = make_id(writer->arena, writer->id);
}

static struct slice finish_name(enum finish finish)
{
    static const struct slice names[] = {LIT("stop"), LIT("stop"), LIT("length"), LIT("tool_calls"), LIT("content_filter")};
    return names[finish];
}

void openai_put_head(const struct writer *writer, struct slice id, struct slice object, struct buffer *out)
{
    buffer_write(out, "{\"id\":\"%\",\"object\":\"%\",\"created\":%,\"model\":\"%\",\"choices\":[", id, object, DIGITS(writer->created),
                 writer->model_raw);
}

/* The wire's counts include the cached ones. */
static void put_usage(const struct usage *usage, struct buffer *out)
{
    int64_t read = usage_count(usage->cache_read), written = usage_count(usage->cache_write);
    int64_t prompt = usage_count(usage->input) + read + written, completion = usage_count(usage->output);
    buffer_write(out, ",\"usage\":{\"prompt_tokens\":%,\"completion_tokens\":%,\"total_tokens\":%", DIGITS(prompt), DIGITS(completion),
                 DIGITS(prompt + completion));
    if (usage->cache_read >= 0 || usage->cache_write >= 0)
        buffer_write(out, ",\"prompt_tokens_details\":{\"cached_tokens\":%", DIGITS(read));
    if (usage->cache_write >= 0)
        buffer_write(out, ",\"cache_write_tokens\":%", DIGITS(written));
    if (usage->cache_read >= 0 || usage->cache_write >= 0)
        buffer_append_byte(out, '}');
    if (usage->reasoning >= 0)
        buffer_write(out, ",\"completion_tokens_details\":{\"reasoning_tokens\":%}", DIGITS(usage->reasoning));
    buffer_append_byte(out, '}');
}

void openai_put_usage(const struct writer *writer, struct buffer *out)
{
    if (writer->usage.known)
        put_usage(&writer->usage, out);
}

void openai_put_stream_end(const struct writer *writer, struct slice id, struct slice object, struct buffer *out)
{
    if (writer->include_usage && writer->usage.known) {
        buffer_append_lit(out, "data: ");
        openai_put_head(writer, id, object, out);
        buffer_append_byte(out, ']');
        openai_put_usage(writer, out);
        buffer_append_lit(out, "}\n\n");
    }
    buffer_append_lit(out, "data: [DONE]\n\n");
}

/* ---------------------------------------------------------------- streamed */

static const struct slice chunk = LIT("chat.completion.chunk");

static void begin_delta(struct openai_writer *self, unsigned choice, struct buffer *out)
{
    buffer_append_lit(out, "data: ");
    openai_put_head(&self->base, self->id, chunk, out);
    buffer_write(out, "{\"index\":%,\"delta\":{", DIGITS(choice));
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

/* A delta of a choice that has said its role. */
static void begin_piece(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    put_role(self, event->choice, out);
    begin_delta(self, event->choice, out);
}

static void put_signature(struct buffer *out, struct slice signature)
{
    if (signature.len > 0)
        buffer_write(out, ",\"extra_content\":{\"google\":{\"thought_signature\":\"%\"}}", signature);
}

static void put_text(struct openai_writer *self, const struct event *event, struct slice name, struct buffer *out)
{
    begin_piece(self, event, out);
    buffer_write(out, "\"%\":\"%\"", name, event->text_raw);
    put_signature(out, event->signature_raw);
    end_delta(out);
}

static void put_block(struct buffer *out, const struct event *event)
{
    if (event->kind == EVENT_REDACTED)
        buffer_write(out, "{\"type\":\"redacted_thinking\",\"data\":\"%\"}", event->data_raw);
    else
        buffer_write(out, "{\"type\":\"thinking\",\"thinking\":\"%\",\"signature\":\"%\"}", event->text_raw, event->signature_raw);
}

static void put_call_begin(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    begin_piece(self, event, out);
    buffer_write(out, "\"tool_calls\":[{\"index\":%,\"id\":\"%\",\"type\":\"function\",\"function\":{\"name\":\"%\",\"arguments\":\"\"}",
                 DIGITS(event->tool), writer_call_id(&self->base, event), event->name_raw);
    put_signature(out, event->signature_raw);
    buffer_append_lit(out, "}]");
    end_delta(out);
}

static void put_call_piece(struct openai_writer *self, const struct event *event, struct slice arguments, struct buffer *out)
{
    begin_delta(self, event->choice, out);
    buffer_write(out, "\"tool_calls\":[{\"index\":%,\"function\":{\"arguments\":\"%\"}}]", DIGITS(event->tool), arguments);
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
        *open |= bit;
        put_call_begin(self, event, out);
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
    begin_piece(self, event, out);
    buffer_append_lit(out, "},\"logprobs\":{\"content\":");
    for (size_t i = 0; i < event->data_raw.len; i++)
        buffer_append_byte(out, event->data_raw.ptr[i] == '\n' || event->data_raw.ptr[i] == '\r' ? ' ' : event->data_raw.ptr[i]);
    buffer_append_lit(out, ",\"refusal\":null},\"finish_reason\":null}]}\n\n");
}

static void stream_event(struct openai_writer *self, const struct event *event, struct buffer *out)
{
    switch (event->kind) {
    case EVENT_TEXT:
        return put_text(self, event, LIT("content"), out);
    case EVENT_REASONING:
        return put_text(self, event, LIT("reasoning_content"), out);
    case EVENT_REFUSAL:
        return put_text(self, event, LIT("refusal"), out);
    case EVENT_SIGNATURE:
    case EVENT_REDACTED:
        begin_piece(self, event, out);
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
        begin_piece(self, event, out);
        return buffer_write(out, "},\"finish_reason\":\"%\"}]}\n\n", finish_name(event->finish));
    case EVENT_PING:
        buffer_append_slice(out, slice_of(self->base.wire->ping));
        return;
    case EVENT_END:
        return openai_put_stream_end(&self->base, self->id, chunk, out);
    default:
        return;
    }
}

/* ---------------------------------------------------------------- whole */

static struct choice *choice_of(struct openai_writer *self, unsigned index)
{
    if (self->choices == NULL) {
        self->choices = arena_zalloc(self->base.arena, sizeof *self->choices * CHOICES_MAX);
        for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX * PIECES; i++)
            buffer_init_counted(&self->choices[i / PIECES].pieces[i % PIECES], TEXT_MAX, arena_memory(self->base.arena));
    }
    if (self->choices == NULL || index >= CHOICES_MAX) {
        self->lost = true;
        return NULL;
    }
    self->choices[index].used = true;
    return &self->choices[index];
}

/* Where the next member of a list goes. */
static struct buffer *list_of(struct choice *choice, enum piece piece)
{
    struct buffer *list = &choice->pieces[piece];
    if (list->len > 0)
        buffer_append_byte(list, ',');
    return list;
}

static void close_call(struct choice *choice)
{
    struct buffer *calls = &choice->pieces[CALLS];
    if (choice->open_call == 0)
        return;
    buffer_append_slice(calls, choice->args ? LIT("\"}") : LIT("{}\"}"));
    put_signature(calls, choice->call_signature);
    buffer_append_byte(calls, '}');
    choice->open_call = 0;
}

static void gather_call(struct openai_writer *self, struct choice *choice, const struct event *event)
{
    if (event->kind == EVENT_TOOL_END)
        return close_call(choice);
    if (event->kind == EVENT_TOOL_ARGS) {
        bool mixed = choice->open_call != event->tool + 1; /* with the pieces of another call: a whole answer cannot say so */
        self->lost |= mixed;
        choice->args |= !mixed;
        return buffer_append_slice(&choice->pieces[CALLS], mixed ? SLICE_NONE : event->text_raw);
    }
    close_call(choice);
    buffer_write(list_of(choice, CALLS), "{\"id\":\"%\",\"type\":\"function\",\"function\":{\"name\":\"%\",\"arguments\":\"",
                 writer_call_id(&self->base, event), event->name_raw);
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
        return buffer_append_slice(&choice->pieces[TEXT], event->text_raw);
    case EVENT_REASONING:
        return buffer_append_slice(&choice->pieces[REASONING], event->text_raw);
    case EVENT_REFUSAL:
        return buffer_append_slice(&choice->pieces[REFUSAL], event->text_raw);
    case EVENT_SIGNATURE:
    case EVENT_REDACTED:
        return put_block(list_of(choice, BLOCKS), event);
    case EVENT_LOGPROBS:
        return buffer_append(list_of(choice, LOGPROBS), event->data_raw.ptr + 1, event->data_raw.len - 2);
    case EVENT_FINISH:
        choice->finish = event->finish;
        return;
    default:
        return gather_call(self, choice, event);
    }
}

/* With the template around it; null, or the name left out where `otherwise` is empty, when nothing was gathered. */
static void put_gathered(struct buffer *out, const struct choice *choice, enum piece piece, const char *template, struct slice otherwise)
{
    struct slice text = buffer_slice(&choice->pieces[piece]);
    if (text.len > 0)
        buffer_write(out, template, text);
    else
        buffer_append_slice(out, otherwise);
}

static void put_choice(struct buffer *out, unsigned index, struct choice *choice)
{
    close_call(choice);
    bool said_else = choice->pieces[CALLS].len > 0 || choice->pieces[REFUSAL].len > 0;
    buffer_write(out, "{\"index\":%,\"message\":{\"role\":\"assistant\"", DIGITS(index));
    put_gathered(out, choice, TEXT, ",\"content\":\"%\"", said_else ? LIT(",\"content\":null") : LIT(",\"content\":\"\""));
    put_gathered(out, choice, REFUSAL, ",\"refusal\":\"%\"", LIT(",\"refusal\":null"));
    put_gathered(out, choice, REASONING, ",\"reasoning_content\":\"%\"", SLICE_NONE);
    put_gathered(out, choice, BLOCKS, ",\"thinking_blocks\":[%]", SLICE_NONE);
    put_gathered(out, choice, CALLS, ",\"tool_calls\":[%]", SLICE_NONE);
    put_signature(out, choice->signature);
    put_gathered(out, choice, LOGPROBS, "},\"logprobs\":{\"content\":[%],\"refusal\":null}", LIT("},\"logprobs\":null"));
    buffer_write(out, ",\"finish_reason\":\"%\"}", finish_name(choice->finish));
}

/* What a whole answer gathered; without an EVENT_END when the attempt failed. */
void openai_writer_end(struct writer *writer)
{
    struct openai_writer *self = (struct openai_writer *)writer;
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX * PIECES; i++)
        buffer_free(&self->choices[i / PIECES].pieces[i % PIECES]);
}

static void put_answer(struct openai_writer *self, struct buffer *out)
{
    bool first = true;
    choice_of(self, 0);
    openai_put_head(&self->base, self->id, LIT("chat.completion"), out);
    for (unsigned i = 0; self->choices != NULL && i < CHOICES_MAX; i++) {
        struct choice *choice = &self->choices[i];
        if (!choice->used)
            continue;
        json_append_comma(out, &first);
        put_choice(out, i, choice);
        for (unsigned piece = 0; piece < PIECES; piece++)
            self->lost |= buffer_has_hole(&choice->pieces[piece], out);
    }
    buffer_append_byte(out, ']');
    openai_put_usage(&self->base, out);
    buffer_append_byte(out, '}');
    out->overflow |= self->lost;
    openai_writer_end(&self->base);
}

void openai_write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct openai_writer *self = (struct openai_writer *)writer;
    if (event->kind == EVENT_START && event->id_raw.len > 0)
        self->id = make_id(writer->arena, event->id_raw);
    if (writer_takes(writer, event))
        return;
    if (writer->stream)
        return stream_event(self, event, out);
    if (event->kind == EVENT_END)
        return put_answer(self, out);
    struct choice *choice = event->kind == EVENT_PING || event->kind == EVENT_ERROR ? NULL : choice_of(self, event->choice);
    if (choice != NULL)
        gather(self, choice, event);
}
