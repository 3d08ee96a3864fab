/* refusal.h -- a refusal that net/ makes by itself, before the owner sees a request: framing, size, time, shortage. Slices are borrowed for the call.
 * SPDX-License-Identifier: MIT */
#ifndef NET_REFUSAL_H
#define NET_REFUSAL_H
#include "base/bytes.h"

enum { REFUSAL_ID_SIZE = 33 }; /* 32 hex digits and a NUL */

struct refusal {
    int status;
    struct slice reason;
    struct slice method, path; /* as far as they are known, else empty */
    struct slice peer;         /* "127.0.0.1" */
    bool is_request;           /* a byte of one was read; else it was only a connection */
};

/* Writes the JSON body of the answer, a request id for its header, and may log it. */
typedef void write_refusal_fn(void *owner, const struct refusal *refusal, struct buffer *body, char id[REFUSAL_ID_SIZE]);
#endif
