/* keyring.h -- API key -> user. Keys are held as SHA-256, compared in constant time; built once per generation, then read-only.
 *
 * Any thread may look up while the generation lives. A look-up takes the same path and the same time whether the key is known, unknown or expired.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_KEYRING_H
#define SHARED_KEYRING_H
#include "base/hash.h"

struct user {
    struct slice id, tier, name; /* id: config `user` */
    struct slice metadata_json;  /* config `metadata` as a JSON object, or empty */
    struct slice *models;        /* patterns with '*'; none: all */
    unsigned model_count;
    int64_t expires_wall_us;      /* 0: never */
    uint8_t digest[SHA256_BYTES]; /* of the key */
    unsigned index;
};

struct keyring;

/* NULL: no memory for so many. */
MUST_USE struct keyring *keyring_new(const struct user *users,
                                     unsigned count); /* copies the structs; slices are borrowed from the generation */
void keyring_free(struct keyring *keyring);
unsigned keyring_count(const struct keyring *keyring);
/* The user of the key of this digest, or NULL; also of one that has expired. An unknown key costs what a known one costs. */
const struct user *keyring_find(const struct keyring *keyring, const uint8_t digest[SHA256_BYTES]);
bool user_has_expired(const struct user *user, int64_t wall_us);
/* May this user ask for this model? */
bool user_may_use(const struct user *user, struct slice model);
/* May this user ask for any model whose name begins with `start` and a slash? */
bool user_may_begin(const struct user *user, struct slice start);
/* '*' matches any run of characters; everything else itself. Linear time in the product of lengths at worst. */
bool pattern_matches(struct slice pattern, struct slice text);
#endif
