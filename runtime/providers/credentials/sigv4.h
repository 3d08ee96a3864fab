/* sigv4.h -- AWS Signature Version 4 of a POST without a query ("Create a signed AWS API request", IAM user guide).
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_CREDENTIALS_SIGV4_H
#define PROVIDERS_CREDENTIALS_SIGV4_H
#include "base/bytes.h"

struct sigv4 {
    struct slice access_key_id, secret_access_key, session_token; /* token empty: the credentials are not temporary */
    struct slice region, service;
    struct slice host;         /* as the Host header says it */
    struct slice content_type; /* as its header says it; empty: there is none to sign */
    struct slice path;         /* as it goes over the wire; it is encoded once more for the signature */
    int64_t wall_us;
};

/* Appends the headers X-Amz-Date, X-Amz-Security-Token and Authorization, each with its CRLF. Signed are these but the last, host and content-type. Nothing
 * is appended when the clock is out of its range or memory is out: the provider refuses the request then. */
void sigv4_write(const struct sigv4 *request, const struct slice *parts, unsigned part_count, struct buffer *out);
#endif
