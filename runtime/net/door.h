/* door.h -- system calls of libmicrohttpd that the program intercepts.
 *
 * libmicrohttpd has no hooks for reading and accepting, but it makes these calls through the dynamic linker, where what the executable defines comes first. So the
 * executable defines `recv` and `accept4`, and each call goes to the door of its descriptor: a connection's guard, a worker's acceptor.
 * A descriptor without one (libcurl's sockets, the mock's) gets the C library's call. To intercept another call, add a member to struct door_calls.
 *
 * A door belongs to the worker whose descriptor it is. The table from descriptor to door and the accept4 behind ours are the only static state of the program: these calls are given a
 * descriptor and nothing else.
 * SPDX-License-Identifier: MIT */
#ifndef NET_DOOR_H
#define NET_DOOR_H
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

struct door;

/* Like the calls of their names. NULL: the C library's. */
struct door_calls {
    ssize_t (*recv)(struct door *door, void *buf, size_t len, int flags);
    int (*accept4)(struct door *door, struct sockaddr *address, socklen_t *len, int flags);
};

/* Embedded in its owner. */
struct door {
    const struct door_calls *calls;
};

/* Once per process, before any worker. False: out of memory, or (ENOSYS) the calls do not arrive here, so that every request would have to be refused. */
MUST_USE bool door_init(void);
MUST_USE bool door_put(struct door *door, int fd, const struct door_calls *calls); /* false: descriptor out of range */
void door_remove(int fd);
/* The C library's accept4. */
int door_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
#endif
