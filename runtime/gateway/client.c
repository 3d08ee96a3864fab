/* client.c -- see client.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/client.h"

enum { FIELDS_MAX = 8 }; /* of X-Forwarded-For; they are one list, of which only the end counts */

struct chain {
    struct slice fields[FIELDS_MAX]; /* the last ones, in the order they came */
    unsigned count;
};

static void keep_field(void *owner, struct slice name, struct slice value)
{
    struct chain *chain = owner;
    if (!slice_equals_nocase(name, LIT("x-forwarded-for")))
        return;
    if (chain->count == FIELDS_MAX)
        memmove(chain->fields, chain->fields + 1, sizeof *chain->fields * --chain->count);
    chain->fields[chain->count++] = value;
}

/* Removes the last item of the list. False: it was empty. */
static bool pop(struct slice *list, struct slice *item)
{
    const char *comma = list->len == 0 ? NULL : memrchr(list->ptr, ',', list->len);
    size_t from = comma == NULL ? 0 : (size_t)(comma + 1 - list->ptr);
    *item = slice_trim((struct slice){list->ptr + from, list->len - from});
    bool any = list->len > 0;
    list->len = comma == NULL ? 0 : from - 1;
    return any;
}

static bool is_proxy(const struct config *config, const struct address *address)
{
    for (unsigned i = 0; i < config->proxy_count; i++)
        if (network_has(&config->proxies[i], address))
            return true;
    return false;
}

/* Goes back through the list while its items are trusted proxies. An item that is not an address ends it: the proxy that wrote it is the last one known. */
static void follow(const struct config *config, struct chain *chain, struct address *address)
{
    struct slice item;
    struct address hop;
    while (chain->count > 0 && is_proxy(config, address)) {
        if (!pop(&chain->fields[chain->count - 1], &item)) {
            chain->count--;
            continue;
        }
        if (item.len == 0)
            continue;
        if (!address_parse_hop(item, &hop))
            return;
        *address = hop;
    }
}

struct slice client_address(const struct config *config, const struct exchange *exchange, char text[ADDRESS_TEXT_SIZE])
{
    struct slice peer = exchange_peer(exchange);
    struct address address;
    struct chain chain = {.count = 0};
    if (config->proxy_count == 0 || !address_parse(peer, &address) || !is_proxy(config, &address))
        return peer;
    exchange_each_header(exchange, keep_field, &chain);
    follow(config, &chain, &address);
    return (struct slice){text, address_write(&address, text)};
}

struct slice request_client_address(struct request *request)
{
    char text[ADDRESS_TEXT_SIZE];
    if (request->client_address.ptr == NULL)
        request->client_address = request->exchange == NULL
                                      ? LIT("127.0.0.1")
                                      : arena_copy(&request->arena, client_address(request->config, request->exchange, text));
    return request->client_address;
}

/* What a policy may read of the client's headers: never credentials, never cookies. */
struct slice request_client_header(const struct request *request, const char *name)
{
    static const char *const listed[] = {"user-agent",        "accept-language",     "referer",        "origin",     "anthropic-beta",
                                         "anthropic-version", "openai-organization", "openai-project", "traceparent"};
    struct slice text = slice_of(name);
    if (request->exchange == NULL)
        return SLICE_NONE;
    bool custom = text.len > 2 && slice_equals_nocase((struct slice){name, 2}, LIT("x-")) && !slice_equals_nocase(text, LIT("x-api-key"));
    for (unsigned i = 0; !custom && i < sizeof listed / sizeof *listed; i++)
        custom = slice_equals_nocase(text, slice_of(listed[i]));
    return custom ? exchange_header(request->exchange, name) : SLICE_NONE;
}
