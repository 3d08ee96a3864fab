/* load.h -- builds a generation: reads its files once, tries its policy, opens its scripts. It does not put it in force. The process's thread.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_LOAD_H
#define PROCESS_LOAD_H
#include "gateway/generation.h"

struct load {
    const char *path; /* of gateway.lua */
    unsigned scripts; /* 0: as many as the config says */
    unsigned number;
    struct sources **refused; /* not NULL: where the sources of a refused generation go; the caller watches and frees them */
    bool untried;             /* the policy need not pass its trial (trial.h): `explain` must show a mistake, not refuse it */
};

/* Reads and tries everything. NULL: complaint says why, and nothing changed. */
MUST_USE struct generation *generation_load(struct gateway *gateway, const struct load *load, int64_t now_us,
                                            char complaint[COMPLAINT_MAX]);
/* For explain and the trial: treats all access tokens as fetched. */
void generation_pretend_tokens(struct config *config);
/* Begins its probation: from here on the failures of its policy are counted. */
void generation_begin_probation(struct generation *generation, int64_t now_us);
#endif
