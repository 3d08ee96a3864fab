/* read_answer.c -- answers of Converse, ConverseStream, CountTokens and InvokeModel, as neutral events.
 *
 * A stream is blocks that grow and close between messageStart and messageStop; messageStop is what makes it complete, and one event with the counts follows
 * it. Only blocks of tools are announced: the others begin with their first piece. A frame that is an exception ends the stream as a failure.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

enum { BLOCKS_MAX = 64 /* open at a time */ };

struct block {
    struct answer_block base;
    struct block *next;
    int64_t index;
};

struct bedrock_reader {
    struct reader base;
    struct block *open, *spare;
    unsigned open_count, tools;
    bool json_tool, finished;
};

_Static_assert(sizeof(struct bedrock_reader) <= BEDROCK_READER_SIZE, "bedrock.h: BEDROCK_READER_SIZE");

/* ---------------------------------------------------------------- usage and the end */

/* inputTokens excludes what was read from or written to a cache. */
static void take_usage(struct bedrock_reader *self, struct slice usage)
{
    if (usage.len == 0 || usage.ptr[0] != '{')
        return;
    usage_take_count(usage, "inputTokens", &self->base.usage.input);
    usage_take_count(usage, "outputTokens", &self->base.usage.output);
    usage_take_count(usage, "cacheReadInputTokens", &self->base.usage.cache_read);
    usage_take_count(usage, "cacheWriteInputTokens", &self->base.usage.cache_write);
    usage_take_count(usage, "totalTokens", &self->base.usage.total);
    self->base.usage.known = self->base.usage.input >= 0 && self->base.usage.output >= 0;
}

static const struct finish_word finishes[] = {
    {LIT("end_turn"), FINISH_STOP},
    {LIT("stop_sequence"), FINISH_STOP},
    {LIT("max_tokens"), FINISH_LENGTH},
    {LIT("model_context_window_exceeded"), FINISH_LENGTH},
    {LIT("tool_use"), FINISH_TOOL_CALLS},
    {LIT("guardrail_intervened"), FINISH_CONTENT_FILTER},
    {LIT("content_filtered"), FINISH_CONTENT_FILTER},
    {LIT("refusal"), FINISH_CONTENT_FILTER},
};

/* False: the answer failed. */
static bool take_finish(struct bedrock_reader *self, struct slice reason)
{
    enum finish finish = FINISH_OF(finishes, reason, FINISH_NONE);
    if (self->finished)
        return true;
    if (finish == FINISH_NONE) {
        bool malformed = slice_starts_with(reason, LIT("malformed_"));
        reader_fail_incomplete(&self->base, malformed         ? "the model's output was malformed"
                                            : reason.len == 0 ? "the provider's answer has no stop reason"
                                                              : "the provider's answer stopped for a reason that is not known");
        return false;
    }
    if (finish == FINISH_TOOL_CALLS && self->tools == 0)
        finish = FINISH_STOP; /* the only tool was ours */
    else if (finish == FINISH_STOP && self->tools > 0 && slice_equals(reason, LIT("end_turn")))
        finish = FINISH_TOOL_CALLS; /* calls are to be run, whatever the model says */
    self->finished = true;
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .finish = finish});
    return true;
}

/* ---------------------------------------------------------------- blocks */

static struct block *find_block(struct bedrock_reader *self, int64_t index)
{
    struct block *block = self->open;
    while (block != NULL && block->index != index)
        block = block->next;
    return block;
}

/* NULL: failed. */
static struct block *open_block(struct bedrock_reader *self, int64_t index, enum answer_block_kind kind)
{
    struct block *block = self->spare;
    if (self->open_count == BLOCKS_MAX) {
        reader_fail_incomplete(&self->base, "the provider's answer has too many open blocks");
        return NULL;
    }
    if (block != NULL)
        self->spare = block->next;
    else if ((block = arena_zalloc(self->base.arena, sizeof *block)) == NULL)
        return reader_fail_incomplete(&self->base, "the provider's answer is too large"), NULL;
    reader_begin_block(&block->base, kind);
    block->index = index;
    block->next = self->open;
    self->open = block;
    self->open_count++;
    return block;
}

static void end_block(struct bedrock_reader *self, struct block *block)
{
    struct block **at = &self->open;
    reader_end_block(&self->base, &block->base);
    while (*at != block)
        at = &(*at)->next;
    *at = block->next;
    block->next = self->spare;
    self->spare = block;
    self->open_count--;
}

static struct block *begin_tool(struct bedrock_reader *self, int64_t index, struct slice tool_use)
{
    struct slice name = json_find_string(tool_use, "name");
    bool ours = json_raw_equals(name, LIT(BEDROCK_JSON_TOOL));
    struct block *block = open_block(self, index, ours ? ANSWER_JSON : ANSWER_CALL);
    if (block == NULL)
        return NULL;
    self->json_tool |= ours;
    if (ours)
        return block;
    block->base.tool = self->tools++;
    reader_begin_call(&self->base, block->base.tool, json_find_string(tool_use, "toolUseId"),
                      name_unfit(&self->base, name, &bedrock_tool_rule));
    return block;
}

/* Of a delta and of a whole block's reasoningText alike. */
static void grow_thinking(struct bedrock_reader *self, struct block *block, struct slice object)
{
    struct slice text = json_find_string(object, "text");
    reader_keep_thinking(&self->base, &block->base, text, json_find_string(object, "signature"));
    reader_emit_text(&self->base, EVENT_REASONING, 0, text);
}

static void take_redacted(struct bedrock_reader *self, struct slice reasoning)
{
    struct slice data = json_find_string(reasoning, "redactedContent");
    if (data.len > 0)
        reader_emit(&self->base, &(struct event){.kind = EVENT_REDACTED, .data_raw = data});
}

/* ---------------------------------------------------------------- streams */

static void on_start(struct bedrock_reader *self, struct slice data, int64_t index)
{
    struct slice tool_use = json_find(json_find(data, "start"), "toolUse");
    struct block *block = find_block(self, index);
    if (block != NULL)
        end_block(self, block);
    if (tool_use.len > 0 && tool_use.ptr[0] == '{')
        begin_tool(self, index, tool_use);
}

static void on_delta(struct bedrock_reader *self, struct slice delta, int64_t index)
{
    struct block *block = find_block(self, index);
    struct slice tool_use = json_find(delta, "toolUse"), reasoning = json_find(delta, "reasoningContent");
    if (tool_use.len > 0) {
        if (block == NULL || (block->base.kind != ANSWER_CALL && block->base.kind != ANSWER_JSON))
            return reader_fail_incomplete(&self->base, "the provider's stream has a piece of a tool call that did not begin");
        reader_grow_tool(&self->base, &block->base, json_find_string(tool_use, "input"));
    } else if (reasoning.len > 0) {
        take_redacted(self, reasoning);
        if (block == NULL)
            block = open_block(self, index, ANSWER_THINKING);
        if (block != NULL && block->base.kind == ANSWER_THINKING)
            grow_thinking(self, block, reasoning);
    } else {
        reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(delta, "text"));
    }
}

static void on_stop(struct bedrock_reader *self, struct slice data)
{
    while (self->open != NULL) /* none is left open */
        end_block(self, self->open);
    take_finish(self, json_find_string(data, "stopReason"));
}

static void on_metadata(struct bedrock_reader *self, struct slice data)
{
    take_usage(self, json_find(data, "usage"));
    if (self->finished)
        reader_end(&self->base);
}

static bool is_exception(struct slice name)
{
    static const struct slice tail = LIT("exception");
    return name.len >= tail.len && slice_equals_nocase((struct slice){name.ptr + name.len - tail.len, tail.len}, tail);
}

static bool is_of_answer(struct slice name)
{
    return slice_equals(name, LIT("contentBlockDelta")) || slice_equals(name, LIT("contentBlockStart")) ||
           slice_equals(name, LIT("contentBlockStop")) || slice_equals(name, LIT("messageStop"));
}

void bedrock_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct bedrock_reader *self = (struct bedrock_reader *)reader;
    int64_t index = 0;
    if (is_exception(name))
        return reader_fail(&self->base, bedrock_exception(name, data, reader->arena), SENT_REFUSED);
    if (!json_is_object(data)) /* the frame of an error has text; so would a damaged one */
        return reader_fail(&self->base, bedrock_exception(name, data, reader->arena), SENT_UNCERTAIN);
    usage_take_count(data, "contentBlockIndex", &index);
    if (slice_equals(name, LIT("messageStart"))) {
        reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0); /* there is no id and no model in these answers */
    } else if (slice_equals(name, LIT("metadata"))) {
        on_metadata(self, data);
    } else if (!is_of_answer(name)) {
        return; /* what is new is passed over */
    } else if (!self->base.started) {
        reader_fail_incomplete(&self->base, "the provider's stream does not begin with messageStart");
    } else if (self->finished) {
        reader_fail_incomplete(&self->base, "the provider's stream goes on behind messageStop");
    } else if (slice_equals(name, LIT("contentBlockDelta"))) {
        on_delta(self, json_find(data, "delta"), index);
    } else if (slice_equals(name, LIT("contentBlockStart"))) {
        on_start(self, data, index);
    } else if (slice_equals(name, LIT("contentBlockStop"))) {
        struct block *block = find_block(self, index);
        if (block != NULL)
            end_block(self, block);
    } else {
        on_stop(self, data);
    }
}

/* The counts may be left out; messageStop may not. */
void bedrock_read_eof(struct reader *reader)
{
    struct bedrock_reader *self = (struct bedrock_reader *)reader;
    if (self->finished)
        reader_end(&self->base);
}

/* ---------------------------------------------------------------- whole answers */

/* A text with its sources: what is read aloud are the texts. */
static void read_cited(struct bedrock_reader *self, struct slice content)
{
    struct json json = json_list(content);
    struct slice piece;
    while (json_next(&json, &piece))
        reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(piece, "text"));
}

static void read_block(struct bedrock_reader *self, struct slice text)
{
    struct slice tool_use = json_find(text, "toolUse"), reasoning = json_find(text, "reasoningContent");
    struct block *block = NULL;
    if (tool_use.len > 0) {
        if ((block = begin_tool(self, 0, tool_use)) != NULL)
            reader_grow_tool(&self->base, &block->base, reader_arguments(&self->base, json_find(tool_use, "input")));
    } else if (reasoning.len > 0) {
        take_redacted(self, reasoning);
        struct slice reasoning_text = json_find(reasoning, "reasoningText");
        if (reasoning_text.len > 0 && (block = open_block(self, 0, ANSWER_THINKING)) != NULL)
            grow_thinking(self, block, reasoning_text);
    } else {
        reader_emit_text(&self->base, EVENT_TEXT, 0, json_find_string(text, "text"));
        read_cited(self, json_find(json_find(text, "citationsContent"), "content"));
    }
    if (block != NULL)
        end_block(self, block);
}

static void read_chat(struct bedrock_reader *self, struct slice body)
{
    struct slice content = json_find(json_find(json_find(body, "output"), "message"), "content"), block;
    struct json json = json_list(content);
    if (content.len == 0 || content.ptr[0] != '[')
        return reader_fail_incomplete(&self->base, "the provider's answer has no content");
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    while (json_next(&json, &block))
        read_block(self, block);
    if (!take_finish(self, json_find_string(body, "stopReason")))
        return;
    take_usage(self, json_find(body, "usage"));
    reader_end(&self->base);
}

static void read_count(struct bedrock_reader *self, struct slice body)
{
    usage_take_count(body, "inputTokens", &self->base.usage.input);
    self->base.usage.known = self->base.usage.input >= 0;
    if (!self->base.usage.known)
        return reader_fail_incomplete(&self->base, "the provider's answer has no count of tokens");
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    reader_end(&self->base);
}

void bedrock_read_answer(struct reader *reader, struct slice body)
{
    struct bedrock_reader *self = (struct bedrock_reader *)reader;
    struct slice text, type;
    if (!reader_takes_object(reader, body, &text))
        return;
    type = json_find_string(text, "__type");
    if (type.len > 0)
        return reader_fail(&self->base, bedrock_exception(type, text, reader->arena), SENT_REFUSED);
    if (reader->operation == OPERATION_COUNT)
        return read_count(self, text);
    if (reader->operation == OPERATION_CHAT)
        return read_chat(self, text);
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    if (bedrock_read_vectors(reader, text))
        reader_end(&self->base);
    else
        reader_fail_incomplete(&self->base, "the provider's answer has no embedding");
}
