/* door.h -- the calls of libmicrohttpd that the program answers itself.
 *
 * libmicrohttpd has no hooks for reading and accepting, but it makes these calls through the dynamic linker, where what the executable defines comes first. So the
 * executable defines `recv` and `accept4`, and each call goes to the door that stands at its descriptor: a connection's guard, a worker's acceptor.
 * Where there is none (libcurl's sockets, the mock's) it goes straight on. A further call that shall be ours is one more member of struct door_calls.
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

/* Like the calls of their names. NULL: straight on. */
struct door_calls {
    ssize_t (*recv)(struct door *door, void *buf, size_t len, int flags);
    int (*accept4)(struct door *door, struct sockaddr *address, socklen_t *len, int flags);
};

/* Embedded in its owner. */
struct door {
    const struct door_calls *calls;
};

/* Once per process, before any worker. False: out of memory, or (ENOSYS) the calls do not come here: every request would have to be refused. */
MUST_USE bool door_init(void);
MUST_USE bool door_put(struct door *door, int fd, const struct door_calls *calls); /* false: descriptor out of range */
void door_remove(int fd);
/* The accept4 that ours stands before. */
int door_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
#endif
