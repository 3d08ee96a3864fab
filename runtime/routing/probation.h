/* probation.h -- the first seconds of a generation after a reload: how many decisions of its policy failed, and for how many users.
 *
 * All workers count. When a probation is lost, the process goes back to the last good generation.
 * SPDX-License-Identifier: MIT */
#ifndef ROUTING_PROBATION_H
#define ROUTING_PROBATION_H
#include "base/bytes.h"
#include "base/clock.h"
#include <stdatomic.h>

/* Lost: of at least PROBATION_CALLS calls half failed, for PROBATION_USERS users (one, where the config has fewer). */
enum { PROBATION_CALLS = 20, PROBATION_USERS = 3 };
#define PROBATION_US (10 * US_PER_S)

struct probation {
    atomic_int_fast64_t until_us; /* 0: none */
    unsigned users_wanted;
    atomic_uint calls, failures;
    atomic_uint_fast64_t users[PROBATION_USERS]; /* hashes of those whose calls failed; 0: none yet */
    atomic_bool is_lost;
};

/* Begins it, or begins it again. `known`: how many users the config has. */
void probation_begin(struct probation *probation, unsigned known, int64_t now_us);
/* A decision begins; a decision failed. True, once: this call lost the probation, and the caller tells the process. */
bool probation_call(struct probation *probation, int64_t now_us);
bool probation_failure(struct probation *probation, struct slice user, int64_t now_us);
/* It is lost; also where no further call comes to say so. */
bool probation_is_lost(struct probation *probation);
/* It was called, and fewer than half of its calls failed so far. */
bool probation_looks_good(struct probation *probation);
unsigned probation_user_count(struct probation *probation); /* of failed calls, at most PROBATION_USERS */
#endif
