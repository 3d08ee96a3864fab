/* key_states.h -- the state of each provider key: a key that was refused or throttled is set aside while its key pool has others.
 *
 * Found by provider and key, so that a reload finds them again. Entries never move or go away while the table lives. All calls: any thread, without
 * a lock (except key_states_find, which is called while loading). Times are microseconds of the caller's clock.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_KEY_STATES_H
#define SHARED_KEY_STATES_H
#include "base/bytes.h"

struct key_states;
struct key_state;

MUST_USE struct key_states *key_states_new(size_t limit); /* the most keys that are remembered */
void key_states_free(struct key_states *states);
/* NULL when the table is full: such a key is never set aside. The key itself is not kept, only its digest. */
struct key_state *key_states_find(struct key_states *states, struct slice provider, struct slice key);

/* The index of the key to use: in turn, without those that are set aside; when all are, the one that is available again first. count >= 1. */
unsigned key_choose(struct key_state *const *pool, unsigned count, uint64_t turn, int64_t now_us);
/* Whether the key pool has a key other than `than` that is not set aside. */
bool key_has_other(struct key_state *const *pool, unsigned count, unsigned than, int64_t now_us);
/* 401, 403: set aside for a minute, doubled at each refusal in a row up to an hour. False: it is already. */
bool key_refused(struct key_state *state, int64_t now_us);
/* 429: set aside for as long as the provider says (-1: it does not say: a second), an hour at most; of several answers the longest counts. */
void key_throttled(struct key_state *state, int64_t retry_after_us, int64_t now_us);
void key_worked(struct key_state *state);
void key_reset(struct key_state *state); /* admin: as if it had never been refused */
/* When it may be used again; 0: now. */
int64_t key_aside_until_us(const struct key_state *state);
#endif
