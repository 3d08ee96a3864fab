/* listen.h -- opens the listening sockets: one per worker (acceptor.h accepts from it), all on one address (SO_REUSEPORT), so that the kernel spreads connections.
 *
 * No second process gets the address (EADDRINUSE), also where both start at once.
 * SPDX-License-Identifier: MIT */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H
#include "base/must_use.h"
#include <netinet/in.h>
#include <stdbool.h>

/* Where to listen, but for the port. */
struct listen_place {
    struct sockaddr_in6 address; /* or a sockaddr_in: its family tells */
};

struct listen_place listen_loopback(void); /* 127.0.0.1 */

/* A listening, non-blocking socket. `further`: beside one of our own, on its port. -1: errno. Where the address is taken, it tries for half a
 * second: the program that has it may be about to end. */
int listen_open(const struct listen_place *place, int port, bool further);

/* New clients are refused at once, while connections that the kernel has established can still be accepted. */
void listen_hide(int fd);
/* The port it was given (for port 0). */
int listen_port(int fd);

enum { LISTEN_ADDRESS_MAX = 64 };

struct listen_address {
    char bound[LISTEN_ADDRESS_MAX]; /* what is listened on: "0.0.0.0:8080", "[::1]:8080" */
    char local[LISTEN_ADDRESS_MAX]; /* where a client on this machine reaches it: "127.0.0.1:8080" */
};
void listen_describe(int fd, struct listen_address *out);

enum { LISTEN_WHY_MAX = 256 };

/* Looks the host up, waiting for it ("localhost", "::", "0.0.0.0", a name), and sees whether it is a place to listen: *out says what a listener there would be
 * called. A port that is taken does not count. False: `why` says what is wrong. */
MUST_USE bool listen_find(const char *host, int port, struct listen_place *place, struct listen_address *out, char why[LISTEN_WHY_MAX]);
#endif
