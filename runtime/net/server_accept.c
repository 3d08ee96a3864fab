/* server_accept.c -- see acceptor.h: what the server does with clients that waited while nothing could be accepted.
 * SPDX-License-Identifier: MIT */
#include "net/server_private.h"

static void let_in(void *owner, int fd, const struct sockaddr *address, socklen_t len)
{
    struct server *server = owner;
    (void)MHD_add_connection(server->daemon, fd, address, len); /* closes it where that fails */
    server->must_run = true;
}

static void turn_away(void *owner, int fd, int error)
{
    struct server *server = owner;
    guards_turn_away(&server->guards, fd, 503,
                     error == 0 ? "too many connections are open: try again in a second"
                                : "the gateway has no room for another connection just now: try again in a second");
}

static void tell(void *owner, const struct accept_trouble *trouble)
{
    struct server *server = owner;
    server->owner.on_accept_trouble(server->owner.owner, trouble);
}

bool server_listen(struct server *server)
{
    const struct acceptor_owner owner = {server, let_in, turn_away, tell};
    return acceptor_open(&server->acceptor, server->loop, server->settings.listen_fd, server->settings.connection_limit,
                         &server->connections, &owner);
}

uint64_t server_accept_errors(const struct server *server)
{
    return atomic_load_explicit(&server->acceptor.errors, memory_order_relaxed);
}
