/* process.h -- the commands of the program: run, check, explain; start, reload, drain, stop.
 *
 * The process's own thread serves no requests: it waits for signals, watches the files, builds generations and swaps them.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_PROCESS_H
#define PROCESS_PROCESS_H
#include "gateway/engine.h"

/* Each returns the exit status of the program. `path` is that of gateway.lua. */
int process_run(const struct engine *engine, const char *path);
int process_check(const struct engine *engine, const char *path);
int process_explain(const struct engine *engine, const char *path, const char *request_path, const char *user);
#endif
