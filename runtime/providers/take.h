/* take.h -- what readers of a request do alike on their way to struct chat: members of objects into fields by a table, parts into lists, complaints.
 *
 * Readers are forgiving, for the scan has been strict: a value of another type than a row wants is passed over. Slices borrow from the body, all else
 * lives in the request's arena.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_TAKE_H
#define PROVIDERS_TAKE_H
#include "providers/chat.h"

/* The state of reading one request: the first member of what a dialect keeps. */
struct take {
    struct json json;
    struct arena *arena;
    struct chat *chat;
    struct complaint *complaint;
};

struct take_member {
    struct slice name;
    bool (*read)(struct take *take, const struct take_member *member,
                 void *into); /* consumes the value; false: no JSON, no memory, or *complaint */
    size_t at;                /* offset in `into`, for readers that store */
};

struct take_members {
    const struct take_member *list;
    unsigned count;
    bool (*other)(struct take *take, struct slice name_raw, void *into); /* a member without a row; NULL: passed over */
};
#define TAKE_MEMBERS(list)                                                                                                                 \
    {                                                                                                                                      \
        list, sizeof(list) / sizeof *(list), NULL                                                                                          \
    }

/* The first complaint counts. Always false. */
bool take_refuse(struct take *take, struct slice message, struct slice param);
/* The members of an object, which stands next. */
bool take_object(struct take *take, const struct take_members *members, void *into);
/* The elements of a list, which stands next, each read into the same place. False: no list, or an element was not read. */
bool take_list(struct take *take, bool (*read)(struct take *take, void *into), void *into);
/* Where a row's value goes. */
static inline struct slice *take_slot(void *into, const struct take_member *member)
{
    return (struct slice *)(void *)((char *)into + member->at);
}
/* One part more; NULL: the arena is full. */
struct part *take_part(struct arena *arena, struct part ***tail, enum part_kind kind);

/* --- readers */
bool take_skip(struct take *take, const struct take_member *member, void *into);
bool take_string(struct take *take, const struct take_member *member, void *into); /* into a slice, raw */
bool take_number(struct take *take, const struct take_member *member, void *into); /* into a slice, as its digits */
bool take_flag(struct take *take, const struct take_member *member, void *into);   /* into an int, 0 or 1 */
bool take_value(struct take *take, const struct take_member *member, void *into);  /* into a slice: any value but null */

/* The inside of a string's text; SLICE_NONE: the value is none. */
static inline struct slice take_inside(struct slice value)
{
    return value.len >= 2 && value.ptr[0] == '"' ? (struct slice){value.ptr + 1, value.len - 2} : SLICE_NONE;
}

static inline bool take_is_number(struct slice value)
{
    return value.len > 0 && (value.ptr[0] == '-' || (value.ptr[0] >= '0' && value.ptr[0] <= '9'));
}

enum take_stops { STOPS_TAKEN, STOPS_NO_LIST, STOPS_NO_TEXT, STOPS_TOO_MANY, STOPS_UNREAD };
/* Sequences that end an answer: null or a list of strings. STOPS_UNREAD: no JSON, or no memory. */
enum take_stops take_stops(struct take *take);

/* The gateway's own members say nothing to a provider; OpenRouter's field `provider` is an object, and another one. */
bool take_is_own(struct take *take, struct slice name_raw);
#endif
