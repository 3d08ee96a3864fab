local testing = require "gateway.testing"
local policy = testing.load "policies/lowest_latency.lua"

local function names(targets, facts)
  facts = facts or {}
  facts.targets = targets
  return testing.names(policy.route(testing.request(facts)))
end

describe("lowest_latency", function()
  it("prefers the target that lately answered soonest", function()
    assert.same({ "b/m", "a/m" }, names { testing.target { name = "a/m", first_token_ms = 300 }, testing.target { name = "b/m", first_token_ms = 120 } })
  end)

  it("counts the whole answer, not its beginning alone", function()
    local quick = testing.target { name = "quick/m", first_token_ms = 100, per_token_ms = 20 }
    local steady = testing.target { name = "steady/m", first_token_ms = 500, per_token_ms = 5 }
    assert.same({ "quick/m", "steady/m" }, names({ quick, steady }, { estimate = { output_tokens = 10 } }))
    assert.same({ "steady/m", "quick/m" }, names({ quick, steady }, { estimate = { output_tokens = 1000 } }))
  end)

  it("lets those take turns that are about as fast as the best", function()
    local targets = {
      testing.target { name = "a/m", first_token_ms = 100 }, testing.target { name = "b/m", first_token_ms = 109 },
      testing.target { name = "c/m", first_token_ms = 120 },
    }
    assert.same({ "a/m", "b/m", "c/m" }, names(targets, { turn = 0 }))
    assert.same({ "b/m", "a/m", "c/m" }, names(targets, { turn = 1 }))
  end)

  it("takes a target that was never measured for one of the middle", function()
    local targets = {
      testing.target { name = "slow/m", first_token_ms = 900 }, testing.target "new/m", testing.target { name = "fast/m", first_token_ms = 100 },
      testing.target { name = "middling/m", first_token_ms = 400 },
    }
    assert.same({ "fast/m", "new/m", "middling/m", "slow/m" }, names(targets, { turn = 2 }))
  end)

  it("begins with everybody in turn, when nobody was measured", function()
    assert.same({ "a/m", "b/m" }, names({ "a/m", "b/m" }, { turn = 0 }))
    assert.same({ "b/m", "a/m" }, names({ "a/m", "b/m" }, { turn = 1 }))
  end)

  it("asks the slow now and then, who may be fast again", function()
    local targets = { testing.target { name = "a/m", first_token_ms = 100 }, testing.target { name = "b/m", first_token_ms = 1000 } }
    assert.same({ "b/m", "a/m" }, names(targets, { turn = 1, random = 0.01 }))
    assert.same({ "a/m", "b/m" }, names(targets, { turn = 1, random = 0.02 }))
  end)

  it("goes on with the next fastest", function()
    local run = testing.run(policy, {
      targets = { testing.target { name = "a/m", first_token_ms = 300 }, testing.target { name = "b/m", first_token_ms = 100 } },
      upstreams = { ["b/m"] = testing.rate_limited { retry_after = "7s" }, ["a/m"] = testing.answer "hello" },
    })
    assert.equal("a/m", run.served_by)
    assert.equal("b/m", run.attempts[1].target)
  end)
end)
