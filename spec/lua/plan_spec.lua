local plan = require "gateway.plan"
local runtime = require "gateway.runtime"

local A, B, C = { name = "a/m" }, { name = "b/m" }, { name = "c/m" }
local lookup = { [A] = 1, [B] = 2, [C] = false, ["a/m"] = 1, ["b/m"] = 2, ["c/m"] = false }

local function check(list)
  return plan.check(lookup, list)
end

local function complaint(list)
  local steps, wrong = check(list)
  assert.is_nil(steps)
  return wrong.kind, wrong.message
end

--- As the gateway calls: a policy's function and the check of its result under one budget.
local function routed(route)
  local ok, steps, wrong = runtime.call.run(plan.routed, 1000000, 1 << 20, 2, lookup, route, { targets = { A } })
  if not ok then
    return nil, { kind = steps, message = wrong }
  end
  return steps, wrong
end

describe("a plan", function()
  it("is a list of targets, names or steps", function()
    assert.same({ 1, 2 }, check { A, B })
    assert.same({ 2, 1 }, check { "b/m", A })
    assert.same({ 1, { target = 2, first_token = 8, timeout = 60, retries = 1, hedge_after = "p95" } },
      check { A, { target = B, first_token = "8s", timeout = "60s", retries = 1, hedge_after = "p95" } })
    assert.same({ { target = 1, hedge_after = 0.25 } }, check { { target = "a/m", hedge_after = "250ms" } })
    assert.same({ { target = 1, retries = 0 } }, check { { target = "a/m", retries = 0 } })
    assert.same({ 1, 1 }, check { A, A })
  end)

  it("may be a read-only list", function()
    local list = { B, A }
    assert.same({ 2, 1 }, check(setmetatable({}, { __index = list, __len = function() return 2 end, __metatable = false })))
  end)

  it("leaves out what is off or unfit", function()
    assert.same({ 1 }, check { C, A })
    assert.same({ 2 }, check { { target = "c/m", timeout = "1s" }, "c/m", "b/m" })
    assert.same({ "no_fit_target", "every target of the plan is off or unfit" }, { complaint { C, "c/m" } })
  end)

  it("names a target that nobody knows (L14)", function()
    for _, name in ipairs { "openai/gpt-9", "a", "", "../../x", "https://evil.example/v1", ("x"):rep(1000) } do
      local kind, message = complaint { A, name }
      assert.equal("policy_unknown_target", kind)
      assert.truthy(message:find("step 2: nobody knows a target", 1, true))
      assert.is_true(#message < 120)
    end
    assert.equal("policy_unknown_target", (complaint { { target = "x/y" } }))
  end)

  it("is refused with a message that helps", function()
    local cyclic = {}
    cyclic[1] = cyclic
    for _, case in ipairs {
      { {}, "the plan is empty" }, { "a/m", 'expected a plan (a list of targets), got "a/m"' }, { 7, "got 7" }, { print, "got a function" },
      { true, "got true" }, { { target = A }, "got a single step" }, { { A, x = B }, 'found the key "x"' }, { { [2] = A }, "found the key 2" },
      { { A, [1.5] = B }, "found the key 1.5" }, { { 1 }, "step 1: expected a target, its name or a step, got 1" }, { { true }, "got true" },
      { { {} }, "step 1.target: expected a target, its name or a step, got nil" }, { { { target = 7 } }, "step 1.target: expected" },
      { cyclic, "step 1.target: expected" }, { { { target = cyclic } }, "step 1.target: expected" },
      { { { target = A, timeout = "0s" } }, 'step 1.timeout: expected a duration above zero, got "0s"' },
      { { { target = A, timeout = -1 } }, "step 1.timeout: expected a duration above zero, got -1" },
      { { { target = A, timeout = 0 / 0 } }, "step 1.timeout: expected a duration above zero" },
      { { { target = A, timeout = math.huge } }, "step 1.timeout: expected a duration above zero" },
      { { { target = A, first_token = "soon" } }, 'step 1.first_token: expected a duration such as "500ms"' },
      { { { target = A, first_token = {} } }, "step 1.first_token: expected a duration" },
      { { { target = A, first_token = true } }, "step 1.first_token: expected a duration" },
      { { { target = A, hedge_after = "p99" } },
        'step 1.hedge_after: expected a duration such as "500ms", "8s", "5m", "1h" or "1d", got "p99" (or "p50", "p95")' },
      { { { target = A, retries = 16 } }, "step 1.retries: expected a whole number from 0 to 15, got 16" },
      { { { target = A, retries = -1 } }, "step 1.retries" }, { { { target = A, retries = 0.5 } }, "step 1.retries" },
      { { { target = A, retries = "1" } }, 'step 1.retries: expected a whole number from 0 to 15, got "1"' },
      { { { target = A, retires = 1 } }, "step 1: nobody knows 'retires'" },
      { { { target = A, [1] = 1 } }, "step 1: nobody knows '1'" },
    } do
      local kind, message = complaint(case[1])
      assert.equal("policy_bad_plan", kind, case[2])
      assert.truthy(message:find(case[2], 1, true), message)
    end
  end)

  it("has at most 32 steps; of more bare targets the first 32 are kept", function()
    local steps, bare = {}, {}
    for i = 1, 32 do
      steps[i], bare[i] = { target = A, retries = 1 }, A
    end
    assert.equal(32, #check(steps))
    steps[33] = { target = B }
    assert.same({ "policy_bad_plan", "expected a plan of at most 32 steps" }, { complaint(steps) })
    bare[33] = B
    assert.equal(32, #check(bare))
    for i = 1, 5000 do
      bare[i] = A
    end
    assert.equal("policy_bad_plan", (complaint(bare)))
  end)

  it("cannot be made to lie or to loop (L13)", function()
    local function lying(meta)
      return routed(function() return setmetatable({}, meta) end)
    end
    local _, wrong = lying { __len = function() return 1 << 40 end }
    assert.equal("policy_bad_plan", wrong.kind)
    _, wrong = lying { __len = function() return "x" end }
    assert.equal("policy_bad_plan", wrong.kind)
    _, wrong = lying { __len = function() return 1 end, __index = function() while true do end end }
    assert.equal("policy_timeout", wrong.kind)
    _, wrong = lying { __len = function() while true do end end }
    assert.equal("policy_timeout", wrong.kind)
    _, wrong = routed(function() return { setmetatable({ target = A }, { __pairs = function() while true do end end }) } end)
    assert.equal("policy_timeout", wrong.kind)
    _, wrong = routed(function() error "x" end)
    assert.equal("policy_error", wrong.kind)
  end)

  it("reads a unit once, however often it comes", function()
    local ok = runtime.call.run(function()
      for i = 1, 1000 do -- more different ones than are kept
        assert(check { { target = A, timeout = i .. "ms" } }[1].timeout == i * 0.001)
      end
    end, 10000000, 8 << 20, 0)
    assert.is_true(ok)
  end)
end)

describe("what is left of a plan", function()
  it("comes back as a policy would write it, and can be returned", function()
    local rest = plan.rest({
      { target = 1, first_token = 0, timeout = 0, hedge_after = 0, retries = 0 },
      { target = 2, first_token = 8, timeout = 0, hedge_after = 0, retries = 1 },
    }, { A, B })
    assert.same({ A, { target = B, first_token = 8, retries = 1 } }, rest)
    assert.equal(A, rest[1])
    assert.same({ 1, { target = 2, first_token = 8, retries = 1 } }, check(rest))
  end)

  it("may be given up by recover with nil, false or an empty list", function()
    for _, value in ipairs { false, {} } do
      local steps, wrong = plan.recovered(lookup, function() return value end, {}, {}, {})
      assert.same({ nil, nil }, { steps, wrong })
    end
    assert.is_nil((plan.recovered(lookup, function() end, {}, {}, {})))
    assert.is_nil((plan.recovered(lookup, function() return { C } end, {}, {}, {})), "nothing fit is left")
    assert.same({ 2 }, plan.recovered(lookup, function() return { C, B } end, {}, {}, {}))
    local _, wrong = plan.recovered(lookup, function() return { "x/y" } end, {}, {}, {})
    assert.equal("policy_unknown_target", wrong.kind)
    assert.equal("recover: ", wrong.message:sub(1, 9))
  end)

  it("is what recover is given", function()
    local seen
    local rest = { B }
    plan.recovered(lookup, function(...) seen = { ... } end, "request", "failure", rest)
    assert.same({ "request", "failure", rest }, seen)
  end)
end)

describe("a refusal", function()
  local function refused(refusal)
    local _, wrong = plan.routed(lookup, function() return nil, refusal end, {})
    return wrong
  end

  it("has a status, a code and a message, or defaults for them", function()
    assert.same({ kind = "refused_by_policy", status = 429, code = "slow_down", message = "later", retry_after_s = 3 },
      refused { status = 429, code = "slow_down", message = "later", retry_after_s = 3 })
    assert.same({ kind = "refused_by_policy", status = 403, code = "refused_by_policy", message = "refused by policy" }, refused {})
    assert.equal(500, #refused({ message = ("x"):rep(10000) }).message)
    local _, wrong = plan.admitted(function() return nil, { status = 402 } end, {})
    assert.same({ "refused_by_policy", 402 }, { wrong.kind, wrong.status })
  end)

  it("is checked (L13)", function()
    for _, case in ipairs {
      { { status = 200 }, "status: expected 400 to 599, got 200" }, { { status = "403" }, "status" }, { { status = 403.5 }, "status" },
      { { code = "two words" }, "code" }, { { code = 7 }, "code" }, { { code = ("x"):rep(65) }, "code" }, { { message = {} }, "message" },
      { { retry_after_s = -1 }, "retry_after_s" }, { { retry_after_s = 0 / 0 }, "retry_after_s" }, { { retry_after_s = "5s" }, "retry_after_s" },
      { { retry_after_s = math.huge }, "retry_after_s" }, { { reason = "x" }, "nobody knows 'reason'" }, { "no", 'got nil and "no"' },
      { 7, "got nil and 7" }, { print, "got nil and a function" },
    } do
      local wrong = refused(case[1])
      assert.equal("policy_bad_result", wrong.kind)
      assert.truthy(wrong.message:find(case[2], 1, true), wrong.message)
    end
    assert.truthy(refused(nil).message:find("expected a result, or nil and { status, code, message }; got nil and nil", 1, true))
  end)
end)

describe("what admit returns", function()
  it("is a list of limits", function()
    local mine = {}
    local function is_limit(value)
      return value == mine
    end
    assert.same({}, plan.admitted(function() return {} end, {}))
    assert.same({ mine }, plan.admitted(function() return { mine } end, {}, is_limit))
    assert.same({ mine }, plan.admitted(function() return { nil, mine } end, {}, is_limit), "a tier without a limit leaves a hole")
    for _, value in ipairs { true, 7, "free", { "free" }, { x = mine }, { {} } } do
      local _, wrong = plan.admitted(function() return value end, {}, is_limit)
      assert.equal("policy_bad_result", wrong.kind)
    end
    local _, wrong = plan.admitted(function() return { mine } end, {})
    assert.equal("admit: expected limits made by gateway.limit, got a table", wrong.message)
  end)
end)

describe("what settle returns", function()
  local function settled(labels)
    return plan.settled(function() return labels end, {}, {})
  end

  it("is a bounded table of labels", function()
    assert.same({}, settled(nil))
    assert.same({ team = "a", ok = true, n = 1.5 }, settled { team = "a", ok = true, n = 1.5 })
    assert.equal(256, #settled({ long = ("x"):rep(1000) }).long)
  end)

  it("is checked", function()
    local many = {}
    for i = 1, 17 do
      many["l" .. i] = i
    end
    for _, labels in ipairs { 7, "x", { 1 }, { ["a b"] = 1 }, { [("x"):rep(65)] = 1 }, { x = {} }, { x = 0 / 0 }, { x = math.huge }, { x = print }, many } do
      local checked, wrong = settled(labels)
      assert.is_nil(checked)
      assert.equal("policy_bad_result", wrong.kind)
      assert.equal("settle: ", wrong.message:sub(1, 8))
    end
  end)
end)

describe("a wait", function()
  local function wait(wish, targets)
    local steps, wrong = plan.routed(lookup, function() return nil, wish end, { targets = targets or {} })
    assert.is_nil(steps)
    return wrong
  end

  it("is a duration and a class", function()
    for given, expected in pairs { ["10ms"] = 0.01, ["2s"] = 2, ["60s"] = 60, ["1m"] = 60 } do
      local waits = wait { wait = given, priority = 9 }
      assert.same({ "wait", expected, 9 }, { waits.kind, waits.wait_s, waits.priority })
    end
    assert.equal(0, wait({ wait = "1s", priority = 0 }).priority)
    assert.equal(5, wait({ wait = "1s" }).priority)
  end)

  it("that makes no sense is a mistake", function()
    for _, wish in ipairs {
      { wait = "9ms" }, { wait = "61s" }, { wait = 2 }, { wait = "soon" }, { wait = true }, { wait = {} }, { wait = "1s", priority = 10 },
      { wait = "1s", priority = -1 }, { wait = "1s", priority = 1.0 }, { wait = "1s", priority = "1" }, { wait = "1s", status = 503 },
    } do
      assert.equal("policy_bad_result", wait(wish).kind)
    end
    assert.matches("not empty", wait({ wait = "1s" }, { A }).message)
  end)

  it("that nobody asked for: an empty list means that there is no room, unless there is", function()
    for targets, kind in pairs { [{}] = "no_fit_target", [{ A }] = "policy_bad_plan" } do
      local _, wrong = plan.routed(lookup, function() return {} end, { targets = targets })
      assert.equal(kind, wrong.kind)
    end
  end)
end)
