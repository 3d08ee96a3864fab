/* keyring.c -- API key -> user: see keyring.h.
 *
 * A table of digests with open addressing. Every look-up compares with as many places as the longest chain has, each
 * in constant time, and goes through all of them even when one matched: what it costs says nothing about what was found.
 * SPDX-License-Identifier: MIT */
#include "shared/keyring.h"
#include <stdlib.h>

struct keyring {
    struct user *users;
    unsigned count;
    unsigned *slots;  /* index + 1 of a user, or 0 */
    unsigned mask;    /* number of slots - 1 */
    unsigned longest; /* places a look-up goes through */
};

/* A digest is uniform already: its first bytes are a hash. */
static unsigned first_slot(const struct keyring *keyring, const uint8_t digest[SHA256_BYTES])
{
    uint32_t word;
    memcpy(&word, digest, sizeof word);
    return word & keyring->mask;
}

static void put(struct keyring *keyring, unsigned index)
{
    unsigned slot = first_slot(keyring, keyring->users[index].digest), steps = 1;
    while (keyring->slots[slot] != 0) {
        slot = (slot + 1) & keyring->mask;
        steps++;
    }
    keyring->slots[slot] = index + 1;
    if (steps > keyring->longest)
        keyring->longest = steps;
}

struct keyring *keyring_new(const struct user *users, unsigned count)
{
    struct keyring *keyring = xcalloc(1, sizeof *keyring);
    unsigned slots = 4;
    while (slots < 2 * count)
        slots *= 2;
    keyring->users = calloc(count + 1, sizeof *keyring->users); /* one more than there are: unknown keys are compared with it */
    keyring->slots = calloc(slots, sizeof *keyring->slots);
    if (keyring->users == NULL || keyring->slots == NULL) {
        keyring_free(keyring);
        return NULL;
    }
    keyring->count = count;
    keyring->mask = slots - 1;
    keyring->longest = 1;
    for (unsigned i = 0; i < count; i++) {
        keyring->users[i] = users[i];
        keyring->users[i].index = i;
        put(keyring, i);
    }
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    if (keyring == NULL)
        return;
    free(keyring->users);
    free(keyring->slots);
    free(keyring);
}

unsigned keyring_count(const struct keyring *keyring)
{
    return keyring->count;
}

const struct user *keyring_find(const struct keyring *keyring, const uint8_t digest[SHA256_BYTES])
{
    unsigned slot = first_slot(keyring, digest), found = keyring->count;
    for (unsigned i = 0; i < keyring->longest; i++) {
        unsigned held = keyring->slots[slot], index = held == 0 ? keyring->count : held - 1;
        bool same = hash_equal(digest, keyring->users[index].digest, SHA256_BYTES) & (held != 0);
        found = same ? index : found;
        slot = (slot + 1) & keyring->mask;
    }
    return found == keyring->count ? NULL : &keyring->users[found];
}

bool user_has_expired(const struct user *user, int64_t wall_us)
{
    return user->expires_wall_us != 0 && user->expires_wall_us <= wall_us;
}

bool user_may_use(const struct user *user, struct slice model)
{
    for (unsigned i = 0; i < user->model_count; i++)
        if (pattern_matches(user->models[i], model))
            return true;
    return user->model_count == 0;
}

/* The part of a pattern before its first star is a prefix of the names it matches. */
static bool pattern_begins(struct slice pattern, struct slice start)
{
    const char *star = pattern.len == 0 ? NULL : memchr(pattern.ptr, '*', pattern.len);
    size_t fixed = star == NULL ? pattern.len : (size_t)(star - pattern.ptr);
    if (fixed <= start.len)
        return star != NULL && memcmp(pattern.ptr, start.ptr, fixed) == 0;
    return memcmp(pattern.ptr, start.ptr, start.len) == 0 && pattern.ptr[start.len] == '/';
}

bool user_may_begin(const struct user *user, struct slice start)
{
    for (unsigned i = 0; i < user->model_count; i++)
        if (pattern_begins(user->models[i], start))
            return true;
    return user->model_count == 0;
}

/* Only the last star is ever gone back to: what an earlier one took is settled once the piece behind it was found. */
bool pattern_matches(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, taken = 0;
    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            taken = t;
        } else if (p < pattern.len && pattern.ptr[p] == text.ptr[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++taken;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}
