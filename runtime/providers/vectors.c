/* vectors.c -- embeddings out of an answer: a JSON list of lists of numbers, as events.
 * SPDX-License-Identifier: MIT */
#include "providers/reader.h"

static bool is_vector(struct slice text)
{
    struct json json = json_list(text);
    struct slice digits;
    bool any = false;
    while (json_element(&json)) {
        if (json_peek(&json) != JSON_NUMBER || !json_number(&json, &digits))
            return false;
        any = true;
    }
    return any && json_finish(&json);
}

bool reader_emit_vector(struct reader *reader, unsigned index, struct slice numbers_json)
{
    if (!is_vector(numbers_json))
        return false;
    reader->emit(reader->owner, &(struct event){.kind = EVENT_VECTOR, .choice = index, .data_raw = numbers_json});
    return true;
}

bool reader_emit_vectors(struct reader *reader, struct slice list_json)
{
    struct json json = json_list(list_json);
    struct slice vector;
    unsigned count = 0;
    while (json_next(&json, &vector))
        if (!reader_emit_vector(reader, count++, vector))
            return false;
    return count > 0;
}
