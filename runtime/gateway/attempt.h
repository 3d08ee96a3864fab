/* attempt.h -- one try of a request at one target: adapt, send, read, and tell the walk what happened.
 *
 * How the answer is read, held and judged is providers/answer.h's. Nothing goes to the client before the walk says COMMIT.
 * SPDX-License-Identifier: MIT */
#ifndef GATEWAY_ATTEMPT_H
#define GATEWAY_ATTEMPT_H
#include "gateway/request.h"
#include "providers/answer.h"

enum {
    ATTEMPT_PARTS_MAX = 2 * EDITS_MAX + 4,
    ATTEMPT_ERROR_MAX = 64 * 1024, /* of the body of a refusal: no more is read */
    ATTEMPT_LEFT_MAX = 64 * 1024,  /* what is read on for when its client left */
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
    bool coded;   /* it is compressed, though we ask that it be not: nothing in it is looked at */
    bool settled; /* health was told */
    bool probe;
    struct reservation capacity; /* what it took of its target's limits */
    unsigned key;                /* index of the provider's key in use */
    struct slice access_token;   /* its access token, in the arena; empty: it has keys */
    bool reused;
    bool content_told; /* the walk knows that content came */
    bool failed;       /* `failure` says why, whether its answer said so or something else did */
    bool paused;       /* the client is slow */
    bool wrote;        /* something of this read went on to the client */
    bool left;         /* its client left: it is read on for its usage */
    size_t left_bytes; /* since then */
    size_t refusal_bytes;
    struct failure failure;
    struct http1_header *headers; /* of an answer that is an error; in the arena */
    unsigned header_count;
    int64_t sent_us;
    struct attempt *next; /* the worker's free list */
};

/* The request's bytes for this target: reader, writer, body and head (attempt_request.c). No parts: there is nothing to send. False: *complaint. */
MUST_USE bool attempt_prepare(struct attempt *attempt, struct complaint *complaint);
/* It failed: a token that was answered with 401 is asked for anew, once. */
void attempt_note_token(const struct attempt *attempt);
/* A writer of the client's dialect. False: the request's memory is used up. */
MUST_USE bool attempt_open_writer(struct attempt *attempt);

/* Begins. A failure before anything was sent is reported to the walk (drain it). NULL never. */
struct attempt *attempt_start(struct request *request, const struct walk_action *action);
/* Closes its connection and tells health what the walk says of it. */
void attempt_cancel(struct attempt *attempt);
/* Its end is told to the walk although the connection did not end: the provider's end marker was seen, or its head was a refusal whose words had
 * their time. False: there is nothing to tell. */
bool attempt_conclude(struct attempt *attempt);
/* True: memory ran out, so that is what failed, whatever it looked like; *failure says so. */
bool attempt_note_memory(const struct attempt *attempt, struct failure *failure);
/* What its provider may bill for it: what was counted; else an estimate of what came, or of the prompt alone where it was sent whole and nothing
 * is known of what became of it (lost hedges, time that ran out, clients that left). Unknown where it cannot have been done. An answer that its client
 * cut short (it left, or gave it too little time) is not known to be cheap: it counts for `reserved` tokens at least, 0: nothing was reserved. */
struct usage attempt_billed(const struct attempt *attempt, int64_t reserved);
/* Sends what is held, and everything from now on, to the client. */
void attempt_commit(struct attempt *attempt);
/* Sends a keep-alive of the client's dialect; only once it is committed. */
void attempt_ping(struct attempt *attempt);
/* Its client left: it is read on for its usage, as far as that is near. */
void attempt_read_on(struct attempt *attempt);
/* Its request is over: no event comes after this, and nothing of the generation is touched any more. */
void attempt_stop(struct attempt *attempt);
/* After attempt_stop: back to the worker's free list. */
void attempt_release(struct attempt *attempt);
void attempt_free_all(struct attempt *attempts); /* a free list, when the worker ends */
#endif
