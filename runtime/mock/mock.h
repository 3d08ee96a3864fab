/* mock.h -- the embedded mock provider: first steps without a key, specs with every fault, a bench it never slows down.
 *
 * A small HTTP/1.1 server on a loopback port, in a thread of its own. It speaks OpenAI chat completions and Anthropic messages, whole
 * and streamed. A model's name says how it behaves ("fault-reset-after", "slow-250"): mock/fault.c has the list. Its ledger is the
 * truth for specs: one row per request it received, whatever the gateway believes.
 * SPDX-License-Identifier: MIT */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H
#include <stdbool.h>

struct mock_settings {
    int port;                /* 0: any */
    bool ledger;             /* keep rows (GET /__ledger), at most 100,000 */
    const char *ledger_path; /* and append each as a JSON line here when it is complete; NULL: no */
    bool close;              /* one request a connection: every answer says "Connection: close" */
    bool hang_up;            /* a second port, where connections are accepted and reset at once */
    /* Bench: requests are not parsed, replies are made once. */
    bool bench;
    unsigned delay_ms, events, gap_ms, reply_bytes; /* before the first byte; SSE deltas; between two; of a whole answer's text */
};

struct mock;

struct mock *mock_start(const struct mock_settings *settings); /* NULL: it cannot listen */
int mock_port(const struct mock *mock);
void mock_stop(struct mock *mock); /* cuts what is open, joins its thread */

/* `gateway mock [--port N] ...`: runs it alone until SIGTERM or SIGINT. Returns the exit status of the program. */
int mock_main(int argc, char **argv);
#endif
