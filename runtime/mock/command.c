/* command.c -- `gateway mock`: the mock provider alone, until a signal ends it.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include "base/log.h"
#include "base/spelling.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

static const char help[] =
    "gateway mock [--port N] [--ledger FILE] [--close] [--hang-up]\n"
    "gateway mock [--port N] [--delay-ms N] [--events N] [--gap-ms N] [--reply-bytes N] [--no-ledger]\n"
    "\n"
    "  The mock provider alone: OpenAI chat completions and Anthropic messages on 127.0.0.1 (--port 0: any), whole and streamed.\n"
    "  A model's name says how it behaves: slow-250, gap-20, events-100, tools, parallel-tools, fault-status-503, fault-reset-after,\n"
    "  fault-cut-event-3, fault-stall-head, once-fault-...\n"
    "  GET /__ledger lists what it received, GET /__stats counts, POST /__reset forgets. --ledger appends each request as a JSON line.\n"
    "  --close: one request a connection. --hang-up: one more port, where connections are accepted and reset at once.\n"
    "  The second form is for benches: replies are made once, nothing is parsed or written down.\n";

/* Flags: those without a value. */
static bool *flag_of(struct mock_settings *settings, struct slice name)
{
    return slice_equals(name, LIT("--close"))       ? &settings->close
           : slice_equals(name, LIT("--hang-up"))   ? &settings->hang_up
           : slice_equals(name, LIT("--no-ledger")) ? &settings->bench
                                                    : NULL;
}

/* Numbers for benches. */
static unsigned *number_of(struct mock_settings *settings, struct slice name)
{
    return slice_equals(name, LIT("--delay-ms"))      ? &settings->delay_ms
           : slice_equals(name, LIT("--events"))      ? &settings->events
           : slice_equals(name, LIT("--gap-ms"))      ? &settings->gap_ms
           : slice_equals(name, LIT("--reply-bytes")) ? &settings->reply_bytes
                                                      : NULL;
}

static int refuse_option(const char *name)
{
    static const char *const options[] = {"--port",   "--ledger", "--close",       "--hang-up", "--no-ledger", "--delay-ms",
                                          "--events", "--gap-ms", "--reply-bytes", "--help",    NULL};
    char hint[SPELLING_MAX];
    return log_no_start(LOG_UNSET, 2, "mock: unknown option '%s'%s (see gateway mock --help)", name, spelling_hint(name, options, hint));
}

/* 0, or the exit status: it was said what is wrong. */
static int read_options(int argc, char **argv, struct mock_settings *settings, const char **ledger_path)
{
    for (int i = 1; i < argc; i++) {
        const char *option = argv[i];
        struct slice name = slice_of(option);
        bool is_port = slice_equals(name, LIT("--port")), is_ledger = slice_equals(name, LIT("--ledger"));
        int64_t number, most = is_port ? 65535 : INT32_MAX;
        bool *flag = flag_of(settings, name);
        unsigned *target = number_of(settings, name);
        if (flag != NULL) {
            *flag = true;
            continue;
        }
        if (!is_port && !is_ledger && target == NULL)
            return refuse_option(option);
        if (++i == argc)
            return log_no_start(LOG_UNSET, 2, "mock: %s wants a value (see gateway mock --help)", option);
        if (is_ledger)
            *ledger_path = argv[i];
        else if (!slice_to_int(slice_of(argv[i]), &number) || number < 0 || number > most)
            return log_no_start(LOG_UNSET, 2, "mock: %s wants a number from 0 to %lld, got '%s'", option, (long long)most, argv[i]);
        else if (is_port)
            settings->port = (int)number;
        else
            *target = (unsigned)number;
        settings->bench |= target != NULL;
    }
    settings->ledger = !settings->bench;
    return 0;
}

int mock_main(int argc, char **argv)
{
    struct mock_settings settings = {.port = 9000, .pages = true, .events = 100, .reply_bytes = 400};
    const char *ledger_path = NULL;
    struct rlimit limit;
    sigset_t set;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    int status = read_options(argc, argv, &settings, &ledger_path);
    if (status != 0)
        return status;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    FILE *file = ledger_path == NULL ? NULL : fopen(ledger_path, "ae");
    if (ledger_path != NULL && file == NULL)
        return log_no_start(LOG_UNSET, 1, "mock: cannot write to %s: %s", ledger_path, strerror(errno));
    struct mock *mock = mock_new(&settings, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), file);
    if (mock == NULL)
        return log_no_start(LOG_UNSET, 1, "mock: cannot listen on 127.0.0.1:%d: %s", settings.port, strerror(errno));
    printf("mock provider on http://127.0.0.1:%d\n", mock_port(mock));
    if (settings.hang_up)
        printf("hangs up on http://127.0.0.1:%d\n", mock_hang_up_port(mock));
    fflush(stdout);
    mock_serve(mock);
    mock_free(mock);
    if (file != NULL)
        fclose(file);
    return 0;
}
