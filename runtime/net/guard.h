/* guard.h -- the framing checker inside libmicrohttpd's recv(), with the deadlines and the lingering close that libmicrohttpd lacks.
 *
 * libmicrohttpd's recv() is intercepted (door.h): we read with recvfrom(2), and framing.c checks exactly the bytes that libmicrohttpd will get. It fails
 * closed: the access handler asks the guard whether both saw the same heads, bodies and ends (the interlock), and refuses the request where they differ.
 *
 * Per connection; everything belongs to one worker's thread.
 * SPDX-License-Identifier: MIT */
#ifndef NET_GUARD_H
#define NET_GUARD_H
#include "base/bytes.h"
#include "http/framing.h"
#include "net/refusal.h"
#include "net/loop.h"

struct guard;

/* What the guards of one worker share. */
struct guards {
    struct loop *loop;
    struct framing_limits limits;
    int64_t head_us;   /* absolute: from accept, or from the first byte of a request, to the end of its head */
    int64_t body_us;   /* then at least `body_rate` bytes a second over each further stretch of this length */
    int64_t linger_us; /* how long what a refused client still sends is thrown away, so that it can read its answer */
    uint32_t body_rate;
    write_refusal_fn *write_refusal;
    void *owner;
    struct guard *pending; /* good requests were answered, a bad one waits behind them */
    struct guard *drained; /* closed for libmicrohttpd, lingering still */
    unsigned lingering;
};

void guards_close(struct guards *guards); /* every guard must be closed: ends what still lingers */
/* A client that is not let in: takes what it sent, answers at once, and closes. */
void guards_turn_away(struct guards *guards, int fd, int status, const char *reason);

MUST_USE struct guard *guard_open(struct guards *guards, int fd); /* NULL: descriptor out of range */
void guard_close(struct guard *guard);                            /* libmicrohttpd closes the descriptor right after this */
void guard_half_closed(struct guard *guard);                      /* our own epoll saw the client's FIN */
void guard_tick(struct guards *guards);                           /* after every run of libmicrohttpd */
void guard_refuse(struct guard *guard, int status, const char *reason);

/* The state of a connection on which no request is being answered. */
enum guard_state {
    GUARD_GONE,   /* no request can come any more: the client was told so */
    GUARD_SILENT, /* a request may begin */
    GUARD_BUSY,   /* a request is coming, or a refusal must still reach the client */
};
enum guard_state guard_state(const struct guard *guard);
void guard_dismiss(struct guard *guard); /* ends our side; what the client still sends is thrown away for a while */

/* The interlock, from the access handler. False: libmicrohttpd sees other boundaries than we do; close without an answer. */
bool guard_on_head(struct guard *guard);
bool guard_on_body(struct guard *guard, size_t len);
bool guard_on_final(struct guard *guard);
void guard_on_suspend(struct guard *guard);                 /* before the connection is suspended */
void guard_on_answer(struct guard *guard, bool will_close); /* before an answer is queued */
void guard_on_done(struct guard *guard);                    /* the answer is out */
#endif
