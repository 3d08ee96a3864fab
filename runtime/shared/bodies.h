/* bodies.h -- how much of the memory for request bodies each user holds: one account for the process, shared by its workers.
 *
 * Only what is larger than BODY_SMALL is counted; a small body is always taken. A user may hold a third of it while other users hold some or were
 * refused in the last five seconds, else two thirds; but always enough for one body of the largest size.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_BODIES_H
#define SHARED_BODIES_H
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_SMALL = 64 * 1024 };

struct bodies;

MUST_USE struct bodies *bodies_new(size_t total, size_t largest); /* bytes for all bodies; the config's body_limit */
void bodies_free(struct bodies *bodies);                          /* when all was given back */

size_t bodies_largest(const struct bodies *bodies); /* the largest body that is accepted: `largest`, or `total` where that is less */

/* `user` is any number that tells users apart. False: it would exceed the user's share or the total, and nothing was taken. */
MUST_USE bool bodies_take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us);
/* Whether bodies_take would succeed now. A false counts as a refusal of this user. */
bool bodies_could_take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us);
void bodies_give(struct bodies *bodies, uint64_t user, size_t bytes);
size_t bodies_held(struct bodies *bodies);
#endif
