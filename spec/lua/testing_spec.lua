local testing = require "gateway.testing"

local function policy(text, options)
  options = options or {}
  options.sources = { x = text }
  return testing.load("policies/x.lua", options)
end

local pass = policy "return { settle = function() return {} end }"

describe("testing.load", function()
  it("loads as the gateway does, with the files beside it", function()
    local loaded = testing.load "policies/default.lua"
    assert.is_true(loaded.strategies.round_robin and loaded.strategies.lowest_cost)
    assert.is_nil(loaded.strategies.fallback)
    assert.equal("default", loaded.name)
  end)

  it("raises what `check` would print", function()
    assert.has_error(function() testing.load "policies/nix.lua" end, "policies/nix.lua: there is no such file")
    assert.has_error(function() testing.load "policies/default" end, "expected a path such as policies/default.lua, got policies/default")
    assert.has_error(function() policy "return { rout = 1 }" end,
      "policies/x.lua: 'rout' is none of admit, route, recover, settle, strategies, tiers")
    assert.has_error(function() testing.load("policies/default.lua", { strategy = "x" }) end,
      'gateway.lua: strategy: expected one of cost_optimized, least_busy, least_latency, lowest_cost, lowest_latency, ' ..
      'priority, quality, round_robin, score, sticky, weighted (policies/default.lua), got "x"')
  end)

  it("runs in the sandbox, under the gateway's budget", function()
    assert.has_error(function() policy("return { route = function() os.exit(1) end }").route(testing.request()) end,
      "policies/x.lua:1: attempt to index a nil value (global 'os')")
    assert.has_error(function() policy("return { route = function() while true do end end }").route(testing.request()) end,
      "policies/x.lua:1: stopped after 1000000 instructions")
  end)

  it("gives results as they are", function()
    local refusing = policy "return { admit = function() return nil, { status = 402 } end }"
    assert.same({ nil, { status = 402 } }, { refusing.admit(testing.request()) })
  end)
end)

describe("testing.request", function()
  it("has every fact, with a default", function()
    local request = testing.request()
    for _, name in ipairs { "id", "model", "dialect", "route", "stream", "user", "client", "strategy", "preference", "fallback", "replayable",
      "estimate", "needs", "affinity", "turn", "now", "random", "targets", "unfit", "body" } do
      assert.is_not_nil(request[name], name)
    end
    assert.is_nil(request.max_tokens)
    assert.is_nil(request.temperature)
    assert.equal("default", request.user.tier)
    assert.same({ "a/m", "b/m" }, testing.names(request.targets))
  end)

  it("takes facts, one level deep", function()
    local request = testing.request { model = "gpt", user = { tier = "pro" }, max_tokens = 5, needs = { tools = true }, body = { messages = { "x" } } }
    assert.equal("gpt", request.model)
    assert.equal("pro", request.user.tier)
    assert.equal("anonymous", request.user.id)
    assert.equal(5, request.max_tokens)
    assert.is_true(request.needs.tools)
    assert.is_false(request.needs.vision)
    assert.equal("x", request.body().messages[1])
    assert.equal("x", request:body().messages[1])
  end)

  it("refuses a fact that does not exist, or is of another type", function()
    assert.has_error(function() testing.request { modle = "x" } end, "a request has no fact 'modle'")
    assert.has_error(function() testing.request { user = { teir = "x" } } end, "a request.user has no fact 'teir'")
    assert.has_error(function() testing.request { stream = "yes" } end, "a request.stream: expected a boolean, got a string")
    assert.has_error(function() testing.request { user = "alice" } end, "a request.user: expected a table, got a string")
    assert.has_error(function() testing.target { name = "a/m", prize = 1 } end, "a target has no fact 'prize'")
    assert.has_error(function() testing.target "am" end, "a target's name is provider/model, got am")
    assert.has_error(function() return testing.request().modle end, "a request has no fact 'modle'")
    assert.has_error(function() return testing.target("a/m").prize end, "a target has no fact 'prize'")
  end)

  it("is read-only all through", function()
    local request = testing.request { targets = { "a/m" }, body = { a = {} } }
    for name, change in pairs {
      request = function() request.model = "x" end,
      user = function() request.user.tier = "x" end,
      metadata = function() request.user.metadata.x = 1 end,
      targets = function() request.targets[1] = nil end,
      target = function() request.targets[1].weight = 9 end,
      latency = function() request.targets[1].latency.samples = 9 end,
      body = function() request.body().a.b = 1 end,
      unknown = function() request.brand_new = 1 end,
    } do
      assert.error_matches(change, "read%-only", nil, nil, name)
    end
  end)

  it("lists its facts", function()
    local seen = {}
    for key in pairs(testing.request()) do
      seen[key] = true
    end
    assert.is_true(seen.model and seen.user and seen.targets)
    assert.is_nil(seen.max_tokens)
  end)
end)

describe("testing.target", function()
  it("has every fact, with a default", function()
    local target = testing.target "openai/ft:gpt/4"
    assert.same({ "openai/ft:gpt/4", "openai", "ft:gpt/4" }, { target.name, target.provider, target.model })
    for _, name in ipairs { "weight", "priority", "quality", "leaderboard", "context", "max_output", "max_temperature", "capabilities", "latency",
      "in_flight", "success_rate", "breaker", "cooldown_s" } do
      assert.is_not_nil(target[name], name)
    end
    assert.is_nil(target.price)
    assert.is_nil(target.cost_usd)
    assert.equal(0, target.latency.samples)
  end)

  it("works out what the request would cost and take there", function()
    local request = testing.request {
      estimate = { input_tokens = 1000, output_tokens = 100 },
      targets = {
        testing.target { name = "a/m", price = { input = 2, output = 10 }, first_token_ms = 300, per_token_ms = 2 },
        testing.target { name = "b/m", first_token_ms = 100, samples = 50 },
        testing.target { name = "c/m" },
        testing.target { name = "d/m", cost_usd = 7, expected_ms = 9, first_token_ms = 900 },
      },
    }
    local a, b, c, d = table.unpack(request.targets)
    assert.near(0.003, a.cost_usd, 1e-9)
    assert.is_nil(b.cost_usd)
    assert.equal(500, a.expected_ms)
    assert.equal(100, b.expected_ms)
    assert.equal(500, c.expected_ms, "never measured: the median of the others")
    assert.same({ 7, 9 }, { d.cost_usd, d.expected_ms })
    assert.same({ 1, 50 }, { a.latency.samples, b.latency.samples })
  end)
end)

describe("testing.names", function()
  it("reads targets, names and steps", function()
    local target = testing.target "a/m"
    assert.same({ "a/m", "b/m", "a/m", "c/m" }, testing.names { target, "b/m", { target = target }, { target = "c/m" } })
  end)
end)

describe("testing.run", function()
  it("answers with the first target that can", function()
    local run = testing.run(pass, {
      targets = { "a/m", "b/m" },
      upstreams = { ["a/m"] = { testing.rate_limited { retry_after = "7s" } }, ["b/m"] = { testing.answer "hello" } },
    })
    assert.equal("b/m", run.served_by)
    assert.equal("hello", run.text)
    assert.is_nil(run.failure)
    assert.same({ { "a/m", "rate_limited" }, { "b/m", "ok" } },
      { { run.attempts[1].target, run.attempts[1].outcome }, { run.attempts[2].target, run.attempts[2].outcome } })
    assert.equal(7, run.attempts[1].failure.retry_after_s)
    assert.equal(1250, run.elapsed_ms)
  end)

  it("knows every kind of failure", function()
    for name, expected in pairs {
      rate_limited = "rate_limited", overloaded = "overloaded", unavailable = "unavailable", auth = "auth", quota = "quota",
      invalid_request = "invalid_request", model_not_found = "model_not_found", context_length = "context_length",
      content_filter = "content_filter", refused = "unavailable", reset = "unavailable", timeout = "timeout",
    } do
      local run = testing.run(pass, { targets = { "a/m" }, upstreams = { ["a/m"] = testing[name]() } })
      assert.equal(expected, run.failure and run.failure.kind, name)
      assert.equal("a/m", run.failure.target)
      assert.equal(1, #run.attempts)
      assert.is_nil(run.served_by)
    end
    local run = testing.run(pass, { targets = { "a/m" }, upstreams = { ["a/m"] = testing.overloaded { status = 529, message = "busy", after = "2s" } } })
    assert.same({ 529, "busy", 2000 }, { run.failure.status, run.failure.message, run.elapsed_ms })
    assert.has_error(function() testing.overloaded { staus = 1 } end)
  end)

  it("lets deadlines pass without waiting", function()
    local run = testing.run(pass, {
      targets = { "a/m", "b/m" }, stream = true, limits = { first_token = 8 },
      upstreams = { ["a/m"] = testing.stall(), ["b/m"] = testing.answer "late but here" },
    })
    assert.equal("timeout", run.attempts[1].outcome)
    assert.equal(8000, run.attempts[1].ms)
    assert.equal("b/m", run.served_by)
  end)

  it("obeys the deadlines and retries of steps", function()
    local step = policy [[
      return { route = function(request)
        return { { target = request.targets[1], timeout = "3s" }, { target = "b/m", retries = 2 } }
      end } ]]
    local run = testing.run(step, {
      targets = { "a/m", "b/m" }, limits = { attempts = 4 },
      upstreams = { ["a/m"] = testing.stall(), ["b/m"] = { testing.overloaded(), testing.overloaded(), testing.answer "third" } },
    })
    assert.equal("third", run.text)
    assert.equal(4, #run.attempts)
    assert.equal(3000, run.attempts[1].ms)
  end)

  it("hedges", function()
    local hedging = policy [[
      return { route = function(request)
        return { { target = request.targets[1], hedge_after = "p95" }, request.targets[2] }
      end } ]]
    local run = testing.run(hedging, {
      targets = { testing.target { name = "a/m", p95_ms = 400 }, "b/m" },
      upstreams = { ["a/m"] = testing.answer("slow", { after = "9s" }), ["b/m"] = testing.answer("quick", { after = "100ms", lasts = "100ms" }) },
    })
    assert.equal("b/m", run.served_by)
    assert.equal("cancelled", run.attempts[1].outcome)
    assert.is_true(run.attempts[2].hedge)
    assert.equal(600, run.elapsed_ms)
  end)

  it("does not go on after content went out", function()
    local run = testing.run(pass, {
      targets = { "a/m", "b/m" }, stream = true,
      upstreams = { ["a/m"] = testing.cut "hel", ["b/m"] = testing.answer "hello" },
    })
    assert.equal("hel", run.text)
    assert.equal("unavailable", run.failure.kind)
    assert.equal("content_started", run.failure.sent)
    assert.equal(1, #run.attempts)
    assert.is_nil(run.served_by)
    run = testing.run(pass, { targets = { "a/m" }, stream = true, limits = { idle = 20 }, upstreams = { ["a/m"] = testing.stall "hel" } })
    assert.equal("timeout", run.failure.kind)
    assert.equal(20200, run.elapsed_ms)
  end)

  it("asks recover, with read-only facts of the failure and the rest of the plan", function()
    local asked = policy [[
      local policy = {}
      function policy.recover(request, failure, rest)
        assert(not pcall(function() failure.kind = "x" end))
        assert(failure.target == "a/m" and failure.attempt == 1 and failure.elapsed_ms == 50 and failure.status == 400)
        assert(failure.phase == "headers" and failure.sent == "refused" and failure.message == "the prompt is too long")
        assert(#rest == 1 and rest[1] == request.targets[2])
        return { "big/m" }
      end
      return policy ]]
    local run = testing.run(asked, {
      targets = { "a/m", "b/m" },
      upstreams = { ["a/m"] = testing.context_length(), ["big/m"] = testing.answer "fits" },
    })
    assert.equal("big/m", run.served_by)
  end)

  it("carries refusals, mistakes and labels", function()
    local run = testing.run(policy "return { admit = function() return nil, { status = 402, code = 'broke', message = 'no money' } end }",
      { upstreams = {} })
    assert.same({ status = 402, code = "broke", message = "no money" }, run.refusal)
    assert.same({}, run.attempts)
    run = testing.run(policy "return { route = function() return {} end }", { upstreams = {} })
    assert.same({ "policy_bad_plan", "route: the plan is empty: expected at least one target, or nil and a refusal" },
      { run.failure.kind, run.failure.message })
    run = testing.run(policy "return { route = function() return { 'x/y' } end }", { upstreams = {} })
    assert.equal("policy_unknown_target", run.failure.kind)
    run = testing.run(policy "return { route = function() while true do end end }", { upstreams = {} })
    assert.equal("policy_timeout", run.failure.kind)
    run = testing.run(policy "return { recover = function() error 'no' end }", { upstreams = { ["a/m"] = testing.auth() } })
    assert.same({ "policy_error", "policies/x.lua:1: no" }, { run.failure.kind, run.failure.message })
    run = testing.run(policy "return { settle = function(r, o) return { cause = o.cause, by = o.target, status = o.status, n = o.attempts } end }",
      { upstreams = { ["a/m"] = testing.overloaded(), ["b/m"] = testing.answer "x" } })
    assert.same({ cause = "ok", by = "b/m", status = 200, n = 2 }, run.labels)
  end)

  it("skips what is off, and says when nothing is left", function()
    local named = policy "return { route = function() return { 'b/m', 'a/m' } end }"
    local run = testing.run(named, { targets = { "a/m", "b/m" }, off = { "b/m" },
      upstreams = { ["a/m"] = testing.answer "x", ["b/m"] = testing.answer "y" } })
    assert.equal("a/m", run.served_by)
    run = testing.run(named, { off = { "a/m", "b/m" }, upstreams = {} })
    assert.equal("no_fit_target", run.failure.kind)
  end)

  it("says when a spec is incomplete", function()
    assert.has_error(function() testing.run(pass, { upstreams = {} }) end, "testing.run: no upstream is scripted for a/m")
    assert.has_error(function() testing.run({}, {}) end, "testing.run: expected a policy from testing.load")
    assert.has_error(function() testing.run(pass, { upstream = {} }) end, "a request has no fact 'upstream'")
    assert.has_error(function() testing.run(pass, { limits = { atempts = 1 }, upstreams = {} }) end, "limits: nobody knows 'atempts'")
  end)

  it("tells the same story every time", function()
    local scenario = {
      targets = { "a/m", "b/m", "c/m" }, limits = { attempts = 5, backoff_base = 1 },
      upstreams = { ["a/m"] = testing.overloaded(), ["b/m"] = testing.unavailable(), ["c/m"] = testing.answer "x" },
    }
    assert.same(testing.run(pass, scenario), testing.run(pass, scenario))
  end)
end)

describe("limits in testing.run", function()
  local limited = policy [[
    local limit = require "gateway.limit"
    local few = limit { name = "few", per = { "user", "model" }, requests = "2/min", tokens = "10k/min" }
    return {
      admit = function() return { few } end,
      settle = function(_, outcome) return { cause = outcome.cause, status = outcome.status, tokens = outcome.usage.output_tokens } end,
    }]]

  local function run(limiter, facts)
    facts.limiter, facts.targets = limiter, { "a/m" }
    facts.upstreams = { ["a/m"] = testing.answer("hello", { usage = { input_tokens = 10, output_tokens = 90 } }) }
    return testing.run(limited, facts)
  end

  it("are the gateway's own, under the clock of the request", function()
    local limiter = testing.limiter()
    assert.equal(1, run(limiter, { now = 50 }).limits.requests.remaining)
    local second = run(limiter, { now = 60, max_tokens = 1000 })
    assert.equal(10000 - 100 - 1100, second.limits.tokens.remaining)
    assert.same({ cause = "ok", status = 200, tokens = 90 }, second.labels)
    local third = run(limiter, { now = 70 })
    assert.same({ cause = "limited", status = 429 }, third.labels)
    assert.matches("^Limit 'few' of 2 requests per minute reached", third.failure.message)
    assert.is_true(third.limits.requests.reset_s > 49 and third.limits.requests.reset_s < 52)
    assert.is_nil(third.served_by)
    assert.equal("a/m", run(limiter, { now = 70, model = "other" }).served_by)
    assert.equal("a/m", run(limiter, { now = 70 + third.failure.retry_after_s }).served_by)
  end)

  it("are not there where admit names none", function()
    local result = testing.run(pass, { targets = { "a/m" }, upstreams = { ["a/m"] = testing.answer "hello" } })
    assert.is_nil(result.limits)
  end)

  it("must be limits", function()
    local result = testing.run(policy 'return { admit = function() return { "few" } end }', { upstreams = {} })
    assert.same({ "policy_bad_result", 'admit: expected limits made by gateway.limit, got "few"' }, { result.failure.kind, result.failure.message })
  end)
end)
