/* scan.h -- one pass over the body of a client's request: the facts of it, or what is wrong with it. A dialect is a table of members and its words.
 *
 * Each member that is looked at has a row: its name, the function that reads its value, and where that goes. The body is checked as JSON to its end.
 * Refused are wrong types of what the gateway leans on and members that are given twice: the provider could read them differently. Everything else is
 * the provider's to judge. Facts borrow from the body; messages of complaints live in the arena.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_SCAN_H
#define PROVIDERS_SCAN_H
#include "providers/facts.h"

struct scan;

/* A member of an object. `into` is what the object is read into: struct facts for the request, struct scan_message for a message. */
struct scan_member {
    struct slice name;
    bool (*read)(struct scan *scan, const struct scan_member *member, void *into); /* consumes the value; false: *complaint, or no JSON */
    size_t at;                                                                     /* offset in `into`, for readers that store */
};

struct scan_members {
    const struct scan_member *list;
    unsigned count; /* at most 32 for a request */
};
#define SCAN_MEMBERS(list)                                                                                                                 \
    {                                                                                                                                      \
        list, sizeof(list) / sizeof *(list)                                                                                                \
    }

/* What a message says of itself. */
struct scan_message {
    struct slice role;
    bool content;
};

struct scan_role {
    struct slice name;
    bool developer; /* the facts say that it was there */
};

/* The words are formats: `place` and names are passed as "%.*s". */
struct scan_dialect {
    struct scan_members request, message;
    const struct scan_role *roles; /* the most frequent ones first; the last has no name */
    const char *known_roles;
    bool (*read_part)(struct scan *scan); /* a part of a message's content: an object */
    bool null_content;                    /* a message may say null */
    bool needs_role, needs_content;
    const char *expected[JSON_OBJECT + 1]; /* what a type is called that was wanted */
    const char *messages, *content, *part; /* and these, when something else stands in their place */
    const char *part_suffix;               /* of the place of a part */
    const char *place;                     /* of a message: index, ".", member */
    const char *wrong_type;                /* place, wanted type, type that was found */
    const char *missing;                   /* place */
    const char *bad_role;                  /* the role, known_roles; NULL: in the words of wrong_type */
    const char *duplicate;                 /* name */
    const char *no_messages, *no_model, *model_with_nul, *bad_temperature;
    const char *not_object; /* type that was found */
    const char *not_json;   /* error, byte */
};

struct scan {
    const struct scan_dialect *dialect;
    unsigned variant; /* which of its dialect's bodies this is, where it has several */
    struct arena *arena;
    struct facts *facts;
    struct complaint *complaint;
    struct json json;
    struct slice body;
    uint32_t seen;        /* a bit for each member of the request */
    bool only_extensions; /* every member so far was one of the gateway's own */
    struct span key;      /* of the member of the request that is read, with its quotes */
    size_t last_end;      /* where the value before it ended */
    int index;            /* of the message that is read; -1: none */
    struct slice field;   /* the member that holds the content under way */
};

/* The scan of a whole request. False: *complaint. */
bool scan_request(struct scan *scan, struct slice body);
/* Whether the request had this member, which has a row; and the complaint that it had not. */
bool scan_has(const struct scan *scan, struct slice name);
bool scan_missing(struct scan *scan, struct slice name);

/* A complaint; the first one counts. Always false. */
bool scan_refuse(struct scan *scan, enum failure_kind kind, struct slice message, struct slice param);
bool scan_wrong_type(struct scan *scan, struct slice place, const char *wanted);

/* The members of an object, which stands next; those without a row count as text of the prompt. */
bool scan_object(struct scan *scan, const struct scan_members *members, void *into);
/* A string or a list of parts. */
bool scan_content(struct scan *scan);
/* An object that counts as text of the prompt, as it stands there; empty for null. */
bool scan_counted_object(struct scan *scan, struct slice name, struct slice *raw);
/* A value of this type, as it stands there; empty for null. */
bool scan_typed(struct scan *scan, struct slice name, enum json_type type, struct slice *raw);

/* What OpenAI's dialects, of chat and of responses, say alike: two members of struct scan_dialect and more. */
#define SCAN_OPENAI_TYPES                                                                                                                  \
    {                                                                                                                                      \
        "nothing", "null", "a boolean", "a boolean", "a number", "a string", "an array", "an object"                                       \
    }
#define SCAN_OPENAI_WORDS                                                                                                                  \
    .wrong_type = "Invalid type for '%.*s': expected %s, but got %s instead.", .missing = "Missing required parameter: '%.*s'.",           \
    .bad_role = "Invalid value: '%.*s'. Supported values are: %s.", .duplicate = "Duplicate key: '%s' is given twice.",                    \
    .no_model = "Invalid 'model': it is empty.", .model_with_nul = "Invalid 'model': it holds a NUL.",                                     \
    .bad_temperature = "Invalid 'temperature': not a number that can be held.",                                                            \
    .not_object = "The request body must be a JSON object, not %s.", .not_json = "The request body could not be read: %s, at byte %zu."

/* --- readers of members of any object */
bool scan_ignore(struct scan *scan, const struct scan_member *member, void *into);      /* nothing to see for a model */
bool scan_rest(struct scan *scan, const struct scan_member *member, void *into);        /* no place for text, but a provider may read it */
bool scan_add_text(struct scan *scan, const struct scan_member *member, void *into);    /* a string: a text of the prompt; else the rest */
bool scan_take_string(struct scan *scan, const struct scan_member *member, void *into); /* a string, raw, into a slice; else the rest */
bool scan_take_value(struct scan *scan, const struct scan_member *member, void *into);  /* any value into a slice */

/* --- readers of members of a message */
bool scan_take_role(struct scan *scan, const struct scan_member *member, void *into); /* one of the dialect's */
bool scan_take_content(struct scan *scan, const struct scan_member *member, void *into);

/* --- readers of members of a request; null is none */
bool scan_take_model(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_messages(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_flag(struct scan *scan, const struct scan_member *member, void *into);  /* into a bool */
bool scan_take_text(struct scan *scan, const struct scan_member *member, void *into);  /* a string into a slice */
bool scan_take_count(struct scan *scan, const struct scan_member *member, void *into); /* at least 1, into an int64_t */
bool scan_take_temperature(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_tools(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_stored(struct scan *scan, const struct scan_member *member, void *into); /* true: not replayable */

/* --- the gateway's own members, which every request may have: the last rows of a table */
bool scan_take_extension(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_provider(struct scan *scan, const struct scan_member *member, void *into);
bool scan_take_fallback(struct scan *scan, const struct scan_member *member, void *into);
#define SCAN_EXTENSIONS                                                                                                                    \
    {LIT("routing_strategy"), scan_take_extension, offsetof(struct facts, strategy_raw)},                                                  \
        {LIT("provider"), scan_take_provider, offsetof(struct facts, provider_raw)},                                                       \
    {                                                                                                                                      \
        LIT("fallback"), scan_take_fallback, 0                                                                                             \
    }
#endif
