/* embedded.c -- the mock provider inside a gateway, see mock.h.
 * SPDX-License-Identifier: MIT */
#include "mock/mock_private.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>

struct embedded_mock {
    pthread_mutex_t lock; /* guards the rest */
    unsigned users;
    struct mock *mock; /* NULL: no users */
    int stop_fd;       /* the mock closes it */
    pthread_t thread;
};

struct embedded_mock *embedded_mock_new(void)
{
    struct embedded_mock *embedded = xcalloc(1, sizeof *embedded);
    pthread_mutex_init(&embedded->lock, NULL);
    return embedded;
}

void embedded_mock_free(struct embedded_mock *embedded)
{
    pthread_mutex_destroy(&embedded->lock);
    free(embedded);
}

static void *run(void *mock)
{
    mock_serve(mock);
    return NULL;
}

static int start(struct embedded_mock *embedded)
{
    static const struct mock_settings settings = {0};
    embedded->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    embedded->mock = mock_new(&settings, embedded->stop_fd, NULL);
    if (embedded->mock == NULL)
        return errno;
    int error = pthread_create(&embedded->thread, NULL, run, embedded->mock);
    if (error != 0) {
        mock_free(embedded->mock);
        embedded->mock = NULL;
    }
    return error;
}

int embedded_mock_use(struct embedded_mock *embedded, char origin[MOCK_ORIGIN_SIZE])
{
    pthread_mutex_lock(&embedded->lock);
    int error = embedded->users > 0 ? 0 : start(embedded);
    if (error == 0) {
        embedded->users++;
        snprintf(origin, MOCK_ORIGIN_SIZE, "http://127.0.0.1:%d", mock_port(embedded->mock));
    }
    pthread_mutex_unlock(&embedded->lock);
    return error;
}

void embedded_mock_leave(struct embedded_mock *embedded)
{
    pthread_mutex_lock(&embedded->lock);
    if (--embedded->users == 0) {
        eventfd_write(embedded->stop_fd, 1);
        pthread_join(embedded->thread, NULL);
        mock_free(embedded->mock);
        embedded->mock = NULL;
    }
    pthread_mutex_unlock(&embedded->lock);
}
