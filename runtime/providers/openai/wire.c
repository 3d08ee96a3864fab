/* wire.c -- the wire of OpenAI's chat completions, both ways. Its parts are listed in openai.h.
 * Sources: OpenAI's API reference and SDKs; deviations of vendors are rows in vendors.c.
 * SPDX-License-Identifier: MIT */
#include "providers/openai/openai.h"

bool openai_is_before(const struct provider *provider, struct slice day)
{
    return (provider->vendor->quirks & VENDOR_AZURE) && provider->dated_api && provider->api_version.len >= day.len &&
           memcmp(provider->api_version.ptr, day.ptr, day.len) < 0;
}

/* COMPAT(azure, 2026-08): the dated API names the deployment in the path and the version in the query; the v1 API looks like OpenAI's, and has a
 * version "preview". */
void openai_write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out)
{
    static const char hex[] = "0123456789ABCDEF";
    if (!(provider->vendor->quirks & VENDOR_AZURE) || !provider->dated_api) {
        provider_write_path(wire, provider, model, operation, stream, out);
        if ((provider->vendor->quirks & VENDOR_AZURE) && slice_equals(provider->api_version, LIT("preview")))
            buffer_append_lit(out, "?api-version=preview");
        return;
    }
    bool dots = slice_equals(model->model, LIT(".")) || slice_equals(model->model, LIT("..")); /* no name, but a way out of the folder */
    buffer_append_lit(out, "/deployments/");
    for (size_t i = 0; i < model->model.len; i++) {
        unsigned char byte = (unsigned char)model->model.ptr[i];
        bool plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
                     (byte != 0 && strchr(dots ? "" : "-._~", byte) != NULL);
        if (!plain) { /* RFC 3986, section 2.1 */
            buffer_append_byte(out, '%');
            buffer_append_byte(out, hex[byte >> 4]);
        }
        buffer_append_byte(out, plain ? (char)byte : hex[byte & 15]);
    }
    provider_write_path(wire, provider, model, operation, stream, out);
    buffer_append_lit(out, "?api-version=");
    buffer_append_slice(out, provider->api_version);
}

/* A token of Microsoft Entra is a JSON web token: base64 of {" */
static bool is_web_token(struct slice key)
{
    return slice_starts_with(key, LIT("eyJ"));
}

void openai_write_auth(const struct provider *provider, struct slice key, struct buffer *out)
{
    if (key.len == 0)
        return;
    bool azure_key = (provider->vendor->quirks & VENDOR_AZURE) && !is_web_token(key);
    buffer_append_slice(out, azure_key ? LIT("api-key: ") : LIT("Authorization: Bearer "));
    buffer_append_slice(out, key);
    buffer_append_lit(out, "\r\n");
    if (strcmp(provider->vendor->name, "github") == 0)
        buffer_append_lit(out, "X-GitHub-Api-Version: 2022-11-28\r\n");
}

const struct wire wire_openai = {
    .name = "openai",
    .read_facts = openai_read_facts,
    .read_chat = openai_read_chat,
    .writer_size = OPENAI_WRITER_SIZE,
    .writer_begin = openai_writer_begin,
    .write_event = openai_write_event,
    .writer_end = openai_writer_end,
    .write_failure = openai_write_failure,
    .failure_status = openai_failure_status,
    .paths = {"/chat/completions"},
    .write_path = openai_write_path,
    .write_auth = openai_write_auth,
    .write_request = openai_write_request,
    .edits = openai_edits,
    .reader_size = OPENAI_READER_SIZE,
    .read_event = openai_read_event,
    .read_answer = openai_read_answer,
    .read_eof = openai_read_eof,
    .read_failure = openai_read_failure,
    .refine_failure = openai_refine_failure,
    .accept_stream = "text/event-stream",
    .ping = ": ping\n\n",
    .end_marker = "data: [DONE]\n\n",
};
