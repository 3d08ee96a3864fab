/* access_tokens.c -- see access_tokens.h.
 * SPDX-License-Identifier: MIT */
#include "shared/access_tokens.h"
#include "base/clock.h"
#include "shared/named.h"
#include <pthread.h>
#include <stdlib.h>

static const int64_t EARLY_EVERY_US = 300 * US_PER_S, WAIT_LEAST_US = US_PER_S;

struct access_token {
    struct named named; /* its name is the digest. Guarded by the table's lock */
    struct access_tokens *tokens;

    pthread_mutex_t lock; /* guards what follows */
    struct slice text;    /* ours; empty: none came yet */
    int64_t until_us, renew_us, again_us, early_from_us;
    bool answered, wished;
};

struct access_tokens {
    pthread_mutex_t lock;
    struct named_table table;
};

static void forget(struct access_token *token)
{
    if (token->text.len > 0)
        explicit_bzero((char *)token->text.ptr, token->text.len);
    free((char *)token->text.ptr);
    token->text = SLICE_NONE;
}

static void fini(struct named *named)
{
    struct access_token *token = (struct access_token *)named;
    forget(token);
    pthread_mutex_destroy(&token->lock);
}

static const struct named_kind token_kind = {.size = sizeof(struct access_token), .fini = fini, .is_named_while_held = true};

struct access_tokens *access_tokens_new(void)
{
    struct access_tokens *tokens = xcalloc(1, sizeof *tokens);
    named_init(&tokens->table, &token_kind, SIZE_MAX);
    pthread_mutex_init(&tokens->lock, NULL);
    return tokens;
}

void access_tokens_free(struct access_tokens *tokens)
{
    if (tokens == NULL)
        return;
    named_fini(&tokens->table);
    pthread_mutex_destroy(&tokens->lock);
    free(tokens);
}

struct access_token *access_tokens_find(struct access_tokens *tokens, const uint8_t digest[SHA256_BYTES])
{
    uint64_t hash;
    bool fresh;
    memcpy(&hash, digest, sizeof hash); /* a digest is uniform already */
    pthread_mutex_lock(&tokens->lock);
    struct access_token *token = (struct access_token *)named_find(&tokens->table, (struct slice){(const char *)digest, SHA256_BYTES}, hash,
                                                                   0, &fresh);
    if (fresh) {
        pthread_mutex_init(&token->lock, NULL);
        token->tokens = tokens;
    }
    pthread_mutex_unlock(&tokens->lock);
    return token;
}

void access_token_unref(struct access_token *token)
{
    struct access_tokens *tokens = token->tokens;
    pthread_mutex_lock(&tokens->lock);
    if (token->named.references == 1)
        named_forget(&tokens->table, &token->named);
    else
        named_release(&tokens->table, &token->named);
    pthread_mutex_unlock(&tokens->lock);
}

/* ---------------------------------------------------------------- the thread that asks for tokens */

void access_token_put(struct access_token *token, struct slice text, int64_t until_us, int64_t renew_us)
{
    pthread_mutex_lock(&token->lock);
    forget(token);
    token->text = (struct slice){xstrndup(text.len == 0 ? "" : text.ptr, text.len), text.len};
    token->until_us = until_us;
    token->renew_us = renew_us;
    token->again_us = renew_us;
    token->answered = true;
    token->wished = false;
    pthread_mutex_unlock(&token->lock);
}

void access_token_missed(struct access_token *token, int64_t again_us)
{
    pthread_mutex_lock(&token->lock);
    token->again_us = again_us;
    token->answered = true;
    pthread_mutex_unlock(&token->lock);
}

bool access_token_is_answered(struct access_token *token)
{
    pthread_mutex_lock(&token->lock);
    bool answered = token->answered;
    pthread_mutex_unlock(&token->lock);
    return answered;
}

/* Under the lock. */
static bool is_good(const struct access_token *token, int64_t now_us)
{
    return token->text.len > 0 && now_us < token->until_us;
}

int64_t access_token_renew_us(struct access_token *token, int64_t now_us)
{
    pthread_mutex_lock(&token->lock);
    int64_t renew_us = is_good(token, now_us) ? token->renew_us : 0;
    pthread_mutex_unlock(&token->lock);
    return renew_us;
}

bool access_token_take_wish(struct access_token *token)
{
    pthread_mutex_lock(&token->lock);
    bool wished = token->wished;
    token->wished = false;
    pthread_mutex_unlock(&token->lock);
    return wished;
}

/* ---------------------------------------------------------------- the workers that send them */

bool access_token_is_good(struct access_token *token, int64_t now_us)
{
    pthread_mutex_lock(&token->lock);
    bool good = is_good(token, now_us);
    pthread_mutex_unlock(&token->lock);
    return good;
}

int64_t access_token_wait_us(struct access_token *token, int64_t now_us)
{
    pthread_mutex_lock(&token->lock);
    int64_t wait_us = token->again_us - now_us;
    pthread_mutex_unlock(&token->lock);
    return wait_us < WAIT_LEAST_US ? WAIT_LEAST_US : wait_us;
}

struct slice access_token_copy(struct access_token *token, int64_t now_us, struct arena *arena)
{
    pthread_mutex_lock(&token->lock);
    struct slice copy = is_good(token, now_us) ? arena_copy(arena, token->text) : SLICE_NONE;
    pthread_mutex_unlock(&token->lock);
    return copy;
}

bool access_token_refused(struct access_token *token, struct slice text, int64_t now_us)
{
    pthread_mutex_lock(&token->lock);
    bool early = slice_equals(text, token->text) && now_us >= token->early_from_us; /* a late answer speaks of another token */
    if (early) {
        token->early_from_us = now_us + EARLY_EVERY_US;
        token->wished = true;
    }
    pthread_mutex_unlock(&token->lock);
    return early;
}
