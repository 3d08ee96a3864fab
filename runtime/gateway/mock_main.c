/* mock_main.c -- `gateway mock`: the mock provider alone, until a signal ends it.
 * SPDX-License-Identifier: MIT */
#include "gateway/mock_private.h"
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

static bool read_options(int argc, char **argv, struct mock_settings *settings)
{
    for (int i = 1; i < argc; i++) {
        struct slice name = slice_of(argv[i]);
        int64_t number;
        if (slice_equals(name, LIT("--close"))) {
            settings->close = true;
            continue;
        }
        if (slice_equals(name, LIT("--hang-up"))) {
            settings->hang_up = true;
            continue;
        }
        if (slice_equals(name, LIT("--no-ledger"))) {
            settings->bench = true;
            continue;
        }
        if (++i == argc)
            return false;
        if (slice_equals(name, LIT("--ledger"))) {
            settings->ledger_path = argv[i];
            continue;
        }
        if (!slice_to_int(slice_of(argv[i]), &number) || number > INT32_MAX)
            return false;
        unsigned *target = slice_equals(name, LIT("--delay-ms"))      ? &settings->delay_ms
                           : slice_equals(name, LIT("--events"))      ? &settings->events
                           : slice_equals(name, LIT("--gap-ms"))      ? &settings->gap_ms
                           : slice_equals(name, LIT("--reply-bytes")) ? &settings->reply_bytes
                                                                      : NULL;
        if (target != NULL) {
            *target = (unsigned)number;
            settings->bench = true;
        } else if (slice_equals(name, LIT("--port")) && number < 65536) {
            settings->port = (int)number;
        } else {
            return false;
        }
    }
    settings->ledger = !settings->bench;
    return true;
}

int mock_main(int argc, char **argv)
{
    struct mock_settings settings = {.port = 9000, .events = 100, .reply_bytes = 400};
    struct rlimit limit;
    sigset_t set;
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    if (!read_options(argc, argv, &settings)) {
        fputs(help, stderr);
        return 2;
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    FILE *file = settings.ledger_path == NULL ? NULL : fopen(settings.ledger_path, "ae");
    struct mock *mock = mock_new(&settings, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK), file);
    if (mock == NULL || (settings.ledger_path != NULL && file == NULL)) {
        fprintf(stderr, "gateway mock: %s\n", strerror(errno));
        return 1;
    }
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
