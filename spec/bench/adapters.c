/* adapters.c -- what a provider in Lua costs beside one in C: the CPU of one streamed event, of a request, of a whole answer.
 *
 *     adapters CONFIG      a line each: provider, ns of an event, ns of a request, ns of a whole answer
 *
 * Everything is done as an attempt does it, from the provider's bytes to neutral events and from the client's body to the provider's, in one
 * thread, the providers in turn within each round. Not in the figures: sockets, the client's dialect.
 * SPDX-License-Identifier: MIT */
#include "base/frames.h"
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/routes.h"
#include "gateway/worker.h"
#include "process/load.h"
#include "lua/engine/engine.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { EVENTS = 2000, TURNS = 400, ROUNDS = 15, TARGETS = 3, KINDS = 3 };

static const char body[] =
    "{\"model\":\"all\",\"max_tokens\":200,\"temperature\":0.5,\"stream\":true,\"messages\":[{\"role\":\"system\",\"content\":\"Be "
    "kind.\"},"
    "{\"role\":\"user\",\"content\":\"Why is the sky blue?\"},{\"role\":\"assistant\",\"content\":\"Because of scattering.\"},"
    "{\"role\":\"user\",\"content\":\"And why is it red in the evening? Explain it to a child, please.\"}]}";

struct bench {
    struct request *request;
    const struct chat *chat;
    const struct target *target;
    const struct wire *wire;
    struct slice stream, answer;
    uint64_t seen; /* events that came out */
};

static int die(const char *text)
{
    fprintf(stderr, "adapters: %s\n", text);
    exit(1);
}

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void count(void *owner, const struct event *event)
{
    struct bench *bench = owner;
    if (event->kind == EVENT_ERROR)
        die(event->failure.message.ptr);
    bench->seen++;
}

static struct reader *new_reader(struct bench *bench, struct arena *arena, bool stream)
{
    struct reader *reader = arena_zalloc(arena, bench->wire->reader_size);
    reader->wire = bench->wire;
    reader->vendor = bench->target->provider->vendor;
    reader->model = &bench->target->model;
    reader->arena = arena;
    reader->emit = count;
    reader->owner = bench;
    reader->asker = bench->request;
    reader->chat = bench->chat;
    reader->stream = stream;
    bench->wire->reader_begin(reader);
    return reader;
}

static void read_stream(struct bench *bench)
{
    struct arena arena;
    struct frames frames;
    struct sse_event event;
    arena_init(&arena, NULL, REQUEST_ARENA_MAX);
    frames_init(&frames, bench->wire->stream_form);
    struct reader *reader = new_reader(bench, &arena, true);
    frames_feed(&frames, bench->stream);
    while (!reader->ended && frames_next(&frames, &event))
        bench->wire->read_event(reader, event.name, event.data, false, NULL, NULL);
    if (!reader->ended)
        die("the stream did not end");
    frames_free(&frames);
    arena_free(&arena);
}

static void read_answers(struct bench *bench)
{
    for (int i = 0; i < TURNS; i++) {
        struct arena arena;
        arena_init(&arena, NULL, REQUEST_ARENA_MAX);
        struct reader *reader = new_reader(bench, &arena, false);
        bench->wire->read_answer(reader, bench->answer);
        if (!reader->ended)
            die("the answer did not end");
        arena_free(&arena);
    }
}

static void write_requests(struct bench *bench)
{
    for (int i = 0; i < TURNS; i++) {
        struct arena arena;
        struct buffer out, dropped;
        struct complaint complaint;
        arena_init(&arena, NULL, REQUEST_ARENA_MAX);
        buffer_init(&out, 1 << 20);
        buffer_init(&dropped, 1024);
        if (!bench->wire->write_request(bench->chat, bench->target->provider, &bench->target->model, &arena, &out, &dropped, &complaint))
            die(complaint.message.ptr);
        buffer_free(&out);
        buffer_free(&dropped);
        arena_free(&arena);
    }
}

/* A stream of EVENTS pieces, in the shapes of the provider. */
static struct slice make_stream(bool house)
{
    struct buffer out;
    buffer_init(&out, 1 << 24);
    for (int i = 0; i < EVENTS - 1; i++) {
        if (house)
            buffer_printf(&out, "event: piece\ndata: {\"text\":\"word%d \"}\n\n", i);
        else
            buffer_printf(
                &out,
                "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,"
                "\"delta\":{\"content\":\"word%d \"},\"finish_reason\":null}]}\n\n",
                i);
    }
    if (house)
        buffer_printf(&out, "event: end\ndata: {\"ended\":\"eos\",\"tokens\":{\"prompt\":9,\"completion\":%d}}\n\n", EVENTS);
    else
        buffer_printf(&out, "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
    return buffer_slice(&out);
}

static void prepare(struct bench *bench, struct request *request, const struct chat *chat, const char *name)
{
    bool house = name[0] == 'h';
    bench->request = request;
    bench->chat = chat;
    bench->target = config_target(request->config, slice_of(name));
    if (bench->target == NULL)
        die("no such target");
    bench->wire = bench->target->provider->vendor->wire;
    bench->stream = make_stream(house);
    bench->answer =
        house ? LIT("{\"ref\":\"r\",\"model\":\"m\",\"output\":{\"text\":\"Because the light comes a longer way.\"},\"ended\":\"eos\","
                    "\"tokens\":{\"prompt\":9,\"completion\":8}}")
              : LIT("{\"id\":\"r\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Because the "
                    "light "
                    "comes a longer way.\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":8}}");
}

static void measure(struct bench benches[TARGETS])
{
    static void (*const works[KINDS])(struct bench * bench) = {read_stream, write_requests, read_answers};
    static const int each[KINDS] = {EVENTS, TURNS, TURNS};
    double best[TARGETS][KINDS];
    for (int round = 0; round < ROUNDS; round++)
        for (int t = 0; t < TARGETS; t++)
            for (int k = 0; k < KINDS; k++) {
                int64_t began = cpu_ns();
                works[k](&benches[t]);
                double ns = (double)(cpu_ns() - began) / each[k];
                if (round == 0 || ns < best[t][k])
                    best[t][k] = ns;
            }
    for (int t = 0; t < TARGETS; t++)
        printf("%.*s %.0f %.0f %.0f\n", (int)benches[t].target->provider->name.len, benches[t].target->provider->name.ptr, best[t][0],
               best[t][1], best[t][2]);
}

int main(int argc, char **argv)
{
    static const char *const names[TARGETS] = {"openai/m", "same/m", "house/m"};
    struct gateway gateway;
    char complaint[COMPLAINT_MAX] = "";
    struct chat chat = {.messages = NULL};
    struct complaint refused;
    struct bench benches[TARGETS] = {{.seen = 0}};
    if (argc != 2)
        die("CONFIG");
    gateway_init(&gateway, &lua_engine, clock_monotonic_us(), clock_wall_us());
    struct generation *generation = generation_load(&gateway, &(struct load){.path = argv[1], .scripts = 1, .number = 1, .untried = true},
                                                    clock_monotonic_us(), complaint);
    if (generation == NULL)
        die(complaint);
    gateway.log = log_open(2, LOG_INFO, LOG_JSON);
    generation_swap(&gateway, generation);
    struct worker *worker = worker_new(&gateway, 0);
    if (worker == NULL)
        die("out of descriptors");
    struct request *request = request_new(worker, NULL, route_find(LIT("POST"), LIT("/v1/chat/completions")));
    request->body = slice_of(body);
    if (!request_identify(request) || !wire_openai.read_chat(request->body, &request->arena, &chat, &refused))
        die("the request is refused");
    chat.asker = request;
    for (int t = 0; t < TARGETS; t++)
        prepare(&benches[t], request, &chat, names[t]);
    measure(benches);
    for (int t = 0; t < TARGETS; t++)
        free((char *)benches[t].stream.ptr);
    request_release(request);
    worker_free(worker);
    gateway_fini(&gateway);
    log_close(gateway.log);
    return 0;
}
