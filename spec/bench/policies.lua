-- The config that spec/bench/policies.c decides by: the project's own policies, a pool of 3 targets and one of 50. Nothing is sent.
local function target(i)
  return {
    "up/model-" .. i, weight = i % 3 + 1, priority = i % 2 + 1, quality = i % 10 / 10, leaderboard = i % 7 / 7,
    price = { i % 5 + 1, i % 4 + 2 }, context = 128000, max_output = 16384,
  }
end

local function pool(count)
  local list = {}
  for i = 1, count do
    list[i] = target(i)
  end
  return list
end

return {
  workers = 1,
  policy = "../../policies/default.lua",
  providers = { up = { kind = "openai", base_url = "http://127.0.0.1:9/v1", key = "upstream-key-0123" } },
  models = { three = pool(3), fifty = pool(50) },
}
