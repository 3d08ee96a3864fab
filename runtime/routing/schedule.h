/* schedule.h -- when something that is asked again and again is due, and what a row of its answers comes to. Pure: time is an argument.
 *
 * schedule: every so often, each time moved by up to a fifth either way, so that many of them never come in step; after a failure
 * sooner where a `retry` is given: retry, twice that, … up to `every`.
 * tally: `fall` failures in a row are down, `rise` successes in a row up again; anything between changes nothing. It begins up.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_SCHEDULE_H
#define ROUTING_SCHEDULE_H
#include <stdbool.h>
#include <stdint.h>

struct schedule {
    int64_t every_us, retry_us; /* retry 0: failures change nothing. Both may be changed between two calls */
    int64_t due_us;
    unsigned failures; /* in a row */
    uint64_t random;
};

/* Due for the first time within `every`, and within two seconds: those that begin together do not come at once. */
void schedule_begin(struct schedule *schedule, int64_t every_us, int64_t retry_us, uint64_t seed, int64_t now_us);
/* Was asked at `asked_us`: due again, counted from then. */
void schedule_next(struct schedule *schedule, bool ok, int64_t asked_us);

struct tally {
    unsigned fall, rise; /* may be changed between two calls */
    unsigned row;        /* answers in a row that speak against `down` as it is */
    bool down;
};

/* True: `down` has changed. */
bool tally_count(struct tally *tally, bool ok);
#endif
