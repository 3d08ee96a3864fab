/* server.c -- see server.h: libmicrohttpd's life, connections and requests. Streams are in server_stream.c, the end is in server_end.c.
 *
 * What libmicrohttpd 0.9.75 wants, and why this file does things in this order:
 * - its epoll is waited for beside ours; it is run once per turn when it has something, after everything that may queue answers;
 * - a suspended connection is out of its epoll and it does not notice that the client left: our own watch does (EPOLLRDHUP, edge-triggered, set once);
 * - resuming only sets a flag: it must be run afterwards in the same turn;
 * - a handler call that neither answers nor suspends would make it spin.
 * SPDX-License-Identifier: MIT */
#include "net/server_private.h"
#include "base/clock.h"
#include "net/peer.h"
#include "base/log.h"
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum {
    POOL_BYTES = 16384,
    FIELDS_MAX = 256, /* framing_defaults let at most 100 headers and 64 arguments pass */
    LINGER_S = 2,
    BODY_RATE = 65536,
    SPARE_EXCHANGES = 256,
    SPARE_BYTES = 4096,             /* a spare one keeps room for an ordinary head */
    CONNECTION_BYTES = 20 * 1024,   /* what one is worth that does nothing */
    STREAM_MAX = 128 * 1024 * 1024, /* far above what owners that pause ever buffer */
    RUNS_MAX = 4,
};

/* ---------------------------------------------------------------- exchanges */

static struct exchange *exchange_new(struct client_connection *connection, struct MHD_Connection *mhd, const char *version)
{
    struct server *server = connection->server;
    struct exchange *exchange = server->spare, blank = {.server = server, .connection = connection, .mhd = mhd};
    if (exchange != NULL) {
        server->spare = exchange->next;
        server->spare_count--;
        blank.text = exchange->text;
        blank.fields = exchange->fields;
    } else {
        exchange = xmalloc(sizeof *exchange);
        buffer_init(&blank.text, POOL_BYTES);
        buffer_init(&blank.fields, FIELDS_MAX * sizeof(struct field));
    }
    *exchange = blank;
    exchange->http10 = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    buffer_init_counted(&exchange->body, server->settings.body_limit, server->settings.memory);
    buffer_init_counted(&exchange->turn, STREAM_MAX, server->settings.memory);
    buffer_init_counted(&exchange->blocked, STREAM_MAX, server->settings.memory);
    exchange->promised = server->settings.body_limit;
    exchange->stall.due = server_on_stall;
    connection->exchange = exchange;
    return exchange;
}

static void drop_exchange(struct exchange *exchange)
{
    buffer_free(&exchange->text);
    buffer_free(&exchange->fields);
    free(exchange);
}

/* Both sides are done with it. */
static void exchange_free(struct exchange *exchange)
{
    struct server *server = exchange->server;
    loop_timer_clear(server->loop, &exchange->stall);
    server_forget_dirty(exchange);
    server_forget_body(exchange);
    buffer_free(&exchange->turn);
    buffer_free(&exchange->blocked);
    server->open -= exchange->started;
    if (exchange->release != NULL)
        exchange->release(exchange->release_arg);
    if (server->spare_count >= SPARE_EXCHANGES || exchange->text.cap > SPARE_BYTES || exchange->fields.cap > SPARE_BYTES) {
        drop_exchange(exchange);
        return;
    }
    buffer_clear(&exchange->text);
    buffer_clear(&exchange->fields);
    exchange->next = server->spare;
    server->spare = exchange;
    server->spare_count++;
}

void server_tell_gone(struct exchange *exchange)
{
    struct server *server = exchange->server;
    if (exchange->told_gone || exchange->closed || !exchange->started)
        return;
    exchange->told_gone = true;
    server->owner.on_gone(server->owner.owner, exchange);
}

/* ---------------------------------------------------------------- the head */

/* The copy ends with a NUL that is not counted. */
static uint32_t copy_text(struct exchange *exchange, const char *text, size_t len)
{
    uint32_t at = (uint32_t)exchange->text.len;
    buffer_append(&exchange->text, text, len);
    buffer_append_byte(&exchange->text, '\0');
    return at;
}

static enum MHD_Result copy_field(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_len, const char *value,
                                  size_t value_len)
{
    struct exchange *exchange = cls;
    struct field field = {.name_len = (uint32_t)name_len, .is_argument = kind == MHD_GET_ARGUMENT_KIND};
    struct slice text = {value == NULL ? "" : value, value_len};
    if (!field.is_argument) /* blanks behind a value are none of it, but libmicrohttpd leaves them there: "null " is null */
        text = slice_trim(text);
    field.value_len = (uint32_t)text.len;
    field.name = copy_text(exchange, name, name_len);
    field.value = copy_text(exchange, text.ptr, text.len);
    buffer_append(&exchange->fields, &field, sizeof field);
    return MHD_YES;
}

/* False: more than the checker lets pass, which cannot be. */
static bool copy_head(struct exchange *exchange, const char *method, const char *url)
{
    size_t method_len = strlen(method), path_len = strlen(url);
    copy_text(exchange, method, method_len);
    copy_text(exchange, url, path_len);
    MHD_get_connection_values_n(exchange->mhd, (enum MHD_ValueKind)(MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND), copy_field, exchange);
    if (exchange->text.overflow || exchange->fields.overflow)
        return false;
    exchange->method = (struct slice){exchange->text.ptr, method_len};
    exchange->path = (struct slice){exchange->text.ptr + method_len + 1, path_len};
    return true;
}

static const struct field *fields_of(const struct exchange *exchange, size_t *count)
{
    *count = exchange->fields.len / sizeof(struct field);
    return (const struct field *)(const void *)exchange->fields.ptr;
}

static struct slice find_field(const struct exchange *exchange, const char *name, bool is_argument)
{
    size_t count, len = strlen(name);
    const struct field *fields = fields_of(exchange, &count);
    const char *text = exchange->text.ptr;
    for (size_t i = 0; i < count; i++) {
        const struct field *field = &fields[i];
        if (field->name_len != len || field->is_argument != is_argument)
            continue;
        struct slice found = {text + field->name, len}, wanted = {name, len};
        if (is_argument ? slice_equals(found, wanted) : slice_equals_nocase(found, wanted))
            return (struct slice){text + field->value, field->value_len};
    }
    return SLICE_NONE;
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
    return find_field(exchange, name, true);
}

struct slice exchange_header(const struct exchange *exchange, const char *name)
{
    return find_field(exchange, name, false);
}

void exchange_each_header(const struct exchange *exchange, void (*visit)(void *owner, struct slice name, struct slice value), void *owner)
{
    size_t count;
    const struct field *fields = fields_of(exchange, &count);
    const char *text = exchange->text.ptr;
    for (size_t i = 0; i < count; i++)
        if (!fields[i].is_argument)
            visit(owner, (struct slice){text + fields[i].name, fields[i].name_len},
                  (struct slice){text + fields[i].value, fields[i].value_len});
}

struct slice exchange_peer(const struct exchange *exchange)
{
    return slice_of(exchange->connection != NULL ? exchange->connection->peer : exchange->peer);
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

/* Queues the response and lets go of our reference; libmicrohttpd keeps its own. */
void server_queue(struct exchange *exchange, int status, struct MHD_Response *response, const struct answer_header *headers, unsigned count)
{
    struct server *server = exchange->server;
    bool closes = server->closing || (exchange->http10 && exchange->streaming); /* the end of that is the end of the connection */
    for (unsigned i = 0; i < count; i++)
        (void)MHD_add_response_header(response, headers[i].name, headers[i].value); /* it takes none with CR, LF or TAB inside */
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
    char id[REFUSAL_ID_SIZE] = "";
    const struct answer_header headers[] = {{"Content-Type", "application/json"}, {"X-Request-ID", id}, {"Retry-After", "1"}};
    struct buffer body;
    buffer_init(&body, 4096);
    struct refusal refusal = {status, slice_of(reason), exchange->method, exchange->path, exchange_peer(exchange), true};
    server->owner.write_refusal(server->owner.owner, &refusal, &body, id);
    struct MHD_Response *response = MHD_create_response_from_buffer(body.len, body.ptr, MHD_RESPMEM_MUST_COPY);
    buffer_free(&body);
    if (response == NULL)
        return MHD_NO;
    exchange->closed = true; /* the owner does not know of it */
    exchange->in_handler = true;
    server_queue(exchange, status, response, headers, status == 503 ? 3 : 2);
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

static void hand_over(struct server *server, struct exchange *exchange)
{
    exchange->started = true;
    server->open++;
    exchange->in_handler = true;
    server->owner.on_request(server->owner.owner, exchange);
    exchange->in_handler = false;
}

static enum MHD_Result on_first(struct server *server, struct exchange *exchange, const char *method, const char *url)
{
    int64_t length = 0;
    const char *reason = "refused";
    if (exchange->connection->guard == NULL || !guard_on_head(exchange->connection->guard) || !copy_head(exchange, method, url))
        return MHD_NO;
    int status = server->owner.on_head(server->owner.owner, exchange);
    if (status == 0 && slice_to_int(exchange_header(exchange, MHD_HTTP_HEADER_CONTENT_LENGTH), &length))
        status = server_expect_body(exchange, (size_t)length, &reason);
    if (status == HEAD_SUFFICES) {
        hand_over(server, exchange);
        return exchange->answered && !exchange->aborted ? MHD_YES : MHD_NO;
    }
    return status == 0 ? MHD_YES : refuse(exchange, status, reason);
}

/* The request is whole: the owner answers at once, or the connection sleeps until it does. */
static enum MHD_Result on_whole(struct server *server, struct exchange *exchange)
{
    struct client_connection *connection = exchange->connection;
    if (exchange->shed || !guard_on_final(connection->guard))
        return MHD_NO;
    hand_over(server, exchange);
    if (exchange->aborted)
        return MHD_NO;
    if (exchange->answered)
        return MHD_YES;
    guard_on_suspend(connection->guard);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    if (connection->half_closed) /* its FIN came together with the request; there will be no second event */
        server_tell_gone(exchange);
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                                 const char *data, size_t *data_len, void **con_cls)
{
    struct server *server = cls;
    struct exchange *exchange = *con_cls;
    if (server->ending)
        return MHD_NO;
    if (exchange == NULL) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        exchange = exchange_new(info->socket_context, mhd, version);
        *con_cls = exchange;
        return on_first(server, exchange, method, url);
    }
    if (*data_len > 0) {
        size_t len = *data_len;
        *data_len = 0;
        if (!guard_on_body(exchange->connection->guard, len))
            return MHD_NO;
        if (!exchange->answered)
            server_add_body(exchange, data, len);
        return MHD_YES;
    }
    if (!exchange->started && !exchange->answered)
        return on_whole(server, exchange);
    return exchange->answered && !exchange->aborted ? MHD_YES : MHD_NO; /* woken without an answer: the owner wants none sent */
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
    if (!exchange->closed)
        memcpy(exchange->peer, exchange->connection->peer, sizeof exchange->peer); /* while there is still a connection to ask */
    exchange->connection->exchange = NULL;
    exchange->connection->silent_us = loop_now_us(server->loop);
    exchange->connection = NULL;
    exchange->mhd = NULL;
    exchange->suspended = false;
    server_forget_dirty(exchange);
    loop_timer_clear(server->loop, &exchange->stall);
    if (exchange->closed || !exchange->started)
        exchange_free(exchange);
    else if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        server_tell_gone(exchange); /* and it may be free now */
}

/* The client's FIN, its end, or room to write. A half-close is taken for leaving: no client of this API sends one and stays. */
static void on_connection_ready(struct watch *watch, uint32_t events)
{
    struct client_connection *connection = container_of(watch, struct client_connection, watch);
    struct exchange *exchange = connection->exchange;
    if (events & EPOLLOUT && connection->waits_for_room) {
        connection->has_room = true;
        if (exchange != NULL)
            server_mark_dirty(exchange);
    }
    if (!(events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)))
        return;
    connection->half_closed = true;
    if (connection->guard != NULL)
        guard_half_closed(connection->guard);
    if (exchange != NULL && exchange->started && !(exchange->answered && !exchange->streaming))
        server_tell_gone(exchange);
}

static void connection_open(struct server *server, struct MHD_Connection *mhd, void **context)
{
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    struct client_connection *connection = xcalloc(1, sizeof *connection);
    peer_of_address(MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr, connection->peer);
    connection->server = server;
    connection->silent_us = loop_now_us(server->loop);
    connection->watch = (struct watch){on_connection_ready, fd};
    connection->next = server->all;
    connection->link = &server->all;
    if (server->all != NULL)
        server->all->link = &connection->next;
    server->all = connection;
    connection->guard = guard_open(&server->guards, fd);
    connection->weighed = memory_take_small(server->settings.memory, CONNECTION_BYTES);
    if (connection->guard == NULL || !loop_watch(server->loop, &connection->watch, EPOLLRDHUP | EPOLLET))
        shutdown(fd, SHUT_RDWR);
    else if (!connection->weighed)
        guard_refuse(connection->guard, 503, "too many connections are open for the memory there is: try again in a second");
    server->connections++;
    *context = connection;
}

static void connection_closed(struct server *server, struct client_connection *connection)
{
    loop_unwatch(server->loop, &connection->watch);
    if (connection->guard != NULL)
        guard_close(connection->guard);
    *connection->link = connection->next;
    if (connection->next != NULL)
        connection->next->link = connection->link;
    server->connections--;
    memory_give(server->settings.memory, connection->weighed ? CONNECTION_BYTES : 0);
    acceptor_on_free(&server->acceptor);
    free(connection);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_open(cls, mhd, context);
    else if (*context != NULL)
        connection_closed(cls, *context);
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

/* It must not go on, and says why in a line of ours. */
static void on_panic(void *cls, const char *file, unsigned line, const char *reason)
{
    char message[256];
    (void)cls;
    snprintf(message, sizeof message, "libmicrohttpd (%s:%u): %s", file, line, reason);
    message[strcspn(message, "\n")] = '\0';
    log_now(LOG_UNSET, LOG_ERROR, "abort", message);
    abort();
}

/* ---------------------------------------------------------------- the server's part of a turn */

static void on_mhd_ready(struct watch *watch, uint32_t events)
{
    struct server *server = container_of(watch, struct server, watch);
    (void)events;
    server->must_run = true;
}

static int64_t run_turn(struct turn_hook *hook)
{
    struct server *server = container_of(hook, struct server, hook);
    MHD_UNSIGNED_LONG_LONG timeout;
    server_flush(server);
    for (unsigned i = 0; i < RUNS_MAX && server->must_run; i++) {
        server->must_run = false;
        MHD_run(server->daemon);
        server_flush(server); /* the first events of streams whose head went out in this very run */
    }
    guard_tick(&server->guards);
    if (server->must_run)
        return 0;
    if (MHD_get_timeout(server->daemon, &timeout) != MHD_YES)
        return -1;
    server->must_run = timeout == 0;
    return (int64_t)timeout * 1000;
}

/* ---------------------------------------------------------------- life */

static void set_guards(struct server *server)
{
    server->guards = (struct guards){
        .loop = server->loop,
        .limits = framing_defaults,
        .head_us = server->settings.head_us,
        .body_us = server->settings.body_us,
        .linger_us = LINGER_S * US_PER_S,
        .body_rate = BODY_RATE,
        .write_refusal = server->owner.write_refusal,
        .owner = server->owner.owner,
    };
    server->guards.limits.pool = POOL_BYTES;
    server->guards.limits.body = server->settings.body_limit;
}

static bool start_daemon(struct server *server)
{
    server->daemon = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, on_access, server,
                                      MHD_OPTION_EXTERNAL_LOGGER, ignore_log, NULL, MHD_OPTION_LISTEN_SOCKET, server->settings.listen_fd,
                                      MHD_OPTION_CONNECTION_LIMIT, UINT_MAX /* ours is the acceptor's */, MHD_OPTION_CONNECTION_TIMEOUT,
                                      server->settings.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)POOL_BYTES,
                                      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoding, NULL,
                                      MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                                      server, MHD_OPTION_END);
    if (server->daemon == NULL)
        return false;
    server->watch = (struct watch){on_mhd_ready, MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd};
    loop_watch_aside(server->loop, &server->watch);
    acceptor_follow(&server->acceptor, server->watch.fd, server->daemon);
    return true;
}

/* Accepted sockets inherit both. TCP_USER_TIMEOUT cuts a client that takes nothing of a whole answer, which only libmicrohttpd and the kernel see. */
static void set_listener(const struct server *server)
{
    int one = 1, stall_ms = (int)(server->settings.write_stall_us / 1000);
    setsockopt(server->settings.listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(server->settings.listen_fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &stall_ms, sizeof stall_ms);
}

struct server *server_new(struct loop *loop, const struct server_settings *settings, const struct server_owner *owner)
{
    struct server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->settings = *settings;
    server->owner = *owner;
    server->hook.run = run_turn;
    server->listening = true;
    set_guards(server);
    set_listener(server);
    if (!door_init() || !server_listen(server) || !start_daemon(server)) {
        acceptor_close(&server->acceptor);
        free(server);
        return NULL;
    }
    MHD_set_panic_func(on_panic, NULL);
    loop_add_hook(loop, &server->hook);
    return server;
}

void server_each(struct server *server, void (*visit)(struct exchange *exchange))
{
    for (struct client_connection *connection = server->all; connection != NULL; connection = connection->next)
        if (connection->exchange != NULL && connection->exchange->started && !connection->exchange->closed)
            visit(connection->exchange);
}

unsigned server_exchanges(const struct server *server)
{
    return server->open;
}

void server_drop_spare(struct server *server)
{
    while (server->spare != NULL) {
        struct exchange *exchange = server->spare;
        server->spare = exchange->next;
        drop_exchange(exchange);
    }
}
