local testing = require "gateway.testing"
local policy = testing.load "policies/round_robin.lua"

describe("round_robin", function()
  it("lets everybody begin equally often", function()
    local counts = {}
    for turn = 0, 299 do
      local first = testing.names(policy.route(testing.request { targets = { "a/m", "b/m", "c/m" }, turn = turn }))[1]
      counts[first] = (counts[first] or 0) + 1
    end
    assert.same({ ["a/m"] = 100, ["b/m"] = 100, ["c/m"] = 100 }, counts)
  end)

  it("keeps the others in line behind the first", function()
    local request = testing.request { targets = { "a/m", "b/m", "c/m" }, turn = 4 }
    assert.same({ "b/m", "c/m", "a/m" }, testing.names(policy.route(request)))
  end)

  it("goes on with the next in line when one fails", function()
    local run = testing.run(policy, {
      targets = { "a/m", "b/m", "c/m" }, turn = 1,
      upstreams = { ["b/m"] = testing.overloaded(), ["c/m"] = testing.answer "hello", ["a/m"] = testing.answer "too late" },
    })
    assert.equal("c/m", run.served_by)
    assert.equal("hello", run.text)
  end)
end)
