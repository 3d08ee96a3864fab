/* wire.c -- the gateway's own POST /completion: a list of messages in, a text with its provider, usage and cost out.
 *
 *     {messages, model?, provider?, routing_strategy?, fallback?, stream?, ...} -> {content, model, provider, usage, cost_usd, cached, request_id}
 *     streamed: data: {"content": "..."} ... data: [DONE]
 *
 * Without a model it is "auto". Other members are those of OpenAI's chat; tools are refused: an answer of this form could not say a call.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

static bool read_facts(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint)
{
    if (!openai_scan(OPENAI_SIMPLE, body, arena, facts, complaint))
        return false;
    if (facts->needs & NEED_TOOLS)
        return complaint_refuse(complaint, LIT("/completion answers with text only; for tools use /v1/chat/completions"), LIT("tools"));
    return true;
}

static bool read_chat(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint)
{
    int64_t n = 1;
    if (!openai_read_chat(body, arena, chat, complaint))
        return false;
    if (chat->n.len > 0 && (!slice_to_int(chat->n, &n) || n != 1))
        return complaint_refuse(complaint, LIT("/completion gives one answer"), LIT("n"));
    chat->n = SLICE_NONE;
    return true;
}

struct simple_writer {
    struct writer base;
    struct buffer text; /* a whole answer's: released at the end */
};

static void writer_begin(struct writer *writer)
{
    struct simple_writer *self = (struct simple_writer *)writer;
    buffer_init_counted(&self->text, TEXT_MAX, arena_memory(writer->arena));
}

static void writer_end(struct writer *writer)
{
    buffer_free(&((struct simple_writer *)writer)->text);
}

/* Pico-dollars as dollars: twelve digits behind the point, zeros at the end cut. */
static void put_dollars(struct buffer *out, int64_t pico)
{
    static const int64_t DOLLAR = 1000000000000;
    char digits[13];
    int64_t rest = pico % DOLLAR;
    unsigned len = 12;
    buffer_append_int(out, pico / DOLLAR);
    for (unsigned i = 12; i > 0; i--, rest /= 10)
        digits[i - 1] = (char)('0' + rest % 10);
    while (len > 0 && digits[len - 1] == '0')
        len--;
    if (len > 0) {
        buffer_append_byte(out, '.');
        buffer_append(out, digits, len);
    }
}

static void put_answer(struct simple_writer *self, struct buffer *out)
{
    const struct writer *base = &self->base;
    int64_t cost = usage_cost_pico(&base->usage, base->price);
    buffer_write(out, "{\"content\":\"%\",\"model\":\"%\",\"provider\":", buffer_slice(&self->text), base->model_raw);
    json_append_string(out, base->provider);
    openai_put_usage(base, out);
    buffer_append_slice(out, base->usage.known ? LIT(",\"cost_usd\":") : LIT(",\"usage\":null,\"cost_usd\":"));
    if (cost < 0)
        buffer_append_lit(out, "null");
    else
        put_dollars(out, cost);
    buffer_append_lit(out, ",\"cached\":false,\"request_id\":");
    json_append_string(out, base->id);
    buffer_append_byte(out, '}');
    out->overflow |= buffer_has_hole(&self->text, out); /* an answer with a hole is none */
    writer_end(&self->base);
}

static void write_streamed(const struct writer *writer, const struct event *event, struct buffer *out)
{
    if ((event->kind == EVENT_TEXT || event->kind == EVENT_REFUSAL) && event->text_raw.len > 0)
        buffer_write(out, "data: {\"content\": \"%\"}\n\n", event->text_raw);
    else if (event->kind == EVENT_PING)
        buffer_append_slice(out, slice_of(writer->wire->ping));
    else if (event->kind == EVENT_END)
        buffer_append_lit(out, "data: [DONE]\n\n");
}

static void write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct simple_writer *self = (struct simple_writer *)writer;
    if (writer_takes(writer, event))
        return;
    if (writer->stream)
        write_streamed(writer, event, out);
    else if (event->kind == EVENT_TEXT || event->kind == EVENT_REFUSAL)
        buffer_append_slice(&self->text, event->text_raw);
    else if (event->kind == EVENT_END)
        put_answer(self, out);
}

const struct wire wire_simple = {
    .name = "simple",
    .read_facts = read_facts,
    .read_chat = read_chat,
    .writer_size = sizeof(struct simple_writer),
    .writer_begin = writer_begin,
    .write_event = write_event,
    .writer_end = writer_end,
    .write_failure = openai_write_failure,
    .says_no_calls = true,
    .ping = ": ping\n\n",
    .failure_status = openai_failure_status,
};
