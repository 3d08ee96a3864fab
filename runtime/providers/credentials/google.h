/* google.h -- access tokens of Google Cloud: how they are asked for and what comes back. Bytes in, bytes out: the keeper asks.
 *
 * A service account signs a claim (RFC 7523 2.1, RS256), a user's file has a refresh token (RFC 6749 6), a machine in Google's cloud asks its metadata
 * server. All answer { access_token, expires_in, token_type } (RFC 6749 5.1), or { error, error_description } (5.2).
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_CREDENTIALS_GOOGLE_H
#define PROVIDERS_CREDENTIALS_GOOGLE_H
#include "base/arena.h"
#include "base/hash.h"

enum google_kind { GOOGLE_SERVICE_ACCOUNT, GOOGLE_USER, GOOGLE_METADATA };

/* As lua/gateway/credentials.lua read it. */
struct google_credential {
    enum google_kind kind;
    struct slice origin, path; /* where tokens are asked for: "https://oauth2.googleapis.com", "/token" */
    struct slice token_uri;    /* both, as the file says it */
    struct slice client_email, private_key, private_key_id;
    struct slice client_id, client_secret, refresh_token;
    struct slice quota_project; /* who pays; empty: whose token it is */
};

struct google_token {
    struct slice text;
    int64_t life_us; /* counted from when it was asked for */
};

/* An RSA key in PEM that RS256 may use (RFC 7518 3.3). */
bool google_is_key(struct slice pem);
/* The same for equal credentials, wherever they were read. */
void google_digest(const struct google_credential *credential, uint8_t digest[SHA256_BYTES]);
/* Appends the whole request, head and body. False: the key does not sign. */
MUST_USE bool google_write_request(const struct google_credential *credential, int64_t wall_us, struct buffer *out);
/* The body of a 200. False: *why says in static words what is wrong with it. */
MUST_USE bool google_read_token(struct slice body, struct arena *arena, struct google_token *token, const char **why);
/* Any other answer to the request `sent`, in words: without the secrets that stood in the request. */
struct slice google_read_refusal(const struct google_credential *credential, struct slice sent, int status, struct slice body,
                                 struct arena *arena);
/* How long after it was asked for a token is worth renewing: well before its end. */
int64_t google_renew_us(int64_t life_us);
#endif
