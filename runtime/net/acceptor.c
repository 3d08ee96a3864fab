/* acceptor.c -- see acceptor.h.
 * SPDX-License-Identifier: MIT */
#include "net/acceptor.h"
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

/* Errors that are over with the one client whose connection broke while it waited (accept(2)). The next one may be accepted. */
static bool is_of_one_client(int error)
{
    static const int errors[] = {ECONNABORTED, EINTR,        EPROTO,     ENETDOWN,    ENOPROTOOPT, EHOSTDOWN,
                                 ENONET,       EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT,   ECONNRESET};
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i] == error)
            return true;
    return false;
}

static void tell(struct acceptor *acceptor)
{
    acceptor->trouble.lasted_us = loop_now_us(acceptor->loop) - acceptor->began_us;
    acceptor->owner.tell(acceptor->owner.owner, &acceptor->trouble);
}

static bool is_full(const struct acceptor *acceptor)
{
    return *acceptor->connections >= acceptor->limit;
}

/* In libmicrohttpd's epoll it stays, without events: libmicrohttpd takes it out itself when it ends, and panics where it is not there. */
static void set_events(const struct acceptor *acceptor, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = acceptor->epoll_data};
    (void)epoll_ctl(acceptor->epoll_fd, EPOLL_CTL_MOD, acceptor->fd, &event); /* fails only when libmicrohttpd has left it */
}

/* ---------------------------------------------------------------- trouble begins */

/* error 0: full. */
static void note(struct acceptor *acceptor, int error)
{
    acceptor->trouble.errors += error != 0;
    if (error != 0)
        atomic_fetch_add_explicit(&acceptor->errors, 1, memory_order_relaxed);
    if (!acceptor->is_quiet)
        loop_timer_set(acceptor->loop, &acceptor->timer, loop_now_us(acceptor->loop) + CALM_US);
    if (acceptor->in_trouble)
        return;
    acceptor->in_trouble = true;
    acceptor->began_us = loop_now_us(acceptor->loop);
    acceptor->trouble = (struct accept_trouble){.error = error, .errors = error != 0};
    tell(acceptor);
}

static void be_quiet(struct acceptor *acceptor)
{
    int64_t now_us = loop_now_us(acceptor->loop);
    if (!acceptor->is_quiet) {
        acceptor->is_quiet = true;
        acceptor->stuck_us = now_us;
        set_events(acceptor, 0);
    }
    loop_timer_set(acceptor->loop, &acceptor->timer, now_us + RETRY_US);
}

/* The next client, or -1 with errno: EAGAIN, or why none can be accepted (0: the limit of connections). */
static int accept_next(struct acceptor *acceptor, struct sockaddr *address, socklen_t *len, int flags)
{
    socklen_t room = *len;
    for (unsigned lost = 0;; lost++) {
        errno = 0;
        int fd = is_full(acceptor) ? -1 : door_accept4(acceptor->fd, address, len, flags);
        if (fd >= 0 || errno == EAGAIN || errno == EWOULDBLOCK)
            return fd;
        int error = errno;
        note(acceptor, error);
        errno = error;
        if (!is_of_one_client(error) || lost == LOST_AT_ONCE)
            return -1;
        *len = room;
    }
}

static int on_accept4(struct door *door, struct sockaddr *address, socklen_t *len, int flags)
{
    struct acceptor *acceptor = container_of(door, struct acceptor, door);
    int fd = accept_next(acceptor, address, len, flags);
    if (fd < 0 && errno != EAGAIN) {
        be_quiet(acceptor);
        errno = EAGAIN;
    }
    return fd;
}

/* ---------------------------------------------------------------- and is over */

static void let_in(struct acceptor *acceptor, int fd, const struct sockaddr_storage *address, socklen_t len)
{
    acceptor->stuck_us = loop_now_us(acceptor->loop);
    acceptor->owner.let_in(acceptor->owner.owner, fd, (const struct sockaddr *)address, len);
}

static void keep_spare(struct acceptor *acceptor)
{
    if (acceptor->spare_fd < 0)
        acceptor->spare_fd = eventfd(0, EFD_CLOEXEC);
}

/* They would wait in vain. The spare descriptor is given up for them, one after the other. */
static void turn_away(struct acceptor *acceptor, int error)
{
    if (error != 0 && acceptor->spare_fd >= 0) {
        close(acceptor->spare_fd);
        acceptor->spare_fd = -1;
    }
    for (int i = 0; i < TURNED_AWAY_AT_ONCE; i++) {
        int fd = door_accept4(acceptor->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0)
            break;
        acceptor->trouble.turned_away++;
        acceptor->owner.turn_away(acceptor->owner.owner, fd, error);
    }
    keep_spare(acceptor);
}

static void try_again(struct acceptor *acceptor)
{
    struct sockaddr_storage address;
    int64_t now_us = loop_now_us(acceptor->loop);
    keep_spare(acceptor);
    for (int i = 0; i < LET_IN_AT_ONCE; i++) {
        socklen_t len = sizeof address;
        int fd = accept_next(acceptor, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            let_in(acceptor, fd, &address, len);
        } else if (errno == EAGAIN) {
            break;
        } else {
            int error = errno;
            if (now_us - acceptor->stuck_us >= PATIENCE_US)
                turn_away(acceptor, error);
            be_quiet(acceptor);
            return;
        }
    }
    acceptor->is_quiet = false;
    set_events(acceptor, EPOLLIN);
    loop_timer_set(acceptor->loop, &acceptor->timer, now_us + CALM_US);
}

static void on_due(struct timer *timer)
{
    struct acceptor *acceptor = container_of(timer, struct acceptor, timer);
    if (acceptor->is_quiet) {
        try_again(acceptor);
        return;
    }
    acceptor->in_trouble = false;
    acceptor->trouble.over = true;
    tell(acceptor);
}

void acceptor_on_free(struct acceptor *acceptor)
{
    if (acceptor->is_quiet)
        loop_timer_set(acceptor->loop, &acceptor->timer, loop_now_us(acceptor->loop));
}

/* ---------------------------------------------------------------- life */

bool acceptor_open(struct acceptor *acceptor, struct loop *loop, int fd, unsigned limit, const unsigned *connections,
                   const struct acceptor_owner *owner)
{
    static const struct door_calls calls = {.accept4 = on_accept4};
    *acceptor = (struct acceptor){.loop = loop,
                                  .owner = *owner,
                                  .fd = fd,
                                  .spare_fd = -1,
                                  .epoll_fd = -1,
                                  .limit = limit,
                                  .connections = connections,
                                  .timer.due = on_due};
    keep_spare(acceptor);
    return door_put(&acceptor->door, fd, &calls);
}

void acceptor_follow(struct acceptor *acceptor, int epoll_fd, void *epoll_data)
{
    acceptor->epoll_fd = epoll_fd;
    acceptor->epoll_data = epoll_data;
}

void acceptor_close(struct acceptor *acceptor)
{
    if (acceptor->door.calls == NULL)
        return;
    acceptor->door.calls = NULL;
    door_remove(acceptor->fd);
    loop_timer_clear(acceptor->loop, &acceptor->timer);
    acceptor->is_quiet = false;
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
}
