/* keeper.h -- the thread for periodic work beside the workers: health checks, the leaderboard, access tokens.
 *
 * One thread per process with a loop of its own; none where the config needs none of this. It follows the generation in force: a health check that is the
 * same in the new one (provider, address, path) keeps its state; one that is gone no longer marks targets as down.
 * A health check is a GET whose status decides: an expected status is good; 401, 403, 404 and 405 are good too, since the provider answered, with
 * one warning that the check is set up wrong; 429 is ignored; any other status, or none in time, is bad. The result goes into the health
 * records of all targets of the provider (health_check) and nowhere else: health checks are not traffic.
 * A leaderboard that is valid and new becomes the last good copy (shared/copies.h), and a reload puts it in force. Anything
 * else keeps the old one, and is logged once.
 * An access token (shared/access_tokens.h) is fetched at once, and renewed before it expires; after a failure at growing intervals, from a second up to five
 * minutes. When a provider refuses a token, a new one is fetched early. A failure is logged once.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_KEEPER_H
#define PROCESS_KEEPER_H
#include "gateway/generation.h"

struct keeper;

bool keeper_is_needed(const struct config *config);
/* All three are for the process's thread. A new keeper follows the generation in force. NULL: out of descriptors. */
MUST_USE struct keeper *keeper_start(struct gateway *gateway);
void keeper_follow(struct keeper *keeper); /* another generation is in force */
/* Clears its marks, unless the gateway is draining: then no request shall be sent to a provider that was found down. NULL is allowed. */
void keeper_stop(struct keeper *keeper);
#endif
