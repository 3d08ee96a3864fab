/* starve.c -- an injector: allocations above 64 KB fail, so many of a thousand as the file named by STARVE says at that moment.
 * Loaded before the C library by specs (support/starve.lua).
 * SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LARGE = 64 * 1024 };

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);

/* In the file, mapped: what is wanted, and what was done. */
static struct {
    int32_t permille;
    _Atomic int32_t asked, refused;
} *state;
static atomic_uint_fast64_t seed = 88172645463325252;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("STARVE");
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (map != MAP_FAILED)
        state = map;
}

static int fails(size_t size)
{
    if (state == NULL || size <= LARGE || state->permille == 0)
        return 0;
    uint64_t x = atomic_fetch_add(&seed, 0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    state->asked++;
    if ((int32_t)((x ^ (x >> 31)) % 1000) >= state->permille)
        return 0;
    state->refused++;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails(size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return size > 0 && count > SIZE_MAX / size ? NULL : fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return fails(size) ? NULL : __libc_realloc(old, size);
}
