/* calls.h -- the tool calls of an answer under way: which is which, and whether the arguments of one are whole.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_CALLS_H
#define PROVIDERS_CALLS_H
#include "providers/writer.h"

/* The calls of an answer by event.tool, which is dense. Zeroed: none. */
struct call_slots {
    void **list;
    unsigned count;
};
void *call_slots_get(const struct call_slots *slots, unsigned tool);                           /* NULL: none was set */
bool call_slots_set(struct call_slots *slots, struct arena *arena, unsigned tool, void *call); /* false: the arena is full */

/* Where the arguments of a call stand, so that their end is seen: the JSON text comes in pieces, each the inside of a JSON string. */
struct nesting {
    unsigned depth;
    bool in_string, escaped, closed; /* closed: a whole object or list was there */
};
void nesting_follow(struct nesting *nesting, struct slice piece);
#endif
