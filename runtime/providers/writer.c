/* writer.c -- what writers of answers in all dialects keep, and the ids of calls.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "providers/writer.h"

void writer_open(struct writer *writer)
{
    writer->model_raw = json_escape(writer->arena, writer->model);
    writer->usage = USAGE_UNKNOWN;
}

bool writer_takes(struct writer *writer, const struct event *event)
{
    if (event->kind == EVENT_USAGE)
        writer->usage = event->usage;
    if (event->kind == EVENT_START && event->model_raw.len > 0)
        writer->model_raw = arena_copy(writer->arena, event->model_raw);
    if (event->kind == EVENT_START && event->created > 0)
        writer->created = event->created;
    return event->kind == EVENT_START || event->kind == EVENT_USAGE;
}

struct slice writer_call_id(const struct writer *writer, const struct event *event)
{
    enum { CHARS = 20 };
    if (event->id_raw.len > 0)
        return event->id_raw;
    return arena_printf(writer->arena, "call_%.*s%02u%02u", (int)(writer->id.len < CHARS ? writer->id.len : CHARS), writer->id.ptr,
                        event->choice % 100, event->tool % 100);
}
