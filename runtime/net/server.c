/* server.c -- see server.h: libmicrohttpd's life, connections and requests. Streams are in server_stream.c.
 *
 * What libmicrohttpd 0.9.75 wants, and why this file does things in this order:
 * - its epoll is nested in ours; it is run once per turn when it has something, after everything that may queue answers;
 * - a suspended connection is out of its epoll and it does not notice that the client left: our own watch does (EPOLLRDHUP, edge-triggered, set once);
 * - resuming only sets a flag: it must be run afterwards in the same turn;
 * - a handler call that neither answers nor suspends would make it spin.
 * SPDX-License-Identifier: MIT */
#include "net/server_private.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { POOL_BYTES = 16384, LINGER_S = 2, BODY_RATE = 65536, SPARE_EXCHANGES = 256 };

/* ---------------------------------------------------------------- exchanges */

static struct exchange *exchange_new(struct connection *connection, const char *method, const char *url, const char *version)
{
    struct server *server = connection->server;
    struct exchange *exchange = server->spare;
    if (exchange != NULL) {
        server->spare = exchange->next;
        server->spare_count--;
    } else {
        exchange = xmalloc(sizeof *exchange);
    }
    memset(exchange, 0, sizeof *exchange);
    exchange->server = server;
    exchange->connection = connection;
    exchange->method = slice_of(method);
    exchange->path = slice_of(url);
    exchange->http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    exchange->began_us = loop_now_us(server->loop);
    buffer_init(&exchange->body, server->settings.body_limit);
    buffer_init(&exchange->turn, SIZE_MAX / 2);
    buffer_init(&exchange->blocked, SIZE_MAX / 2);
    exchange->stall.due = server_on_stall;
    connection->exchange = exchange;
    server->open++;
    server->counts.requests++;
    return exchange;
}

/* Both sides are done with it. */
static void exchange_free(struct exchange *exchange)
{
    struct server *server = exchange->server;
    loop_timer_clear(server->loop, &exchange->stall);
    server_forget_dirty(exchange);
    server->body_bytes -= exchange->body.cap;
    buffer_free(&exchange->body);
    buffer_free(&exchange->turn);
    buffer_free(&exchange->blocked);
    server->open--;
    if (exchange->release != NULL)
        exchange->release(exchange->release_arg);
    if (server->spare_count >= SPARE_EXCHANGES) {
        free(exchange);
        return;
    }
    exchange->next = server->spare;
    server->spare = exchange;
    server->spare_count++;
}

static void tell_gone(struct exchange *exchange)
{
    struct server *server = exchange->server;
    if (exchange->told_gone || exchange->closed || !exchange->started)
        return;
    exchange->told_gone = true;
    server->owner.on_gone(server->owner.owner, exchange);
}

struct slice exchange_method(const struct exchange *exchange)
{
    return exchange->method;
}

struct slice exchange_path(const struct exchange *exchange)
{
    return exchange->path;
}

struct slice exchange_argument(const struct exchange *exchange, const char *name)
{
    if (exchange->mhd == NULL)
        return SLICE_NONE;
    return slice_of(MHD_lookup_connection_value(exchange->mhd, MHD_GET_ARGUMENT_KIND, name));
}

struct slice exchange_header(const struct exchange *exchange, const char *name)
{
    if (exchange->mhd == NULL)
        return SLICE_NONE;
    return slice_of(MHD_lookup_connection_value(exchange->mhd, MHD_HEADER_KIND, name));
}

struct visit {
    void (*fn)(void *owner, struct slice name, struct slice value);
    void *owner;
};

static enum MHD_Result visit_header(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    const struct visit *visit = cls;
    (void)kind;
    visit->fn(visit->owner, slice_of(name), slice_of(value));
    return MHD_YES;
}

void exchange_each_header(const struct exchange *exchange, void (*fn)(void *owner, struct slice name, struct slice value), void *owner)
{
    struct visit visit = {fn, owner};
    if (exchange->mhd != NULL)
        MHD_get_connection_values(exchange->mhd, MHD_HEADER_KIND, visit_header, &visit);
}

struct slice exchange_body(const struct exchange *exchange)
{
    return buffer_slice(&exchange->body);
}

struct slice exchange_peer(const struct exchange *exchange)
{
    struct connection *connection = exchange->connection;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (connection == NULL)
        return SLICE_NONE;
    if (connection->peer[0] == '\0' && getpeername(connection->watch.fd, (struct sockaddr *)&address, &len) == 0) {
        if (address.ss_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&address)->sin6_addr, connection->peer, sizeof connection->peer);
        else
            inet_ntop(AF_INET, &((struct sockaddr_in *)&address)->sin_addr, connection->peer, sizeof connection->peer);
    }
    return slice_of(connection->peer);
}

int64_t exchange_began_us(const struct exchange *exchange)
{
    return exchange->began_us;
}

void exchange_set_tag(struct exchange *exchange, void *tag)
{
    exchange->tag = tag;
}

void *exchange_tag(const struct exchange *exchange)
{
    return exchange->tag;
}

/* ---------------------------------------------------------------- answers */

void server_resume(struct exchange *exchange)
{
    struct server *server = exchange->server;
    if (!exchange->suspended || exchange->mhd == NULL)
        return;
    exchange->suspended = false;
    server->must_run = true;
    MHD_resume_connection(exchange->mhd);
    loop_again(server->loop);
}

static bool is_clean(const char *value)
{
    return strpbrk(value, "\r\n") == NULL;
}

/* Queues the response and lets go of our reference; libmicrohttpd keeps its own. */
void server_queue(struct exchange *exchange, int status, struct MHD_Response *response, const struct answer_header *headers, unsigned count)
{
    struct server *server = exchange->server;
    bool closes = server->quiesced;
    for (unsigned i = 0; i < count; i++) {
        if (is_clean(headers[i].value))
            MHD_add_response_header(response, headers[i].name, headers[i].value);
        else
            server->counts.bad_headers++;
    }
    if (closes)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    exchange->answered = true;
    if (exchange->connection != NULL && exchange->connection->guard != NULL)
        guard_on_answer(exchange->connection->guard, closes);
    if (MHD_queue_response(exchange->mhd, (unsigned)status, response) != MHD_YES)
        exchange->aborted = true;
    MHD_destroy_response(response);
    if (!exchange->in_handler)
        server_resume(exchange);
}

void exchange_answer(struct exchange *exchange, int status, const struct answer_header *headers, unsigned count, struct slice body)
{
    if (exchange->mhd == NULL || exchange->answered)
        return;
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, (void *)body.ptr, MHD_RESPMEM_PERSISTENT);
    if (response != NULL)
        server_queue(exchange, status, response, headers, count);
}

/* A refusal of the server's own, in the owner's words. */
static enum MHD_Result refuse(struct exchange *exchange, int status, const char *reason)
{
    struct server *server = exchange->server;
    const struct answer_header type = {"Content-Type", "application/json"};
    struct buffer body;
    buffer_init(&body, 4096);
    server->owner.write_refusal(server->owner.owner, status, slice_of(reason), exchange->path, &body);
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, body.ptr, MHD_RESPMEM_MUST_COPY);
    buffer_free(&body);
    if (response == NULL)
        return MHD_NO;
    exchange->closed = true; /* nobody else knows of it */
    exchange->in_handler = true;
    server_queue(exchange, status, response, &type, 1);
    exchange->in_handler = false;
    return exchange->aborted ? MHD_NO : MHD_YES;
}

void exchange_close(struct exchange *exchange, void (*release)(void *), void *release_arg)
{
    exchange->closed = true;
    exchange->release = release;
    exchange->release_arg = release_arg;
    if (exchange->mhd == NULL) {
        exchange_free(exchange);
        return;
    }
    if (exchange->streaming && !exchange->ended)
        exchange_end(exchange, false);
    if (!exchange->answered) { /* the handler is called again and says no */
        exchange->aborted = true;
        server_resume(exchange);
    }
}

/* ---------------------------------------------------------------- libmicrohttpd's calls */

static enum MHD_Result on_first(struct server *server, struct exchange *exchange)
{
    int64_t length = 0;
    struct slice header = exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (exchange->connection->guard == NULL || !guard_on_head(exchange->connection->guard))
        return MHD_NO;
    int status = server->owner.on_head(server->owner.owner, exchange);
    if (status != 0)
        return refuse(exchange, status, "refused");
    if (slice_to_int(header, &length) && (uint64_t)length > server->settings.bodies_limit - server->body_bytes)
        return refuse(exchange, 503, "too many large requests are under way");
    return MHD_YES;
}

static void add_body(struct server *server, struct exchange *exchange, const char *data, size_t len)
{
    size_t before = exchange->body.cap;
    if (exchange->shed || len > server->settings.bodies_limit - server->body_bytes) {
        exchange->shed = true;
        return;
    }
    if (exchange->body.cap == 0) { /* what the head promised, in one piece */
        int64_t length = 0;
        if (slice_to_int(exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH), &length) && (uint64_t)length <= exchange->body.limit)
            buffer_reserve(&exchange->body, (size_t)length);
    }
    buffer_append(&exchange->body, data, len);
    server->body_bytes += exchange->body.cap - before;
}

/* The request is whole: the owner answers at once, or the connection sleeps until it does. */
static enum MHD_Result on_whole(struct server *server, struct exchange *exchange)
{
    if (!guard_on_final(exchange->connection->guard))
        return MHD_NO;
    if (exchange->shed || exchange->body.overflow)
        return refuse(exchange, 503, "too many large requests are under way");
    exchange->started = true;
    exchange->in_handler = true;
    server->owner.on_request(server->owner.owner, exchange);
    exchange->in_handler = false;
    if (exchange->aborted)
        return MHD_NO;
    if (exchange->answered)
        return MHD_YES;
    guard_on_suspend(exchange->connection->guard);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                                 const char *data, size_t *data_len, void **con_cls)
{
    struct server *server = cls;
    struct exchange *exchange = *con_cls;
    if (exchange == NULL) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        exchange = exchange_new(info->socket_context, method, url, version);
        exchange->mhd = mhd;
        *con_cls = exchange;
        return on_first(server, exchange);
    }
    if (*data_len > 0) {
        size_t len = *data_len;
        *data_len = 0;
        if (!guard_on_body(exchange->connection->guard, len))
            return MHD_NO;
        if (!exchange->answered)
            add_body(server, exchange, data, len);
        return MHD_YES;
    }
    if (exchange->started || exchange->answered)
        return exchange->aborted || !exchange->answered ? MHD_NO : MHD_YES;
    return on_whole(server, exchange);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **con_cls, enum MHD_RequestTerminationCode code)
{
    struct server *server = cls;
    struct exchange *exchange = *con_cls;
    (void)mhd;
    *con_cls = NULL;
    if (exchange == NULL)
        return;
    if (exchange->connection->guard != NULL)
        guard_on_done(exchange->connection->guard);
    exchange->connection->exchange = NULL;
    exchange->connection = NULL;
    exchange->mhd = NULL;
    exchange->suspended = false;
    server_forget_dirty(exchange);
    if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        tell_gone(exchange);
    if (exchange->closed || !exchange->started)
        exchange_free(exchange);
    (void)server;
}

/* The client's FIN, its end, or room to write. A half-close is taken for leaving: no client of this API sends one and stays. */
static void on_connection_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)((char *)watch - offsetof(struct connection, watch));
    struct exchange *exchange = connection->exchange;
    if (events & EPOLLOUT && exchange != NULL)
        server_mark_dirty(exchange);
    if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        return;
    connection->half_closed = true;
    if (connection->guard != NULL)
        guard_half_closed(connection->guard);
    if (exchange != NULL && exchange->started && !(exchange->answered && !exchange->streaming))
        tell_gone(exchange);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    struct server *server = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd, one = 1;
        struct connection *connection = xcalloc(1, sizeof *connection);
        connection->server = server;
        connection->watch = (struct watch){on_connection_ready, fd};
        connection->guard = guard_open(&server->guards, fd);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connection->guard == NULL || !loop_watch(server->loop, &connection->watch, EPOLLRDHUP | EPOLLET))
            shutdown(fd, SHUT_RDWR);
        server->counts.accepted++;
        server->connections++;
        *context = connection;
        return;
    }
    struct connection *connection = *context;
    if (connection == NULL)
        return;
    loop_unwatch(server->loop, &connection->watch);
    if (connection->guard != NULL)
        guard_close(connection->guard);
    server->connections--;
    free(connection);
    *context = NULL;
}

/* Percent-encoding stays as it was sent: decoding could make what the checker has refused. */
static size_t keep_encoding(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void ignore_log(void *cls, const char *format, va_list args)
{
    (void)cls;
    (void)format;
    (void)args;
}

/* ---------------------------------------------------------------- the server's part of a turn */

static void on_mhd_ready(struct watch *watch, uint32_t events)
{
    struct server *server = (struct server *)((char *)watch - offsetof(struct server, watch));
    (void)events;
    server->must_run = true;
}

static int64_t run_turn(struct turn_hook *hook)
{
    struct server *server = (struct server *)((char *)hook - offsetof(struct server, hook));
    MHD_UNSIGNED_LONG_LONG timeout;
    server_flush(server);
    if (server->must_run) {
        server->must_run = false;
        MHD_run(server->daemon);
        server_flush(server); /* heads that went out in this very run */
    }
    guard_tick(&server->guards);
    if (server->must_run)
        return 0;
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES)
        return -1;
    server->must_run = timeout == 0;
    return (int64_t)timeout * 1000;
}

static void write_guard_refusal(void *owner, int status, struct slice reason, struct buffer *body)
{
    struct server *server = owner;
    server->owner.write_refusal(server->owner.owner, status, reason, SLICE_NONE, body);
}

/* ---------------------------------------------------------------- life */

static size_t descriptor_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1 << 20 ? (size_t)limit.rlim_cur : 1 << 20;
}

static void set_guards(struct server *server)
{
    server->guards = (struct guards){
        .loop = server->loop,
        .limits = framing_defaults,
        .head_us = server->settings.head_us,
        .body_us = server->settings.body_us,
        .linger_us = LINGER_S * 1000000,
        .body_rate = BODY_RATE,
        .write_refusal = write_guard_refusal,
        .owner = server,
    };
    server->guards.limits.pool = POOL_BYTES;
    server->guards.limits.body = server->settings.body_limit;
}

static bool start_daemon(struct server *server)
{
    server->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, server, MHD_OPTION_EXTERNAL_LOGGER, ignore_log,
        NULL, MHD_OPTION_LISTEN_SOCKET, server->settings.listen_fd, MHD_OPTION_CONNECTION_LIMIT, server->settings.connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, server->settings.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoding, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_END);
    if (server->daemon == NULL)
        return false;
    server->watch = (struct watch){on_mhd_ready, MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd};
    return loop_watch(server->loop, &server->watch, EPOLLIN);
}

struct server *server_new(struct loop *loop, const struct server_settings *settings, const struct server_owner *owner)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->settings = *settings;
    server->owner = *owner;
    server->hook.run = run_turn;
    set_guards(server);
    if (!guard_init(descriptor_limit()) || !start_daemon(server)) {
        free(server);
        return NULL;
    }
    loop_add_hook(loop, &server->hook);
    return server;
}

void server_quiesce(struct server *server)
{
    if (server->quiesced)
        return;
    server->quiesced = true;
    MHD_quiesce_daemon(server->daemon); /* the listener stays ours */
    server->must_run = true;
}

unsigned server_connections(const struct server *server)
{
    return server->connections;
}

unsigned server_exchanges(const struct server *server)
{
    return server->open;
}

void server_free(struct server *server)
{
    loop_remove_hook(server->loop, &server->hook);
    loop_unwatch(server->loop, &server->watch);
    MHD_stop_daemon(server->daemon);
    while (server->spare != NULL) {
        struct exchange *exchange = server->spare;
        server->spare = exchange->next;
        free(exchange);
    }
    free(server);
}

void server_counts(const struct server *server, struct server_counts *counts)
{
    *counts = server->counts;
    counts->refused = server->guards.refused;
    counts->timeouts = server->guards.timeouts;
    counts->desyncs = server->guards.desyncs;
}
