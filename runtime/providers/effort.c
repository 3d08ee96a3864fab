/* effort.c -- how hard a model is asked to think, in OpenAI's words.
 * SPDX-License-Identifier: MIT */
#include "base/json.h"
#include "providers/effort.h"

enum effort effort_of(struct slice effort_raw, enum effort most)
{
    static const struct {
        struct slice name;
        enum effort effort;
    } known[] = {{LIT("none"), EFFORT_NONE}, {LIT("minimal"), EFFORT_MINIMAL}, {LIT("low"), EFFORT_LOW}, {LIT("medium"), EFFORT_MEDIUM},
                 {LIT("high"), EFFORT_HIGH}, {LIT("xhigh"), EFFORT_XHIGH},     {LIT("max"), EFFORT_MAX}};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (json_raw_equals(effort_raw, known[i].name))
            return known[i].effort < most ? known[i].effort : most;
    return EFFORT_NOT_GIVEN;
}
