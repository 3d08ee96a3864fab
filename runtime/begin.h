/* begin.h -- runs before the constructors of the libraries, right after the dynamic linker's work.
 *
 * It opens standard input, output and error where they are closed: otherwise the first socket would take their number, and log lines would go to its peer.
 * It blocks SIGHUP: that asks for a reload, and must not end a start that does not listen for it yet.
 * SPDX-License-Identifier: MIT */
#ifndef BEGIN_H
#define BEGIN_H

/* For commands that know no reload: they end with their terminal. */
void begin_without_reload(void);
#endif
