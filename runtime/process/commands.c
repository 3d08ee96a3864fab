/* commands.c -- the commands that serve nothing: check and explain. See process.h.
 * SPDX-License-Identifier: MIT */
#include "process/greeting.h"
#include "net/listen.h"
#include "process/process.h"
#include "gateway/identify.h"
#include "gateway/life.h"
#include "gateway/routes.h"
#include "gateway/worker.h"
#include "process/load.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Writes to people, not to the log. */
static int complain(const char *complaint)
{
    log_now(LOG_TEXT, LOG_ERROR, "start", complaint);
    return 1;
}

static void say_not_fetched(const struct config *config)
{
    if (config->board.url.len > 0)
        fprintf(stderr, "gateway: the leaderboard at %.*s was not fetched: only a running gateway does\n", (int)config->board.url.len,
                config->board.url.ptr);
}

/* Remarks about the config, and unset variables, a line each. `config` NULL: it was refused. */
static void put_remarks(struct buffer *out, const struct engine *engine, const struct config *config, const char *path)
{
    for (unsigned i = 0; config != NULL && i < config->remark_count; i++) {
        buffer_append_slice(out, config->remarks[i]);
        buffer_append_byte(out, '\n');
    }
    engine->review(path, out);
}

static void say(struct buffer *lines)
{
    if (lines->len > 0)
        fwrite(lines->ptr, 1, lines->len, stdout);
    fflush(stdout);
    buffer_free(lines);
}

/* A valid config may still name an address that a start refuses. */
static bool put_start(struct buffer *out, const struct gateway *gateway, char complaint[COMPLAINT_MAX])
{
    const struct config *config = gateway->current->config;
    struct listen_place place;
    struct listen_address address;
    char why[LISTEN_WHY_MAX];
    if (!listen_find(config->listen_host.ptr, config->listen_port, &place, &address, why)) {
        snprintf(complaint, COMPLAINT_MAX, "%.*s: %s", (int)config->listen_place.len, config->listen_place.ptr, why);
        return false;
    }
    greet_people(out, config, &address, config->workers == 0 ? gateway->cores : config->workers);
    return true;
}

/* As a start would load it, but nothing is sent and nothing serves. NULL: complaint. `gateway` is the caller's to end. */
static struct generation *load(struct gateway *gateway, const struct engine *engine, const struct load *load, char complaint[COMPLAINT_MAX])
{
    gateway_init(gateway, engine, clock_monotonic_us(), clock_wall_us());
    struct generation *generation = generation_load(gateway, load, clock_monotonic_us(), complaint);
    if (generation != NULL)
        generation_swap(gateway, generation);
    return generation;
}

int process_check(const struct engine *engine, const char *path)
{
    struct gateway gateway;
    struct buffer lines;
    char complaint[COMPLAINT_MAX] = "";
    struct generation *generation = load(&gateway, engine, &(struct load){.path = path, .scripts = 1, .number = 1}, complaint);
    buffer_init(&lines, 1024 * 1024);
    bool ok = generation != NULL && put_start(&lines, &gateway, complaint);
    put_remarks(&lines, engine, generation == NULL ? NULL : generation->config, path);
    if (ok)
        buffer_append_lit(&lines, "ok\n");
    say(&lines);
    if (ok)
        say_not_fetched(generation->config);
    gateway_fini(&gateway);
    return ok ? 0 : complain(complaint);
}

static bool read_file(const char *path, struct buffer *out)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    for (;;) {
        char *room = buffer_reserve(out, 65536);
        ssize_t count = room == NULL ? -1 : read(fd, room, 65536);
        if (count <= 0) {
            close(fd);
            return count == 0;
        }
        out->len += (size_t)count;
    }
}

/* A worker without threads and sockets: explain asks the policy and sends nothing. */
static int explain(struct gateway *gateway, struct slice body, const struct user *user)
{
    struct worker *worker = worker_new(gateway, 0);
    if (worker == NULL)
        return complain("out of descriptors");
    struct request *request = request_new(worker, NULL, route_find(LIT("POST"), LIT("/v1/chat/completions")));
    struct buffer out;
    int status = 0;
    buffer_init(&out, 16 * 1024 * 1024);
    request->body = body;
    request->user = user;
    if (request_identify(request)) {
        gateway->engine->explain(request->local->script, request, &out);
        printf("%.*s\n", (int)out.len, out.ptr);
    } else {
        wire_openai.write_failure(&request->failure, SLICE_NONE, false, &out);
        printf("%.*s\n", (int)out.len, out.ptr);
        status = 1;
    }
    buffer_free(&out);
    request_release(request);
    worker_free(worker);
    return status;
}

/* The user of this name, NULL for NULL. False: there is none. */
static bool find_user(const struct config *config, const char *name, const struct user **user)
{
    *user = NULL;
    for (unsigned i = 0; name != NULL && i < config->user_count; i++)
        if (slice_equals(config->users[i].id, slice_of(name)))
            *user = &config->users[i];
    if (name == NULL || *user != NULL)
        return true;
    fprintf(stderr, "gateway: no key of the config belongs to a user '%s'\n", name);
    return false;
}

int process_explain(const struct engine *engine, const char *path, const char *request_path, const char *user_name)
{
    const struct user *user;
    struct gateway gateway;
    struct buffer body;
    char complaint[COMPLAINT_MAX] = "";
    struct load from = {.path = path, .scripts = 1, .number = 1, .untried = true};
    struct generation *generation = load(&gateway, engine, &from, complaint);
    if (generation == NULL) {
        gateway_fini(&gateway);
        return complain(complaint);
    }
    say_not_fetched(generation->config);
    generation_pretend_tokens(generation->config);
    buffer_init(&body, generation->config->body_limit);
    int status = 1;
    if (!find_user(generation->config, user_name, &user))
        status = 2;
    else if (read_file(request_path, &body))
        status = explain(&gateway, buffer_slice(&body), user);
    else
        fprintf(stderr, "gateway: %s: %s\n", request_path, strerror(errno));
    buffer_free(&body);
    gateway_fini(&gateway);
    return status;
}
