/* chat.h -- the neutral request: a conversation (struct chat) or texts to embed (struct embed), whichever dialect it was written in.
 *
 * Each client wire reads its body into one of these, each provider wire writes its body from it. Slices borrow from the body or the request's arena.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_CHAT_H
#define PROVIDERS_CHAT_H
#include "base/arena.h"
#include "base/json.h"
#include "providers/complaint.h"

enum operation { OPERATION_CHAT, OPERATION_EMBED, OPERATION_COUNT }; /* what a client asks for */

struct wire; /* wire.h */

enum role { ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT, ROLE_TOOL };

enum part_kind {
    PART_TEXT,        /* text_raw; signature_raw: Google's thought signature of a text */
    PART_IMAGE,       /* url_raw (http, https or data:) or media_type_raw + data_raw (base64); detail_raw: OpenAI's "low" "high" "auto" */
    PART_DOCUMENT,    /* the same; name_raw is the file name; text_raw for a plain text document */
    PART_AUDIO,       /* media_type_raw ("wav", "mp3") + data_raw */
    PART_REASONING,   /* text_raw + signature_raw (empty: none): Claude's, good at Anthropic and Bedrock alike */
    PART_REDACTED,    /* data_raw: opaque reasoning */
    PART_REFUSAL,     /* text_raw */
    PART_TOOL_CALL,   /* id_raw, name_raw, text_raw = arguments, escaped; signature_raw: Google's thought signature of the call */
    PART_TOOL_RESULT, /* id_raw of the call, is_error, children: text and images */
    PART_OPAQUE,      /* json: something only its own wire understands (server tools …); kept for that wire, dropped for others */
};

struct part {
    struct part *next;
    enum part_kind kind;
    bool is_error;
    struct slice text_raw, id_raw, name_raw, url_raw, media_type_raw, data_raw, signature_raw, detail_raw;
    struct slice cache_control_json; /* a cache marker, as it stood there */
    struct slice json;               /* PART_OPAQUE */
    struct part *children;           /* PART_TOOL_RESULT */
};

struct message {
    struct message *next;
    enum role role;
    bool developer; /* role system said as "developer" */
    bool plain;     /* content was one string, not a list of parts */
    struct slice name_raw;
    struct part *parts; /* in order; a tool message holds exactly one PART_TOOL_RESULT */
};

struct tool {
    struct tool *next;
    struct slice name_raw, description_raw;
    struct slice schema_json; /* parameters; empty: none given */
    struct slice cache_control_json;
    int strict;        /* -1 not given */
    struct slice json; /* a tool of the vendor's own kind, as it stood there; name may be empty */
};

enum tool_choice { TOOL_CHOICE_NONE_GIVEN, TOOL_CHOICE_AUTO, TOOL_CHOICE_NONE, TOOL_CHOICE_REQUIRED, TOOL_CHOICE_NAMED };
enum format { FORMAT_NONE_GIVEN, FORMAT_TEXT, FORMAT_JSON, FORMAT_SCHEMA };

/* A parameter that no field of struct chat carries: name and value as they stood there. */
struct extra {
    struct extra *next;
    struct slice name_raw, value_json;
};

/* Numbers are kept as the digits the client wrote; empty: not given. All of it lives in the request's arena or its body. */
struct chat {
    void *asker;             /* the request, for adapters in Lua; NULL in specs and before it is known */
    const struct wire *wire; /* who read it, where that matters: opaque parts and extras are words of its own. NULL: OpenAI's */
    struct slice model_raw;
    struct message *messages;
    struct tool *tools;
    enum tool_choice tool_choice;
    struct slice tool_choice_name_raw;
    int parallel_tool_calls; /* -1 not given */
    enum format format;
    struct slice schema_json, schema_name_raw, schema_description_raw;
    int schema_strict; /* -1 not given */
    struct slice max_tokens, temperature, top_p, top_k, n, seed, presence_penalty, frequency_penalty, top_logprobs;
    int logprobs; /* -1 not given */
    struct slice *stops_raw;
    unsigned stop_count;
    bool stop_plain;            /* stop was one string, not a list */
    struct slice effort_raw;    /* reasoning_effort */
    struct slice thinking_json; /* Anthropic's thinking object (also as an extension on the OpenAI side) */
    struct slice user_raw, service_tier_raw, metadata_json, cache_control_json;
    bool stream, include_usage;
    bool max_completion;  /* max_tokens was given as max_completion_tokens, or by a wire that knows no such difference */
    struct extra *extras; /* everything else */
    struct extra **extras_tail;
    unsigned extra_count;
    struct slice dropped; /* names of what read_chat itself left out, such as tools that another provider runs, ", " between */
};

/* The neutral form of a request for embeddings. Lists of token ids are refused when it is read: only their own wire knows the vocabulary. */
struct embed {
    struct slice model_raw;
    struct slice *inputs_raw;
    unsigned count;
    struct slice dimensions;     /* digits; empty: not given */
    struct slice input_type_raw; /* "search_query" …: an extension */
    struct slice user_raw;
    bool plain;           /* input was one string, not a list */
    bool base64;          /* encoding_format: the writer packs little-endian float32 */
    struct slice dropped; /* names of members that no field of this carries, ", " between */
};

/* Why a body could not be read, where *complaint does not say it yet: too much for the arena, or no JSON. Always false. */
bool chat_is_unread(const struct arena *arena, struct complaint *complaint);
/* A member that no field of struct chat carries, behind those that are there. False: there are more than any dialect has, *complaint names the first
 * that is too much; or the arena is full. */
MUST_USE bool chat_add_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct slice value_json,
                             struct complaint *complaint);
/* Of the tools only those stay that this list names: {"name": …}, or {"function": {"name": …}} as chats say it. False: the arena is full. */
MUST_USE bool chat_keep_tools(struct chat *chat, struct arena *arena, struct slice list_json);
/* Counts one more that is not kept. False: as above. */
MUST_USE bool chat_count_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct complaint *complaint);
#endif
