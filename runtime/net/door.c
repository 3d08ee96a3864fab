/* door.c -- see door.h.
 * SPDX-License-Identifier: MIT */
#include "net/door.h"
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

/* The kernel's own bound (fs.nr_open), not today's limit, which may be raised while we run. What is never touched costs no memory. */
enum { DESCRIPTORS_MAX = 1 << 20 };

typedef int accept4_function(int fd, struct sockaddr *address, socklen_t *len, int flags);

static struct door **table; /* by descriptor; slots are written by the worker that owns the descriptor */
static accept4_function *next_accept4;

static struct door *door_at(int fd)
{
    struct door **doors = __atomic_load_n(&table, __ATOMIC_ACQUIRE); /* the embedded mock's thread is there before it */
    return doors != NULL && (unsigned)fd < DESCRIPTORS_MAX ? __atomic_load_n(&doors[fd], __ATOMIC_ACQUIRE) : NULL;
}

int door_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    accept4_function *next = __atomic_load_n(&next_accept4, __ATOMIC_RELAXED);
    if (next == NULL) {
        next = (accept4_function *)dlsym(RTLD_NEXT, "accept4");
        __atomic_store_n(&next_accept4, next, __ATOMIC_RELAXED);
    }
    return next(fd, address, len, flags);
}

/* ---------------------------------------------------------------- the calls */

/* Names are given by hand: with _FORTIFY_SOURCE <sys/socket.h> has an inline function of such a name already. */
#define OURS(name) __asm__(name) __attribute__((visibility("default"), used))

ssize_t door_recv_call(int fd, void *buf, size_t len, int flags) OURS("recv");
int door_accept4_call(int fd, struct sockaddr *address, socklen_t *len, int flags) OURS("accept4");

ssize_t door_recv_call(int fd, void *buf, size_t len, int flags)
{
    struct door *door = door_at(fd);
    if (door == NULL || door->calls->recv == NULL)
        return recvfrom(fd, buf, len, flags, NULL, NULL);
    return door->calls->recv(door, buf, len, flags);
}

int door_accept4_call(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
    struct door *door = door_at(fd);
    if (door == NULL || door->calls->accept4 == NULL)
        return door_accept4(fd, address, len, flags);
    return door->calls->accept4(door, address, len, flags);
}

/* Whether all calls, libmicrohttpd's too, are those above. */
static bool are_in_place(void)
{
    return dlsym(RTLD_DEFAULT, "recv") == (void *)door_recv_call && dlsym(RTLD_DEFAULT, "accept4") == (void *)door_accept4_call;
}

/* ---------------------------------------------------------------- life */

bool door_init(void)
{
    if (table != NULL)
        return true;
    if (!are_in_place()) {
        errno = ENOSYS;
        return false;
    }
    struct door **doors = calloc(DESCRIPTORS_MAX, sizeof(struct door *));
    __atomic_store_n(&table, doors, __ATOMIC_RELEASE);
    return doors != NULL;
}

bool door_put(struct door *door, int fd, const struct door_calls *calls)
{
    if ((unsigned)fd >= DESCRIPTORS_MAX)
        return false;
    door->calls = calls;
    __atomic_store_n(&table[fd], door, __ATOMIC_RELEASE);
    return true;
}

void door_remove(int fd)
{
    __atomic_store_n(&table[fd], NULL, __ATOMIC_RELEASE);
}
