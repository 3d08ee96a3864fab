/* provider.h -- how dialects meet: one neutral conversation (struct chat), one neutral event (struct event), and a table
 * of functions per wire. Never a translator per pair.
 *
 * A *wire* is a dialect of HTTP bodies: "openai", "anthropic", "gemini", … It can stand on the client's side (read a request, write an answer)
 * and on the provider's side (write a request, read an answer); some stand on one side only. What is asked for is an *operation*: a chat, an
 * embedding, a count of tokens; each client wire asks for one. A *vendor* is a row of data: the wires it speaks and its quirks; its first wire carries
 * every conversation, the others only pass the bytes of clients of the same wire. Everything here is pure: bytes in, bytes out, no I/O, no clock, no lock.
 *
 * Text is raw. Every slice named *_raw, and the text of parts and events, is the inside of a JSON string as it stood there, still
 * escaped (base/json.h). Ids and names too. Tool arguments are raw as well: the JSON object's text, escaped once as in OpenAI's
 * `arguments` string (a wire that carries an object unescapes when it writes and escapes when it reads). Values that are whole JSON values are named *_json.
 *
 * Same wire on both sides: the client's bytes go on with the edits that facts/`wire->edits` declare; the answer's bytes go back as they came,
 * and the wire's reader only *taps* them (usage, finish, first content, errors).
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_PROVIDER_H
#define PROVIDERS_PROVIDER_H
#include "base/arena.h"
#include "base/failure.h"
#include "base/frames.h"
#include "base/json.h"

enum operation { OPERATION_CHAT, OPERATION_EMBED, OPERATION_COUNT };

/* ---------------------------------------------------------------- what a request says: one scan */

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

/* ---------------------------------------------------------------- the neutral conversation */

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
    struct slice
        dropped; /* names of what read_chat itself left out (tools that another house runs), ", " between: said beside what the writer drops */
};

/* The neutral form of a request for embeddings. Lists of token ids are refused by who reads it: only their own wire knows the vocabulary. */
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

/* ---------------------------------------------------------------- the neutral answer, as events */

enum finish { FINISH_NONE, FINISH_STOP, FINISH_LENGTH, FINISH_TOOL_CALLS, FINISH_CONTENT_FILTER };

/* Counts of tokens; -1 unknown. input excludes what was read from or written to a cache, and includes audio_input and image_input; output
 * includes reasoning and audio_output. total is the provider's own sum, to check ours against. */
struct usage {
    int64_t input, cache_read, cache_write, output, reasoning, audio_input, audio_output, image_input, total;
    bool known;
    bool estimated;    /* the provider said nothing: our own count */
    bool billed;       /* the provider says what it cost: */
    int64_t cost_pico; /* in pico-dollars */
};
#define USAGE_UNKNOWN ((struct usage){-1, -1, -1, -1, -1, -1, -1, -1, -1, false, false, false, 0})

enum event_kind {
    EVENT_START,      /* id_raw, model_raw, created (seconds, 0 unknown) */
    EVENT_TEXT,       /* text_raw: a piece (may be empty when it only brings signature_raw, Google's thought signature) */
    EVENT_REASONING,  /* text_raw: a piece of reasoning */
    EVENT_SIGNATURE,  /* end of a reasoning block: text_raw = the block's whole text, signature_raw */
    EVENT_REDACTED,   /* data_raw: an opaque reasoning block */
    EVENT_REFUSAL,    /* text_raw: a piece */
    EVENT_LOGPROBS,   /* data_raw: a JSON list, as OpenAI's chat writes it: how likely each token of the text before was */
    EVENT_TOOL_BEGIN, /* tool (dense from 0 per choice), id_raw (empty: the writer makes one up), name_raw; signature_raw: Google's */
    EVENT_TOOL_ARGS,  /* tool, text_raw: a piece of the arguments */
    EVENT_TOOL_END,   /* tool; arguments were empty when no piece came: writers emit {} */
    EVENT_VECTOR,     /* an embedding: choice = its index, data_raw = a JSON list of numbers */
    EVENT_USAGE,      /* usage; may come more than once, the last counts. The whole answer to OPERATION_COUNT: usage.input */
    EVENT_FINISH,     /* finish; once per choice */
    EVENT_END,        /* the wire's own end marker: only now is the answer complete */
    EVENT_ERROR,      /* failure: the provider says it failed; nothing may follow */
    EVENT_PING,       /* a keep-alive */
};

struct event {
    enum event_kind kind;
    unsigned choice, tool;
    struct slice text_raw, id_raw, name_raw, model_raw, signature_raw, data_raw;
    struct slice stop_sequence_raw; /* EVENT_FINISH where the wire says which */
    int64_t created;
    enum finish finish;
    struct usage usage;
    struct failure failure;
};

typedef void (*event_fn)(void *owner, const struct event *event); /* slices are borrowed until it returns */

/* First text, reasoning, tool or refusal, or the finish: from here on an answer is committed. */
bool event_is_content(const struct event *event);

/* ---------------------------------------------------------------- who is spoken to */

/* A refusal of the client's request: what is wrong and where. kind is one of the gateway's own kinds. */
struct complaint {
    enum failure_kind kind;
    struct slice message, param; /* static, or in the arena that was passed */
};

/* A parameter that this provider cannot be sent. Returns false, for whoever refuses with it. */
static inline bool complaint_refuse(struct complaint *complaint, struct slice message, struct slice param)
{
    *complaint = (struct complaint){FAILURE_UNSUPPORTED_PARAMETER, message, param};
    return false;
}

enum { PROVIDER_HEADERS_MAX = 16 };

/* An entry of config `providers`, as the wires need it. Lives with its generation. */
struct provider {
    struct slice name; /* the entry's own name: "openai", "azure-eu" */
    const struct vendor *vendor;
    struct slice origin; /* "https://api.openai.com" */
    struct slice path;   /* "/v1": put before the wire's own path, no trailing slash */
    struct slice proxy;
    bool is_vendors;    /* it stands at the vendor's own address */
    struct slice *keys; /* at least one unless the vendor needs none */
    unsigned key_count;
    const struct google_credential *credential; /* in place of keys: access tokens are asked for with it (google.h); NULL: none */
    struct slice header_names[PROVIDER_HEADERS_MAX], header_values[PROVIDER_HEADERS_MAX]; /* config `headers` */
    unsigned header_count;
    struct slice api_version;
    bool dated_api;                                               /* Azure: api_version is a date, so deployments are named in the path */
    struct slice region, project, location;                       /* Bedrock; Vertex */
    struct slice access_key_id, secret_access_key, session_token; /* Bedrock without an API key */
    struct slice default_input_type;                              /* of embeddings; empty: "search_document" */
    bool include_thoughts;                                        /* ask for reasoning text where it must be asked for */
    int64_t default_max_tokens;                                   /* 0: the model's own */
    struct slice empty_text_placeholder;
    bool
        drop_params; /* true (the default): what the wire cannot carry is left out and named; false: attempt.c refuses such a request. Writers
                       * just name it in `dropped` */
    int64_t reasoning_budgets[5]; /* tokens for minimal low medium high xhigh; 0: the wire's default */
    unsigned index;
};

/* What a wire must know of the model it writes for. */
struct model_facts {
    struct slice model;      /* the id the provider knows, plain UTF-8 */
    int64_t max_output;      /* 0 unknown */
    unsigned capabilities;   /* NEED_* bits it can serve; set by config or the catalog */
    struct slice base_model; /* the family the id stands for, when config says so; else empty */
};

/* A vendor: a wire and its quirks as data. One row each in vendors.c. */
enum {
    VENDOR_MAX_TOKENS = 1,            /* max_completion_tokens must be sent as max_tokens */
    VENDOR_NO_STREAM_OPTIONS = 2,     /* stream_options is refused (usage comes anyway) */
    VENDOR_NO_DEVELOPER = 4,          /* role developer must be sent as system */
    VENDOR_RANDOM_SEED = 8,           /* seed is called random_seed */
    VENDOR_NO_KEY = 16,               /* works without a key */
    VENDOR_STRICT_FIELDS = 32,        /* refuses unknown fields: only `fields` are sent */
    VENDOR_REASONING_APART = 64,      /* completion_tokens excludes reasoning tokens */
    VENDOR_ID9 = 128,                 /* tool call ids must be nine alphanumerics */
    VENDOR_EFFORT_OBJECT = 512,       /* reasoning_effort must be sent as reasoning: { effort } */
    VENDOR_THINKING = 1024,           /* reasoning_effort wants thinking: { type } beside it */
    VENDOR_AZURE = 2048,              /* deployments and versions in the path, api-key */
    VENDOR_TOP_K = 4096,              /* knows top_k beside OpenAI's fields */
    VENDOR_OPENAI_MODELS = 8192,      /* OpenAI's own models: those that reason refuse what others take */
    VENDOR_XAI_MODELS = 16384,        /* the same of xAI's */
    VENDOR_LOGPROBS_COUNT = 32768,    /* logprobs is how many */
    VENDOR_PARALLEL_FUNCTION = 65536, /* parallel_tool_calls is called parallel_function_calling */
    VENDOR_PREFIX = 131072,           /* an assistant's message at the end must say that it is a beginning */
    VENDOR_SAYS_COST = 524288,        /* usage.cost is what an answer cost, in dollars */
    VENDOR_EFFORT_TWO = 262144,       /* reasoning_effort is none or high */
    VENDOR_REPAIR = 256,              /* answers deviate from OpenAI's: written anew from events instead of passed on */
};

struct vendor {
    const char *name; /* "groq": what `kind` in the config says */
    const struct wire *wire;
    const struct wire *also[4]; /* wires it speaks beside it: those clients' bytes are passed on. NULL-terminated */
    const char *base_url;       /* "https://api.groq.com/openai/v1"; NULL: the config must say */
    const char *base_env[3];    /* names of environment variables that say where it is; NULL-terminated */
    const char *key_env[3];     /* names of environment variables, NULL-terminated */
    const char *prefix[3];      /* model prefixes beside the name: "together_ai" */
    unsigned quirks;
    const char *const *fields; /* VENDOR_STRICT_FIELDS: NULL-terminated */
    const char *const *unsent; /* fields it refuses or ignores: left out and named. NULL-terminated */
};

extern const struct vendor vendors[];
extern const unsigned vendor_count;
const struct vendor *vendor_find(struct slice name); /* by name or prefix; NULL unknown */
/* The wire to speak to this vendor for a client of that wire: the same one where the vendor knows it, else the vendor's first. */
const struct wire *vendor_wire(const struct vendor *vendor, const struct wire *client);
/* The same for an entry of the config: a server elsewhere that speaks OpenAI's chat seldom knows its responses. */
const struct wire *provider_wire(const struct provider *provider, const struct wire *client);
/* A wire's write_auth where the key is a bearer token; without a key nothing. */
void provider_write_bearer(const struct provider *provider, struct slice key, struct buffer *out);

/* ---------------------------------------------------------------- a wire */

/* A change to the client's body: at `at`, `len` bytes go and `text` comes. Sorted, not overlapping. */
struct edit {
    size_t at, len;
    struct slice text;
};
enum { EDITS_MAX = 12 };

/* The state of reading one provider answer. Zeroed by its wire's `reader_size`-sized allocation in the request's arena. */
struct reader {
    const struct wire *wire;
    const struct vendor *vendor;
    struct arena *arena;
    event_fn emit;
    void *owner;
    const struct chat *chat; /* what was asked, where it was read; NULL when the client's bytes were passed on. Names and formats that were
                                      * rewritten on the way out are found again by it */
    const struct model_facts *model; /* may be NULL in specs */
    struct lookup *renamed;          /* name_unfit's; made at the first call of a tool */
    enum operation operation;
    void *asker;  /* as in struct chat */
    bool ended;   /* EVENT_END was emitted */
    bool failed;  /* EVENT_ERROR was emitted */
    bool content; /* reader_emit emitted what event_is_content */
    bool stream;
};

/* How one SSE event of the provider may be passed on to a client of the same wire. */
enum pass {
    PASS_AS_IS,
    PASS_DROP,    /* nothing for the client: a usage chunk nobody asked for */
    PASS_REWRITE, /* `rewritten` holds what to send instead */
};

/* The state of writing one answer for a client. */
struct writer {
    const struct wire *wire;
    struct arena *arena; /* for what must be kept between events (ids, names); bounded */
    bool stream, include_usage;
    struct slice id;         /* 32 hex digits of our own: for an answer whose provider gave none, and for the ids of its items */
    struct slice model;      /* plain: the model to name when the provider names none */
    struct slice asked;      /* plain: the model the client asked for */
    struct slice provider;   /* plain: the entry's name */
    struct slice body;       /* the client's request, where a dialect must echo it; gone after the first content, if it is large */
    bool needs_body;         /* set by writer_begin: it must stay to the end */
    int64_t created;         /* seconds */
    int64_t estimated_input; /* tokens of the prompt, before the provider says */
    const int64_t *price;    /* a price list, in pico-dollars per token; -1 unpriced; NULL in specs */
};

enum { WRITTEN_CHOICES_MAX = 32 }; /* choices of an answer that is written anew; attempt_request.c refuses what asks for more */

struct wire {
    const char *name;             /* "openai" "anthropic" … */
    enum operation operation;     /* what its clients ask for */
    enum stream_form stream_form; /* how its providers cut a stream into events (base/frames.h) */

    /* --- towards the client */
    /* One scan: checks the JSON, refuses duplicate keys that matter and wrong types, fills facts. False: *complaint. */
    bool (*read_facts)(struct slice body, struct arena *arena, struct facts *facts, struct complaint *complaint);
    /* The whole request in neutral form, for another wire to write. */
    bool (*read_chat)(struct slice body, struct arena *arena, struct chat *chat, struct complaint *complaint); /* OPERATION_CHAT, _COUNT */
    bool (*read_embed)(struct slice body, struct arena *arena, struct embed *embed, struct complaint *complaint); /* OPERATION_EMBED */
    size_t writer_size;
    void (*writer_begin)(struct writer *writer); /* the struct writer part is filled by the caller, the rest is zero */
    /* Streamed: appends the client's SSE bytes for this event (possibly none). Whole: collects; at EVENT_END appends the whole JSON body. EVENT_ERROR
     * comes only once a stream is committed and broken: a dialect whose failures belong to the stream says it here; nothing: write_failure. */
    void (*write_event)(struct writer *writer, const struct event *event, struct buffer *out);
    /* Gives back what a writer gathered when no EVENT_END came. Called exactly once for each writer_begin; harmless after the end. */
    void (*writer_end)(struct writer *writer);
    /* An error body (whole) or error event (streamed, after commit), always complete, always this dialect's shape. */
    void (*write_failure)(const struct failure *failure, struct slice request_id, bool stream, struct buffer *out);
    int (*failure_status)(const struct failure *failure);

    /* --- towards the provider */
    /* Path under provider->path, e.g. "/chat/completions"; appended to out, percent-encoded where names stand in it. */
    void (*write_path)(const struct provider *provider, const struct model_facts *model, enum operation operation, bool stream,
                       struct buffer *out);
    /* The provider's own headers (auth, version), each "Name: value\r\n", appended to out. `key` is the one chosen from the pool. */
    void (*write_auth)(const struct provider *provider, struct slice key, struct buffer *out);
    /* The same where they depend on the body and the time (SigV4); NULL elsewhere. `path` is the whole path, parts the body. Called instead of write_auth
     * when the provider has no key. */
    void (*write_signature)(const struct provider *provider, struct slice path, const struct slice *parts, unsigned part_count,
                            int64_t wall_us, struct buffer *out);
    /* The body. False: *complaint names the parameter. Names of dropped parameters are appended to `dropped` separated by ", ". */
    bool (*write_request)(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                          struct buffer *out, struct buffer *dropped, struct complaint *complaint);
    /* Embeddings, and a request that asks how many tokens this chat has. NULL: this wire has none (attempt.c answers). */
    bool (*write_embed)(const struct embed *embed, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint);
    bool (*write_count)(const struct chat *chat, const struct provider *provider, const struct model_facts *model, struct arena *arena,
                        struct buffer *out, struct buffer *dropped, struct complaint *complaint);
    /* Same wire on both sides: which edits make the client's body fit for this provider (model name, usage asked for, extensions cut,
     * vendor renames). Returns the count; -1: the body must go through read_chat/write_request after all (a vendor that needs more than edits). */
    int (*edits)(struct slice body, const struct facts *facts, const struct provider *provider, const struct model_facts *model,
                 struct arena *arena, struct edit edits[EDITS_MAX]);
    size_t reader_size;
    void (*reader_begin)(struct reader *reader); /* the struct reader part is filled by the caller, the rest is zero */
    /* One event of the provider's stream (SSE event, NDJSON line, AWS frame): emits neutral events. `pass`/`rewritten` (may be NULL): what a client of this same wire gets. include_usage: that client asked for usage */
    void (*read_event)(struct reader *reader, struct slice name, struct slice data, bool include_usage, enum pass *pass,
                       struct slice *rewritten);
    /* A whole 2xx body: emits the same events a stream would. A body that is not a complete answer emits EVENT_ERROR. reader->operation says what was
     * asked. */
    void (*read_answer)(struct reader *reader, struct slice body);
    /* The stream's bytes ended: emits EVENT_END when this wire allows an end without marker (openai: finish was seen), else nothing. */
    void (*read_eof)(struct reader *reader);
    /* A non-2xx answer: its class by status, headers (by look-up), text. Fills everything but phase. `sent` is REFUSED. */
    void (*read_failure)(int status, struct slice body, struct slice (*header)(void *head, struct slice name), void *head, int64_t wall_us,
                         struct arena *arena, struct failure *failure);
    /* What this wire knows better than read_failure, which came before; NULL for most. */
    void (*refine_failure)(struct reader *reader, int status, struct slice body, struct failure *failure);
    const char *forwards;      /* a header of the client's that goes on to a provider of the same wire; NULL: none */
    bool says_no_calls;        /* its answers have no word for a call: one that comes unasked fails the attempt instead of vanishing */
    const char *accept_stream; /* Accept header for streams */
    const char *ping;          /* for a client whose provider is silent: a whole comment or event. NULL: this wire has no streams */
    const char *end_marker;    /* what ends a stream, for clients of this wire whose provider left it out; NULL: never left out */
};

/* Client and provider: */
extern const struct wire wire_openai, wire_completions, wire_embeddings, wire_responses, wire_anthropic, wire_count_tokens;
extern const struct wire wire_simple;                                         /* clients only: POST /completion */
extern const struct wire wire_gemini, wire_cohere, wire_ollama, wire_bedrock; /* providers only */

const struct wire *wire_find(struct slice name); /* NULL unknown */

/* ---------------------------------------------------------------- shared by the wires: reader.c */

/* Emits the event, unless the answer has ended or failed. */
void reader_emit(struct reader *reader, const struct event *event);
/* EVENT_ERROR. What was sent of the request counts only while no content came. */
void reader_fail(struct reader *reader, struct failure failure, enum sent sent);
/* The provider began to answer, and this is no whole answer. */
void reader_fail_incomplete(struct reader *reader, const char *message);
/* EVENT_END. */
void reader_end(struct reader *reader);

/* ---------------------------------------------------------------- shared by the wires: failures.c */

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

/* ---------------------------------------------------------------- shared by the wires: chat_check.c */

/* What was read can be said in another dialect. False: *complaint names what is missing. A choice of tools without any is left out, and named. */
bool chat_check(struct chat *chat, struct arena *arena, struct complaint *complaint);

/* ---------------------------------------------------------------- what is known to be secret: secrets.c */

/* The text without the secret: whole, in pieces of eight bytes and more, or in base64 wherever it may stand there. A copy only where there was any of it. */
struct slice secret_hide(struct slice text, struct slice secret, struct arena *arena);
/* The same for all that a failure says and all that the provider is sent as a secret; `token`: an access token, or empty. */
void failure_hide(struct failure *failure, const struct provider *provider, struct slice token, struct arena *arena);

/* ---------------------------------------------------------------- shared by the wires: estimate.c */

/* A text of the prompt: a message's, a tool's definition. */
void facts_add_text(struct facts *facts, struct slice text_raw);
/* What stands in the prompt and is not looked at: a text as well, for a provider may read it. What is short (a role, an id) is left to the message. */
void facts_add_rest(struct facts *facts, struct slice raw);
bool facts_skip(struct facts *facts, struct json *json); /* the same with the value that stands next; false: as json_skip */
/* A picture, sound or file (PART_IMAGE, PART_AUDIO, PART_DOCUMENT), where this wire has a place for one: its address or data: URL, or its type and base64. */
void facts_add_media(struct facts *facts, enum part_kind kind, struct slice url_raw, struct slice type_raw, struct slice data_raw);
/* The tokens of the whole prompt, estimated; how far off that is stands in estimate.c. At least 1. */
int64_t facts_tokens(const struct facts *facts);

/* ---------------------------------------------------------------- shared by the wires: usage.c */

/* A price list: four rates; then how long a prompt must be at most for them (0 and less: no matter), and the four rates of longer ones. */
enum {
    PRICE_INPUT,
    PRICE_OUTPUT,
    PRICE_CACHE_READ,
    PRICE_CACHE_WRITE,
    PRICE_COUNT,
    PRICE_ABOVE = PRICE_COUNT,
    PRICE_LONG,
    PRICE_LIST = PRICE_LONG + PRICE_COUNT
};
/* The rates that hold for a request with a prompt of so many tokens: for all of it, not for the excess alone. */
const int64_t *price_rates(const int64_t *price, int64_t prompt);
/* Pico-dollars, from pico-dollars per token (-1: unpriced; a NULL list: nothing is). -1: not known, or not priced. */
int64_t usage_cost_pico(const struct usage *usage, const int64_t *price);
/* A count that a provider says; where it says none, what is there stays. */
void usage_take_count(struct slice object, const char *name, int64_t *into);
/* All tokens of it. */
int64_t usage_total(const struct usage *usage);
/* The provider's own total is ours, or it gave none. */
bool usage_adds_up(const struct usage *usage);

/* ---------------------------------------------------------------- shared by the wires: vectors.c */

/* EVENT_VECTOR for each member of a JSON list of lists of numbers. False: it is none, or it is empty. */
bool reader_emit_vectors(struct reader *reader, struct slice list_json);

/* ---------------------------------------------------------------- shared by the wires: calls.c */

/* The calls of an answer by event.tool, which is dense. Zeroed: none. */
struct call_slots {
    void **list;
    unsigned count;
};
void *call_slots_get(const struct call_slots *slots, unsigned tool);                           /* NULL: none was set */
bool call_slots_set(struct call_slots *slots, struct arena *arena, unsigned tool, void *call); /* false: the arena is full */

/* Where the arguments of a call stand, so that their end is seen: the JSON text comes in pieces, each the inside of a JSON string. */
struct nesting {
    unsigned depth;
    bool in_string, escaped, closed; /* closed: a whole object or list was there */
};
void nesting_follow(struct nesting *nesting, struct slice piece);

/* ---------------------------------------------------------------- shared by the wires: effort.c */

enum effort { EFFORT_NOT_GIVEN, EFFORT_NONE, EFFORT_MINIMAL, EFFORT_LOW, EFFORT_MEDIUM, EFFORT_HIGH, EFFORT_XHIGH, EFFORT_MAX };
/* How hard a model is asked to think, at most so hard as this wire can say. */
enum effort effort_of(struct slice effort_raw, enum effort most);

/* ---------------------------------------------------------------- shared by the wires: parts.c */

/* What a wire that knows text alone can carry: text, a refusal, a document that is text. */
bool part_is_text(const struct part *part);
/* All of it as one JSON string; `between` (escaped) stands between two of them. Cache markers are named as dropped, as names_drop_marker does. */
void parts_write_text(const struct part *part, struct slice between, struct buffer *out, struct buffer *dropped, bool *lost_markers);

/* ---------------------------------------------------------------- shared by the wires: names.c */

/* Why a body could not be read, where *complaint does not say it yet: too much for the arena, or no JSON. Always false. */
bool chat_is_unread(const struct arena *arena, struct complaint *complaint);
/* A member that no field of struct chat carries, behind those that are there. False: there are more than any dialect has, *complaint names the first
 * that is too much; or the arena is full. */
bool chat_add_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct slice value_json, struct complaint *complaint);
/* Of the tools only those stay that this list names: {"name": …}, or {"function": {"name": …}} as chats say it. False: the arena is full. */
bool chat_keep_tools(struct chat *chat, struct arena *arena, struct slice list_json);
/* Counts one more that is not kept. False: as above. */
bool chat_count_extra(struct chat *chat, struct arena *arena, struct slice name_raw, struct complaint *complaint);

/* Appends the name of what a writer leaves out, ", " between. */
void names_drop(struct buffer *dropped, struct slice name);
/* A cache marker, where the provider knows none: the first one is named. `lost`: one was. */
void names_drop_marker(struct buffer *dropped, bool *lost, struct slice cache_control_json);
/* Appends the types of what the client said in words of its own dialect ("messages.video_url"): for writers of another, who leave it out.
 * What an assistant said so goes unnamed: it is history of tools that another house ran. */
void names_drop_content(const struct chat *chat, struct buffer *dropped);

/* The id of an EVENT_TOOL_BEGIN for the client: the provider's, or one made from the answer's own id, new for every answer. In the writer's arena. */
struct slice writer_call_id(const struct writer *writer, const struct event *event);

/* What a tool may be called at a provider: `allowed` are the characters beside letters and digits, `max` the longest name (at least 16), `letter_first`
 * whether it must begin with a letter or underscore. A name that fits is given back as it is; another is rewritten, always the same way, with a hash
 * of the whole so that two never become one. */
struct name_rule {
    const char *allowed;
    unsigned max;
    bool letter_first;
};
struct slice name_fit(struct slice name_raw, const struct name_rule *rule, struct arena *arena);
/* The way back: the tool of the reader's chat whose fitted name that is; the name itself when there is none. */
struct slice name_unfit(struct reader *reader, struct slice name_raw, const struct name_rule *rule);

/* The body with its edits, without copying it: fills parts (slices of body and of the edits). Returns the count. */
unsigned edits_apply(struct slice body, const struct edit *edits, unsigned count, struct slice *parts, unsigned parts_max);
#endif
