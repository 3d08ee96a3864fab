/* vendor.h -- the receiver of a request: a provider of the config, its vendor, and the model.
 * SPDX-License-Identifier: MIT */
#ifndef PROVIDERS_VENDOR_H
#define PROVIDERS_VENDOR_H
#include "base/bytes.h"

struct wire;              /* wire.h */
struct google_credential; /* credentials/google.h */

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
#endif
