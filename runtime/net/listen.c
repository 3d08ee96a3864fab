/* listen.c -- see listen.h.
 * SPDX-License-Identifier: MIT */
#include "net/listen.h"
#include "base/file.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BACKLOG = 4096, TRY_MS = 500, TRY_EVERY_MS = 20 };

union name {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union name name_at(const struct listen_place *place, int port)
{
    union name name = {.v6 = place->address};
    if (name.any.sa_family == AF_INET6)
        name.v6.sin6_port = htons((uint16_t)port);
    else
        name.v4.sin_port = htons((uint16_t)port);
    return name;
}

static socklen_t size_of(const union name *name)
{
    return name->any.sa_family == AF_INET6 ? sizeof name->v6 : sizeof name->v4;
}

static bool set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* The first of several shares its address only after it listens: until then the kernel refuses it beside a listener of another program, however the
 * two starts interleave, and a later one is refused because it does not share. `further`: beside our own. */
static int open_one(const struct listen_place *place, int port, bool further)
{
    union name name = name_at(place, port);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (name.any.sa_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0); /* "::" is everywhere, whatever the system's default */
    if ((!further || set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) && bind(fd, &name.any, size_of(&name)) == 0 && listen(fd, BACKLOG) == 0 &&
        (further || set(fd, SOL_SOCKET, SO_REUSEPORT, 1)))
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* A gateway that was told to stop lets go of its port at once: one that begins at the same moment waits for that. */
static int open_first(const struct listen_place *place, int port)
{
    const struct timespec moment = {0, TRY_EVERY_MS * 1000000L};
    int fd = open_one(place, port, false);
    for (int waited = 0; fd < 0 && errno == EADDRINUSE && waited < TRY_MS; waited += TRY_EVERY_MS) {
        nanosleep(&moment, NULL);
        fd = open_one(place, port, false);
    }
    return fd;
}

int listen_open(const struct listen_place *place, int port, bool further)
{
    return further ? open_one(place, port, true) : open_first(place, port);
}

/* Bound to a network interface that does not exist it is found by no SYN any more; handshakes under way know it already (Linux 5.1). Elsewhere new clients are
 * let in until it is closed. A filter that drops SYNs would leave them without an answer for a second. */
void listen_hide(int fd)
{
    (void)set(fd, SOL_SOCKET, SO_BINDTOIFINDEX, INT32_MAX);
}

static bool takes_ipv4(int fd)
{
    int only = 1;
    socklen_t len = sizeof only;
    return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, &len) == 0 && !only;
}

static bool name_of(int fd, union name *name)
{
    socklen_t len = sizeof *name;
    return getsockname(fd, &name->any, &len) == 0;
}

int listen_port(int fd)
{
    union name name;
    if (!name_of(fd, &name))
        return -1;
    return ntohs(name.any.sa_family == AF_INET6 ? name.v6.sin6_port : name.v4.sin_port);
}

static void put(char out[LISTEN_ADDRESS_MAX], const char *host, int port)
{
    bool bracket = strchr(host, ':') != NULL;
    snprintf(out, LISTEN_ADDRESS_MAX, "%s%s%s:%d", bracket ? "[" : "", host, bracket ? "]" : "", port);
}

static void describe(int fd, int port, struct listen_address *out)
{
    union name name = {0};
    char host[INET6_ADDRSTRLEN] = "";
    const char *local = host;
    name_of(fd, &name);
    if (name.any.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &name.v6.sin6_addr, host, sizeof host);
        if (IN6_IS_ADDR_UNSPECIFIED(&name.v6.sin6_addr))
            local = takes_ipv4(fd) ? "127.0.0.1" : "::1";
    } else {
        inet_ntop(AF_INET, &name.v4.sin_addr, host, sizeof host);
        if (name.v4.sin_addr.s_addr == htonl(INADDR_ANY))
            local = "127.0.0.1";
    }
    put(out->bound, host, port);
    put(out->local, local, port);
}

void listen_describe(int fd, struct listen_address *out)
{
    describe(fd, listen_port(fd), out);
}

static bool resolve(const char *host, struct listen_place *place, char why[LISTEN_WHY_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *found = NULL;
    int failed = getaddrinfo(host, "0", &hints, &found);
    if (failed != 0) {
        snprintf(why, LISTEN_WHY_MAX, "%s does not resolve: %s", host, failed == EAI_SYSTEM ? strerror(errno) : gai_strerror(failed));
        return false;
    }
    memcpy(&place->address, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return true;
}

struct listen_place listen_loopback(void)
{
    union name name = {.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    return (struct listen_place){name.v6};
}

/* Binds any port of it. */
static bool probe(const struct listen_place *place, int port, struct listen_address *out)
{
    union name name = name_at(place, 0);
    int fd = socket(name.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && name.any.sa_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    bool ok = fd >= 0 && bind(fd, &name.any, size_of(&name)) == 0;
    int saved = errno;
    if (ok)
        describe(fd, port, out);
    if (fd >= 0)
        close(fd);
    errno = saved;
    return ok;
}

bool listen_find(const char *host, int port, struct listen_place *place, struct listen_address *out, char why[LISTEN_WHY_MAX])
{
    if (!resolve(host, place, why))
        return false;
    if (probe(place, port, out))
        return true;
    char words[FILE_WHY_MAX];
    file_write_why(errno, words);
    if (errno == EADDRNOTAVAIL)
        snprintf(why, LISTEN_WHY_MAX, "%s is no address of this machine (see ip address)", host);
    else
        snprintf(why, LISTEN_WHY_MAX, "%s: %s", host, words);
    return false;
}
