/* model_pages.c -- see model_pages.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/model_pages.h"
#include "base/json.h"
#include "gateway/answer.h"
#include "gateway/walker.h"
#include "gateway/worker.h"

/* Anthropic's clients say so in their head; the same path serves both dialects. */
static bool is_for_anthropic(const struct request *request)
{
    return request->exchange != NULL &&
           (exchange_header(request->exchange, "anthropic-version").len > 0 || exchange_header(request->exchange, "x-api-key").len > 0);
}

/* Names of models have slashes, and most SDKs encode them. The checker has seen to it that every % has its digits. */
static struct slice decoded(struct request *request, struct slice text)
{
    char *plain = arena_alloc(&request->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; plain != NULL && i < text.len; i++) {
        int coded = percent_byte((struct slice){text.ptr + i, text.len - i});
        plain[len++] = coded < 0 ? text.ptr[i] : (char)coded;
        i += coded < 0 ? 0 : 2;
    }
    return plain == NULL ? text : (struct slice){plain, len};
}

static void put_anthropic_model(struct buffer *out, const struct request *request, const struct model *model)
{
    const struct target *target = model->target_count > 0 ? model->targets[0] : NULL;
    char time[25];
    clock_format(request->worker->gateway->started_wall_us, time);
    buffer_append_lit(out, "{\"type\":\"model\",\"id\":");
    json_append_string(out, model->name);
    buffer_append_lit(out, ",\"display_name\":");
    json_append_string(out, model->name);
    buffer_printf(out, ",\"created_at\":\"%s\"", time);
    if (target != NULL && target->context > 0)
        buffer_printf(out, ",\"max_input_tokens\":%lld", (long long)target->context);
    if (target != NULL && target->model.max_output > 0)
        buffer_printf(out, ",\"max_tokens\":%lld", (long long)target->model.max_output);
    buffer_append_byte(out, '}');
}

static void put_model(struct buffer *out, const struct request *request, const struct model *model)
{
    if (is_for_anthropic(request)) {
        put_anthropic_model(out, request, model);
        return;
    }
    buffer_append_lit(out, "{\"id\":");
    json_append_string(out, model->name);
    buffer_append_lit(out, ",\"object\":\"model\",\"created\":");
    buffer_append_int(out, request->worker->gateway->started_wall_us / US_PER_S);
    buffer_append_lit(out, ",\"owned_by\":");
    json_append_string(out, model->target_count > 0 ? model->targets[0]->provider->name : LIT("gateway"));
    buffer_append_byte(out, '}');
}

static bool may_see(const struct request *request, const struct model *model)
{
    return request->user == NULL || user_may_use(request->user, model->name);
}

/* Which of the models a page holds: [from, to) of those that the caller may see. OpenAI's clients get them all. */
struct page {
    unsigned from, to;
    bool more;
};

static struct page page_of(struct request *request, const struct model **list, unsigned count)
{
    struct page page = {0, count, false};
    int64_t limit;
    if (!is_for_anthropic(request))
        return page;
    struct slice after = decoded(request, exchange_argument(request->exchange, "after_id"));
    struct slice before = decoded(request, exchange_argument(request->exchange, "before_id"));
    for (unsigned i = 0; i < count; i++) {
        page.from = after.len > 0 && slice_equals(list[i]->name, after) ? i + 1 : page.from;
        page.to = before.len > 0 && slice_equals(list[i]->name, before) ? i : page.to;
    }
    if (page.to < page.from)
        page.to = page.from;
    if (!slice_to_int(exchange_argument(request->exchange, "limit"), &limit) || limit < 1 || page.to - page.from <= (uint64_t)limit)
        return page;
    page.more = true;
    if (before.len > 0)
        page.from = page.to - (unsigned)limit;
    else
        page.to = page.from + (unsigned)limit;
    return page;
}

static void put_id(struct buffer *out, const char *key, const struct model *model)
{
    buffer_printf(out, ",\"%s\":", key);
    if (model == NULL)
        buffer_append_lit(out, "null");
    else
        json_append_string(out, model->name);
}

void model_page_list(struct request *request)
{
    const struct config *config = request->config;
    const struct model **list = arena_alloc(&request->arena, sizeof(struct model *) * (config->model_count + 1));
    unsigned count = 0;
    struct buffer out;
    buffer_init(&out, 4 * 1024 * 1024);
    buffer_append_slice(&out, is_for_anthropic(request) ? LIT("{\"data\":[") : LIT("{\"object\":\"list\",\"data\":["));
    for (unsigned i = 0; list != NULL && i < config->model_count; i++)
        if (may_see(request, &config->models[i]))
            list[count++] = &config->models[i];
    struct page page = page_of(request, list, count);
    for (unsigned i = page.from; i < page.to; i++) {
        if (i > page.from)
            buffer_append_byte(&out, ',');
        put_model(&out, request, list[i]);
    }
    buffer_append_byte(&out, ']');
    if (is_for_anthropic(request)) {
        buffer_append_slice(&out, page.more ? LIT(",\"has_more\":true") : LIT(",\"has_more\":false"));
        put_id(&out, "first_id", page.to > page.from ? list[page.from] : NULL);
        put_id(&out, "last_id", page.to > page.from ? list[page.to - 1] : NULL);
    }
    buffer_append_byte(&out, '}');
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}

/* What an Anthropic client is refused by. */
static const struct route unknown_model_messages = {"model", "GET", "", false, ACCESS_USER, PAGES_LISTED, &wire_anthropic, model_page_one};

void model_page_one(struct request *request)
{
    struct slice path = exchange_path(request->exchange), prefix = slice_of(request->route->path);
    struct slice name = decoded(request, (struct slice){path.ptr + prefix.len, path.len - prefix.len});
    struct holds look = {.arena = &request->arena, .only_looks = true};
    const struct model *model = config_model(request->config, name, &request->arena, &look);
    if (model == NULL || !may_see(request, model)) {
        struct failure failure = failure_make(FAILURE_NO_MODEL, LIT("The model does not exist or its provider is not on."));
        failure.param = LIT("model");
        if (is_for_anthropic(request))
            request->route = &unknown_model_messages;
        request_refuse(request, &failure);
        return;
    }
    struct buffer out;
    buffer_init(&out, 4096);
    put_model(&out, request, model);
    answer_json(request, 200, buffer_slice(&out));
    buffer_free(&out);
}
