/* begin.c -- see begin.h.
 * SPDX-License-Identifier: MIT */
#include "begin.h"
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static void set_hangup(int how)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(how, &set, NULL);
}

/* The lowest number that is free is the one that is given. Where there is no /dev/null, the root does: what only takes the number may fail to write. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            open("/", O_PATH);
}

static void begin(void)
{
    set_hangup(SIG_BLOCK);
    fill_standard_descriptors();
}

__attribute__((section(".preinit_array"), used)) static void (*const before_libraries)(void) = begin;

void begin_without_reload(void)
{
    set_hangup(SIG_UNBLOCK);
}
