/* upstream_names.c -- where a provider's name may lead, and where it led last.
 *
 * A name that a foreign DNS answers for must not lead to this machine or to what only this machine can reach (rebinding; the metadata
 * service of clouds). What the config itself says as an address is the operator's word. Private networks are let through:
 * that is where private endpoints of Azure and AWS are, under public names.
 * While a name cannot be looked up, the address where it led last is good for five minutes.
 * SPDX-License-Identifier: MIT */
#include "net/upstream_private.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <strings.h>

#include "base/clock.h"

static const int64_t REMEMBERED_US = 300 * US_PER_S; /* so long after the look-up that gave it */
static const int64_t DOUBT_US = 10 * US_PER_S;       /* so long after a failed one no other is waited for */

static bool ends_with(const char *name, const char *end)
{
    size_t len = strlen(name), end_len = strlen(end);
    return len >= end_len && strcasecmp(name + len - end_len, end) == 0;
}

/* Names that only this machine or its own network gives: /etc/hosts, Docker, mDNS (RFC 6761, 6762, 8375, ICANN's .internal). */
static bool is_local(const char *name)
{
    static const char *const ends[] = {".localhost", ".local", ".internal", ".lan", ".home.arpa", ".test"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (ends_with(name, ends[i]))
            return true;
    return strchr(name, '.') == NULL;
}

void names_init(struct origin *origin)
{
    struct in_addr address;
    origin->named = origin->proxy[0] == '\0' && origin->host[0] != '[' && inet_pton(AF_INET, origin->host, &address) != 1;
    origin->local = is_local(origin->host);
}

static bool allows_ipv4(uint32_t address, bool local)
{
    unsigned first = address >> 24;
    if (first == 127)
        return local;
    return first != 0 && first < 224 && address >> 16 != (169u << 8 | 254);
}

bool names_allow(const struct origin *origin, const struct sockaddr *address)
{
    if (!origin->named)
        return true;
    if (address->sa_family == AF_INET)
        return allows_ipv4(ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr), origin->local);
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    uint32_t last;
    memcpy(&last, six->s6_addr + 12, sizeof(last));
    if (IN6_IS_ADDR_V4MAPPED(six))
        return allows_ipv4(ntohl(last), origin->local);
    if (IN6_IS_ADDR_LOOPBACK(six))
        return origin->local;
    return !IN6_IS_ADDR_UNSPECIFIED(six) && !IN6_IS_ADDR_LINKLOCAL(six) && !IN6_IS_ADDR_MULTICAST(six);
}

static int64_t now_of(const struct origin *origin)
{
    return loop_now_us(origin->upstream->loop);
}

void names_remember(struct origin *origin, const char *address)
{
    if (!origin->named || address == NULL || strlen(address) >= sizeof(origin->address))
        return;
    memcpy(origin->address, address, strlen(address) + 1);
    origin->address_us = now_of(origin);
    origin->doubt_until_us = 0;
}

void names_forget(struct origin *origin)
{
    origin->address[0] = '\0';
}

bool names_doubt(struct origin *origin)
{
    int64_t now = now_of(origin);
    if (origin->address[0] == '\0' || now - origin->address_us >= REMEMBERED_US)
        return false;
    origin->doubt_until_us = now + DOUBT_US;
    return true;
}

/* "::ADDRESS:" as CURLOPT_CONNECT_TO wants it: any name, any port, the same port there. What TLS verifies is the name still. */
struct curl_slist *names_remembered(struct origin *origin)
{
    char text[NAME_ADDRESS_MAX + 8];
    int64_t now = now_of(origin);
    if (origin->address[0] == '\0' || now >= origin->doubt_until_us || now - origin->address_us >= REMEMBERED_US)
        return NULL;
    snprintf(text, sizeof(text), strchr(origin->address, ':') == NULL ? "::%s:" : "::[%s]:", origin->address);
    return curl_slist_append(NULL, text);
}
