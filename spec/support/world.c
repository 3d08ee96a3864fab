/* world.c -- names and time as a spec wants them: preloaded into the gateway it starts (support/world.lua).
 *
 * WORLD_HOSTS is a file of lines "name answer": addresses with commas between them, "nobody" (the name does not exist), "wait" (the look-up hangs until the line
 * says something else). WORLD_CLOCK is a file of eight bytes: nanoseconds that CLOCK_MONOTONIC and time() are ahead. WORLD_SIGNAL is the number of a signal
 * that comes while libraries begin, before main.
 * SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void begin(void)
{
    int fd = getenv("WORLD_CLOCK") == NULL ? -1 : open(getenv("WORLD_CLOCK"), O_RDONLY | O_CLOEXEC);
    void *page = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    ahead = page == MAP_FAILED ? NULL : page;
    int number = getenv("WORLD_SIGNAL") == NULL ? 0 : atoi(getenv("WORLD_SIGNAL"));
    if (number != 0) {
        signal(number, SIG_DFL); /* specs may run under nohup */
        raise(number);
    }
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    long result = syscall(SYS_clock_gettime, clock, time);
    if (result == 0 && clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE && ahead != NULL) {
        int64_t ns = time->tv_nsec + *ahead;
        time->tv_sec += ns / 1000000000;
        time->tv_nsec = ns % 1000000000;
    }
    return (int)result;
}

/* libcurl counts the age of what it knows of names in these. */
time_t time(time_t *seconds)
{
    struct timespec now;
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
    now.tv_sec += ahead == NULL ? 0 : *ahead / 1000000000;
    if (seconds != NULL)
        *seconds = now.tv_sec;
    return now.tv_sec;
}

/* False: nobody said anything of this name. */
static int find(const char *name, char *answer, size_t size)
{
    char line[512], own[256], said[256];
    int found = 0;
    FILE *file = getenv("WORLD_HOSTS") == NULL ? NULL : fopen(getenv("WORLD_HOSTS"), "re");
    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "%255s %255s", own, said) == 2 && strcmp(own, name) == 0)
            found = snprintf(answer, size, "%s", said) > 0;
    if (file != NULL)
        fclose(file);
    return found;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    char answer[256], *rest = NULL;
    if (name == NULL || !find(name, answer, sizeof answer))
        return real(name, service, hints, list);
    while (strcmp(answer, "wait") == 0 && find(name, answer, sizeof answer))
        usleep(2000);
    if (strcmp(answer, "nobody") == 0)
        return EAI_NONAME;
    *list = NULL;
    struct addrinfo numeric = *hints, **end = list;
    numeric.ai_flags = AI_NUMERICHOST;
    numeric.ai_family = AF_UNSPEC;
    for (char *one = strtok_r(answer, ",", &rest); one != NULL; one = strtok_r(NULL, ",", &rest)) {
        int result = real(one, service, &numeric, end);
        if (result != 0)
            return result;
        while (*end != NULL)
            end = &(*end)->ai_next;
    }
    return 0;
}
