/* mock.c -- the mock provider's server: one thread, one epoll, scripts played out on connections.
 *
 * A connection reads one request, is given a script, and plays it: send what is due, wait, go on, end as the script says. Pipelined
 * requests wait in the kernel meanwhile. It is a provider and not part of a request's way, so it may read the clock and own sockets.
 * In bench mode nothing is parsed and all connections play the same few scripts, made once.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "net/listen.h"
#include "net/loop.h"
#include "mock/mock_private.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_ROOM = 64 * 1024, LINGER_MS = 1000, NAP_US = 10000 };

enum stage { READING, PLAYING, STALLED, LINGERING };

struct conn {
    struct mock *mock;
    struct conn *prev, *next; /* of all */
    struct watch watch;
    enum stage stage;
    uint32_t interest;
    uint64_t number;
    struct mock_http http; /* the request being read, and what came behind it */
    bool continued;
    struct mock_script own;
    const struct mock_script *script; /* own, or one of the bench */
    unsigned piece;
    size_t sent;
    struct timer timer;
    uint64_t row; /* index in the ledger */
    bool has_row;
};

struct mock {
    struct mock_settings settings;
    struct loop *loop;
    struct watch listen, hang_up, stop; /* hang_up.fd: -1 where it is not wanted */
    int port;
    struct conn *conns;
    struct mock_ledger ledger;
    uint64_t requests, accepted, open, aborted, hung_up;
    struct mock_script bench[MOCK_BENCH_SCRIPTS]; /* dialect, stream, include_usage */
};

/* ---------------------------------------------------------------- connections */

static void timer_clear(struct conn *conn)
{
    loop_timer_clear(conn->mock->loop, &conn->timer);
}

static void timer_set(struct conn *conn, unsigned ms)
{
    loop_timer_set(conn->mock->loop, &conn->timer, clock_monotonic_us() + (int64_t)ms * US_PER_MS);
}

/* False: the connection cannot be watched. Only the first call can fail. */
static bool set_interest(struct conn *conn, uint32_t interest)
{
    conn->interest = interest;
    return loop_watch(conn->mock->loop, &conn->watch, interest | EPOLLRDHUP);
}

static void note_end(struct conn *conn, enum mock_outcome outcome)
{
    if (!conn->has_row)
        return;
    mock_ledger_end(&conn->mock->ledger, conn->row, outcome, clock_wall_us());
    conn->has_row = outcome == MOCK_STALLED;
}

/* The connection goes. Whatever was under way is the client's doing, unless it was noted before. */
static void drop(struct conn *conn)
{
    struct mock *mock = conn->mock;
    if (conn->stage == PLAYING || conn->stage == STALLED)
        mock->aborted++;
    note_end(conn, MOCK_CLIENT_CLOSED);
    timer_clear(conn);
    loop_unwatch(mock->loop, &conn->watch);
    close(conn->watch.fd);
    mock->open--;
    if (conn->prev != NULL)
        conn->prev->next = conn->next;
    else
        mock->conns = conn->next;
    if (conn->next != NULL)
        conn->next->prev = conn->prev;
    mock_script_free(&conn->own);
    buffer_free(&conn->http.in);
    free(conn);
}

static void reset(struct conn *conn)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    note_end(conn, MOCK_WAS_RESET);
    setsockopt(conn->watch.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    conn->stage = READING;
    drop(conn);
}

/* FIN now; the rest of what the client sends is read, or the kernel would turn our close into a RST that eats the answer. */
static void close_softly(struct conn *conn)
{
    shutdown(conn->watch.fd, SHUT_WR);
    conn->stage = LINGERING;
    buffer_clear(&conn->http.in);
    set_interest(conn, EPOLLIN);
    timer_set(conn, LINGER_MS);
}

static bool discard_input(struct conn *conn)
{
    char bytes[16384];
    ssize_t count;
    do
        count = recv(conn->watch.fd, bytes, sizeof bytes, 0);
    while (count > 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    drop(conn);
    return false;
}

/* ---------------------------------------------------------------- playing a script */

static void count_sent(struct conn *conn, const struct mock_piece *piece)
{
    struct mock_row *row = conn->has_row ? mock_ledger_at(&conn->mock->ledger, conn->row) : NULL;
    if (row == NULL)
        return;
    row->tokens += piece->tokens;
    row->events += piece->event;
}

static void finish_request(struct conn *conn)
{
    mock_http_next(&conn->http);
    conn->continued = false;
    conn->stage = READING;
    if (conn->interest != EPOLLIN)
        set_interest(conn, EPOLLIN);
}

/* Where the script's bytes are used up. False: the connection is gone. */
static bool end_script(struct conn *conn)
{
    switch (conn->script->end) {
    case MOCK_KEEP:
        note_end(conn, MOCK_SERVED);
        if (conn->http.close_after || conn->script->close)
            close_softly(conn);
        else
            finish_request(conn);
        return true;
    case MOCK_CLOSE:
    case MOCK_LEAVE:
        note_end(conn, conn->script->status >= 400 || conn->script->end == MOCK_LEAVE ? MOCK_SERVED : MOCK_CUT);
        close_softly(conn);
        return true;
    case MOCK_RESET:
        reset(conn);
        return false;
    case MOCK_STALL:
        note_end(conn, MOCK_STALLED);
        conn->stage = STALLED;
        return true;
    case MOCK_REPEAT: /* sent below, until the client goes */
        break;
    }
    return true;
}

/* Sends up to `until`. 1: all of it, 0: the socket is full, -1: the connection is broken. */
static int send_until(struct conn *conn, size_t until)
{
    while (conn->sent < until) {
        ssize_t count = send(conn->watch.fd, conn->script->bytes.ptr + conn->sent, until - conn->sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0 && errno == EAGAIN) {
            set_interest(conn, EPOLLOUT);
            return 0;
        }
        if (count < 0)
            return -1;
        conn->sent += (size_t)count;
    }
    return 1;
}

/* Plays on from where it stands. False: the connection is gone. */
static bool play(struct conn *conn, bool waited)
{
    const struct mock_script *script = conn->script;
    while (conn->piece < script->count) {
        unsigned from = conn->piece, to = from;
        if (script->pieces[from].wait_ms > 0 && !waited) {
            timer_set(conn, script->pieces[from].wait_ms);
            return true;
        }
        while (to + 1 < script->count && script->pieces[to + 1].wait_ms == 0 && !script->pieces[to + 1].apart)
            to++;
        int all = send_until(conn, script->pieces[to].end);
        for (; conn->piece <= to && script->pieces[conn->piece].end <= conn->sent; conn->piece++)
            count_sent(conn, &script->pieces[conn->piece]);
        if (all < 0) {
            drop(conn);
            return false;
        }
        waited = all == 0 && conn->piece == from; /* a piece begun needs no second wait */
        if (all == 0)
            return true;
        if (script->end == MOCK_REPEAT && conn->piece == script->count) {
            conn->piece = script->count - 1;
            conn->sent = script->count > 1 ? script->pieces[script->count - 2].end : 0;
        }
    }
    return end_script(conn);
}

static bool start_playing(struct conn *conn, const struct mock_script *script)
{
    conn->script = script;
    conn->piece = 0;
    conn->sent = 0;
    conn->stage = PLAYING;
    return play(conn, false);
}

/* ---------------------------------------------------------------- answering a request */

static bool ends_with(struct slice text, struct slice end)
{
    return text.len >= end.len && memcmp(text.ptr + text.len - end.len, end.ptr, end.len) == 0;
}

static void copy_text(char *to, size_t size, struct slice text)
{
    size_t len = text.len < size ? text.len : size - 1;
    if (len > 0)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void write_row(struct conn *conn, const struct mock_call *call, struct slice path, int status)
{
    struct mock *mock = conn->mock;
    if (!mock->settings.ledger)
        return;
    struct mock_row *row = mock_ledger_add(&mock->ledger, &conn->row);
    conn->has_row = true;
    row->number = mock->requests;
    row->connection = conn->number;
    row->wall_us = clock_wall_us();
    row->status = status;
    row->stream = call->stream;
    row->bytes_in = conn->http.in.len < conn->http.head_len + conn->http.body_len ? conn->http.in.len
                                                                                  : conn->http.head_len + conn->http.body_len;
    copy_text(row->path, sizeof row->path, path);
    copy_text(row->model, sizeof row->model, slice_of(call->model));
    copy_text(row->request_id, sizeof row->request_id, call->request_id);
    size_t tail = call->auth.len < 4 ? call->auth.len : 4;
    copy_text(row->auth, sizeof row->auth, tail == 0 ? SLICE_NONE : (struct slice){call->auth.ptr + call->auth.len - tail, tail});
}

/* The mock's own pages. */
static bool answer_page(struct conn *conn, struct slice path)
{
    struct mock *mock = conn->mock;
    struct buffer *out = &conn->own.scratch;
    mock_script_clear(&conn->own);
    if (slice_starts_with(path, LIT("/__ledger"))) {
        struct slice query = {path.ptr + 9, path.len - 9};
        mock_ledger_write(&mock->ledger,
                          slice_starts_with(query, LIT("?model=")) ? (struct slice){query.ptr + 7, query.len - 7} : SLICE_NONE, out);
    } else if (slice_starts_with(path, LIT("/__reset"))) {
        mock_ledger_reset(&mock->ledger);
        buffer_append_lit(out, "{}");
    } else {
        buffer_printf(out, "{\"requests\":%llu,\"accepted\":%llu,\"open\":%llu,\"aborted\":%llu,\"hung_up\":%llu}",
                      (unsigned long long)mock->requests, (unsigned long long)mock->accepted, (unsigned long long)mock->open,
                      (unsigned long long)mock->aborted, (unsigned long long)mock->hung_up);
    }
    mock_script_whole(&conn->own, 200, "Content-Type: application/json\r\n", 0);
    return start_playing(conn, &conn->own);
}

static bool answer_bench(struct conn *conn, struct slice path, struct slice body)
{
    bool stream = slice_find(body, LIT("\"stream\":true")) != NULL || slice_find(body, LIT("\"stream\": true")) != NULL;
    bool usage = stream &&
                 (slice_find(body, LIT("\"include_usage\":true")) != NULL || slice_find(body, LIT("\"include_usage\": true")) != NULL);
    unsigned which = (ends_with(path, LIT("/messages")) ? 4 : 0) | (stream ? 2 : 0) | (usage ? 1 : 0);
    return start_playing(conn, &conn->mock->bench[which]);
}

/* Keys that say how they are to be treated: for pools of keys. */
static bool refuse_key(struct mock_call *call, struct slice body, struct mock_script *script)
{
    bool refused = ends_with(call->auth, LIT("-refused")), throttled = ends_with(call->auth, LIT("-throttled"));
    if (!refused && !throttled)
        return false;
    copy_text(call->model, sizeof call->model, mock_peek_model(body));
    if (refused)
        mock_wire_error(call, 401, NULL, LIT("The mock provider refuses this key."), "", script);
    else
        mock_wire_error(call, 429, NULL, LIT("The mock provider throttles this key."), "Retry-After: 7\r\n", script);
    return true;
}

static void make_script(struct conn *conn, struct mock_call *call, struct slice path, struct slice body)
{
    struct mock_script *script = &conn->own;
    if (refuse_key(call, body, script))
        return;
    if (slice_equals((struct slice){conn->http.in.ptr, conn->http.head_len < 4 ? conn->http.head_len : 4}, LIT("GET ")) &&
        ends_with(path, LIT("/models"))) {
        mock_wire_models(&script->scratch);
        mock_script_whole(script, 200, "Content-Type: application/json\r\n", 0);
    } else if (ends_with(path, LIT("/messages/count_tokens")) && mock_call_read(call, body)) {
        buffer_printf(&script->scratch, "{\"input_tokens\":%lld}", (long long)call->words);
        mock_script_whole(script, 200, "Content-Type: application/json\r\n", 0);
    } else if (ends_with(path, LIT("/embeddings"))) {
        struct slice model = mock_peek_model(body);
        copy_text(call->model, sizeof call->model, model);
        if (slice_starts_with(model, LIT("fault-")) || mock_fault_is_limited(model))
            mock_fault_script(call, mock_fault_is_limited(model) ? mock_ledger_seen(&conn->mock->ledger, model) : 0, script);
        else
            mock_embed(call, body, script);
    } else if (!ends_with(path, LIT("/chat/completions")) && !ends_with(path, LIT("/messages"))) {
        mock_wire_error(call, 404, "unknown_url", LIT("The mock provider has nothing at this path."), "", script);
    } else if (!mock_call_read(call, body) && mock_fault_is_early(mock_peek_model(body))) { /* not whole: it does not wait */
        copy_text(call->model, sizeof call->model, mock_peek_model(body));
        mock_fault_script(call, 0, script);
    } else if (!call->well_formed) {
        mock_wire_error(call, 400, NULL,
                        LIT("The mock provider could not read this request: it wants a JSON object with model and messages."), "", script);
    } else {
        struct slice model = slice_of(call->model);
        uint64_t seen = mock_fault_is_limited(model) ? mock_ledger_seen(&conn->mock->ledger, model) : 0;
        mock_fault_script(call, seen, script);
    }
}

/* `body` is whole, but for a fault that does not wait for it. */
static bool answer(struct conn *conn, struct slice body)
{
    struct mock *mock = conn->mock;
    struct slice path = mock_http_path(&conn->http);
    if (mock->settings.pages && slice_starts_with(path, LIT("/__")))
        return answer_page(conn, path);
    mock->requests++;
    if (mock->settings.bench)
        return answer_bench(conn, path, body);
    struct mock_call call;
    mock_call_init(&call);
    call.dialect = slice_find(path, LIT("/messages")) != NULL ? MOCK_ANTHROPIC : MOCK_OPENAI;
    call.number = mock->requests;
    call.created = clock_wall_us() / US_PER_S;
    call.auth = mock_http_header(&conn->http, LIT("authorization"));
    if (call.auth.len == 0)
        call.auth = mock_http_header(&conn->http, LIT("x-api-key"));
    call.request_id = mock_http_header(&conn->http, LIT("x-request-id"));
    mock_script_clear(&conn->own);
    make_script(conn, &call, path, body);
    write_row(conn, &call, path, conn->own.status);
    mock_call_free(&call);
    return start_playing(conn, &conn->own);
}

/* ---------------------------------------------------------------- reading requests */

static void refuse(struct conn *conn, int status, struct slice why)
{
    struct mock_call call;
    mock_call_init(&call);
    mock_script_clear(&conn->own);
    mock_wire_error(&call, status, NULL, why, "Connection: close\r\n", &conn->own);
    mock_call_free(&call);
    conn->own.end = MOCK_CLOSE;
    start_playing(conn, &conn->own);
}

static void send_continue(struct conn *conn)
{
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (conn->continued || mock_http_header(&conn->http, LIT("expect")).len == 0)
        return;
    conn->continued = true;
    if (send(conn->watch.fd, line, sizeof line - 1, MSG_NOSIGNAL) < 0)
        return; /* the socket says so again when it is read */
}

/* Takes one request out of what was read. False: nothing more to do now, or the connection is gone. */
static bool take_request(struct conn *conn)
{
    struct mock_http *http = &conn->http;
    enum mock_read read = mock_http_read(http);
    if (read == MOCK_TOO_LARGE || read == MOCK_MALFORMED) {
        refuse(conn, read == MOCK_TOO_LARGE ? 413 : 400, LIT("The request is malformed, or too large."));
        return false;
    }
    if (read == MOCK_MORE && http->head_len == 0)
        return false;
    size_t have = http->in.len - http->head_len;
    struct slice body = {http->in.ptr + http->head_len, have < http->body_len ? have : http->body_len};
    if (read == MOCK_MORE && (conn->mock->settings.bench || !mock_fault_is_early(mock_peek_model(body)))) {
        send_continue(conn);
        return false;
    }
    return answer(conn, body) && conn->stage == READING && http->in.len > 0;
}

static void on_readable(struct conn *conn)
{
    if (conn->stage == LINGERING) {
        discard_input(conn);
        return;
    }
    if (conn->stage != READING) { /* pipelined: it waits in the kernel */
        set_interest(conn, conn->interest & ~(uint32_t)EPOLLIN);
        return;
    }
    char *room = buffer_reserve(&conn->http.in, READ_ROOM);
    if (room == NULL) {
        refuse(conn, 413, LIT("The request is too large."));
        return;
    }
    ssize_t count = recv(conn->watch.fd, room, conn->http.in.cap - conn->http.in.len, 0);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0) {
        drop(conn);
        return;
    }
    conn->http.in.len += (size_t)count;
    while (take_request(conn))
        continue;
}

/* ---------------------------------------------------------------- the loop */

static void on_conn(struct watch *watch, uint32_t events)
{
    struct conn *conn = container_of(watch, struct conn, watch);
    if (events & (EPOLLERR | EPOLLHUP) || ((events & EPOLLRDHUP) && conn->stage != READING && conn->stage != LINGERING)) {
        drop(conn);
        return;
    }
    if ((events & EPOLLOUT) && conn->stage == PLAYING) {
        set_interest(conn, EPOLLIN);
        if (!play(conn, true))
            return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP))
        on_readable(conn);
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = container_of(timer, struct conn, timer);
    if (conn->stage == LINGERING)
        drop(conn);
    else if (conn->stage == PLAYING && play(conn, true) && conn->stage == READING)
        while (conn->http.in.len > 0 && take_request(conn))
            continue;
}

static void add_conn(struct mock *mock, int fd)
{
    struct conn *conn = xcalloc(1, sizeof *conn);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    conn->mock = mock;
    conn->timer.due = on_timer;
    conn->watch = (struct watch){on_conn, fd};
    conn->number = ++mock->accepted;
    mock_http_init(&conn->http);
    mock_script_init(&conn->own);
    conn->own.close = mock->settings.close;
    conn->next = mock->conns;
    if (mock->conns != NULL)
        mock->conns->prev = conn;
    mock->conns = conn;
    mock->open++;
    if (!set_interest(conn, EPOLLIN))
        drop(conn);
}

static void on_accept(struct watch *watch, uint32_t events)
{
    struct mock *mock = container_of(watch, struct mock, listen);
    int fd;
    (void)events;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        add_conn(mock, fd);
    if (errno != EAGAIN) /* out of descriptors: not to spin until there are some */
        usleep(NAP_US);
}

/* Nothing is read: whatever the client sends meets a connection that is gone. */
static void on_hang_up(struct watch *watch, uint32_t events)
{
    struct mock *mock = container_of(watch, struct mock, hang_up);
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    int fd;
    (void)events;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        mock->hung_up++;
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        close(fd);
    }
}

static void on_stop(struct watch *watch, uint32_t events)
{
    (void)events;
    loop_stop(container_of(watch, struct mock, stop)->loop);
}

void mock_serve(struct mock *mock)
{
    loop_run(mock->loop);
}

/* ---------------------------------------------------------------- start and stop */

static bool start(struct mock *mock)
{
    mock->loop = loop_new();
    return mock->loop != NULL && mock->stop.fd >= 0 && loop_watch(mock->loop, &mock->listen, EPOLLIN) &&
           loop_watch(mock->loop, &mock->stop, EPOLLIN) && (mock->hang_up.fd < 0 || loop_watch(mock->loop, &mock->hang_up, EPOLLIN));
}

struct mock *mock_new(const struct mock_settings *settings, int stop_fd, FILE *file)
{
    const struct listen_place loopback = listen_loopback();
    struct mock *mock = xcalloc(1, sizeof *mock);
    mock->settings = *settings;
    mock->listen = (struct watch){on_accept, listen_open(&loopback, settings->port, false)};
    if (mock->listen.fd < 0) {
        int saved = errno;
        close(stop_fd);
        free(mock);
        errno = saved;
        return NULL;
    }
    mock->port = listen_port(mock->listen.fd);
    mock->hang_up = (struct watch){on_hang_up, settings->hang_up ? listen_open(&loopback, 0, false) : -1};
    mock->stop = (struct watch){on_stop, stop_fd};
    mock_ledger_init(&mock->ledger, file);
    if (!start(mock)) {
        int saved = errno;
        mock_free(mock);
        errno = saved;
        return NULL;
    }
    if (settings->bench)
        mock_bench_make(mock->bench, settings);
    return mock;
}

void mock_free(struct mock *mock)
{
    while (mock->conns != NULL)
        drop(mock->conns);
    for (unsigned i = 0; i < MOCK_BENCH_SCRIPTS && mock->settings.bench; i++)
        mock_script_free(&mock->bench[i]);
    mock_ledger_free(&mock->ledger);
    loop_free(mock->loop);
    close(mock->listen.fd);
    if (mock->hang_up.fd >= 0)
        close(mock->hang_up.fd);
    close(mock->stop.fd);
    free(mock);
}

int mock_port(const struct mock *mock)
{
    return mock->port;
}

int mock_hang_up_port(const struct mock *mock)
{
    return mock->hang_up.fd < 0 ? 0 : listen_port(mock->hang_up.fd);
}
