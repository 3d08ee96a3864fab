/* load.h -- a generation is built aside: its files read once, its policy tried, its scripts opened. Nothing in force changes. The process's thread.
 * SPDX-License-Identifier: MIT */
#ifndef PROCESS_LOAD_H
#define PROCESS_LOAD_H
#include "gateway/generation.h"

struct load {
    const char *path; /* of gateway.lua */
    unsigned scripts; /* 0: as many as the config says */
    unsigned number;
    struct sources **refused; /* NULL, or where the sources of what was refused are left: to be watched, and freed, by the caller */
    bool untried;             /* the policy need not pass its trial (trial.h): `explain` must show a mistake, not refuse it */
};

/* Reads and tries everything aside, with one script per worker. NULL: complaint, nothing changed. */
MUST_USE struct generation *generation_load(struct gateway *gateway, const struct load *load, int64_t now_us,
                                            char complaint[COMPLAINT_MAX]);
/* explain and the trial ask as if access tokens had come. */
void generation_pretend_tokens(struct config *config);
/* It may be in force for a while before it is trusted; from here on its policy's failures are counted. */
void generation_begin_probation(struct generation *generation, int64_t now_us);
#endif
