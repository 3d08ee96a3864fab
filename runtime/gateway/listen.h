/* listen.h -- the listening sockets: one per worker, all on one address (SO_REUSEPORT), so that the kernel spreads connections.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_LISTEN_H
#define GATEWAY_LISTEN_H

/* A listening, non-blocking socket on a numeric address ("127.0.0.1", "::", "0.0.0.0") or "localhost". -1: errno. */
int listen_open(const char *host, int port);
/* The port it was given (for port 0). */
int listen_port(int fd);
#endif
