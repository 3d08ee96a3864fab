/* embed.c -- embeddings through InvokeModel: each family of models has bodies of its own.
 * COMPAT(bedrock, 2026-08): "Amazon Titan Embeddings" and "Cohere Embed" of AWS's inference parameters.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"

enum { COHERE_TEXTS_MAX = 96 };

static bool says(const struct encode *encode, const char *part)
{
    return slice_find(model_id(encode->model), slice_of(part)) != NULL;
}

/* {"inputText"}; the second version takes dimensions, the one for images takes them by another name. */
static bool write_titan(struct encode *encode)
{
    struct slice dimensions = encode->embed->dimensions;
    if (encode->embed->count != 1)
        return encode_refuse(encode, LIT("this model takes one text per request"), LIT("input"));
    encode_begin(encode, '{');
    encode_key(encode, "inputText");
    json_append_quoted(encode->out, encode->embed->inputs_raw[0]);
    if (dimensions.len > 0 && says(encode, "titan-embed-image"))
        encode_write(encode, ",\"embeddingConfig\":{\"outputEmbeddingLength\":%}", dimensions);
    else if (dimensions.len > 0 && says(encode, "titan-embed-text-v2"))
        encode_value(encode, "dimensions", dimensions);
    else if (dimensions.len > 0)
        encode_drop(encode, LIT("dimensions"));
    encode_end(encode, '}');
    if (encode->embed->input_type_raw.len > 0)
        encode_drop(encode, LIT("input_type"));
    return true;
}

static bool write_cohere(struct encode *encode)
{
    struct slice dimensions = encode->embed->dimensions;
    if (encode->embed->count == 0 || encode->embed->count > COHERE_TEXTS_MAX)
        return encode_refuse(encode, LIT("this model takes 1 to 96 texts per request"), LIT("input"));
    encode_begin(encode, '{');
    encode_inputs(encode, "texts");
    encode_text(encode, "input_type", encode_input_type(encode));
    if (dimensions.len > 0 && !says(encode, "embed-v4"))
        encode_drop(encode, LIT("dimensions"));
    else
        encode_value(encode, "output_dimension", dimensions);
    encode_end(encode, '}');
    return true;
}

bool bedrock_write_embed(struct encode *encode)
{
    if (encode->embed->user_raw.len > 0)
        encode_drop(encode, LIT("user"));
    if (says(encode, "titan-embed"))
        return write_titan(encode);
    if (says(encode, "cohere.embed") || slice_starts_with(model_id(encode->model), LIT("embed-")))
        return write_cohere(encode);
    return encode_refuse(encode, LIT("embeddings come from Titan and Cohere models at this provider"), LIT("model"));
}

/* ---------------------------------------------------------------- answers */

/* Titan: {"embedding":[…],"inputTextTokenCount":n}. Cohere: {"embeddings":[[…],…]}, or by type {"embeddings":{"float":[[…],…]}}; it counts no tokens. */
bool bedrock_read_vectors(struct reader *reader, struct slice body)
{
    struct slice one = json_find(body, "embedding"), many = json_find(body, "embeddings");
    if (one.len > 0) {
        usage_take_count(body, "inputTextTokenCount", &reader->usage.input);
        reader->usage.known = reader->usage.input >= 0;
        reader->usage.output = 0;
        return reader_emit_vector(reader, 0, one);
    }
    if (many.len > 0 && many.ptr[0] == '{')
        many = json_find(many, "float");
    return reader_emit_vectors(reader, many);
}
