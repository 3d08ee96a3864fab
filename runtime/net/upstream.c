/* upstream.c -- calls: one request and its response on one connection.
 *
 * A call is started by queueing it; the turn-end hook takes it to a pooled connection (the one used last) or has a new one dialled,
 * writes the request, and what comes back goes through http1 to the owner piece by piece.
 * Rules: an event may end its own call, start calls and cancel others, so after each event the one who sent it asks whether the
 * call still lives (emit returns false: touch nothing). A connection goes back to its pool only when the whole request was
 * written, the whole response was read, not a byte more, and the provider keeps it alive. Nothing is ever written twice.
 * Reads go through one buffer per worker; only what a paused call could not hand out is copied.
 * SPDX-License-Identifier: MIT */
#include "net/upstream_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"

enum {
    PARTS_AT_ONCE = 16,
    READS_AT_ONCE = 4, /* then others get their turn: epoll reports again what is left */
    WATCH_READ = EPOLLIN | EPOLLRDHUP,
};

static const int64_t SHORTAGE_US = 250 * US_PER_MS; /* a shortage of our own may be over by then */

/* ---- spare memory ---- */

static struct call *call_new(struct upstream *upstream)
{
    struct call *call = upstream->free_calls;
    if (call != NULL) {
        upstream->free_calls = call->next;
        upstream->free_call_count--;
    } else {
        call = xmalloc(sizeof(*call));
    }
    *call = (struct call){.upstream = upstream, .phase = PHASE_CONNECT};
    return call;
}

static void call_free(struct call *call)
{
    struct upstream *upstream = call->upstream;
    assert(!call->queued && call->connection == NULL);
    http1_free(&call->http1);
    buffer_free(&call->held);
    if (upstream->free_call_count >= FREE_KEPT) {
        free(call);
        return;
    }
    call->next = upstream->free_calls;
    upstream->free_calls = call;
    upstream->free_call_count++;
}

/* ---- the queue of the turn-end hook ---- */

static void enqueue(struct call *call)
{
    struct upstream *upstream = call->upstream;
    if (call->queued)
        return;
    call->queued = true;
    list_append(upstream->queue, upstream->queue_end, call);
    upstream->queue_count++;
    loop_again(upstream->loop);
}

static void dequeue(struct call *call)
{
    struct upstream *upstream = call->upstream;
    if (!call->queued)
        return;
    call->queued = false;
    list_remove(upstream->queue, upstream->queue_end, call);
    upstream->queue_count--;
}

/* ---- events ---- */

/* False: the owner cancelled the call from inside the event; it is freed. */
static bool emit(struct call *call, struct call_event *event)
{
    event->reused = call->connection != NULL && call->connection->served > 0;
    call->in_event = true;
    call->request.on_event(call->request.owner, event);
    call->in_event = false;
    if (!call->over)
        return true;
    call_free(call);
    return false;
}

static bool emit_kind(struct call *call, enum call_event_kind kind)
{
    struct call_event event = {.kind = kind};
    return emit(call, &event);
}

/* The last event of a call. */
static void emit_last(struct call *call, struct call_event *event)
{
    dequeue(call);
    call->over = true;
    call->in_event = true;
    call->request.on_event(call->request.owner, event);
    call_free(call);
}

static void detach(struct call *call)
{
    struct connection *connection = call->connection;
    call->connection = NULL;
    if (connection != NULL)
        pool_close(connection);
}

static void fail_with(struct call *call, struct failure failure)
{
    struct call_event event = {.kind = CALL_FAILED, .reused = call->connection != NULL && call->connection->served > 0};
    event.answered = call->got_head || call->http1.interim > 0 || call->http1.head_bytes.len > 0 || http1_error(&call->http1) != NULL;
    event.failure = failure;
    detach(call);
    emit_last(call, &event);
}

static void fail_call(struct call *call, enum phase phase, enum sent sent, const char *message)
{
    struct failure failure = failure_make(FAILURE_UNAVAILABLE, slice_of(message));
    failure.phase = phase;
    failure.sent = sent;
    fail_with(call, failure);
}

static void fail_starved(struct call *call)
{
    struct failure failure = failure_make(FAILURE_STARVED,
                                          LIT("the gateway is out of descriptors or memory for a connection to the provider"));
    failure.phase = PHASE_CONNECT;
    failure.sent = SENT_NOT;
    failure.retry_after_us = SHORTAGE_US;
    fail_with(call, failure);
}

static enum sent sent_so_far(const struct call *call)
{
    return call->sent ? SENT_UNCERTAIN : SENT_NOT;
}

/* The connection broke or its peer closed it; `error` is 0 for a close. */
static void fail_broken(struct call *call, int error)
{
    char *message = call->upstream->message;
    const char *what = error == 0 || error == EPROTO ? "closed" : "reset"; /* EPROTO: closed, but not by TLS */
    if (call->got_head) {
        snprintf(message, MESSAGE_MAX, "answer cut after %llu bytes: connection %s", (unsigned long long)call->body_bytes, what);
        fail_call(call, PHASE_BODY, sent_so_far(call), message);
    } else if (!call->sent) {
        snprintf(message, MESSAGE_MAX, "connection %s while the request was being sent", what);
        fail_call(call, PHASE_SEND, SENT_NOT, message);
    } else {
        bool cut = call->http1.head_bytes.len > 0;
        snprintf(message, MESSAGE_MAX, "connection %s %s the answer's head", what, cut ? "within" : "before");
        fail_call(call, PHASE_HEADERS, SENT_UNCERTAIN, message);
    }
}

/* ---- writing ---- */

/* The parts not written yet, as the kernel wants them. */
static size_t gather_parts(const struct call *call, struct iovec *vectors)
{
    size_t count = 0, offset = call->part_offset;
    for (unsigned i = call->part; i < call->request.part_count && count < PARTS_AT_ONCE; i++) {
        const struct slice *part = &call->request.parts[i];
        if (part->len > offset)
            vectors[count++] = (struct iovec){(void *)(uintptr_t)(part->ptr + offset), part->len - offset};
        offset = 0;
    }
    return count;
}

static ssize_t write_plain(struct call *call)
{
    struct iovec vectors[PARTS_AT_ONCE];
    struct msghdr message = {.msg_iov = vectors, .msg_iovlen = gather_parts(call, vectors)};
    return sendmsg(call->connection->watch.fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Head and body go into one record. What TLS could not write must be offered again with the same bytes: gathering from the same place does that. */
static ssize_t write_secured(struct call *call)
{
    struct iovec vectors[PARTS_AT_ONCE];
    size_t count = gather_parts(call, vectors), len = 0;
    if (count == 0)
        return 0;
    if (count == 1 || vectors[0].iov_len >= RECORD_MAX)
        return dial_send(call->connection, vectors[0].iov_base, vectors[0].iov_len);
    for (size_t i = 0; i < count && len < RECORD_MAX; i++) {
        size_t room = RECORD_MAX - len, part = vectors[i].iov_len < room ? vectors[i].iov_len : room;
        if (part > 0)
            memcpy(call->upstream->gather + len, vectors[i].iov_base, part);
        len += part;
    }
    return dial_send(call->connection, call->upstream->gather, len);
}

/* Marks bytes as written; true when that was all. */
static bool advance(struct call *call, size_t written)
{
    while (call->part < call->request.part_count) {
        size_t left = call->request.parts[call->part].len - call->part_offset;
        if (written < left) {
            call->part_offset += written;
            return false;
        }
        written -= left;
        call->part++;
        call->part_offset = 0;
    }
    return true;
}

static bool wants_to_write(const struct call *call)
{
    return !call->sent && !call->write_broken && !call->stop_writing;
}

/* Costs no system call where nothing changes: reading stays on for the life of the connection, pauses are noticed lazily. */
static void watch_connection(struct call *call, bool blocked)
{
    uint32_t events = blocked ? (call->paused ? EPOLLOUT : WATCH_READ | EPOLLOUT) : WATCH_READ;
    if (!loop_watch(call->upstream->loop, &call->connection->watch, events))
        call->write_broken = true; /* no kernel memory: the caller's deadline will end the call */
}

/* Writes until done or the kernel's buffer is full. False: the call is gone. */
static bool write_request(struct call *call)
{
    if (!wants_to_write(call))
        return true;
    for (;;) {
        ssize_t written = call->connection->origin->plain ? write_plain(call) : write_secured(call);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN) {
            watch_connection(call, true);
            return true;
        }
        if (written < 0) {
            /* The provider may have answered before it closed (413, 401): what it said is still there to be read. */
            call->write_broken = true;
            watch_connection(call, false);
            enqueue(call);
            return true;
        }
        if (advance(call, (size_t)written))
            break;
    }
    call->sent = true;
    if (!call->got_head)
        call->phase = PHASE_HEADERS;
    watch_connection(call, false);
    return emit_kind(call, CALL_SENT);
}

/* The connection is established, or is reused: sends the request. */
static void begin_request(struct call *call)
{
    call->phase = PHASE_SEND;
    http1_init(&call->http1);
    buffer_init(&call->held, READ_BUFFER);
    if (call->request.part_count > 0 && slice_starts_with(call->request.parts[0], LIT("HEAD ")))
        call->http1.head_request = true;
    if (emit_kind(call, CALL_READY))
        write_request(call);
}

/* ---- reading ---- */

static void complete(struct call *call, bool closed)
{
    struct connection *connection = call->connection;
    struct call_event event = {.kind = CALL_END, .reused = connection->served > 0};
    bool kept = call->sent && call->keep_alive && !closed, excess = http1_excess(&call->http1) > 0;
    if (kept && excess)
        pool_distrust(connection->origin);
    call->connection = NULL;
    connection->served++;
    if (kept && !excess)
        pool_give(connection);
    else
        pool_close(connection);
    emit_last(call, &event);
}

static bool give_head(struct call *call)
{
    struct http1_head *head = &call->upstream->head;
    call->got_head = true;
    call->phase = PHASE_BODY;
    call->keep_alive = head->keep_alive;
    if (!call->sent && head->status >= 300) { /* it does not want the rest (RFC 9112 9.5) */
        call->stop_writing = true;
        watch_connection(call, false);
    }
    struct call_event event = {.kind = CALL_HEAD, .head = head};
    return emit(call, &event);
}

static bool give_data(struct call *call, struct slice data)
{
    call->body_bytes += data.len;
    struct call_event event = {.kind = CALL_DATA, .data = data};
    return emit(call, &event);
}

/* The rest of the worker's buffer must outlive this turn. */
static void hold_rest(struct call *call)
{
    struct slice rest = call->http1.input;
    if (rest.len == 0 || call->held.len > 0) /* it is held already */
        return;
    buffer_append_slice(&call->held, rest);
    http1_feed(&call->http1, buffer_slice(&call->held));
}

/* Hands out what the codec makes of the bytes fed. False: the call is over, or paused. */
static bool pump(struct call *call)
{
    while (!call->paused) {
        struct slice data = SLICE_NONE;
        switch (http1_next(&call->http1, &call->upstream->head, &data)) {
        case HTTP1_MORE:
            buffer_free(&call->held);
            return true;
        case HTTP1_HEAD:
            if (!give_head(call))
                return false;
            break;
        case HTTP1_DATA:
            if (!give_data(call, data))
                return false;
            break;
        case HTTP1_END:
            complete(call, false);
            return false;
        case HTTP1_ERROR:
            snprintf(call->upstream->message, MESSAGE_MAX, "not an HTTP answer: %s", http1_error(&call->http1));
            fail_call(call, call->got_head ? PHASE_BODY : PHASE_HEADERS, sent_so_far(call), call->upstream->message);
            return false;
        }
    }
    hold_rest(call);
    return false;
}

static void finish_answer(struct call *call, int error)
{
    if (error == 0 && call->got_head && http1_finish(&call->http1))
        complete(call, true);
    else
        fail_broken(call, error);
}

static void read_plain(struct call *call)
{
    struct upstream *upstream = call->upstream;
    for (int i = 0; i < READS_AT_ONCE; i++) {
        ssize_t len = recv(call->connection->watch.fd, upstream->read, READ_BUFFER, MSG_DONTWAIT);
        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            return;
        if (len <= 0) {
            finish_answer(call, len < 0 ? errno : 0);
            return;
        }
        http1_feed(&call->http1, (struct slice){upstream->read, (size_t)len});
        if (!pump(call) || len < READ_BUFFER)
            return;
    }
}

/* A record that libcurl has read is not seen by epoll: read until there is none, or come again. */
static void read_secured(struct call *call)
{
    struct upstream *upstream = call->upstream;
    size_t filled = 0;
    ssize_t len;
    int error = EAGAIN;
    while (filled < READ_BUFFER) {
        len = dial_recv(call->connection, upstream->read + filled, READ_BUFFER - filled);
        if (len <= 0) {
            error = len < 0 ? errno : 0;
            break;
        }
        filled += (size_t)len;
    }
    if (filled == READ_BUFFER || (filled > 0 && error != EAGAIN))
        enqueue(call); /* there is more, or an end to be found by the next read */
    if (filled > 0) {
        http1_feed(&call->http1, (struct slice){upstream->read, filled});
        pump(call);
    } else if (error != EAGAIN) {
        finish_answer(call, error);
    }
}

static void read_answer(struct call *call)
{
    if (call->connection->origin->plain)
        read_plain(call);
    else
        read_secured(call);
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = container_of(watch, struct connection, watch);
    struct call *call = connection->call;
    if (call == NULL) {
        pool_ready(connection);
        return;
    }
    if (!write_request(call) || (events & ~(uint32_t)EPOLLOUT) == 0)
        return;
    if (call->queued && !call->paused)
        return; /* the hook hands out what is held, and then reads */
    if (!call->paused)
        read_answer(call);
    else if (wants_to_write(call))
        watch_connection(call, true);
    else /* level-triggered, and a hang-up cannot be masked: forget it until call_resume */
        loop_unwatch(call->upstream->loop, watch);
}

/* ---- dialling and the turn-end hook ---- */

bool upstream_dial_connected(struct connection *connection)
{
    connection->call->phase = PHASE_TLS;
    return emit_kind(connection->call, CALL_CONNECTED);
}

void upstream_dialled(struct connection *connection, int fd)
{
    struct call *call = connection->call;
    connection->watch.fd = fd;
    if (!loop_watch(call->upstream->loop, &connection->watch, WATCH_READ)) {
        fail_starved(call);
        return;
    }
    begin_request(call);
}

void upstream_dial_failed(struct connection *connection, enum phase phase, const char *message)
{
    fail_call(connection->call, phase, SENT_NOT, message);
}

void upstream_dial_starved(struct connection *connection)
{
    fail_starved(connection->call);
}

static void place_call(struct call *call)
{
    struct origin *origin = call->request.origin;
    struct connection *connection = call->request.fresh ? NULL : pool_take(origin);
    if (connection != NULL) {
        connection->call = call;
        call->connection = connection;
        begin_request(call);
        return;
    }
    call->connection = pool_connection_new(origin, call, connection_ready);
    if (!dial_start(call->connection))
        fail_starved(call);
}

/* New calls, resumed ones, and those with more to read. */
static int64_t run_queue(struct turn_hook *hook)
{
    struct upstream *upstream = container_of(hook, struct upstream, hook);
    for (unsigned left = upstream->queue_count; left > 0 && upstream->queue != NULL; left--) {
        struct call *call = upstream->queue;
        dequeue(call);
        if (call->connection == NULL)
            place_call(call);
        else if (!call->paused && pump(call))
            read_answer(call);
    }
    return upstream->queue != NULL ? 0 : -1;
}

/* ---- the interface ---- */

struct upstream *upstream_new(struct loop *loop, struct trust *trust, const struct upstream_settings *settings)
{
    struct upstream *upstream = calloc(1, sizeof(*upstream)); /* large: its buffers are in it */
    if (upstream == NULL)
        return NULL;
    upstream->loop = loop;
    upstream->trust = trust;
    upstream->settings = *settings;
    upstream->hook.run = run_queue;
    pool_init(upstream);
    if (!dial_share_new(upstream)) {
        free(upstream);
        return NULL;
    }
    loop_add_hook(loop, &upstream->hook);
    return upstream;
}

void upstream_free(struct upstream *upstream)
{
    if (upstream == NULL)
        return;
    while (upstream->connections != NULL) {
        if (upstream->connections->call != NULL)
            call_cancel(upstream->connections->call);
        else
            pool_drop(upstream->connections);
    }
    while (upstream->queue != NULL)
        call_cancel(upstream->queue);
    while (upstream->free_calls != NULL) {
        struct call *call = upstream->free_calls;
        upstream->free_calls = call->next;
        free(call);
    }
    loop_remove_hook(upstream->loop, &upstream->hook);
    dial_share_free(upstream);
    pool_free(upstream);
    free(upstream);
}

struct call *call_start(const struct call_request *request)
{
    struct call *call = call_new(request->origin->upstream);
    call->request = *request;
    enqueue(call);
    return call;
}

void call_cancel(struct call *call)
{
    if (call->over) /* from inside its last event */
        return;
    dequeue(call);
    detach(call);
    call->over = true;
    if (!call->in_event)
        call_free(call);
}

void call_pause(struct call *call)
{
    call->paused = true;
}

void call_resume(struct call *call)
{
    if (!call->paused || call->over)
        return;
    call->paused = false;
    if (call->connection == NULL || call->connection->dial != NULL || call->phase == PHASE_CONNECT)
        return; /* nothing can have been held back yet */
    watch_connection(call, wants_to_write(call));
    enqueue(call);
}
