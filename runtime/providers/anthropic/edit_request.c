/* edit_request.c -- which edits make the bytes of a client fit for Anthropic; above all, reasoning of other providers taken out of a body that otherwise
 * goes on as it came.
 *
 * The API refuses thinking blocks that it has not signed. They are cut out of the messages that hold them, a message of nothing else goes whole, and a
 * tool loop that lost its reasoning that way goes on without thinking: the API wants every call of it to follow a signed block. All else stays byte for
 * byte: betas, tools that Anthropic runs, markers, whatever comes next.
 * Sources: Anthropic's documentation of extended thinking.
 * SPDX-License-Identifier: MIT */
#include "providers/anthropic/anthropic.h"

/* The messages as they are written: never more than they were. */
struct replay {
    char *to;
    bool lost; /* the tool loop under way has calls without their reasoning */
};

static void put(struct replay *replay, const char *from, const char *end)
{
    replay->to = mempcpy(replay->to, from, (size_t)(end - from));
}

static void put_comma(struct replay *replay, bool *first)
{
    if (!*first)
        *replay->to++ = ',';
    *first = false;
}

/* A string of an object; of members of one name the last counts, as it does for the provider. */
static struct slice find_string(struct slice object, struct slice name)
{
    struct slice key, value, found = SLICE_NONE;
    struct json json = json_members(object);
    while (json_pair(&json, &key, &value))
        if (json_is(key, name))
            found = value.ptr[0] == '"' ? (struct slice){value.ptr + 1, value.len - 2} : SLICE_NONE;
    return found;
}

static bool is_type(struct slice block, struct slice name)
{
    return json_is(find_string(block, LIT("type")), name);
}

static bool is_foreign(struct slice block)
{
    return is_type(block, LIT("thinking")) && anthropic_is_foreign(find_string(block, LIT("signature")));
}

/* What the content of a message is made of. */
struct made_of {
    bool calls, is_signed, results, foreign, other;
};

static struct made_of look(struct slice content)
{
    struct made_of made = {.other = content.len > 0 && content.ptr[0] == '"'};
    struct json json = json_list(content);
    struct slice block;
    while (json_next(&json, &block)) {
        if (is_foreign(block))
            made.foreign = true;
        else if (is_type(block, LIT("tool_use")))
            made.calls = true;
        else if (is_type(block, LIT("thinking")) || is_type(block, LIT("redacted_thinking")))
            made.is_signed = true;
        else if (is_type(block, LIT("tool_result")))
            made.results = true;
        else
            made.other = true;
    }
    return made;
}

static void follow_loop(struct replay *replay, struct slice role, const struct made_of *made)
{
    if (!json_is(role, LIT("assistant")))
        replay->lost &= !made->other && made->results; /* the user said something: the loop is over */
    else
        replay->lost |= made->calls && !made->is_signed;
}

static void put_content(struct replay *replay, struct slice content)
{
    struct json json = json_list(content);
    struct slice block;
    bool first = true;
    *replay->to++ = '[';
    while (json_next(&json, &block)) {
        if (is_foreign(block))
            continue;
        put_comma(replay, &first);
        put(replay, block.ptr, block.ptr + block.len);
    }
    *replay->to++ = ']';
}

static void put_message(struct replay *replay, struct slice message)
{
    const char *copied = message.ptr;
    struct json json = json_members(message);
    struct slice key, value;
    while (json_pair(&json, &key, &value)) {
        if (!json_is(key, LIT("content")) || value.ptr[0] != '[')
            continue;
        put(replay, copied, value.ptr);
        put_content(replay, value);
        copied = value.ptr + value.len;
    }
    put(replay, copied, message.ptr + message.len);
}

static void put_messages(struct replay *replay, struct slice messages)
{
    struct json json = json_list(messages);
    struct slice message;
    bool first = true;
    *replay->to++ = '[';
    while (json_next(&json, &message)) {
        struct made_of made = look(json_find(message, "content"));
        follow_loop(replay, find_string(message, LIT("role")), &made);
        if (made.foreign && !made.calls && !made.is_signed && !made.results && !made.other)
            continue;
        put_comma(replay, &first);
        put_message(replay, message);
    }
    if (first) { /* there must be one, and what was cut was longer */
        struct slice placeholder = LIT("{\"role\":\"user\",\"content\":\".\"}");
        put(replay, placeholder.ptr, placeholder.ptr + placeholder.len);
    }
    *replay->to++ = ']';
}

/* At least one; 0: no memory. Only for bodies that hold such blocks. */
static unsigned cut_reasoning(struct slice body, struct arena *arena, struct edit edits[2])
{
    struct replay replay = {.lost = false};
    struct slice key, value, messages = SLICE_NONE, thinking = SLICE_NONE;
    struct json json = json_members(body);
    unsigned count = 0;
    while (json_pair(&json, &key, &value)) {
        if (json_is(key, LIT("messages")))
            messages = value;
        else if (json_is(key, LIT("thinking")))
            thinking = value;
    }
    char *text = messages.len < 2 ? NULL : arena_alloc(arena, messages.len);
    if (text == NULL)
        return 0;
    replay.to = text;
    put_messages(&replay, messages);
    edits[count++] = (struct edit){(size_t)(messages.ptr - body.ptr), messages.len, {text, (size_t)(replay.to - text)}};
    if (replay.lost && anthropic_thinks(thinking))
        edits[count++] = (struct edit){(size_t)(thinking.ptr - body.ptr), thinking.len, LIT("{\"type\":\"disabled\"}")};
    return count;
}

int anthropic_edits(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                    struct arena *arena, struct edit edits[EDITS_MAX])
{
    struct edit cuts[2];
    unsigned count = 0, cut_count = facts->foreign_thinking ? cut_reasoning(body, arena, cuts) : 0;
    (void)provider;
    if (facts->foreign_thinking && cut_count == 0)
        return -1; /* no memory: said when the body is read and written anew */
    count = edits_own(facts, model, arena, edits);
    for (unsigned i = 0; i < cut_count; i++)
        count = edits_put(edits, count, cuts[i]);
    return (int)count;
}
