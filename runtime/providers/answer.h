/* answer.h -- one answer on its way from a provider's bytes to a client's: a reader, a writer or none, what is held back, and the verdict.
 *
 * Same wire on both sides: the provider's bytes go on as they came, and the reader only taps them. Otherwise the reader's events go through the client's
 * writer. What is for the client is held, bounded, until answer_commit; from then on it goes to `send`. Pure: no socket, no clock.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_ANSWER_H
#define PROVIDERS_ANSWER_H
#include "providers/provider.h"

enum {
    ANSWER_BODY_MAX = 64 * 1024 * 1024,    /* a whole answer */
    ANSWER_HELD_MAX = 1024 * 1024,         /* bytes of a stream before its first content */
    ANSWER_STREAM_MAX = 256 * 1024 * 1024, /* of a stream, whatever it says: it has no end */
    ANSWER_TEXT_MAX = 1024 * 1024,         /* its text beyond what the tokens asked for can come to */
    ANSWER_BYTES_PER_TOKEN = 1024,         /* of text, at most: many choices, blanks, escapes */
};

/* Zeroed but for `body` and `held` it is ready for answer_begin, also after an earlier answer. */
struct answer {
    struct reader *reader;
    struct writer *writer; /* NULL: bytes pass as they came */
    void (*send)(void *owner, struct slice bytes);
    void *owner;
    bool stream;        /* the body is a stream of events */
    bool include_usage; /* the client asked for usage in the stream */
    int64_t max_tokens; /* the most that were asked for; -1: not known */

    bool content;       /* an event that event_is_content came */
    bool ended, failed; /* its end was said; it is no good all the same, `failure` says why */
    struct failure failure;
    struct usage usage;
    enum finish finish;
    size_t stream_bytes;
    size_t text_bytes; /* of text, reasoning and arguments: what is left to go by when no usage comes */
    struct frames events;
    struct buffer body; /* a whole answer, or the text of an error */
    struct buffer held; /* bytes for the client that were not sent yet */
};

/* Once, before the first answer: the buffers, which are kept from one answer to the next. */
void answer_init(struct answer *answer, struct memory *memory);
/* `wire` is the provider's; `stream`: a stream was asked for. */
void answer_begin(struct answer *answer, const struct wire *wire, bool stream);
/* The writer's memory and what was cut; buffers larger than 4 kB. Exactly once for each answer_begin. */
void answer_end(struct answer *answer);
void answer_free(struct answer *answer); /* after answer_end: the buffers */
/* Frees a buffer that is larger than 4 kB: what a burst of large answers took must not lie with those that wait. */
void answer_give_back(struct buffer *buffer);
/* Memory could not be had for a part of it. */
bool answer_starved(const struct answer *answer);

/* A reader or writer of its wire's size in given->arena, begun. False: the arena is used up. The reader emits to answer_take. */
MUST_USE bool answer_open_reader(struct answer *answer, const struct reader *given);
MUST_USE bool answer_open_writer(struct answer *answer, const struct writer *given);

/* One event of the reader. `answer` is a struct answer. */
void answer_take(void *answer, const struct event *event);
/* Bytes of the body; they need not stay valid. False: the answer has failed, `failure` says why. */
MUST_USE bool answer_feed(struct answer *answer, struct slice bytes);
/* The body ended. True: the answer is whole; else it has failed. */
MUST_USE bool answer_finish(struct answer *answer);
/* In place of a body: a count of tokens that the provider cannot give. */
void answer_estimate(struct answer *answer, int64_t input_tokens);

/* Sends what is held, and everything from now on. */
void answer_commit(struct answer *answer, void (*send)(void *owner, struct slice bytes), void *owner);
/* A keep-alive of the client's dialect; only once it is committed. */
void answer_ping(struct answer *answer, const struct wire *client);

/* What a refusal with this status and the text in `body` means. */
struct failure answer_read_refusal(struct answer *answer, int status, struct slice (*header)(void *head, struct slice name), void *head,
                                   int64_t wall_us);
/* A failure for the client: an error body, or the end of a stream that has begun. `writer`: what wrote the stream, NULL: nothing did. */
void answer_write_failure(const struct wire *client, struct writer *writer, const struct failure *failure, struct slice request_id,
                          bool stream, struct buffer *out);
#endif
