/* vendors.c -- the vendors: one row each. A new OpenAI-compatible vendor is a row here, or an entry with kind = "openai" and a base_url in the config.
 *
 * Sources: each provider's public documentation; quirks are marked with the date they were last read.
 * SPDX-License-Identifier: MIT */
#include "providers/provider.h"

/* COMPAT(mistral, 2026-06): any other top-level field is refused with 422 extra_forbidden. */
static const char *const mistral_fields[] = {
    "model",
    "messages",
    "temperature",
    "top_p",
    "max_tokens",
    "stream",
    "stop",
    "random_seed",
    "metadata",
    "response_format",
    "tools",
    "tool_choice",
    "presence_penalty",
    "frequency_penalty",
    "n",
    "prediction",
    "parallel_tool_calls",
    "reasoning_effort",
    "prompt_mode",
    "guardrails",
    "prompt_cache_key",
    "safe_prompt",
    "document_image_limit",
    "document_page_limit",
    NULL,
};

/* COMPAT(groq, 2026-08): listed as unsupported; the last two are refused. */
static const char *const groq_unsent[] = {"logprobs",          "top_logprobs", "logit_bias", "presence_penalty",
                                          "frequency_penalty", "metadata",     "store",      NULL};
/* COMPAT(together, 2026-04): not in its specification. */
static const char *const together_unsent[] = {"user",
                                              "parallel_tool_calls",
                                              "metadata",
                                              "store",
                                              "service_tier",
                                              "prediction",
                                              "verbosity",
                                              "prompt_cache_key",
                                              "safety_identifier",
                                              "web_search_options",
                                              NULL};
/* COMPAT(deepseek, 2026-08): passed over in silence. */
static const char *const deepseek_unsent[] = {"n",
                                              "seed",
                                              "logit_bias",
                                              "user",
                                              "parallel_tool_calls",
                                              "metadata",
                                              "store",
                                              "service_tier",
                                              "prediction",
                                              "verbosity",
                                              "prompt_cache_key",
                                              "safety_identifier",
                                              "web_search_options",
                                              NULL};
/* What else its models refuse: openai/family.c. */
static const char *const xai_unsent[] = {"logit_bias", NULL};
/* COMPAT(ollama, 2026-08): passed over in silence. */
static const char *const ollama_unsent[] = {"tool_choice", "n", "user", "logit_bias", "parallel_tool_calls", NULL};

const struct vendor vendors[] = {
    {.name = "openai",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings, &wire_responses},
     .base_url = "https://api.openai.com/v1",
     .base_env = {"OPENAI_BASE_URL"},
     .key_env = {"OPENAI_API_KEY"},
     .quirks = VENDOR_OPENAI_MODELS},
    {.name = "anthropic",
     .wire = &wire_anthropic,
     .also = {&wire_count_tokens},
     .base_url = "https://api.anthropic.com/v1",
     .key_env = {"ANTHROPIC_API_KEY"}},
    {.name = "mock", .wire = &wire_openai, .also = {&wire_embeddings}, .base_url = "", .quirks = VENDOR_NO_KEY},
    {.name = "groq",
     .wire = &wire_openai,
     .base_url = "https://api.groq.com/openai/v1",
     .key_env = {"GROQ_API_KEY"},
     .quirks = VENDOR_REPAIR | VENDOR_NO_DEVELOPER,
     .unsent = groq_unsent},
    {.name = "together",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings},
     .base_url = "https://api.together.xyz/v1",
     .key_env = {"TOGETHER_API_KEY", "TOGETHERAI_API_KEY"},
     .prefix = {"together_ai"},
     .quirks = VENDOR_MAX_TOKENS | VENDOR_NO_STREAM_OPTIONS | VENDOR_NO_DEVELOPER | VENDOR_TOP_K | VENDOR_LOGPROBS_COUNT | VENDOR_REPAIR,
     .unsent = together_unsent},
    /* COMPAT(mistral, 2026-06): strict fields, random_seed, max_tokens only, nine-character tool call ids. */
    {.name = "mistral",
     .wire = &wire_openai,
     .also = {&wire_embeddings},
     .base_url = "https://api.mistral.ai/v1",
     .key_env = {"MISTRAL_API_KEY"},
     .quirks = VENDOR_MAX_TOKENS | VENDOR_NO_STREAM_OPTIONS | VENDOR_NO_DEVELOPER | VENDOR_RANDOM_SEED | VENDOR_STRICT_FIELDS | VENDOR_ID9 |
               VENDOR_PREFIX | VENDOR_EFFORT_TWO | VENDOR_REPAIR,
     .fields = mistral_fields},
    {.name = "openrouter",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings},
     .base_url = "https://openrouter.ai/api/v1",
     .key_env = {"OPENROUTER_API_KEY"},
     .quirks = VENDOR_REPAIR | VENDOR_NO_DEVELOPER | VENDOR_EFFORT_OBJECT | VENDOR_TOP_K | VENDOR_SAYS_COST},
    /* COMPAT(deepseek, 2026-08): max_tokens only, no developer role. */
    {.name = "deepseek",
     .wire = &wire_openai,
     .base_url = "https://api.deepseek.com/v1",
     .key_env = {"DEEPSEEK_API_KEY"},
     .quirks = VENDOR_MAX_TOKENS | VENDOR_NO_DEVELOPER | VENDOR_REPAIR | VENDOR_THINKING,
     .unsent = deepseek_unsent},
    /* COMPAT(xai, 2026-08): usage.completion_tokens excludes reasoning tokens. */
    {.name = "xai",
     .wire = &wire_openai,
     .base_url = "https://api.x.ai/v1",
     .key_env = {"XAI_API_KEY"},
     .quirks = VENDOR_REASONING_APART | VENDOR_XAI_MODELS | VENDOR_PARALLEL_FUNCTION | VENDOR_REPAIR,
     .unsent = xai_unsent},
    {.name = "vllm",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings},
     .base_url = NULL,
     .base_env = {"HOSTED_VLLM_API_BASE"},
     .key_env = {"HOSTED_VLLM_API_KEY"},
     .prefix = {"hosted_vllm"},
     .quirks = VENDOR_NO_KEY | VENDOR_NO_DEVELOPER | VENDOR_TOP_K | VENDOR_REPAIR},
    /* COMPAT(azure, 2026-08): content filter results in its answers, chunks without choices; where it is: lua/gateway/places.lua. */
    {.name = "azure",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings},
     .base_env = {"AZURE_OPENAI_ENDPOINT", "AZURE_API_BASE"},
     .key_env = {"AZURE_OPENAI_API_KEY", "AZURE_API_KEY"},
     .quirks = VENDOR_AZURE | VENDOR_OPENAI_MODELS | VENDOR_REPAIR},
    {.name = "cohere",
     .wire = &wire_cohere,
     .base_url = "https://api.cohere.com/v2",
     .key_env = {"COHERE_API_KEY", "CO_API_KEY"},
     .prefix = {"cohere_chat"}},
    /* Where both are: lua/gateway/places.lua. The first speaks the server's own API, the second its likeness of OpenAI's. */
    {.name = "ollama",
     .wire = &wire_ollama,
     .base_url = "http://localhost:11434/api",
     .base_env = {"OLLAMA_API_BASE", "OLLAMA_HOST"},
     .key_env = {"OLLAMA_API_KEY"},
     .prefix = {"ollama_chat"},
     .quirks = VENDOR_NO_KEY},
    /* COMPAT(ollama, 2026-08): max_completion_tokens is not read, a role "developer" reaches no template, reasoning is called `reasoning`. */
    {.name = "ollama_compat",
     .wire = &wire_openai,
     .also = {&wire_completions, &wire_embeddings},
     .base_url = "http://localhost:11434/v1",
     .base_env = {"OLLAMA_API_BASE", "OLLAMA_HOST"},
     .key_env = {"OLLAMA_API_KEY"},
     .quirks = VENDOR_NO_KEY | VENDOR_MAX_TOKENS | VENDOR_NO_DEVELOPER | VENDOR_REPAIR,
     .unsent = ollama_unsent},
    /* Its origin is made of the region (lua/gateway/places.lua); without a key requests are signed. */
    {.name = "bedrock", .wire = &wire_bedrock, .key_env = {"AWS_BEARER_TOKEN_BEDROCK"}},
    {.name = "gemini",
     .wire = &wire_gemini,
     .base_url = "https://generativelanguage.googleapis.com/v1beta",
     .key_env = {"GEMINI_API_KEY", "GOOGLE_API_KEY"}},
    /* Where it is: lua/gateway/places.lua. The key is an OAuth token, or an API key of "express mode". */
    {.name = "vertex_ai", .wire = &wire_gemini, .key_env = {"VERTEXAI_ACCESS_TOKEN"}},
    /* COMPAT(github, 2026-08): the service was announced as retired on 2026-07-30; kept for those who still run a look-alike. */
    {.name = "github",
     .wire = &wire_openai,
     .also = {&wire_embeddings},
     .base_url = "https://models.github.ai/inference",
     .key_env = {"GITHUB_TOKEN", "GITHUB_API_KEY"}},
};

const unsigned vendor_count = sizeof vendors / sizeof *vendors;

const struct vendor *vendor_find(struct slice name)
{
    for (unsigned i = 0; i < vendor_count; i++) {
        if (slice_equals(name, slice_of(vendors[i].name)))
            return &vendors[i];
        for (unsigned p = 0; p < 3 && vendors[i].prefix[p] != NULL; p++)
            if (slice_equals(name, slice_of(vendors[i].prefix[p])))
                return &vendors[i];
    }
    return NULL;
}

const struct wire *vendor_wire(const struct vendor *vendor, const struct wire *client)
{
    for (unsigned i = 0; i < 4 && vendor->also[i] != NULL; i++)
        if (vendor->also[i] == client)
            return client;
    return vendor->wire;
}

const struct wire *provider_wire(const struct provider *provider, const struct wire *client)
{
    if (client == &wire_responses && !provider->is_vendors)
        return provider->vendor->wire;
    return vendor_wire(provider->vendor, client);
}

void provider_write_path(const struct wire *wire, const struct provider *provider, const struct model_facts *model,
                         enum operation operation, bool stream, struct buffer *out)
{
    (void)provider;
    (void)model;
    (void)stream;
    buffer_append_slice(out, slice_of(wire->paths[wire->paths[operation] != NULL ? operation : OPERATION_CHAT]));
}

void provider_write_bearer(const struct provider *provider, struct slice key, struct buffer *out)
{
    (void)provider;
    if (key.len == 0)
        return;
    buffer_append_lit(out, "Authorization: Bearer ");
    buffer_append_slice(out, key);
    buffer_append_lit(out, "\r\n");
}
