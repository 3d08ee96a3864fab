/* asking.c -- see asking.h.
 * SPDX-License-Identifier: MIT */
#include "process/asking.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include <stdlib.h>

enum { BODY_MAX = 1024 * 1024, REQUEST_MAX = 128 * 1024 };

#define LATER_US (US_PER_S)

void asking_end(struct asking *asking, int status, struct slice why)
{
    if (asking->call != NULL)
        call_cancel(asking->call); /* nothing to cancel inside its last event */
    asking->call = NULL;
    bool good = asking->judge(asking, status, why);
    buffer_free(&asking->body);
    schedule_next(&asking->schedule, good, asking->asked_us);
    if (asking->planned != NULL)
        asking->planned(asking, good);
    loop_timer_set(asking->loop, &asking->timer, asking->schedule.due_us);
}

void asking_put_off(struct asking *asking)
{
    asking->call = NULL;
    loop_timer_set(asking->loop, &asking->timer, asking->schedule.due_us = loop_now_us(asking->loop) + LATER_US);
}

static void on_event(void *owner, const struct call_event *event)
{
    struct asking *asking = owner;
    switch (event->kind) {
    case CALL_HEAD:
        asking->status = event->head->status;
        if (asking->wants_body == BODY_NONE || (asking->wants_body == BODY_OF_200 && asking->status != 200))
            asking_end(asking, asking->status, SLICE_NONE);
        break;
    case CALL_DATA:
        buffer_append_slice(&asking->body, event->data);
        if (asking->body.overflow)
            asking_end(asking, 0, LIT("it is longer than 1 MB"));
        break;
    case CALL_END:
        asking_end(asking, asking->status, SLICE_NONE);
        break;
    case CALL_FAILED:
        if (event->failure.kind == FAILURE_STARVED)
            asking_put_off(asking);
        else
            asking_end(asking, 0, event->failure.message);
        break;
    default:
        break;
    }
}

static void on_timer(struct timer *timer)
{
    struct asking *asking = container_of(timer, struct asking, timer);
    if (asking->call == NULL)
        asking->ask(asking);
    else
        asking_end(asking, 0, LIT("no answer in time"));
}

void asking_send(struct asking *asking, struct slice origin, struct slice proxy, int64_t timeout_us)
{
    asking->part = buffer_slice(&asking->request);
    asking->status = 0;
    asking->asked_us = loop_now_us(asking->loop);
    struct call_request request = {.origin = upstream_origin(asking->upstream, origin, proxy),
                                   .parts = &asking->part,
                                   .part_count = 1,
                                   .fresh = true,
                                   .on_event = on_event,
                                   .owner = asking};
    asking->call = call_start(&request);
    loop_timer_set(asking->loop, &asking->timer, asking->asked_us + timeout_us);
}

void asking_begin(struct asking *asking, struct loop *loop, struct upstream *upstream, int64_t every_us, int64_t retry_us)
{
    uint64_t seed;
    hash_random(&seed, sizeof seed);
    asking->loop = loop;
    asking->upstream = upstream;
    asking->timer.due = on_timer;
    buffer_init(&asking->request, REQUEST_MAX);
    buffer_init(&asking->body, BODY_MAX);
    schedule_begin(&asking->schedule, every_us, retry_us, seed, loop_now_us(asking->loop));
    loop_timer_set(asking->loop, &asking->timer, asking->schedule.due_us);
}

void asking_hurry(struct asking *asking, int64_t latest_us)
{
    if (asking->call == NULL && asking->schedule.due_us > latest_us)
        loop_timer_set(asking->loop, &asking->timer, asking->schedule.due_us = latest_us);
}

void asking_go_on(struct asking *asking, int64_t every_us)
{
    asking->schedule.every_us = every_us;
    asking_hurry(asking, loop_now_us(asking->loop) + every_us);
}

void asking_stop(struct asking *asking)
{
    if (asking->call != NULL)
        call_cancel(asking->call);
    loop_timer_clear(asking->loop, &asking->timer);
    buffer_free(&asking->request);
    buffer_free(&asking->body);
    asking->call = NULL;
}

void asking_drop(struct asking **list)
{
    for (struct asking **link = list; *link != NULL;) {
        struct asking *asking = *link;
        if (asking->kept) {
            asking->kept = false;
            link = &asking->next;
            continue;
        }
        *link = asking->next;
        asking_stop(asking);
        free(asking);
    }
}
