/* upstream_pool.c -- origins, their idle connections, and the memory connections live in.
 *
 * The connection used last is taken first, so that the rest can grow old and be closed. One timer per worker sweeps them. What
 * lies idle is watched: whatever arrives on it (a FIN, an answer that was not asked for) is the end of it.
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/upstream_private.h"

/* ---- connections ---- */

struct connection *pool_connection_new(struct origin *origin, struct call *call, void (*ready)(struct watch *watch, uint32_t events))
{
    struct upstream *upstream = origin->upstream;
    struct connection *connection = upstream->free_connections;
    if (connection != NULL) {
        upstream->free_connections = connection->next;
        upstream->free_connection_count--;
    } else {
        connection = xmalloc(sizeof(*connection));
    }
    *connection = (struct connection){
        .watch = {ready, -1}, .origin = origin, .call = call, .born_us = loop_now_us(upstream->loop), .all_next = upstream->connections};
    if (upstream->connections != NULL)
        upstream->connections->all_previous = connection;
    upstream->connections = connection;
    return connection;
}

void pool_close(struct connection *connection)
{
    struct upstream *upstream = connection->origin->upstream;
    loop_unwatch(upstream->loop, &connection->watch);
    dial_release(connection);
    if (connection->taken)
        close(connection->watch.fd);
    if (connection->all_previous != NULL)
        connection->all_previous->all_next = connection->all_next;
    else
        upstream->connections = connection->all_next;
    if (connection->all_next != NULL)
        connection->all_next->all_previous = connection->all_previous;
    if (upstream->free_connection_count >= FREE_KEPT) {
        free(connection);
        return;
    }
    connection->next = upstream->free_connections;
    upstream->free_connections = connection;
    upstream->free_connection_count++;
}

/* ---- the pools ---- */

static void unlink_idle(struct connection *connection)
{
    struct origin *origin = connection->origin;
    list_remove(origin->idle, origin->oldest, connection);
    connection->next = connection->previous = NULL;
    origin->idle_count--;
}

void pool_drop(struct connection *connection)
{
    unlink_idle(connection);
    pool_close(connection);
}

static bool too_old(const struct connection *connection)
{
    const struct upstream *upstream = connection->origin->upstream;
    int64_t now = loop_now_us(upstream->loop);
    return now - connection->born_us >= upstream->settings.lifetime_us || now - connection->idle_since_us >= upstream->settings.idle_us;
}

static bool may_keep(const struct origin *origin)
{
    return origin->upstream->settings.idle_max > 0 && !atomic_load_explicit(&origin->mark->says_more, memory_order_relaxed);
}

void pool_give(struct connection *connection)
{
    struct origin *origin = connection->origin;
    struct upstream *upstream = origin->upstream;
    connection->call = NULL;
    connection->idle_since_us = loop_now_us(upstream->loop);
    if (!may_keep(origin) || too_old(connection)) {
        pool_close(connection);
        return;
    }
    if (origin->idle_count >= upstream->settings.idle_max)
        pool_drop(origin->oldest);
    list_prepend(origin->idle, origin->oldest, connection);
    origin->idle_count++;
    if (upstream->sweep.heap_index == 0)
        loop_timer_set(upstream->loop, &upstream->sweep, connection->idle_since_us + upstream->settings.idle_us);
}

static void sweep_due(struct timer *timer)
{
    struct upstream *upstream = container_of(timer, struct upstream, sweep);
    int64_t next = INT64_MAX;
    for (struct origin *origin = upstream->origins; origin != NULL; origin = origin->next) {
        while (origin->oldest != NULL && too_old(origin->oldest))
            pool_drop(origin->oldest);
        if (origin->oldest != NULL && origin->oldest->idle_since_us < next)
            next = origin->oldest->idle_since_us;
    }
    dial_sweep(upstream);
    if (next != INT64_MAX)
        loop_timer_set(upstream->loop, timer, next + upstream->settings.idle_us);
}

enum heard { HEARD_NOTHING, HEARD_END, HEARD_MORE };

/* A server that gives an idle connection up may say so first: that is no answer to anything. */
static bool is_farewell(const char *bytes, size_t len)
{
    return len >= 12 && memcmp(bytes, "HTTP/1.", 7) == 0 && memcmp(bytes + 8, " 408", 4) == 0;
}

/* Nothing may wait on an idle connection: bytes would be taken for the answer to the next request, which is another client's. TLS
 * may have records of its own to read over (session tickets), and may keep bytes that the kernel does not have any more. */
static enum heard listen_to(struct connection *connection)
{
    char bytes[16];
    bool plain = connection->origin->plain;
    ssize_t len = 0;
    if (plain || connection->drained)
        len = recv(connection->watch.fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
    if (len >= 0 && !plain)
        len = dial_recv(connection, bytes, sizeof(bytes));
    if (len < 0)
        return errno == EAGAIN ? HEARD_NOTHING : HEARD_END;
    return len == 0 || is_farewell(bytes, (size_t)len) ? HEARD_END : HEARD_MORE;
}

void pool_distrust(struct origin *origin)
{
    const struct upstream_settings *settings = &origin->upstream->settings;
    if (!atomic_exchange(&origin->mark->says_more, true) && settings->on_stray != NULL)
        settings->on_stray(settings->owner, slice_of(origin->url));
}

/* False: it is not idle any more but dead. */
static bool is_silent(struct connection *connection)
{
    enum heard heard = listen_to(connection);
    if (heard == HEARD_MORE)
        pool_distrust(connection->origin);
    return heard == HEARD_NOTHING;
}

struct connection *pool_take(struct origin *origin)
{
    struct connection *connection;
    while ((connection = origin->idle) != NULL) {
        unlink_idle(connection);
        if (!too_old(connection) && is_silent(connection) && may_keep(origin))
            return connection;
        pool_close(connection);
    }
    return NULL;
}

void pool_ready(struct connection *connection)
{
    if (!is_silent(connection))
        pool_drop(connection);
}

void pool_init(struct upstream *upstream)
{
    upstream->sweep.due = sweep_due;
}

void pool_free(struct upstream *upstream)
{
    loop_timer_clear(upstream->loop, &upstream->sweep);
    while (upstream->free_connections != NULL) {
        struct connection *connection = upstream->free_connections;
        upstream->free_connections = connection->next;
        free(connection);
    }
    while (upstream->origins != NULL) {
        struct origin *origin = upstream->origins;
        upstream->origins = origin->next;
        free(origin->url);
        free(origin->proxy);
        free(origin->host);
        free(origin);
    }
}

/* ---- origins ---- */

/* Between "://" and the port or path. */
static char *host_of(struct slice url)
{
    const char *scheme = slice_find(url, LIT("://"));
    const char *end = url.ptr + url.len, *start = scheme == NULL ? url.ptr : scheme + 3, *at = start;
    if (at < end && *at == '[') /* an IPv6 address */
        while (at < end && *at != ']')
            at++;
    while (at < end && *at != ':' && *at != '/')
        at++;
    return xstrndup(start, (size_t)(at - start));
}

struct origin *upstream_origin(struct upstream *upstream, struct slice url, struct slice proxy)
{
    for (struct origin *origin = upstream->origins; origin != NULL; origin = origin->next)
        if (slice_equals(slice_of(origin->url), url) && slice_equals(slice_of(origin->proxy), proxy))
            return origin;
    struct origin *origin = xcalloc(1, sizeof(*origin));
    origin->upstream = upstream;
    origin->url = xstrndup(url.len > 0 ? url.ptr : "", url.len);
    origin->proxy = xstrndup(proxy.len > 0 ? proxy.ptr : "", proxy.len);
    origin->host = host_of(url);
    origin->mark = trust_mark(upstream->trust, origin->url);
    origin->secure = url.len >= 8 && slice_equals_nocase((struct slice){url.ptr, 8}, LIT("https://"));
    /* A proxy that is itself reached by TLS, or that we do not know, leaves its layer on the descriptor. */
    bool clear_proxy = proxy.len == 0 || slice_starts_with(proxy, LIT("http://")) || slice_starts_with(proxy, LIT("socks"));
    origin->plain = !origin->secure && clear_proxy;
    origin->next = upstream->origins;
    upstream->origins = origin;
    names_init(origin);
    dial_prepare(origin);
    return origin;
}
