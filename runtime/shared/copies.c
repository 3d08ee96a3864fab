/* copies.c -- see copies.h.
 * SPDX-License-Identifier: MIT */
#include "shared/copies.h"
#include <pthread.h>
#include <stdlib.h>

struct copies {
    pthread_mutex_t lock;
    struct slice url, text; /* both ours; url.ptr NULL: nothing is kept */
};

struct copies *copies_new(void)
{
    struct copies *copies = xcalloc(1, sizeof *copies);
    pthread_mutex_init(&copies->lock, NULL);
    return copies;
}

static void forget(struct copies *copies)
{
    free((char *)copies->url.ptr);
    free((char *)copies->text.ptr);
    copies->url = copies->text = SLICE_NONE;
}

void copies_free(struct copies *copies)
{
    if (copies == NULL)
        return;
    forget(copies);
    pthread_mutex_destroy(&copies->lock);
    free(copies);
}

/* NULL: no memory. */
static struct slice own(struct slice text)
{
    char *copy = malloc(text.len + 1);
    if (copy != NULL && text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return (struct slice){copy, copy == NULL ? 0 : text.len};
}

void copies_put(struct copies *copies, struct slice url, struct slice text)
{
    pthread_mutex_lock(&copies->lock);
    forget(copies);
    copies->url = own(url);
    copies->text = own(text);
    if (copies->url.ptr == NULL || copies->text.ptr == NULL) /* it is fetched again */
        forget(copies);
    pthread_mutex_unlock(&copies->lock);
}

bool copies_get(struct copies *copies, struct slice url, struct buffer *out)
{
    pthread_mutex_lock(&copies->lock);
    bool found = copies->url.ptr != NULL && slice_equals(copies->url, url);
    if (found)
        buffer_append_slice(out, copies->text);
    pthread_mutex_unlock(&copies->lock);
    return found;
}

bool copies_has(struct copies *copies, struct slice url, struct slice text)
{
    pthread_mutex_lock(&copies->lock);
    bool found = copies->url.ptr != NULL && slice_equals(copies->url, url) && slice_equals(copies->text, text);
    pthread_mutex_unlock(&copies->lock);
    return found;
}
