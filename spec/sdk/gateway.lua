-- The gateway as the SDK specs want it: the mock behind both wires, and the provider that asks for tools behind both.
local mock, scripted = env "MOCK_URL", env "SCRIPTED_URL"

return {
  listen = env "GATEWAY_LISTEN",
  workers = 2,
  providers = {
    openai = { kind = "openai", base_url = mock .. "/v1", key = "sk-upstream-openai-0123" },
    anthropic = { kind = "anthropic", base_url = mock .. "/v1", key = "sk-upstream-anthropic-0123" },
    ["scripted-openai"] = { kind = "vllm", base_url = scripted .. "/v1" },
    ["scripted-anthropic"] = { kind = "anthropic", base_url = scripted .. "/v1", key = "sk-upstream-anthropic-0123" },
  },
  models = {
    ["limited"] = { "openai/hello" },
    ["stalled-openai"] = { { "openai/fault-stall-first", first_token = "2s" } },
    ["stalled-anthropic"] = { { "anthropic/fault-stall-first", first_token = "2s" } },
    ["rescued"] = { "openai/fault-status-503", "anthropic/hello" },
  },
  policy = "../../policies/default.lua",
  keys = {
    { key = "sdk-key-0123456789", user = "sdk" },
    { key = "sdk-key-narrow-0123", user = "narrow", models = { "limited" } },
  },
  timeouts = { connect = "20s", headers = "60s", first_token = "60s", idle = "60s", total = "120s" },
}
