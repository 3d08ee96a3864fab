-- A provider whose API is its own: a file of Lua translates its requests and answers, the gateway does everything else.
--
--     HOUSE_URL=http://10.0.0.5:9000 HOUSE_KEY=... build/gateway examples/adapter.lua
--     curl http://127.0.0.1:8080/v1/chat/completions -d '{"model": "house/large", "messages": [{"role": "user", "content": "Hello"}]}'
--
-- How the file is written: examples/providers/README.md.

return {
  providers = {
    house = {
      kind = "providers/house.lua", -- beside this file
      base_url = env("HOUSE_URL", "http://127.0.0.1:9000"),
      key = env "HOUSE_KEY",
    },
    mock = {}, -- the fallback when the other provider fails
  },

  models = {
    large = { { "house/large", price = { input = 0.10, output = 0.40 }, context = 32000 }, "mock/hello" },
  },

  policy = "../policies/default.lua",
  strategy = "priority",
}
