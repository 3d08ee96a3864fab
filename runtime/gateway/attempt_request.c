/* attempt_request.c -- what an attempt sends: the client's bytes with edits where both sides speak one wire, the body written anew elsewhere; and its head.
 * SPDX-License-Identifier: MIT */
#include "gateway/attempt.h"
#include "gateway/worker.h"
#include "providers/chat_check.h"
#include "providers/encode.h"
#include <stdio.h>
#include <unistd.h>

enum { LARGE_BODY = 64 * 1024, DROPPED_OWN = 4096 };

static const struct wire *client_wire(const struct attempt *attempt)
{
    return attempt->request->route->wire;
}

bool attempt_open_writer(struct attempt *attempt)
{
    struct request *request = attempt->request;
    const struct writer writer = {
        .wire = client_wire(attempt),
        .arena = &request->arena,
        .stream = request->facts.stream,
        .include_usage = request->facts.include_usage,
        .id = {request->id, 32},
        .model = attempt->target->model.model,
        .asked = request->model_name,
        .provider = attempt->target->provider->name,
        .body = request->body,
        .created = request->began_wall_us / US_PER_S,
        .estimated_input = request->input_tokens,
        .price = attempt->target->price,
    };
    return answer_open_writer(&attempt->answer, &writer);
}

static bool open_reader(struct attempt *attempt)
{
    struct request *request = attempt->request;
    const struct reader reader = {
        .wire = attempt->wire,
        .vendor = attempt->target->provider->vendor,
        .model = &attempt->target->model,
        .operation = client_wire(attempt)->operation,
        .arena = &request->arena,
        .asker = request,
        .stream = request->facts.stream,
    };
    return answer_open_reader(&attempt->answer, &reader);
}

/* ---------------------------------------------------------------- the body */

static struct complaint too_much(void)
{
    return (struct complaint){FAILURE_TOO_LARGE, LIT("the request needs more memory than one request may have"), SLICE_NONE};
}

/* The request in neutral form, read once for all attempts. */
static const struct chat *chat_of(struct request *request, struct complaint *complaint)
{
    if (request->chat != NULL)
        return request->chat;
    struct chat *chat = arena_zalloc(&request->arena, sizeof *chat);
    if (chat == NULL || !request->route->wire->read_chat(request->body, &request->arena, chat, complaint) ||
        !chat_check(chat, &request->arena, complaint))
        return NULL;
    for (struct tool *tool = chat->tools; request_is_large(request) && tool != NULL; tool = tool->next)
        tool->name_raw = arena_copy(&request->arena, tool->name_raw); /* answers need the names after the body was freed */
    *complaint = too_much();                                          /* an old complaint of the reader would be the wrong reason */
    if (request->arena.overflow) /* a tool name that could not be copied must not look like a tool without a name */
        return NULL;
    chat->asker = request;
    request->chat = chat;
    return chat;
}

static bool write_body(struct attempt *attempt, struct buffer *dropped, struct complaint *complaint)
{
    struct request *request = attempt->request;
    const struct target *target = attempt->target;
    const struct wire *client = client_wire(attempt), *wire = attempt->wire;
    struct encode encode = {.provider = target->provider,
                            .model = &target->model,
                            .arena = &request->arena,
                            .out = &attempt->encoded,
                            .dropped = dropped,
                            .complaint = complaint};
    if (client->operation == OPERATION_EMBED) {
        struct embed embed;
        if (!client->read_embed(request->body, &request->arena, &embed, complaint))
            return false;
        *complaint = too_much();
        buffer_append_slice(dropped, embed.dropped);
        encode.embed = &embed;
        return wire->write_embed(&encode);
    }
    encode.chat = attempt->answer.reader->chat = chat_of(request, complaint);
    if (encode.chat == NULL)
        return false;
    buffer_append_slice(dropped, encode.chat->dropped);
    return (client->operation == OPERATION_COUNT ? wire->write_count : wire->write_request)(&encode);
}

/* The names in a form that a header may carry: printable, very long ones cut, and "..." for those that exceed the header. */
static struct slice show_dropped(struct arena *arena, struct slice names)
{
    enum { HEADER_MAX = 1024, NAME_MAX = 80 };
    char *text = arena_alloc(arena, HEADER_MAX + NAME_MAX + 8), *at = text;
    if (text == NULL)
        return SLICE_NONE;
    for (size_t i = 0, in_name = 0; i < names.len; i++) {
        bool comma = names.ptr[i] == ',';
        if (comma && at - text >= HEADER_MAX) {
            at = mempcpy(at, ", ...", 5);
            break;
        }
        in_name = comma ? 0 : in_name + 1;
        if (in_name == NAME_MAX)
            at = mempcpy(at, "...", 3);
        else if (in_name < NAME_MAX)
            *at++ = names.ptr[i] < ' ' || names.ptr[i] > '~' ? '?' : names.ptr[i];
    }
    *at = '\0';
    return (struct slice){text, (size_t)(at - text)};
}

/* Names the dropped parameters to the client; with drop_params = false the request is refused instead. */
static bool may_drop(struct attempt *attempt, struct slice dropped, struct complaint *complaint)
{
    struct request *request = attempt->request;
    if (dropped.len == 0)
        return true;
    struct slice shown = request->dropped = show_dropped(&request->arena, dropped);
    if (attempt->target->provider->drop_params)
        return true;
    complaint->kind = FAILURE_UNSUPPORTED_PARAMETER;
    complaint->message = arena_printf(&request->arena, "the provider of this model does not know: %.*s", (int)shown.len, shown.ptr);
    const char *comma = shown.len == 0 ? NULL : memchr(shown.ptr, ',', shown.len);
    complaint->param = (struct slice){shown.ptr, comma == NULL ? shown.len : (size_t)(comma - shown.ptr)};
    return false;
}

/* The body in another form, or in the same one where edits do not suffice. */
static bool encode_body(struct attempt *attempt, struct complaint *complaint)
{
    struct request *request = attempt->request;
    struct buffer dropped;
    buffer_init_counted(&dropped, request->body.len + DROPPED_OWN,
                        arena_memory(&request->arena)); /* no list of names is longer than the body that named them */
    /* In another form a body is about as long: images are copied once, not again at each growth. */
    if (request->body.len > LARGE_BODY)
        buffer_reserve(&attempt->encoded, request->body.len + request->body.len / 16);
    bool ok = write_body(attempt, &dropped, complaint) && may_drop(attempt, buffer_slice(&dropped), complaint);
    attempt->encoded.starved |= dropped.starved; /* a cut list would hide a parameter that was dropped */
    ok = ok && !dropped.starved;
    buffer_free(&dropped);
    attempt->parts[1] = buffer_slice(&attempt->encoded);
    attempt->part_count = 2;
    return ok && !attempt->encoded.overflow && !request->arena.overflow;
}

static bool is_possible(const struct attempt *attempt, struct complaint *complaint)
{
    if (attempt->answer.writer != NULL && attempt->request->facts.answer_count > WRITTEN_CHOICES_MAX) {
        *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER,
                                        LIT("the answers of this provider are written anew, with 32 choices at most"), LIT("n")};
        return false;
    }
    if (client_wire(attempt)->operation != OPERATION_EMBED || attempt->wire->write_embed != NULL || attempt->wire == client_wire(attempt))
        return true;
    *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER, LIT("the provider of this model has no embeddings"), LIT("model")};
    return false;
}

static bool prepare_body(struct attempt *attempt, struct complaint *complaint)
{
    struct request *request = attempt->request;
    const struct provider *provider = attempt->target->provider;
    const struct wire *client = client_wire(attempt);
    bool repaired = (provider->vendor->quirks & VENDOR_REPAIR) && attempt->wire == provider->vendor->wire;
    bool passes = attempt->wire == client && !repaired;
    request->dropped = SLICE_NONE;
    if ((!passes && !attempt_open_writer(attempt)) || !is_possible(attempt, complaint))
        return false;
    if (client->operation == OPERATION_COUNT && attempt->wire != client && attempt->wire->write_count == NULL)
        return true; /* without parts */
    if (attempt->wire == client) {
        struct edit *edits = arena_alloc(&request->arena, sizeof *edits * EDITS_MAX);
        int count = edits == NULL
                        ? -1
                        : attempt->wire->edits(request->body, &request->facts, provider, &attempt->target->model, &request->arena, edits);
        if (count >= 0) {
            attempt->part_count = 1 + edits_apply(request->body, edits, (unsigned)count, attempt->parts + 1, ATTEMPT_PARTS_MAX - 1);
            return true;
        }
    }
    return encode_body(attempt, complaint);
}

/* ---------------------------------------------------------------- the head */

static char *put(char *at, struct slice text)
{
    return text.len == 0 ? at : mempcpy(at, text.ptr, text.len);
}

/* The attempt gets a copy of the access token, which may be replaced meanwhile. False: it has expired since the target was chosen. */
static bool take_token(struct attempt *attempt, struct complaint *complaint)
{
    struct request *request = attempt->request;
    struct access_token *token = request->config->access_tokens[attempt->target->provider->index];
    if (token != NULL) {
        *complaint = (struct complaint){FAILURE_NO_TARGET, LIT("there is no access token for this provider now"), SLICE_NONE};
        attempt->access_token = access_token_copy(token, loop_now_us(request->worker->loop), &request->arena);
    }
    return token == NULL || attempt->access_token.len > 0;
}

void attempt_note_token(const struct attempt *attempt)
{
    const struct request *request = attempt->request;
    struct access_token *token = request->config->access_tokens[attempt->target->provider->index];
    uint64_t one = 1;
    if (token != NULL && attempt->failure.status == 401 &&
        access_token_refused(token, attempt->access_token, loop_now_us(request->worker->loop)) &&
        write(request->worker->gateway->token_fd, &one, sizeof one) < 0)
        return; /* the keeper was woken already */
}

/* The next key of the key pool, or the access token; without either the request may be signed. */
static void write_auth(struct attempt *attempt, struct slice path, struct buffer *out)
{
    const struct request *request = attempt->request;
    const struct provider *provider = attempt->target->provider;
    bool has_key = attempt->access_token.len == 0 && provider->key_count > 0;
    struct slice credential = has_key ? provider->keys[attempt->key] : attempt->access_token;
    if (credential.len > 0 || has_key || attempt->wire->write_signature == NULL)
        attempt->wire->write_auth(provider, credential, out);
    else
        attempt->wire->write_signature(provider, path, attempt->parts + 1, attempt->part_count - 1, loop_wall_us(request->worker->loop),
                                       out);
}

/* The client's headers that are sent on: the betas it asks for, to a provider of its own dialect. */
static void write_client_headers(const struct attempt *attempt, struct buffer *out)
{
    const struct request *request = attempt->request;
    enum { VALUE_MAX = 1024 };
    const char *name = attempt->wire == client_wire(attempt) ? attempt->wire->forwards : NULL;
    struct slice value = name != NULL && request->exchange != NULL ? exchange_header(request->exchange, name) : SLICE_NONE;
    if (value.len > 0 && value.len <= VALUE_MAX)
        buffer_write(out, "%: %\r\n", slice_of(name), value);
}

/* Everything up to "Content-Length: " that does not come with the request: made at load for conversations, written now for the rest. */
static void write_static(struct attempt *attempt, struct slice *made, struct buffer *own)
{
    const struct request *request = attempt->request;
    const struct target *target = attempt->target;
    enum operation operation = client_wire(attempt)->operation;
    bool stream = request->facts.stream;
    if (attempt->wire == target->provider->vendor->wire && operation == OPERATION_CHAT && target->head_has_auth) {
        *made = stream ? target->head_stream : target->head_json;
    } else {
        struct buffer path;
        buffer_init(&path, 16 * 1024);
        target_write_path(target, attempt->wire, operation, stream, &path);
        target_write_head(target, attempt->wire, buffer_slice(&path), stream, own);
        write_auth(attempt, buffer_slice(&path), own);
        buffer_free(&path);
    }
    write_client_headers(attempt, own);
}

static bool prepare_head(struct attempt *attempt)
{
    struct request *request = attempt->request;
    struct slice made = SLICE_NONE;
    struct buffer own;
    size_t body_len = 0;
    uint64_t span_id = worker_random64(request->worker);

    for (unsigned i = 1; i < attempt->part_count; i++)
        body_len += attempt->parts[i].len;
    buffer_init(&own, 64 * 1024);
    write_static(attempt, &made, &own);
    char *head = own.overflow ? NULL : arena_alloc(&request->arena, made.len + own.len + 256), *at = head;
    if (head != NULL) {
        at = put(at, made);
        at = put(at, buffer_slice(&own));
        at = put(at, LIT("X-Request-ID: "));
        at = put(at, (struct slice){request->id, 32});
        at = put(at, LIT("\r\ntraceparent: 00-"));
        at = put(at, request->trace_id);
        *at++ = '-';
        hash_to_hex((const uint8_t *)&span_id, sizeof span_id, at);
        at = put(at + 16, LIT("-01\r\nContent-Length: "));
        at += snprintf(at, 24, "%zu", body_len);
        at = put(at, LIT("\r\n\r\n"));
        attempt->parts[0] = (struct slice){head, (size_t)(at - head)};
    }
    buffer_free(&own);
    return head != NULL;
}

bool attempt_prepare(struct attempt *attempt, struct complaint *complaint)
{
    *complaint = too_much();
    return open_reader(attempt) && prepare_body(attempt, complaint) &&
           (attempt->part_count == 0 || (take_token(attempt, complaint) && prepare_head(attempt)));
}
