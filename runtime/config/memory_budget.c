/* memory_budget.c -- see memory_budget.h.
 * SPDX-License-Identifier: MIT */
#include "config/memory_budget.h"
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { PATH_MAX_LEN = 2048, STACK_BYTES = 9 * 1024 * 1024 };

static const size_t TIGHT = (size_t)1 << 30;

/* The number in a file; "max", nothing or no file: SIZE_MAX. cgroup v1 says "none" by a number near 2^63. */
static size_t read_number(const char *path)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return SIZE_MAX;
    bool read = fgets(text, sizeof text, file) != NULL;
    fclose(file);
    unsigned long long number = read && text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
    return number == 0 || number >= (unsigned long long)INT64_MAX / 2 ? SIZE_MAX : (size_t)number;
}

/* The group's own limit and those of all above it. In a container the path may be one of the host's, so the root of the mount is read as well. */
static size_t smallest_upwards(const char *root, const char *mount, char *group, const char *name)
{
    char path[PATH_MAX_LEN];
    size_t smallest = SIZE_MAX;
    for (;;) {
        if (snprintf(path, sizeof path, "%s%s%s/%s", root, mount, group, name) < (int)sizeof path) {
            size_t limit = read_number(path);
            smallest = limit < smallest ? limit : smallest;
        }
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return smallest;
        *slash = '\0';
    }
}

static bool names_memory(const char *controllers)
{
    const char *at = strstr(controllers, "memory");
    return at != NULL && (at == controllers || at[-1] == ',') && (at[6] == '\0' || at[6] == ',');
}

/* A line "4:memory:/group" (v1) or "0::/group" (v2). */
static size_t limit_of_line(const char *root, char *line)
{
    char *controllers = strchr(line, ':'), *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (group == NULL)
        return SIZE_MAX;
    *controllers++ = *group++ = '\0';
    if (names_memory(controllers))
        return smallest_upwards(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
    return controllers[0] == '\0' ? smallest_upwards(root, "/sys/fs/cgroup", group, "memory.max") : SIZE_MAX;
}

size_t memory_limit_of_cgroup(const char *root)
{
    char path[PATH_MAX_LEN], line[PATH_MAX_LEN];
    size_t smallest = SIZE_MAX;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return SIZE_MAX;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        size_t limit = limit_of_line(root, line);
        smallest = limit < smallest ? limit : smallest;
    }
    fclose(file);
    return smallest;
}

static size_t address_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ? SIZE_MAX : (size_t)limit.rlim_cur;
}

/* What the process holds now: pages in memory, or addresses. */
static size_t held(bool addresses)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    bool read = fscanf(file, "%llu %llu", &size, &resident) == 2;
    fclose(file);
    return read ? (size_t)(addresses ? size : resident) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

struct memory_budget memory_budget_find(size_t configured, unsigned threads)
{
    size_t ram = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t cgroup = memory_limit_of_cgroup(""), addresses = address_limit(), smallest = ram;
    struct memory_budget found = {.limit = configured, .bound = configured > 0 ? "config" : "RAM"};
    if (cgroup < smallest) {
        smallest = cgroup;
        found.bound = configured > 0 ? found.bound : "cgroup";
    }
    if (addresses < smallest) {
        smallest = addresses;
        found.bound = configured > 0 ? found.bound : "RLIMIT_AS";
    }
    if (configured == 0)
        found.limit = smallest / 10 * 8;
    bool counts_addresses = addresses == smallest && addresses != SIZE_MAX && configured == 0;
    size_t taken = held(counts_addresses) + (counts_addresses ? threads * (size_t)STACK_BYTES : 0);
    found.available = found.limit > taken ? found.limit - taken : 0;
    if (found.available < TIGHT)
        mallopt(M_MMAP_THRESHOLD,
                512 * 1024); /* large bodies are given back to the system at once; the price is a page fault for each page of the next */
    return found;
}

/* Each thread's own malloc arena would reserve 64 MB of address space. */
void memory_prepare_malloc(void)
{
    if (address_limit() != SIZE_MAX)
        mallopt(M_ARENA_MAX, 1);
}
