/* shortage.c -- calls of the system that fail when a spec wants it: preloaded into the gateway it starts (support/shortage.lua).
 *
 * SHORTAGE_FILE holds a row for each call: the errno to fail with (0: none), how often it came, how often it failed; SHORTAGE_PORT is the one
 * whose accept4 is meant, others (the embedded mock's) never fail.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct row {
    volatile int32_t error;
    uint32_t came, failed, unused;
};

enum { ACCEPT4, SOCKET, OPEN, EPOLL_CREATE1, ROWS };

static struct row none[ROWS], *rows = none;
static int port;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("SHORTAGE_FILE");
    int fd = path == NULL ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        rows = page;
    if (fd >= 0)
        close(fd);
    port = getenv("SHORTAGE_PORT") == NULL ? 0 : atoi(getenv("SHORTAGE_PORT"));
}

static int fails(int call)
{
    int error = rows[call].error;
    __atomic_fetch_add(&rows[call].came, 1, __ATOMIC_RELAXED);
    if (error == 0)
        return 0;
    __atomic_fetch_add(&rows[call].failed, 1, __ATOMIC_RELAXED);
    errno = error;
    return 1;
}

static int is_meant(int fd)
{
    struct sockaddr_in own;
    socklen_t len = sizeof own;
    return getsockname(fd, (struct sockaddr *)&own, &len) == 0 && ntohs(own.sin_port) == port;
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    if (is_meant(fd) && fails(ACCEPT4))
        return -1;
    return (int)syscall(SYS_accept4, fd, address, len, flags);
}

int socket(int domain, int type, int protocol)
{
    return fails(SOCKET) ? -1 : (int)syscall(SYS_socket, domain, type, protocol);
}

int epoll_create1(int flags)
{
    return fails(EPOLL_CREATE1) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

static int open_at(int at, const char *path, int flags, mode_t mode)
{
    return fails(OPEN) ? -1 : (int)syscall(SYS_openat, at, path, flags, mode);
}

#define MODE_BEHIND(last)                                                                                                                  \
    va_list args;                                                                                                                          \
    va_start(args, last);                                                                                                                  \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;                                                         \
    va_end(args)

int open(const char *path, int flags, ...)
{
    MODE_BEHIND(flags);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int at, const char *path, int flags, ...)
{
    MODE_BEHIND(flags);
    return open_at(at, path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
int openat64(int at, const char *path, int flags, ...) __attribute__((alias("openat")));
