local testing = require "gateway.testing"
local policy = testing.load "policies/tiers.lua"

local function admitted(tier, model)
  return policy.admit(testing.request { user = { tier = tier }, model = model or "gpt-4o" })
end

--- What a run of this tier came to, counted together with the others of `limiter`.
local function run(limiter, tier, facts)
  facts = facts or {}
  facts.user = { id = facts.id or "alice", tier = tier }
  facts.id = nil
  facts.limiter, facts.model = limiter, facts.model or "mock/hello"
  facts.targets = { "a/m" }
  facts.upstreams = facts.upstreams or { ["a/m"] = testing.answer("hello", { usage = { input_tokens = 100, output_tokens = 200 } }) }
  return testing.run(policy, facts)
end

describe("tiers", function()
  it("give each tier its limit, and whoever has none no limit", function()
    assert.equal("free", admitted("free", "gpt-4o-mini")[1].name)
    assert.equal("pro", admitted("pro")[1].name)
    assert.same({}, admitted "default")
    assert.same({}, admitted "unheard-of")
  end)

  it("say which models a tier includes", function()
    for model, allowed in pairs { ["gpt-4o-mini"] = true, ["mock/hello"] = true, ["gpt-4o"] = false, ["openai/gpt-4o-mini-2"] = false } do
      local limits, refusal = admitted("free", model)
      assert.equal(allowed, limits ~= nil, model)
      if not allowed then
        assert.same({ status = 403, code = "model_not_allowed", message = "your tier does not include " .. model }, refusal)
      end
      assert.is_truthy(admitted("pro", model))
    end
  end)

  it("take the limit of the nameless from the config", function()
    local limited = testing.load("policies/tiers.lua", { settings = { default_limit = { name = "default", per = "user", requests = "2/s", burst = 2 } } })
    local limiter = testing.limiter()
    local function ask(now)
      return testing.run(limited, { limiter = limiter, now = now, targets = { "a/m" }, upstreams = { ["a/m"] = testing.answer "hi" } })
    end
    assert.same({ "a/m", "a/m" }, { ask(10).served_by, ask(10).served_by })
    assert.same({ "rate_limit_exceeded", "default", 0.5 }, { ask(10).failure.kind, ask(10).failure.limit, ask(10).failure.retry_after_s })
    assert.equal("a/m", ask(10.5).served_by)
  end)

  it("refuse what passes a tier's requests, until the window has left", function()
    local limiter = testing.limiter()
    for i = 1, 20 do
      local result = run(limiter, "free")
      assert.equal("hello", result.text)
      assert.same({ 20, 20 - i }, { result.limits.requests.limit, result.limits.requests.remaining })
    end
    local refused = run(limiter, "free", { now = 1030 })
    assert.same({ "rate_limit_exceeded", 429, "free" }, { refused.failure.kind, refused.failure.status, refused.failure.limit })
    assert.is_true(refused.failure.retry_after_s >= 30 and refused.failure.retry_after_s <= 31)
    assert.same({}, refused.attempts)
    assert.equal("hello", run(limiter, "free", { id = "bob", now = 1030 }).text)
    assert.equal("hello", run(limiter, "free", { now = 1062 }).text)
  end)

  it("count the tokens that were used, not those that were reserved", function()
    local limiter = testing.limiter()
    local first = run(limiter, "free", { max_tokens = 60000 })
    assert.same({ 100000, 39900 }, { first.limits.tokens.limit, first.limits.tokens.remaining })
    assert.equal(39600, run(limiter, "free", { max_tokens = 60000 }).limits.tokens.remaining)
  end)

  it("give the tokens back when no provider did anything", function()
    local limiter = testing.limiter()
    local failed = run(limiter, "free", { max_tokens = 99000, upstreams = { ["a/m"] = testing.refused() } })
    assert.equal("unavailable", failed.failure.kind)
    assert.equal(900, failed.limits.tokens.remaining)
    local uncertain = run(limiter, "free", { max_tokens = 50000, replayable = false, upstreams = { ["a/m"] = testing.reset() } })
    assert.equal(49900, uncertain.limits.tokens.remaining)
    assert.equal(49600, run(limiter, "free", { max_tokens = 200 }).limits.tokens.remaining, "what may have been done is not given back")
    assert.equal(17, run(limiter, "free").limits.requests.remaining + 1, "requests count whatever becomes of them")
  end)

  it("never wait for what can never pass", function()
    local refused = run(testing.limiter(), "free", { max_tokens = 100000 })
    assert.equal("rate_limit_exceeded", refused.failure.kind)
    assert.is_nil(refused.failure.retry_after_s)
  end)

  it("begin anew with every run that is given no counters", function()
    for _ = 1, 50 do
      assert.equal(19, run(nil, "free").limits.requests.remaining)
    end
  end)
end)
