/* begin.h -- what holds from the first instruction of ours on: before the libraries' own beginnings, and right after the dynamic linker's work.
 *
 * Standard input, output and error are open: else the first socket would take their number, and log lines would go to its other end.
 * A SIGHUP waits: it asks for a reload, and must not end a start that does not listen for it yet.
 * SPDX-License-Identifier: MIT */
#ifndef BEGIN_H
#define BEGIN_H

/* For commands that know no reload: they end with their terminal. */
void begin_without_reload(void);
#endif
