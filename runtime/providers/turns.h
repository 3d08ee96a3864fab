/* turns.h -- how writers walk over a conversation: its parts, the runs of messages that become one turn, the calls of tools and their results.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_TURNS_H
#define PROVIDERS_TURNS_H
#include "providers/encode.h"
#include "providers/lookup.h"

/* ---------------------------------------------------------------- parts */

/* The parts of the messages [from, to), one after the other. */
struct parts {
    const struct message *message;    /* in which the part stands that was given last */
    const struct message *ahead, *to; /* private, as the rest */
    const struct part *part;
    bool system;
};
struct parts parts_of_system(const struct chat *chat);                                      /* of system messages alone */
struct parts parts_said(const struct message *from, const struct message *to);              /* of all others */
const struct part *parts_next(struct parts *parts);                                         /* NULL: that was all */
bool parts_have(const struct message *from, const struct message *to, enum part_kind kind); /* of those that parts_said gives */
bool part_list_has(const struct part *list, enum part_kind kind);                           /* of one message, or of a result */

/* What a wire that knows text alone can carry: text, a refusal, a document that is text. */
bool part_is_text(const struct part *part);
/* All of it as one JSON string; `between` (escaped) stands between two of them. Cache markers are dropped. */
void encode_joined(struct encode *encode, const struct part *list, struct slice between);
/* All reasoning as one JSON string. */
void encode_reasoning(struct encode *encode, const struct part *list);
/* False for sounds and for files that are not text, complaint. */
bool encode_is_text_or_image(struct encode *encode, const struct part *part);
/* A text for a turn that has none: the config's or `otherwise`, escaped. */
struct slice encode_placeholder(const struct encode *encode, struct slice otherwise);
/* {"text":"…"}: a JSON answer asked for in words, and the schema where there is one. */
void encode_wish_for_json(struct encode *encode, const char *words);

/* data:image/png;base64,AAAA in its parts, none of them copied. False: it is no such URL. */
struct data_url {
    struct slice head, type, data; /* head: "image/png;base64" */
};
bool data_url_split(struct slice url, struct data_url *parts);

/* ---------------------------------------------------------------- calls and results */

/* The arguments of a call as an object of at most `depth` levels; none: {}. False: they are none, complaint. */
bool encode_arguments(struct encode *encode, const struct part *call, unsigned depth, struct slice *object);
/* An id of nine letters and digits: the same where it is one, else made of its hash, in the arena. */
struct slice id_of_nine(struct arena *arena, struct slice id);
/* The calls of the whole conversation by their ids. False: the arena is full. */
bool calls_gather(struct encode *encode, struct lookup *calls);

/* A run of messages that become one: [from, to). */
struct turn {
    const struct message *from, *to;
    bool assistant;
    unsigned calls; /* of an assistant */
};

/* The calls of a turn that have no result in the next one. */
struct lost {
    struct parts calls;
    struct lookup results;
};
struct lost lost_results(const struct encode *encode, const struct turn *calls,
                         const struct turn *answer); /* NULL: there is no such turn */
const struct part *lost_next(struct lost *lost);     /* a call; NULL: that was all */

/* ---------------------------------------------------------------- turns */

/* How a wire whose roles alternate writes its turns. */
struct turn_style {
    bool (*is_sent)(const struct encode *encode, const struct part *part, bool assistant);
    void (*put_opening)(
        struct encode *encode); /* the content of a user's turn before everything, where the conversation does not begin with one */
    bool (*put_turn)(struct encode *encode, const struct turn *turn, const struct turn *before, bool last); /* before NULL: the first */
    void (*put_lost)(struct encode *encode, const struct part *call); /* a result that says that there is none */
};
/* The next turn at or after `at`; system messages and assistant messages without content are passed over. False: there is none, an empty turn. */
bool turn_next(const struct encode *encode, const struct turn_style *style, const struct message *at, struct turn *turn);
/* "messages": the user begins, every call has its result. False: complaint. */
bool turns_write(struct encode *encode, const struct turn_style *style);
/* The same for wires that keep messages apart: each result of a message, then put_said for what else it says. */
bool message_write(struct encode *encode, const struct message *message,
                   bool (*put_result)(struct encode *encode, const struct part *result),
                   bool (*put_said)(struct encode *encode, const struct message *message));
#endif
