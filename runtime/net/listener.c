/* listener.c -- see listener.h.
 * SPDX-License-Identifier: MIT */
#include "net/listener.h"
#include "base/clock.h"
#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { LET_IN_AT_ONCE = 64, TURNED_AWAY_AT_ONCE = 64, LOST_AT_ONCE = 16 };

static const int64_t RETRY_US = 50 * US_PER_MS;
static const int64_t PATIENCE_US = US_PER_S; /* a shortage is brief as a rule: to wait a moment is better than to be turned away */
static const int64_t CALM_US = US_PER_S;     /* so long without an error, and the trouble is over */

/* Errors that are over with the one client whose connection broke while it waited (accept(2)). The next may be well. */
static bool is_of_one_client(int error)
{
    static const int errors[] = {ECONNABORTED, EINTR,        EPROTO,     ENETDOWN,    ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT,   ECONNRESET};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i] == error)
            return true;
    return false;
}

static void tell(struct listener *listener)
{
    listener->trouble.lasted_us = loop_now_us(listener->loop) - listener->began_us;
    listener->owner.tell(listener->owner.owner, &listener->trouble);
}

static bool is_full(const struct listener *listener)
{
    return *listener->connections >= listener->limit;
}

/* In libmicrohttpd's epoll it stays, without events: libmicrohttpd takes it out itself when it ends, and panics where it is not there. */
static void set_events(const struct listener *listener, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = listener->epoll_data};
    (void)epoll_ctl(listener->epoll_fd, EPOLL_CTL_MOD, listener->fd, &event); /* fails only when libmicrohttpd has left it */
}

/* ---------------------------------------------------------------- trouble begins */

/* error 0: full. */
static void note(struct listener *listener, int error)
{
    listener->trouble.errors += error != 0;
    if (error != 0)
        atomic_fetch_add_explicit(&listener->errors, 1, memory_order_relaxed);
    if (!listener->is_quiet)
        loop_timer_set(listener->loop, &listener->timer, loop_now_us(listener->loop) + CALM_US);
    if (listener->in_trouble)
        return;
    listener->in_trouble = true;
    listener->began_us = loop_now_us(listener->loop);
    listener->trouble = (struct accept_trouble){.error = error, .errors = error != 0};
    tell(listener);
}

static void be_quiet(struct listener *listener)
{
    int64_t now_us = loop_now_us(listener->loop);
    if (!listener->is_quiet) {
        listener->is_quiet = true;
        listener->stuck_us = now_us;
        set_events(listener, 0);
    }
    loop_timer_set(listener->loop, &listener->timer, now_us + RETRY_US);
}

/* The next client, or -1 with errno: EAGAIN, or what stands in the way (0: full). */
static int accept_next(struct listener *listener, struct sockaddr *address, socklen_t *len, int flags)
{
    socklen_t room = *len;
    for (unsigned lost = 0;; lost++) {
        errno = 0;
        int fd = is_full(listener) ? -1 : door_accept4(listener->fd, address, len, flags);
        if (fd >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)
            return fd;
        int error = errno;
        note(listener, error);
        errno = error;
        if (!is_of_one_client(error) || lost == LOST_AT_ONCE)
            return -1;
        *len = room;
    }
}

static int on_accept4(struct door *door, struct sockaddr *address, socklen_t *len, int flags)
{
    struct listener *listener = container_of(door, struct listener, door);
    int fd = accept_next(listener, address, len, flags);
    if (fd < 0 && errno != EAGAIN) {
        be_quiet(listener);
        errno = EAGAIN;
    }
    return fd;
}

/* ---------------------------------------------------------------- and is over */

static void let_in(struct listener *listener, int fd, const struct sockaddr_storage *address, socklen_t len)
{
    listener->stuck_us = loop_now_us(listener->loop);
    listener->owner.let_in(listener->owner.owner, fd, (const struct sockaddr *)address, len);
}

static void keep_spare(struct listener *listener)
{
    if (listener->spare_fd < 0)
        listener->spare_fd = eventfd(0, EFD_CLOEXEC);
}

/* They would wait in vain. The spare descriptor is given up for them, one after the other. */
static void turn_away(struct listener *listener, int error)
{
    if (error != 0 && listener->spare_fd >= 0) {
        close(listener->spare_fd);
        listener->spare_fd = -1;
    }
    for (int i = 0; i < TURNED_AWAY_AT_ONCE; i++) {
        int fd = door_accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        listener->trouble.turned_away++;
        listener->owner.turn_away(listener->owner.owner, fd, error);
    }
    keep_spare(listener);
}

static void try_again(struct listener *listener)
{
    struct sockaddr_storage address;
    int64_t now_us = loop_now_us(listener->loop);
    keep_spare(listener);
    for (int i = 0; i < LET_IN_AT_ONCE; i++) {
        socklen_t len = sizeof address;
        int fd = accept_next(listener, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            let_in(listener, fd, &address, len);
        } else if (errno == EAGAIN) {
            break;
        } else {
            int error = errno;
            if (now_us - listener->stuck_us >= PATIENCE_US)
                turn_away(listener, error);
            be_quiet(listener);
            return;
        }
    }
    listener->is_quiet = false;
    set_events(listener, EPOLLIN);
    loop_timer_set(listener->loop, &listener->timer, now_us + CALM_US);
}

static void on_due(struct timer *timer)
{
    struct listener *listener = container_of(timer, struct listener, timer);
    if (listener->is_quiet) {
        try_again(listener);
        return;
    }
    listener->in_trouble = false;
    listener->trouble.over = true;
    tell(listener);
}

void listener_on_room(struct listener *listener)
{
    if (listener->is_quiet)
        loop_timer_set(listener->loop, &listener->timer, loop_now_us(listener->loop));
}

/* ---------------------------------------------------------------- life */

bool listener_open(struct listener *listener, struct loop *loop, int fd, unsigned limit, const unsigned *connections,
                   const struct listener_owner *owner)
{
    static const struct door_calls calls = {.accept4 = on_accept4};
    *listener = (struct listener){.loop = loop,
                                  .owner = *owner,
                                  .fd = fd,
                                  .spare_fd = -1,
                                  .epoll_fd = -1,
                                  .limit = limit,
                                  .connections = connections,
                                  .timer.due = on_due};
    keep_spare(listener);
    return door_put(&listener->door, fd, &calls);
}

void listener_follow(struct listener *listener, int epoll_fd, void *epoll_data)
{
    listener->epoll_fd = epoll_fd;
    listener->epoll_data = epoll_data;
}

void listener_close(struct listener *listener)
{
    if (listener->door.calls == NULL)
        return;
    listener->door.calls = NULL;
    door_remove(listener->fd);
    loop_timer_clear(listener->loop, &listener->timer);
    listener->is_quiet = false;
    if (listener->spare_fd >= 0)
        close(listener->spare_fd);
}
