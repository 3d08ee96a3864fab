/* embed.c -- embeddings by POST /v2/embed, asked for as floats.
 * SPDX-License-Identifier: MIT */
#include "providers/cohere/cohere.h"

enum { TEXTS_MAX = 96 }; /* of one call */

bool cohere_write_embed(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint)
{
    struct slice type = embed->input_type_raw.len > 0          ? embed->input_type_raw
                        : provider->default_input_type.len > 0 ? provider->default_input_type
                                                               : LIT("search_document");
    (void)arena;
    if (embed->count == 0 || embed->count > TEXTS_MAX) {
        *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER, LIT("this provider takes 1 to 96 texts per request"), LIT("input")};
        return false;
    }
    buffer_append_lit(out, "{\"model\":");
    json_append_string(out, model->model);
    buffer_append_lit(out, ",\"texts\":[");
    for (unsigned i = 0; i < embed->count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        json_append_quoted(out, embed->inputs_raw[i]);
    }
    buffer_append_lit(out, "],\"input_type\":");
    json_append_quoted(out, type);
    if (embed->dimensions.len > 0) {
        buffer_append_lit(out, ",\"output_dimension\":");
        buffer_append_slice(out, embed->dimensions);
    }
    buffer_append_lit(out, ",\"embedding_types\":[\"float\"]}");
    if (embed->user_raw.len > 0)
        names_drop(dropped, LIT("user"));
    return true;
}

bool cohere_read_vectors(struct reader *reader, struct slice body)
{
    return reader_emit_vectors(reader, json_find(json_find(body, "embeddings"), "float"));
}
