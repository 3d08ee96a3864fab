/* listen.h -- the listening sockets: one per worker, all on one address (SO_REUSEPORT), so that the kernel spreads connections.
 *
 * The address is the process's own: a second one that wants it is refused (EADDRINUSE), also where both start at once.
 * SPDX-License-Identifier: MIT */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H
#include <stdbool.h>

/* A listening, non-blocking socket on a numeric address ("127.0.0.1", "::", "0.0.0.0") or "localhost". `further`: beside one of our own, on its port.
 * -1: errno. Where the address is taken it is tried for half a second: the program that has it may be about to end. */
int listen_open(const char *host, int port, bool further);

/* New clients are refused at once, while those whom the kernel answered already can still be accepted. */
void listen_hide(int fd);
/* The port it was given (for port 0). */
int listen_port(int fd);

enum { LISTEN_ADDRESS_MAX = 64 };

struct listen_address {
    char bound[LISTEN_ADDRESS_MAX]; /* what is listened on: "0.0.0.0:8080", "[::1]:8080" */
    char local[LISTEN_ADDRESS_MAX]; /* where a client on this machine reaches it: "127.0.0.1:8080" */
};
void listen_describe(int fd, struct listen_address *out);

enum { LISTEN_WHY_MAX = 160 };

/* Whether this host is a place to listen at all, with what a listener there would be called; a port that is taken does not count. False: `why` says
 * what is wrong. Waits for the name to be looked up. */
bool listen_probe(const char *host, int port, struct listen_address *out, char why[LISTEN_WHY_MAX]);
#endif
