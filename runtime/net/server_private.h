/* server_private.h -- what the files of the server share. No other file includes it.
 * SPDX-License-Identifier: MIT */
#ifndef NET_SERVER_PRIVATE_H
#define NET_SERVER_PRIVATE_H
#include "shared/bodies.h"
#include "base/address.h"
#include "net/guard.h"
#include "net/server.h"
#include <microhttpd.h>

/* One client connection: libmicrohttpd's socket context. */
struct client_connection {
    struct client_connection *next, **link; /* the server's list of all */
    struct watch watch;                     /* the client's FIN, and room to write while a stream is blocked */
    struct server *server;
    struct guard *guard;
    struct exchange *exchange; /* the request under way */
    char peer[ADDRESS_TEXT_SIZE];
    int64_t silent_us; /* since when no request is under way */
    bool half_closed, waits_for_room, has_room, weighed;
};

/* A header field or an argument of the query, as offsets into the exchange's `text`. */
struct field {
    uint32_t name, name_len, value, value_len;
    bool is_argument;
};

struct exchange {
    struct server *server;
    struct client_connection *connection; /* NULL once libmicrohttpd is done with the request */
    struct MHD_Connection *mhd;           /* the same */
    struct exchange *next;                /* spare list, dirty list */
    struct slice method, path;
    struct buffer text;   /* the head, copied: libmicrohttpd forgets it when the answer is out, and the owner may need it longer */
    struct buffer fields; /* of struct field */
    struct buffer body;
    size_t promised;              /* how long its body may become */
    size_t charged, weight;       /* of `bodies`, as `share`; of the process's memory, for the request itself */
    uint64_t share;               /* whose its body is; 0: not asked yet */
    char peer[ADDRESS_TEXT_SIZE]; /* once the connection is gone */
    void *tag;
    void (*release)(void *);
    void *release_arg;
    bool http10, started, in_handler, suspended, answered, closed, aborted, told_gone, shed;

    /* a streamed answer */
    bool streaming; /* the head was queued */
    bool head_out;  /* and sent: bytes may go to the socket */
    bool ended, complete;
    bool is_dirty;         /* in the server's list of those with something to send */
    bool was_high;         /* more than stream_high was buffered: on_drained is due */
    struct buffer turn;    /* what came in this turn, not framed yet */
    struct buffer blocked; /* framed bytes the socket did not take */
    struct timer stall;
};

struct server {
    struct watch watch;
    struct turn_hook hook;
    struct loop *loop;
    struct server_settings settings;
    struct server_owner owner;
    struct MHD_Daemon *daemon;
    struct guards guards;
    struct acceptor acceptor;
    struct exchange *spare, *dirty;
    struct client_connection *all;
    unsigned spare_count, open, connections;
    bool must_run;
    bool closing;        /* answers say "Connection: close" */
    bool listening;      /* the listener is open */
    bool ending;         /* libmicrohttpd is about to be stopped: nothing begins, no connection sleeps */
    int64_t quiesced_us; /* 0: not yet */
    struct timer look;   /* at what is still of use, once quiesced */
    atomic_uint coming;  /* requests that were not whole when it last looked */
};

/* server_body.c. A body is announced (length 0: none, or in chunks). 0: let it come; else HEAD_SUFFICES or a status to refuse with, and *reason. */
int server_expect_body(struct exchange *exchange, size_t length, const char **reason);
void server_add_body(struct exchange *exchange, const char *data, size_t len);
void server_forget_body(struct exchange *exchange); /* and the request's own weight */

/* server_accept.c: the listener, under libmicrohttpd's feet. */
MUST_USE bool server_listen(struct server *server); /* before libmicrohttpd begins; when it has, acceptor_follow */

void server_drop_spare(struct server *server);
void server_resume(struct exchange *exchange);
void server_queue(struct exchange *exchange, int status, struct MHD_Response *response, const struct answer_header *headers,
                  unsigned count);
void server_mark_dirty(struct exchange *exchange);
void server_forget_dirty(struct exchange *exchange);
/* Sends what came for streams in this turn. */
void server_flush(struct server *server);
/* The client is gone, takes nothing, or must go: the stream ends without its last chunk. */
void server_cut(struct exchange *exchange);
/* Tells the owner once that the client left. The owner may close the exchange in that call: it may be freed afterwards. */
void server_tell_gone(struct exchange *exchange);
void server_on_stall(struct timer *timer);
#endif
