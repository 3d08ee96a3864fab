/* bodies.h -- who holds how much of the memory for request bodies: one for the process, shared by its workers.
 *
 * Only what is larger than BODY_SMALL is counted; a small body is always taken. A user gets a third of it while others want some as well, else two
 * thirds, but always enough for one body of the largest size, where there is so much. "Others want some" is: they hold some, or were refused of late.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_BODIES_H
#define SHARED_BODIES_H
#include "base/must_use.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BODY_SMALL = 64 * 1024 };

struct bodies;

MUST_USE struct bodies *bodies_new(size_t room, size_t largest); /* largest: the config's body_limit */
void bodies_free(struct bodies *bodies);                         /* when all was given back */

size_t bodies_largest(const struct bodies *bodies); /* what one body may be: `largest`, or all the room there is */

/* `user` is any number that tells users apart. False: no room for so much more, and nothing was taken. */
MUST_USE bool bodies_take(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us);
/* Whether so much would find room now. */
bool bodies_have_room(struct bodies *bodies, uint64_t user, size_t bytes, int64_t now_us);
void bodies_give(struct bodies *bodies, uint64_t user, size_t bytes);
size_t bodies_held(struct bodies *bodies);
#endif
