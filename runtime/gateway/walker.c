/* walker.c -- see walker.h.
 * SPDX-License-Identifier: MIT */
#include "gateway/walker.h"
#include "gateway/answer.h"
#include "gateway/attempt.h"
#include "gateway/body.h"
#include "gateway/capacity.h"
#include "gateway/life.h"
#include "gateway/limits.h"
#include "gateway/waiting.h"
#include "gateway/worker.h"

static enum cause cause_of(const struct failure *failure)
{
    switch (failure->kind) {
    case FAILURE_LIMITED:
        return CAUSE_LIMITED;
    case FAILURE_CANCELED:
        return CAUSE_CLIENT_CLOSED;
    case FAILURE_POLICY_ERROR:
    case FAILURE_POLICY_TIMEOUT:
    case FAILURE_POLICY_MEMORY:
    case FAILURE_POLICY_BAD_PLAN:
    case FAILURE_POLICY_BAD_RESULT:
    case FAILURE_POLICY_UNKNOWN_TARGET:
    case FAILURE_POLICY_DISABLED:
        return CAUSE_POLICY;
    default:
        return failure_row(failure->kind)->follows & FAILURE_OURS ? CAUSE_REFUSED : CAUSE_FAILED;
    }
}

/* A stream that was cut, or a provider that does not count: the tokens are billed all the same. */
static struct usage usage_of(const struct request *request, const struct attempt *winner)
{
    bool reserved = request->limits != NULL && request->limits->facts[LIMIT_TOKENS].limit > 0;
    if (!winner->answer.content && !winner->left)
        return winner->answer.usage;
    return attempt_billed(winner, reserved ? request->limits->reservation.tokens : 0);
}

static void finish(struct request *request, enum cause cause)
{
    request->over = true;
    request->cause = cause;
    request->ask = NULL;
    request->ended_us = loop_now_us(request->worker->loop);
    loop_timer_clear(request->worker->loop, &request->timer);
    if (request->winner != NULL) {
        request->usage = usage_of(request, request->winner);
        request->finish = request->winner->answer.finish;
        request->served = request->winner->target;
        request->cost_pico = request_usage_pico(request);
        if (cause == CAUSE_OK && request->model->stats != NULL && request->usage.known && request->usage.output > 0)
            model_answered(request->stats, request->usage.output + (request->usage.reasoning > 0 ? request->usage.reasoning : 0));
        request->first_content_us = request->walk.attempts[request->winner->number].content_us;
    }
    waiting_leave(request);
    capacity_drop(request);
    limits_settle(request);
}

static void on_answer(struct request *request, struct attempt *winner)
{
    request->winner = winner;
    if (!request->facts.stream) {
        answer_whole(request);
    } else {
        if (!request->streaming)
            answer_stream(request);
        attempt_commit(winner);
        if (request->exchange != NULL && !request->gone)
            exchange_end(request->exchange, true);
    }
    finish(request, CAUSE_OK);
}

static void on_fail(struct request *request, const struct failure *failure)
{
    /* Copied: its slices lie in the arena, but the walk's own record may be written over. */
    struct failure shown = *failure;
    answer_failure(request, &shown);
    finish(request, cause_of(&shown));
}

/* `last`: what was read on for its usage, or NULL. */
static void on_gone(struct request *request, struct attempt *last)
{
    if (last != NULL)
        request->winner = last;
    request->failure = failure_make(FAILURE_CANCELED, LIT("the client closed the connection"));
    request->status = 499;
    finish(request, CAUSE_CLIENT_CLOSED);
}

static bool lingers(const struct request *request)
{
    for (unsigned i = 0; i < request->walk.attempt_count; i++)
        if (request->attempts[i] != NULL && request->attempts[i]->answer.ended && request->attempts[i]->call != NULL)
            return true;
    return false;
}

static void set_wake(struct request *request, int64_t at_us)
{
    struct loop *loop = request->worker->loop;
    if (lingers(request) && at_us > loop_now_us(loop) + ATTEMPT_LINGER_US)
        at_us = loop_now_us(loop) + ATTEMPT_LINGER_US;
    loop_timer_set(loop, &request->timer, at_us);
}

/* True: the pipeline must be told. */
static bool carry_out(struct request *request, const struct walk_action *action)
{
    switch (action->kind) {
    case ACTION_START:
        attempt_start(request, action);
        return false;
    case ACTION_CANCEL:
        attempt_cancel(request->attempts[action->attempt]);
        return false;
    case ACTION_WAKE:
        set_wake(request, action->at_us);
        return false;
    case ACTION_COMMIT:
        request->winner = request->attempts[action->attempt];
        answer_stream(request);
        attempt_commit(request->winner);
        return false;
    case ACTION_PING:
        attempt_ping(request->winner);
        return false;
    case ACTION_ASK:
        request->ask = action->failure;
        return true;
    case ACTION_ANSWER:
        on_answer(request, request->attempts[action->attempt]);
        return true;
    case ACTION_FAIL:
        on_fail(request, action->failure);
        return true;
    case ACTION_OVER:
        on_gone(request, action->attempt == WALK_NO_ATTEMPT ? NULL : request->attempts[action->attempt]);
        return true;
    }
    return false;
}

static void drain(struct request *request)
{
    struct walk_action action;
    bool tell = false;
    while (walk_next(&request->walk, &action))
        tell |= carry_out(request, &action);
    request_drop_body(request);
    if (tell)
        request_wake_script(request);
}

static void on_timer(struct timer *timer)
{
    struct request *request = container_of(timer, struct request, timer);
    for (unsigned i = 0; i < request->walk.attempt_count; i++) {
        struct attempt *attempt = request->attempts[i];
        if (attempt == NULL || attempt_conclude(attempt) || !attempt->paused)
            continue;
        /* The client is slow, not the provider, and has enough to read. */
        request_event(request, &(struct walk_event){.kind = WALK_CHUNK, .attempt = attempt->number, .wrote = true});
    }
    request_event(request, &(struct walk_event){.kind = WALK_TIME});
    drain(request);
}

void request_gone(struct request *request)
{
    request->gone = true;
    if (wait_queue_holds(&request->wait)) {
        on_gone(request, NULL);
        request_wake_script(request);
        return;
    }
    if (!request->walk_begun || walk_is_over(&request->walk))
        return;
    request_event(request, &(struct walk_event){.kind = WALK_GONE});
    unsigned last = walk_read_on(&request->walk);
    if (last != WALK_NO_ATTEMPT)
        attempt_read_on(request->attempts[last]);
    drain(request);
}

void request_cut(struct request *request)
{
    struct failure failure = failure_make(FAILURE_DRAINING, LIT("The gateway is stopping."));
    if (request->over || request->waits_for_reload)
        return;
    if (request->walk_begun && walk_read_on(&request->walk) != WALK_NO_ATTEMPT) { /* the client has left */
        request_event(request, &(struct walk_event){.kind = WALK_STOP});
        drain(request);
        return;
    }
    request_refuse(request, &failure);
    request_wake_script(request);
}

void request_drained(struct request *request)
{
    struct attempt *winner = request->winner;
    if (winner == NULL || !winner->paused)
        return;
    winner->paused = false;
    if (winner->call != NULL)
        call_resume(winner->call);
}

/* ---------------------------------------------------------------- what the pipeline calls */

/* Well below the minute after which load balancers (nginx's proxy_read_timeout, AWS's ALB) cut a silent stream. Anthropic's API pings
 * about as often, and its clients rely on that. */
static const int64_t PING_US = 15 * US_PER_S;

static void begin_walk(struct request *request)
{
    struct walk_settings settings = request->config->walk;
    settings.stream = request->facts.stream;
    settings.replay_uncertain = settings.replay_uncertain && request->replayable;
    request_look_at_stats(request, &settings);
    settings.fallback = request->fallback;
    settings.ping_us = PING_US;
    settings.seed = worker_random64(request->worker);
    if (request->time_us > 0 && (settings.total_us == 0 || request->time_us < settings.total_us))
        settings.total_us = request->time_us;
    request->timer.due = on_timer;
    request->drain = drain;
    walk_begin(&request->walk, &settings, loop_now_us(request->worker->loop));
    request->walk_begun = true;
}

static bool is_healthy(struct request *request, const struct target *target)
{
    return target->health == NULL || health_is_healthy(target->health, loop_now_us(request->worker->loop));
}

/* Without spare attempts of the model a fallback goes to healthy targets only: in an outage each request would otherwise try them
 * all. The first attempt of a request is always made. */
static void leave_out_hopeless(struct request *request, struct plan *plan)
{
    unsigned kept = 0;
    if (request->walk.attempt_count == 0 || model_has_spare(request->stats))
        return;
    for (unsigned i = 0; i < plan->count; i++)
        if (is_healthy(request, request->config->targets[plan->steps[i].target]))
            plan->steps[kept++] = plan->steps[i];
    plan->count = kept;
}

void request_walk(struct request *request, struct plan *plan)
{
    if (!request->walk_begun)
        begin_walk(request);
    leave_out_hopeless(request, plan);
    request->ask = NULL;
    if (request->gone) /* the client left before the walk began: nothing is sent */
        request_event(request, &(struct walk_event){.kind = WALK_GONE});
    walk_plan(&request->walk, plan, loop_now_us(request->worker->loop));
    drain(request);
}

void request_give_up(struct request *request)
{
    request->ask = NULL;
    walk_give_up(&request->walk, loop_now_us(request->worker->loop));
    drain(request);
}

/* A walk that is not over must not go on after an answer of our own. */
static void stop_walk(struct request *request)
{
    struct walk_action action;
    if (!request->walk_begun || walk_is_over(&request->walk))
        return;
    request_event(request, &(struct walk_event){.kind = WALK_STOP});
    while (walk_next(&request->walk, &action))
        if (action.kind == ACTION_CANCEL)
            attempt_cancel(request->attempts[action.attempt]);
}

void request_refuse(struct request *request, const struct failure *failure)
{
    if (request->over)
        return;
    stop_walk(request);
    answer_failure(request, failure);
    finish(request, cause_of(failure));
}
