/* trial.h -- tries a new generation's policy on made-up requests before it serves: so a mistake in admit or route is found at the load, not by users.
 *
 * Every model of the config and every provider by its full name, each dialect, streamed and not, a user of each tier, each strategy that the policy
 * exports; where limits can leave a model without capacity, also with no capacity left, and after a wait. A refusal that the policy means is not a mistake.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_TRIAL_H
#define PROCESS_TRIAL_H
#include "gateway/generation.h"

/* At most so many calls of the policy, two per request, and so long; of more combinations an even sample is tried. */
enum { TRIAL_CALLS_MAX = 2000 };
#define TRIAL_US US_PER_S

/* `gateway` is made for the trial alone, so its counters affect no user. Its generation has one script, which must not be used for
 * anything else afterwards. False: complaint. */
MUST_USE bool trial_run(struct gateway *gateway, char complaint[COMPLAINT_MAX]);
#endif
