/* greeting.c -- see greeting.h.
 * SPDX-License-Identifier: MIT */
#include "process/greeting.h"
#include "base/json.h"
#include <stdio.h>

enum { GREETING_MAX = 1024 * 1024 };

static void put_try(struct buffer *out, const struct config *config, const struct listen_address *address)
{
    struct slice model = config->wants_mock ? LIT("mock/hello") : config->model_count > 0 ? config->models[0].name : LIT("MODEL");
    buffer_printf(out, "curl http://%s/v1/chat/completions -d '{\"model\":", address->local);
    json_append_string(out, model);
    buffer_append_lit(out, ",\"messages\":[{\"role\":\"user\",\"content\":\"Hello!\"}]}'");
    if (config->user_count > 0)
        buffer_append_lit(out, " -H 'Authorization: Bearer KEY'");
}

/* Why the admin routes answer 401 to every caller, and what to do; NULL: they work. */
static const char *why_admin_is_closed(const struct config *config)
{
    if (config->has_admin_key || (config->user_count == 0 && config->listen_is_loopback))
        return NULL;
    return "closed: no admin key is set (config: admin = { key = env 'GATEWAY_ADMIN_KEY' })";
}

void greet_people(struct buffer *out, const struct config *config, const struct listen_address *address, unsigned workers)
{
    buffer_printf(out, "gateway %s on http://%s, %u worker%s\n", GATEWAY_VERSION, address->bound, workers, workers == 1 ? "" : "s");
    for (unsigned i = 0; i < config->status_count; i++) {
        const struct provider_status *status = &config->statuses[i];
        buffer_printf(out, "  %-12.*s %s%.*s\n", (int)status->name.len, status->name.ptr,
                      status->why_off.len == 0 ? "on" : "off: ", (int)status->why_off.len, status->why_off.ptr);
    }
    if (why_admin_is_closed(config) != NULL)
        buffer_printf(out, "  admin routes %s\n", why_admin_is_closed(config));
    buffer_append_lit(out, "try:\n  ");
    put_try(out, config, address);
    buffer_append_byte(out, '\n');
}

static void put_status(struct buffer *out, const struct provider_status *status)
{
    struct buffer text;
    buffer_init(&text, GREETING_MAX);
    buffer_printf(&text, "%s%.*s", status->why_off.len == 0 ? "on" : "off: ", (int)status->why_off.len, status->why_off.ptr);
    json_append_string(out, status->name);
    buffer_append_byte(out, ':');
    json_append_string(out, buffer_slice(&text));
    buffer_free(&text);
}

static void greet_machines(struct buffer *out, const struct config *config, const struct listen_address *address, unsigned workers)
{
    struct buffer text;
    buffer_init(&text, GREETING_MAX);
    put_try(&text, config, address);
    log_begin(out, clock_wall_us(), LOG_INFO, "start");
    buffer_printf(out, ",\"version\":\"%s\",\"address\":\"http://%s\",\"workers\":%u,\"providers\":{", GATEWAY_VERSION, address->bound,
                  workers);
    for (unsigned i = 0; i < config->status_count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        put_status(out, &config->statuses[i]);
    }
    buffer_append_byte(out, '}');
    if (why_admin_is_closed(config) != NULL)
        buffer_printf(out, ",\"admin\":\"%s\"", why_admin_is_closed(config));
    buffer_append_lit(out, ",\"try\":");
    json_append_string(out, buffer_slice(&text));
    buffer_append_byte(out, '}');
    buffer_free(&text);
}

void greet(struct log *log, const struct config *config, const struct listen_address *address, unsigned workers)
{
    struct buffer out;
    buffer_init(&out, GREETING_MAX);
    if (log_format(log) == LOG_TEXT) {
        greet_people(&out, config, address, workers);
        fwrite(out.ptr, 1, out.len, stderr);
    } else {
        greet_machines(&out, config, address, workers);
        log_line(log, buffer_slice(&out));
    }
    buffer_free(&out);
}
