/* server_end.c -- how a server ends: its listener first, then each connection as it falls silent, libmicrohttpd last.
 *
 * No request that was accepted is lost on the way. The listener was hidden before (new clients are refused at once), so only those wait for it that the
 * kernel answered already: they are let in, and answered. A client may be sending its next request on a kept connection just now: that stays
 * open until it was silent for a while, and the answer on it says "Connection: close".
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "net/server_private.h"
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static const int64_t LOOK_US = 10 * US_PER_MS;
static const int64_t SILENCE_US = US_PER_S;      /* longer than a client in a loop thinks between two requests */
static const int64_t PATIENCE_US = 3 * US_PER_S; /* with those who cannot be let in: a listener in trouble turns them away before */

/* ---------------------------------------------------------------- the listener */

static bool has_waiting(const struct server *server)
{
    struct pollfd listener = {server->settings.listen_fd, POLLIN, 0};
    return poll(&listener, 1, 0) == 1;
}

static void close_listener(struct server *server)
{
    if (!server->listening)
        return;
    server->listening = false;
    acceptor_close(&server->acceptor);
    MHD_quiesce_daemon(server->daemon); /* it forgets the descriptor, and does not close it */
    close(server->settings.listen_fd);
}

/* ---------------------------------------------------------------- the connections */

static bool has_bytes(const struct client_connection *connection)
{
    char byte;
    return recvfrom(connection->watch.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) > 0;
}

/* Whether it may still bring a request or carry an answer. */
static bool is_of_use(struct server *server, struct client_connection *connection, int64_t now_us)
{
    if (connection->exchange != NULL)
        return true;
    enum guard_state state = connection->guard == NULL ? GUARD_GONE : guard_state(connection->guard);
    if (state != GUARD_SILENT || now_us - connection->silent_us < SILENCE_US || has_bytes(connection))
        return state != GUARD_GONE;
    guard_dismiss(connection->guard);
    server->must_run = true;
    return false;
}

/* A request that is not whole yet. */
static bool is_coming(const struct client_connection *connection)
{
    const struct exchange *exchange = connection->exchange;
    if (exchange != NULL)
        return !exchange->started && !exchange->answered;
    return connection->guard != NULL && guard_state(connection->guard) == GUARD_BUSY;
}

static void look(struct server *server)
{
    int64_t now_us = loop_now_us(server->loop), waited_us = now_us - server->quiesced_us - server->settings.handshake_us;
    if (server->listening && waited_us >= 0 && (!has_waiting(server) || waited_us >= PATIENCE_US))
        close_listener(server);
    bool in_use = server->listening || server->open > 0 || server->guards.drained != NULL;
    unsigned coming = 0;
    for (struct client_connection *connection = server->all; connection != NULL; connection = connection->next) {
        in_use |= is_of_use(server, connection, now_us);
        coming += is_coming(connection);
    }
    atomic_store_explicit(&server->coming, coming, memory_order_relaxed);
    if (in_use)
        loop_timer_set(server->loop, &server->look, now_us + LOOK_US);
    else
        server->owner.on_quiet(server->owner.owner);
}

static void on_look(struct timer *timer)
{
    look(container_of(timer, struct server, look));
}

/* ---------------------------------------------------------------- the ways to the end */

void server_answer_last(struct server *server)
{
    server->closing = true;
}

void server_quiesce(struct server *server)
{
    if (server->quiesced_us != 0)
        return;
    server->closing = true;
    server->quiesced_us = loop_now_us(server->loop);
    server->look.due = on_look;
    loop_timer_set(server->loop, &server->look, server->quiesced_us);
}

unsigned server_coming(const struct server *server)
{
    return atomic_load_explicit(&((struct server *)server)->coming, memory_order_relaxed);
}

/* libmicrohttpd aborts the process when it is stopped with a connection asleep. It is run once more to wake them, and may read requests in that run:
 * a connection that would sleep then is closed instead (`ending`). */
void server_free(struct server *server)
{
    server->ending = true;
    close_listener(server);
    for (struct client_connection *connection = server->all; connection != NULL; connection = connection->next)
        if (connection->exchange != NULL && connection->exchange->suspended)
            server_cut(connection->exchange);
    MHD_run(server->daemon);
    loop_timer_clear(server->loop, &server->look);
    loop_remove_hook(server->loop, &server->hook);
    loop_watch_aside(server->loop, NULL);
    MHD_stop_daemon(server->daemon);
    guards_close(&server->guards);
    server_drop_spare(server);
    free(server);
}
