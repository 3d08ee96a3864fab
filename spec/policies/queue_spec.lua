local testing = require "gateway.testing"
local policy = testing.load "policies/queue.lua"

describe("queue", function()
  it("knows the strategies of the default policy", function()
    local known = testing.load("policies/queue.lua", { strategy = "round_robin" }).strategies
    assert.same(testing.load("policies/default.lua").strategies, known)
    assert.is_true(known.sticky)
    assert.has_error(function() testing.load("policies/queue.lua", { strategy = "nobody's" }) end)
  end)

  it("goes on as the default does while there is room", function()
    local run = testing.run(policy, {
      targets = { "a/m", "b/m" }, turn = 1, waited_ms = 250,
      upstreams = { ["a/m"] = testing.answer "hello", ["b/m"] = testing.unavailable() },
    })
    assert.equal("a/m", run.served_by)
    assert.same({ "b/m", "a/m" }, { run.attempts[1].target, run.attempts[2].target })
  end)

  it("waits two seconds where all are full, and who pays goes first", function()
    for tier, priority in pairs { pro = 0, free = 5, default = 5 } do
      local run = testing.run(policy, {
        model = "test-mini", user = { tier = tier }, targets = {}, unfit = { testing.target { name = "a/m", reason = "limit" } },
      })
      assert.same({ seconds = 2, priority = priority }, run.wait)
      assert.equal(0, #run.attempts)
    end
  end)
end)
