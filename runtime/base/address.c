/* address.c -- see address.h.
 * SPDX-License-Identifier: MIT */
#include "base/address.h"
#include <arpa/inet.h>

enum { IPV4_AT = 12, IPV4_BITS = 96, ALL_BITS = 128 };

static const uint8_t ipv4_prefix[IPV4_AT] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool address_parse(struct slice text, struct address *out)
{
    char plain[ADDRESS_TEXT_SIZE];
    if (text.len == 0 || text.len >= sizeof plain || memchr(text.ptr, '\0', text.len) != NULL)
        return false;
    memcpy(plain, text.ptr, text.len);
    plain[text.len] = '\0';
    if (memchr(text.ptr, ':', text.len) != NULL)
        return inet_pton(AF_INET6, plain, out->bytes) == 1;
    memcpy(out->bytes, ipv4_prefix, sizeof ipv4_prefix);
    return inet_pton(AF_INET, plain, out->bytes + IPV4_AT) == 1;
}

static bool is_port(struct slice text)
{
    int64_t port;
    return text.len > 0 && text.len <= 5 && slice_to_int(text, &port) && port <= UINT16_MAX;
}

bool address_parse_hop(struct slice text, struct address *out)
{
    text = slice_trim(text);
    const char *end = text.ptr + text.len, *close, *colon;
    if (text.len > 0 && *text.ptr == '[') {
        close = memchr(text.ptr, ']', text.len);
        if (close == NULL || (close + 1 < end && (close[1] != ':' || !is_port((struct slice){close + 2, (size_t)(end - close - 2)}))))
            return false;
        struct slice inside = {text.ptr + 1, (size_t)(close - text.ptr - 1)};
        return memchr(inside.ptr, ':', inside.len) != NULL && address_parse(inside, out);
    }
    colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
    if (colon == NULL || memchr(colon + 1, ':', (size_t)(end - colon - 1)) != NULL) /* no port behind one without brackets */
        return address_parse(text, out);
    return is_port((struct slice){colon + 1, (size_t)(end - colon - 1)}) &&
           address_parse((struct slice){text.ptr, (size_t)(colon - text.ptr)}, out);
}

struct address address_of_ipv4(const uint8_t bytes[4])
{
    struct address address;
    memcpy(address.bytes, ipv4_prefix, sizeof ipv4_prefix);
    memcpy(address.bytes + IPV4_AT, bytes, 4);
    return address;
}

size_t address_write(const struct address *address, char out[ADDRESS_TEXT_SIZE])
{
    bool is_ipv4 = memcmp(address->bytes, ipv4_prefix, sizeof ipv4_prefix) == 0;
    if (inet_ntop(is_ipv4 ? AF_INET : AF_INET6, address->bytes + (is_ipv4 ? IPV4_AT : 0), out, ADDRESS_TEXT_SIZE) == NULL)
        out[0] = '\0';
    return strlen(out);
}

bool network_parse(struct slice text, struct network *out)
{
    int64_t bits = ALL_BITS;
    const char *slash = text.len == 0 ? NULL : memchr(text.ptr, '/', text.len);
    struct slice address = slash == NULL ? text : (struct slice){text.ptr, (size_t)(slash - text.ptr)};
    if (!address_parse(address, &out->address))
        return false;
    if (slash != NULL) {
        struct slice count = {slash + 1, text.len - address.len - 1};
        if (count.len == 0 || count.len > 3 || !slice_to_int(count, &bits))
            return false;
        bits += memchr(address.ptr, ':', address.len) == NULL ? IPV4_BITS : 0;
    }
    out->bits = (unsigned)bits;
    return bits <= ALL_BITS;
}

bool network_has(const struct network *network, const struct address *address)
{
    unsigned bytes = network->bits / 8, rest = network->bits % 8;
    if (memcmp(network->address.bytes, address->bytes, bytes) != 0)
        return false;
    return rest == 0 || ((network->address.bytes[bytes] ^ address->bytes[bytes]) & (uint8_t)(0xff << (8 - rest))) == 0;
}
