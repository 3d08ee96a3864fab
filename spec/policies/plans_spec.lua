--- Plans that make no sense: refused with what is wrong, or bounded by what the walk allows whatever a policy says.
local testing = require "gateway.testing"

local function policy(body)
  return testing.load("policies/x.lua", { sources = { x = "local policy = {}\n" .. body .. "\nreturn policy" } })
end

local function run(body, scenario)
  scenario = scenario or {}
  scenario.targets = scenario.targets or { "a/m", "b/m" }
  scenario.upstreams = scenario.upstreams or { ["a/m"] = testing.overloaded(), ["b/m"] = testing.overloaded() }
  return testing.run(policy(body), scenario)
end

describe("a plan is refused", function()
  for what, case in pairs {
    ["empty"] = { "{}", "the plan is empty" },
    ["cyclic"] = { "CYCLE", "step 1.target: expected a target" },
    ["that asks for 1,000 attempts"] = { '{ { target = "a/m", retries = 1000 } }', "step 1.retries: expected a whole number from 0 to 15, got 1000" },
    ["with a timeout of zero"] = { '{ { target = "a/m", timeout = "0s" } }', 'step 1.timeout: expected a duration above zero, got "0s"' },
    ["with a hedge at once"] = { '{ { target = "a/m", hedge_after = "0ms" } }', "step 1.hedge_after: expected a duration above zero" },
    ["of 33 steps"] = { "MANY", "expected a plan of at most 32 steps" },
    ["that is none"] = { '"a/m"', 'expected a plan (a list of targets), got "a/m"' },
  } do
    it(what, function()
      local done = run(([[
        local CYCLE, MANY = {}, {}
        CYCLE[1] = CYCLE
        for i = 1, 33 do MANY[i] = { target = "a/m" } end
        function policy.route() return %s end]]):format(case[1]))
      assert.equal("policy_bad_plan", done.failure.kind)
      assert.is_truthy(done.failure.message:find(case[2], 1, true), done.failure.message)
      assert.equal(0, #done.attempts)
    end)
  end

  it("whose targets nobody knows, or none of which is able", function()
    assert.equal("policy_unknown_target", run("function policy.route() return { 'nix/m' } end").failure.kind)
    local off = run("function policy.route() return { 'off/m' } end", { off = { "off/m" } })
    assert.equal("no_fit_target", off.failure.kind)
  end)
end)

describe("a plan is bounded", function()
  it("by the attempts of the request, whatever its retries", function()
    local done = run("function policy.route(r) return { { target = r.targets[1], retries = 15 } } end", { limits = { attempts = 4 } })
    assert.same({ 4, "overloaded" }, { #done.attempts, done.failure.kind })
  end)

  it("by its targets: one that failed is not begun again, however often it is named", function()
    local done = run([[function policy.route(r)
      local list = {}
      for i = 1, 1000 do list[i] = r.targets[i % 2 + 1] end
      return list
    end]], { limits = { attempts = 8 } })
    assert.same({ 2, "overloaded" }, { #done.attempts, done.failure.kind })
  end)

  it("by that too when recover goes round in circles", function()
    local done = run("function policy.recover(r) return { r.targets[1], r.targets[2] } end", { limits = { attempts = 8 } })
    assert.same({ 2, "overloaded" }, { #done.attempts, done.failure.kind })
  end)
end)
