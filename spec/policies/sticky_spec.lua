local testing = require "gateway.testing"
local policy = testing.load "policies/sticky.lua"

local function names(targets, affinity)
  return testing.names(policy.route(testing.request { targets = targets, affinity = affinity }))
end

local function conversation(i)
  return ("%016x"):format(i * 0x9e3779b97f4a7c15)
end

describe("sticky", function()
  it("keeps a conversation where it is, however its turn and chance fall", function()
    local first = names({ "a/m", "b/m", "c/m" }, conversation(7))
    for turn = 1, 20 do
      local request = testing.request { targets = { "a/m", "b/m", "c/m" }, affinity = conversation(7), turn = turn, random = turn / 20 }
      assert.same(first, testing.names(policy.route(request)))
    end
    assert.same(first, names({ "c/m", "b/m", "a/m" }, conversation(7)), "the order of the config does not matter")
  end)

  it("moves only the conversations of a target that is down, and brings them back", function()
    for i = 1, 200 do
      local whole = names({ "a/m", "b/m", "c/m" }, conversation(i))
      local left = names({ "a/m", "c/m" }, conversation(i))
      assert.equal(whole[1] == "b/m" and whole[2] or whole[1], left[1])
    end
  end)

  it("goes on with the one that would take over anyway", function()
    local order = names({ "a/m", "b/m", "c/m" }, conversation(3))
    local run = testing.run(policy, {
      targets = { "a/m", "b/m", "c/m" }, affinity = conversation(3),
      upstreams = { [order[1]] = testing.unavailable(), [order[2]] = testing.answer "hello", [order[3]] = testing.answer "no" },
    })
    assert.equal(order[2], run.served_by)
  end)
end)
