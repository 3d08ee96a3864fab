--- What a failure is called, who is blamed for it, and what may follow: details that a policy, an operator or a client goes by.
-- SPDX-License-Identifier: MIT
local pair = require "support.pair"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 1,
  policy = "policies/mine.lua",
  providers = {
    first = { kind = "openai", base_url = "%s/v1", key = "sk-first-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-claude-provider-key" },
    mock = {},
  },
  models = { pair = { "first/m", "mock/hello" }, claudes = { "claude/m", "mock/hello" }, slow = { "mock/slow-2000" } },
  breaker = { failures = 1000 },
}]]

local POLICY = [[
local order = require "gateway.order"

local wishes = {
  typo = function(request) return order.by(request.targets, "latancy") end,
  zero = function(request)
    return { { target = request.targets[1], timeout = 0 } }
  end,
}

return {
  route = function(request)
    local wish = wishes[request.client.user]
    local status = math.tointeger(tonumber(request.client.user))
    if status then
      return nil, { status = status, code = "told_so", message = "as told" }
    end
    return wish and wish(request) or request.targets
  end,
}]]

describe("a failure", function()
  local provider, gateway, start, stop = pair.of(scripted.start, { config = CONFIG, policies = { mine = POLICY } })
  setup(start)
  teardown(stop)

  local ROLE = 'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\n'
  local STARTED = 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m",'
    .. '"content":[],"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'

  for model, body in pairs {
    pair = ROLE .. 'data: {"error":{"message":"overloaded","type":"server_error"}}\n\n',
    claudes = STARTED .. 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n',
  } do
    it("said in a stream before any content is a refusal: another may be asked, also for what must not be done twice: " .. model, function()
      provider:answer(200, "text/event-stream", body, "")
      local answer = gateway:stream { model = model, store = true }
      assert.equal(200, answer.status)
      assert.equal("mock", answer.headers["x-provider"])
      local attempts = gateway:record(answer.id).attempts
      assert.same({ "overloaded", "refused", "first_token", "ok" },
        { attempts[1].outcome, attempts[1].sent, attempts[1].phase, attempts[2].outcome })
    end)
  end

  it("by the policy's word has the type of its status", function()
    for status, types in pairs {
      [400] = { "invalid_request_error", "invalid_request_error" }, [401] = { "authentication_error", "authentication_error" },
      [403] = { "permission_error", "permission_error" }, [404] = { "invalid_request_error", "not_found_error" },
      [429] = { "rate_limit_error", "rate_limit_error" }, [451] = { "invalid_request_error", "invalid_request_error" },
      [500] = { "server_error", "api_error" }, [503] = { "server_error", "overloaded_error" },
    } do
      local answer = gateway:chat { model = "pair", user = tostring(status) }
      assert.same({ status, types[1], "told_so" }, { answer.status, answer:json().error.type, answer:json().error.code })
      local other = gateway:request { path = "/v1/messages", body = { model = "pair", max_tokens = 5, metadata = { user_id = tostring(status) },
        messages = { { role = "user", content = "x" } } } }
      assert.same({ status, types[2] }, { other.status, other:json().error.type })
    end
  end)

  local function logged(wish)
    local answer = gateway:chat { model = "pair", user = wish }
    local record = gateway:record(answer.id)
    local line = gateway:log_line(function(line) return line.event == "policy_error" and line.request_id == record.request_id end)
    return answer:json().error.code, line and line.message or "nothing in the log"
  end

  it("of a policy stands in the log with file and line, whoever found it", function()
    local code, message = logged "typo" -- raised in C, below order.by
    assert.same({ "policy_error", "policies/mine.lua:4: a target has no fact 'latancy'" }, { code, message })
    code, message = logged "zero" -- found when the plan was read: the function's line
    assert.same({ "policy_bad_plan", "policies/mine.lua:11: route: step 1.timeout: expected a duration above zero, got 0" }, { code, message })
  end)

  it("by the time that the caller gave is nobody's fault", function()
    local answer = gateway:chat({ model = "slow" }, { headers = { ["x-request-timeout-ms"] = "100" } })
    assert.same({ 504, "upstream_timeout" }, { answer.status, answer:json().error.code })
    local attempts = gateway:record(answer.id).attempts
    assert.same({ 1, "timeout", "total" }, { #attempts, attempts[1].outcome, attempts[1].deadline })
    assert.equal(0, gateway:get("/admin/providers/mock/circuit-breaker"):json().failures)
    for _, wrong in ipairs { "0", "-5", "soon", "1.5" } do
      answer = gateway:chat({ model = "pair" }, { headers = { ["x-request-timeout-ms"] = wrong } })
      assert.same({ 400, "x-request-timeout-ms" }, { answer.status, answer:json().error.param }, wrong)
    end
  end)

  it("of the only key leaves its target out for a minute, and somebody is told", function()
    provider:answer(401, "application/json", '{"error":{"message":"Incorrect API key provided","code":"invalid_api_key"}}')
    local answer = gateway:chat { model = "pair" }
    assert.same({ "mock", "2" }, { answer.headers["x-provider"], answer.headers["x-attempts"] })
    local line = gateway:log_line(function(line) return line.event == "key_refused" end)
    assert.same({ "first", 1, 1, 401, 60, "warn" }, { line.provider, line.key, line.of, line.status, line.set_aside_s, line.level })
    answer = gateway:chat { model = "pair" }
    assert.same({ "mock", "1" }, { answer.headers["x-provider"], answer.headers["x-attempts"] })
    assert.same({ { target = "first/m", reason = "cooldown" } }, gateway:record(answer.id).left_out)
    assert.equal(401, gateway:chat({ model = "first/m" }).status) -- the only target is asked anyway
    gateway:request { method = "POST", path = "/admin/providers/first/circuit-breaker/reset", body = "" }
    assert.equal("2", gateway:chat({ model = "pair" }).headers["x-attempts"])
    gateway:request { method = "POST", path = "/admin/providers/first/circuit-breaker/reset", body = "" }
  end)

  it("says when to come back in whatever header it can be read from", function()
    for said, expected in pairs {
      ["Retry-After: soon\r\nx-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 9s\r\n"] = "9",
      ["x-ratelimit-reset-requests: 6m0s\r\n"] = "360",
      ["x-ratelimit-remaining-requests: 3\r\nx-ratelimit-reset-requests: 9s\r\nx-ratelimit-remaining-tokens: 0\r\nx-ratelimit-reset-tokens: 4s\r\n"] = "4",
    } do
      provider:answer(429, "application/json", '{"error":{"message":"slow down"}}', said)
      local answer = gateway:chat { model = "first/m" }
      assert.same({ 429, expected }, { answer.status, answer.headers["retry-after"] }, said)
    end
  end)
end)
