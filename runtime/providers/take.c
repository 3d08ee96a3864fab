/* take.c -- members of a request into the fields of struct chat and its parts, by tables.
 * SPDX-License-Identifier: MIT */
#include "providers/take.h"

bool take_refuse(struct take *take, struct slice message, struct slice param)
{
    if (take->complaint->message.len == 0)
        *take->complaint = (struct complaint){FAILURE_BAD_PARAMETER, message, param};
    return false;
}

static const struct take_member *find_member(const struct take_members *members, struct slice key)
{
    for (const struct take_member *member = members->list; member < members->list + members->count; member++)
        if (json_is(key, member->name))
            return member;
    return NULL;
}

bool take_object(struct take *take, const struct take_members *members, void *into)
{
    struct slice key;
    if (!json_object(&take->json))
        return false;
    while (json_member(&take->json, &key)) {
        const struct take_member *member = find_member(members, key);
        if (!(member != NULL           ? member->read(take, member, into)
              : members->other != NULL ? members->other(take, key, into)
                                       : json_skip(&take->json, NULL)))
            return false;
    }
    return take->json.error == JSON_OK;
}

bool take_list(struct take *take, bool (*read)(struct take *take, void *into), void *into)
{
    if (!json_array(&take->json))
        return false;
    while (json_element(&take->json))
        if (!read(take, into))
            return false;
    return take->json.error == JSON_OK;
}

struct part *take_part(struct arena *arena, struct part ***tail, enum part_kind kind)
{
    struct part *part = arena_zalloc(arena, sizeof *part);
    if (part == NULL)
        return NULL;
    part->kind = kind;
    **tail = part;
    *tail = &part->next;
    return part;
}

bool take_skip(struct take *take, const struct take_member *member, void *into)
{
    (void)member;
    (void)into;
    return json_skip(&take->json, NULL);
}

bool take_string(struct take *take, const struct take_member *member, void *into)
{
    struct json *json = &take->json;
    return json_peek(json) == JSON_STRING ? json_string(json, take_slot(into, member)) : json_skip(json, NULL);
}

bool take_number(struct take *take, const struct take_member *member, void *into)
{
    struct json *json = &take->json;
    return json_peek(json) == JSON_NUMBER ? json_number(json, take_slot(into, member)) : json_skip(json, NULL);
}

bool take_flag(struct take *take, const struct take_member *member, void *into)
{
    bool value;
    enum json_type type = json_peek(&take->json);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return json_skip(&take->json, NULL);
    if (!json_bool(&take->json, &value))
        return false;
    *(int *)(void *)((char *)into + member->at) = value;
    return true;
}

bool take_value(struct take *take, const struct take_member *member, void *into)
{
    struct json *json = &take->json;
    return json_peek(json) == JSON_NULL ? json_skip(json, NULL) : json_skip(json, take_slot(into, member));
}

enum take_stops take_stops(struct take *take)
{
    enum { STOPS_MAX = 64 };
    struct json *json = &take->json;
    struct chat *chat = take->chat;
    if (json_peek(json) == JSON_NULL)
        return json_skip(json, NULL) ? STOPS_TAKEN : STOPS_UNREAD;
    if (json_peek(json) != JSON_ARRAY)
        return STOPS_NO_LIST;
    chat->stops_raw = arena_zalloc(take->arena, sizeof *chat->stops_raw * STOPS_MAX);
    if (chat->stops_raw == NULL)
        return STOPS_UNREAD;
    json_array(json);
    while (json_element(json)) {
        if (chat->stop_count == STOPS_MAX)
            return STOPS_TOO_MANY;
        if (json_peek(json) != JSON_STRING)
            return STOPS_NO_TEXT;
        if (!json_string(json, &chat->stops_raw[chat->stop_count++]))
            return STOPS_UNREAD;
    }
    return json->error == JSON_OK ? STOPS_TAKEN : STOPS_UNREAD;
}

bool take_is_own(struct take *take, struct slice name_raw)
{
    return json_is(name_raw, LIT("routing_strategy")) || json_is(name_raw, LIT("fallback")) ||
           (json_is(name_raw, LIT("provider")) && json_peek(&take->json) != JSON_OBJECT);
}
