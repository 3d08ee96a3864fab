/* room.h -- how much memory the process may have, and how much of it is left for what clients bring. Asked once, at the start.
 *
 *      may    the config's `memory`; else 80 % of the smallest of: the cgroup's limit (v1 and v2, and those above it), RLIMIT_AS, RAM
 *      room   may, less what the process holds when it starts
 * SPDX-License-Identifier: MIT */
#ifndef CONFIG_ROOM_H
#define CONFIG_ROOM_H
#include <stddef.h>

struct room {
    size_t may, room;  /* bytes */
    const char *bound; /* "config" "cgroup" "RLIMIT_AS" "RAM": what `may` comes from */
};

/* The smallest limit of the cgroups that this process is in; SIZE_MAX: none. `root` stands before /proc and /sys: "" but in specs. */
size_t room_of_cgroup(const char *root);
/* `configured` 0: the config says nothing. `threads`: how many will start, each with a stack. */
struct room room_find(size_t configured, unsigned threads);
/* Before any thread: how the C library shall keep its memory where little may be had. */
void room_prepare(void);
#endif
