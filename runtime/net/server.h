/* server.h -- the HTTP server for clients: libmicrohttpd in external epoll mode behind the framing guard.
 *
 * Gives its owner whole, checked requests (exchanges) and takes answers. While an exchange is open its connection is suspended in
 * libmicrohttpd; streams are written directly to the socket, one send per loop turn, with a bounded buffer. Only server*.c
 * use <microhttpd.h>. Everything belongs to one worker thread.
 * SPDX-License-Identifier: MIT */
#ifndef NET_SERVER_H
#define NET_SERVER_H
#include "base/arena.h"
#include "net/acceptor.h"
#include "net/loop.h"
#include "net/refusal.h"

struct server;
struct exchange; /* one request of one client and its answer */

struct server_settings {
    int listen_fd;         /* bound and listening, not owned (a successor may inherit it) */
    size_t body_limit;     /* config body_limit; larger: 413 */
    struct memory *memory; /* the account of all memory that is held for clients; borrowed */
    struct bodies *bodies; /* the memory for request bodies, shared by all workers; when it is used up: 503 */
    unsigned connection_limit;
    unsigned idle_timeout_s;        /* keep-alive, default 75 */
    int64_t head_us, body_us;       /* absolute deadlines: 10 s; 30 s, then at least 64 KB/s */
    int64_t handshake_us;           /* what a client's handshake may take; 0 on the loopback */
    int64_t write_stall_us;         /* a client that takes nothing for this long is cut; default 30 s */
    size_t stream_high, stream_low; /* bytes buffered for a slow client: pause above, resume below; 256 KB, 64 KB */
};

/* on_head's answer when no body could change the answer: on_request comes at once, without one, and must answer. A client that asked first
 * (Expect: 100-continue) is not told to send it. */
enum { HEAD_SUFFICES = -1 };

struct server_owner {
    void *owner;
    /* The head is in (before the body). Return 0 to go on, HEAD_SUFFICES, or an HTTP status to refuse: then the refusal below is asked for its body.
     * It must not keep the exchange: the owner is not told when a client leaves before its request is complete. */
    int (*on_head)(void *owner, struct exchange *exchange);
    /* The user that a large body is counted for: any number that tells users apart. 0: the caller may send none; then on_request comes at once and must
     * refuse it. */
    uint64_t (*whose)(void *owner, struct exchange *exchange);
    /* The whole request is in. The owner answers now or later. */
    void (*on_request)(void *owner, struct exchange *exchange);
    /* The client left before the answer was complete; told once. Half-closing (FIN behind the request) is leaving: only an answer given inside on_request
     * still reaches such a client. The exchange and its slices stay valid until the owner calls exchange_close. */
    void (*on_gone)(void *owner, struct exchange *exchange);
    /* The bytes buffered for this stream fell below stream_low again. */
    void (*on_drained)(void *owner, struct exchange *exchange);
    /* A refusal of the server itself (413, on_head's status, 503) or of its guard. */
    write_refusal_fn *write_refusal;
    /* Clients cannot be accepted: called when that begins, and when it is over. */
    void (*on_accept_trouble)(void *owner, const struct accept_trouble *trouble);
    /* Once, after server_quiesce: no connection can bring a request any more, and none is under way. */
    void (*on_quiet)(void *owner);
};

MUST_USE struct server *server_new(struct loop *loop, const struct server_settings *settings, const struct server_owner *owner);
void server_answer_last(struct server *server); /* a drain begins: answers carry Connection: close from now on */
/* After listen_hide: waiting clients are accepted, then the listener is closed. Connections are closed as they fall silent; then on_quiet comes. */
void server_quiesce(struct server *server);
unsigned server_coming(const struct server *server); /* any thread: requests that were coming when it last looked, once quiesced */
/* Calls visit for each exchange that the owner has; visit may close it. */
void server_each(struct server *server, void (*visit)(struct exchange *exchange));
unsigned server_exchanges(const struct server *server); /* given to the owner and not both closed and sent to the last byte */
void server_free(struct server *server);                /* every exchange must be closed */

/* What the client sent. Slices are valid until exchange_close, those of the body until exchange_drop_body. */
struct slice exchange_method(const struct exchange *exchange);
struct slice exchange_path(const struct exchange *exchange); /* as sent, without the query, percent-encoding untouched */
struct slice exchange_argument(const struct exchange *exchange, const char *name); /* of the query, percent-encoding untouched; or empty */
struct slice exchange_header(const struct exchange *exchange, const char *name);   /* case folded; first of that name */
/* Calls visit(owner, name, value) for each request header. */
void exchange_each_header(const struct exchange *exchange, void (*visit)(void *owner, struct slice name, struct slice value), void *owner);
struct slice exchange_body(const struct exchange *exchange);
/* The owner no longer needs the body: frees it; slices of it are invalid from now on. */
void exchange_drop_body(struct exchange *exchange);
struct slice exchange_peer(const struct exchange *exchange); /* "127.0.0.1" */
void exchange_set_tag(struct exchange *exchange, void *tag); /* the owner's own pointer */
void *exchange_tag(const struct exchange *exchange);

struct answer_header {
    const char *name;  /* NUL-terminated */
    const char *value; /* NUL-terminated, no CR, LF or TAB (such a header is left out) */
};

/* The whole answer at once. Copies the headers, borrows the body until `release` of exchange_close is called. */
void exchange_answer(struct exchange *exchange, int status, const struct answer_header *headers, unsigned count, struct slice body);
/* Begins a streamed answer (chunked; HTTP/1.0 clients get it until close). Nothing is sent before the first flush. */
void exchange_stream(struct exchange *exchange, int status, const struct answer_header *headers, unsigned count);
/* Queues bytes for this stream; sent at the end of this loop turn in one send together with what else came. Copies what cannot
 * be sent at once. Returns the bytes still buffered. */
size_t exchange_write(struct exchange *exchange, struct slice bytes);
/* Ends a stream: complete (last chunk, keep-alive), or cut (the connection is closed without the last chunk). */
void exchange_end(struct exchange *exchange, bool complete);
/* The owner is done with it. Before exchange_answer/exchange_end: the connection is closed without an answer. After: the server finishes sending in its own
 * time and then frees it; `release(release_arg)` is called when the body given to exchange_answer is not needed any more (may be NULL). */
void exchange_close(struct exchange *exchange, void (*release)(void *), void *release_arg);

uint64_t server_accept_errors(const struct server *server); /* any thread */
#endif
