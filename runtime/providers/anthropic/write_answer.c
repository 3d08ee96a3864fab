/* write_answer.c -- neutral events as an answer of Anthropic's dialect: events of a stream, or one whole body.
 *
 * The rules of the stream are those the SDKs lean on: message_start first, then blocks numbered from 0 without gaps, one open at a time, then
 * message_delta with the counts and message_stop. Other dialects mix the pieces of several calls: what belongs to a later block waits until the one
 * before it is done. A block of a call is done when its end was said, or when its arguments are a whole JSON value and something else follows.
 * Sources: Anthropic's API reference and SDKs.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

enum block_kind { BLOCK_TEXT, BLOCK_THINKING, BLOCK_REDACTED, BLOCK_TOOL };

struct block {
    struct block *next;
    enum block_kind kind;
    unsigned tool;
    bool begun; /* streamed: its start was written */
    bool ended;
    struct nesting nesting;
    struct slice id, name, signature;
    struct buffer text; /* not written yet: text, thinking, arguments, redacted data */
};

struct anthropic_writer {
    struct writer base;
    struct slice id, model;
    struct block *first, *last; /* in order; streamed: the first is the open one */
    struct block *spare;
    struct call_slots tools; /* those among them that are calls and may still grow */
    unsigned index;          /* of the open block */
    bool started, thinks, silent, refused, lost;
    enum finish finish;
    struct slice stop_sequence;
};

_Static_assert(sizeof(struct anthropic_writer) <= ANTHROPIC_WRITER_SIZE, "anthropic.h: ANTHROPIC_WRITER_SIZE");

/* Reasoning goes only to clients that asked for it; one that asks for no tokens at all wants no content either. One pass: bodies are large. */
static void take_wishes(struct anthropic_writer *self, struct slice body)
{
    struct json json = json_members(body);
    struct slice key, value;
    while (json_pair(&json, &key, &value)) {
        if (anthropic_is(key, LIT("thinking")))
            self->thinks = anthropic_thinks(value);
        else if (anthropic_is(key, LIT("max_tokens")))
            self->silent = slice_equals(value, LIT("0"));
    }
}

void anthropic_writer_begin(struct writer *writer)
{
    struct anthropic_writer *self = (struct anthropic_writer *)writer;
    self->id = writer->id;
    self->model = json_escape(writer->arena, writer->asked.len > 0 ? writer->asked : writer->model);
    take_wishes(self, writer->body);
}

/* {"id":…,"type":"message",…,"content":[; OpenAI's prefix makes room for ours, an id that begins as ours does is kept. */
static void put_head(const struct anthropic_writer *self, struct buffer *out)
{
    struct slice id = self->id, theirs = LIT("chatcmpl-");
    if (slice_starts_with(id, theirs))
        id = (struct slice){id.ptr + theirs.len, id.len - theirs.len};
    buffer_write(out, "{\"id\":\"%%\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"%\",\"content\":[",
                 slice_starts_with(id, LIT("msg_")) ? LIT("") : LIT("msg_"), id, self->model);
}

/* Ids of calls come back in the history, where the API takes letters, digits, '_' and '-' only. */
static struct slice call_id(const struct anthropic_writer *self, const struct event *event)
{
    struct slice id = writer_call_id(&self->base, event);
    char *text = arena_alloc(self->base.arena, id.len + 1);
    for (size_t i = 0; text != NULL && i < id.len; i++) {
        char byte = id.ptr[i];
        bool fine = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
                    byte == '-';
        text[i] = fine ? byte : '_';
    }
    return text == NULL ? SLICE_NONE : (struct slice){text, id.len};
}

static struct slice stop_reason(const struct anthropic_writer *self)
{
    static const struct slice names[] = {LIT("end_turn"), LIT("end_turn"), LIT("max_tokens"), LIT("tool_use"), LIT("refusal")};
    if (self->silent)
        return LIT("max_tokens");
    if (self->refused)
        return LIT("refusal");
    return self->stop_sequence.len > 0 && self->finish == FINISH_STOP ? LIT("stop_sequence") : names[self->finish];
}

/* "stop_reason":…,"stop_sequence":… */
static void put_stop(const struct anthropic_writer *self, struct buffer *out)
{
    struct slice sequence = self->stop_sequence;
    buffer_write(out, sequence.len > 0 ? "\"stop_reason\":\"%\",\"stop_sequence\":\"%\"" : "\"stop_reason\":\"%\",\"stop_sequence\":null%",
                 stop_reason(self), sequence);
}

/* {…}; input excludes what was cached, here as in struct usage. */
static void put_usage(const struct writer *writer, struct buffer *out)
{
    const struct usage *usage = &writer->usage;
    int64_t input = usage_count(usage->known ? usage->input : writer->estimated_input);
    buffer_write(out, "{\"input_tokens\":%,\"cache_creation_input_tokens\":%,\"cache_read_input_tokens\":%,\"output_tokens\":%}",
                 DIGITS(input), DIGITS(usage_count(usage->cache_write)), DIGITS(usage_count(usage->cache_read)),
                 DIGITS(usage_count(usage->output)));
}

/* ---------------------------------------------------------------- blocks */

static struct block *add_block(struct anthropic_writer *self, enum block_kind kind)
{
    struct block *block = self->spare;
    if (block != NULL)
        self->spare = block->next;
    else
        block = arena_alloc(self->base.arena, sizeof *block);
    if (block == NULL) {
        self->lost = true;
        return NULL;
    }
    *block = (struct block){.kind = kind};
    buffer_init_counted(&block->text, TEXT_MAX, arena_memory(self->base.arena));
    if (self->first == NULL)
        self->first = block;
    else
        self->last->next = block;
    self->last = block;
    return block;
}

static struct block *find_tool(const struct anthropic_writer *self, unsigned tool)
{
    return call_slots_get(&self->tools, tool);
}

static void drop_first(struct anthropic_writer *self)
{
    struct block *block = self->first;
    self->first = block->next;
    if (self->first == NULL)
        self->last = NULL;
    if (block->kind == BLOCK_TOOL && find_tool(self, block->tool) == block)
        call_slots_set(&self->tools, self->base.arena, block->tool, NULL);
    buffer_free(&block->text);
    block->next = self->spare;
    self->spare = block;
}

/* ---------------------------------------------------------------- streamed */

static void put_ping(struct buffer *out)
{
    buffer_append_slice(out, slice_of(wire_anthropic.ping));
}

static void begin_stream(struct anthropic_writer *self, struct buffer *out)
{
    if (self->started)
        return;
    self->started = true;
    buffer_append_lit(out, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
    put_head(self, out);
    buffer_append_lit(out, "],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    put_usage(&self->base, out);
    buffer_append_lit(out, "}}\n\n");
    put_ping(out);
}

static void put_delta(const struct anthropic_writer *self, struct buffer *out, struct slice type, struct slice member, struct slice raw)
{
    if (raw.len > 0)
        buffer_write(out,
                     "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":%,"
                     "\"delta\":{\"type\":\"%\",\"%\":\"%\"}}\n\n",
                     DIGITS(self->index), type, member, raw);
}

static void put_piece(const struct anthropic_writer *self, const struct block *block, struct slice piece, struct buffer *out)
{
    if (block->kind == BLOCK_TEXT)
        put_delta(self, out, LIT("text_delta"), LIT("text"), piece);
    else if (block->kind == BLOCK_THINKING)
        put_delta(self, out, LIT("thinking_delta"), LIT("thinking"), piece);
    else if (block->kind == BLOCK_TOOL)
        put_delta(self, out, LIT("input_json_delta"), LIT("partial_json"), piece);
}

/* {…}; of a call only what stands before its arguments. */
static void put_block(struct buffer *out, const struct block *block, struct slice text, struct slice signature)
{
    if (block->kind == BLOCK_TEXT)
        buffer_write(out, "{\"type\":\"text\",\"text\":\"%\"}", text);
    else if (block->kind == BLOCK_THINKING)
        buffer_write(out, "{\"type\":\"thinking\",\"thinking\":\"%\",\"signature\":\"%\"}", text, signature);
    else if (block->kind == BLOCK_REDACTED)
        buffer_write(out, "{\"type\":\"redacted_thinking\",\"data\":\"%\"}", buffer_slice(&block->text));
    else
        buffer_write(out, "{\"type\":\"tool_use\",\"id\":\"%\",\"name\":\"%\",\"input\":", block->id, block->name);
}

static void begin_block(const struct anthropic_writer *self, struct block *block, struct buffer *out)
{
    buffer_write(out,
                 "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":%,\"content_block\":", DIGITS(self->index));
    put_block(out, block, SLICE_NONE, SLICE_NONE);
    buffer_append_slice(out, block->kind == BLOCK_TOOL ? LIT("{}}}\n\n") : LIT("}\n\n"));
    block->begun = true;
    put_piece(self, block, buffer_slice(&block->text), out);
    buffer_free(&block->text);
}

static void end_block(struct anthropic_writer *self, const struct block *block, struct buffer *out)
{
    if (block->kind == BLOCK_THINKING)
        put_delta(self, out, LIT("signature_delta"), LIT("signature"), block->signature);
    buffer_write(out, "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":%}\n\n", DIGITS(self->index));
    self->index++;
}

static bool is_done(const struct block *block)
{
    return block->ended || (block->next != NULL && (block->kind != BLOCK_TOOL || block->nesting.closed));
}

/* Writes what may be written: starts of blocks whose turn it is, ends of those that are done. */
static void advance(struct anthropic_writer *self, struct buffer *out)
{
    for (struct block *block = self->first; block != NULL; block = self->first) {
        self->lost |= buffer_has_hole(&block->text, out);
        if (!block->begun)
            begin_block(self, block, out);
        if (!is_done(block))
            return;
        end_block(self, block, out);
        drop_first(self);
    }
}

static void end_stream(struct anthropic_writer *self, struct buffer *out)
{
    buffer_append_lit(out, "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{");
    put_stop(self, out);
    buffer_append_lit(out, "},\"usage\":");
    put_usage(&self->base, out);
    buffer_append_lit(out, "}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

/* ---------------------------------------------------------------- whole */

/* …}: arguments that are no object would break the client: they are handed over in one, as the text they are. */
static void put_input(const struct anthropic_writer *self, struct slice args_raw, struct buffer *out)
{
    struct slice input = slice_trim(json_unescape(self->base.arena, args_raw));
    struct json json;
    json_init(&json, input, JSON_DEPTH_MAX - 8); /* room for what stands around it */
    if (input.len == 0)
        buffer_append_lit(out, "{}}");
    else if (json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json))
        buffer_write(out, "%}", input);
    else
        buffer_write(out, "{\"_raw\":\"%\"}}", args_raw);
}

static bool is_unsigned(const struct block *block)
{
    return block->kind == BLOCK_THINKING && block->signature.len == 0;
}

/* Reasoning without a signature comes from dialects where it may stand behind the text it led to: here it leads. */
static void put_answer(struct anthropic_writer *self, struct buffer *out)
{
    bool first = true;
    put_head(self, out);
    for (int round = 0; round < 2; round++) {
        for (const struct block *block = self->first; block != NULL; block = block->next) {
            self->lost |= buffer_has_hole(&block->text, out);
            if (is_unsigned(block) != (round == 0))
                continue;
            json_append_comma(out, &first);
            put_block(out, block, buffer_slice(&block->text), block->signature);
            if (block->kind == BLOCK_TOOL)
                put_input(self, buffer_slice(&block->text), out);
        }
    }
    buffer_append_lit(out, "],");
    put_stop(self, out);
    buffer_append_lit(out, ",\"usage\":");
    put_usage(&self->base, out);
    buffer_append_byte(out, '}');
}

/* ---------------------------------------------------------------- events */

static void grow(const struct anthropic_writer *self, struct block *block, struct slice piece, struct buffer *out)
{
    if (block->begun)
        put_piece(self, block, piece, out);
    else
        buffer_append_slice(&block->text, piece);
}

/* Text for the block that grows at the end, or for a new one of that kind. */
static void take_text(struct anthropic_writer *self, enum block_kind kind, struct slice piece, struct buffer *out)
{
    struct block *block = self->last;
    if (piece.len == 0)
        return;
    if (block == NULL || block->kind != kind || block->ended)
        block = add_block(self, kind);
    if (block != NULL)
        grow(self, block, piece, out);
}

/* A block that grows no more. */
static void add_whole(struct anthropic_writer *self, enum block_kind kind, struct slice text, struct slice signature)
{
    struct block *block = add_block(self, kind);
    if (block == NULL)
        return;
    buffer_append_slice(&block->text, text);
    block->signature = signature;
    block->ended = true;
}

static void take_signature(struct anthropic_writer *self, const struct event *event)
{
    struct block *block = self->last;
    struct slice signature = arena_copy(self->base.arena, event->signature_raw);
    if (block == NULL || block->kind != BLOCK_THINKING || block->ended)
        return add_whole(self, BLOCK_THINKING, event->text_raw, signature);
    block->signature = signature;
    block->ended = true;
}

static void begin_tool(struct anthropic_writer *self, const struct event *event)
{
    struct slice signature = event->signature_raw;
    if (signature.len > 0 && self->thinks)
        add_whole(self, BLOCK_THINKING, SLICE_NONE,
                  arena_printf(self->base.arena, ANTHROPIC_GOOGLE "%.*s", (int)signature.len, signature.ptr));
    struct block *block = add_block(self, BLOCK_TOOL);
    if (block == NULL)
        return;
    block->tool = event->tool;
    self->lost |= !call_slots_set(&self->tools, self->base.arena, block->tool, block);
    block->id = call_id(self, event);
    block->name = arena_copy(self->base.arena, event->name_raw);
}

static void take_tool(struct anthropic_writer *self, const struct event *event, struct buffer *out)
{
    struct block *block = find_tool(self, event->tool);
    if (event->kind == EVENT_TOOL_BEGIN)
        return begin_tool(self, event);
    if (block == NULL)
        return; /* its arguments were whole and something else followed */
    if (event->kind == EVENT_TOOL_END) {
        block->ended = true;
        return;
    }
    nesting_follow(&block->nesting, event->text_raw);
    grow(self, block, event->text_raw, out);
}

static void end_all(struct anthropic_writer *self)
{
    for (struct block *block = self->first; block != NULL; block = block->next)
        block->ended = true;
}

static void take_finish(struct anthropic_writer *self, const struct event *event)
{
    self->finish = event->finish;
    self->stop_sequence = arena_copy(self->base.arena, event->stop_sequence_raw);
    end_all(self);
}

static void take_content(struct anthropic_writer *self, const struct event *event, struct buffer *out)
{
    switch (event->kind) {
    case EVENT_REFUSAL:
    case EVENT_TEXT:
        self->refused |= event->kind == EVENT_REFUSAL;
        return take_text(self, BLOCK_TEXT, event->text_raw, out);
    case EVENT_REASONING:
        return take_text(self, BLOCK_THINKING, self->thinks ? event->text_raw : SLICE_NONE, out);
    case EVENT_SIGNATURE:
        if (self->thinks)
            take_signature(self, event);
        return;
    case EVENT_REDACTED:
        if (self->thinks)
            add_whole(self, BLOCK_REDACTED, event->data_raw, SLICE_NONE);
        return;
    case EVENT_TOOL_BEGIN:
    case EVENT_TOOL_ARGS:
    case EVENT_TOOL_END:
        return take_tool(self, event, out);
    default:
        return;
    }
}

static void take_end(struct anthropic_writer *self, struct buffer *out)
{
    if (self->base.stream)
        end_stream(self, out);
    else
        put_answer(self, out);
    anthropic_writer_end(&self->base);
}

void anthropic_write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct anthropic_writer *self = (struct anthropic_writer *)writer;
    if (event->choice > 0) /* this dialect has one answer */
        return;
    if (event->kind == EVENT_START && event->id_raw.len > 0 && !self->started)
        self->id = arena_copy(writer->arena, event->id_raw);
    if (event->kind == EVENT_USAGE)
        writer->usage = event->usage;
    if (event->kind == EVENT_USAGE || event->kind == EVENT_ERROR)
        return;
    if (event->kind == EVENT_PING) {
        if (writer->stream && self->started) /* nothing may stand before message_start */
            put_ping(out);
        return;
    }
    if (writer->stream)
        begin_stream(self, out);
    if (event->kind == EVENT_FINISH)
        take_finish(self, event);
    else if (event->kind == EVENT_END)
        end_all(self); /* no finish was said, or more came behind it */
    else if (!self->silent)
        take_content(self, event, out);
    if (writer->stream)
        advance(self, out);
    if (event->kind == EVENT_END)
        take_end(self, out);
    out->overflow |= self->lost; /* an answer with a hole in it is none */
}

void anthropic_writer_end(struct writer *writer)
{
    struct anthropic_writer *self = (struct anthropic_writer *)writer;
    while (self->first != NULL)
        drop_first(self);
}
