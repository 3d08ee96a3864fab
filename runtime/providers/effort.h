/* effort.h -- how hard a model is asked to think.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_EFFORT_H
#define PROVIDERS_EFFORT_H
#include "base/bytes.h"

enum effort { EFFORT_NOT_GIVEN, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX };
/* How hard a model is asked to think, at most so hard as this wire can say. */
enum effort effort_of(struct slice effort_raw, enum effort most);
#endif
