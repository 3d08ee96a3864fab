/* access_tokens.h -- access tokens: asked for by one thread, sent by all workers, found again after a reload.
 *
 * An entry stands for one credential, by its digest, so that all providers with that credential share a token; the credential itself is not kept. An
 * entry is removed with its last reference, and the token is wiped. Each entry has its own lock; no call waits beyond it, none reads a clock. Times are microseconds of the
 * caller's clock.
 * An old token is good until its end, whatever became of asking for a new one. One that a provider refuses is worth asking early, once in a while:
 * where the new one is refused as well, asking again would not help.
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

/* A new one: good until then, and worth renewing from `renew_us` on. */
void access_token_put(struct access_token *token, struct slice text, int64_t until_us, int64_t renew_us);
/* It was asked for and none came; it will be asked for again then. */
void access_token_missed(struct access_token *token, int64_t again_us);
bool access_token_is_answered(struct access_token *token); /* it was asked for once, whatever came of it */
/* When it is worth renewing; 0: now, there is none that is good. */
int64_t access_token_renew_us(struct access_token *token, int64_t now_us);
/* A provider refused it and it was not asked for since. Again is false. */
bool access_token_take_wish(struct access_token *token);

/* ---- for the workers that send them */

bool access_token_is_good(struct access_token *token, int64_t now_us);
/* How long until there may be one, where there is none: a second at least. */
int64_t access_token_wait_us(struct access_token *token, int64_t now_us);
/* A copy of it; empty: there is none that is good, or no room. */
struct slice access_token_copy(struct access_token *token, int64_t now_us, struct arena *arena);
/* The provider answered 401 to this text. True: the thread that asks for tokens should be woken. */
bool access_token_refused(struct access_token *token, struct slice text, int64_t now_us);
#endif
