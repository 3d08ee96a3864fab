/* facts.h -- what the gateway knows of a request after one scan of its body: enough to choose a provider and to estimate its tokens.
 *
 * Places are offsets into the body; slices borrow from it. Nothing is owned.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_FACTS_H
#define PROVIDERS_FACTS_H
#include "providers/chat.h"

/* A place in the body: [at, at+len). len 0: not there. */
struct span {
    size_t at, len;
};

enum { NEED_TOOLS = 1, NEED_VISION = 2, NEED_JSON_SCHEMA = 4, NEED_REASONING = 8, NEED_AUDIO = 16, NEED_DOCUMENT = 32 };

struct facts {
    struct slice model_raw;
    struct span model;                                        /* the value with its quotes */
    bool stream, include_usage;                               /* include_usage: the client itself asked for usage in the stream */
    struct span stream_options;                               /* the value */
    struct span include_usage_value;                          /* of stream_options.include_usage */
    bool stream_options_empty;                                /* {} or null */
    size_t object_start;                                      /* behind the opening '{' of the body: where a member can be put in */
    struct span max_tokens_key, max_completion_key, seed_key; /* the keys with their quotes: some vendors know them by other names */
    bool developer;                                           /* a message says role "developer" */
    bool foreign_thinking;                                    /* the history holds reasoning that only its issuer may see again */
    int64_t max_tokens;                                       /* max_completion_tokens before max_tokens; -1 not given */
    int64_t answer_count;                                     /* n or best_of: how many are made of each prompt; 0: not said, one */
    size_t prompt_count;                                      /* of a completion with a list of them; 0: one */
    double temperature;                                       /* NAN not given */
    bool replayable;                                          /* false for `store: true` and `background: true` */
    unsigned needs;                                           /* NEED_* */
    size_t prompt_bytes;                                      /* of text: added by facts_add_text */
    uint64_t prompt_weight;                                   /* what facts_tokens goes by */
    size_t body_bytes, media_bytes;                           /* of the whole body; of the data of pictures, sounds and files in it */
    int64_t media_tokens;                                     /* of sounds and files: a rough guess by their sizes */
    unsigned message_count, image_count;
    struct slice opening_json; /* the messages up to the first one of a user: equal for every turn of one conversation */
    struct slice user_raw;     /* `user` */
    struct slice metadata_json;
    /* the gateway's extensions: never sent upstream */
    struct slice strategy_raw, provider_raw;
    int fallback;              /* -1 not given, 0, 1 */
    struct span extensions[3]; /* each with its key and one comma, ready to be cut; in order */
    unsigned extension_count;
};

/* A text of the prompt: a message's, a tool's definition. */
void facts_add_text(struct facts *facts, struct slice text_raw);
/* What stands in the prompt and is not looked at: a text as well, for a provider may read it. What is short (a role, an id) is left to the message. */
void facts_add_rest(struct facts *facts, struct slice raw);
bool facts_skip(struct facts *facts, struct json *json); /* the same with the value that stands next; false: as json_skip */
/* A picture, sound or file (PART_IMAGE, PART_AUDIO, PART_DOCUMENT), where this wire has a place for one: its address or data: URL, or its type and base64. */
void facts_add_media(struct facts *facts, enum part_kind kind, struct slice url_raw, struct slice type_raw, struct slice data_raw);
/* A file that is given as a data: URL or as bare base64. */
void facts_add_file(struct facts *facts, struct slice data_raw);
/* The tokens of the whole prompt, estimated; how far off that is stands in estimate.c. At least 1. */
int64_t facts_tokens(const struct facts *facts);
#endif
