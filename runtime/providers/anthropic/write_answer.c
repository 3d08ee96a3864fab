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
    struct usage usage;
};

_Static_assert(sizeof(struct anthropic_writer) <= ANTHROPIC_WRITER_SIZE, "anthropic.h: ANTHROPIC_WRITER_SIZE");

/* Reasoning goes only to clients that asked for it; one that asks for no tokens at all wants no content either. One pass: bodies are large. */
static void take_wishes(struct anthropic_writer *self, struct slice body)
{
    struct json json;
    struct slice key, value;
    json_init(&json, body, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_OBJECT || !json_object(&json))
        return;
    while (json_member(&json, &key) && json_skip(&json, &value)) {
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
    self->usage = USAGE_UNKNOWN;
    take_wishes(self, writer->body);
}

/* OpenAI's prefix makes room for ours; an id that begins as ours does is kept. */
static void put_id(const struct anthropic_writer *self, struct buffer *out)
{
    struct slice id = self->id, theirs = LIT("chatcmpl-");
    if (slice_starts_with(id, theirs))
        id = (struct slice){id.ptr + theirs.len, id.len - theirs.len};
    buffer_append_slice(out, slice_starts_with(id, LIT("msg_")) ? LIT("\"") : LIT("\"msg_"));
    buffer_append_slice(out, id);
    buffer_append_byte(out, '"');
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

static const char *stop_reason(const struct anthropic_writer *self)
{
    static const char *const names[] = {"end_turn", "end_turn", "max_tokens", "tool_use", "refusal"};
    if (self->silent)
        return "max_tokens";
    if (self->refused)
        return "refusal";
    return self->stop_sequence.len > 0 && self->finish == FINISH_STOP ? "stop_sequence" : names[self->finish];
}

/* "stop_reason":…,"stop_sequence":… */
static void put_stop(const struct anthropic_writer *self, struct buffer *out)
{
    buffer_printf(out, "\"stop_reason\":\"%s\",\"stop_sequence\":", stop_reason(self));
    if (self->stop_sequence.len > 0)
        json_append_quoted(out, self->stop_sequence);
    else
        buffer_append_lit(out, "null");
}

static void put_count(struct buffer *out, const char *name, int64_t count)
{
    buffer_printf(out, "\"%s\":%lld", name, (long long)(count > 0 ? count : 0));
}

/* {…}; input excludes what was cached, here as in struct usage. */
static void put_usage(const struct anthropic_writer *self, struct buffer *out)
{
    const struct usage *usage = &self->usage;
    buffer_append_byte(out, '{');
    put_count(out, "input_tokens", usage->known ? usage->input : self->base.estimated_input);
    buffer_append_byte(out, ',');
    put_count(out, "cache_creation_input_tokens", usage->cache_write);
    buffer_append_byte(out, ',');
    put_count(out, "cache_read_input_tokens", usage->cache_read);
    buffer_append_byte(out, ',');
    put_count(out, "output_tokens", usage->output);
    buffer_append_byte(out, '}');
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

static void begin_event(struct buffer *out, const char *name)
{
    struct slice text = slice_of(name);
    buffer_append_lit(out, "event: ");
    buffer_append_slice(out, text);
    buffer_append_lit(out, "\ndata: {\"type\":");
    json_append_quoted(out, text);
}

static void end_event(struct buffer *out)
{
    buffer_append_lit(out, "}\n\n");
}

static void put_ping(struct buffer *out)
{
    buffer_append_slice(out, slice_of(wire_anthropic.ping));
}

static void begin_stream(struct anthropic_writer *self, struct buffer *out)
{
    if (self->started)
        return;
    self->started = true;
    begin_event(out, "message_start");
    buffer_append_lit(out, ",\"message\":{\"id\":");
    put_id(self, out);
    buffer_append_lit(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json_append_quoted(out, self->model);
    buffer_append_lit(out, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":");
    put_usage(self, out);
    buffer_append_byte(out, '}');
    end_event(out);
    put_ping(out);
}

static void put_delta(const struct anthropic_writer *self, struct buffer *out, const char *type, const char *member, struct slice raw)
{
    if (raw.len == 0)
        return;
    begin_event(out, "content_block_delta");
    buffer_append_lit(out, ",\"index\":");
    buffer_append_int(out, self->index);
    buffer_append_lit(out, ",\"delta\":{\"type\":");
    json_append_quoted(out, slice_of(type));
    buffer_append_byte(out, ',');
    json_append_quoted(out, slice_of(member));
    buffer_append_byte(out, ':');
    json_append_quoted(out, raw);
    buffer_append_byte(out, '}');
    end_event(out);
}

static void put_piece(const struct anthropic_writer *self, const struct block *block, struct slice piece, struct buffer *out)
{
    if (block->kind == BLOCK_TEXT)
        put_delta(self, out, "text_delta", "text", piece);
    else if (block->kind == BLOCK_THINKING)
        put_delta(self, out, "thinking_delta", "thinking", piece);
    else if (block->kind == BLOCK_TOOL)
        put_delta(self, out, "input_json_delta", "partial_json", piece);
}

static void begin_block(const struct anthropic_writer *self, struct block *block, struct buffer *out)
{
    begin_event(out, "content_block_start");
    buffer_printf(out, ",\"index\":%u,\"content_block\":", self->index);
    if (block->kind == BLOCK_TEXT) {
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":\"\"}");
    } else if (block->kind == BLOCK_THINKING) {
        buffer_append_lit(out, "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
    } else if (block->kind == BLOCK_REDACTED) {
        buffer_append_lit(out, "{\"type\":\"redacted_thinking\",\"data\":");
        json_append_quoted(out, buffer_slice(&block->text));
        buffer_append_byte(out, '}');
    } else {
        buffer_append_lit(out, "{\"type\":\"tool_use\",\"id\":");
        json_append_quoted(out, block->id);
        buffer_append_lit(out, ",\"name\":");
        json_append_quoted(out, block->name);
        buffer_append_lit(out, ",\"input\":{}}");
    }
    end_event(out);
    block->begun = true;
    put_piece(self, block, buffer_slice(&block->text), out);
    buffer_free(&block->text);
}

static void end_block(struct anthropic_writer *self, const struct block *block, struct buffer *out)
{
    if (block->kind == BLOCK_THINKING)
        put_delta(self, out, "signature_delta", "signature", block->signature);
    begin_event(out, "content_block_stop");
    buffer_printf(out, ",\"index\":%u", self->index);
    end_event(out);
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
    begin_event(out, "message_delta");
    buffer_append_lit(out, ",\"delta\":{");
    put_stop(self, out);
    buffer_append_lit(out, "},\"usage\":");
    put_usage(self, out);
    end_event(out);
    begin_event(out, "message_stop");
    end_event(out);
}

/* ---------------------------------------------------------------- whole */

/* Arguments that are no object would break the client: they are handed over in one, as the text they are. */
static void put_input(const struct anthropic_writer *self, struct slice args_raw, struct buffer *out)
{
    struct slice input = json_unescape(self->base.arena, args_raw);
    struct json json;
    if (slice_trim(input).len == 0) {
        buffer_append_lit(out, "{}");
        return;
    }
    json_init(&json, input, JSON_DEPTH_MAX - 8); /* room for what stands around it */
    if (json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json)) {
        buffer_append_slice(out, slice_trim(input));
        return;
    }
    buffer_append_lit(out, "{\"_raw\":");
    json_append_quoted(out, args_raw);
    buffer_append_byte(out, '}');
}

static void put_block(const struct anthropic_writer *self, const struct block *block, struct buffer *out)
{
    struct slice text = buffer_slice(&block->text);
    switch (block->kind) {
    case BLOCK_TEXT:
        buffer_append_lit(out, "{\"type\":\"text\",\"text\":");
        json_append_quoted(out, text);
        break;
    case BLOCK_THINKING:
        buffer_append_lit(out, "{\"type\":\"thinking\",\"thinking\":");
        json_append_quoted(out, text);
        buffer_append_lit(out, ",\"signature\":");
        json_append_quoted(out, block->signature);
        break;
    case BLOCK_REDACTED:
        buffer_append_lit(out, "{\"type\":\"redacted_thinking\",\"data\":");
        json_append_quoted(out, text);
        break;
    case BLOCK_TOOL:
        buffer_append_lit(out, "{\"type\":\"tool_use\",\"id\":");
        json_append_quoted(out, block->id);
        buffer_append_lit(out, ",\"name\":");
        json_append_quoted(out, block->name);
        buffer_append_lit(out, ",\"input\":");
        put_input(self, text, out);
        break;
    }
    buffer_append_byte(out, '}');
}

static bool is_unsigned(const struct block *block)
{
    return block->kind == BLOCK_THINKING && block->signature.len == 0;
}

/* Reasoning without a signature comes from dialects where it may stand behind the text it led to: here it leads. */
static void put_answer(struct anthropic_writer *self, struct buffer *out)
{
    bool first = true;
    buffer_append_lit(out, "{\"id\":");
    put_id(self, out);
    buffer_append_lit(out, ",\"type\":\"message\",\"role\":\"assistant\",\"model\":");
    json_append_quoted(out, self->model);
    buffer_append_lit(out, ",\"content\":[");
    for (int round = 0; round < 2; round++) {
        for (const struct block *block = self->first; block != NULL; block = block->next) {
            self->lost |= buffer_has_hole(&block->text, out);
            if (is_unsigned(block) != (round == 0))
                continue;
            if (!first)
                buffer_append_byte(out, ',');
            first = false;
            put_block(self, block, out);
        }
    }
    buffer_append_lit(out, "],");
    put_stop(self, out);
    buffer_append_lit(out, ",\"usage\":");
    put_usage(self, out);
    buffer_append_byte(out, '}');
}

/* ---------------------------------------------------------------- events */

/* Text for the block that grows at the end, or for a new one of that kind. */
static void grow(struct anthropic_writer *self, enum block_kind kind, struct slice piece, struct buffer *out)
{
    struct block *block = self->last;
    if (piece.len == 0)
        return;
    if (block == NULL || block->kind != kind || block->ended)
        block = add_block(self, kind);
    if (block == NULL)
        return;
    if (block->begun)
        put_piece(self, block, piece, out);
    else
        buffer_append_slice(&block->text, piece);
}

static void take_signature(struct anthropic_writer *self, const struct event *event)
{
    struct block *block = self->last;
    if (block == NULL || block->kind != BLOCK_THINKING || block->ended) {
        block = add_block(self, BLOCK_THINKING);
        if (block != NULL)
            buffer_append_slice(&block->text, event->text_raw);
    }
    if (block == NULL)
        return;
    block->signature = arena_copy(self->base.arena, event->signature_raw);
    block->ended = true;
}

static void take_redacted(struct anthropic_writer *self, const struct event *event)
{
    struct block *block = add_block(self, BLOCK_REDACTED);
    if (block == NULL)
        return;
    buffer_append_slice(&block->text, event->data_raw);
    block->ended = true;
}

static void begin_tool(struct anthropic_writer *self, const struct event *event)
{
    struct block *block;
    if (event->signature_raw.len > 0 && self->thinks) {
        block = add_block(self, BLOCK_THINKING);
        if (block != NULL) {
            block->signature = arena_printf(self->base.arena, ANTHROPIC_GOOGLE "%.*s", (int)event->signature_raw.len,
                                            event->signature_raw.ptr);
            block->ended = true;
        }
    }
    block = add_block(self, BLOCK_TOOL);
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
    if (block->begun)
        put_piece(self, block, event->text_raw, out);
    else
        buffer_append_slice(&block->text, event->text_raw);
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
        self->refused = true;
        return grow(self, BLOCK_TEXT, event->text_raw, out);
    case EVENT_TEXT:
        return grow(self, BLOCK_TEXT, event->text_raw, out);
    case EVENT_REASONING:
        if (self->thinks)
            grow(self, BLOCK_THINKING, event->text_raw, out);
        return;
    case EVENT_SIGNATURE:
        if (self->thinks)
            take_signature(self, event);
        return;
    case EVENT_REDACTED:
        if (self->thinks)
            take_redacted(self, event);
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
        self->usage = event->usage;
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
