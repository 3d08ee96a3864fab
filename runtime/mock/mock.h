/* mock.h -- the mock provider: for first steps without a key, for specs with every fault, and fast enough for benchmarks.
 *
 * A small HTTP/1.1 server on a loopback port, in a thread of its own. It speaks OpenAI chat completions and Anthropic messages, whole
 * and streamed. A model's name says how it behaves ("fault-reset-after", "slow-250"): mock/fault.c has the list. Alone (`gateway mock`) it
 * keeps a ledger, the truth for specs: one row per request it received, whatever the gateway believes.
 * SPDX-License-Identifier: MIT */
#ifndef MOCK_MOCK_H
#define MOCK_MOCK_H
#include "base/must_use.h"
#include "base/must_use.h"

/* `gateway mock [--port N] ...`: runs it alone until SIGTERM or SIGINT. Returns the exit status of the program. */
int mock_main(int argc, char **argv);

/* ---- inside a gateway (embedded.c): it runs while it has a user, without a ledger and without pages of its own. Any thread. */

struct embedded_mock;

enum { MOCK_ORIGIN_SIZE = 32 };

MUST_USE struct embedded_mock *embedded_mock_new(void);
void embedded_mock_free(struct embedded_mock *embedded); /* without users */
/* Starts it for its first user. `origin`: "http://127.0.0.1:PORT". 0, or an errno: it cannot listen. */
MUST_USE int embedded_mock_use(struct embedded_mock *embedded, char origin[MOCK_ORIGIN_SIZE]);
void embedded_mock_leave(struct embedded_mock *embedded); /* the last user's: cuts what is open, joins its thread */
#endif
