/* acceptor.h -- accepts clients from a worker's listening socket (listen.h opens those), and survives every error of accept4.
 *
 * What libmicrohttpd 0.9.75 does by itself: out of descriptors or memory (EMFILE, ENFILE, ENOBUFS, ENOMEM) it takes its listener out of its epoll, as at its limit
 * of connections, and puts it back only when it is run once more after a connection ended; with no connection, and on any other error, it spins. So it never
 * hears of an error: its accept4 comes here (door.h), and is told that no client waits. The listener is then quiet in libmicrohttpd's epoll, and we try
 * again: every RETRY_US, and as soon as a connection ended. Waiting clients are let in when that works; after PATIENCE_US they get a 503,
 * on a spare descriptor. While accept4 works this costs no system call.
 *
 * Everything belongs to one worker's thread.
 * SPDX-License-Identifier: MIT */
#ifndef NET_ACCEPTOR_H
#define NET_ACCEPTOR_H
#include "base/must_use.h"
#include "net/door.h"
#include "net/loop.h"
#include <stdatomic.h>

/* Why accepting fails, or failed. */
struct accept_trouble {
    int error; /* errno of the first; 0: there are as many connections as there may be */
    bool over;
    uint64_t errors, turned_away;
    int64_t lasted_us;
};

struct acceptor_owner {
    void *owner;
    /* Takes a client that waited while the listener was quiet. */
    void (*let_in)(void *owner, int fd, const struct sockaddr *address, socklen_t len);
    /* Answers and closes it. */
    void (*turn_away)(void *owner, int fd, int error);
    /* Told when trouble begins, and when it is over. */
    void (*tell)(void *owner, const struct accept_trouble *trouble);
};

struct acceptor {
    struct door door;
    struct loop *loop;
    struct acceptor_owner owner;
    int fd, spare_fd;
    int epoll_fd; /* libmicrohttpd's, and what it wants to be told from it */
    void *epoll_data;
    unsigned limit;
    const unsigned *connections;
    struct timer timer;
    bool is_quiet, in_trouble;
    int64_t began_us; /* the trouble */
    int64_t stuck_us; /* since when no client could be let in */
    struct accept_trouble trouble;
    atomic_uint_fast64_t errors; /* of all time; other threads read it */
};

/* `connections` counts those that are open. False: descriptor out of range. */
MUST_USE bool acceptor_open(struct acceptor *acceptor, struct loop *loop, int fd, unsigned limit, const unsigned *connections,
                            const struct acceptor_owner *owner);
/* libmicrohttpd has it in this epoll, under this pointer. */
void acceptor_follow(struct acceptor *acceptor, int epoll_fd, void *epoll_data);
void acceptor_on_free(struct acceptor *acceptor); /* a connection ended */
void acceptor_close(struct acceptor *acceptor);   /* no client is let in any more; the descriptor stays open. Again: nothing */
#endif
