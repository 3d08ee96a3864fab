/* schedule.h -- when something periodic is due next, and what its last results mean. Pure: time is an argument.
 *
 * schedule: due at intervals of `every`, each moved at random by up to a fifth, so that many schedules do not fall into step. After a failure it is due
 * sooner, where a `retry` is given: after retry, then twice that, … up to `every`.
 * tally: `fall` failures in a row make it down, `rise` successes in a row make it up again. It begins up.
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

/* Due for the first time at a random moment within `every`, and within two seconds: so schedules that begin together are spread. */
void schedule_begin(struct schedule *schedule, int64_t every_us, int64_t retry_us, uint64_t seed, int64_t now_us);
/* It was done at `asked_us`, with this result: computes the next due time from then. */
void schedule_next(struct schedule *schedule, bool ok, int64_t asked_us);

struct tally {
    unsigned fall, rise; /* may be changed between two calls */
    unsigned row;        /* results in a row that contradict `down` */
    bool down;
};

/* True: `down` has changed. */
bool tally_count(struct tally *tally, bool ok);
#endif
