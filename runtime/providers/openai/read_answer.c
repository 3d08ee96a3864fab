/* read_answer.c -- answers of OpenAI's dialect, whole and streamed, as neutral events; and what a client of the same dialect may get of
 * each chunk.
 *
 * Every chunk is parsed once, by the same code whether its bytes pass on or are written anew, so that usage, finish and failures are
 * known either way. Repairs for "compatible" servers are the generic rules of the wire pack: missing indexes, ids that change, arguments
 * that are objects, usage in several places.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

enum { CALLS_MAX = 512, CHOICES_MAX = 32, SHAPE_MAX = 1024 };

struct tool_call {
    struct slice id;
    unsigned choice, upstream_index, tool;
};

struct openai_reader {
    struct reader base;
    uint32_t began, finished; /* bit per choice */
    uint32_t has_calls;       /* bit per choice */
    unsigned tool_count[CHOICES_MAX];
    struct tool_call *calls; /* in the arena, made at the first call */
    unsigned call_count;
    char *rewritten; /* in the arena, used again for each chunk: a long stream must not grow with its length */
    size_t rewritten_size;

    /* The shape of an ordinary chunk: all but its text. Most chunks of a stream differ from the one before in nothing else. */
    char *shape;
    size_t prefix_len, suffix_len;
    unsigned shape_choice;
    struct slice last_text; /* the last EVENT_TEXT among them */
};

_Static_assert(sizeof(struct openai_reader) <= OPENAI_READER_SIZE, "openai.h: OPENAI_READER_SIZE");

/* ---------------------------------------------------------------- pieces of text and calls */

static void emit_text(struct openai_reader *self, enum event_kind kind, unsigned choice, struct slice text)
{
    if (kind == EVENT_TEXT && text.len > 0) {
        self->last_text = text;
        self->shape_choice = choice;
    }
    reader_emit_text(&self->base, kind, choice, text);
}

/* Mistral: content as a list of chunks: {"type":"thinking","thinking":[{"type":"text",…}]} and {"type":"text","text":…}. */
static void read_content_list(struct openai_reader *self, struct json *json, unsigned choice)
{
    struct slice raw;
    json_array(json);
    while (json_next(json, &raw)) {
        struct slice thinking = json_find(raw, "thinking"), piece;
        struct json inner = json_list(thinking);
        if (thinking.len == 0)
            emit_text(self, EVENT_TEXT, choice, json_find_string(raw, "text"));
        while (json_next(&inner, &piece))
            emit_text(self, EVENT_REASONING, choice, json_find_string(piece, "text"));
    }
}

static void read_text(struct openai_reader *self, struct json *json, enum event_kind kind, unsigned choice)
{
    struct slice text;
    if (json_peek(json) == JSON_STRING) {
        if (json_string(json, &text))
            emit_text(self, kind, choice, text);
    } else if (kind == EVENT_TEXT && json_peek(json) == JSON_ARRAY) {
        read_content_list(self, json, choice);
    } else {
        json_skip(json, NULL);
    }
}

struct call_piece {
    struct slice id, name, arguments, signature;
    int64_t index; /* -1: not given */
};

static void read_call_function(struct openai_reader *self, struct json *json, struct call_piece *piece)
{
    struct slice key, object;
    if (!json_enter(json, JSON_OBJECT))
        return;
    while (json_member(json, &key)) {
        enum json_type type = json_peek(json);
        if (openai_is(key, LIT("name")) && type == JSON_STRING) {
            json_string(json, &piece->name);
        } else if (openai_is(key, LIT("arguments")) && type == JSON_STRING) {
            json_string(json, &piece->arguments);
        } else if (openai_is(key, LIT("arguments")) && type == JSON_OBJECT) {
            if (json_skip(json, &object))
                piece->arguments = json_escape(self->base.arena, object);
        } else {
            json_skip(json, NULL);
        }
    }
}

/* The open call this piece belongs to: by index, unless a new id says that another one begins at the same index. */
static struct tool_call *find_call(struct openai_reader *self, unsigned choice, const struct call_piece *piece, unsigned position)
{
    unsigned index = piece->index >= 0 ? (unsigned)piece->index : position;
    for (unsigned i = self->call_count; i > 0; i--) {
        struct tool_call *call = &self->calls[i - 1];
        if (call->choice != choice || call->upstream_index != index)
            continue;
        return piece->id.len == 0 || slice_equals(piece->id, call->id) ? call : NULL;
    }
    return NULL;
}

static struct tool_call *begin_call(struct openai_reader *self, unsigned choice, const struct call_piece *piece, unsigned position)
{
    if (self->calls == NULL)
        self->calls = arena_alloc(self->base.arena, sizeof *self->calls * CALLS_MAX);
    if (self->calls == NULL || self->call_count == CALLS_MAX)
        return reader_fail_incomplete(&self->base, "the provider's answer has too many calls"), NULL;
    struct tool_call *call = &self->calls[self->call_count++];
    call->choice = choice;
    call->upstream_index = piece->index >= 0 ? (unsigned)piece->index : position;
    call->tool = self->tool_count[choice]++;
    call->id = arena_copy(self->base.arena, piece->id);
    self->has_calls |= 1u << choice;
    struct event event = {.kind = EVENT_TOOL_BEGIN,
                          .choice = choice,
                          .tool = call->tool,
                          .id_raw = call->id,
                          .name_raw = name_unfit(&self->base, piece->name, &openai_names),
                          .signature_raw = piece->signature};
    reader_emit(&self->base, &event);
    return call;
}

/* This wire has no end of a call but the finish of its choice. */
static void end_calls(struct openai_reader *self, unsigned choice)
{
    for (unsigned i = 0; (self->has_calls & 1u << choice) && i < self->call_count; i++)
        if (self->calls[i].choice == choice)
            reader_end_call(&self->base, choice, self->calls[i].tool);
}

static void read_call(struct openai_reader *self, struct json *json, unsigned choice, unsigned position)
{
    struct call_piece piece = {.index = -1};
    struct slice key, extra;
    json_object(json);
    while (json_member(json, &key)) {
        if (openai_is(key, LIT("index")))
            openai_count(json, &piece.index);
        else if (openai_is(key, LIT("id")) && json_peek(json) == JSON_STRING)
            json_string(json, &piece.id);
        else if (openai_is(key, LIT("function")))
            read_call_function(self, json, &piece);
        else if (openai_is(key, LIT("extra_content")) && json_skip(json, &extra))
            piece.signature = openai_thought_signature(extra);
        else
            json_skip(json, NULL);
    }
    struct tool_call *call = find_call(self, choice, &piece, position);
    if (call == NULL)
        call = begin_call(self, choice, &piece, position);
    if (call != NULL)
        reader_grow_call(&self->base, choice, call->tool, piece.arguments);
}

static void read_calls(struct openai_reader *self, struct json *json, unsigned choice)
{
    unsigned position = 0;
    if (!json_enter(json, JSON_ARRAY))
        return;
    while (json_element(json)) {
        if (json_peek(json) == JSON_OBJECT)
            read_call(self, json, choice, position++);
        else
            json_skip(json, NULL);
    }
}

static bool is_reasoning(struct slice key)
{
    return openai_is(key, LIT("reasoning_content")) || openai_is(key, LIT("reasoning"));
}

/* Reasoning came before what it led to, wherever a whole message puts it. */
static void read_reasoning_first(struct openai_reader *self, struct json json, unsigned choice)
{
    struct slice key;
    while (json_member(&json, &key))
        if (is_reasoning(key))
            read_text(self, &json, EVENT_REASONING, choice);
        else
            json_skip(&json, NULL);
}

/* `message` of a whole answer, `delta` of a chunk: the same members. */
static void read_message(struct openai_reader *self, struct json *json, unsigned choice, bool whole)
{
    struct slice key;
    if (!json_enter(json, JSON_OBJECT))
        return;
    if (whole)
        read_reasoning_first(self, *json, choice);
    while (json_member(json, &key)) {
        if (openai_is(key, LIT("content")))
            read_text(self, json, EVENT_TEXT, choice);
        else if (is_reasoning(key) && !whole)
            read_text(self, json, EVENT_REASONING, choice);
        else if (openai_is(key, LIT("refusal")))
            read_text(self, json, EVENT_REFUSAL, choice);
        else if (openai_is(key, LIT("tool_calls")))
            read_calls(self, json, choice);
        else
            json_skip(json, NULL);
    }
}

/* ---------------------------------------------------------------- choices */

static const struct finish_word finishes[] = {
    {LIT("stop"), FINISH_STOP},
    {LIT("length"), FINISH_LENGTH},
    {LIT("tool_calls"), FINISH_TOOL_CALLS},
    {LIT("function_call"), FINISH_TOOL_CALLS},
    {LIT("content_filter"), FINISH_CONTENT_FILTER},
    {LIT("eos"), FINISH_STOP},            /* COMPAT(together, 2026-04) */
    {LIT("model_length"), FINISH_LENGTH}, /* COMPAT(mistral, 2026-06) */
    {LIT("error"), FINISH_NONE},          /* the model failed */
    {LIT("insufficient_system_resource"), FINISH_NONE},
};

/* What one chunk turned out to hold, for passing it on. */
struct chunk {
    bool has_choices, no_choices, has_usage, has_error; /* no_choices: a list of none */
    struct span usage;                                  /* the member with one comma */
    enum failure_kind kind;
};

static void read_choice(struct openai_reader *self, struct json *json, unsigned position)
{
    struct slice key, reason = SLICE_NONE, logprobs = SLICE_NONE;
    int64_t choice = position;
    json_object(json); /* every server puts the index before the delta */
    while (json_member(json, &key)) {
        if (openai_is(key, LIT("index")))
            openai_count(json, &choice);
        else if (choice >= CHOICES_MAX) /* more than a client may ask for: it is left out, not mixed into another */
            json_skip(json, NULL);
        else if (openai_is(key, LIT("delta")) || openai_is(key, LIT("message")))
            read_message(self, json, (unsigned)choice, openai_is(key, LIT("message")));
        else if (self->base.wire == &wire_completions && openai_is(key, LIT("text")))
            read_text(self, json, EVENT_TEXT, (unsigned)choice);
        else if (openai_is(key, LIT("finish_reason")) && json_peek(json) == JSON_STRING)
            json_string(json, &reason);
        else if (openai_is(key, LIT("logprobs")) && json_peek(json) == JSON_OBJECT)
            json_skip(json, &logprobs);
        else
            json_skip(json, NULL);
    }
    if (choice >= CHOICES_MAX)
        return;
    self->began |= 1u << choice;
    struct slice list = json_find(logprobs, "content");
    if (list.len > 2 && list.ptr[0] == '[' && json->error == JSON_OK)
        reader_emit(&self->base, &(struct event){.kind = EVENT_LOGPROBS, .choice = (unsigned)choice, .data_raw = list});
    if (reason.len == 0 || (self->finished & 1u << choice) || json->error != JSON_OK)
        return;
    enum finish finish = FINISH_OF(finishes, reason, FINISH_STOP);
    if (finish == FINISH_NONE)
        return reader_fail(&self->base, failure_make(FAILURE_UNAVAILABLE, LIT("the provider says that the model failed")), SENT_REFUSED);
    if (finish == FINISH_STOP && (self->has_calls & 1u << choice))
        finish = FINISH_TOOL_CALLS;
    end_calls(self, (unsigned)choice);
    self->finished |= 1u << choice;
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .choice = (unsigned)choice, .finish = finish});
}

static bool read_choices(struct openai_reader *self, struct json *json)
{
    unsigned position = 0;
    if (!json_enter(json, JSON_ARRAY))
        return false;
    while (json_element(json)) {
        if (json_peek(json) == JSON_OBJECT)
            read_choice(self, json, position++);
        else
            json_skip(json, NULL);
    }
    return position > 0;
}

/* ---------------------------------------------------------------- errors inside an answer */

/* {"error": …} where an answer should be. */
static void fail_with(struct openai_reader *self, struct slice body)
{
    struct error_answer refused = {.body = body, .arena = self->base.arena};
    struct slice error = json_find(body, "error"), code = json_find(error.len > 0 && error.ptr[0] == '{' ? error : body, "code");
    if (code.len > 2 && code.ptr[0] == '"') /* Azure: digits in a string */
        code = (struct slice){code.ptr + 1, code.len - 2};
    int64_t status = 0;
    if (slice_to_int(code, &status) && status >= 400 && status < 600) /* OpenRouter, vLLM: the code is a status */
        refused.status = (int)status;
    struct failure failure = openai_read_failure(&refused);
    failure.status = (int)status;
    reader_fail(&self->base, failure, SENT_REFUSED);
}

/* ---------------------------------------------------------------- a chunk, an answer */

/* COMPAT(groq, 2026-08): usage and errors of a stream may stand here and nowhere else. */
static void read_x_groq(struct openai_reader *self, struct json *json, struct chunk *chunk, struct usage *usage)
{
    struct slice raw;
    struct json inner;
    if (!json_skip(json, &raw))
        return;
    struct slice own = json_find(raw, "usage");
    json_init(&inner, own, JSON_DEPTH_MAX);
    if (!chunk->has_usage && own.len > 0)
        chunk->has_usage = openai_read_usage(self->base.vendor, &inner, usage);
    chunk->has_error |= json_find_string(raw, "error").len > 0;
}

/* From `from` to the end of the value just read; the first member takes the comma behind it along, any other one the comma before it. */
static struct span usage_span(struct json *json, struct slice data, size_t from, bool first)
{
    size_t end = (size_t)(json->at - data.ptr);
    while (first && end < data.len && data.ptr[end] != '}' && data.ptr[end] != ',')
        end++;
    end += first && end < data.len && data.ptr[end] == ',';
    return (struct span){from, end - from};
}

/* Choices are read only after id and model are known: START comes first whatever the order of members. */
static void read_body(struct openai_reader *self, struct slice data, struct chunk *chunk)
{
    struct json json, choices_at = {.start = NULL};
    struct slice key, id = SLICE_NONE, model = SLICE_NONE, choices = SLICE_NONE, object;
    struct usage usage = {.known = false};
    int64_t created = 0;
    size_t last_end = 0;
    bool first = true;
    json_init(&json, data, JSON_DEPTH_MAX);
    if (!json_object(&json))
        return reader_fail_incomplete(&self->base, "the provider's answer is not JSON");
    while (json_member(&json, &key)) {
        size_t key_at = (size_t)(key.ptr - 1 - data.ptr);
        enum json_type type = json_peek(&json);
        if (openai_is(key, LIT("choices"))) {
            choices_at = json;
            json_skip(&json, &choices);
        } else if (openai_is(key, LIT("id")) && type == JSON_STRING) {
            json_string(&json, &id);
        } else if (openai_is(key, LIT("model")) && type == JSON_STRING) {
            json_string(&json, &model);
        } else if (openai_is(key, LIT("created"))) {
            openai_count(&json, &created);
        } else if (openai_is(key, LIT("usage"))) {
            chunk->has_usage = openai_read_usage(self->base.vendor, &json, &usage);
            chunk->usage = usage_span(&json, data, first ? key_at : last_end, first);
        } else if (openai_is(key, LIT("x_groq")) && type == JSON_OBJECT) {
            read_x_groq(self, &json, chunk, &usage);
        } else if (openai_is(key, LIT("error")) && type != JSON_NULL) {
            chunk->has_error = true;
            json_skip(&json, NULL);
        } else if (openai_is(key, LIT("object")) && type == JSON_STRING) {
            json_string(&json, &object);
            chunk->has_error |= openai_is(object, LIT("error")); /* COMPAT(vllm, 2026-08): older ones, whose errors are flat */
        } else {
            json_skip(&json, NULL);
        }
        last_end = (size_t)(json.at - data.ptr);
        first = false;
    }
    if (!json_finish(&json))
        return reader_fail_incomplete(&self->base, "the provider's answer is not valid JSON");
    if (chunk->has_error)
        return fail_with(self, data);
    /* COMPAT(azure, 2026-08): a first chunk that names nothing and lists no choice only says what filters found. */
    if (id.len + model.len > 0 || !slice_equals(choices, LIT("[]")) || chunk->has_usage)
        reader_start(&self->base, id, model, created);
    if (choices_at.start != NULL) {
        chunk->no_choices = json_peek(&choices_at) == JSON_ARRAY;
        chunk->has_choices = read_choices(self, &choices_at);
        chunk->no_choices &= !chunk->has_choices;
    }
    if (chunk->has_usage && !self->base.failed)
        reader_emit(&self->base, &(struct event){.kind = EVENT_USAGE, .usage = usage});
}

/* Bytes of a chunk, on one line: an LF between its tokens would end the data line. */
static char *put_line(char *to, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++)
        *to++ = from[i] == '\n' || from[i] == '\r' ? ' ' : from[i];
    return to;
}

/* The chunk without its usage, which the client did not ask for. */
static void cut_usage(struct openai_reader *self, struct slice data, const struct chunk *chunk)
{
    static const char before[] = "data: ", after[] = "\n\n";
    size_t behind = chunk->usage.at + chunk->usage.len, room = sizeof before + data.len + sizeof after;
    self->base.pass = PASS_DROP;
    if (!chunk->has_choices)
        return;
    if (room > self->rewritten_size) {
        self->rewritten = arena_alloc(self->base.arena, 2 * room);
        self->rewritten_size = self->rewritten == NULL ? 0 : 2 * room;
    }
    if (self->rewritten == NULL) {
        self->base.pass = PASS_AS_IS; /* no room to cut: usage too many is better than a piece of the answer too few */
        return;
    }
    char *to = self->rewritten;
    memcpy(to, before, sizeof before - 1);
    to = put_line(to + sizeof before - 1, data.ptr, chunk->usage.at);
    to = put_line(to, data.ptr + behind, data.len - behind);
    memcpy(to, after, sizeof after - 1);
    self->base.rewritten = (struct slice){self->rewritten, (size_t)(to + sizeof after - 1 - self->rewritten)};
    self->base.pass = PASS_REWRITE;
}

/* Remembers what stood around the text of a chunk that said nothing else. */
static void learn_shape(struct openai_reader *self, struct slice data)
{
    struct slice text = self->last_text;
    self->prefix_len = 0;
    if (self->base.emitted != 1 || text.len == 0 || text.ptr < data.ptr || text.ptr + text.len > data.ptr + data.len)
        return;
    if (data.len - text.len > SHAPE_MAX)
        return;
    if (self->shape == NULL)
        self->shape = arena_alloc(self->base.arena, SHAPE_MAX);
    if (self->shape == NULL)
        return;
    self->prefix_len = (size_t)(text.ptr - data.ptr);
    self->suffix_len = data.len - self->prefix_len - text.len;
    memcpy(self->shape, data.ptr, self->prefix_len);
    memcpy(self->shape + self->prefix_len, text.ptr + text.len, self->suffix_len);
}

/* A chunk that is the last one but for its text, and the text is plain: its structure was checked already. */
static bool has_shape(const struct openai_reader *self, struct slice data, struct slice *text)
{
    if (self->prefix_len == 0 || data.len <= self->prefix_len + self->suffix_len)
        return false;
    *text = (struct slice){data.ptr + self->prefix_len, data.len - self->prefix_len - self->suffix_len};
    return memcmp(data.ptr, self->shape, self->prefix_len) == 0 &&
           memcmp(text->ptr + text->len, self->shape + self->prefix_len, self->suffix_len) == 0 && json_is_plain(*text);
}

void openai_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct openai_reader *self = (struct openai_reader *)reader;
    struct chunk chunk = {.has_choices = false};
    if (slice_starts_with(data, LIT("[DONE]"))) {
        if (self->base.started)
            reader_end(&self->base);
        else
            reader_fail_incomplete(&self->base, "the provider's stream ended before it began");
        return;
    }
    struct slice text;
    if (name.len == 0 && has_shape(self, data, &text))
        return emit_text(self, EVENT_TEXT, self->shape_choice, text);
    if (slice_trim(data).len == 0)
        return;
    self->base.emitted = 0;
    self->last_text = SLICE_NONE;
    chunk.has_error = slice_equals(name, LIT("error")); /* COMPAT(vllm, 2026-08): its data need not have a member `error` */
    read_body(self, data, &chunk);
    if (reader->failed)
        return;
    if (!chunk.has_usage)
        learn_shape(self, data);
    if (!reader->passes)
        return;
    if (chunk.no_choices && !(reader->include_usage && chunk.has_usage))
        reader->pass = PASS_DROP; /* clients take choices[0] without looking; what is listed beside none is not for them */
    else if (!reader->include_usage && chunk.has_usage)
        cut_usage(self, data, &chunk);
}

/* Some servers leave the reason out of a whole answer, which is complete by its framing. */
static void finish_unsaid(struct openai_reader *self)
{
    end_calls(self, 0);
    reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .finish = self->has_calls ? FINISH_TOOL_CALLS : FINISH_STOP});
}

void openai_read_answer(struct reader *reader, struct slice body)
{
    struct openai_reader *self = (struct openai_reader *)reader;
    struct chunk chunk = {.has_choices = false};
    struct slice text; /* COMPAT(deepseek, 2026-08): blank lines as keep-alive before the body */
    if (!reader_takes_body(reader, body, &text))
        return;
    read_body(self, text, &chunk);
    if (reader->failed)
        return;
    if (!chunk.has_choices)
        return reader_fail_incomplete(&self->base, "the provider's answer has no choices");
    if (self->finished == 0)
        finish_unsaid(self);
    reader_end(&self->base);
}

/* COMPAT(many, 2026-08): [DONE] is left out, but the finish of every choice was seen. */
void openai_read_eof(struct reader *reader)
{
    struct openai_reader *self = (struct openai_reader *)reader;
    if (self->finished != 0 && self->finished == self->began)
        reader_end(&self->base);
}
