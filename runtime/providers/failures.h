/* failures.h -- what a provider's error says: its kind, when to try again, its message.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_FAILURES_H
#define PROVIDERS_FAILURES_H
#include "base/json.h"
#include "base/failure.h"

/* An answer that is an error; also one inside of an answer, which has no headers. */
struct error_answer {
    int status;
    struct slice body;
    struct slice (*header)(void *head, struct slice name); /* NULL: there are none */
    void *head;
    int64_t wall_us;
    struct arena *arena;
};

/* A failure of this kind, of the answer's status and with its hint when to try again. */
struct failure failure_of(const struct error_answer *error_answer, enum failure_kind kind, struct slice message);
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
/* The body of an error without what may stand around its object: blanks, a byte order mark, a list of one. */
struct slice failure_object(struct slice body);
#endif
