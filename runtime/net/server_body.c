/* server_body.c -- request bodies: their memory comes as they do, and goes as soon as their owner lets go of them.
 *
 * A promise (Content-Length) costs the client nothing, so nothing is set aside for it; but what could not be taken now is refused at the head. What is
 * larger than BODY_SMALL is counted three ways: as the user's and as a body (bodies.h), and as the process's memory.
 * SPDX-License-Identifier: MIT */
#include "net/server_private.h"

static const char *const TOO_MUCH = "too many large requests are under way: try again in a second";

/* What one request is worth beside its body, and a body that is small. */
enum { REQUEST_BYTES = 40 * 1024 };

struct slice exchange_body(const struct exchange *exchange)
{
    return buffer_slice(&exchange->body);
}

void exchange_drop_body(struct exchange *exchange)
{
    buffer_free(&exchange->body);
    bodies_give(exchange->server->settings.bodies, exchange->share, exchange->charged);
    exchange->charged = 0;
}

void server_forget_body(struct exchange *exchange)
{
    exchange_drop_body(exchange);
    memory_give(exchange->server->settings.memory, exchange->weight);
    exchange->weight = 0;
}

/* One request more, with a body of which `length` is known. */
static bool weigh(struct exchange *exchange, size_t length)
{
    size_t weight = REQUEST_BYTES + (length < BODY_SMALL ? length : BODY_SMALL);
    if (exchange->weight > 0)
        return true;
    if (!memory_take_small(exchange->server->settings.memory, weight))
        return false;
    exchange->weight = weight;
    return true;
}

static void find_share(struct exchange *exchange)
{
    struct server *server = exchange->server;
    if (exchange->share == 0)
        exchange->share = server->owner.whose(server->owner.owner, exchange);
}

/* Memory for `cap` bytes. False: it cannot be had, and nothing has changed. */
static bool make_room(struct exchange *exchange, size_t cap)
{
    struct server *server = exchange->server;
    size_t counts = cap > BODY_SMALL ? cap : 0, more = counts > exchange->charged ? counts - exchange->charged : 0;
    if (more > 0) {
        find_share(exchange);
        if (!bodies_take(server->settings.bodies, exchange->share, more, loop_now_us(server->loop)))
            return false;
    }
    exchange->body.limit = cap;
    if (buffer_reserve(&exchange->body, cap - exchange->body.len) != NULL) {
        exchange->charged += more;
        return true;
    }
    exchange->body.overflow = exchange->body.starved = false;
    bodies_give(server->settings.bodies, exchange->share, more);
    return false;
}

/* Doubling, but never more than was promised. */
static bool grow(struct exchange *exchange, size_t need)
{
    size_t cap = 2 * exchange->body.cap;
    if (cap > exchange->promised)
        cap = exchange->promised;
    return make_room(exchange, cap < need ? need : cap) || (need < cap && make_room(exchange, need));
}

int server_expect_body(struct exchange *exchange, size_t length, const char **reason)
{
    struct server *server = exchange->server;
    *reason = TOO_MUCH;
    if (length == 0) /* none, or in chunks */
        return 0;
    if (!weigh(exchange, length))
        return 503;
    if (length > BODY_SMALL) {
        find_share(exchange);
        if (exchange->share == 0)
            return HEAD_SUFFICES;
        if (!bodies_could_take(server->settings.bodies, exchange->share, length, loop_now_us(server->loop)))
            return 503;
    }
    exchange->promised = length;
    return make_room(exchange, length < BODY_SMALL ? length : BODY_SMALL) ? 0 : 503;
}

void server_add_body(struct exchange *exchange, const char *data, size_t len)
{
    size_t need = exchange->body.len + len;
    if (exchange->shed)
        return;
    if (!weigh(exchange, BODY_SMALL) || (need > exchange->body.cap && !grow(exchange, need))) {
        /* libmicrohttpd takes no answer amid a body, so the guard gives it, and the rest is thrown away. */
        exchange->shed = true;
        server_forget_body(exchange);
        guard_refuse(exchange->connection->guard, 503, TOO_MUCH);
        return;
    }
    buffer_append(&exchange->body, data, len);
}
