/* greeting.h -- what a start says of itself.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_GREETING_H
#define PROCESS_GREETING_H
#include "config/config.h"
#include "net/listen.h"

/* What a newcomer needs to see: where, how to try it, what is on, what is off and why. In the log's format: lines for people, or its line "start", of any level. */
void greet(struct log *log, const struct config *config, const struct listen_address *address, unsigned workers);
/* The lines for people, into `out`: check prints what a start would. */
void greet_people(struct buffer *out, const struct config *config, const struct listen_address *address, unsigned workers);
#endif
