/* complaint.h -- what is wrong with a client's request, and where.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_COMPLAINT_H
#define PROVIDERS_COMPLAINT_H
#include "base/failure.h"

/* A refusal of the client's request: what is wrong and where. kind is one of the gateway's own kinds. */
struct complaint {
    enum failure_kind kind;
    struct slice message, param; /* static, or in the arena that was passed */
};

/* A parameter that this provider cannot be sent. Always false. */
static inline bool complaint_refuse(struct complaint *complaint, struct slice message, struct slice param)
{
    *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER, message, param};
    return false;
}
#endif
