/* embed.c -- embeddings and counts of tokens, asked and answered.
 *
 * The Gemini API has batchEmbedContents for all its models; Vertex has it for newer ones and :predict, in a shape of its own, for the others. Only some answers
 * say how many tokens they took. A count is asked for with all that a chat would send but its settings.
 * Sources: the API's reference and Google's SDK (COMPAT(gemini, 2026-08)).
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"

/* ---------------------------------------------------------------- asking */

/* An input_type of ours, or one of Google's own names, as a task type; empty: neither. */
static struct slice task_of(struct slice raw)
{
    static const struct {
        struct slice type, task;
    } known[] = {
        {LIT("search_query"), LIT("RETRIEVAL_QUERY")},
        {LIT("query"), LIT("RETRIEVAL_QUERY")},
        {LIT("search_document"), LIT("RETRIEVAL_DOCUMENT")},
        {LIT("document"), LIT("RETRIEVAL_DOCUMENT")},
        {LIT("passage"), LIT("RETRIEVAL_DOCUMENT")},
        {LIT("classification"), LIT("CLASSIFICATION")},
        {LIT("clustering"), LIT("CLUSTERING")},
        {LIT("semantic_similarity"), LIT("SEMANTIC_SIMILARITY")},
        {LIT("question_answering"), LIT("QUESTION_ANSWERING")},
        {LIT("fact_verification"), LIT("FACT_VERIFICATION")},
        {LIT("code_retrieval_query"), LIT("CODE_RETRIEVAL_QUERY")},
    };
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (json_raw_equals(raw, known[i].type) || json_raw_equals(raw, known[i].task))
            return known[i].task;
    return SLICE_NONE;
}

/* instances: { content, task_type }; parameters: { outputDimensionality } */
static void put_instances(struct encode *encode, struct slice task)
{
    const struct embed *embed = encode->embed;
    encode_begin(encode, '{');
    encode_key(encode, "instances");
    encode_begin(encode, '[');
    for (unsigned i = 0; i < embed->count; i++) {
        encode_comma(encode);
        encode_write(encode, "{\"content\":\"%\"", embed->inputs_raw[i]);
        encode_text(encode, "task_type", task);
        buffer_append_byte(encode->out, '}');
    }
    encode_end(encode, ']');
    if (embed->dimensions.len > 0)
        encode_write(encode, ",\"parameters\":{\"outputDimensionality\":%}", embed->dimensions);
    encode_end(encode, '}');
}

/* One request for each text. Vertex has the settings in an object of their own, and the model in the path. */
static void put_requests(struct encode *encode, struct slice task, bool vertex)
{
    const struct embed *embed = encode->embed;
    struct slice resource = gemini_resource(encode->provider, encode->model, encode->arena);
    bool settings = task.len > 0 || embed->dimensions.len > 0;
    encode_begin(encode, '{');
    encode_key(encode, "requests");
    encode_begin(encode, '[');
    for (unsigned i = 0; i < embed->count; i++) {
        encode_comma(encode);
        encode_begin(encode, '{');
        if (!vertex) {
            encode_key(encode, "model");
            json_append_string(encode->out, resource);
        }
        encode_key(encode, "content");
        encode_write(encode, "{\"parts\":[{\"text\":\"%\"}]}", embed->inputs_raw[i]);
        if (vertex && settings)
            encode_open(encode, "embedContentConfig", '{');
        encode_text(encode, "taskType", task);
        encode_value(encode, "outputDimensionality", embed->dimensions);
        if (vertex && settings)
            encode_end(encode, '}');
        encode_end(encode, '}');
    }
    encode_end(encode, ']');
    encode_end(encode, '}');
}

bool gemini_write_embed(struct encode *encode)
{
    const struct embed *embed = encode->embed;
    bool vertex = gemini_is_vertex(encode->provider->vendor);
    struct slice task = task_of(embed->input_type_raw.len > 0 ? embed->input_type_raw : encode->provider->default_input_type);
    if (embed->input_type_raw.len > 0 && task.len == 0)
        encode_drop(encode, LIT("input_type"));
    if (embed->user_raw.len > 0)
        encode_drop(encode, LIT("user"));
    if (vertex && gemini_is_predicted(encode->model))
        put_instances(encode, task);
    else
        put_requests(encode, task, vertex);
    return true;
}

/* The Gemini API wants what stands beside the contents in a request of its own, with the model named again. */
bool gemini_write_count(struct encode *given)
{
    struct gemini_encode self = gemini_begin(given);
    struct encode *encode = &self.base;
    bool vertex = encode->flags & GEMINI_VERTEX;
    encode_begin(encode, '{');
    if (!vertex) {
        encode_open(encode, "generateContentRequest", '{');
        encode_key(encode, "model");
        json_append_string(encode->out, gemini_resource(encode->provider, encode->model, encode->arena));
    }
    if (!gemini_write_contents(encode) || !gemini_write_tools(encode))
        return false;
    buffer_append_slice(encode->out, vertex ? LIT("}") : LIT("}}"));
    if (encode->arena->overflow)
        return encode_refuse(encode, LIT("the request needs more memory than one request may have"), SLICE_NONE);
    return true;
}

/* ---------------------------------------------------------------- reading */

/* One member of "embeddings": { values }; of "predictions": { embeddings: { values, statistics: { token_count } } }. False: not one. */
static bool read_vector(struct gemini_reader *self, unsigned index, struct slice one, int64_t *tokens)
{
    int64_t count;
    struct slice inner = json_find(one, "embeddings");
    if (inner.len > 0)
        one = inner;
    struct slice values = json_find(one, "values");
    if (values.len < 3 || values.ptr[0] != '[')
        return false;
    struct slice statistics = json_find(one, "statistics"), digits = json_find(statistics, "token_count");
    if (digits.len == 0)
        digits = json_find(statistics, "tokenCount");
    if (!json_to_count(digits, &count))
        *tokens = -1;
    else if (*tokens >= 0)
        *tokens += count;
    reader_emit(&self->base, &(struct event){.kind = EVENT_VECTOR, .choice = index, .data_raw = values});
    return true;
}

void gemini_read_vectors(struct gemini_reader *self, struct slice text)
{
    struct slice list = json_find(text, "embeddings"), one;
    int64_t tokens = 0, said;
    unsigned count = 0;
    if (list.len == 0)
        list = json_find(text, "predictions");
    struct json json = json_list(list);
    if (list.len < 3 || list.ptr[0] != '[')
        return reader_fail_incomplete(&self->base, "the provider's answer has no embeddings");
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    while (json_next(&json, &one))
        if (!read_vector(self, count++, one, &tokens))
            return reader_fail_incomplete(&self->base, "one of the provider's embeddings has no values");
    if (json_to_count(json_find(json_find(text, "usageMetadata"), "promptTokenCount"), &said))
        tokens = said;
    if (tokens >= 0) {
        self->base.usage.input = tokens;
        self->base.usage.output = 0;
        self->base.usage.known = true;
    }
    reader_end(&self->base);
}

void gemini_read_count(struct gemini_reader *self, struct slice text)
{
    int64_t tokens;
    if (!json_to_count(json_find(text, "totalTokens"), &tokens))
        return reader_fail_incomplete(&self->base, "the provider's answer has no count of tokens");
    self->base.usage.input = tokens;
    self->base.usage.known = true;
    reader_start(&self->base, SLICE_NONE, SLICE_NONE, 0);
    reader_end(&self->base);
}
