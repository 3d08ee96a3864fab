/* clock.c -- see clock.h.
 * SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

int64_t clock_monotonic_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_thread_cpu_us(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

static char *put(char *at, int number, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + number % 10);
        number /= 10;
    }
    return at + digits;
}

size_t clock_format(int64_t wall_us, char *out)
{
    const int64_t last = 253402300799LL * US_PER_S + US_PER_S - 1; /* 9999-12-31T23:59:59.999999Z: the year has four digits */
    wall_us = wall_us < 0 ? 0 : wall_us > last ? last : wall_us;
    time_t seconds = (time_t)(wall_us / US_PER_S);
    struct tm tm;
    char *at = out;
    gmtime_r(&seconds, &tm);
    at = put(at, tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put(at, tm.tm_mon + 1, 2);
    *at++ = '-';
    at = put(at, tm.tm_mday, 2);
    *at++ = 'T';
    at = put(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put(at, tm.tm_min, 2);
    *at++ = ':';
    at = put(at, tm.tm_sec, 2);
    *at++ = '.';
    at = put(at, (int)(wall_us / US_PER_MS % 1000), 3);
    *at++ = 'Z';
    *at = '\0';
    return (size_t)(at - out);
}
