/* encode.h -- what every writer of a request to a provider works with: the state, pieces of JSON, and what all wires ask of a chat.
 *
 * The caller fills the first members of struct encode and calls a wire's write_request, write_count (both: chat) or write_embed (embed). False: the
 * complaint names the parameter that this provider cannot be sent. What a wire cannot carry and may leave out is named in `dropped` instead.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_ENCODE_H
#define PROVIDERS_ENCODE_H
#include "providers/family.h"
#include "providers/provider.h"

/* How hard a model is asked to think, in OpenAI's words. */
enum effort { EFFORT_NOT_GIVEN, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX };

struct encode {
    const struct chat *chat;
    const struct embed *embed;
    const struct provider *provider;
    const struct model_facts *model;
    struct arena *arena;
    struct buffer *out;     /* the body */
    struct buffer *dropped; /* names of what is left out, ", " between */
    struct complaint *complaint;
    /* The writer's own, zero when it is called: */
    const struct family *family;
    unsigned flags;     /* bits of the wire: what the model's family accepts, and how this request is written */
    enum effort effort; /* at most what the wire can say */
    bool thinking;      /* this request thinks: reasoning of the history goes back */
    bool first;         /* nothing was written yet of the innermost object or list */
    bool lost_markers;  /* a cache marker was left out, and named */
};

/* ---------------------------------------------------------------- pieces of JSON */

#define encode_write(encode, template, ...) buffer_write((encode)->out, template, __VA_ARGS__)

void encode_comma(struct encode *encode); /* unless this is the first of its object or list */
void encode_key(struct encode *encode, const char *name);
/* A member; nothing where the value is empty. text: raw, in quotes. */
void encode_value(struct encode *encode, const char *name, struct slice value_json);
void encode_text(struct encode *encode, const char *name, struct slice raw);
void encode_int(struct encode *encode, const char *name, int64_t number);
void encode_model(struct encode *encode); /* "model": the id that the provider knows */

/* An object or list as a member. One that nothing was written into goes again at its end. */
struct place {
    size_t len;
    bool first;
};
void encode_begin(struct encode *encode, char bracket);
void encode_end(struct encode *encode, char bracket);
struct place encode_open(struct encode *encode, const char *name, char bracket);
void encode_close(struct encode *encode, char bracket, struct place place);

/* ---------------------------------------------------------------- refusing, leaving out */

bool encode_refuse(struct encode *encode, struct slice message, struct slice param); /* false */
void encode_drop(struct encode *encode, struct slice name);
/* A cache marker where the provider knows none: the first one is named. */
void encode_drop_marker(struct encode *encode, struct slice cache_control_json);
/* The types of what the client said in words of its own dialect ("messages.video_url"). What an assistant said so goes unnamed: it is history of tools
 * that another provider ran. */
void encode_drop_content(struct encode *encode);

/* Those of these members that the chat has. */
enum {
    MEMBER_SEED = 1,
    MEMBER_PENALTIES = 2,
    MEMBER_LOGPROBS = 4,
    MEMBER_PARALLEL = 8,
    MEMBER_USER = 16,
    MEMBER_METADATA = 32,
    MEMBER_SERVICE_TIER = 64,
};
void encode_drop_members(struct encode *encode, unsigned members);

/* What a wire does with a member that no field of struct chat carries. */
enum place_of_extra { EXTRA_TOP, EXTRA_OPTIONS, EXTRA_ELSEWHERE /* other code of the wire sees to it */ };
struct extra_rule {
    const char *name;
    const char *as; /* NULL: the same name */
    enum place_of_extra place;
    bool (*check)(const struct encode *encode, struct slice value_json); /* NULL: any value is good */
};
/* Writes those of one place. With EXTRA_TOP what no rule lets pass is named as dropped. The list ends with a name NULL. */
void encode_extras(struct encode *encode, const struct extra_rule *rules, enum place_of_extra place);
bool extra_is_object(const struct encode *encode, struct slice value_json);
/* The value of one of them, SLICE_NONE for null. */
struct slice encode_extra(const struct encode *encode, struct slice name);

/* ---------------------------------------------------------------- what wires ask of a chat */

bool encode_is_one_answer(struct encode *encode); /* false: n asks for more, complaint */
/* max_tokens as asked for, else the provider's default, else `otherwise`; at most what the model writes. */
int64_t encode_max_tokens(const struct encode *encode, int64_t otherwise);
/* Tokens for thinking by encode->effort: as configured, else of `defaults`, one for each effort. */
int64_t encode_budget(const struct encode *encode, const int64_t *defaults);
enum effort effort_of(struct slice effort_raw, enum effort most);
/* "low", "medium", "high", "max": for wires that know no others. */
struct slice effort_word(enum effort effort);
/* Anthropic's thinking object says that there shall be none. */
bool thinking_is_disabled(struct slice thinking_json);
/* The number between two others, which are given as they shall be written; empty: it is none. */
struct slice number_between(struct slice digits, struct slice low, struct slice high);
enum { STOPS_ANY = INT32_MAX }; /* no bound */
/* A list of those that pass `is_good` (NULL: all), at most `max`: "stop" is named as dropped where there are more. */
void encode_stops(struct encode *encode, const char *name, bool (*is_good)(const struct encode *encode, struct slice stop_raw),
                  unsigned max);
bool stop_has_text(const struct encode *encode, struct slice stop_raw); /* not only blanks */
bool encode_is_json_asked(const struct encode *encode);

/* {"type":"function","function":{…, still open: two brackets are missing. schema_json empty: no parameters. */
void encode_function(struct encode *encode, struct slice name_raw, struct slice description_raw, struct slice schema_json);
struct slice tool_schema(const struct tool *tool); /* one without any takes an empty object */
/* False: the tool is one that another provider runs, complaint. */
bool encode_is_function(struct encode *encode, const struct tool *tool);
/* At the end of the list of tools. False: it is empty, for the one that must be called is not among them, complaint. */
bool encode_has_tool(struct encode *encode);

/* ---------------------------------------------------------------- embeddings */

void encode_inputs(struct encode *encode, const char *name);
/* The client's, else the provider's default, else "search_document". */
struct slice encode_input_type(const struct encode *encode);
#endif
