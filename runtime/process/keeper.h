/* keeper.h -- keeps watch beside the workers: asks providers whether they live, where the config says so, fetches the leaderboard and access tokens.
 *
 * One thread per process with a loop of its own; none where the config asks for nothing of it. It follows the generation in force: a check that stays (the same
 * provider, address and path) keeps what it knows, one that goes takes its marks with it.
 * A check is a GET whose answer's head decides (RFC 9110): an expected status is good; 401, 403, 404 and 405 are good as well, since the provider answered, with
 * one warning that the check is not set up right; 429 says nothing; any other status, no answer or none in time is bad. Marks go into the health
 * records of all targets of the provider (health_check) and nowhere else: checks are no traffic.
 * A leaderboard that is sound and new becomes the last good copy (shared/copies.h), and a reload is asked for that takes it into force. Anything
 * else keeps what there was, and is said once.
 * An access token (shared/access_tokens.h) is asked for at once, and anew well before its end; after a failure at growing intervals, from a second up to five minutes.
 * A token that a provider refuses is asked for early. What goes wrong is said once.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_KEEPER_H
#define PROCESS_KEEPER_H
#include "gateway/generation.h"

struct keeper;

bool keeper_is_needed(const struct config *config);
/* All three are the process thread's. A new keeper follows the generation in force. NULL: out of descriptors. */
MUST_USE struct keeper *keeper_start(struct gateway *gateway);
void keeper_follow(struct keeper *keeper); /* another generation is in force */
/* Its marks go with it, unless the gateway is draining: then no request shall be sent to a provider that it found down. NULL is fine. */
void keeper_stop(struct keeper *keeper);
#endif
