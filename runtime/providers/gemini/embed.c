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
static void put_instances(const struct embed *embed, struct slice task, struct buffer *out)
{
    buffer_append_lit(out, "{\"instances\":[");
    for (unsigned i = 0; i < embed->count; i++) {
        buffer_append_slice(out, i == 0 ? LIT("{\"content\":") : LIT(",{\"content\":"));
        json_append_quoted(out, embed->inputs_raw[i]);
        if (task.len > 0) {
            buffer_append_lit(out, ",\"task_type\":");
            json_append_quoted(out, task);
        }
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
    if (embed->dimensions.len > 0) {
        buffer_append_lit(out, ",\"parameters\":{\"outputDimensionality\":");
        buffer_append_slice(out, embed->dimensions);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, '}');
}

/* Vertex has the settings in an object of their own. */
static void put_settings(const struct embed *embed, struct slice task, bool vertex, struct buffer *out)
{
    bool first = true;
    if (task.len == 0 && embed->dimensions.len == 0)
        return;
    buffer_append_slice(out, vertex ? LIT(",\"embedContentConfig\":{") : LIT(","));
    if (task.len > 0) {
        json_append_comma(out, &first);
        buffer_append_lit(out, "\"taskType\":");
        json_append_quoted(out, task);
    }
    if (embed->dimensions.len > 0) {
        json_append_comma(out, &first);
        buffer_append_lit(out, "\"outputDimensionality\":");
        buffer_append_slice(out, embed->dimensions);
    }
    if (vertex)
        buffer_append_byte(out, '}');
}

bool gemini_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    bool vertex = gemini_is_vertex(provider->vendor), first = true;
    struct slice said = embed->input_type_raw.len > 0 ? embed->input_type_raw : provider->default_input_type, task = task_of(said);
    struct slice resource = gemini_resource(provider, model, arena);
    (void)complaint;
    if (embed->input_type_raw.len > 0 && task.len == 0)
        names_drop(dropped, LIT("input_type"));
    if (embed->user_raw.len > 0)
        names_drop(dropped, LIT("user"));
    if (vertex && gemini_is_predicted(model)) {
        put_instances(embed, task, out);
        return true;
    }
    buffer_append_lit(out, "{\"requests\":[");
    for (unsigned i = 0; i < embed->count; i++) {
        json_append_comma(out, &first);
        buffer_append_byte(out, '{');
        if (!vertex) {
            buffer_append_lit(out, "\"model\":");
            json_append_string(out, resource);
            buffer_append_byte(out, ',');
        }
        buffer_append_lit(out, "\"content\":{\"parts\":[{\"text\":");
        json_append_quoted(out, embed->inputs_raw[i]);
        buffer_append_lit(out, "}]}");
        put_settings(embed, task, vertex, out);
        buffer_append_byte(out, '}');
    }
    buffer_append_lit(out, "]}");
    return true;
}

/* The Gemini API wants what stands beside the contents in a request of its own, with the model named again. */
bool gemini_write_count(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct gemini_encode encode = gemini_encode(chat, provider, model, arena, out, dropped, complaint);
    buffer_append_byte(out, '{');
    if (!encode.vertex) {
        buffer_append_lit(out, "\"generateContentRequest\":{\"model\":");
        json_append_string(out, gemini_resource(provider, model, arena));
        encode.first = false;
    }
    if (!gemini_write_contents(&encode) || !gemini_write_tools(&encode))
        return false;
    buffer_append_slice(out, encode.vertex ? LIT("}") : LIT("}}"));
    if (arena->overflow)
        return complaint_refuse(encode.complaint, LIT("the request needs more memory than one request may have"), SLICE_NONE);
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
    struct json json;
    struct slice list = json_find(text, "embeddings"), one;
    int64_t tokens = 0, said;
    unsigned count = 0;
    if (list.len == 0)
        list = json_find(text, "predictions");
    json_init(&json, list, JSON_DEPTH_MAX);
    if (list.len < 3 || list.ptr[0] != '[' || !json_array(&json))
        return reader_fail_incomplete(&self->base, "the provider's answer has no embeddings");
    reader_emit(&self->base, &(struct event){.kind = EVENT_START});
    self->started = true;
    while (json_element(&json) && json_skip(&json, &one))
        if (!read_vector(self, count++, one, &tokens))
            return reader_fail_incomplete(&self->base, "one of the provider's embeddings has no values");
    if (json_to_count(json_find(json_find(text, "usageMetadata"), "promptTokenCount"), &said))
        tokens = said;
    self->usage = USAGE_UNKNOWN;
    if (tokens >= 0) {
        self->usage.input = tokens;
        self->usage.output = 0;
        self->usage.known = true;
    }
    reader_end_with(&self->base, &self->usage);
}

void gemini_read_count(struct gemini_reader *self, struct slice text)
{
    int64_t tokens;
    if (!json_to_count(json_find(text, "totalTokens"), &tokens))
        return reader_fail_incomplete(&self->base, "the provider's answer has no count of tokens");
    self->usage = USAGE_UNKNOWN;
    self->usage.input = tokens;
    self->usage.known = true;
    reader_emit(&self->base, &(struct event){.kind = EVENT_START});
    self->started = true;
    reader_end_with(&self->base, &self->usage);
}
