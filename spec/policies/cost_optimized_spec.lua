local testing = require "gateway.testing"
local policy = testing.load "policies/cost_optimized.lua"

local wordy = testing.target { name = "wordy/m", price = { input = 1, output = 20 } }
local dense = testing.target { name = "dense/m", price = { input = 4, output = 4 } }

local function names(targets, facts)
  facts = facts or {}
  facts.targets = targets
  return testing.names(policy.route(testing.request(facts)))
end

describe("cost_optimized", function()
  it("asks what this very request would cost", function()
    assert.same({ "wordy/m", "dense/m" }, names({ dense, wordy }, { estimate = { input_tokens = 10000, output_tokens = 100 } }))
    assert.same({ "dense/m", "wordy/m" }, names({ wordy, dense }, { estimate = { input_tokens = 100, output_tokens = 1000 } }))
  end)

  it("does not take an unpriced target for a free one", function()
    local free = testing.target { name = "free/m", price = { input = 0, output = 0 } }
    assert.same({ "free/m", "dense/m", "unpriced/m" }, names { "unpriced/m", dense, free })
  end)

  it("lets the equally cheap take turns", function()
    local twin = testing.target { name = "twin/m", price = { input = 4, output = 4 } }
    assert.same({ "dense/m", "twin/m", "unpriced/m" }, names({ "unpriced/m", dense, twin }, { turn = 0 }))
    assert.same({ "twin/m", "dense/m", "unpriced/m" }, names({ "unpriced/m", dense, twin }, { turn = 1 }))
  end)

  it("pays more before it fails", function()
    local run = testing.run(policy, {
      targets = { wordy, dense }, estimate = { input_tokens = 100, output_tokens = 1000 },
      upstreams = { ["dense/m"] = testing.quota(), ["wordy/m"] = testing.answer "hello" },
    })
    assert.equal("wordy/m", run.served_by)
    assert.equal("dense/m", run.attempts[1].target)
  end)
end)
