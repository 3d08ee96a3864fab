/* access.c -- see access.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/access.h"
#include "gateway/client.h"
#include "gateway/worker.h"

/* What the head alone tells about the caller. */
struct caller {
    enum failure_kind refusal; /* FAILURE_NONE: allowed */
    struct slice message;      /* why not; static */
    const struct user *user;   /* the user of the key, also of an expired one; NULL: none */
    bool is_admin;             /* it is the admin's key */
};

static void refuse(struct caller *caller, enum failure_kind refusal, struct slice message)
{
    caller->refusal = refusal;
    caller->message = message;
}

/* ---------------------------------------------------------------- pages and hosts */

/* Without the default port of its scheme, which browsers leave out. */
static struct slice without_default_port(struct slice origin)
{
    static const struct {
        struct slice scheme, port;
    } defaults[] = {{{"https://", 8}, {":443", 4}}, {{"http://", 7}, {":80", 3}}};
    for (unsigned i = 0; i < sizeof defaults / sizeof *defaults; i++) {
        struct slice scheme = defaults[i].scheme, port = defaults[i].port;
        if (origin.len > scheme.len + port.len && slice_equals_nocase((struct slice){origin.ptr, scheme.len}, scheme) &&
            memcmp(origin.ptr + origin.len - port.len, port.ptr, port.len) == 0)
            return (struct slice){origin.ptr, origin.len - port.len};
    }
    return origin;
}

bool access_lists_origin(const struct config *config, struct slice origin)
{
    origin = without_default_port(origin);
    if (config->cors_any)
        return origin.len > 0 && !slice_equals_nocase(origin, LIT("null"));
    for (unsigned i = 0; i < config->cors_count; i++)
        if (slice_equals_nocase(config->cors_origins[i], origin))
            return true;
    return false;
}

static bool ends_with(struct slice text, struct slice end)
{
    return text.len > end.len && slice_equals_nocase((struct slice){text.ptr + text.len - end.len, end.len}, end);
}

/* "Name.:8080" -> "Name", "[::1]:8080" -> "::1". The framing checker has ensured that it is a host and a port. */
static struct slice name_of(struct slice host)
{
    const char *end = host.len == 0 ? NULL : memchr(host.ptr, *host.ptr == '[' ? ']' : ':', host.len);
    size_t len = end == NULL ? host.len : (size_t)(end - host.ptr);
    if (len > 0 && *host.ptr == '[')
        return (struct slice){host.ptr + 1, len - 1};
    return (struct slice){host.ptr, len > 0 && host.ptr[len - 1] == '.' ? len - 1 : len};
}

/* A host that foreign DNS cannot point here: an address, localhost (resolved by the machine itself), or a name that the config lists. */
static bool knows_host(const struct config *config, struct slice host)
{
    struct slice name = name_of(host);
    struct address address;
    if (slice_equals_nocase(name, LIT("localhost")) || ends_with(name, LIT(".localhost")) || address_parse(name, &address))
        return true;
    for (unsigned i = 0; i < config->host_count; i++)
        if (slice_equals_nocase(config->hosts[i], name))
            return true;
    return false;
}

struct page {
    const struct config *config;
    bool has_origin, is_unlisted, is_cross_site, has_strange_host;
};

/* Every Origin field is checked: where there are two, both must be allowed. */
static void look(void *owner, struct slice name, struct slice value)
{
    struct page *page = owner;
    if (slice_equals_nocase(name, LIT("host"))) {
        page->has_strange_host |= page->config->listen_is_loopback && !knows_host(page->config, value);
    } else if (slice_equals_nocase(name, LIT("origin"))) {
        page->has_origin = true;
        page->is_unlisted |= !access_lists_origin(page->config, value);
    } else if (slice_equals_nocase(name, LIT("sec-fetch-site"))) {
        page->is_cross_site |= slice_equals_nocase(value, LIT("cross-site"));
    }
}

static void judge_page(struct caller *caller, const struct config *config, const struct exchange *exchange)
{
    struct page page = {.config = config};
    exchange_each_header(exchange, look, &page);
    if (page.is_unlisted || (page.is_cross_site && !page.has_origin))
        refuse(caller, FAILURE_BAD_ORIGIN,
               LIT("Without keys, pages may only ask from an origin that the config lists: add this one to cors.origins, or set keys."));
    else if (page.has_strange_host)
        refuse(caller, FAILURE_BAD_HOST,
               LIT("Without keys, a loopback listener answers to addresses, localhost and names that the config lists: add this Host to "
                   "hosts, or set keys."));
}

/* ---------------------------------------------------------------- keys */

/* The key of an Authorization: Bearer or x-api-key header; empty without one. */
static struct slice key_of(const struct exchange *exchange)
{
    struct slice value = exchange_header(exchange, "authorization"), key = SLICE_NONE;
    if (value.len > 7 && slice_equals_nocase((struct slice){value.ptr, 7}, LIT("Bearer ")))
        key = slice_trim((struct slice){value.ptr + 7, value.len - 7});
    return key.len > 0 ? key : exchange_header(exchange, "x-api-key");
}

/* The user of the key, valid or expired. It costs the same whether there is one or not. */
static void find_owner(struct caller *caller, const struct config *config, struct slice key)
{
    uint8_t digest[SHA256_BYTES];
    hash_sha256(key, digest);
    caller->user = keyring_find(config->keyring, digest);
    caller->is_admin = hash_equal(digest, config->admin_digest, sizeof digest) & config->has_admin_key;
}

/* All three are computed in any case (is there a key, whose, has it expired), and only then looked at: so the time tells nothing. */
static void judge_key(struct caller *caller, const struct config *config, bool admins, const struct exchange *exchange, int64_t wall_us)
{
    struct slice key = key_of(exchange);
    find_owner(caller, config, key);
    const struct user *user = caller->user;
    bool expired = user != NULL && user_has_expired(user, wall_us);
    if (admins ? caller->is_admin : user != NULL && !expired)
        return;
    if (admins && !config->has_admin_key)
        refuse(caller, key.len == 0 ? FAILURE_MISSING_KEY : FAILURE_NO_KEY,
               LIT("Admin routes want the admin key, and the config has none: set admin = { key = env \"GATEWAY_ADMIN_KEY\" }."));
    else if (key.len == 0)
        refuse(caller, FAILURE_MISSING_KEY, LIT("No API key provided. Send yours as 'Authorization: Bearer KEY'."));
    else if (!admins && expired)
        refuse(caller, FAILURE_KEY_EXPIRED, LIT("This API key has expired."));
    else
        refuse(caller, FAILURE_NO_KEY, LIT("Incorrect API key provided. Send yours as 'Authorization: Bearer KEY'."));
}

/* ---------------------------------------------------------------- the decision */

/* What a route requires of its caller under this config. */
enum demand { DEMAND_NOTHING, DEMAND_PAGE, DEMAND_USER, DEMAND_ADMIN };

static enum demand demand_of(const struct config *config, const struct route *route)
{
    bool keyless = keyring_count(config->keyring) == 0;
    if (route->access == ACCESS_ADMIN)
        return config->has_admin_key || !keyless || !config->listen_is_loopback ? DEMAND_ADMIN : DEMAND_PAGE;
    if (!keyless)
        return route->access == ACCESS_USER ? DEMAND_USER : DEMAND_NOTHING;
    return route->pages == PAGES_LISTED ? DEMAND_PAGE : DEMAND_NOTHING;
}

/* May this caller use this route? Decided here only. */
static struct caller judge(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us)
{
    struct caller caller = {.refusal = FAILURE_NONE};
    enum demand demand = demand_of(config, route);
    if (demand == DEMAND_PAGE)
        judge_page(&caller, config, exchange);
    else if (demand != DEMAND_NOTHING)
        judge_key(&caller, config, demand == DEMAND_ADMIN, exchange, wall_us);
    return caller;
}

bool access_check(struct request *request)
{
    if (request->exchange == NULL) /* explain has set the user */
        return true;
    struct caller caller = judge(request->config, request->route, request->exchange, request->began_wall_us);
    bool unasked = caller.refusal == FAILURE_NONE && caller.user == NULL && !caller.is_admin && keyring_count(request->config->keyring) > 0;
    if (unasked && key_of(request->exchange).len > 0) /* for the log only: the user of a request for an unknown path */
        find_owner(&caller, request->config, key_of(request->exchange));
    request->user = caller.user;
    request->is_admin = caller.is_admin;
    if (caller.refusal != FAILURE_NONE)
        request->failure = failure_make(caller.refusal, caller.message);
    return caller.refusal == FAILURE_NONE;
}

bool access_may_send_body(const struct config *config, const struct route *route, const struct exchange *exchange, bool keys,
                          int64_t wall_us)
{
    if (!keys && demand_of(config, route) != DEMAND_PAGE)
        return true;
    return judge(config, route, exchange, wall_us).refusal == FAILURE_NONE;
}

/* A client that has one IPv6 address usually has its whole /64 network. */
static struct slice network_of(struct slice text, struct address *address)
{
    static const uint8_t none[8]; /* the first bytes of an IPv4 address */
    return address_parse(text, address) && memcmp(address->bytes, none, sizeof none) != 0 ? (struct slice){(const char *)address->bytes, 8}
                                                                                          : text;
}

/* A hash without a key is enough: the worst that a collision does is that two users share one share. */
uint64_t access_share(const struct config *config, const struct route *route, const struct exchange *exchange, int64_t wall_us)
{
    static const uint8_t unkeyed[16] = {0};
    struct caller caller = judge(config, route, exchange, wall_us);
    if (caller.refusal != FAILURE_NONE)
        return 0;
    char text[ADDRESS_TEXT_SIZE];
    struct address address;
    uint64_t share = hash_sip(unkeyed,
                              caller.user != NULL ? caller.user->id : network_of(client_address(config, exchange, text), &address));
    return share == 0 ? 1 : share;
}

bool access_sees_providers(const struct request *request)
{
    const struct config *config = request->config;
    struct caller caller = {.refusal = FAILURE_NONE};
    judge_key(&caller, config, true, request->exchange, request->began_wall_us);
    if (caller.is_admin || !config->listen_is_loopback)
        return caller.is_admin;
    caller.refusal = FAILURE_NONE;
    if (keyring_count(config->keyring) == 0)
        judge_page(&caller, config, request->exchange);
    return caller.refusal == FAILURE_NONE;
}
