local testing = require "gateway.testing"
local policy = testing.load("policies/default.lua", { strategy = "round_robin" })

local targets = {
  testing.target { name = "a/m", weight = 1, priority = 3, quality = 2, price = { input = 1, output = 2 }, first_token_ms = 200 },
  testing.target { name = "b/m", weight = 8, priority = 2, quality = 3, in_flight = 3 },
  testing.target { name = "c/m", weight = 1, priority = 1, leaderboard = 0.5, in_flight = 9 },
}

local function first(strategy, turn)
  return testing.names(policy.route(testing.request { targets = targets, strategy = strategy, turn = turn }))[1]
end

describe("default", function()
  it("offers every strategy there is a policy for", function()
    local names = {}
    for name in pairs(policy.strategies) do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.equal("cost_optimized least_busy least_latency lowest_cost lowest_latency priority quality round_robin score sticky weighted",
      table.concat(names, " "))
  end)

  it("does what the strategy asked for does", function()
    local other_names = { least_latency = "lowest_latency", lowest_cost = "cost_optimized" }
    for strategy in pairs(policy.strategies) do
      local own = testing.load("policies/" .. (other_names[strategy] or strategy) .. ".lua")
      for turn = 0, 9 do
        local request = testing.request { targets = targets, strategy = strategy, turn = turn, random = turn / 10, affinity = "c" .. turn }
        assert.same(testing.names(own.route(request)), testing.names(policy.route(request)), strategy)
      end
    end
    assert.same({ "b/m", "c/m", "c/m" }, { first("round_robin", 1), first("round_robin", 2), first("priority", 1) })
  end)

  it("lets everybody in and goes on after a failure", function()
    assert.same({}, policy.admit(testing.request()))
    local run = testing.run(policy, {
      targets = targets, strategy = "priority",
      upstreams = { ["c/m"] = testing.rate_limited(), ["b/m"] = testing.timeout(), ["a/m"] = testing.answer "hello" },
    })
    assert.equal("a/m", run.served_by)
    assert.equal(3, #run.attempts)
  end)

  it("costs little of its budget", function()
    local runtime = require "gateway.runtime"
    local raw = require("gateway.policy").load {
      name = "default",
      sources = setmetatable({}, { __index = function(_, name)
        local file = assert(io.open("policies/" .. name .. ".lua"))
        local text = file:read "a"
        file:close()
        return text
      end }),
    }
    local request = testing.request { targets = targets, strategy = "weighted" }
    assert.is_true((runtime.call.run(raw.route, 1000, 65536, 1, request)))
  end)
end)
