/* vectors.c -- embeddings out of an answer: a JSON list of lists of numbers, as events.
 * SPDX-License-Identifier: MIT */
#include "providers/reader.h"

static bool is_vector(struct slice text)
{
    struct json json;
    struct slice digits;
    bool any = false;
    json_init(&json, text, JSON_DEPTH_MAX);
    if (json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return false;
    while (json_element(&json)) {
        if (json_peek(&json) != JSON_NUMBER || !json_number(&json, &digits))
            return false;
        any = true;
    }
    return any && json_finish(&json);
}

bool reader_emit_vectors(struct reader *reader, struct slice list_json)
{
    struct json json;
    struct slice vector;
    unsigned count = 0;
    json_init(&json, list_json, JSON_DEPTH_MAX);
    if (list_json.len == 0 || json_peek(&json) != JSON_ARRAY || !json_array(&json))
        return false;
    while (json_element(&json) && json_skip(&json, &vector)) {
        if (!is_vector(vector))
            return false;
        reader->emit(reader->owner, &(struct event){.kind = EVENT_VECTOR, .choice = count++, .data_raw = vector});
    }
    return count > 0;
}
