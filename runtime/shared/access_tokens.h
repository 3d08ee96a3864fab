/* access_tokens.h -- access tokens: fetched by one thread, sent by all workers, found again after a reload.
 *
 * An entry belongs to one credential, found by its digest, so that all providers with that credential share a token; the credential itself is not kept. An
 * entry is removed with its last reference, and the token is wiped. Each entry has its own lock; no call blocks beyond it or reads a clock. Times are microseconds of the
 * caller's clock.
 * A token stays valid until its end, whether or not fetching a new one failed. When a provider refuses a token, a new one is fetched early, but not often:
 * where the new one is refused too, fetching again would not help.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_ACCESS_TOKENS_H
#define SHARED_ACCESS_TOKENS_H
#include "base/arena.h"
#include "base/hash.h"

struct access_tokens; /* all entries */
struct access_token;  /* one; refcounted */

MUST_USE struct access_tokens *access_tokens_new(void);
void access_tokens_free(struct access_tokens *tokens); /* after the last access_token_unref */
/* Finds or makes the entry and takes a reference. */
MUST_USE struct access_token *access_tokens_find(struct access_tokens *tokens, const uint8_t digest[SHA256_BYTES]);
void access_token_unref(struct access_token *token);

/* ---- for the thread that asks for tokens */

/* A new token was fetched: valid until `until_us`, to be renewed from `renew_us` on. */
void access_token_put(struct access_token *token, struct slice text, int64_t until_us, int64_t renew_us);
/* Fetching failed; it is tried again at `again_us`. */
void access_token_missed(struct access_token *token, int64_t again_us);
bool access_token_is_answered(struct access_token *token); /* a fetch has ended at least once, with or without a token */
/* When it is to be renewed; 0: now, since there is no valid token. */
int64_t access_token_renew_us(struct access_token *token, int64_t now_us);
/* True, once: a provider refused it, and no new one was fetched since. */
bool access_token_take_wish(struct access_token *token);

/* ---- for the workers that send them */

bool access_token_is_good(struct access_token *token, int64_t now_us);
/* Where there is no valid token: how long until there may be one; at least a second. */
int64_t access_token_wait_us(struct access_token *token, int64_t now_us);
/* A copy of the token; empty: there is no valid one, or the arena is full. */
struct slice access_token_copy(struct access_token *token, int64_t now_us, struct arena *arena);
/* The provider answered 401 to this text. True: the thread that asks for tokens should be woken. */
bool access_token_refused(struct access_token *token, struct slice text, int64_t now_us);
#endif
