/* upstream.h -- the side of the providers. libcurl opens connections (DNS, TCP, TLS with verification, proxies) without blocking;
 * our codec speaks HTTP/1.1 over them; a LIFO pool per origin keeps them alive.
 *
 * A pooled connection is handed out only when nothing waits on it (no bytes, no FIN). An origin that was seen to say more than it was asked for (a
 * second answer behind the first, or on an idle connection) is kept no connections of any more, by any worker: what it says too late would be taken
 * for the answer to the next request. A call writes its request once and never again: what
 * follows a failure is the walk's business. Everything here belongs to one worker thread, except the trust store.
 * Plain connections are read and written directly on libcurl's socket; TLS goes through curl_easy_send/recv.
 * SPDX-License-Identifier: MIT */
#ifndef NET_UPSTREAM_H
#define NET_UPSTREAM_H
#include "base/failure.h"
#include "http/http1.h"
#include "net/loop.h"

struct upstream; /* the pools of one worker */
struct origin;   /* one scheme://host:port with its connection settings: one pool */
struct call;     /* one request on one connection */
struct
    trust; /* what all workers share: the CA store, loaded once (it costs 19 ms and 0.8 MB), and which origins say more than they were asked */

/* Once per process, before threads, before anything else here; `ca_file` NULL: the system's bundle. A bundle is loaded at the first https origin. */
MUST_USE struct trust *trust_new(const char *ca_file);
void trust_free(struct trust *trust);

struct upstream_settings {
    int64_t idle_us;                                 /* a pooled connection older than this is closed; default 30 s */
    int64_t lifetime_us;                             /* default 10 min */
    unsigned idle_max;                               /* pooled connections per origin; default 256 */
    void (*on_stray)(void *owner, struct slice url); /* this origin was seen to; once, by the first worker. NULL: not told */
    void *owner;
};

MUST_USE struct upstream *upstream_new(struct loop *loop, struct trust *trust, const struct upstream_settings *settings);
void upstream_free(struct upstream *upstream); /* cancels what is left */

/* Finds or makes the pool of an origin. url: "https://api.openai.com" or with :port; proxy: URL or empty (environment proxies are
 * honoured only when proxy is "env"). Lives until upstream_free (origins are few: bounded by config; unused ones hold no connection). */
struct origin *upstream_origin(struct upstream *upstream, struct slice url, struct slice proxy);

enum call_event_kind {
    CALL_CONNECTED, /* TCP established (new connections only; when TLS follows) */
    CALL_READY, /* the request can be written (at once, inside call_start's turn but not inside call_start itself, on a pooled connection) */
    CALL_SENT,  /* the request was written whole */
    CALL_HEAD,  /* head */
    CALL_DATA,  /* data */
    CALL_END,   /* the response is complete; the connection went back to its pool or was closed. The call is over */
    CALL_FAILED, /* failure; the connection is closed. The call is over */
};

struct call_event {
    enum call_event_kind kind;
    const struct http1_head *head; /* CALL_HEAD; borrowed */
    struct slice data;             /* CALL_DATA; borrowed */
    struct failure failure; /* CALL_FAILED: kind (STARVED: no word about the other end), phase, sent, message (borrowed until return) */
    bool reused;            /* the connection had carried another request before */
    bool answered;          /* CALL_FAILED: a byte of an answer had come */
};

struct call_request {
    struct origin *origin;
    const struct slice *parts; /* the whole request, head and body, in order; borrowed until the call is over */
    unsigned part_count;
    bool fresh;                                                    /* not on a pooled connection */
    void (*on_event)(void *owner, const struct call_event *event); /* never called from inside call_start or call_cancel */
    void *owner;
};

/* Begins. Never fails at once: failures come as events. Deadlines are the caller's: it cancels. */
MUST_USE struct call *call_start(const struct call_request *request);
/* Not wanted any more, in any phase: closes the connection, no event follows. Legal inside on_event. After CALL_END and CALL_FAILED the call is gone. */
void call_cancel(struct call *call);
/* Back-pressure: while paused nothing is read from the connection. Legal inside on_event (then what was read already is held back). */
void call_pause(struct call *call);
void call_resume(struct call *call);
#endif
