local testing = require "gateway.testing"
local policy = testing.load "policies/fallback.lua"

local function run(scenario)
  scenario.targets = scenario.targets or { "a/m", "b/m", "c/m" }
  scenario.upstreams["b/m"] = scenario.upstreams["b/m"] or testing.answer "hello"
  return testing.run(policy, scenario)
end

describe("fallback", function()
  it("goes on with what is left of the plan", function()
    for _, kind in ipairs { "rate_limited", "overloaded", "unavailable", "auth", "quota", "model_not_found", "refused", "content_filter", "context_length" } do
      local done = run { upstreams = { ["a/m"] = testing[kind]() } }
      assert.equal("b/m", done.served_by, kind)
      assert.equal(2, #done.attempts, kind)
    end
  end)

  it("works through the whole plan, then answers with the last failure", function()
    local done = run { upstreams = { ["a/m"] = testing.overloaded(), ["b/m"] = testing.quota(), ["c/m"] = testing.auth() } }
    assert.equal("auth", done.failure.kind)
    assert.equal(3, #done.attempts)
  end)

  it("tries nobody else where the caller wanted this target or none", function()
    local done = run { fallback = false, upstreams = { ["a/m"] = testing.unavailable() } }
    assert.equal("unavailable", done.failure.kind)
    assert.equal(1, #done.attempts)
  end)

  it("tries nobody else with a request that is wrong in itself", function()
    local done = run { upstreams = { ["a/m"] = testing.invalid_request() } }
    assert.equal("invalid_request", done.failure.kind)
    assert.equal(1, #done.attempts)
  end)

  it("does not do twice what may have been done, unless the request may be replayed", function()
    local once = run { replayable = false, upstreams = { ["a/m"] = testing.reset() } }
    assert.equal("unavailable", once.failure.kind)
    assert.equal(1, #once.attempts)
    assert.equal("b/m", run { replayable = true, upstreams = { ["a/m"] = testing.reset() } }.served_by)
    assert.equal("b/m", run { replayable = false, upstreams = { ["a/m"] = testing.refused() } }.served_by, "this one was never sent")
  end)

  it("says so itself, though the walk would not even ask", function()
    local rest = { "b/m" }
    local function answer(sent, replayable)
      return policy.recover(testing.request { replayable = replayable }, { sent = sent, kind = "unavailable" }, rest)
    end
    assert.is_nil(answer("uncertain", false))
    assert.equal(rest, answer("uncertain", true))
    assert.equal(rest, answer("refused", false))
  end)

  it("knows a cure by each cause", function()
    local cure = { context_length = { "large/m" }, content_filter = { "open/m" }, rate_limited = { "spare/m" } }
    local curing = testing.load("policies/fallback.lua", { settings = { cure = cure } })
    for kind, names in pairs(cure) do
      local done = testing.run(curing, {
        targets = { "a/m", "b/m" },
        upstreams = { ["a/m"] = testing[kind](), ["b/m"] = testing.answer "no", [names[1]] = testing.answer(kind) },
      })
      assert.same({ names[1], kind }, { done.served_by, done.text })
    end
  end)

  it("ends where the cure fails in the same way", function()
    local curing = testing.load("policies/fallback.lua", { settings = { cure = { context_length = { "large/m", "huge/m" } } } })
    local done = testing.run(curing, {
      targets = { "a/m" }, limits = { attempts = 8 },
      upstreams = { ["a/m"] = testing.context_length(), ["large/m"] = testing.context_length(), ["huge/m"] = testing.context_length() },
    })
    assert.equal("context_length", done.failure.kind)
    assert.equal(3, #done.attempts)
  end)

  it("knows who cures a failure that all others would repeat", function()
    local curing = testing.load("policies/fallback.lua", { settings = { cure = { context_length = { "big/m" } } } })
    local done = testing.run(curing, {
      targets = { "a/m", "b/m" },
      upstreams = { ["a/m"] = testing.context_length(), ["b/m"] = testing.answer "no", ["big/m"] = testing.answer "fits" },
    })
    assert.equal("big/m", done.served_by)
    assert.equal(2, #done.attempts)
    assert.equal("b/m", testing.run(curing, {
      targets = { "a/m", "b/m" }, upstreams = { ["a/m"] = testing.overloaded(), ["b/m"] = testing.answer "yes" },
    }).served_by)
  end)
end)
