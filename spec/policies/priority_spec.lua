local testing = require "gateway.testing"
local policy = testing.load "policies/priority.lua"

describe("priority", function()
  it("puts the lowest number first, whatever the order of the config", function()
    local request = testing.request {
      targets = { testing.target { name = "c/m", priority = 3 }, testing.target { name = "a/m", priority = 1 }, testing.target { name = "b/m", priority = 2 } },
    }
    assert.same({ "a/m", "b/m", "c/m" }, testing.names(policy.route(request)))
  end)

  it("shares by weight among those of equal priority", function()
    local counts = {}
    for turn = 0, 103 do
      local request = testing.request {
        turn = turn,
        targets = {
          testing.target { name = "last/m", priority = 2, weight = 100 }, testing.target { name = "a/m", weight = 3 },
          testing.target { name = "b/m", weight = 1 },
        },
      }
      local names = testing.names(policy.route(request))
      counts[names[1]] = (counts[names[1]] or 0) + 1
      assert.equal("last/m", names[3])
    end
    assert.same({ ["a/m"] = 78, ["b/m"] = 26 }, counts)
  end)

  it("takes the next in line when the first cannot", function()
    local run = testing.run(policy, {
      targets = { testing.target { name = "b/m", priority = 2 }, testing.target { name = "a/m", priority = 1 } },
      upstreams = { ["a/m"] = testing.unavailable(), ["b/m"] = testing.answer "hello" },
    })
    assert.equal("b/m", run.served_by)
    assert.equal("a/m", run.attempts[1].target)
  end)
end)
