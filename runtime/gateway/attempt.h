/* attempt.h -- one attempt of a request at one target: write its request, send it, read the answer, report events to the walk.
 *
 * The answer itself is handled by providers/answer.h. Nothing is sent to the client before the walk says COMMIT.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ATTEMPT_H
#define GATEWAY_ATTEMPT_H
#include "gateway/request.h"
#include "providers/answer.h"

enum {
    ATTEMPT_PARTS_MAX = 2 * EDITS_MAX + 4,
    ATTEMPT_ERROR_MAX = 64 * 1024, /* of the body of a refusal: no more is read */
    ATTEMPT_LEFT_MAX = 64 * 1024,  /* read at most after the client left, to get the usage */
};

/* How long a connection may stay open behind the provider's end marker before we stop waiting for its last chunk. */
#define ATTEMPT_LINGER_US (50 * US_PER_MS)

struct attempt {
    struct request *request;
    unsigned number; /* of the walk */
    struct target *target;
    struct call *call;       /* NULL when it is over */
    const struct wire *wire; /* the provider's */
    struct answer answer;
    struct slice parts[ATTEMPT_PARTS_MAX];
    unsigned part_count;
    struct buffer encoded; /* the request body, when it was written anew */

    int status;   /* the provider's */
    bool coded;   /* the answer is compressed although we asked for none: its body is not read */
    bool settled; /* the health record was updated */
    bool probe;
    struct reservation capacity; /* what it holds of its target's rate limits */
    unsigned key;                /* index of the provider's key in use */
    struct slice access_token;   /* its access token, in the arena; empty: it has keys */
    bool reused;
    bool content_told; /* the walk knows that content came */
    bool failed;       /* `failure` says why */
    bool paused;       /* the client is slow */
    bool wrote;        /* something from this read was sent to the client */
    bool left;         /* its client left: it is read on for its usage */
    size_t left_bytes; /* since then */
    size_t refusal_bytes;
    struct failure failure;
    struct http1_header *headers; /* of an answer that is an error; in the arena */
    unsigned header_count;
    int64_t sent_us;
    struct attempt *next; /* the worker's free list */
};

/* The request's bytes for this target: reader, writer, body and head (attempt_request.c). No parts: there is nothing to send. False: *complaint says why. */
MUST_USE bool attempt_prepare(struct attempt *attempt, struct complaint *complaint);
/* It failed: an access token that was answered with 401 is fetched again, once. */
void attempt_note_token(const struct attempt *attempt);
/* A writer of the client's dialect. False: the request's memory is used up. */
MUST_USE bool attempt_open_writer(struct attempt *attempt);

/* Begins; never NULL. A failure before anything was sent is reported to the walk (drain it). */
struct attempt *attempt_start(struct request *request, const struct walk_action *action);
/* Closes its connection, and updates the health record by the attempt's state in the walk. */
void attempt_cancel(struct attempt *attempt);
/* Reports its end to the walk although the connection is still open: the provider's end marker was seen, or the time for reading a refusal's body is
 * over. False: neither is the case. */
bool attempt_conclude(struct attempt *attempt);
/* True: memory ran out; *failure is replaced by one that says so. */
bool attempt_note_memory(const struct attempt *attempt, struct failure *failure);
/* The usage that its provider may bill: what the provider counted; else an estimate of what came; or the prompt alone, where the request was sent whole
 * and its outcome is not known (lost hedges, deadlines, clients that left). Unknown where the provider cannot have acted on it. An answer that the client
 * cut short (it left, or its own time was over) counts for at least `reserved` tokens; 0: nothing was reserved. */
struct usage attempt_billed(const struct attempt *attempt, int64_t reserved);
/* Sends what is held to the client, and from now on everything that comes. */
void attempt_commit(struct attempt *attempt);
/* Sends a keep-alive of the client's dialect; only once it is committed. */
void attempt_ping(struct attempt *attempt);
/* The client left: reads on to get the usage, within ATTEMPT_LEFT_MAX. */
void attempt_read_on(struct attempt *attempt);
/* The request is over: no event comes after this call, and the attempt no longer uses anything of the generation. */
void attempt_stop(struct attempt *attempt);
/* After attempt_stop: back to the worker's free list. */
void attempt_release(struct attempt *attempt);
void attempt_free_all(struct attempt *attempts); /* a free list, when the worker ends */
#endif
