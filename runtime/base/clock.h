/* clock.h -- time as an argument.
 *
 * Everything in the runtime counts microseconds in int64_t, named *_us: monotonic for deadlines and limits, wall
 * for what people read. Only net/, gateway/worker and process/ call these functions; all others are handed `now`.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H
#include <stddef.h>
#include <stdint.h>

#define US_PER_MS 1000LL
#define US_PER_S  1000000LL

int64_t clock_monotonic_us(void);
int64_t clock_wall_us(void); /* since 1970-01-01 UTC */
int64_t clock_thread_cpu_us(void);
/* "2026-11-21T05:52:34.123Z" into out (at least 25 bytes), NUL-terminated; returns 24. */
size_t clock_format(int64_t wall_us, char *out);
#endif
