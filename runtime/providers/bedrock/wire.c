/* wire.c -- the wire of AWS Bedrock towards providers: Converse for chats, InvokeModel for embeddings, CountTokens. Its parts are listed in bedrock.h.
 * Sources: the API reference of Amazon Bedrock Runtime and botocore's model of it.
 * SPDX-License-Identifier: MIT */
#include "providers/bedrock/bedrock.h"
#include "providers/credentials/sigv4.h"

static void append_encoded(struct buffer *out, struct slice id)
{
    static const char digits[] = "0123456789ABCDEF";
    bool dots = slice_equals(id, LIT(".")) || slice_equals(id, LIT("..")); /* no name, but a way out of the folder */
    for (size_t i = 0; i < id.len; i++) {
        unsigned char byte = (unsigned char)id.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte != '\0' && strchr(dots ? "" : "-._~", byte) != NULL);
        const char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
        if (plain)
            buffer_append_byte(out, (char)byte);
        else
            buffer_append(out, code, sizeof code);
    }
}

/* COMPAT(bedrock, 2026-08): CountTokens wants the foundation model, not a profile of it ("us.anthropic.…"). */
static struct slice without_profile(struct slice id)
{
    static const struct slice places[] = {LIT("us."), LIT("eu."), LIT("apac."), LIT("global."),
                                          LIT("jp."), LIT("au."), LIT("ca."),   LIT("us-gov.")};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++)
        if (slice_starts_with(id, places[i]))
            return (struct slice){id.ptr + places[i].len, id.len - places[i].len};
    return id;
}

static void write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out)
{
    (void)wire;
    (void)provider;
    buffer_append_lit(out, "/model/");
    append_encoded(out, operation == OPERATION_COUNT ? without_profile(model->model) : model->model);
    if (operation == OPERATION_EMBED)
        buffer_append_lit(out, "/invoke");
    else if (operation == OPERATION_COUNT)
        buffer_append_lit(out, "/count-tokens");
    else
        buffer_append_slice(out, stream ? LIT("/converse-stream") : LIT("/converse"));
}

static void write_signature(const struct provider *provider, struct slice path, const struct slice *parts, unsigned part_count,
                            int64_t wall_us, struct buffer *out)
{
    const char *host = provider->origin.len == 0 ? NULL : slice_find(provider->origin, LIT("://"));
    struct sigv4 request = {
        .access_key_id = provider->access_key_id,
        .secret_access_key = provider->secret_access_key,
        .session_token = provider->session_token,
        .region = provider->region,
        .service = LIT("bedrock"),
        .content_type = LIT("application/json"),
        .path = path,
        .wall_us = wall_us,
    };
    if (host != NULL)
        request.host = (struct slice){host + 3, provider->origin.len - (size_t)(host + 3 - provider->origin.ptr)};
    sigv4_write(&request, parts, part_count, out);
}

const struct wire wire_bedrock = {
    .name = "bedrock",
    .stream_form = STREAM_AWS,
    .write_path = write_path,
    .write_auth = provider_write_bearer, /* an API key of Bedrock's own; without one requests are signed */
    .write_signature = write_signature,
    .write_request = bedrock_write_request,
    .write_embed = bedrock_write_embed,
    .write_count = bedrock_write_count,
    .reader_size = BEDROCK_READER_SIZE,
    .read_event = bedrock_read_event,
    .read_answer = bedrock_read_answer,
    .read_eof = bedrock_read_eof,
    .read_failure = bedrock_read_failure,
    .accept_stream = "application/vnd.amazon.eventstream",
};
