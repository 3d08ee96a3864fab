--- A refusal whose body stalls, or never ends, is a refusal all the same: its head said so. And a body that is not streamed may not stall either.
local launch = require "support.launch"
local http = require "support.http"
local socket = require "socket"

-- All deadlines but one are patient: what ends early does so because of its head.
local CONFIG = [[
return {
  workers = 1,
  policy = "policies/mine.lua",
  providers = {
    bad    = { kind = "openai", base_url = "%s/v1", key = "sk-bad-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-claude-provider-key" },
    keyed  = { kind = "openai", base_url = "%s/v1", key = { "sk-keyed-provider-key-1", "sk-keyed-provider-key-2" } },
    spied  = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-spied-provider-key" },
    good   = { kind = "openai", base_url = "%s/v1", key = "sk-good-provider-key" },
  },
  models = {
    %s
    ["late-whole"] = { { "bad/fault-say-stall@late-whole", timeout = "700ms" } },
    ["late-stream"] = { { "bad/fault-say-stall@late-stream", first_token = "700ms" } },
    hedged = { "bad/fault-say-stall@hedged", "good/hello@hedged" },
    endless = { "spied/x", "good/hello@endless" },
  },
  timeouts = { connect = "60s", headers = "%s", first_token = "60s", idle = "%s", total = "120s" },
  breaker = { failures = 1000 },
}]]

local POLICY = [[
local priority = require "policies.priority"
return {
  route = function(request)
    local plan = {}
    for i, target in ipairs(priority.route(request)) do
      plan[i <= 32 and i or 32] = { target = target, hedge_after = request.model == "hedged" and "20ms" or nil }
      if i == 32 then
        break -- "auto" has more, and a plan no room for them
      end
    end
    return plan
  end,
}]]

local function hex(text)
  return (text:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end))
end

--- The head of a refusal and the beginning of its body, of which more is promised.
local function refusal(status, headers, chunked)
  local body = chunked and "10\r\n{\"error\":{\"messa\r\n" or '{"error":{"messa'
  return ("HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n%s%s\r\n%s"):format(status, headers or "",
    chunked and "Transfer-Encoding: chunked\r\n" or "Content-Length: 100000000\r\n", body)
end

-- status, headers, what the attempt comes to, what the client alone gets
local ROWS = {
  { 429, "Retry-After: 9\r\n", "rate_limited", 429 }, { 503, "Retry-After: 9\r\n", "unavailable", 503 }, { 500, "", "unavailable", 502 },
  { 529, "Retry-After: 9\r\n", "overloaded", 503 }, { 401, "", "auth", 401 }, { 302, "Location: /elsewhere\r\n", "unavailable", 502 },
}

local cases, models = {}, {}
for _, row in ipairs(ROWS) do
  for _, fault in ipairs { "say-stall", "say-repeat" } do
    for _, target in ipairs { "bad", "claude" } do
      for _, stream in ipairs { false, true } do
        for _, company in ipairs { "alone", "pair" } do
          local name = ("%d-%s-%s-%s-%s"):format(row[1], fault, target, stream and "stream" or "whole", company)
          cases[#cases + 1] = { name = name, row = row, stream = stream, alone = company == "alone",
            bytes = refusal(row[1], row[2], stream and fault == "say-stall") }
          models[#models + 1] = ('["%s"] = { "%s/fault-%s@%s"%s },'):format(name, target, fault, name,
            company == "pair" and (', { "good/hello@%s", priority = 2 }'):format(name) or "")
        end
      end
    end
  end
end

describe("a refusal whose body stalls", function()
  local mock, good, gateway, spy

  local function start(headers, idle)
    local _, port = spy:getsockname()
    return launch.start { policies = { mine = POLICY },
      config = CONFIG:format(mock.origin, mock.origin, mock.origin, port, good.origin, table.concat(models, "\n    "), headers, idle) }
  end

  setup(function()
    mock, good = launch.mock(), launch.mock()
    spy = assert(socket.bind("127.0.0.1", 0, 8))
    gateway = start("60s", "60s")
  end)
  teardown(function()
    assert.equal(0, gateway:stop())
    mock:stop()
    good:stop()
    spy:close()
  end)

  local function ask(model, bytes, stream, request)
    local messages = { { role = "user", content = hex(bytes) } }
    return stream and gateway:stream({ model = model, messages = messages }, request) or gateway:chat({ model = model, messages = messages }, request)
  end

  --- Seconds for which a target is left alone.
  local function cooldown_of(provider, target)
    for _, one in ipairs(gateway:get("/admin/providers/" .. provider .. "/circuit-breaker"):json().targets or {}) do
      if one.target == target then
        return one.cooldown_s or 0, one.failures
      end
    end
  end

  it("falls back, or says what its head said, in every form and with its hint", function()
    local jobs = {}
    for i, case in ipairs(cases) do
      jobs[i] = function() return ask(case.name, case.bytes, case.stream) end
    end
    jobs[#jobs + 1] = function() return ask("keyed/fault-say-stall", refusal(429, "Retry-After: 9\r\n")) end
    local answers = http.all(jobs)
    local attempts = gateway:record(table.remove(answers).id).attempts -- the other key of a pool is tried
    assert.same({ 2, "rate_limited", "rate_limited" }, { #attempts, attempts[1].outcome, attempts[2].outcome })
    for i, answer in ipairs(answers) do
      local case = cases[i]
      local status, headers, outcome, alone = table.unpack(case.row)
      local record = gateway:record(answer.id)
      assert.same({ case.alone and alone or 200, case.alone and 1 or 2 }, { answer.status, #record.attempts }, case.name .. answer.body)
      local first = record.attempts[1]
      assert.same({ outcome, "refused", status, "headers", nil }, { first.outcome, first.sent, first.status, first.phase, first.deadline }, case.name)
      assert.is_nil(first.tokens, case.name)
      if case.alone then
        assert.same({}, { record.tokens }, case.name)
        assert.equal(headers:match "Retry%-After: (%d+)", answer.headers["retry-after"], case.name)
      end
      local cooldown = cooldown_of(first.target:match "^[^/]+", first.target)
      assert.is_true(outcome ~= "overloaded" and outcome ~= "rate_limited" or cooldown > 0, case.name .. ": no cool-down")
    end
  end)

  it("has until its attempt's other deadlines at most, and is none of them", function()
    local jobs = {}
    for model, stream in pairs { ["late-whole"] = false, ["late-stream"] = true } do
      jobs[#jobs + 1] = function()
        local attempt
        assert.is_truthy(http.eventually(function() -- a machine that stands still may let the deadline pass before the head
          attempt = gateway:record(ask(model, refusal(429), stream).id).attempts[1]
          return attempt.outcome == "rate_limited" and attempt.ms < 1000
        end, 20), attempt.outcome .. " after " .. attempt.ms)
      end
    end
    jobs[#jobs + 1] = function()
      local answer
      assert.is_truthy(http.eventually(function()
        answer = ask("429-say-stall-bad-whole-alone", refusal(429, "Retry-After: 9\r\n"), false, { headers = { ["x-request-timeout-ms"] = "600" } })
        return answer.status == 429 and answer.headers["retry-after"] == "9"
      end, 20), answer.body)
    end
    http.all(jobs)
  end)

  it("cools its target also when a hedge wins meanwhile, or its client leaves", function()
    local answer = ask("hedged", refusal(429, "Retry-After: 30\r\n"))
    assert.same({ 200, "good" }, { answer.status, answer.headers["x-provider"] })
    assert.is_true(cooldown_of("bad", "bad/fault-say-stall@hedged") > 5)
    assert.is_nil(gateway:record(answer.id).attempts[1].tokens)
    local model = "429-say-stall-claude-whole-alone"
    assert.is_truthy(http.eventually(function() -- a machine that stands still may let the client leave before the head came
      local id, asked = launch.next_id(), #mock:ledger(function(row) return row.model:find(model, 1, true) ~= nil end)
      gateway:request { method = "POST", path = "/admin/providers/claude/circuit-breaker/reset", body = "" }
      local connection = http.connect { port = gateway.port }
      assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id },
        body = launch.body { model = model, messages = { { role = "user", content = hex(refusal(429, "Retry-After: 30\r\n")) } } } }))
      mock:ledger_when(function(row) return row.model:find(model, 1, true) ~= nil end, function(rows)
        return #rows > asked and rows[#rows].outcome == "stalled"
      end)
      http.pause(0.05) -- its head is here
      connection:close()
      assert.equal("client_closed", gateway:record(id).cause)
      return cooldown_of("claude", "claude/fault-say-stall@" .. model) > 5
    end, 20), "no cool-down")
  end)

  it("is not read without an end", function()
    local id, sent = launch.next_id(), 0
    local connection = http.connect { port = gateway.port }
    assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id }, body = launch.body { model = "endless" } }))
    spy:settimeout(http.TIMEOUT)
    local upstream = assert(spy:accept())
    upstream:settimeout(http.TIMEOUT)
    repeat local line = assert(upstream:receive "*l") until line == ""
    assert(upstream:send(refusal(500)))
    local block = ("x"):rep(65536)
    repeat
      local count, why, partial = upstream:send(block)
      sent = sent + (count or partial)
    until why or sent > 64 << 20
    assert.is_true(sent < 64 << 20, "more than 64 MB were read") -- what the kernel holds for both ends, and not much more
    upstream:close()
    local answer = connection:answer():read()
    assert.same({ 200, "good" }, { answer.status, answer.headers["x-provider"] })
    connection:close()
    assert.same({ "unavailable", "refused" }, { gateway:record(id).attempts[1].outcome, gateway:record(id).attempts[1].sent })
  end)

  it("of a good answer that is not streamed ends by the idle deadline, on every wire", function()
    local other = start("60s", "500ms")
    local head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    local jobs = {}
    for _, target in ipairs { "bad", "claude" } do
      for _, body in ipairs { "", '{"id":' } do
        jobs[#jobs + 1] = function()
          return other:chat { model = target .. "/fault-say-stall@" .. #body, messages = { { role = "user", content = hex(head .. body) } } }
        end
      end
    end
    for _, answer in ipairs(http.all(jobs)) do
      assert.same({ 504, "upstream_timeout" }, { answer.status, answer:json().error.code })
      assert.matches("deadline idle passed", answer:json().error.message)
      local attempt = other:record(answer.id).attempts[1]
      assert.same({ "timeout", "idle", "body", "uncertain" }, { attempt.outcome, attempt.deadline, attempt.phase, attempt.sent })
    end
    assert.equal(0, other:stop())
  end)
end)
