local testing = require "gateway.testing"
local policy = testing.load "policies/score.lua"

--- Of two targets that differ in `facts` alone, the one that goes first: "with" or "without" them.
local function preferred(facts, request)
  local given = { name = "with/m" }
  for key, value in pairs(facts) do
    given[key] = value
  end
  request = request or {}
  request.targets = { "without/m", testing.target(given) }
  return testing.names(policy.route(testing.request(request)))[1]:match "^%w+"
end

describe("score", function()
  it("counts what gateway.lua says of its order", function()
    assert.equal("without", preferred { priority = 2 })
    assert.equal("with", preferred({ priority = 0 }, { turn = 1 }), "no better than 1")
    assert.equal("without", preferred({ priority = 0 }, { turn = 0 }), "no better than 1")
  end)

  it("counts the board", function()
    assert.equal("with", preferred { leaderboard = 0.1 })
  end)

  it("counts whether the target can do what the request asks for", function()
    assert.equal("without", preferred({ max_output = 4096 }, { max_tokens = 8000 }))
    assert.equal("without", preferred({ max_temperature = 1 }, { temperature = 1.5 }))
    assert.equal("with", preferred({ max_output = 4096, max_temperature = 1 }, { max_tokens = 4000, temperature = 1, turn = 1 }), "equal: in turn")
  end)

  it("counts the room that is left after the prompt", function()
    assert.equal("with", preferred({ context = 1000000 }, { estimate = { input_tokens = 100000 } }))
    assert.equal("without", preferred({ context = 8000 }, { estimate = { input_tokens = 100000 } }))
    assert.equal("without", preferred { context = 0 }, "unknown is none")
  end)

  it("adds it all up", function()
    local targets = {
      testing.target { name = "cheap/m", priority = 1, leaderboard = 0.2 }, -- 1 + 0.4
      testing.target { name = "clever/m", priority = 4, leaderboard = 0.9 }, -- 0.25 + 1.8
      testing.target { name = "middling/m", priority = 2, leaderboard = 0.4 }, -- 0.5 + 0.8
    }
    local run = testing.run(policy, {
      targets = targets,
      upstreams = { ["clever/m"] = testing.overloaded(), ["cheap/m"] = testing.overloaded(), ["middling/m"] = testing.answer "hello" },
    })
    assert.same({ "clever/m", "cheap/m", "middling/m" }, { run.attempts[1].target, run.attempts[2].target, run.served_by })
  end)
end)
