/* heads.c -- request heads that are the same for every request to a target, made once.
 * SPDX-License-Identifier: MIT */
#include "config/config_private.h"

enum { HEAD_MAX = 64 * 1024 };

/* The authority of the origin: RFC 9112 3.2 wants it in Host. The embedded mock has no origin before it runs. */
static struct slice host_of(struct slice origin)
{
    const char *at = origin.len == 0 ? NULL : slice_find(origin, LIT("://"));
    return at == NULL ? LIT("localhost") : (struct slice){at + 3, origin.len - (size_t)(at + 3 - origin.ptr)};
}

static void write_own_headers(const struct provider *provider, struct buffer *out)
{
    for (unsigned i = 0; i < provider->header_count; i++) {
        buffer_append_slice(out, provider->header_names[i]);
        buffer_append_lit(out, ": ");
        buffer_append_slice(out, provider->header_values[i]);
        buffer_append_lit(out, "\r\n");
    }
}

void target_write_path(const struct target *target, const struct wire *wire, enum operation operation, bool stream, struct buffer *out)
{
    buffer_append_slice(out, target->provider->path);
    wire->write_path(wire, target->provider, &target->model, operation, stream, out);
}

void target_write_head(const struct target *target, const struct wire *wire, struct slice path, bool stream, struct buffer *out)
{
    const struct provider *provider = target->provider;
    buffer_append_lit(out, "POST ");
    buffer_append_slice(out, path);
    buffer_append_lit(out, " HTTP/1.1\r\nHost: ");
    buffer_append_slice(out, host_of(provider->origin));
    buffer_append_lit(out, "\r\nUser-Agent: gateway/" GATEWAY_VERSION "\r\nContent-Type: application/json\r\nAccept: ");
    buffer_append_slice(out, stream && wire->accept_stream != NULL ? slice_of(wire->accept_stream) : LIT("application/json"));
    buffer_append_lit(out, "\r\nAccept-Encoding: identity\r\n");
    write_own_headers(provider, out);
}

static struct slice made_head(const struct target *target, struct arena *arena, bool stream)
{
    const struct provider *provider = target->provider;
    const struct wire *wire = provider->vendor->wire;
    struct buffer path, head;
    buffer_init(&path, HEAD_MAX);
    buffer_init(&head, HEAD_MAX);
    target_write_path(target, wire, OPERATION_CHAT, stream, &path);
    target_write_head(target, wire, buffer_slice(&path), stream, &head);
    wire->write_auth(provider, provider->key_count == 1 ? provider->keys[0] : SLICE_NONE, &head);
    struct slice made = head.overflow || path.overflow ? SLICE_NONE : arena_copy(arena, buffer_slice(&head));
    buffer_free(&path);
    buffer_free(&head);
    return made;
}

bool config_fill_heads(struct target *target, struct arena *arena)
{
    const struct provider *provider = target->provider;
    target->head_json = made_head(target, arena, false);
    target->head_stream = made_head(target, arena, true);
    /* Keys of a key pool alternate, a signature covers the body, an access token is renewed: so auth comes with each request. */
    target->head_has_auth = provider->key_count == 1 ||
                            (provider->key_count == 0 && provider->vendor->wire->write_signature == NULL && provider->credential == NULL);
    return target->head_json.len > 0 && target->head_stream.len > 0;
}

bool config_write_heads(struct config *config, struct target *target)
{
    return config_fill_heads(target, &config->arena);
}

static void begin_get(struct slice origin, struct slice path, struct buffer *out)
{
    buffer_init(out, HEAD_MAX);
    buffer_append_lit(out, "GET ");
    buffer_append_slice(out, path);
    buffer_append_lit(out, " HTTP/1.1\r\nHost: ");
    buffer_append_slice(out, host_of(origin));
    buffer_append_lit(out, "\r\nUser-Agent: gateway/" GATEWAY_VERSION
                           "\r\nAccept: application/json\r\nAccept-Encoding: identity\r\nConnection: close\r\n");
}

static bool end_get(struct config *config, struct buffer *head, struct slice *made)
{
    buffer_append_lit(head, "\r\n");
    *made = head->overflow ? SLICE_NONE : arena_copy(&config->arena, buffer_slice(head));
    buffer_free(head);
    return made->len > 0;
}

/* With the first key of a key pool. Where requests are signed the check is sent without a signature: a 403 shows that the provider is alive. */
bool config_write_check(struct config *config, const struct provider *provider, struct check *check)
{
    struct buffer head;
    begin_get(provider->origin, check->path, &head);
    write_own_headers(provider, &head);
    provider->vendor->wire->write_auth(provider, provider->key_count > 0 ? provider->keys[0] : SLICE_NONE, &head);
    return end_get(config, &head, &check->head);
}

bool config_write_board(struct config *config, struct slice path)
{
    struct buffer head;
    begin_get(config->board.origin, path, &head);
    return end_get(config, &head, &config->board.head);
}
