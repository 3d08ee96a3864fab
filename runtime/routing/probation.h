/* probation.h -- the first seconds of a generation that a reload brought: how many decisions of its policy failed, and for how many users.
 *
 * Counted by all workers; the process brings the last good generation back where it is lost.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_PROBATION_H
#define ROUTING_PROBATION_H
#include "base/bytes.h"
#include "base/clock.h"
#include <stdatomic.h>

/* Lost: of so many calls half failed, for as many users, where so many are known. */
enum { PROBATION_CALLS = 20, PROBATION_USERS = 3 };
#define PROBATION_US (10 * US_PER_S)

struct probation {
    atomic_int_fast64_t until_us; /* 0: none */
    unsigned users_wanted;
    atomic_uint calls, failures;
    atomic_uint_fast64_t users[PROBATION_USERS]; /* hashes of those whose calls failed; 0: none yet */
    atomic_bool is_lost;
};

/* Begins it, also once more. `known`: how many users the config has. */
void probation_begin(struct probation *probation, unsigned known, int64_t now_us);
/* A decision begins; one failed. True: with this it is lost, said once, so that the process can be told. */
bool probation_call(struct probation *probation, int64_t now_us);
bool probation_failure(struct probation *probation, struct slice user, int64_t now_us);
/* It was said, or would be with the next call: those that began are over. */
bool probation_is_lost(struct probation *probation);
/* It was asked, and fewer than half of its calls failed so far. */
bool probation_looks_good(struct probation *probation);
unsigned probation_user_count(struct probation *probation); /* of failed calls, at most PROBATION_USERS */
#endif
