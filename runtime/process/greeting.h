/* greeting.h -- the message of a start.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_GREETING_H
#define PROCESS_GREETING_H
#include "config/config.h"
#include "net/listen.h"

/* Where the gateway listens, how to try it, which providers are on or off, and why. In the log's format: lines for people, or one line "start". */
void greet(struct log *log, const struct config *config, const struct listen_address *address, unsigned workers);
/* Appends the lines for people to `out`: `gateway check` prints what a start would. */
void greet_people(struct buffer *out, const struct config *config, const struct listen_address *address, unsigned workers);
#endif
