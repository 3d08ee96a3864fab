/* service.h -- a worker's server: handles its events, drains it and stops it.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_SERVICE_H
#define GATEWAY_SERVICE_H
#include "base/must_use.h"
#include <stdbool.h>

struct worker;

/* Before the worker is started. False: out of descriptors or memory. */
MUST_USE bool service_open(struct worker *worker, int listen_fd);
/* Stop accepting (the listener is hidden), close connections as they fall silent; then it is quiet. Any thread. */
void service_quiesce(struct worker *worker);
/* Quiesced, and no connection can bring a request any more. Any thread. */
bool service_is_quiet(const struct worker *worker);
void service_stop(struct worker *worker); /* any thread: ends its loop at once */
/* Frees the worker too, after its thread was joined. Where requests are still under way, nothing is freed: the process ends, and the kernel
 * closes what is left. */
void service_close(struct worker *worker);
#endif
