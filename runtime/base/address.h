/* address.h -- IP addresses and networks as text: "10.0.0.1" "::1" "10.0.0.0/8". Pure.
 *
 * An IPv4 address and its form in IPv6 (::ffff:10.0.0.1) are one and the same here.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H
#include "base/bytes.h"

enum { ADDRESS_BYTES = 16, ADDRESS_TEXT_SIZE = 46 };

struct address {
    uint8_t bytes[ADDRESS_BYTES];
};

struct network {
    struct address address;
    unsigned bits; /* 0..128: how many of the first ones count */
};

/* An address and nothing else: no brackets, no port, no zone. */
MUST_USE bool address_parse(struct slice text, struct address *out);
/* As proxies write the client's: "1.2.3.4", "1.2.3.4:567", "::1", "[::1]", "[::1]:567", with blanks around. */
MUST_USE bool address_parse_hop(struct slice text, struct address *out);
struct address address_of_ipv4(const uint8_t bytes[4]);
/* NUL-terminated, IPv4 in its own form; returns the length. */
size_t address_write(const struct address *address, char out[ADDRESS_TEXT_SIZE]);
/* An address, or one with "/" and a count of bits. */
MUST_USE bool network_parse(struct slice text, struct network *out);
bool network_has(const struct network *network, const struct address *address);
#endif
