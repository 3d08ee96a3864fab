-- One name, two providers: three of four requests go to the first, the other takes over when it fails.
--
--     OPENAI_API_KEY=... ANTHROPIC_API_KEY=... build/gateway examples/two_providers.lua
--
-- Without keys the mock takes their place, so that "smart" answers anyway.

return {
  providers = {
    openai = { key = env "OPENAI_API_KEY" },
    anthropic = { key = env "ANTHROPIC_API_KEY" },
    mock = { enabled = "alone" },
  },

  models = {
    smart = {
      { "openai/gpt-5.1", weight = 3 },
      { "anthropic/claude-sonnet-5", weight = 1 },
      "mock/hello",
    },
  },

  policy = "../policies/default.lua",
  strategy = "weighted",
  timeouts = { first_token = "20s", total = "120s" }, -- a provider that has not begun by then counts as down
  retry = { attempts = 2 },
}
