/* ledger.c -- one row per request the mock provider received: what specs compare the gateway's own story with.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "base/hash.h"
#include "mock/mock_private.h"
#include <stdlib.h>

enum { FIRST_ROWS = 64 };

void mock_ledger_init(struct mock_ledger *ledger, FILE *file)
{
    memset(ledger, 0, sizeof *ledger);
    ledger->file = file;
}

void mock_ledger_free(struct mock_ledger *ledger)
{
    free(ledger->rows);
    ledger->rows = NULL;
}

void mock_ledger_reset(struct mock_ledger *ledger)
{
    ledger->forgotten = ledger->total; /* rows still open keep their places */
    memset(ledger->names, 0, sizeof ledger->names);
}

struct mock_row *mock_ledger_add(struct mock_ledger *ledger, uint64_t *index)
{
    if (ledger->total == ledger->cap && ledger->cap < MOCK_LEDGER_MAX) {
        size_t cap = ledger->cap == 0 ? FIRST_ROWS : ledger->cap * 2;
        cap = cap > MOCK_LEDGER_MAX ? MOCK_LEDGER_MAX : cap;
        ledger->rows = xrealloc(ledger->rows, cap * sizeof *ledger->rows);
        memset(ledger->rows + ledger->cap, 0, (cap - ledger->cap) * sizeof *ledger->rows);
        ledger->cap = cap;
    }
    *index = ledger->total++;
    struct mock_row *row = &ledger->rows[*index % ledger->cap];
    memset(row, 0, sizeof *row);
    return row;
}

struct mock_row *mock_ledger_at(struct mock_ledger *ledger, uint64_t index)
{
    if (index >= ledger->total || ledger->total - index > ledger->cap)
        return NULL;
    return &ledger->rows[index % ledger->cap];
}

static void put(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, ",\"%s\":", name);
    json_append_string(out, slice_of(text));
}

static void write_row(const struct mock_row *row, struct buffer *out)
{
    static const char *const outcomes[] = {"open", "served", "cut", "reset", "stalled", "client_closed"};
    char time[25];
    clock_format(row->wall_us, time);
    buffer_printf(out,
                  "{\"number\":%llu,\"time\":\"%s\",\"status\":%d,\"stream\":%s,\"bytes_in\":%llu,\"tokens\":%llu,\"events\":%llu,"
                  "\"connection\":%llu",
                  (unsigned long long)row->number, time, row->status, row->stream ? "true" : "false", (unsigned long long)row->bytes_in,
                  (unsigned long long)row->tokens, (unsigned long long)row->events, (unsigned long long)row->connection);
    put(out, "path", row->path);
    put(out, "model", row->model);
    put(out, "outcome", outcomes[row->outcome]);
    put(out, "request_id", row->request_id);
    put(out, "auth", row->auth);
    if (row->ended_us > 0)
        buffer_printf(out, ",\"ms\":%lld", (long long)((row->ended_us - row->wall_us) / US_PER_MS));
    buffer_append_byte(out, '}');
}

void mock_ledger_end(struct mock_ledger *ledger, uint64_t index, enum mock_outcome outcome, int64_t wall_us)
{
    struct mock_row *row = mock_ledger_at(ledger, index);
    struct buffer line;
    /* A stall is noted when it begins, and again when the client gives up: that is what a spec waits for. */
    if (row == NULL || (row->outcome != MOCK_OPEN && row->outcome != MOCK_STALLED))
        return;
    row->outcome = outcome;
    row->ended_us = wall_us;
    if (ledger->file == NULL || outcome == MOCK_STALLED)
        return;
    buffer_init(&line, 4096);
    write_row(row, &line);
    buffer_append_byte(&line, '\n');
    fwrite(line.ptr, 1, line.len, ledger->file);
    fflush(ledger->file);
    buffer_free(&line);
}

void mock_ledger_write(const struct mock_ledger *ledger, struct slice model, struct buffer *out)
{
    uint64_t first = ledger->total > ledger->cap ? ledger->total - ledger->cap : 0;
    bool comma = false;
    first = first < ledger->forgotten ? ledger->forgotten : first;
    buffer_printf(out, "{\"total\":%llu,\"requests\":[", (unsigned long long)(ledger->total - ledger->forgotten));
    for (uint64_t i = first; i < ledger->total; i++) {
        const struct mock_row *row = &ledger->rows[i % ledger->cap];
        if (model.len > 0 && !slice_equals(model, slice_of(row->model)))
            continue;
        if (comma)
            buffer_append_byte(out, ',');
        comma = true;
        write_row(row, out);
    }
    buffer_append_lit(out, "]}");
}

uint64_t mock_ledger_seen(struct mock_ledger *ledger, struct slice model)
{
    static const uint8_t key[16];
    uint64_t hash = hash_sip(key, model) | 1;
    for (unsigned i = 0; i < MOCK_NAMES_MAX; i++) {
        unsigned at = (unsigned)((hash + i) % MOCK_NAMES_MAX);
        if (ledger->names[at].hash != 0 && ledger->names[at].hash != hash)
            continue;
        ledger->names[at].hash = hash;
        return ++ledger->names[at].seen;
    }
    return UINT64_MAX; /* the table is full: nothing fails any more */
}
