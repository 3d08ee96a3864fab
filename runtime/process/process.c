/* process.c -- see process.h.
 * SPDX-License-Identifier: MIT */
#include "process/process.h"
#include "base/file.h"
#include "process/greeting.h"
#include "process/keeper.h"
#include "net/listen.h"
#include "mock/mock.h"
#include "config/memory_budget.h"
#include "gateway/reload.h"
#include "gateway/service.h"
#include "gateway/worker.h"
#include "process/load.h"
#include "shared/bodies.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

/* How often the files are looked at: an edited policy is in force before its author has changed windows. */
enum { WATCH_MS = 250, DRAIN_POLL_MS = 20, TOKEN_POLL_MS = 5, OTHER_THREADS = 4, MEMORY_MIN = 8 * 1024 * 1024 };

static const int64_t TOKENS_WITHIN_US = 5 * US_PER_S;

struct process {
    struct gateway gateway;
    const char *path;
    struct keeper *keeper; /* NULL: nothing to do for one */
    bool keeperless;       /* it could not be made: out of descriptors */
    bool starved;          /* the last reload was refused, and there were no descriptors: it is tried again when there are some */
    int *listeners;
    int signal_fd;
    unsigned last_number;      /* of a generation */
    uint64_t answered;         /* tickets up to this one have their verdict */
    struct generation *good;   /* put back when the one in force loses its probation; NULL: the probation is over */
    struct generation *older;  /* put back when `good`, itself still on probation, loses it; NULL: none */
    struct generation *fallen; /* the one that lost it; its files are watched until the next one */
    struct sources *refused;   /* of the last reload that was refused; watched likewise */
    char listen_host[64];      /* what the running listeners were made from */
    int listen_port;
    struct listen_place listen_place;
    struct listen_address address;
    struct memory memory;
    size_t memory_limit, body_limit; /* the config's when it started */
};

/* ---------------------------------------------------------------- start */

/* A connection on either side is a descriptor: take what the system allows. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Why it does not start stands in one line, in the form that its log would have had. */
static enum log_format format_of(const struct process *process)
{
    const struct generation *current = process->gateway.current;
    return current == NULL ? LOG_UNSET : current->config->log_format;
}

/* The system's error, and what to do about a shortage. */
static void refuse_in_its_words(const struct process *process, const char *what)
{
    char why[FILE_WHY_MAX];
    file_write_why(errno, why);
    log_no_start(format_of(process), 1, "%s: %s", what, why);
}

static bool refuse_address(const struct process *process)
{
    bool taken = errno == EADDRINUSE;
    char why[FILE_WHY_MAX];
    file_write_why(errno, why);
    log_no_start(format_of(process), 1, "cannot listen on %s:%d: %s%s", process->listen_host, process->listen_port, why,
                 taken ? ": another program has the port (see ss -ltnp): stop it and wait until it let go, or set another `listen`" : "");
    return false;
}

static bool find_place_to_listen(struct process *process, const struct config *config)
{
    char why[LISTEN_WHY_MAX];
    if (listen_find(config->listen_host.ptr, config->listen_port, &process->listen_place, &process->address, why))
        return true;
    log_no_start(format_of(process), 1, "%.*s: %s", (int)config->listen_place.len, config->listen_place.ptr, why);
    return false;
}

static bool open_listeners(struct process *process, const struct config *config, unsigned count)
{
    snprintf(process->listen_host, sizeof process->listen_host, "%.*s", (int)config->listen_host.len, config->listen_host.ptr);
    process->listen_port = config->listen_port;
    process->listeners = xcalloc(count, sizeof *process->listeners);
    for (unsigned i = 0; i < count; i++) {
        process->listeners[i] = listen_open(&process->listen_place, process->listen_port, i > 0);
        if (process->listeners[i] < 0)
            return refuse_address(process);
        if (process->listen_port == 0) /* any: the other workers share the one we were given */
            process->listen_port = listen_port(process->listeners[i]);
    }
    listen_describe(process->listeners[0], &process->address);
    return true;
}

static bool make_workers(struct process *process, unsigned count)
{
    struct gateway *gateway = &process->gateway;
    gateway->workers = xcalloc(count, sizeof *gateway->workers);
    gateway->worker_count = count;
    for (unsigned i = 0; i < count; i++) {
        gateway->workers[i] = worker_new(gateway, i);
        if (gateway->workers[i] == NULL || !service_open(gateway->workers[i], process->listeners[i])) {
            refuse_in_its_words(process, "a worker cannot start");
            return false;
        }
    }
    return true;
}

static bool start_workers(const struct process *process)
{
    const struct gateway *gateway = &process->gateway;
    for (unsigned i = 0; i < gateway->worker_count; i++) {
        if (!worker_start(gateway->workers[i])) {
            log_no_start(format_of(process), 1, "worker %u cannot start: the system gives no more threads", i);
            return false;
        }
    }
    return true;
}

/* Half of what is available is for request bodies. What the process holds by now is subtracted; the part of it that `memory` counts already is added back to its limit. */
static bool divide_memory(struct process *process, const struct config *config, unsigned workers)
{
    struct gateway *gateway = &process->gateway;
    struct memory_budget found = memory_budget_find(config->memory_limit, workers + OTHER_THREADS);
    process->memory_limit = config->memory_limit;
    process->body_limit = config->body_limit;
    if (found.available < MEMORY_MIN) {
        log_no_start(format_of(process), 1,
                     "%zu MB of memory (by %s) are too few: %zu MB are taken at the start, and 8 MB more are the least; raise it",
                     found.limit >> 20, found.bound, (found.limit - found.available) >> 20);
        return false;
    }
    process->memory.limit = found.available + memory_held(&process->memory);
    process->memory.large = process->memory.limit / 4 * 3;
    gateway->bodies = bodies_new(found.available / 2, config->body_limit);
    log_event(gateway->log, LOG_INFO, "memory", log_number("may_mb", (int64_t)(found.limit >> 20)),
              log_text("bound", slice_of(found.bound)), log_number("room_mb", (int64_t)(found.available >> 20)),
              log_number("bodies_mb", (int64_t)(found.available >> 21)));
    char message[160];
    snprintf(message, sizeof message,
             "body_limit is more than the room for bodies: bodies above %zu MB are refused; raise memory, or lower body_limit",
             found.available >> 21);
    if (bodies_largest(gateway->bodies) < config->body_limit)
        log_event(gateway->log, LOG_WARN, "memory", log_text("message", slice_of(message)));
    return true;
}

static bool has_unanswered(const struct config *config)
{
    bool unanswered = false;
    for (unsigned i = 0; i < config->provider_count; i++)
        unanswered |= config->access_tokens[i] != NULL && !access_token_is_answered(config->access_tokens[i]);
    return unanswered;
}

/* Waits a moment for access tokens, so that the first clients find them. Signals are left for watch(). */
static void wait_for_tokens(const struct process *process, const struct config *config)
{
    int64_t until_us = clock_monotonic_us() + TOKENS_WITHIN_US;
    struct pollfd fd = {process->signal_fd, POLLIN, 0};
    while (process->keeper != NULL && has_unanswered(config) && clock_monotonic_us() < until_us && poll(&fd, 1, TOKEN_POLL_MS) == 0)
        continue;
}

/* ---------------------------------------------------------------- reload */

static void warn_about_field(struct process *process, const char *field)
{
    char message[96];
    snprintf(message, sizeof message, "a reload leaves %s as it was at the start: restart the gateway", field);
    log_event(process->gateway.log, LOG_WARN, "restart_needed", log_text("field", slice_of(field)), log_text("message", slice_of(message)));
}

static void warn_about_restart(struct process *process, const struct config *config)
{
    bool same_host = config->listen_host.len == strlen(process->listen_host) &&
                     memcmp(config->listen_host.ptr, process->listen_host, config->listen_host.len) == 0;
    bool same_port = config->listen_port == 0 || config->listen_port == process->listen_port;
    if (!same_host || !same_port)
        warn_about_field(process, "listen");
    if (config->memory_limit != process->memory_limit)
        warn_about_field(process, "memory");
    if (config->body_limit != process->body_limit)
        warn_about_field(process, "body_limit");
    if (config->workers != 0 && config->workers != process->gateway.worker_count)
        warn_about_field(process, "workers");
}

static void log_reload(struct process *process, const struct verdict *verdict)
{
    log_event(process->gateway.log, verdict->ok ? LOG_INFO : LOG_ERROR, "reload",
              log_text("result", verdict->ok ? LIT("ok") : LIT("refused")), log_number("generation", verdict->generation),
              log_text("message", slice_of(verdict->text)));
}

static void log_remarks(const struct gateway *gateway, const struct config *config)
{
    for (unsigned i = 0; i < config->remark_count; i++)
        log_event(gateway->log, LOG_WARN, "config", log_text("message", config->remarks[i]));
}

/* Said once: it is tried again with each look at the files. */
static void note_keeper(struct process *process, bool missing)
{
    struct log *log = process->gateway.log;
    if (missing && !process->keeperless)
        log_event(log, LOG_ERROR, "check", log_text("result", LIT("off")),
                  log_text("message", LIT("no thread or descriptors for checks and tokens (raise ulimit -n)")));
    else if (!missing && process->keeperless)
        log_event(log, LOG_INFO, "check", log_text("result", LIT("on")));
    process->keeperless = missing;
}

/* After each swap. */
static void keep_watch(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    if (!keeper_is_needed(gateway->current->config)) {
        keeper_stop(process->keeper);
        process->keeper = NULL;
        process->keeperless = false;
    } else if (process->keeper != NULL) {
        keeper_follow(process->keeper);
    } else {
        process->keeper = keeper_start(gateway);
        note_keeper(process, process->keeper == NULL);
    }
}

static void drop(struct generation **generation)
{
    if (*generation != NULL)
        generation_unref(*generation);
    *generation = NULL;
}

static void forget_refused(struct process *process)
{
    if (process->refused != NULL)
        process->gateway.engine->sources_free(process->refused);
    process->refused = NULL;
}

/* Replaces the generation in force, and keeps it for a return where it looks good. Where it is still on probation, the one before is kept too. */
static void keep_good(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    if (process->good != NULL && !probation_looks_good(&gateway->current->probation))
        return;
    if (process->older == NULL)
        process->older = process->good;
    else
        drop(&process->good);
    process->good = generation_current(gateway);
}

static void put_in_force(struct process *process, struct generation *generation)
{
    struct gateway *gateway = &process->gateway;
    log_set_level(gateway->log, generation->config->log_level, generation->config->log_format);
    warn_about_restart(process, generation->config);
    log_remarks(gateway, generation->config);
    generation_swap(gateway, generation);
    keep_watch(process);
}

/* As many as a reload has open at a time: a folder, a file in it, the loop that a policy is tried on. */
static bool has_descriptors(void)
{
    int fds[] = {open("/", O_RDONLY | O_CLOEXEC), open("/", O_RDONLY | O_CLOEXEC), epoll_create1(EPOLL_CLOEXEC), eventfd(0, EFD_CLOEXEC)};
    bool all = true;
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
        all &= fds[i] >= 0;
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return all;
}

/* Tried aside; in force only when everything in it is sound. */
static void reload(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    struct verdict verdict = {.upto = atomic_load(&gateway->reload_asked), .generation = gateway->current->number};
    forget_refused(process);
    struct load load = {
        .path = process->path, .scripts = gateway->worker_count, .number = process->last_number + 1, .refused = &process->refused};
    struct generation *fresh = generation_load(gateway, &load, clock_monotonic_us(), verdict.text);
    if (fresh != NULL) {
        verdict.ok = true;
        verdict.generation = process->last_number = fresh->number;
        snprintf(verdict.text, sizeof verdict.text, "generation %u is in force", fresh->number);
        keep_good(process);
        drop(&process->fallen);
        atomic_store(&gateway->taken_back, 0);
        generation_begin_probation(fresh, clock_monotonic_us());
        put_in_force(process, fresh);
    }
    process->starved = fresh == NULL && !has_descriptors();
    process->answered = verdict.upto;
    log_reload(process, &verdict);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        reload_post(gateway->workers[i], &verdict);
}

/* The generation in force lost its probation: puts the last good one back, under its own number. */
static void take_back(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    struct generation *failed = generation_current(gateway);
    drop(&process->fallen);
    process->fallen = failed;
    unsigned users = probation_user_count(&failed->probation);
    char message[320];
    snprintf(
        message, sizeof message,
        "generation %u is taken back, generation %u is in force again: the policy failed in %u of %u calls, for %u user%s or more (see "
        "policy_error); mend its file, or ask for a reload to try it once more",
        failed->number, process->good->number, atomic_load(&failed->probation.failures), atomic_load(&failed->probation.calls), users,
        users == 1 ? "" : "s");
    log_event(gateway->log, LOG_ERROR, "reload", log_text("result", LIT("taken_back")), log_number("generation", process->good->number),
              log_text("message", slice_of(message)));
    atomic_store(&gateway->taken_back, failed->number);
    if (process->older != NULL)
        generation_begin_probation(process->good, clock_monotonic_us());
    put_in_force(process, process->good);
    process->good = process->older;
    process->older = NULL;
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_wake(gateway->workers[i]);
}

/* ---------------------------------------------------------------- the process's own loop */

static unsigned in_flight(const struct gateway *gateway)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < gateway->worker_count; i++)
        sum += atomic_load(&gateway->workers[i]->in_flight);
    return sum;
}

static int next_signal(const struct process *process)
{
    struct signalfd_siginfo info;
    return read(process->signal_fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}

/* Files of generations that failed or were refused are watched too: an edit loads them again. */
static uint64_t stamp_fallen(const struct process *process)
{
    return process->fallen == NULL ? 0 : 3 * process->gateway.engine->stamp(process->fallen->sources);
}

static uint64_t stamp_refused(const struct process *process, uint64_t (*stamp)(const struct sources *sources))
{
    return process->refused == NULL ? 0 : 5 * stamp(process->refused);
}

/* Its probation is over, or lost. True: another generation is in force. */
static bool look_at_probation(struct process *process)
{
    struct probation *probation = &process->gateway.current->probation;
    if (process->good == NULL)
        return false;
    if (probation_is_lost(probation)) {
        take_back(process);
        return true;
    }
    if (clock_monotonic_us() > atomic_load(&probation->until_us) + US_PER_S) { /* workers may still be about to say so */
        drop(&process->good);
        drop(&process->older);
    }
    return false;
}

/* Serves until a signal says to end. `seen`: the files as they were read. A broken file is tried once for each change, not over and over. */
static void watch(struct process *process, uint64_t seen)
{
    struct gateway *gateway = &process->gateway;
    const struct engine *engine = gateway->engine;
    for (;;) {
        struct pollfd fds[2] = {{process->signal_fd, POLLIN, 0}, {gateway->reload_fd, POLLIN, 0}};
        poll(fds, 2, WATCH_MS);
        health_evict(gateway->health, clock_monotonic_us());
        int number = next_signal(process);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (process->keeperless)
            keep_watch(process);
        uint64_t told;
        bool wanted = number == SIGHUP || (process->starved && has_descriptors()) ||
                      (read(gateway->reload_fd, &told, sizeof told) > 0 && atomic_load(&gateway->reload_asked) > process->answered);
        uint64_t stamp = engine->stamp(gateway->current->sources), fallen = stamp_fallen(process);
        uint64_t refused = stamp_refused(process, engine->stamp);
        if (wanted || stamp + fallen + refused != seen) {
            reload(process);
            fallen = process->fallen == NULL ? 0 : fallen;
            refused = stamp_refused(process, engine->stamp_read); /* as of the read, so that an edit made during the try is seen */
        } else if (look_at_probation(process)) {
            stamp = engine->stamp(gateway->current->sources);
            fallen = stamp_fallen(process);
        }
        seen = stamp + fallen + refused;
    }
}

static bool is_drained(const struct gateway *gateway)
{
    for (unsigned i = 0; i < gateway->worker_count; i++)
        if (!service_is_quiet(gateway->workers[i]))
            return false;
    return in_flight(gateway) == 0;
}

/* True: drained, or the time is over. A second signal ends it at once. */
static bool wait_for_drain(const struct process *process, int64_t within_us)
{
    const struct gateway *gateway = &process->gateway;
    int64_t until = clock_monotonic_us() + within_us;
    while (!is_drained(gateway) && clock_monotonic_us() < until) {
        struct pollfd fds[2] = {{process->signal_fd, POLLIN, 0}, {gateway->reload_fd, POLLIN, 0}};
        uint64_t told;
        poll(fds, 2, DRAIN_POLL_MS);
        int number = next_signal(process);
        if (number == SIGTERM || number == SIGINT)
            return false;
        if (read(gateway->reload_fd, &told, sizeof told) < 0)
            continue; /* time passed, nothing else */
    }
    return true;
}

/* First load balancers may notice that the gateway drains (`drain_delay`); then the port is released, and requests finish. True: all have. */
static bool drain(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    const struct config *config = gateway->current->config;
    atomic_store(&gateway->draining, true);
    log_event(gateway->log, LOG_INFO, "drain", log_number("in_flight", in_flight(gateway)));
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_wake(gateway->workers[i]);
    if (!wait_for_drain(process, config->drain_delay_us))
        return false;
    for (unsigned i = 0; i < gateway->worker_count; i++)
        listen_hide(process->listeners[i]); /* all before one is closed: else the kernel would send new clients to the rest */
    for (unsigned i = 0; i < gateway->worker_count; i++)
        service_quiesce(gateway->workers[i]);
    return wait_for_drain(process, config->drain_us) && is_drained(gateway);
}

/* Frees everything, when no worker runs (any more). */
static void let_go(struct process *process)
{
    struct gateway *gateway = &process->gateway;
    log_close(gateway->log);
    drop(&process->good);
    drop(&process->older);
    drop(&process->fallen);
    forget_refused(process);
    gateway_fini(gateway);
    trust_free(gateway->trust);
    bodies_free(gateway->bodies);
    embedded_mock_free(gateway->mock);
    free(process->listeners);
}

/* Without freeing anything: the system does. */
static _Noreturn void end_at_once(const struct process *process, int status)
{
    log_close(process->gateway.log);
    _exit(status);
}

static int stop(struct process *process, bool drained)
{
    struct gateway *gateway = &process->gateway;
    unsigned left = in_flight(gateway);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        left += server_coming(gateway->workers[i]->server);
    keeper_stop(process->keeper);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        service_stop(gateway->workers[i]);
    for (unsigned i = 0; i < gateway->worker_count; i++)
        worker_join(gateway->workers[i]);
    if (!drained) {
        log_event(gateway->log, left > 0 ? LOG_WARN : LOG_INFO, "stopped", log_number("cut", left));
        end_at_once(process, left > 0 ? 1 : 0);
    }
    for (unsigned i = 0; i < gateway->worker_count; i++)
        service_close(gateway->workers[i]);
    free(gateway->workers);
    log_event(gateway->log, LOG_INFO, "stopped", log_number("cut", 0));
    let_go(process);
    return 0;
}

int process_run(const struct engine *engine, const char *path)
{
    struct process process = {.path = path, .signal_fd = open_signals()};
    struct gateway *gateway = &process.gateway;
    char complaint[COMPLAINT_MAX] = "";

    raise_descriptor_limit();
    memory_prepare_malloc();
    memory_init(&process.memory, SIZE_MAX);
    gateway_init(gateway, engine, clock_monotonic_us(), clock_wall_us());
    gateway->memory = &process.memory;
    gateway->mock = embedded_mock_new();
    gateway->log = log_open(STDERR_FILENO, LOG_INFO, LOG_UNSET);
    gateway->reload_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway->token_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    gateway->trust = trust_new(NULL);
    struct load load = {.path = path, .number = 1};
    struct generation *first = generation_load(gateway, &load, clock_monotonic_us(), complaint);
    if (first == NULL) {
        let_go(&process);
        return log_no_start(format_of(&process), 1, "%s", complaint);
    }
    uint64_t seen = engine->stamp(first->sources); /* now: workers answer before we watch, and a file may be edited in between */
    log_set_level(gateway->log, first->config->log_level, first->config->log_format);
    process.last_number = first->number;
    generation_swap(gateway, first);
    if (!find_place_to_listen(&process, first->config) || !divide_memory(&process, first->config, first->script_count) ||
        !open_listeners(&process, first->config, first->script_count) || !make_workers(&process, first->script_count))
        end_at_once(&process, 1);
    gateway->listens = true;
    gateway->listens_on_loopback = first->config->listen_is_loopback;
    keep_watch(&process); /* not before the workers: they make the door table, which the keeper's calls use too */
    wait_for_tokens(&process, first->config);
    if (!start_workers(&process))
        end_at_once(&process, 1);
    log_remarks(gateway, first->config);
    greet(gateway->log, first->config, &process.address, gateway->worker_count);
    watch(&process, seen);
    return stop(&process, drain(&process));
}
