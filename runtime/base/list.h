/* list.h -- structs in lists: a member's owner, and lists linked both ways.
 *
 * A list is two pointers of its owner's, a link two members of the struct that is in it. The macros work on any struct whose members are named
 * `next` and `previous`, so that a walk over a list needs no cast.
 * SPDX-License-Identifier: MIT */
#ifndef BASE_LIST_H
#define BASE_LIST_H
#include <stddef.h>

/* The struct of which `pointer` is the member. */
#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* `first` and `last` are the list's two pointers (lvalues), `item` is in it once. */
#define list_append(first, last, item)                                                                                                     \
    do {                                                                                                                                   \
        (item)->next = NULL;                                                                                                               \
        (item)->previous = (last);                                                                                                         \
        *((last) == NULL ? &(first) : &(last)->next) = (item);                                                                             \
        (last) = (item);                                                                                                                   \
    } while (0)

#define list_prepend(first, last, item)                                                                                                    \
    do {                                                                                                                                   \
        (item)->previous = NULL;                                                                                                           \
        (item)->next = (first);                                                                                                            \
        *((first) == NULL ? &(last) : &(first)->previous) = (item);                                                                        \
        (first) = (item);                                                                                                                  \
    } while (0)

/* Out of the list; its links are as they were. */
#define list_remove(first, last, item)                                                                                                     \
    do {                                                                                                                                   \
        *((item)->previous == NULL ? &(first) : &(item)->previous->next) = (item)->next;                                                   \
        *((item)->next == NULL ? &(last) : &(item)->next->previous) = (item)->previous;                                                    \
    } while (0)
#endif
