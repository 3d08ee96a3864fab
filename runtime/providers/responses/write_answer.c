/* write_answer.c -- neutral events as an answer of /v1/responses: items one after another, each announced, grown and closed; then the whole
 * response once more, with its usage.
 *
 * The rules that clients lean on: sequence_number counts every event from 0; output_index counts items in the order they appeared; an id stays the
 * same from `added` to the final response; nothing but response.completed, incomplete or failed ends a stream. Streamed or whole, the same items are
 * gathered, so both say the same.
 * SPDX-License-Identifier: MIT */
#include "providers/responses/responses.h"

enum { TEXT_MAX = 64 * 1024 * 1024 };

void responses_writer_begin(struct writer *writer)
{
    struct responses_writer *self = (struct responses_writer *)writer;
    self->id = arena_printf(writer->arena, "resp_%.*s", (int)writer->id.len, writer->id.ptr);
    self->tail = &self->items;
    responses_read_echo(self);
}

void responses_writer_end(struct writer *writer)
{
    struct responses_writer *self = (struct responses_writer *)writer;
    for (struct responses_item *item = self->items; item != NULL; item = item->next) {
        buffer_free(&item->text);
        buffer_free(&item->logprobs);
    }
}

/* ---------------------------------------------------------------- events */

static void begin_event(struct responses_writer *self, const char *name, struct buffer *out)
{
    struct slice type = slice_of(name);
    buffer_write(out, "event: response.%\ndata: {\"type\":\"response.%\",\"sequence_number\":%", type, type, DIGITS(self->sequence++));
}

static void end_event(struct buffer *out)
{
    buffer_append_lit(out, "}\n\n");
}

static void put_object_event(struct responses_writer *self, const char *name, struct slice status, const struct failure *failure,
                             struct buffer *out)
{
    begin_event(self, name, out);
    buffer_append_lit(out, ",\"response\":");
    responses_put_object(self, status, failure, out);
    end_event(out);
}

/* An event about a whole item. */
static void put_item_event(struct responses_writer *self, const char *name, const struct responses_item *item, struct slice status,
                           struct buffer *out)
{
    begin_event(self, name, out);
    buffer_write(out, ",\"output_index\":%,\"item\":", DIGITS(item->index));
    responses_put_item(out, item, status);
    end_event(out);
}

/* An event about a piece of an item; `index` names the piece's number, which is always 0: "content_index", "summary_index", or NULL. */
static void begin_piece(struct responses_writer *self, const char *name, const struct responses_item *item, const char *index,
                        struct buffer *out)
{
    begin_event(self, name, out);
    buffer_write(out, index == NULL ? ",\"item_id\":\"%\",\"output_index\":%" : ",\"item_id\":\"%\",\"output_index\":%,\"%\":0", item->id,
                 DIGITS(item->index), slice_of(index));
}

static void put_text_event(struct responses_writer *self, const char *name, const struct responses_item *item, const char *index,
                           const char *member, struct slice text, struct buffer *out)
{
    begin_piece(self, name, item, index, out);
    buffer_write(out, ",\"%\":\"%\"", slice_of(member), text);
    if (item->kind == ITEM_TEXT && strcmp(member, "delta") == 0)
        buffer_append_lit(out, ",\"logprobs\":[]"); /* they come with the whole */
    else if (item->kind == ITEM_TEXT)
        responses_put_logprobs(out, item);
    end_event(out);
}

static void put_part_event(struct responses_writer *self, const char *name, const struct responses_item *item, struct slice text,
                           struct buffer *out)
{
    begin_piece(self, name, item, item->kind == ITEM_REASONING ? "summary_index" : "content_index", out);
    buffer_append_lit(out, ",\"part\":");
    responses_put_part(out, item, text);
    end_event(out);
}

/* Held back until there is something to say: nothing is committed before first content. */
static void begin(struct responses_writer *self, struct buffer *out)
{
    if (self->began || !self->base.stream)
        return;
    self->began = true;
    put_object_event(self, "created", LIT("in_progress"), NULL, out);
    put_object_event(self, "in_progress", LIT("in_progress"), NULL, out);
}

/* ---------------------------------------------------------------- the names of an item's events */

struct names {
    const char *prefix;                        /* of its id */
    const char *added, *delta, *done, *closed; /* its part, a piece of it, the whole of it, the part's end */
    const char *index, *whole;                 /* how its part is numbered; what the whole is called */
};

static const struct names *names_of(const struct responses_item *item)
{
    static const struct names names[] = {
        [ITEM_REASONING] = {"rs", "reasoning_summary_part.added", "reasoning_summary_text.delta", "reasoning_summary_text.done",
                            "reasoning_summary_part.done", "summary_index", "text"},
        [ITEM_TEXT] = {"msg", "content_part.added", "output_text.delta", "output_text.done", "content_part.done", "content_index", "text"},
        [ITEM_REFUSAL] = {"msg", "content_part.added", "refusal.delta", "refusal.done", "content_part.done", "content_index", "refusal"},
        [ITEM_CALL] = {"fc", NULL, "function_call_arguments.delta", "function_call_arguments.done", NULL, NULL, "arguments"},
        [ITEM_CUSTOM] = {"ctc", NULL, "custom_tool_call_input.delta", "custom_tool_call_input.done", NULL, NULL, "input"},
    };
    return &names[item->kind];
}

/* ---------------------------------------------------------------- closing */

static bool is_call(const struct responses_item *item)
{
    return item->kind == ITEM_CALL || item->kind == ITEM_CUSTOM;
}

static bool is_whole_json(struct responses_writer *self, const struct responses_item *item)
{
    struct json json;
    json_init(&json, json_unescape(self->base.arena, buffer_slice(&item->text)), JSON_DEPTH_MAX);
    return json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json);
}

/* The text in {"input": "…"}; a model that wrote something else meant it as the text. */
static struct slice unwrap_input(struct responses_writer *self, const struct responses_item *item)
{
    struct slice arguments = buffer_slice(&item->text);
    if (arguments.len == 0 || !is_whole_json(self, item))
        return arguments;
    struct slice value = json_find(json_unescape(self->base.arena, arguments), "input");
    return value.len >= 2 && value.ptr[0] == '"' ? (struct slice){value.ptr + 1, value.len - 2} : arguments;
}

static void put_call_done(struct responses_writer *self, const struct responses_item *item, struct buffer *out)
{
    const struct names *names = names_of(item);
    begin_piece(self, names->done, item, NULL, out);
    if (item->kind == ITEM_CALL)
        buffer_write(out, ",\"name\":\"%\"", item->name);
    buffer_write(out, ",\"%\":\"%\"", slice_of(names->whole), item->kind == ITEM_CUSTOM ? item->input : buffer_slice(&item->text));
    end_event(out);
}

static void close_call(struct responses_writer *self, struct responses_item *item, struct buffer *out)
{
    bool stream = self->base.stream;
    if (item->kind == ITEM_CUSTOM) {
        item->input = unwrap_input(self, item);
        if (stream && item->input.len > 0)
            put_text_event(self, names_of(item)->delta, item, NULL, "delta", item->input, out);
    } else if (item->text.len == 0) { /* clients parse "" as broken JSON */
        buffer_append_lit(&item->text, "{}");
        if (stream)
            put_text_event(self, names_of(item)->delta, item, NULL, "delta", LIT("{}"), out);
    }
    if (stream)
        put_call_done(self, item, out);
}

static void close_item(struct responses_writer *self, struct responses_item *item, bool complete, struct buffer *out)
{
    const struct names *names = names_of(item);
    if (item->done)
        return;
    if (is_call(item)) {
        close_call(self, item, out);
    } else if (self->base.stream && item->begun) {
        put_text_event(self, names->done, item, names->index, names->whole, buffer_slice(&item->text), out);
        put_part_event(self, names->closed, item, buffer_slice(&item->text), out);
    }
    item->done = true;
    item->complete = complete;
    if (self->base.stream)
        put_item_event(self, "output_item.done", item, complete ? LIT("completed") : LIT("incomplete"), out);
    if (self->open == item)
        self->open = NULL;
}

/* No piece of it is expected any more: it is closed before another item opens. */
static void make_ready(struct responses_writer *self, struct responses_item *item)
{
    if (item->ready || item->done)
        return;
    item->ready = true;
    *(self->ready == NULL ? &self->ready : self->ready_tail) = item;
    self->ready_tail = &item->next_ready;
}

/* Before another item opens: text, and calls that are whole. A call that could still grow stays open, so that no piece of it is lost where a provider
 * mixes the pieces of several. */
static void close_before(struct responses_writer *self, struct buffer *out)
{
    struct responses_item *open = self->open;
    if (open != NULL)
        close_item(self, open, true, out);
    for (; self->ready != NULL; self->ready = self->ready->next_ready)
        close_item(self, self->ready, true, out);
}

/* ---------------------------------------------------------------- opening and growing */

static struct responses_item *open_item(struct responses_writer *self, enum responses_item_kind kind, struct buffer *out)
{
    struct writer *writer = &self->base;
    close_before(self, out);
    struct responses_item *item = arena_zalloc(writer->arena, sizeof *item);
    if (item == NULL) {
        self->lost = true;
        return NULL;
    }
    item->kind = kind;
    item->index = self->item_count++;
    item->id = arena_printf(writer->arena, "%s_%.*s%04x", names_of(item)->prefix, (int)writer->id.len, writer->id.ptr, item->index);
    buffer_init_counted(&item->text, TEXT_MAX, arena_memory(self->base.arena));
    buffer_init_counted(&item->logprobs, TEXT_MAX, arena_memory(self->base.arena));
    *self->tail = item;
    self->tail = &item->next;
    if (!is_call(item))
        self->open = item;
    return item;
}

static void announce(struct responses_writer *self, const struct responses_item *item, struct buffer *out)
{
    begin(self, out);
    if (self->base.stream)
        put_item_event(self, "output_item.added", item, LIT("in_progress"), out);
}

static void grow(struct responses_writer *self, struct responses_item *item, struct slice text, struct buffer *out)
{
    const struct names *names = names_of(item);
    if (self->base.stream && !item->begun && names->added != NULL)
        put_part_event(self, names->added, item, SLICE_NONE, out);
    item->begun = true;
    buffer_append_slice(&item->text, text);
    self->lost |= buffer_has_hole(&item->text, out);
    if (self->base.stream && item->kind != ITEM_CUSTOM) /* its text is inside of arguments that are not whole yet */
        put_text_event(self, names->delta, item, names->index, "delta", text, out);
}

/* The item of this kind under way, or a new one. */
static struct responses_item *item_under_way(struct responses_writer *self, enum responses_item_kind kind, struct buffer *out)
{
    if (self->open != NULL && self->open->kind == kind)
        return self->open;
    struct responses_item *item = open_item(self, kind, out);
    if (item != NULL)
        announce(self, item, out);
    return item;
}

/* Reasoning under way, or a new item, takes the seal and is closed with it. */
static void seal(struct responses_writer *self, const char *prefix, struct slice signature, struct slice text, struct buffer *out)
{
    bool anew = self->open == NULL || self->open->kind != ITEM_REASONING;
    struct responses_item *item = item_under_way(self, ITEM_REASONING, out);
    if (item == NULL)
        return;
    if (anew && text.len > 0)
        grow(self, item, text, out);
    item->encrypted = arena_printf(self->base.arena, "%s%.*s", prefix, (int)signature.len, signature.ptr);
    close_item(self, item, true, out);
}

static void take_text(struct responses_writer *self, const struct event *event, enum responses_item_kind kind, struct buffer *out)
{
    struct responses_item *item = event->text_raw.len == 0 ? NULL : item_under_way(self, kind, out);
    if (item != NULL)
        grow(self, item, event->text_raw, out);
    if (event->signature_raw.len > 0 && kind == ITEM_TEXT) {
        if (self->open != NULL)
            close_item(self, self->open, true, out);
        seal(self, RESPONSES_GEMINI_TEXT, event->signature_raw, SLICE_NONE, out);
    }
}

static void take_logprobs(struct responses_writer *self, struct slice list, struct buffer *out)
{
    struct responses_item *item = self->open;
    if (item == NULL || item->kind != ITEM_TEXT)
        return; /* of words that are no text */
    if (item->logprobs.len > 0)
        buffer_append_byte(&item->logprobs, ',');
    buffer_append_slice(&item->logprobs, (struct slice){list.ptr + 1, list.len - 2});
    self->lost |= buffer_has_hole(&item->logprobs, out);
}

static void begin_call(struct responses_writer *self, const struct event *event, struct buffer *out)
{
    struct arena *arena = self->base.arena;
    if (event->signature_raw.len > 0)
        seal(self, RESPONSES_GEMINI, event->signature_raw, SLICE_NONE, out);
    struct responses_item *item = open_item(self, responses_is_custom(self, event->name_raw) ? ITEM_CUSTOM : ITEM_CALL, out);
    if (item == NULL)
        return;
    self->lost |= !call_slots_set(&self->calls, arena, event->tool, item);
    item->call_id = arena_copy(arena, writer_call_id(&self->base, event));
    item->name = arena_copy(arena, event->name_raw);
    announce(self, item, out);
}

/* A whole JSON object can grow no more. It is looked through once, when its last bracket comes. */
static void grow_call(struct responses_writer *self, struct responses_item *item, struct slice piece, struct buffer *out)
{
    bool closed = item->nesting.closed;
    grow(self, item, piece, out);
    nesting_follow(&item->nesting, piece);
    if (!closed && item->nesting.closed && is_whole_json(self, item))
        make_ready(self, item);
}

static void take_call(struct responses_writer *self, const struct event *event, struct buffer *out)
{
    struct responses_item *item = event->kind == EVENT_TOOL_BEGIN ? NULL : call_slots_get(&self->calls, event->tool);
    if (event->kind == EVENT_TOOL_BEGIN)
        begin_call(self, event, out);
    else if (item != NULL && event->kind == EVENT_TOOL_END)
        make_ready(self, item);
    else if (item != NULL && !item->done && event->text_raw.len > 0)
        grow_call(self, item, event->text_raw, out);
}

/* ---------------------------------------------------------------- the end */

static bool is_cut(const struct responses_writer *self)
{
    return self->finish == FINISH_LENGTH || self->finish == FINISH_CONTENT_FILTER;
}

/* What an answer that was cut left open is incomplete; a call is not when its arguments are whole. */
static void close_all(struct responses_writer *self, struct buffer *out)
{
    for (struct responses_item *item = self->items; item != NULL; item = item->next)
        if (!item->done)
            close_item(self, item, !is_cut(self) || (is_call(item) && is_whole_json(self, item)), out);
}

static void finish(struct responses_writer *self, struct buffer *out)
{
    begin(self, out);
    close_all(self, out);
    if (self->lost) { /* an answer with a hole is none: the attempt fails, and EVENT_ERROR ends it */
        out->overflow = true;
        return;
    }
    struct slice status = is_cut(self) ? LIT("incomplete") : LIT("completed");
    if (self->base.stream)
        put_object_event(self, status.ptr, status, NULL, out);
    else
        responses_put_object(self, status, NULL, out);
    responses_writer_end(&self->base);
}

static void fail(struct responses_writer *self, const struct event *event, struct buffer *out)
{
    if (!self->began)
        return; /* nothing was said: the failure stands alone */
    put_object_event(self, "failed", LIT("failed"), &event->failure, out);
}

void responses_write_event(struct writer *writer, const struct event *event, struct buffer *out)
{
    struct responses_writer *self = (struct responses_writer *)writer;
    if (event->choice > 0 || writer_takes(writer, event)) /* this dialect has one answer */
        return;
    switch (event->kind) {
    case EVENT_TEXT:
        return take_text(self, event, ITEM_TEXT, out);
    case EVENT_REASONING:
        return take_text(self, event, ITEM_REASONING, out);
    case EVENT_REFUSAL:
        return take_text(self, event, ITEM_REFUSAL, out);
    case EVENT_LOGPROBS:
        return take_logprobs(self, event->data_raw, out);
    case EVENT_SIGNATURE:
        return seal(self, RESPONSES_CLAUDE, event->signature_raw, event->text_raw, out);
    case EVENT_REDACTED:
        if (self->open != NULL)
            close_item(self, self->open, true, out);
        return seal(self, RESPONSES_CLAUDE_REDACTED, event->data_raw, SLICE_NONE, out);
    case EVENT_TOOL_BEGIN:
    case EVENT_TOOL_ARGS:
    case EVENT_TOOL_END:
        return take_call(self, event, out);
    case EVENT_FINISH:
        self->finish = event->finish;
        begin(self, out);
        return close_all(self, out);
    case EVENT_PING:
        if (writer->stream)
            buffer_append_slice(out, slice_of(writer->wire->ping));
        return;
    case EVENT_END:
        return finish(self, out);
    case EVENT_ERROR:
        return fail(self, event, out);
    default:
        return;
    }
}
