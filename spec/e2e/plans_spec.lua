--- Plans that make no sense, end to end: each is refused with a code, the log says what was expected, and the next request is served.
-- SPDX-License-Identifier: MIT
local launch = require "support.launch"

local CONFIG = [[
return {
  workers = 1, policy = "policies/mine.lua", breaker = { failures = 1000 }, retry = { attempts = 3 },
  providers = { mock = {}, off = { kind = "openai", enabled = false, key = "sk-off" },
    full = { kind = "openai", base_url = "http://127.0.0.1:1/v1", key = "sk-full", limits = { concurrent = 1, tokens = "1/day" } } },
  models = { good = { "mock/good", "mock/other" }, failing = { "mock/fault-status-500", "mock/fault-status-503", "mock/good" } },
}]]

-- The client's `user` says what route, recover or admit does wrong.
local POLICY = [[
local names = { "mock/good", "mock/other" }
local function step(said) said.target = said.target or "mock/good" return { said } end
local function many(count, item) local list = {} for i = 1, count do list[i] = item end return list end

local routes = {
  ["nothing at all"] = function() return {} end,
  ["nobody known"] = function() return { "mock/good", "nowhere/good" } end,
  ["nobody of that provider"] = function() return { "nobody/good" } end,
  ["one who is off"] = function() return { "off/gpt" } end,
  ["a name with NUL"] = function() return { "mock/good\0" } end,
  ["a very long name"] = function() return { ("x"):rep(200000) } end,
  ["a plan in itself"] = function() local list = {} list[1] = list return list end,
  ["a step in itself"] = function() local list = {} list.target = list return { list } end,
  ["a hole"] = function() return { "mock/good", nil, "mock/other" } end,
  ["a hole in steps"] = function() return { { target = "mock/good" }, nil, nil, { target = "mock/other" } } end,
  ["nothing first"] = function() return { [2] = "mock/good" } end,
  ["index zero"] = function() return { [0] = "mock/good", "mock/other" } end,
  ["a huge index"] = function() return { "mock/good", [1 << 60] = "mock/other" } end,
  ["half an index"] = function() return { "mock/good", [1.5] = "mock/other" } end,
  ["33 steps"] = function() return many(33, { target = "mock/good", timeout = "1s" }) end,
  ["10000 steps"] = function() return many(10000, { target = "mock/good", timeout = "1s" }) end,
  ["10000 targets"] = function() return many(10000, "mock/good") end,
  ["1000 retries"] = function() return step { retries = 1000 } end,
  ["minus one retry"] = function() return step { retries = -1 } end,
  ["half a retry"] = function() return step { retries = 0.5 } end,
  ["retries as text"] = function() return step { retries = "3" } end,
  ["a key with NUL"] = function() return step { ["retries\0"] = 1 } end,
  ["a key that is a table"] = function() return step { [{}] = 1 } end,
  ["an unknown key"] = function() return step { atempts = 1000 } end,
  ["a limit"] = function() return { require } end,
  ["two things at once"] = function() return nil, { wait = "2s", status = 503 } end,
  ["a wait for nothing"] = function() return nil, { wait = "2s" } end,
  ["a wait and a target"] = function() return { { target = "mock/good", wait = "2s" } } end,
  ["a metatable"] = function() return setmetatable({}, { __index = function() return "mock/good" end }) end,
  ["a refusal with NUL"] = function() return nil, { status = 402, code = "ab", message = "x\0y" } end,
  ["a code with NUL"] = function() return nil, { status = 402, code = "a\0b", message = "xy" } end,
  ["a wait of zero"] = function() return nil, { wait = "0s" } end,
  ["a wait of 1e9 s"] = function() return nil, { wait = "1000000000s" } end,
  ["a negative wait"] = function() return nil, { wait = "-2s" } end,
  ["a wait that is a number"] = function() return nil, { wait = 2 } end,
  ["a plan and a wait"] = function() return { "mock/good" }, { wait = "2s" } end,
  ["a refusal of status 200"] = function() return nil, { status = 200 } end,
}
for _, option in ipairs { "timeout", "first_token", "hedge_after" } do
  for name, value in pairs { zero = 0, ["zero s"] = "0s", ["minus one"] = -1, ["minus one s"] = "-1s", ["1e12"] = 1e12, ["1e12 s"] = "1000000000000s",
    ["infinity"] = 1 / 0, ["no number"] = 0 / 0, p0 = "p0", p101 = "p101", ["a table"] = {}, ["no unit"] = "5", ["NUL"] = "5s\0", ["truth"] = true } do
    routes[option .. " " .. name] = function() return step { [option] = value } end
  end
end

local recovers = {
  ["the same"] = function(request, failure) return { failure.target } end,
  ["the same with retries"] = function(request, failure) return { { target = failure.target, retries = 15 } } end,
  ["all again"] = function() return { "mock/fault-status-500", "mock/fault-status-503" } end,
  ["a loop"] = function() while true do end end,
  ["somebody unknown"] = function() return { "mock/good", "nowhere/good" } end,
  ["a timeout of zero"] = function() return { { target = "mock/good", timeout = "0s" } } end,
  ["a wait"] = function() return nil, { wait = "2s" } end,
  ["a refusal"] = function() return nil, { status = 418 } end,
  ["a number"] = function() return 42 end,
  ["nothing"] = function() return {} end,
}

return {
  route = function(request)
    local wish = routes[request.client.user]
    return (wish or function() return request.targets end)()
  end,
  recover = function(request, failure, rest)
    local wish = recovers[request.client.user]
    if wish then return wish(request, failure, rest) end
    return rest
  end,
}
]]

local PLAN, UNKNOWN, RESULT = "policy_bad_plan", "policy_unknown_target", "policy_bad_result"

-- What becomes of each: its code, and what the log says was expected.
local ROUTES = {
  ["nothing at all"] = { PLAN, "the plan is empty" },
  ["nobody known"] = { UNKNOWN, "step 2: nobody knows a target \"nowhere/good\"" },
  ["nobody of that provider"] = { UNKNOWN, "nobody knows a target" },
  ["a name with NUL"] = { UNKNOWN, "nobody knows a target" },
  ["a very long name"] = { UNKNOWN, "nobody knows a target" },
  ["a plan in itself"] = { PLAN, "step 1" },
  ["a step in itself"] = { PLAN, "step 1.target: expected a target" },
  ["a hole"] = { PLAN, "step 2: expected a target" },
  ["a hole in steps"] = { PLAN, "expected a" },
  ["nothing first"] = { PLAN, "found the key 2" },
  ["index zero"] = { PLAN, "found the key 0" },
  ["a huge index"] = { PLAN, "found the key 1152921504606846976" },
  ["half an index"] = { PLAN, "found the key 1.5" },
  ["33 steps"] = { PLAN, "at most 32 steps" },
  ["10000 steps"] = { PLAN, "at most 32 steps" },
  ["10000 targets"] = { PLAN, "at most 32 steps" },
  ["1000 retries"] = { PLAN, "step 1.retries: expected a whole number from 0 to 15, got 1000" },
  ["minus one retry"] = { PLAN, "retries: expected a whole number" },
  ["half a retry"] = { PLAN, "retries: expected a whole number" },
  ["retries as text"] = { PLAN, "retries: expected a whole number" },
  ["a key with NUL"] = { PLAN, "nobody knows 'retries" },
  ["a key that is a table"] = { PLAN, "nobody knows 'table" },
  ["an unknown key"] = { PLAN, "nobody knows 'atempts'" },
  ["a limit"] = { PLAN, "expected a target, its name or a step, got a function" },
  ["two things at once"] = { RESULT, "nobody knows 'status'" },
  ["a wait for nothing"] = { RESULT, "there is nothing to wait for" },
  ["a wait and a target"] = { PLAN, "nobody knows 'wait'" },
  ["a metatable"] = { PLAN, "the plan is empty" },
  ["a refusal of status 200"] = { RESULT, "status" },
  ["a code with NUL"] = { RESULT, "code" },
  ["a wait of zero"] = { RESULT, 'wait: expected a duration from "10ms" to "60s"' },
  ["a wait of 1e9 s"] = { RESULT, 'wait: expected a duration from "10ms" to "60s"' },
  ["a negative wait"] = { RESULT, 'wait: expected a duration from "10ms" to "60s"' },
  ["a wait that is a number"] = { RESULT, 'wait: expected a duration from "10ms" to "60s"' },
  ["a plan and a wait"] = { PLAN, "expected a plan, or nil and a refusal, got both" },
}
for _, option in ipairs { "timeout", "first_token", "hedge_after" } do
  for name in ("zero|zero s|minus one|minus one s|1e12|1e12 s|infinity|no number|p0|p101|a table|no unit|NUL|truth"):gmatch "[^|]+" do
    ROUTES[option .. " " .. name] = { PLAN, ("step 1.%s: expected"):format(option) }
  end
end

describe("a plan", function()
  local gateway

  setup(function() gateway = launch.start { config = CONFIG, policies = { mine = POLICY } } end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function message_of(answer)
    local record = gateway:record(answer.id)
    local line = gateway:log_line(function(line) return line.event == "policy_error" and line.request_id == record.request_id end)
    return line and line.message or "nothing in the log"
  end

  for what, expected in pairs(ROUTES) do
    it("of " .. what .. ": " .. expected[1], function()
      local answer = gateway:chat { model = "good", user = what }
      assert.same({ 500, expected[1] }, { answer.status, answer:json().error.code }, answer.body)
      assert.is_truthy(message_of(answer):find(expected[2], 1, true), message_of(answer))
      assert.equal("0", answer.headers["x-attempts"] or "0")
      assert.equal(200, gateway:chat({ model = "good" }).status)
    end)
  end

  it("of nobody but who is off is a 503: that may change", function()
    local answer = gateway:chat { model = "good", user = "one who is off" }
    assert.same({ 503, "no_fit_target" }, { answer.status, answer:json().error.code })
  end)

  it("that is a refusal is answered as it says, NUL and all", function()
    local answer = gateway:chat { model = "good", user = "a refusal with NUL" }
    assert.equal(402, answer.status)
    assert.is_truthy(answer:json().error.message:find("x", 1, true))
  end)

end)

describe("a plan of recover", function()
  local gateway

  before_each(function() gateway = launch.start { config = CONFIG, policies = { mine = POLICY } } end)
  after_each(function() assert.equal(0, gateway:stop()) end)

  -- status, code, attempts
  for what, expected in pairs {
    ["the same"] = { 502, "upstream_error", "1" }, ["the same with retries"] = { 502, "upstream_error", "1" },
    ["all again"] = { 503, "upstream_error", "2" }, ["nothing"] = { 502, "upstream_error", "1" },
    ["a loop"] = { 500, "policy_timeout", "1" }, ["somebody unknown"] = { 500, UNKNOWN, "1" }, ["a timeout of zero"] = { 500, PLAN, "1" },
    ["a number"] = { 500, PLAN, "1" }, ["a wait"] = { 500, RESULT, "1" }, ["a refusal"] = { 500, RESULT, "1" },
  } do
    it("that is " .. what .. " ends: " .. expected[2], function()
      for _ = 1, 2 do
        local answer = gateway:chat { model = "failing", user = what }
        assert.same(expected, { answer.status, answer:json().error.code, answer.headers["x-attempts"] }, answer.body)
      end
      assert.equal(200, gateway:chat({ model = "failing" }).status)
    end)
  end
end)
