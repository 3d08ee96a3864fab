/* embed.c -- embeddings through InvokeModel: each family of models has bodies of its own.
 * COMPAT(bedrock, 2026-08): "Amazon Titan Embeddings" and "Cohere Embed" of AWS's inference parameters.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

enum { COHERE_TEXTS_MAX = 96 };

static struct slice id_of(const struct model_facts *model)
{
    return model->base_model.len > 0 ? model->base_model : model->model;
}

/* {"inputText"}; the second version takes dimensions, the one for images takes them by another name. */
static bool write_titan(const struct embed *embed, struct slice id, struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    if (embed->count != 1)
        return complaint_refuse(complaint, LIT("this model takes one text per request"), LIT("input"));
    buffer_append_lit(out, "{\"inputText\":");
    json_append_quoted(out, embed->inputs_raw[0]);
    if (embed->dimensions.len > 0 && slice_find(id, LIT("titan-embed-image")) != NULL) {
        buffer_append_lit(out, ",\"embeddingConfig\":{\"outputEmbeddingLength\":");
        buffer_append_slice(out, embed->dimensions);
        buffer_append_byte(out, '}');
    } else if (embed->dimensions.len > 0 && slice_find(id, LIT("titan-embed-text-v2")) != NULL) {
        buffer_append_lit(out, ",\"dimensions\":");
        buffer_append_slice(out, embed->dimensions);
    } else if (embed->dimensions.len > 0) {
        names_drop(dropped, LIT("dimensions"));
    }
    buffer_append_byte(out, '}');
    if (embed->input_type_raw.len > 0)
        names_drop(dropped, LIT("input_type"));
    return true;
}

static bool write_cohere(const struct embed *embed, const struct provider *provider, struct slice id, struct buffer *out,
                         struct buffer *dropped, struct complaint *complaint)
{
    struct slice type = embed->input_type_raw.len > 0          ? embed->input_type_raw
                        : provider->default_input_type.len > 0 ? provider->default_input_type
                                                               : LIT("search_document");
    if (embed->count == 0 || embed->count > COHERE_TEXTS_MAX)
        return complaint_refuse(complaint, LIT("this model takes 1 to 96 texts per request"), LIT("input"));
    buffer_append_lit(out, "{\"texts\":[");
    for (unsigned i = 0; i < embed->count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_quoted(out, embed->inputs_raw[i]);
    }
    buffer_append_lit(out, "],\"input_type\":");
    json_append_quoted(out, type);
    if (embed->dimensions.len > 0 && slice_find(id, LIT("embed-v4")) != NULL) {
        buffer_append_lit(out, ",\"output_dimension\":");
        buffer_append_slice(out, embed->dimensions);
    } else if (embed->dimensions.len > 0) {
        names_drop(dropped, LIT("dimensions"));
    }
    buffer_append_byte(out, '}');
    return true;
}

bool bedrock_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                         struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct slice id = id_of(model);
    (void)arena;
    if (embed->user_raw.len > 0)
        names_drop(dropped, LIT("user"));
    if (slice_find(id, LIT("titan-embed")) != NULL)
        return write_titan(embed, id, out, dropped, complaint);
    if (slice_find(id, LIT("cohere.embed")) != NULL || slice_starts_with(id, LIT("embed-")))
        return write_cohere(embed, provider, id, out, dropped, complaint);
    return complaint_refuse(complaint, LIT("embeddings come from Titan and Cohere models at this provider"), LIT("model"));
}

/* ---------------------------------------------------------------- answers */

static bool is_vector(struct slice text)
{
    struct json json;
    struct slice digits;
    bool any = false;
    json_init(&json, text, JSON_DEPTH_MAX);
    if (text.len == 0 || json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return false;
    while (json_element(&json)) {
        if (json_peek(&json) != JSON_NUMBER || !json_number(&json, &digits))
            return false;
        any = true;
    }
    return any && json_finish(&json);
}

static bool emit_vector(struct reader *reader, unsigned index, struct slice numbers_json)
{
    if (!is_vector(numbers_json))
        return false;
    reader->emit(reader->owner, &(struct event){.kind = EVENT_VECTOR, .choice = index, .data_raw = numbers_json});
    return true;
}

/* Titan: {"embedding":[…],"inputTextTokenCount":n}. Cohere: {"embeddings":[[…],…]}, or by type {"embeddings":{"float":[[…],…]}}; it counts no tokens. */
bool bedrock_read_vectors(struct reader *reader, struct slice body)
{
    struct slice one = json_find(body, "embedding"), many = json_find(body, "embeddings"), vector;
    struct usage usage = USAGE_UNKNOWN;
    struct json json;
    unsigned count = 0;
    if (one.len > 0) {
        usage_take_count(body, "inputTextTokenCount", &usage.input);
        usage.known = usage.input >= 0;
        usage.output = 0;
        if (!emit_vector(reader, 0, one))
            return false;
        if (usage.known)
            reader->emit(reader->owner, &(struct event){.kind = EVENT_USAGE, .usage = usage});
        return true;
    }
    if (many.len > 0 && many.ptr[0] == '{')
        many = json_find(many, "float");
    json_init(&json, many, JSON_DEPTH_MAX);
    if (many.len == 0 || json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return false;
    while (json_element(&json) && json_skip(&json, &vector))
        if (!emit_vector(reader, count++, vector))
            return false;
    return count > 0;
}
