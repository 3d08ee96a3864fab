/* names.c -- see names.h.
 * SPDX-License-Identifier: MIT */
#include "providers/lookup.h"
#include "providers/names.h"

static bool is_word(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
}

static bool is_allowed(char byte, const char *allowed)
{
    return is_word(byte) || (byte != '\0' && strchr(allowed, byte) != NULL);
}

bool name_has_only(struct slice name, const char *allowed)
{
    for (size_t i = 0; i < name.len; i++)
        if (!is_allowed(name.ptr[i], allowed))
            return false;
    return true;
}

static bool fits(struct slice name, const struct name_rule *rule)
{
    bool bad_first = rule->letter_first && name.len > 0 && name.ptr[0] != '_' && (!is_word(name.ptr[0]) || name.ptr[0] <= '9');
    return name.len > 0 && name.len <= rule->max && !bad_first && name_has_only(name, rule->allowed);
}

/* As much of the name as fits, "_", and eight digits of a hash of the whole (FNV-1a: for naming, not for keeping secrets). */
struct slice name_fit(struct slice name_raw, const struct name_rule *rule, struct arena *arena)
{
    enum { HASH_CHARS = 8 };
    uint64_t hash = 14695981039346656037ULL;
    if (fits(name_raw, rule))
        return name_raw;
    char *text = arena_alloc(arena, rule->max);
    size_t len = 0;
    if (text == NULL)
        return SLICE_NONE;
    for (size_t i = 0; i < name_raw.len; i++)
        hash = (hash ^ (unsigned char)name_raw.ptr[i]) * 1099511628211ULL;
    if (rule->letter_first && (name_raw.len == 0 || !is_word(name_raw.ptr[0]) || name_raw.ptr[0] <= '9'))
        text[len++] = 't';
    for (size_t i = 0; i < name_raw.len && len < rule->max - HASH_CHARS - 1; i++)
        text[len++] = is_allowed(name_raw.ptr[i], rule->allowed) ? name_raw.ptr[i] : '_';
    text[len++] = '_';
    for (unsigned i = 0; i < HASH_CHARS; i++, hash >>= 4)
        text[len++] = "0123456789abcdef"[hash & 15];
    return (struct slice){text, len};
}

/* The tools that go by another name at the provider, by that name. */
static struct lookup *renamed_tools(struct reader *reader, const struct name_rule *rule)
{
    struct arena *arena = reader->arena;
    struct lookup *renamed = arena_zalloc(arena, sizeof *renamed);
    for (const struct tool *tool = reader->chat->tools; renamed != NULL && tool != NULL; tool = tool->next)
        if (!fits(tool->name_raw, rule) && !lookup_add(renamed, arena, name_fit(tool->name_raw, rule, arena), tool))
            return NULL;
    return renamed;
}

struct slice name_unfit(struct reader *reader, struct slice name_raw, const struct name_rule *rule)
{
    if (reader->chat == NULL || reader->chat->tools == NULL)
        return name_raw;
    if (reader->renamed == NULL)
        reader->renamed = renamed_tools(reader, rule);
    const struct lookup_entry *entry = reader->renamed == NULL ? NULL : lookup_first(reader->renamed, name_raw);
    return entry == NULL ? name_raw : ((const struct tool *)entry->value)->name_raw;
}
