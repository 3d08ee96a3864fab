local testing = require "gateway.testing"
local policy = testing.load "policies/weighted.lua"

local targets = {
  testing.target { name = "a/m", weight = 3 }, testing.target { name = "b/m", weight = 1 }, testing.target { name = "spare/m", weight = 0 },
}

local function first(turn)
  return testing.names(policy.route(testing.request { targets = targets, turn = turn }))[1]
end

describe("weighted", function()
  it("shares turns exactly by weight", function()
    local counts = {}
    for turn = 1000, 1399 do
      counts[first(turn)] = (counts[first(turn)] or 0) + 1
    end
    assert.same({ ["a/m"] = 300, ["b/m"] = 100 }, counts)
  end)

  it("spreads them evenly", function()
    local seen = {}
    for turn = 0, 7 do
      seen[#seen + 1] = first(turn):sub(1, 1)
    end
    assert.equal("aabaaaba", table.concat(seen))
  end)

  it("has everybody in line, and weight 0 at its end", function()
    local run = testing.run(policy, {
      targets = targets, turn = 0,
      upstreams = { ["a/m"] = testing.refused(), ["b/m"] = testing.refused(), ["spare/m"] = testing.answer "hello" },
    })
    assert.equal("spare/m", run.served_by)
    assert.equal(3, #run.attempts)
  end)
end)
