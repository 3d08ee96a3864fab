/* secrets.h -- removes secrets from messages of providers.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_SECRETS_H
#define PROVIDERS_SECRETS_H
#include "base/arena.h"
#include "base/failure.h"

struct provider; /* vendor.h */

/* The text without the secret: whole, in pieces of eight bytes and more, or in base64 wherever it may stand there. A copy only where there was any of it. */
struct slice secret_hide(struct slice text, struct slice secret, struct arena *arena);
/* The same for all that a failure says and all that the provider is sent as a secret; `token`: an access token, or empty. */
void failure_hide(struct failure *failure, const struct provider *provider, struct slice token, struct arena *arena);
#endif
