/* embeddings.c -- the mock provider's embeddings: the same text always gives the same unit vector, another text another one.
 *
 * Written by the gateway's own writer of that wire, so numbers and base64 come out as clients know them.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include "base/random.h"
#include "providers/provider.h"
#include <math.h>

enum { DIMENSIONS = 8, DIMENSIONS_MAX = 4096, ARENA_MAX = 8 * 1024 * 1024 };

static uint64_t seed_of(struct slice text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    return hash;
}

static void put_vector(struct slice text, int64_t dimensions, struct buffer *out)
{
    uint64_t state = seed_of(text);
    double sum = 0;
    for (int64_t i = 0; i < dimensions; i++) {
        double number = random_share(&state) - 0.5;
        sum += number * number;
    }
    state = seed_of(text);
    buffer_append_byte(out, '[');
    for (int64_t i = 0; i < dimensions; i++) {
        double number = random_share(&state) - 0.5;
        buffer_printf(out, i == 0 ? "%.8f" : ",%.8f", number / sqrt(sum));
    }
    buffer_append_byte(out, ']');
}

static void write_answer(const struct embed *embed, struct slice body, struct arena *arena, struct buffer *out)
{
    struct writer *writer = arena_zalloc(arena, wire_embeddings.writer_size);
    struct event count = {.kind = EVENT_USAGE, .usage = USAGE_UNKNOWN};
    struct buffer numbers;
    int64_t dimensions;
    if (!slice_to_int(embed->dimensions, &dimensions))
        dimensions = DIMENSIONS;
    if (dimensions > DIMENSIONS_MAX)
        dimensions = DIMENSIONS_MAX;
    writer->wire = &wire_embeddings;
    writer->arena = arena;
    writer->body = body;
    writer->model = LIT("mock");
    writer_open(writer);
    wire_embeddings.writer_begin(writer);
    wire_embeddings.write_event(writer, &(struct event){.kind = EVENT_START, .model_raw = embed->model_raw}, out);
    buffer_init(&numbers, ARENA_MAX);
    count.usage.input = 0;
    count.usage.known = true;
    for (unsigned i = 0; i < embed->count; i++) {
        buffer_clear(&numbers);
        put_vector(embed->inputs_raw[i], dimensions, &numbers);
        wire_embeddings.write_event(writer, &(struct event){.kind = EVENT_VECTOR, .choice = i, .data_raw = buffer_slice(&numbers)}, out);
        count.usage.input += mock_count_words(embed->inputs_raw[i]);
    }
    buffer_free(&numbers);
    wire_embeddings.write_event(writer, &count, out);
    wire_embeddings.write_event(writer, &(struct event){.kind = EVENT_END}, out);
    wire_embeddings.writer_end(writer);
}

void mock_embed(const struct mock_call *call, struct slice body, struct mock_script *script)
{
    struct arena arena;
    struct embed embed;
    struct complaint complaint;
    arena_init(&arena, NULL, ARENA_MAX);
    if (wire_embeddings.read_embed(body, &arena, &embed, &complaint)) {
        write_answer(&embed, body, &arena, &script->scratch);
        mock_script_whole(script, 200, "Content-Type: application/json\r\n", 0);
    } else {
        mock_wire_error(call, 400, NULL, complaint.message, "", script);
    }
    arena_free(&arena);
}
