/* memory_budget.h -- how much memory the process may hold, and how much of it is left for clients' data. Computed once, at the start.
 *
 *      limit      the config's `memory`; else 80 % of the smallest of: the cgroup's limit (v1 and v2, and those above it), RLIMIT_AS, RAM
 *      available  limit, less what the process holds when it starts
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_MEMORY_BUDGET_H
#define CONFIG_MEMORY_BUDGET_H
#include <stddef.h>

struct memory_budget {
    size_t limit, available; /* bytes */
    const char *bound;       /* "config" "cgroup" "RLIMIT_AS" "RAM": where `limit` comes from */
};

/* The smallest limit of the cgroups that this process is in; SIZE_MAX: none. `root` is put before /proc and /sys; it is "" except in specs. */
size_t memory_limit_of_cgroup(const char *root);
/* `configured`: the config's `memory` in bytes; 0: absent. `threads`: how many will start, each with a stack. */
struct memory_budget memory_budget_find(size_t configured, unsigned threads);
/* Call it before any thread starts: where RLIMIT_AS is set, all threads share one malloc arena. */
void memory_prepare_malloc(void);
#endif
