/* trial.h -- a candidate's policy is asked on made requests before it serves anyone: a mistake in admit or route is found at the load, not by users.
 *
 * Every model of the config and every provider by its full name, each dialect, streamed and not, a user of each tier, each strategy that the policy
 * exports; where limits can leave a model no room, a full house and one who waited as well. What a real request would be refused for is no mistake.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_TRIAL_H
#define PROCESS_TRIAL_H
#include "gateway/generation.h"

/* At most so many calls of the policy, two a request, and so long; of more combinations as many are tried, evenly. */
enum { TRIAL_CALLS_MAX = 2000 };
#define TRIAL_US US_PER_S

/* `gateway` is made for this alone: nothing that it counts is anyone's. Its generation has one script, which is of no use for anything else
 * afterwards. False: complaint. */
MUST_USE bool trial_run(struct gateway *gateway, char complaint[COMPLAINT_MAX]);
#endif
