/* tokens.h -- access tokens: asked for by one thread, sent by all workers, found again after a reload.
 *
 * An entry stands for one credential, by its digest, so that every provider that names it shares a token; the credential itself is not kept. It goes with
 * its last reference, and the token is wiped. Each entry has its own lock; no call waits beyond it, none reads a clock. Times are microseconds of the
 * caller's clock.
 * An old token is good until its end, whatever became of asking for a new one. One that a provider refuses is worth asking early, once in a while:
 * where the new one is refused as well, asking again would not help.
 * SPDX-License-Identifier: MIT */
#ifndef SHARED_TOKENS_H
#define SHARED_TOKENS_H
#include "base/arena.h"
#include "base/hash.h"

struct tokens; /* all entries */
struct token;  /* one; refcounted */

MUST_USE struct tokens *tokens_new(void);
void tokens_free(struct tokens *tokens); /* after the last token_unref */
/* Finds or makes the entry and takes a reference. */
MUST_USE struct token *tokens_find(struct tokens *tokens, const uint8_t digest[SHA256_BYTES]);
void token_unref(struct token *token);

/* ---- who asks for it */

/* A new one: good until then, and worth renewing from `renew_us` on. */
void token_put(struct token *token, struct slice text, int64_t until_us, int64_t renew_us);
/* It was asked for and none came; it will be asked for again then. */
void token_missed(struct token *token, int64_t again_us);
bool token_is_answered(struct token *token); /* it was asked for once, whatever came of it */
/* When it is worth renewing; 0: now, there is none that is good. */
int64_t token_renew_us(struct token *token, int64_t now_us);
/* A provider refused it and it was not asked for since. Again is false. */
bool token_take_wish(struct token *token);

/* ---- who sends it */

bool token_is_good(struct token *token, int64_t now_us);
/* How long until there may be one, where there is none: a second at least. */
int64_t token_wait_us(struct token *token, int64_t now_us);
/* A copy of it; empty: there is none that is good, or no room. */
struct slice token_copy(struct token *token, int64_t now_us, struct arena *arena);
/* The provider answered 401 to this text. True: whoever asks for tokens should be woken. */
bool token_refused(struct token *token, struct slice text, int64_t now_us);
#endif
