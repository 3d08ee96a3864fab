-- Keys for a team: one per user, with the models it may use and its expiry.
--
--     ALICE_KEY=... BOB_KEY=... OPENAI_API_KEY=... build/gateway examples/team.lua
--     curl http://127.0.0.1:8080/v1/chat/completions -H "Authorization: Bearer $ALICE_KEY" -d '{"model": "smart", "messages": [...]}'
--
-- The defaults below make it run as it is. Do not serve with them.

return {
  listen = env("GATEWAY_LISTEN", "127.0.0.1:8080"),

  providers = {
    openai = { key = { env "OPENAI_KEY_1", env "OPENAI_KEY_2", env "OPENAI_API_KEY" } }, -- a pool: used in turn
    mock = { enabled = "alone" },
  },

  models = {
    smart = { "openai/gpt-5.1", "mock/hello" },
    small = { "openai/gpt-5-mini", "mock/hello" },
  },

  keys = {
    { key = env("ALICE_KEY", "example-key-of-alice"), user = "alice", tier = "pro", metadata = { team = "search", floor = 3 } },
    { key = env("BOB_KEY", "example-key-of-bob"), user = "bob", tier = "free", models = { "small", "*-mini" }, expires = "2099-01-01" },
    -- A service whose key this file does not know, only its digest: printf %s KEY | sha256sum
    { sha256 = "c0cabb0153479bc523de7a5a11ef006f215e23cdc396bcbbc1cecb2c608755a7", user = "nightly", name = "Nightly reports" },
  },
  -- Who may reload, reset breakers and see all providers: no user above. Where there are keys nothing opens these routes but this one.
  admin = { key = env "GATEWAY_ADMIN_KEY" },

  policy = "../policies/default.lua",
  strategy = "round_robin",
  log = { level = "info", format = "json" },
}
