local testing = require "gateway.testing"
local policy = testing.load "policies/least_busy.lua"

local function first(targets, random)
  return testing.names(policy.route(testing.request { targets = targets, random = random }))[1]
end

describe("least_busy", function()
  it("prefers whoever has less to do", function()
    local targets = { testing.target { name = "a/m", in_flight = 9 }, testing.target { name = "b/m", in_flight = 2 } }
    for _, random in ipairs { 0, 0.25, 0.5, 0.75, 1 } do
      assert.equal("b/m", first(targets, random))
    end
  end)

  it("counts what is in flight for a target's weight", function()
    local targets = { testing.target { name = "big/m", in_flight = 9, weight = 10 }, testing.target { name = "small/m", in_flight = 2 } }
    assert.equal("big/m", first(targets, 0.1))
  end)

  it("looks at two only: the busiest is never first, anybody else may be", function()
    local targets = {
      testing.target { name = "a/m", in_flight = 1 }, testing.target { name = "b/m", in_flight = 2 }, testing.target { name = "c/m", in_flight = 3 },
    }
    local seen = {}
    for i = 0, 99 do
      local name = first(targets, i / 100)
      seen[name] = (seen[name] or 0) + 1
    end
    assert.is_nil(seen["c/m"])
    assert.near(66, seen["a/m"], 2)
    assert.near(34, seen["b/m"], 2)
  end)

  it("has everybody in line, whoever was drawn", function()
    local run = testing.run(policy, {
      targets = { "a/m", "b/m", "c/m" }, random = 0,
      upstreams = { ["a/m"] = testing.refused(), ["b/m"] = testing.overloaded(), ["c/m"] = testing.answer "hello" },
    })
    assert.equal("c/m", run.served_by)
    assert.equal(3, #run.attempts)
  end)
end)
