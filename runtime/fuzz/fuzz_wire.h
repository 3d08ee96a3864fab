/* fuzz_wire.h -- what the fuzz targets of the wires share: requests in, answers out, and the promises that hold whatever the bytes are.
 *
 * A request that a wire accepts is valid JSON after its edits and in every other wire's words. An answer gives the same events however it is
 * cut, nothing follows its end or its error, and what a client gets of it is valid JSON in whole events.
 * SPDX-License-Identifier: MIT */
#ifndef FUZZ_WIRE_H
#define FUZZ_WIRE_H
#include <stdio.h>
#include <stdlib.h>

#include "providers/answer.h"
#include "providers/encode.h"
#include "providers/provider.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { OUT_MAX = 8 * 1024 * 1024, ARENA_MAX = 8 * 1024 * 1024 };

static inline void require(bool holds, const char *what, struct slice text)
{
    if (holds)
        return;
    fprintf(stderr, "broken promise: %s\n%.*s\n", what, (int)(text.len < 4096 ? text.len : 4096), text.ptr == NULL ? "" : text.ptr);
    abort();
}

static inline uint64_t mix(uint64_t hash, struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.ptr[i]) * 1099511628211u;
    return (hash ^ text.len) * 1099511628211u;
}

static inline bool is_json(struct slice text)
{
    struct json json;
    json_init(&json, text, JSON_DEPTH_MAX);
    return json_peek(&json) == JSON_OBJECT && json_skip(&json, NULL) && json_finish(&json);
}

/* Bytes in a block of their own, so that reading behind them is noticed. */
static inline struct slice own(struct slice text)
{
    char *copy = malloc(text.len + (text.len == 0));
    require(copy != NULL, "memory", SLICE_NONE);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct slice){copy, text.len};
}

/* ---------------------------------------------------------------- requests */

static inline struct provider provider_of(const struct vendor *vendor)
{
    struct provider provider = {.name = slice_of(vendor->name), .vendor = vendor};
    return provider;
}

/* Any family of models, by the hash. */
static inline struct model_facts model_of(uint64_t hash)
{
    static const struct slice names[] = {LIT("gpt-4o"), LIT("claude-sonnet-4-5"), LIT("claude-3-haiku"), LIT("claude-opus-4-7"),
                                         LIT("mo\"del\\\n")};
    struct model_facts model = {.model = names[hash % 5], .max_output = hash & 64 ? 4096 : 0, .capabilities = hash & 128 ? 63 : 0};
    return model;
}

static inline void check_edits(const struct wire *wire, struct slice body, const struct facts *facts, const struct provider *provider,
                               const struct model_facts *model, struct arena *arena)
{
    struct edit edits[EDITS_MAX];
    struct slice parts[2 * EDITS_MAX + 1];
    struct facts again;
    struct complaint complaint;
    struct buffer out;
    int count = wire->edits(body, facts, provider, model, arena, edits);
    if (count < 0)
        return;
    for (int i = 0; i < count; i++) {
        require(edits[i].at + edits[i].len <= body.len, "an edit inside the body", body);
        require(i == 0 || edits[i].at >= edits[i - 1].at + edits[i - 1].len, "edits in order", body);
    }
    buffer_init(&out, OUT_MAX);
    unsigned part_count = edits_apply(body, edits, (unsigned)count, parts, 2 * EDITS_MAX + 1);
    for (unsigned i = 0; i < part_count; i++)
        buffer_append_slice(&out, parts[i]);
    struct slice edited = buffer_slice(&out);
    require(is_json(edited), "an edited body is JSON", edited);
    require(wire->read_facts(edited, arena, &again, &complaint), "an edited body is read again", edited);
    require(slice_equals(json_unescape(arena, again.model_raw), model->model), "an edited body names the target's model", edited);
    require(again.extension_count == 0, "the gateway's own fields are cut", edited);
    require(again.stream == facts->stream, "streaming stays as asked", edited);
    require(!again.stream || again.include_usage || (provider->vendor->quirks & VENDOR_NO_STREAM_OPTIONS), "usage of a stream is asked for",
            edited);
    require(again.max_tokens == facts->max_tokens, "max_tokens stay as asked", edited);
    buffer_free(&out);
}

static inline struct encode encode_of(const struct chat *chat, const struct embed *embed, const struct provider *provider,
                                      const struct model_facts *model, struct arena *arena, struct buffer *out, struct buffer *dropped,
                                      struct complaint *complaint)
{
    return (struct encode){.chat = chat,
                           .embed = embed,
                           .provider = provider,
                           .model = model,
                           .arena = arena,
                           .out = out,
                           .dropped = dropped,
                           .complaint = complaint};
}

static inline void check_request(const struct wire *wire, const struct chat *chat, const struct provider *provider,
                                 const struct model_facts *model, struct arena *arena)
{
    struct buffer out, dropped;
    struct complaint complaint = {FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    buffer_init(&out, OUT_MAX);
    buffer_init(&dropped, OUT_MAX);
    struct encode encode = encode_of(chat, NULL, provider, model, arena, &out, &dropped, &complaint);
    if (wire->write_request(&encode))
        require(out.overflow || is_json(buffer_slice(&out)), "a written request is JSON", buffer_slice(&out));
    else
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", buffer_slice(&out));
    buffer_free(&out);
    buffer_free(&dropped);
}

/* As a request of OpenAI's dialect to `provider`: edits where its wire is the same, written anew in any case. */
static inline void fuzz_request(struct slice given, const struct vendor *vendor, uint64_t hash)
{
    struct slice body = own(given);
    struct arena arena;
    struct facts facts;
    struct chat chat;
    struct complaint complaint;
    struct provider provider = provider_of(vendor);
    struct model_facts model = model_of(hash >> 16);
    arena_init(&arena, NULL, ARENA_MAX);
    if (wire_openai.read_facts(body, &arena, &facts, &complaint)) {
        if (vendor->wire == &wire_openai)
            check_edits(vendor->wire, body, &facts, &provider, &model, &arena);
        if (wire_openai.read_chat(body, &arena, &chat, &complaint))
            check_request(vendor->wire, &chat, &provider, &model, &arena);
        else
            require(complaint.message.len > 0, "a refusal says why", body);
    } else {
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
    }
    arena_free(&arena);
    free((char *)body.ptr);
}

/* ---------------------------------------------------------------- answers */

/* An answer on its way to a client by the machine that attempts run, and what is promised of the events in its middle. */
struct hearing {
    struct answer answer;
    struct arena arena;
    struct wire wire; /* the provider's, but that what it rewrites is looked at */
    const struct wire *spoken, *client;
    uint64_t hash;
    bool started, over;
};

static inline void hear(void *owner, const struct event *event)
{
    struct hearing *hearing = owner;
    require(!hearing->over, "nothing follows the end or an error", event->text_raw);
    require(hearing->started || !event_is_content(event), "an answer starts before it says something", event->text_raw);
    hearing->started |= event->kind == EVENT_START;
    hearing->over |= event->kind == EVENT_END || event->kind == EVENT_ERROR;
    const struct slice texts[] = {event->text_raw, event->id_raw, event->name_raw, event->model_raw, event->signature_raw, event->data_raw};
    uint64_t kind[] = {event->kind, event->choice, event->tool, event->finish, (uint64_t)event->usage.output, event->failure.kind};
    hearing->hash = mix(hearing->hash, (struct slice){(const char *)kind, sizeof kind});
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        hearing->hash = mix(hearing->hash, texts[i]);
    answer_take(&hearing->answer, event);
}

/* What the client got: whole events, each JSON or the end marker. */
static inline void check_stream(struct slice out)
{
    struct sse sse;
    struct sse_event event;
    sse_init(&sse);
    sse_feed(&sse, out);
    while (sse_next(&sse, &event))
        require(!event.has_data || slice_equals(event.data, LIT("[DONE]")) || is_json(event.data), "an event for the client is JSON",
                event.data);
    require(!sse_finish(&sse, &event), "events for the client are whole", out);
    sse_free(&sse);
}

/* What a client of the same wire would get in place of an event is whole events as well. */
static inline void read_event_passing(struct reader *reader, struct slice name, struct slice data)
{
    const struct hearing *hearing = reader->owner;
    reader->passes = true;
    hearing->spoken->read_event(reader, name, data);
    if (reader->pass == PASS_REWRITE && is_json(data))
        check_stream(reader->rewritten);
}

static inline void hearing_begin(struct hearing *hearing, const struct wire *wire, const struct vendor *vendor, const struct wire *client,
                                 bool stream, struct slice request)
{
    *hearing = (struct hearing){.wire = *wire, .spoken = wire, .client = client};
    hearing->wire.read_event = read_event_passing;
    arena_init(&hearing->arena, NULL, ARENA_MAX);
    answer_init(&hearing->answer, NULL);
    answer_begin(&hearing->answer, wire, stream);
    hearing->answer.stream = stream;
    const struct reader reader = {.wire = &hearing->wire, .vendor = vendor, .arena = &hearing->arena, .stream = stream};
    const struct writer writer = {.wire = client,
                                  .arena = &hearing->arena,
                                  .stream = stream,
                                  .include_usage = true,
                                  .id = LIT("0123456789abcdef0123456789abcdef"),
                                  .model = LIT("m"),
                                  .body = request,
                                  .created = 1};
    require(answer_open_reader(&hearing->answer, &reader) && answer_open_writer(&hearing->answer, &writer), "memory", SLICE_NONE);
    hearing->answer.reader->emit = hear;
    hearing->answer.reader->owner = hearing;
}

/* `good`: what came until now was no failure. */
static inline void hearing_finish(struct hearing *hearing, bool good)
{
    struct answer *answer = &hearing->answer;
    bool stream = answer->stream, whole = good && answer_finish(answer);
    struct buffer failure;
    require(answer->reader->failed + answer->reader->ended == hearing->over, "the reader knows that it is over", SLICE_NONE);
    require(whole != answer->failed, "an answer is whole or has failed", SLICE_NONE);
    require(!whole || hearing->over, "what is whole has ended", SLICE_NONE);
    if (whole || answer->held.overflow)
        return;
    buffer_init(&failure, OUT_MAX);
    answer_write_failure(hearing->client, answer->writer, &answer->failure, LIT("req"), stream, &failure);
    if (!stream)
        buffer_clear(&answer->held);
    buffer_append_slice(&answer->held, buffer_slice(&failure));
    buffer_free(&failure);
}

static inline uint64_t hearing_end(struct hearing *hearing)
{
    uint64_t hash = mix(hearing->hash, buffer_slice(&hearing->answer.held));
    answer_end(&hearing->answer);
    answer_free(&hearing->answer);
    arena_free(&hearing->arena);
    return hash;
}

/* A stream in pieces of `step` bytes, 0: of any sizes. `check`: what more is promised of the client's bytes, or NULL. */
static inline uint64_t hear_stream(struct slice bytes, const struct wire *wire, const struct vendor *vendor, const struct wire *client,
                                   size_t step, uint64_t seed, struct slice request, void (*check)(struct slice out))
{
    struct hearing hearing;
    bool good = true;
    hearing_begin(&hearing, wire, vendor, client, true, request);
    hearing.answer.include_usage = seed & 1;
    for (size_t at = 0; good && !hearing.answer.ended && at < bytes.len;) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        size_t want = step != 0 ? step : 1 + (seed >> 33) % 97, left = bytes.len - at, size = want < left ? want : left;
        struct slice piece = own((struct slice){bytes.ptr + at, size});
        good = answer_feed(&hearing.answer, piece);
        free((char *)piece.ptr);
        at += size;
    }
    hearing_finish(&hearing, good);
    if (!hearing.answer.held.overflow) {
        check_stream(buffer_slice(&hearing.answer.held));
        if (check != NULL)
            check(buffer_slice(&hearing.answer.held));
    }
    return hearing_end(&hearing);
}

static inline void hear_whole(struct slice bytes, const struct wire *wire, const struct vendor *vendor, const struct wire *client,
                              enum operation operation, struct slice request)
{
    struct hearing hearing;
    struct slice body = own(bytes);
    hearing_begin(&hearing, wire, vendor, client, false, request);
    hearing.answer.reader->operation = operation;
    bool good = answer_feed(&hearing.answer, body);
    free((char *)body.ptr);
    hearing_finish(&hearing, good);
    require(hearing.over, "a whole answer ends or fails", bytes);
    if (client->operation == operation && !hearing.answer.held.overflow)
        require(is_json(buffer_slice(&hearing.answer.held)), "a whole answer is JSON", buffer_slice(&hearing.answer.held));
    hearing_end(&hearing);
}

/* A stream in one piece, byte by byte and in pieces. */
static inline void fuzz_stream(struct slice bytes, const struct vendor *vendor, uint64_t hash)
{
    uint64_t whole = hear_stream(bytes, vendor->wire, vendor, &wire_openai, bytes.len, hash, SLICE_NONE, NULL);
    require(hear_stream(bytes, vendor->wire, vendor, &wire_openai, 1, hash, SLICE_NONE, NULL) == whole, "a stream byte by byte", bytes);
    require(hear_stream(bytes, vendor->wire, vendor, &wire_openai, 0, hash, SLICE_NONE, NULL) == whole, "a stream in pieces", bytes);
}

static inline void fuzz_answer(struct slice bytes, const struct vendor *vendor, uint64_t hash)
{
    fuzz_stream(bytes, vendor, hash);
    hear_whole(bytes, vendor->wire, vendor, &wire_openai, OPERATION_CHAT, SLICE_NONE);
}

/* As a request for embeddings and as the whole answer to one. */
static inline void fuzz_embeddings(struct slice given, const struct vendor *vendor, uint64_t hash)
{
    struct slice body = own(given);
    struct provider provider = provider_of(vendor);
    struct model_facts model = model_of(hash);
    struct arena arena;
    struct embed embed;
    struct facts facts;
    struct complaint complaint = {FAILURE_NONE, SLICE_NONE, SLICE_NONE};
    struct buffer out, dropped;
    arena_init(&arena, NULL, ARENA_MAX);
    buffer_init(&out, OUT_MAX);
    buffer_init(&dropped, OUT_MAX);
    struct encode encode = encode_of(NULL, &embed, &provider, &model, &arena, &out, &dropped, &complaint);
    if (wire_embeddings.read_facts(body, &arena, &facts, &complaint) && wire_embeddings.read_embed(body, &arena, &embed, &complaint) &&
        vendor->wire->write_embed(&encode))
        require(out.overflow || is_json(buffer_slice(&out)), "a written request is JSON", buffer_slice(&out));
    else
        require(complaint.message.len > 0 && complaint.kind != FAILURE_NONE, "a refusal says why", body);
    hear_whole(body, vendor->wire, vendor, &wire_embeddings, OPERATION_EMBED, SLICE_NONE);
    arena_free(&arena);
    buffer_free(&out);
    buffer_free(&dropped);
    free((char *)body.ptr);
}

static inline struct slice fuzz_header(void *head, struct slice name)
{
    (void)name;
    return *(struct slice *)head;
}

static inline void fuzz_failure(struct slice bytes, const struct wire *wire, uint64_t hash)
{
    static const int statuses[] = {0, 400, 401, 403, 404, 413, 422, 429, 500, 502, 503, 504, 529, 302, 599};
    struct slice body = own(bytes), head = {body.ptr, body.len < 64 ? body.len : 64};
    struct arena arena;
    struct buffer out;
    arena_init(&arena, NULL, ARENA_MAX);
    int status = statuses[hash % (sizeof statuses / sizeof *statuses)];
    const struct error_answer refused = {status, body, fuzz_header, &head, 1700000000000000, &arena};
    struct failure failure = wire->read_failure(&refused);
    require(failure.message.len > 0 && failure.message.len <= FAILURE_MESSAGE_MAX, "a refusal has words, and not too many", bytes);
    require(failure.kind != FAILURE_NONE && failure.kind < FAILURE_COUNT && failure.retry_after_us >= -1, "a refusal has a class", bytes);
    buffer_init(&out, OUT_MAX);
    wire_openai.write_failure(&failure, LIT("req"), false, &out);
    require(is_json(buffer_slice(&out)), "an error body is JSON", buffer_slice(&out));
    buffer_clear(&out);
    wire_anthropic.write_failure(&failure, LIT("req"), false, &out);
    require(is_json(buffer_slice(&out)), "an error body is JSON", buffer_slice(&out));
    buffer_clear(&out);
    wire_openai.write_failure(&failure, LIT("req"), true, &out);
    check_stream(buffer_slice(&out));
    buffer_free(&out);
    arena_free(&arena);
    free((char *)body.ptr);
}
#endif
