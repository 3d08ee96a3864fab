/* embed.c -- embeddings by POST /v2/embed, asked for as floats.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

enum { TEXTS_MAX = 96 }; /* of one call */

bool cohere_write_embed(struct encode *encode)
{
    const struct embed *embed = encode->embed;
    if (embed->count == 0 || embed->count > TEXTS_MAX)
        return encode_refuse(encode, LIT("this provider takes 1 to 96 texts per request"), LIT("input"));
    encode_begin(encode, '{');
    encode_model(encode);
    encode_inputs(encode, "texts");
    encode_text(encode, "input_type", encode_input_type(encode));
    encode_value(encode, "output_dimension", embed->dimensions);
    encode_value(encode, "embedding_types", LIT("[\"float\"]"));
    encode_end(encode, '}');
    if (embed->user_raw.len > 0)
        encode_drop(encode, LIT("user"));
    return true;
}

bool cohere_read_vectors(struct reader *reader, struct slice body)
{
    return reader_emit_vectors(reader, json_find(json_find(body, "embeddings"), "float"));
}
