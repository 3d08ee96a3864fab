/* upstream_connect.c -- libcurl as the opener of connections: DNS, happy eyeballs, proxies, TLS with verification.
 *
 * CONNECT_ONLY easies are added to multis that run on our loop; nothing is ever transferred by libcurl, whose transfer engine costs
 * three times our own and replays requests. libcurl's callbacks only note and (un)watch; events go out after it returned.
 * The facts about 7.88 that are leaned on: curl_easy_send/recv attach the easy to its connection, from then on no pruning touches it; removing a CONNECT_ONLY
 * easy closes its connection through CLOSESOCKETFUNCTION; QUICK_EXIT keeps a cancelled look-up from being waited for.
 * SPDX-License-Identifier: MIT */
#include "net/upstream_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"

/* ---- trust ---- */

struct trust {
    char *ca_file;
    pthread_mutex_t lock; /* guards loading and the list; afterwards the store locks itself, and marks are atomic */
    X509_STORE *store;
    atomic_bool loaded, usable;
    atomic_bool starved; /* it could not be read for want of a descriptor: tried again with the next connection */
    struct mark *marks;
};

/* What the gateway itself is out of: no word about the other end. */
static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

/* Where distributions keep their bundle: Debian, Fedora, Alpine and the BSDs. */
static const char *system_bundle(void)
{
    static const char *const places[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"};
    const char *named = getenv("SSL_CERT_FILE");
    if (named != NULL && named[0] != '\0')
        return named;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return places[0];
}

struct trust *trust_new(const char *ca_file)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return NULL;
    struct trust *trust = xcalloc(1, sizeof(*trust));
    const char *file = ca_file != NULL ? ca_file : system_bundle();
    trust->ca_file = xstrndup(file, strlen(file));
    pthread_mutex_init(&trust->lock, NULL);
    return trust;
}

void trust_free(struct trust *trust)
{
    if (trust == NULL)
        return;
    while (trust->marks != NULL) {
        struct mark *mark = trust->marks;
        trust->marks = mark->next;
        free(mark->url);
        free(mark);
    }
    X509_STORE_free(trust->store);
    pthread_mutex_destroy(&trust->lock);
    free(trust->ca_file);
    free(trust);
    curl_global_cleanup();
}

struct mark *trust_mark(struct trust *trust, const char *url)
{
    pthread_mutex_lock(&trust->lock);
    struct mark *mark = trust->marks;
    while (mark != NULL && strcmp(mark->url, url) != 0)
        mark = mark->next;
    if (mark == NULL) {
        mark = xcalloc(1, sizeof(*mark));
        mark->url = xstrndup(url, strlen(url));
        mark->next = trust->marks;
        trust->marks = mark;
    }
    pthread_mutex_unlock(&trust->lock);
    return mark;
}

static void read_bundle(struct trust *trust)
{
    ERR_clear_error();
    bool usable = X509_STORE_load_file(trust->store, trust->ca_file) == 1;
    unsigned long error = usable ? 0 : ERR_peek_error();
    trust->usable = usable;
    trust->starved = ERR_SYSTEM_ERROR(error) && is_shortage(ERR_GET_REASON(error));
    trust->loaded = !trust->starved;
    ERR_clear_error();
}

static void load_trust(struct trust *trust)
{
    pthread_mutex_lock(&trust->lock);
    if (trust->store == NULL) {
        trust->store = X509_STORE_new();
        /* As libcurl sets them: an intermediate or single certificate in the file is trusted by itself. */
        X509_STORE_set_flags(trust->store, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    }
    if (!trust->loaded)
        read_bundle(trust);
    pthread_mutex_unlock(&trust->lock);
}

/* libcurl would parse the bundle for every connection (19 ms): all connections get the one store. Being asked is also the sign
 * that TCP is there and TLS begins; libcurl 7.88 knows its CONNECT_TIME only when TLS is established too. */
static CURLcode configure_tls(CURL *easy, void *ssl_ctx, void *owner)
{
    (void)easy;
    struct connection *connection = owner;
    connection->dial->tls_begun = true;
    SSL_CTX_set1_cert_store(ssl_ctx, connection->origin->upstream->trust->store);
    SSL_CTX_set_mode(ssl_ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_options(ssl_ctx, SSL_OP_IGNORE_UNEXPECTED_EOF); /* see was_closed */
    return CURLE_OK;
}

/* ---- libcurl on our loop ---- */

/* A descriptor that libcurl waits for while it dials. */
struct dial_watch {
    struct watch watch;
    struct shard *shard;
};

static void harvest(struct shard *shard);

static void dial_ready(struct watch *watch, uint32_t events)
{
    struct shard *shard = ((struct dial_watch *)watch)->shard;
    int bits = (events & EPOLLIN ? CURL_CSELECT_IN : 0) | (events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
               (events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
    int running;
    curl_multi_socket_action(shard->multi, watch->fd, bits, &running); /* may free the watch */
    harvest(shard);
}

static void note_unwatched(CURL *easy)
{
    struct connection *connection = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&connection);
    if (connection != NULL && connection->dial != NULL)
        connection->dial->unwatched = true;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *owner, void *known)
{
    (void)easy;
    struct shard *shard = owner;
    struct dial_watch *dial = known;
    if (what == CURL_POLL_REMOVE) {
        if (dial != NULL) {
            loop_unwatch(shard->upstream->loop, &dial->watch);
            free(dial);
        }
        return 0;
    }
    if (dial == NULL) {
        dial = xcalloc(1, sizeof(*dial));
        *dial = (struct dial_watch){{dial_ready, fd}, shard};
        curl_multi_assign(shard->multi, fd, dial);
    }
    uint32_t events = (what & CURL_POLL_IN ? EPOLLIN : 0u) | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
    if (!loop_watch(shard->upstream->loop, &dial->watch, events))
        note_unwatched(easy); /* an error from here would end the whole multi, and all that is dialled by it */
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *owner)
{
    (void)multi;
    struct shard *shard = owner;
    struct loop *loop = shard->upstream->loop;
    if (ms < 0)
        loop_timer_clear(loop, &shard->timer);
    else
        loop_timer_set(loop, &shard->timer, loop_now_us(loop) + ms * US_PER_MS);
    return 0;
}

static void timer_due(struct timer *timer)
{
    struct shard *shard = container_of(timer, struct shard, timer);
    int running;
    curl_multi_socket_action(shard->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    harvest(shard);
}

static struct shard *shard_new(struct upstream *upstream)
{
    CURLM *multi = curl_multi_init();
    if (multi == NULL)
        return NULL;
    struct shard *shard = xcalloc(1, sizeof(*shard));
    *shard = (struct shard){.next = upstream->shards, .upstream = upstream, .multi = multi, .timer.due = timer_due};
    upstream->shards = shard;
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, shard);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(multi, CURLMOPT_TIMERDATA, shard);
    curl_multi_setopt(multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    /* More than there can be: libcurl must never close one of ours for another. */
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 2L * SHARD_MAX);
    return shard;
}

static void shard_free(struct shard *shard)
{
    curl_multi_cleanup(shard->multi);
    loop_timer_clear(shard->upstream->loop, &shard->timer);
    free(shard);
}

static struct shard *shard_with_room(struct upstream *upstream)
{
    for (struct shard *shard = upstream->shards; shard != NULL; shard = shard->next)
        if (shard->handles < SHARD_MAX)
            return shard;
    return shard_new(upstream);
}

void dial_sweep(struct upstream *upstream)
{
    bool spare = false; /* one empty multi is kept for the next connection */
    for (struct shard **link = &upstream->shards; *link != NULL;) {
        struct shard *shard = *link;
        if (shard->handles == 0 && spare) {
            *link = shard->next;
            shard_free(shard);
            continue;
        }
        spare |= shard->handles == 0;
        link = &shard->next;
    }
}

/* Names and TLS sessions are shared by all multis of a worker: one look-up, resumed handshakes. One thread, so no locks. */
bool dial_share_new(struct upstream *upstream)
{
    upstream->share = curl_share_init();
    if (upstream->share == NULL)
        return false;
    curl_share_setopt(upstream->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    curl_share_setopt(upstream->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    return true;
}

void dial_share_free(struct upstream *upstream)
{
    while (upstream->shards != NULL) {
        struct shard *shard = upstream->shards;
        upstream->shards = shard->next;
        shard_free(shard);
    }
    curl_share_cleanup(upstream->share);
}

/* ---- sockets ---- */

/* libcurl does not ask for CLOEXEC; a successor that we start must not inherit providers' connections. */
static curl_socket_t open_socket(void *owner, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct connection *connection = owner;
    struct dial *dial = connection->dial;
    (void)purpose;
    if (dial != NULL)
        dial->resolved = true;
    if (dial != NULL && !names_allow(connection->origin, &address->addr)) {
        dial->forbidden = true;
        return CURL_SOCKET_BAD;
    }
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    if (fd < 0 && dial != NULL)
        dial->starved |= is_shortage(errno);
    return fd;
}

static int close_socket(void *owner, curl_socket_t fd)
{
    struct connection *connection = owner;
    return connection->taken && fd == connection->watch.fd ? 0 : close(fd);
}

/* ---- dialling ---- */

static void set_connection_options(CURL *easy, struct connection *connection)
{
    struct origin *origin = connection->origin;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, connection);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, connection->dial->error);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, connection);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, connection->dial->remembered);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, connection);
    curl_easy_setopt(easy, CURLOPT_SHARE, origin->upstream->share);
    curl_easy_setopt(easy, CURLOPT_URL, origin->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L); /* a stream may be silent for minutes behind a NAT that forgets */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L); /* also for http://, since we speak as to the origin itself */
    if (strcmp(origin->proxy, "env") != 0)
        curl_easy_setopt(easy, CURLOPT_PROXY, origin->proxy); /* "" forbids the environment's */
}

static void set_tls_options(CURL *easy, struct connection *connection)
{
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, configure_tls);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, connection);
}

void dial_prepare(struct origin *origin)
{
    if (!origin->plain && !atomic_load(&origin->upstream->trust->loaded))
        load_trust(origin->upstream->trust);
}

static void unlink_dial(struct connection *connection)
{
    struct dial *dial = connection->dial;
    if (dial == NULL)
        return;
    if (dial->previous != NULL)
        dial->previous->dial->next = dial->next;
    else
        connection->shard->dialling = dial->next;
    if (dial->next != NULL)
        dial->next->dial->previous = dial->previous;
    curl_easy_setopt(connection->easy, CURLOPT_CONNECT_TO, NULL);
    curl_slist_free_all(dial->remembered);
    free(dial);
    connection->dial = NULL;
}

bool dial_start(struct connection *connection)
{
    dial_prepare(connection->origin);
    struct shard *shard = shard_with_room(connection->origin->upstream);
    CURL *easy = shard == NULL ? NULL : curl_easy_init();
    if (easy == NULL)
        return false;
    struct dial *dial = xcalloc(1, sizeof(*dial));
    dial->next = shard->dialling;
    if (shard->dialling != NULL)
        shard->dialling->dial->previous = connection;
    shard->dialling = connection;
    dial->remembered = names_remembered(connection->origin);
    connection->dial = dial;
    connection->shard = shard;
    connection->easy = easy;
    set_connection_options(easy, connection);
    set_tls_options(easy, connection);
    shard->handles++;
    if (curl_multi_add_handle(shard->multi, easy) == CURLM_OK)
        return true;
    dial_release(connection);
    return false;
}

/* It ends before a connection was established: what that says about the addresses of the name. */
static void note_place(struct connection *connection)
{
    const struct dial *dial = connection->dial;
    if (dial->remembered != NULL)
        names_forget(connection->origin);
    else if (!dial->resolved || dial->forbidden)
        names_doubt(connection->origin);
}

void dial_release(struct connection *connection)
{
    if (connection->easy == NULL)
        return;
    if (connection->dial != NULL && !connection->dial->stood)
        note_place(connection);
    curl_easy_setopt(connection->easy, CURLOPT_ERRORBUFFER, NULL); /* it dies with the dial */
    unlink_dial(connection);
    curl_multi_remove_handle(connection->shard->multi, connection->easy);
    curl_easy_cleanup(connection->easy);
    connection->shard->handles--;
    connection->easy = NULL;
    connection->shard = NULL;
}

/* ---- how dialling ended ---- */

static const char *connect_error(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return "connection refused";
    case ETIMEDOUT:
        return "no answer to the connection attempt";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "host unreachable";
    case ECONNRESET:
        return "connection reset while connecting";
    default:
        return NULL;
    }
}

/* A look-up needs descriptors and a thread, and says no more than that there is no such name. */
static bool has_descriptor(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);
    if (fd < 0)
        return !is_shortage(errno);
    close(fd);
    return true;
}

/* Whether it failed for want of something of our own. */
static bool was_starved(const struct connection *connection, CURLcode result)
{
    switch (result) {
    case CURLE_OUT_OF_MEMORY:
        return true;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        return !has_descriptor();
    case CURLE_PEER_FAILED_VERIFICATION:
        return connection->origin->upstream->trust->starved;
    default:
        return connection->dial->starved;
    }
}

/* Says what happened in `message`; returns the phase it happened in. libcurl's words carry no secrets of ours. */
static enum phase explain(struct connection *connection, CURLcode result, char *message)
{
    const struct origin *origin = connection->origin;
    const char *detail = connection->dial->error[0] != '\0' ? connection->dial->error : curl_easy_strerror(result);
    enum phase phase = connection->dial->connected ? PHASE_TLS : PHASE_CONNECT;
    long error = 0;
    curl_easy_getinfo(connection->easy, CURLINFO_OS_ERRNO, &error);
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        snprintf(message, MESSAGE_MAX, "cannot resolve the name %s", origin->host);
        return PHASE_CONNECT;
    case CURLE_COULDNT_RESOLVE_PROXY:
        snprintf(message, MESSAGE_MAX, "cannot resolve the name of the proxy");
        return PHASE_CONNECT;
    case CURLE_COULDNT_CONNECT:
        if (connect_error((int)error) != NULL)
            detail = connect_error((int)error);
        if (connection->dial->forbidden)
            snprintf(message, MESSAGE_MAX, "the name %s leads to an address that no provider can have", origin->host);
        else
            snprintf(message, MESSAGE_MAX, "%s", detail);
        return PHASE_CONNECT;
    case CURLE_PEER_FAILED_VERIFICATION:
        if (origin->upstream->trust->usable)
            snprintf(message, MESSAGE_MAX, "the certificate of %s is not trusted: %s", origin->host, detail);
        else
            snprintf(message, MESSAGE_MAX, "no certificate is trusted: cannot read the CA file %s", origin->upstream->trust->ca_file);
        return PHASE_TLS;
    case CURLE_SSL_CONNECT_ERROR:
        snprintf(message, MESSAGE_MAX, "TLS handshake failed: %s", detail);
        return PHASE_TLS;
    default:
        snprintf(message, MESSAGE_MAX, "cannot connect: %s", detail);
        return phase;
    }
}

static void remember_place(struct connection *connection)
{
    char *address = NULL;
    connection->dial->stood = true;
    if (connection->dial->remembered == NULL && curl_easy_getinfo(connection->easy, CURLINFO_PRIMARY_IP, &address) == CURLE_OK)
        names_remember(connection->origin, address);
}

/* Where a name cannot be looked up, or leads where it must not, the place where it led last will do. */
static bool dial_remembered(struct connection *connection, CURLcode result)
{
    struct dial *dial = connection->dial;
    if (dial->remembered != NULL || (result != CURLE_COULDNT_RESOLVE_HOST && !dial->forbidden) || !names_doubt(connection->origin))
        return false;
    dial_release(connection);
    if (!dial_start(connection))
        upstream_dial_starved(connection);
    return true;
}

static void stand(struct connection *connection)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    curl_easy_getinfo(connection->easy, CURLINFO_ACTIVESOCKET, &fd);
    if (fd == CURL_SOCKET_BAD) {
        upstream_dial_failed(connection, PHASE_CONNECT, "connection lost as soon as it stood");
        return;
    }
    if (connection->origin->secure && !connection->dial->connected) {
        connection->dial->connected = true;
        if (!upstream_dial_connected(connection))
            return;
    }
    connection->watch.fd = fd;
    remember_place(connection);
    if (connection->origin->plain) {
        connection->taken = true;
        dial_release(connection);
    } else {
        curl_easy_setopt(connection->easy, CURLOPT_ERRORBUFFER, NULL);
        unlink_dial(connection);
    }
    upstream_dialled(connection, fd);
}

/* Where TLS has begun, the connect deadline ends and the one of TLS begins. */
static void note_connected(struct shard *shard)
{
    struct connection *connection = shard->dialling;
    while (connection != NULL) {
        struct dial *dial = connection->dial;
        if (dial->unwatched) {
            upstream_dial_starved(connection);
            connection = shard->dialling;
        } else if (connection->origin->secure && dial->tls_begun && !dial->connected) {
            dial->connected = true;
            upstream_dial_connected(connection);
            connection = shard->dialling; /* the owner may have cancelled any of them */
        } else {
            connection = dial->next;
        }
    }
}

/* After libcurl has run: tells the calls. */
static void harvest(struct shard *shard)
{
    if (shard->dialling != NULL)
        note_connected(shard);
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(shard->multi, &left)) != NULL;) {
        struct connection *connection = NULL;
        CURLcode result = message->data.result;
        if (message->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&connection);
        assert(connection != NULL && connection->dial != NULL);
        if (result == CURLE_OK) {
            stand(connection);
        } else if (was_starved(connection, result)) {
            upstream_dial_starved(connection);
        } else if (!dial_remembered(connection, result)) {
            char text[MESSAGE_MAX];
            enum phase phase = explain(connection, result, text);
            upstream_dial_failed(connection, phase, text);
        }
    }
}

/* ---- secured connections ---- */

/* A FIN without close_notify may be an attacker's: it must not end a body that is delimited by close (RFC 9112 9.8). libcurl
 * reports both alike. */
static bool was_closed(struct connection *connection)
{
    struct curl_tlssessioninfo *session = NULL;
    if (curl_easy_getinfo(connection->easy, CURLINFO_TLS_SSL_PTR, &session) != CURLE_OK || session == NULL ||
        session->backend != CURLSSLBACKEND_OPENSSL || session->internals == NULL)
        return true; /* no TLS to ask: the proxy's layer only */
    return (SSL_get_shutdown(session->internals) & SSL_RECEIVED_SHUTDOWN) != 0;
}

ssize_t dial_recv(struct connection *connection, void *bytes, size_t len)
{
    size_t received = 0;
    CURLcode result = curl_easy_recv(connection->easy, bytes, len, &received);
    connection->drained = result == CURLE_AGAIN;
    if (result == CURLE_OK && received == 0 && connection->origin->secure && !was_closed(connection)) {
        errno = EPROTO;
        return -1;
    }
    if (result == CURLE_OK)
        return (ssize_t)received;
    errno = result == CURLE_AGAIN ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t dial_send(struct connection *connection, const void *bytes, size_t len)
{
    size_t sent = 0;
    CURLcode result = curl_easy_send(connection->easy, bytes, len, &sent);
    if (result == CURLE_OK)
        return (ssize_t)sent;
    errno = result == CURLE_AGAIN ? EAGAIN : ECONNRESET;
    return -1;
}
