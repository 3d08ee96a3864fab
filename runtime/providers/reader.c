/* reader.c -- what every reader of an answer does with its events: nothing follows an end or a failure, and a failure says whether content came before it.
 * SPDX-License-Identifier: MIT */
#include "providers/reader.h"

enum { THINKING_MAX = 1024 * 1024 };

bool event_is_content(const struct event *event)
{
    switch (event->kind) {
    case EVENT_TEXT:
    case EVENT_REASONING:
    case EVENT_REFUSAL:
        return event->text_raw.len > 0;
    case EVENT_SIGNATURE:
    case EVENT_REDACTED:
    case EVENT_TOOL_BEGIN:
    case EVENT_TOOL_ARGS:
    case EVENT_FINISH:
        return true;
    default:
        return false;
    }
}

void reader_emit(struct reader *reader, const struct event *event)
{
    if (reader->failed || reader->ended)
        return;
    reader->content |= event_is_content(event);
    reader->emitted++;
    reader->emit(reader->owner, event);
}

void reader_fail(struct reader *reader, struct failure failure, enum sent sent)
{
    failure.sent = reader->content ? SENT_CONTENT : sent;
    reader_emit(reader, &(struct event){.kind = EVENT_ERROR, .failure = failure});
    reader->failed |= !reader->ended;
}

void reader_fail_incomplete(struct reader *reader, const char *message)
{
    reader_fail(reader, failure_make(FAILURE_UNAVAILABLE, slice_of(message)), SENT_UNCERTAIN);
}

void reader_start(struct reader *reader, struct slice id_raw, struct slice model_raw, int64_t created)
{
    if (!reader->started)
        reader_emit(reader, &(struct event){.kind = EVENT_START, .id_raw = id_raw, .model_raw = model_raw, .created = created});
    reader->started = true;
}

void reader_end(struct reader *reader)
{
    if (reader->usage.known)
        reader_emit(reader, &(struct event){.kind = EVENT_USAGE, .usage = reader->usage});
    reader_emit(reader, &(struct event){.kind = EVENT_END});
    reader->ended |= !reader->failed;
}

void reader_begin_call(struct reader *reader, unsigned tool, struct slice id_raw, struct slice name_raw)
{
    reader_emit(reader, &(struct event){.kind = EVENT_TOOL_BEGIN, .tool = tool, .id_raw = id_raw, .name_raw = name_raw});
}

void reader_grow_call(struct reader *reader, unsigned choice, unsigned tool, struct slice arguments_raw)
{
    if (arguments_raw.len > 0)
        reader_emit(reader, &(struct event){.kind = EVENT_TOOL_ARGS, .choice = choice, .tool = tool, .text_raw = arguments_raw});
}

void reader_end_call(struct reader *reader, unsigned choice, unsigned tool)
{
    reader_emit(reader, &(struct event){.kind = EVENT_TOOL_END, .choice = choice, .tool = tool});
}

struct slice reader_arguments(struct reader *reader, struct slice object_json)
{
    if (object_json.len <= 2 || object_json.ptr[0] != '{')
        return SLICE_NONE;
    struct slice text = json_escape(reader->arena, json_compact(reader->arena, object_json));
    return slice_equals(text, LIT("{}")) ? SLICE_NONE : text;
}

void reader_emit_text(struct reader *reader, enum event_kind kind, unsigned choice, struct slice text_raw)
{
    if (text_raw.len > 0)
        reader_emit(reader, &(struct event){.kind = kind, .choice = choice, .text_raw = text_raw});
}

bool reader_takes_body(struct reader *reader, struct slice body, struct slice *text)
{
    *text = slice_trim(body);
    if (text->len == 0)
        reader_fail_incomplete(reader, "the provider's answer is empty");
    else if (text->ptr[0] == '<')
        reader_fail_incomplete(reader, "the provider answered with an HTML page");
    return !reader->failed;
}

bool reader_takes_object(struct reader *reader, struct slice body, struct slice *text)
{
    if (!reader_takes_body(reader, body, text))
        return false;
    if (!json_is_object(*text))
        reader_fail_incomplete(reader, "the provider's answer is not valid JSON");
    return !reader->failed;
}

bool reader_takes_event(struct reader *reader, struct slice data, const char *message)
{
    if (slice_trim(data).len == 0)
        return false;
    if (!json_is_object(data))
        reader_fail_incomplete(reader, message);
    return !reader->failed;
}

void reader_begin_block(struct answer_block *block, enum answer_block_kind kind)
{
    *block = (struct answer_block){.kind = kind, .thinking = block->thinking, .signature = block->signature};
    block->thinking.len = block->signature.len = 0;
}

void reader_grow_tool(struct reader *reader, struct answer_block *block, struct slice arguments_raw)
{
    block->grew |= arguments_raw.len > 0;
    if (block->kind == ANSWER_JSON)
        reader_emit_text(reader, EVENT_TEXT, 0, arguments_raw);
    else
        reader_grow_call(reader, 0, block->tool, arguments_raw);
}

void reader_keep_thinking(struct reader *reader, struct answer_block *block, struct slice text_raw, struct slice signature_raw)
{
    block->lost |= block->thinking.len + text_raw.len > THINKING_MAX;
    block->lost = block->lost || !arena_append(reader->arena, &block->thinking, text_raw) ||
                  !arena_append(reader->arena, &block->signature, signature_raw);
}

void reader_end_block(struct reader *reader, struct answer_block *block)
{
    if (block->kind == ANSWER_CALL)
        reader_end_call(reader, 0, block->tool);
    else if (block->kind == ANSWER_JSON && !block->grew)
        reader_emit_text(reader, EVENT_TEXT, 0, LIT("{}"));
    else if (block->kind == ANSWER_THINKING && block->signature.len > 0 && !block->lost)
        reader_emit(reader, &(struct event){.kind = EVENT_SIGNATURE,
                                            .text_raw = {block->thinking.ptr, block->thinking.len},
                                            .signature_raw = {block->signature.ptr, block->signature.len}});
    block->kind = ANSWER_OTHER;
}

enum finish finish_find(const struct finish_word *words, unsigned count, struct slice reason_raw, enum finish otherwise)
{
    for (unsigned i = 0; i < count; i++)
        if (json_is(reason_raw, words[i].word))
            return words[i].finish;
    return otherwise;
}
