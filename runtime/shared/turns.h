/* turns.h -- a counter per model name, shared by all workers and found by name, so that a reload goes on counting.
 *
 * Bounded; names beyond the limit share one counter. Any thread; lock-free once a counter was found.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_TURNS_H
#define SHARED_TURNS_H
#include "base/bytes.h"
#include <stdatomic.h>

struct turns;
struct turns *turns_new(size_t limit);
void turns_free(struct turns *turns);
/* Lives as long as the table. */
atomic_uint_fast64_t *turns_find(struct turns *turns, struct slice name);
#endif
