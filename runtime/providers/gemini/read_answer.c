/* read_answer.c -- answers of generateContent, whole and streamed, as neutral events.
 *
 * Each event of a stream is an answer of its own that holds what is new; a whole answer is the only one. There is no end marker: a stream is complete
 * when it ends after every choice said why it finished, or after the prompt was blocked. What still comes behind a reason is counts of tokens.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"

/* An error where an answer was expected. */
static void fail_with(struct gemini_reader *self, struct slice text, struct slice error)
{
    int64_t code = 0;
    bool good = json_to_count(json_find(error, "code"), &code) && code >= 400 && code <= 599;
    const struct error_answer refused = {.status = good ? (int)code : 500, .body = text, .arena = self->base.arena};
    reader_fail(&self->base, gemini_read_failure(&refused), SENT_REFUSED);
}

/* ---------------------------------------------------------------- usage */

/* Of one modality in a list of { modality, tokenCount }; -1: it is not there. */
static int64_t modality_of(struct slice list, struct slice modality)
{
    struct json json = json_list(list);
    struct slice one;
    while (json_next(&json, &one))
        if (slice_equals(json_find_string(one, "modality"), modality))
            return json_find_count(one, "tokenCount");
    return -1;
}

/* Without what was read from the cache, as the sum of the input is. */
static int64_t fresh_modality(struct slice metadata, struct slice modality)
{
    int64_t all = modality_of(json_find(metadata, "promptTokensDetails"), modality);
    int64_t cached = modality_of(json_find(metadata, "cacheTokensDetails"), modality);
    if (all < 0 || cached <= 0)
        return all;
    return cached <= all ? all - cached : -1;
}

/* With nothing counted twice. Some events of a stream say other things there: then what is known stays. */
static void take_usage(struct slice metadata, struct usage *usage)
{
    int64_t prompt = json_find_count(metadata, "promptTokenCount"), tools = json_find_count(metadata, "toolUsePromptTokenCount");
    int64_t candidates = json_find_count(metadata, "candidatesTokenCount"), thoughts = json_find_count(metadata, "thoughtsTokenCount");
    int64_t cached = json_find_count(metadata, "cachedContentTokenCount");
    if (prompt < 0 || (candidates < 0 && json_find(metadata, "candidatesTokenCount").len > 0)) /* zero is left out; nonsense is no zero */
        return;
    *usage = USAGE_UNKNOWN;
    usage->known = true;
    usage->total = json_find_count(metadata, "totalTokenCount");
    prompt += tools > 0 ? tools : 0;
    usage->cache_read = cached <= prompt ? cached : -1;
    usage->input = prompt - (usage->cache_read > 0 ? usage->cache_read : 0);
    usage->output = candidates > 0 ? candidates : 0;
    /* Some models count the thoughts among the candidates' tokens: their own sum tells. */
    bool inside = usage->total == prompt + candidates || usage->total == json_find_count(metadata, "promptTokenCount") + candidates;
    if (thoughts > 0 && !(candidates >= thoughts && inside))
        usage->output += thoughts;
    usage->reasoning = thoughts;
    usage->audio_input = fresh_modality(metadata, LIT("AUDIO"));
    usage->image_input = fresh_modality(metadata, LIT("IMAGE"));
    usage->audio_output = modality_of(json_find(metadata, "candidatesTokensDetails"), LIT("AUDIO"));
}

/* ---------------------------------------------------------------- parts */

/* Calls arrive whole. */
static void read_call(struct gemini_reader *self, unsigned index, struct slice call, struct slice signature)
{
    struct arena *arena = self->base.arena;
    struct slice args = json_find(call, "args"), name = json_find_string(call, "name");
    struct event event = {.kind = EVENT_TOOL_BEGIN,
                          .choice = index,
                          .tool = self->choices[index].tools++,
                          .id_raw = json_find_string(call, "id"),
                          .name_raw = name_unfit(&self->base, name, &gemini_names),
                          .signature_raw = signature};
    reader_emit(&self->base, &event);
    struct slice text = reader_arguments(&self->base, args);
    if (arena->overflow)
        return reader_fail_incomplete(&self->base, "the arguments of the provider's tool call are larger than can be held");
    reader_grow_call(&self->base, index, event.tool, text);
    reader_end_call(&self->base, index, event.tool);
}

/* A picture, as Markdown with the data in its address: the one form that every client's text can carry. */
static void read_picture(struct gemini_reader *self, unsigned index, struct slice blob)
{
    const struct slice pieces[] = {LIT("![image](data:"), json_find_string(blob, "mimeType"), LIT(";base64,"),
                                   json_find_string(blob, "data"), LIT(")")};
    if (pieces[1].len == 0 || pieces[3].len == 0)
        return;
    for (unsigned i = 0; i < sizeof pieces / sizeof *pieces; i++)
        reader_emit(&self->base, &(struct event){.kind = EVENT_TEXT, .choice = index, .text_raw = pieces[i]});
}

/* What runs at the provider (executableCode, codeExecutionResult, toolCall …) is not for the client. The signature of a text is advice, which clients of
 * other dialects do not bring back: it ends here. */
static void read_part(struct gemini_reader *self, unsigned index, struct slice part)
{
    struct slice text = json_find_string(part, "text"), call = json_find(part, "functionCall"), blob = json_find(part, "inlineData");
    bool thought = slice_equals(json_find(part, "thought"), LIT("true"));
    if (call.len > 0 && call.ptr[0] == '{')
        read_call(self, index, call, json_find_string(part, "thoughtSignature"));
    else if (text.len > 0)
        reader_emit(&self->base, &(struct event){.kind = thought ? EVENT_REASONING : EVENT_TEXT, .choice = index, .text_raw = text});
    else if (blob.len > 0 && !thought)
        read_picture(self, index, blob);
}

static void read_parts(struct gemini_reader *self, unsigned index, struct slice parts)
{
    struct json json = json_list(parts); /* absent when all went into thinking, or was filtered */
    struct slice part;
    while (!self->base.failed && json_next(&json, &part))
        if (part.ptr[0] == '{')
            read_part(self, index, part);
}

/* ---------------------------------------------------------------- finish */

/* FINISH_NONE: the model failed. A call that it could not get right (MALFORMED_FUNCTION_CALL …) ends the answer like any other reason that is no limit:
 * what was said until then stands. */
static const struct finish_word finishes[] = {
    {LIT("MAX_TOKENS"), FINISH_LENGTH},
    {LIT("CONTINUATION"), FINISH_LENGTH},
    {LIT("SAFETY"), FINISH_CONTENT_FILTER},
    {LIT("RECITATION"), FINISH_CONTENT_FILTER},
    {LIT("LANGUAGE"), FINISH_CONTENT_FILTER},
    {LIT("BLOCKLIST"), FINISH_CONTENT_FILTER},
    {LIT("PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER},
    {LIT("SPII"), FINISH_CONTENT_FILTER},
    {LIT("IMAGE_SAFETY"), FINISH_CONTENT_FILTER},
    {LIT("IMAGE_PROHIBITED_CONTENT"), FINISH_CONTENT_FILTER},
    {LIT("IMAGE_RECITATION"), FINISH_CONTENT_FILTER},
    {LIT("MODEL_ARMOR"), FINISH_CONTENT_FILTER},
    {LIT("ESCALATION"), FINISH_CONTENT_FILTER},
    {LIT("PUP_LIMITED_DISABLED"), FINISH_CONTENT_FILTER},
    {LIT("MALFORMED_RESPONSE"), FINISH_NONE},
    {LIT("MISSING_THOUGHT_SIGNATURE"), FINISH_NONE},
};

static void read_candidate(struct gemini_reader *self, struct slice candidate)
{
    int64_t index = 0;
    struct slice digits = json_find(candidate, "index"), reason = json_find_string(candidate, "finishReason");
    if (digits.len > 0 && !slice_equals(digits, LIT("null")) && (!json_to_count(digits, &index) || index >= GEMINI_CHOICES_MAX))
        return reader_fail_incomplete(&self->base, "the provider's answer has more choices than it can have");
    struct gemini_choice *choice = &self->choices[index];
    choice->used = true;
    read_parts(self, (unsigned)index, json_find(json_find(candidate, "content"), "parts"));
    if (reason.len == 0 || self->base.failed)
        return;
    choice->finish = FINISH_OF(finishes, reason, FINISH_STOP); /* STOP, OTHER, NO_IMAGE, UNEXPECTED_TOOL_CALL …: it ended there */
    if (choice->finish == FINISH_NONE)
        reader_fail(&self->base,
                    failure_make(FAILURE_UNAVAILABLE, arena_printf(self->base.arena, "the model's answer could not be used (%.*s)",
                                                                   (int)reason.len, reason.ptr)),
                    SENT_UNCERTAIN);
}

static void read_candidates(struct gemini_reader *self, struct slice list)
{
    struct json json = json_list(list);
    struct slice one;
    while (!self->base.failed && json_next(&json, &one))
        if (one.ptr[0] == '{')
            read_candidate(self, one);
}

/* Every choice said why it finished, or the prompt was blocked before there was one. */
static bool is_complete(const struct gemini_reader *self)
{
    bool any = self->blocked;
    for (unsigned i = 0; i < GEMINI_CHOICES_MAX; i++) {
        if (self->choices[i].used && self->choices[i].finish == FINISH_NONE && !self->blocked)
            return false;
        any |= self->choices[i].used;
    }
    return self->base.started && any;
}

static void finish(struct gemini_reader *self)
{
    if (self->blocked)
        self->choices[0].used = true;
    for (unsigned i = 0; i < GEMINI_CHOICES_MAX; i++) {
        const struct gemini_choice *choice = &self->choices[i];
        enum finish why = self->blocked ? FINISH_CONTENT_FILTER : choice->finish;
        if (why == FINISH_STOP && choice->tools > 0)
            why = FINISH_TOOL_CALLS;
        if (choice->used)
            reader_emit(&self->base, &(struct event){.kind = EVENT_FINISH, .choice = i, .finish = why});
    }
    reader_end(&self->base);
}

/* ---------------------------------------------------------------- the ways in */

static void read_response(struct gemini_reader *self, struct slice text)
{
    struct slice error = gemini_error_of(text);
    if (error.len > 0)
        return fail_with(self, text, error);
    reader_start(&self->base, json_find_string(text, "responseId"), json_find_string(text, "modelVersion"), 0);
    take_usage(json_find(text, "usageMetadata"), &self->base.usage);
    read_candidates(self, json_find(text, "candidates"));
    self->blocked |= json_find_string(json_find(text, "promptFeedback"), "blockReason").len > 0;
}

/* One response, or a list of them: that is how a stream looks without alt=sse. False: neither. */
static bool read_responses(struct gemini_reader *self, struct slice text)
{
    struct json json;
    struct slice one;
    json_init(&json, text, JSON_DEPTH_MAX);
    enum json_type type = json_peek(&json);
    if ((type != JSON_OBJECT && type != JSON_ARRAY) || !json_skip(&json, NULL) || !json_finish(&json))
        return false;
    if (type == JSON_OBJECT) {
        read_response(self, text);
        return true;
    }
    json = json_list(text);
    while (!self->base.failed && json_next(&json, &one)) {
        if (one.ptr[0] != '{')
            return false;
        read_response(self, one);
    }
    return true;
}

void gemini_read_event(struct reader *reader, struct slice name, struct slice data)
{
    struct gemini_reader *self = (struct gemini_reader *)reader;
    struct slice text = slice_trim(data);
    (void)name;                                             /* events have none */
    if (text.len == 0 || slice_equals(text, LIT("[DONE]"))) /* proxies say that; the API does not */
        return;
    if (!read_responses(self, text))
        reader_fail_incomplete(&self->base, "an event of the provider's stream is not JSON");
}

void gemini_read_eof(struct reader *reader)
{
    struct gemini_reader *self = (struct gemini_reader *)reader;
    if (is_complete(self))
        finish(self);
}

void gemini_read_answer(struct reader *reader, struct slice body)
{
    struct gemini_reader *self = (struct gemini_reader *)reader;
    struct slice text;
    struct json json;
    if (!reader_takes_body(reader, body, &text))
        return;
    struct slice error = gemini_error_of(text);
    json_init(&json, text, JSON_DEPTH_MAX);
    if (json_peek(&json) == JSON_BAD || !json_skip(&json, NULL) || !json_finish(&json))
        return reader_fail_incomplete(&self->base, "the provider's answer is not valid JSON");
    if (error.len > 0)
        return fail_with(self, text, error);
    if (reader->operation == OPERATION_EMBED)
        return gemini_read_vectors(self, text);
    if (reader->operation == OPERATION_COUNT)
        return gemini_read_count(self, text);
    if (!read_responses(self, text))
        return reader_fail_incomplete(&self->base, "the provider's answer is not valid JSON");
    if (reader->failed)
        return;
    if (!is_complete(self))
        return reader_fail_incomplete(&self->base, "the provider's answer has no finish reason");
    finish(self);
}
