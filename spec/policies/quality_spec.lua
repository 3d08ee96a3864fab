local testing = require "gateway.testing"
local policy = testing.load "policies/quality.lua"

local good = testing.target { name = "good/m", quality = 0.7, price = { input = 1, output = 1 } }
local best = testing.target { name = "best/m", quality = 0.9, price = { input = 9, output = 9 } }
local same = testing.target { name = "same/m", quality = 0.9, price = { input = 8, output = 8 } }

describe("quality", function()
  it("puts the best first, whatever it costs, and the cheaper of equals", function()
    local request = testing.request { targets = { "unknown/m", good, best, same } }
    assert.same({ "same/m", "best/m", "good/m", "unknown/m" }, testing.names(policy.route(request)))
  end)

  it("goes on with the next best", function()
    local run = testing.run(policy, {
      targets = { good, best }, upstreams = { ["best/m"] = testing.overloaded(), ["good/m"] = testing.answer "hello" },
    })
    assert.equal("good/m", run.served_by)
    assert.equal("best/m", run.attempts[1].target)
  end)
end)
