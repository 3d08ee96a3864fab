/* guard.c -- see guard.h. The numbered rules are those measured with this libmicrohttpd (0.9.75); each names what goes wrong without it.
 * SPDX-License-Identifier: MIT */
#include "net/guard.h"
#include "base/clock.h"
#include "net/peer.h"
#include "net/door.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINGERING_MAX = 1024, DRAIN_READS = 8, DRAIN_BYTES = 1 << 20 };

enum waiting { WAITING_NONE, WAITING_HEAD, WAITING_BODY, WAITING_LINGER, WAITING_DRAIN };
enum life { LIFE_OPEN, LIFE_LINGERING, LIFE_DEAD };

struct guard {
    struct door door;
    struct watch watch; /* of a duplicate descriptor that is drained after libmicrohttpd closed its own */
    struct timer timer;
    struct guards *guards;
    struct guard *next; /* in the list of those pending, later of those drained */
    int fd;
    enum life life;
    enum waiting waiting;
    bool muted; /* the answer under way is the last: add nothing behind it */
    bool half_closed, is_pending, suspended, dismissed;
    uint32_t app_heads, app_requests;
    uint64_t app_body, rate_mark;
    struct framing framing;
};

static unsigned outstanding(const struct guard *guard)
{
    return guard->framing.requests - guard->framing.answered;
}

/* ---------------------------------------------------------------- deadlines */

static void wait_for(struct guard *guard, enum waiting waiting)
{
    struct guards *guards = guard->guards;
    const int64_t limits[] = {0, guards->head_us, guards->body_us, guards->linger_us, guards->linger_us};
    bool was_lingering = guard->waiting >= WAITING_LINGER, lingers = waiting >= WAITING_LINGER;
    guards->lingering += (unsigned)lingers - (unsigned)was_lingering;
    guard->waiting = waiting;
    if (waiting == WAITING_NONE)
        loop_timer_clear(guards->loop, &guard->timer);
    else
        loop_timer_set(guards->loop, &guard->timer, loop_now_us(guards->loop) + limits[waiting]);
}

/* Deadlines run while a request is incomplete, not while one is in work or the connection is idle. They are absolute: a drip of bytes does not
 * push them away. */
static void update_deadline(struct guard *guard)
{
    enum waiting want = WAITING_NONE;
    if (guard->life != LIFE_OPEN)
        return;
    if (outstanding(guard) == 0 && !guard->muted) {
        if (framing_in_body(&guard->framing))
            want = WAITING_BODY;
        else if (framing_in_request(&guard->framing) || guard->framing.requests == 0)
            want = WAITING_HEAD;
    }
    if (want != guard->waiting)
        wait_for(guard, want);
}

/* ---------------------------------------------------------------- refusal */

static const char *reason_phrase(int status)
{
    switch (status) {
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 417:
        return "Expectation Failed";
    case 431:
        return "Request Header Fields Too Large";
    case 501:
        return "Not Implemented";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

/* `framing` NULL: not a byte of a request was looked at. */
static bool send_refusal(struct guards *guards, int fd, const struct framing *framing, int status, const char *reason)
{
    struct buffer body, head;
    char id[REFUSAL_ID_SIZE] = "", peer[ADDRESS_TEXT_SIZE];
    struct refusal refusal = {.status = status, .reason = slice_of(reason)};
    if (framing != NULL) {
        refusal.method = (struct slice){framing->method, framing->state > FRAMING_METHOD ? framing->method_len : 0};
        refusal.path = (struct slice){framing->path, framing_path_len(framing)};
        refusal.is_request = framing->any;
    }
    peer_of_socket(fd, peer);
    refusal.peer = slice_of(peer);
    buffer_init(&body, 4096);
    buffer_init(&head, 8192);
    guards->write_refusal(guards->owner, &refusal, &body, id);
    buffer_printf(
        &head, "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nX-Request-ID: %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n",
        status, reason_phrase(status), id, status == 503 ? "Retry-After: 1\r\n" : "", body.len);
    buffer_append_slice(&head, buffer_slice(&body));
    bool sent = send(fd, head.ptr, head.len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)head.len;
    buffer_free(&body);
    buffer_free(&head);
    return sent;
}

/* One answer, then nothing more from us; what the client still sends is read and thrown away for a while. Closing at once would reset the
 * connection under a client that is still sending, and it would never see the answer. status 0: without an answer. */
void guard_refuse(struct guard *guard, int status, const char *reason)
{
    if (guard->life != LIFE_OPEN)
        return;
    guard->life = LIFE_LINGERING;
    if (!guard->muted && status != 0 && !send_refusal(guard->guards, guard->fd, &guard->framing, status, reason))
        guard->life = LIFE_DEAD;
    shutdown(guard->fd, SHUT_WR);
    if (guard->guards->lingering >= LINGERING_MAX)
        guard->life = LIFE_DEAD;
    if (guard->life == LIFE_DEAD)
        shutdown(guard->fd, SHUT_RD); /* both ways: libmicrohttpd sees EPOLLHUP and closes */
    wait_for(guard, WAITING_LINGER);
}

void guard_dismiss(struct guard *guard)
{
    guard->dismissed = true;
    guard_refuse(guard, 0, NULL);
}

enum guard_state guard_state(const struct guard *guard)
{
    if (guard->life != LIFE_OPEN)
        return guard->life == LIFE_DEAD || guard->dismissed ? GUARD_GONE : GUARD_BUSY;
    if (guard->muted) /* its last answer is out: libmicrohttpd is about to close it */
        return GUARD_SILENT;
    return outstanding(guard) > 0 || framing_in_request(&guard->framing) || framing_in_body(&guard->framing) ? GUARD_BUSY : GUARD_SILENT;
}

/* Reads without copying. True: more may come. */
static bool throw_away(int fd)
{
    for (int i = 0; i < DRAIN_READS; i++) {
        ssize_t count = recvfrom(fd, NULL, DRAIN_BYTES, MSG_TRUNC | MSG_DONTWAIT, NULL, NULL);
        if (count > 0)
            continue;
        return count < 0 && (errno == EAGAIN || errno == EINTR);
    }
    return true;
}

/* Bytes that were not read would make close(2) reset the connection under our answer. */
void guards_turn_away(struct guards *guards, int fd, int status, const char *reason)
{
    throw_away(fd);
    send_refusal(guards, fd, NULL, status, reason);
    shutdown(fd, SHUT_WR);
    throw_away(fd);
    close(fd);
}

/* libmicrohttpd reads on a connection that was refused. */
static ssize_t read_nothing(struct guard *guard)
{
    if (guard->life == LIFE_LINGERING && throw_away(guard->fd)) {
        errno = EAGAIN;
        return -1;
    }
    guard->life = LIFE_DEAD;
    errno = ECONNRESET;
    return -1;
}

static void guard_free(struct guard *guard)
{
    wait_for(guard, WAITING_NONE);
    free(guard);
}

/* ---------------------------------------------------------------- after libmicrohttpd closed its descriptor */

static void unlink_from(struct guard **list, const struct guard *guard)
{
    while (*list != guard)
        list = &(*list)->next;
    *list = guard->next;
}

static void end_drain(struct guard *guard)
{
    unlink_from(&guard->guards->drained, guard);
    loop_unwatch(guard->guards->loop, &guard->watch);
    close(guard->fd);
    guard_free(guard);
}

static void on_drain_ready(struct watch *watch, uint32_t events)
{
    struct guard *guard = container_of(watch, struct guard, watch);
    (void)events;
    if (!throw_away(guard->fd))
        end_drain(guard);
}

/* An early answer to a client that is still sending: close(2) would reset the connection and could cost it our answer. */
static bool begin_drain(struct guard *guard)
{
    bool unread = guard->framing.excess || (guard->muted && guard->app_heads != guard->framing.requests);
    if (!unread || guard->half_closed || guard->life != LIFE_OPEN || guard->guards->lingering >= LINGERING_MAX)
        return false;
    int fd = dup(guard->fd);
    if (fd < 0)
        return false;
    guard->watch = (struct watch){on_drain_ready, fd};
    if (!loop_watch(guard->guards->loop, &guard->watch, EPOLLIN | EPOLLRDHUP)) {
        close(fd);
        return false;
    }
    shutdown(fd, SHUT_WR);
    guard->fd = fd;
    guard->next = guard->guards->drained;
    guard->guards->drained = guard;
    wait_for(guard, WAITING_DRAIN);
    return true;
}

static void on_deadline(struct timer *timer)
{
    struct guard *guard = container_of(timer, struct guard, timer);
    struct guards *guards = guard->guards;
    enum waiting waiting = guard->waiting;
    guard->waiting = WAITING_NONE;
    guards->lingering -= waiting >= WAITING_LINGER;
    if (waiting == WAITING_HEAD) {
        guard_refuse(guard, guard->framing.any ? 408 : 0, "the request head did not come in time");
    } else if (waiting == WAITING_BODY) {
        uint64_t due = (uint64_t)guards->body_rate * (uint64_t)guards->body_us / US_PER_S;
        if (guard->framing.received - guard->rate_mark < due) {
            guard_refuse(guard, 408, "the request body comes too slowly");
        } else {
            guard->rate_mark = guard->framing.received;
            wait_for(guard, WAITING_BODY);
        }
    } else if (waiting == WAITING_DRAIN) {
        end_drain(guard);
    } else if (waiting == WAITING_LINGER) {
        guard->life = LIFE_DEAD;
        shutdown(guard->fd, SHUT_RDWR);
    }
}

/* ---------------------------------------------------------------- the hook */

/* The client's FIN came with its last bytes and the request is incomplete: libmicrohttpd's edge is used up, so it must hear of it now. */
static bool ended_early(const struct guard *guard)
{
    char byte;
    return guard->half_closed && outstanding(guard) == 0 && recvfrom(guard->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT, NULL, NULL) == 0;
}

static ssize_t come_again(void)
{
    errno = EAGAIN;
    return -1;
}

/* Reads and checks until the buffer is full or the socket empty. libmicrohttpd takes a read shorter than it asked for as "the socket is empty"; where the
 * checker dropped bytes that would be wrong, so read again. 0 is the client's end and nothing else. */
static ssize_t read_checked(struct guard *guard, unsigned char *buf, size_t len, int flags)
{
    size_t out = 0;
    for (;;) {
        size_t want = len - out;
        ssize_t count = recvfrom(guard->fd, buf + out, want, flags, NULL, NULL);
        if (count <= 0)
            return out > 0 ? (ssize_t)out : count;
        out += framing_check(&guard->framing, buf + out, (size_t)count);
        if (guard->framing.status != 0 || guard->framing.closing || out == len)
            break;
        if ((size_t)count < want) {
            if (ended_early(guard))
                return 0;
            break;
        }
    }
    return out > 0 ? (ssize_t)out : come_again();
}

/* libmicrohttpd asks for bytes although a request that we saw whole is neither answered nor suspended: it sees other boundaries. */
static bool is_desync(const struct guard *guard)
{
    if (guard->muted)
        return false;
    return outstanding(guard) > 0 || (!framing_in_body(&guard->framing) && guard->framing.body_bytes != guard->app_body);
}

static bool is_reset(int fd)
{
    struct pollfd state = {.fd = fd};
    return poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

static ssize_t on_recv(struct door *door, void *buf, size_t len, int flags)
{
    struct guard *guard = container_of(door, struct guard, door);
    const struct framing *framing = &guard->framing;
    if (guard->life != LIFE_OPEN)
        return read_nothing(guard);
    if (outstanding(guard) > 0 && guard->suspended && !guard->muted) {
        guard->suspended = false; /* after a resume it reads once without need: spare the system call */
        return come_again();
    }
    if (is_desync(guard)) {
        if (is_reset(guard->fd)) { /* it reads twice in a row from a broken connection, to hear the error */
            errno = ECONNRESET;
            return -1;
        }
        guard_refuse(guard, 400, "the request's framing is ambiguous");
        return read_nothing(guard);
    }
    ssize_t count = framing->status == 0 ? read_checked(guard, buf, len, flags) : come_again();
    if (framing->status != 0 && outstanding(guard) == 0) { /* else the good ones before it are answered first, and guard_tick refuses */
        guard_refuse(guard, framing->status, framing->reason);
        return read_nothing(guard);
    }
    int saved = errno;
    update_deadline(guard);
    errno = saved;
    return count;
}

static const struct door_calls calls = {.recv = on_recv};

/* ---------------------------------------------------------------- life */

struct guard *guard_open(struct guards *guards, int fd)
{
    struct guard *guard = xcalloc(1, sizeof *guard);
    if (!door_put(&guard->door, fd, &calls)) {
        free(guard);
        return NULL;
    }
    guard->guards = guards;
    guard->fd = fd;
    guard->timer.due = on_deadline;
    framing_init(&guard->framing, &guards->limits);
    update_deadline(guard);
    return guard;
}

void guard_close(struct guard *guard)
{
    if (guard->is_pending)
        unlink_from(&guard->guards->pending, guard);
    door_remove(guard->fd);
    if (!begin_drain(guard))
        guard_free(guard);
}

void guards_close(struct guards *guards)
{
    while (guards->drained != NULL)
        end_drain(guards->drained);
}

static void put_pending(struct guard *guard)
{
    if (guard->is_pending)
        return;
    guard->is_pending = true;
    guard->next = guard->guards->pending;
    guard->guards->pending = guard;
}

/* If it came together with the last bytes that libmicrohttpd read, its edge is used up and it will not look again. */
void guard_half_closed(struct guard *guard)
{
    guard->half_closed = true;
    if (outstanding(guard) == 0 && guard->life == LIFE_OPEN)
        put_pending(guard);
}

void guard_tick(struct guards *guards)
{
    struct guard *guard;
    while ((guard = guards->pending) != NULL) {
        guards->pending = guard->next;
        guard->is_pending = false;
        if (guard->framing.status != 0)
            guard_refuse(guard, guard->framing.status, guard->framing.reason);
        else if (ended_early(guard))
            guard_refuse(guard, 0, NULL);
        else
            update_deadline(guard);
    }
}

/* ---------------------------------------------------------------- the interlock */

bool guard_on_head(struct guard *guard)
{
    if (guard->framing.heads == guard->app_heads)
        return false;
    guard->app_heads++;
    return true;
}

bool guard_on_body(struct guard *guard, size_t len)
{
    guard->app_body += len;
    return guard->app_body <= guard->framing.body_bytes || false;
}

bool guard_on_final(struct guard *guard)
{
    if (guard->framing.requests == guard->app_requests)
        return false;
    guard->app_requests++;
    if (guard->framing.requests == guard->app_requests && !framing_in_body(&guard->framing) && guard->app_body != guard->framing.body_bytes)
        return false;
    return true;
}

void guard_on_suspend(struct guard *guard)
{
    guard->suspended = true;
}

void guard_on_answer(struct guard *guard, bool will_close)
{
    if (guard->app_heads != guard->app_requests) { /* an early answer: the body was not handed over yet */
        if (guard->framing.requests != guard->app_requests) {
            guard->app_requests++;
            guard->app_body = guard->framing.body_bytes;
        } else {
            will_close = true; /* it is still coming: libmicrohttpd closes after this answer */
        }
    }
    if (will_close) {
        guard->muted = true;
        wait_for(guard, WAITING_NONE);
    }
}

void guard_on_done(struct guard *guard)
{
    guard->suspended = false;
    guard->rate_mark = 0;
    if (guard->framing.answered != guard->framing.requests)
        guard->framing.answered++;
    if (outstanding(guard) > 0)
        return;
    if (guard->framing.status != 0 || guard->half_closed)
        put_pending(guard);
    else
        update_deadline(guard);
}
