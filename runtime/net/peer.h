/* peer.h -- the other end of a client's connection, as text: "10.0.0.1", "::1". An IPv4 client of an IPv6 listener has its IPv4 address.
 * SPDX-License-Identifier: MIT */
#ifndef NET_PEER_H
#define NET_PEER_H
#include "base/address.h"
#include <sys/socket.h>

/* Empty where it has none (a Unix socket). */
void peer_of_address(const struct sockaddr *address, char out[ADDRESS_TEXT_SIZE]);
void peer_of_socket(int fd, char out[ADDRESS_TEXT_SIZE]);
#endif
