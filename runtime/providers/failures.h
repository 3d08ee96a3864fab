/* failures.h -- what a provider's error says: its kind, when to try again, its message.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_FAILURES_H
#define PROVIDERS_FAILURES_H
#include "base/json.h"
#include "base/failure.h"

/* The first pass by status, then by code and text (wires/errors: sections 2 and 3). */
enum failure_kind failure_classify(int status, struct slice code, struct slice text);
/* A hint is for waiting: what is further away than an hour is an hour away, whichever way a provider says it. */
enum { RETRY_HINT_MAX_S = 3600 };
int64_t retry_hint_us(double seconds); /* of a finite time that is not negative */
/* Retry-After in all its forms: seconds, floats, HTTP-date, retry-after-ms, Go durations ("6m0s"), RFC 3339. -1: none. */
int64_t retry_after_us(struct slice (*header)(void *head, struct slice name), void *head, int64_t wall_us);
/* The same from the words of a message, for providers that say it nowhere else. -1: none. */
int64_t retry_after_said(struct slice message);
/* The provider's message out of any shape of body (extraction order of wires/errors), cleaned: valid UTF-8, no control bytes, at most
 * FAILURE_MESSAGE_MAX, anything that looks like a key or a bearer token replaced by ***. */
struct slice failure_message(struct slice body, int status, struct arena *arena);
/* The look-up of an answer's headers where there are none: an error inside a 200. */
struct slice header_none(void *head, struct slice name);
/* The body of an error without what may stand around its object: blanks, a byte order mark, a list of one. */
struct slice failure_object(struct slice body);
#endif
