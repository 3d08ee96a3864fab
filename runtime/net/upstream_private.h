/* upstream_private.h -- what upstream.c (calls), upstream_pool.c and upstream_connect.c (libcurl) share.
 *
 * A connection is dialled by libcurl. A plain one is then taken away from it: only our descriptor is left, and an open stream
 * costs a few hundred bytes. A secured one keeps its easy handle, which stays in its multi as long as it lives.
 * SPDX-License-Identifier: MIT */
#ifndef NET_UPSTREAM_PRIVATE_H
#define NET_UPSTREAM_PRIVATE_H
#include <curl/curl.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "net/upstream.h"

enum {
    READ_BUFFER = 64 * 1024, /* one per worker: what waits costs no memory */
    RECORD_MAX = 16 * 1024,  /* a TLS record: what is gathered for one write of a secured connection */
    MESSAGE_MAX = 512,
    FREE_KEPT = 256, /* spare calls, spare connections */
    NAME_ADDRESS_MAX = 64,
    SHARD_MAX = 32, /* handles per multi: libcurl finds connections by walking through all of them */
};

/* One CURLM and its place on our loop. */
struct shard {
    struct shard *next;
    struct upstream *upstream;
    CURLM *multi;
    struct timer timer;
    unsigned handles;
    struct connection *dialling;
};

/* What is needed only until the connection is established. */
struct dial {
    struct connection *next, *previous; /* shard->dialling */
    char error[CURL_ERROR_SIZE];
    struct curl_slist *remembered; /* not NULL: dialled where the name led last */
    bool resolved;                 /* libcurl knows an address */
    bool forbidden;                /* and it is none that the name may lead to */
    bool starved;                  /* we had no descriptor for a socket */
    bool unwatched;                /* nor memory to wait for it */
    bool tls_begun;                /* TCP is there */
    bool connected;                /* and the call was told */
    bool stood;
};

struct connection {
    struct watch watch;
    struct origin *origin;
    struct call *call;                  /* NULL: idle */
    struct connection *next, *previous; /* origin's idle list */
    struct connection *all_next, *all_previous;
    CURL *easy; /* NULL: plain, all ours */
    struct shard *shard;
    struct dial *dial; /* NULL: established */
    int64_t born_us, idle_since_us;
    unsigned served; /* answers it carried */
    bool drained;    /* TLS keeps no bytes: its last read found nothing */
    bool taken;      /* the descriptor is ours: libcurl must not close it */
};

/* Of one URL, shared by all workers. */
struct mark {
    struct mark *next;
    char *url;
    atomic_bool says_more; /* than it was asked */
};

struct origin {
    struct origin *next;
    struct mark *mark;
    struct upstream *upstream;
    char *url, *proxy, *host;
    bool secure;                      /* https */
    bool plain;                       /* after dialling, the descriptor carries HTTP as it is */
    struct connection *idle, *oldest; /* the last used one first */
    unsigned idle_count;
    bool named, local;              /* the host is a name that we look up; one of this machine's own */
    char address[NAME_ADDRESS_MAX]; /* where it led last; empty: not known */
    int64_t address_us, doubt_until_us;
};

struct call {
    struct call *next, *previous; /* upstream's queue, or its free list */
    struct upstream *upstream;
    struct call_request request;
    struct connection *connection;
    struct http1 http1;
    struct buffer held; /* read but not handed out yet, because of a pause */
    uint64_t body_bytes;
    size_t part_offset;
    unsigned part;
    enum phase phase;
    bool queued, sent, write_broken, stop_writing, got_head, keep_alive, paused, in_event, over;
};

struct upstream {
    struct loop *loop;
    struct trust *trust;
    struct upstream_settings settings;
    struct turn_hook hook;
    struct timer sweep;
    struct origin *origins;
    struct shard *shards;
    struct connection *connections, *free_connections;
    struct call *queue, *queue_end, *free_calls;
    unsigned free_connection_count, free_call_count, queue_count;
    CURLSH *share;
    struct http1_head head;
    char message[MESSAGE_MAX];
    char gather[RECORD_MAX];
    char read[READ_BUFFER];
};

/* upstream_pool.c */
void pool_init(struct upstream *upstream);
void pool_free(struct upstream *upstream); /* no connection is left */
struct connection *pool_connection_new(struct origin *origin, struct call *call, void (*ready)(struct watch *watch, uint32_t events));
void pool_close(struct connection *connection);               /* in any state but idle */
void pool_drop(struct connection *connection);                /* an idle one */
void pool_give(struct connection *connection);                /* makes it idle, or closes it where the connection pool is full */
MUST_USE struct connection *pool_take(struct origin *origin); /* the idle one used last on which nothing waits, or NULL */
void pool_distrust(struct origin *origin);                    /* it said more than it was asked */
void pool_ready(struct connection *connection);               /* something happened on an idle one */

/* upstream_connect.c */
MUST_USE bool dial_share_new(struct upstream *upstream);
void dial_share_free(struct upstream *upstream);
struct mark *trust_mark(struct trust *trust, const char *url); /* lives as long as the trust */
void dial_prepare(struct origin *origin);                      /* loads the trust store for https, where that is still to be done */
/* Begins. false: nothing was begun. Later upstream_dialled, upstream_dial_connected or upstream_dial_failed is called, never at once. */
MUST_USE bool dial_start(struct connection *connection);
/* Takes the connection out of libcurl, in any state; closes the descriptor unless it was taken. */
void dial_release(struct connection *connection);
void dial_sweep(struct upstream *upstream); /* frees multis that carry nothing */
/* Like recv and send on a secured connection: -1 with errno, EAGAIN: wait. */
ssize_t dial_recv(struct connection *connection, void *bytes, size_t len);
ssize_t dial_send(struct connection *connection, const void *bytes, size_t len);

/* upstream_names.c */
void names_init(struct origin *origin);
bool names_allow(const struct origin *origin, const struct sockaddr *address);
void names_remember(struct origin *origin, const char *address); /* a look-up led there, and the provider answered there */
void names_forget(struct origin *origin);
bool names_doubt(struct origin *origin); /* a look-up failed. True: for a while names_remembered says where to go */
struct curl_slist *names_remembered(struct origin *origin);

/* upstream.c, called by upstream_connect.c outside of libcurl's callbacks */
bool upstream_dial_connected(struct connection *connection); /* false: cancelled, the connection is gone */
void upstream_dialled(struct connection *connection, int fd);
void upstream_dial_failed(struct connection *connection, enum phase phase, const char *message);
void upstream_dial_starved(struct connection *connection); /* for want of what is ours: no provider is blamed */
#endif
