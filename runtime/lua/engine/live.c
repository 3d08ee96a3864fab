/* live.c -- what changes of a target: pictures of its health, taken at most once a turn of the loop, and what follows from them.
 *
 * Most strategies look at a glance; a whole view, with its percentiles, is taken only where it is asked for.
 * SPDX-License-Identifier: MIT */
#include "gateway/worker.h"
#include "lua/script.h"
#include <math.h>

static int64_t turn_us(const struct script *script) /* -1: no request is deciding */
{
    return script->deciding == NULL ? -1 : loop_now_us(script->deciding->request->worker->loop);
}

static struct live *live_of(struct script *script, const struct target *target)
{
    struct live **at = &script->live[target->index];
    if (*at == NULL)
        *at = xcalloc(1, sizeof **at);
    return *at;
}

const struct health_view *target_view(struct script *script, const struct target *target)
{
    struct live *live = live_of(script, target);
    int64_t now_us = turn_us(script);
    if (live->at_us == now_us && now_us != 0)
        return &live->view;
    live->at_us = now_us;
    live->view = (struct health_view){.success_rate = 1,
                                      .first_token_ms = NAN,
                                      .per_token_ms = NAN,
                                      .p50_ms = NAN,
                                      .p95_ms = NAN,
                                      .p99_ms = NAN,
                                      .first_token_p95_ms = NAN};
    if (target->health != NULL && now_us >= 0)
        health_view(target->health, now_us, &live->view);
    return &live->view;
}

const struct health_glance *target_glance(struct script *script, const struct target *target)
{
    struct live *live = live_of(script, target);
    int64_t now_us = turn_us(script);
    if (live->glanced_us == now_us && now_us != 0)
        return &live->glance;
    live->glanced_us = now_us;
    live->glance = (struct health_glance){.first_token_ms = NAN, .per_token_ms = NAN, .whole_ms = NAN};
    if (target->health != NULL && now_us >= 0)
        health_glance(target->health, &live->glance);
    return &live->glance;
}

/* ---------------------------------------------------------------- how long this request would take */

enum { PACES_MAX = 64 };

/* Without a stream the time per token is that of the whole answer; where tokens were never counted, a whole answer is all we know. */
static double measured_ms(struct script *script, const struct target *target, int64_t tokens)
{
    const struct health_glance *glance = target_glance(script, target);
    if (isnan(glance->per_token_ms))
        return glance->whole_ms;
    return (isnan(glance->first_token_ms) ? 0 : glance->first_token_ms) + glance->per_token_ms * (double)tokens;
}

/* The (lower) median of what was measured among the candidates, the first PACES_MAX of them; NAN: nothing was. */
static double pool_ms(struct script *script, const struct request *request)
{
    double paces[PACES_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < request->target_count && count < PACES_MAX; i++) {
        double ms = measured_ms(script, request->targets[i], request->expected_tokens);
        unsigned at = count;
        if (isnan(ms))
            continue;
        for (count++; at > 0 && paces[at - 1] > ms; at--)
            paces[at] = paces[at - 1];
        paces[at] = ms;
    }
    return count == 0 ? NAN : paces[(count - 1) / 2];
}

/* A target that was never measured is neither avoided nor flooded: it counts as the median of the model's measured targets. */
double target_expected_ms(struct script *script, const struct target *target)
{
    const struct request *request = script->deciding->request;
    double ms = measured_ms(script, target, request->expected_tokens);
    if (!isnan(ms))
        return ms;
    struct model_pace *pace = &script->pace, wanted = {request->model, turn_us(script), request->expected_tokens, NAN};
    if (pace->model != wanted.model || pace->at_us != wanted.at_us || pace->tokens != wanted.tokens) {
        wanted.ms = pool_ms(script, request);
        *pace = wanted;
    }
    return pace->ms;
}
