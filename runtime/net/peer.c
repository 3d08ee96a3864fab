/* peer.c -- see peer.h.
 * SPDX-License-Identifier: MIT */
#include "net/peer.h"
#include <netinet/in.h>

void peer_of_address(const struct sockaddr *address, char out[ADDRESS_TEXT_SIZE])
{
    struct address found;
    out[0] = '\0';
    if (address->sa_family == AF_INET)
        found = address_of_ipv4((const uint8_t *)&((const struct sockaddr_in *)(const void *)address)->sin_addr);
    else if (address->sa_family == AF_INET6)
        memcpy(found.bytes, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, sizeof found.bytes);
    else
        return;
    address_write(&found, out);
}

void peer_of_socket(int fd, char out[ADDRESS_TEXT_SIZE])
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    out[0] = '\0';
    if (getpeername(fd, (struct sockaddr *)&address, &len) == 0)
        peer_of_address((struct sockaddr *)&address, out);
}
