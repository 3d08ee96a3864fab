-- A model on our own machine first, a paid one when it cannot.
--
--     LOCAL_URL=http://127.0.0.1:8000/v1 OPENAI_API_KEY=... build/gateway examples/local_first.lua
--
-- The local server speaks OpenAI's dialect (vLLM, llama.cpp, Ollama, LM Studio). Without LOCAL_URL it is off; without any the
-- mock answers.

local url = env "LOCAL_URL"

return {
  providers = {
    ["local"] = {
      kind = "openai",
      base_url = url,
      enabled = url ~= nil,
      timeout = "120s", -- of each attempt there, as a whole
      models = { -- what the gateway cannot know of it
        ["llama-3.1-8b-instruct"] = { context = 32768, capabilities = { "tools", "json_schema" }, price = { 0, 0 } },
      },
    },
    openai = { key = env "OPENAI_API_KEY" },
    mock = { enabled = "alone" },
  },

  models = {
    chat = {
      { "local/llama-3.1-8b-instruct", priority = 1 },
      { "openai/gpt-5-mini", priority = 2 },
      { "mock/hello", priority = 3 },
    },
  },

  policy = "../policies/default.lua",
  strategy = "priority",
  timeouts = { connect = "500ms", first_token = "15s" }, -- our own machine answers soon, or not at all
}
