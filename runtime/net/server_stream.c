/* server_stream.c -- streamed answers: libmicrohttpd sends the head, then sleeps while we write chunks to its socket ourselves, then wakes to end it.
 *
 * One writev per stream and turn, however many events came. What the socket does not take is kept, framed, until there is room; the owner hears how
 * much that is and stops reading from its provider.
 * SPDX-License-Identifier: MIT */
#include "net/server_private.h"
#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/uio.h>

enum { KEEP_BYTES = 2048 }; /* a buffer that grew in a burst is given back: thousands of streams are open at once */

/* ---------------------------------------------------------------- the list of streams with something to send */

void server_mark_dirty(struct exchange *exchange)
{
    if (exchange->is_dirty || exchange->mhd == NULL)
        return;
    exchange->is_dirty = true;
    exchange->next = exchange->server->dirty;
    exchange->server->dirty = exchange;
}

void server_forget_dirty(struct exchange *exchange)
{
    for (struct exchange **at = &exchange->server->dirty; exchange->is_dirty && *at != NULL; at = &(*at)->next) {
        if (*at == exchange) {
            *at = exchange->next;
            exchange->is_dirty = false;
            return;
        }
    }
}

/* ---------------------------------------------------------------- libmicrohttpd's side */

/* libmicrohttpd closes a connection whose reader fails, or ends one without chunks, and then forgets to look at it until its neighbours time out. Those
 * with a timeout of their own it looks at in every run. */
static void bury_soon(struct exchange *exchange)
{
    struct server *server = exchange->server;
    MHD_set_connection_option(exchange->mhd, MHD_CONNECTION_OPTION_TIMEOUT, server->settings.idle_timeout_s + 1);
    server->must_run = true;
}

/* Memory was short amid a stream: what follows would stand behind a hole. */
static bool has_hole(const struct exchange *exchange)
{
    return exchange->turn.overflow || exchange->blocked.overflow;
}

/* Called when the head is out, and again after each resume. Never says 0 without sleeping: it would spin. */
static ssize_t on_content_wanted(void *cls, uint64_t position, char *buf, size_t max)
{
    struct exchange *exchange = cls;
    (void)position;
    (void)buf;
    (void)max;
    exchange->head_out = true;
    if (exchange->ended && exchange->turn.len == 0 && exchange->blocked.len == 0) {
        bool whole = exchange->complete && !has_hole(exchange);
        if (exchange->http10 || !whole)
            bury_soon(exchange);
        return whole ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (exchange->server->ending)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (exchange->connection->guard != NULL)
        guard_on_suspend(exchange->connection->guard);
    exchange->suspended = true;
    MHD_suspend_connection(exchange->mhd);
    server_mark_dirty(exchange);
    return 0;
}

void exchange_stream(struct exchange *exchange, int status, const struct answer_header *headers, unsigned count)
{
    if (exchange->mhd == NULL || exchange->answered)
        return;
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, on_content_wanted, exchange, NULL);
    if (response == NULL)
        return;
    exchange->streaming = true;
    server_queue(exchange, status, response, headers, count);
}

/* ---------------------------------------------------------------- writing */

static size_t buffered(const struct exchange *exchange)
{
    return exchange->turn.len + exchange->blocked.len;
}

size_t exchange_write(struct exchange *exchange, struct slice bytes)
{
    if (exchange->mhd == NULL || exchange->ended)
        return 0;
    buffer_append_slice(&exchange->turn, bytes);
    server_mark_dirty(exchange);
    loop_again(exchange->server->loop);
    if (buffered(exchange) > exchange->server->settings.stream_high)
        exchange->was_high = true;
    return buffered(exchange);
}

void exchange_end(struct exchange *exchange, bool complete)
{
    if (exchange->ended || exchange->mhd == NULL)
        return;
    exchange->ended = true;
    exchange->complete = complete;
    server_mark_dirty(exchange);
    loop_again(exchange->server->loop);
}

static void give_back(struct buffer *buffer)
{
    if (buffer->cap > KEEP_BYTES)
        buffer_free(buffer);
    else
        buffer_clear(buffer);
}

void server_cut(struct exchange *exchange)
{
    buffer_free(&exchange->turn);
    buffer_free(&exchange->blocked);
    loop_timer_clear(exchange->server->loop, &exchange->stall);
    exchange->ended = true;
    exchange->complete = false;
    server_resume(exchange);
    server_tell_gone(exchange);
}

void server_on_stall(struct timer *timer)
{
    server_cut(container_of(timer, struct exchange, stall));
}

/* The deadline runs from the last byte the client took, not from the last one we had for it. */
static void wait_for_room(struct exchange *exchange, bool wait, bool progress)
{
    struct client_connection *connection = exchange->connection;
    struct server *server = exchange->server;
    connection->has_room = false;
    if (!wait)
        loop_timer_clear(server->loop, &exchange->stall);
    else if (progress || !connection->waits_for_room)
        loop_timer_set(server->loop, &exchange->stall, loop_now_us(server->loop) + server->settings.write_stall_us);
    if (connection->waits_for_room == wait)
        return;
    if (loop_watch(server->loop, &connection->watch, EPOLLRDHUP | EPOLLET | (wait ? EPOLLOUT : 0)))
        connection->waits_for_room = wait;
}

/* Puts this turn's bytes behind the blocked ones, framed as one chunk (RFC 9112 7.1). */
static void frame_into_blocked(struct exchange *exchange)
{
    if (exchange->turn.len == 0)
        return;
    if (!exchange->http10)
        buffer_printf(&exchange->blocked, "%zx\r\n", exchange->turn.len);
    buffer_append_slice(&exchange->blocked, buffer_slice(&exchange->turn));
    if (!exchange->http10)
        buffer_append_lit(&exchange->blocked, "\r\n");
    give_back(&exchange->turn);
}

/* False: the connection is broken. */
static bool send_blocked(struct exchange *exchange)
{
    while (exchange->blocked.len > 0) {
        ssize_t sent = send(exchange->connection->watch.fd, exchange->blocked.ptr, exchange->blocked.len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0)
            return errno == EAGAIN || errno == EINTR;
        buffer_consume(&exchange->blocked, (size_t)sent);
    }
    return true;
}

static size_t put_hex(char *out, size_t number)
{
    char digits[16];
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number & 15];
        number >>= 4;
    } while (number > 0);
    for (size_t i = 0; i < count; i++)
        out[i] = digits[count - 1 - i];
    return count;
}

/* This turn's bytes as one chunk in one system call; what is not taken becomes blocked. */
static bool send_turn(struct exchange *exchange)
{
    char head[20];
    size_t head_len = exchange->http10 ? 0 : put_hex(head, exchange->turn.len);
    if (!exchange->http10) {
        head[head_len++] = '\r';
        head[head_len++] = '\n';
    }
    struct iovec parts[3] = {{head, head_len}, {exchange->turn.ptr, exchange->turn.len}, {"\r\n", exchange->http10 ? 0 : 2}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    ssize_t sent = sendmsg(exchange->connection->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    size_t left = sent < 0 ? 0 : (size_t)sent;
    for (unsigned i = 0; i < 3; i++) {
        size_t taken = left < parts[i].iov_len ? left : parts[i].iov_len;
        buffer_append(&exchange->blocked, (char *)parts[i].iov_base + taken, parts[i].iov_len - taken);
        left -= taken;
    }
    give_back(&exchange->turn);
    return true;
}

/* False: the connection is broken. */
static bool send_all(struct exchange *exchange)
{
    struct client_connection *connection = exchange->connection;
    size_t before = exchange->blocked.len;
    bool fine = !has_hole(exchange);
    if (fine && before > 0)
        fine = (connection->waits_for_room && !connection->has_room) || send_blocked(exchange);
    bool progress = exchange->blocked.len < before;
    if (fine && exchange->blocked.len > 0)
        frame_into_blocked(exchange);
    else if (fine && exchange->turn.len > 0)
        fine = send_turn(exchange);
    bool blocked = exchange->blocked.len > 0;
    if (fine && (blocked || connection->waits_for_room))
        wait_for_room(exchange, blocked, progress);
    return fine && !has_hole(exchange);
}

static void flush_one(struct exchange *exchange)
{
    struct server *server = exchange->server;
    if (!exchange->streaming || !exchange->head_out || !exchange->suspended)
        return; /* the reader marks it again when the head is out */
    if (!send_all(exchange)) {
        server_cut(exchange);
        return;
    }
    if (exchange->blocked.len == 0) {
        give_back(&exchange->blocked);
        if (exchange->ended)
            server_resume(exchange);
    }
    if (exchange->was_high && buffered(exchange) < server->settings.stream_low && !exchange->closed) {
        exchange->was_high = false;
        server->owner.on_drained(server->owner.owner, exchange);
    }
}

void server_flush(struct server *server)
{
    struct exchange *dirty = server->dirty;
    server->dirty = NULL;
    while (dirty != NULL) {
        struct exchange *exchange = dirty;
        dirty = exchange->next;
        exchange->is_dirty = false;
        flush_one(exchange);
    }
}
