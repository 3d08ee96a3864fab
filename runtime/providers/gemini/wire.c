/* wire.c -- the wire of Google's Gemini API (generativelanguage.googleapis.com) and of Gemini on Vertex AI. Its parts are listed in gemini.h.
 *
 * One wire for both: they differ in where they are, who asks, and a few fields. The model and what is asked of it stand in the path.
 * SPDX-License-Identifier: MIT */
#include "providers/gemini/gemini.h"
#include "providers/credentials/google.h"

/* ---------------------------------------------------------------- where */

static bool is_plain(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           (byte != '\0' && strchr("-._~@", byte) != NULL);
}

static void put_encoded(struct buffer *out, struct slice text, bool slashes)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        if (is_plain(text.ptr[i]) || (slashes && byte == '/')) {
            buffer_append_byte(out, text.ptr[i]);
        } else {
            char code[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            buffer_append(out, code, sizeof code);
        }
    }
}

/* Ids that name their collection are used as they are, if it is one that a client of ours may reach with our key: no other project's, and no way up. */
static bool is_path(bool vertex, const struct provider *provider, struct slice id)
{
    static const char *const own[] = {"models/", "tunedModels/"}, *const vertexes[] = {"publishers/", "endpoints/", "models/"};
    const char *const *names = vertex ? vertexes : own;
    unsigned count = vertex ? 3 : 2;
    if (slice_find(id, LIT("..")) != NULL || slice_find(id, LIT("//")) != NULL || slice_find(id, LIT("/./")) != NULL)
        return false;
    if (vertex && provider->project.len > 0 && slice_starts_with(id, LIT("projects/"))) {
        struct slice rest = {id.ptr + 9, id.len - 9};
        return slice_starts_with(rest, provider->project) && rest.len > provider->project.len && rest.ptr[provider->project.len] == '/';
    }
    for (unsigned i = 0; i < count; i++)
        if (slice_starts_with(id, slice_of(names[i])))
            return true;
    return false;
}

struct slice gemini_resource(const struct provider *provider, const struct model_facts *model, struct arena *arena)
{
    if (is_path(false, provider, model->model))
        return model->model;
    return arena_printf(arena, "models/%.*s", (int)model->model.len, model->model.ptr);
}

static void put_place(const struct provider *provider, struct buffer *out)
{
    if (provider->project.len == 0) /* with an API key ("express mode") there is none */
        return;
    buffer_append_lit(out, "/projects/");
    put_encoded(out, provider->project, false);
    buffer_append_lit(out, "/locations/");
    put_encoded(out, provider->location.len > 0 ? provider->location : LIT("global"), false);
}

static void write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model, enum operation operation,
                       bool stream, struct buffer *out)
{
    (void)wire;
    bool vertex = gemini_is_vertex(provider->vendor), path = is_path(vertex, provider, model->model);
    if (vertex && !(path && slice_starts_with(model->model, LIT("projects/"))))
        put_place(provider, out);
    buffer_append_slice(out, path ? LIT("/") : vertex ? LIT("/publishers/google/models/") : LIT("/models/"));
    put_encoded(out, model->model, path);
    if (operation == OPERATION_COUNT)
        buffer_append_lit(out, ":countTokens");
    else if (operation == OPERATION_EMBED)
        buffer_append_slice(out, vertex && gemini_is_predicted(model) ? LIT(":predict") : LIT(":batchEmbedContents"));
    else
        buffer_append_slice(out, stream ? LIT(":streamGenerateContent?alt=sse") : LIT(":generateContent"));
}

/* Vertex wants an OAuth token, or an API key, which is told by its first letters. A user's token says whose project pays. */
static void write_auth(const struct provider *provider, struct slice key, struct buffer *out)
{
    bool bearer = gemini_is_vertex(provider->vendor) && !slice_starts_with(key, LIT("AIza"));
    if (key.len == 0)
        return;
    buffer_append_slice(out, bearer ? LIT("Authorization: Bearer ") : LIT("x-goog-api-key: "));
    buffer_append_slice(out, key);
    buffer_append_lit(out, "\r\n");
    if (provider->credential == NULL || provider->credential->quota_project.len == 0)
        return;
    buffer_append_lit(out, "X-Goog-User-Project: ");
    buffer_append_slice(out, provider->credential->quota_project);
    buffer_append_lit(out, "\r\n");
}

const struct wire wire_gemini = {
    .name = "gemini",
    .write_path = write_path,
    .write_auth = write_auth,
    .write_request = gemini_write_request,
    .write_embed = gemini_write_embed,
    .write_count = gemini_write_count,
    .reader_size = sizeof(struct gemini_reader),
    .read_event = gemini_read_event,
    .read_answer = gemini_read_answer,
    .read_eof = gemini_read_eof,
    .read_failure = gemini_read_failure,
    .accept_stream = "text/event-stream",
};
