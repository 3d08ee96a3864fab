-- The gateway's config: a Lua file that returns a table. This one works as it is, without any key: then a mock provider inside the
-- gateway answers. Put a key into the environment, or into a file .env beside this one, and the provider it belongs to is on:
--
--     echo 'OPENAI_API_KEY=sk-...' >> .env && make run
--
-- `build/gateway check` says whether a change is sound; a running gateway takes it over by itself, and keeps what it had when it is not.
-- env(name [, default]) reads the environment, then .env. Durations are "500ms" "8s" "5m" "1h", sizes "64KB" "32MB".
-- What happens to a request (who may, which target, what after a failure) is not said here: that is the policy's, a file of its own.

local key = env "GATEWAY_KEY"
local region = env "AWS_REGION" or env "AWS_DEFAULT_REGION"
local aws = env "AWS_BEARER_TOKEN_BEDROCK" or env "AWS_ACCESS_KEY_ID" and env "AWS_SECRET_ACCESS_KEY" and region
local capacity, refill = env "DEFAULT_RATE_LIMIT_CAPACITY", env("DEFAULT_RATE_LIMIT_REFILL_RATE", 1)

return {
  -- Where to listen. Left out, HOST and PORT say it; else 127.0.0.1:8080. Any other address wants `keys`, or `open = true` in words.
  listen = env "GATEWAY_LISTEN",
  open = env("GATEWAY_OPEN", false),
  workers = env("WORKERS", "auto"), -- threads; "auto": one per core

  -- Who may use it: sent as "Authorization: Bearer KEY". Without any key a loopback address serves anyone.
  -- Models may be narrowed with patterns; sha256 = "64 hex digits" in place of key keeps the key itself out of the file.
  keys = key and {
    { key = key, user = "owner", tier = "default" },
    -- { key = env "ALICE_KEY", user = "alice", tier = "pro", models = { "gpt-*", "smart" }, expires = "2027-01-01" },
  },
  -- For /admin/* and /providers. Without one they are closed, but where there are no `keys` at all, to callers on a loopback address.
  admin = { key = env "GATEWAY_ADMIN_KEY" },

  -- Who answers. A provider without its key, or with enabled = false, is off, and the start says so.
  providers = {
    openai = { key = env "OPENAI_API_KEY", enabled = env("ENABLE_OPENAI", true) },
    anthropic = { key = env "ANTHROPIC_API_KEY", enabled = env("ENABLE_ANTHROPIC", true) },
    groq = { key = env "GROQ_API_KEY", enabled = env("ENABLE_GROQ", true) },
    together = { key = env "TOGETHER_API_KEY", enabled = env("ENABLE_TOGETHER", true) },
    mistral = { key = env "MISTRAL_API_KEY", enabled = env("ENABLE_MISTRAL", true) },
    openrouter = { key = env "OPENROUTER_API_KEY", enabled = env("ENABLE_OPENROUTER", true) },
    deepseek = { key = env "DEEPSEEK_API_KEY", enabled = env("ENABLE_DEEPSEEK", true) },
    xai = { key = env "XAI_API_KEY", enabled = env("ENABLE_XAI", true) },
    gemini = { key = env "GEMINI_API_KEY" or env "GOOGLE_API_KEY", enabled = env("ENABLE_GEMINI", true) },
    cohere = { key = env "COHERE_API_KEY" or env "CO_API_KEY", enabled = env("ENABLE_COHERE", true) },
    -- An endpoint of your own; api_version "v1", or a date: then deployments are named in the path. Models: deployments, "azure/prod-4o".
    azure = { base_url = env "AZURE_OPENAI_ENDPOINT", key = env "AZURE_OPENAI_API_KEY" or env "AZURE_API_KEY",
      api_version = env "AZURE_API_VERSION", enabled = env("ENABLE_AZURE", true) },
    -- AWS: AWS_REGION, and a Bedrock API key or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    bedrock = { key = env "AWS_BEARER_TOKEN_BEDROCK", enabled = env("ENABLE_BEDROCK", aws ~= nil) },
    -- Google Cloud: GOOGLE_APPLICATION_CREDENTIALS (or credentials = "file.json") names a file with which access tokens are asked for and
    -- renewed; credentials = "metadata" does without in Google's own machines; or a token, or an express-mode key.
    -- VERTEXAI_PROJECT (a service account's file has one) and VERTEXAI_LOCATION.
    vertex_ai = { key = env "VERTEXAI_ACCESS_TOKEN", enabled = env("ENABLE_VERTEX_AI", true) },
    -- On this machine: OLLAMA_HOST or OLLAMA_API_BASE says where (kind = "ollama_compat" is its likeness of OpenAI's API);
    -- vLLM and the like: HOSTED_VLLM_API_BASE.
    ollama = { enabled = env("ENABLE_OLLAMA", (env "OLLAMA_HOST" or env "OLLAMA_API_BASE") ~= nil) },
    vllm = { base_url = env "HOSTED_VLLM_API_BASE", key = env "HOSTED_VLLM_API_KEY", enabled = env("ENABLE_VLLM", true) },
    github = { key = env "GITHUB_TOKEN", enabled = env("ENABLE_GITHUB", true) },

    -- Anything that speaks OpenAI's dialect: say where it is. `headers` go with every request to it; keys may be a list, used in turn.
    -- `check` asks again and again whether it lives, and leaves it out while it does not.
    -- lab = { kind = "openai", base_url = "http://127.0.0.1:8000/v1", headers = { ["X-Team"] = "ml" }, check = { every = "10s" } },

    -- Inside the gateway: on as long as no other provider is ("alone"), or always (ENABLE_MOCK=true).
    mock = { enabled = env("ENABLE_MOCK", "alone") },
  },

  -- What a client may ask for -> targets, "provider/model". Targets of providers that are off are left out.
  -- Beside these names a client may say "provider/model" itself, a bare name that is well known ("gpt-5.1", "claude-sonnet-5"),
  -- or "auto": any target that can serve the request.
  -- A target may say more of itself: { "openai/gpt-5.1", weight = 3, priority = 1, quality = 0.9, price = { 1.25, 10 }, timeout = "60s" }.
  models = {
    smart = { { "openai/gpt-5.1", weight = 3 }, "anthropic/claude-sonnet-5", "mock/hello" },
    fast = { "openai/gpt-5-mini", "anthropic/claude-haiku-4-5", "groq/llama-3.1-8b-instant", "mock/hello" },
  },

  -- What models cost and can is in a catalog of our own; LiteLLM's table may stand in for it:
  -- prices = "model_prices_and_context_window.json",

  -- How to choose among targets: a policy file, and the strategy it follows when a request names none
  -- (round_robin, weighted, priority, lowest_latency, least_busy, cost_optimized, quality, score, sticky; a client may ask for
  -- another with `routing_strategy`). `settings` are plain data that policies read.
  policy = "policies/default.lua",
  strategy = env("STRATEGY", "round_robin"),
  -- policies/tiers.lua gives each tier of `keys` its models and limits; default_limit is for all other callers:
  -- settings = { default_limit = { name = "default", per = "user", requests = "60/min", tokens = "1M/day", concurrent = 8 } },
  -- Here the environment may set it: DEFAULT_RATE_LIMIT_CAPACITY requests at once, and DEFAULT_RATE_LIMIT_REFILL_RATE more a second.
  settings = {
    default_limit = capacity and { name = "default", per = "user", burst = capacity, requests = refill * 60 // 1 .. "/min" },
  },
  -- { "gpt-5.1": 0.93, … }: points that `score` counts, by model or target. Or "https://…", fetched every hour.
  -- leaderboard = "leaderboard.json",

  -- How long to wait. first_token is for streams; idle is between the bytes of any answer; total is the whole request, retries and all.
  timeouts = { connect = "2s", tls = "5s", headers = "300s", first_token = "60s", idle = "60s", total = "600s" },
  -- At most so many attempts per request. uncertain: one that may have been answered (and billed) may be made once more.
  retry = { attempts = 3, uncertain = true },
  -- A target that failed so often in a row is left alone for a while.
  breaker = { failures = 5, open = "5s" },

  cors = { origins = env("CORS_ORIGINS", {}) }, -- pages that may ask: "https://app.example.com, https://other.example.com", or "*"
  -- Without `keys`, a loopback address answers to its addresses, localhost, and these names (a proxy in front may use another one):
  -- hosts = { "llm.internal" },
  -- Whose X-Forwarded-For is believed: the log and policies then have the client's address in place of the proxy's.
  -- proxies = { "127.0.0.1", "10.0.0.0/8" },
  body_limit = "32MB",
  -- memory = "1GB", -- what the process may hold; unless said 80 % of what its cgroup, RLIMIT_AS and the machine allow
  drain = "600s", -- how long requests under way may take to finish when the gateway is told to stop
  drain_delay = env("DRAIN_DELAY", "0s"), -- and before: /health/ready says 503, and the port stays open; behind a load balancer "5s"
  log = { level = env("LOG_LEVEL", "info"), format = env "LOG_FORMAT" }, -- "json" or "text"; unset: text on a terminal, else JSON
}
