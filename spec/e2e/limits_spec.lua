--- Limits on the way of a request: refused with the wait, settled on every way out, held over workers and reloads.
-- SPDX-License-Identifier: MIT
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local socket = require "socket"

local CONFIG = [[
return {
  workers = 2,
  policy = "policies/mine.lua",
  providers = {
    mock = {}, ghost = { kind = "openai", base_url = "http://127.0.0.1:1/v1", key = "sk-ghost" },
  },
  models = { smart = { "mock/hello" }, nowhere = { "ghost/gone" }, broken = { "mock/fault-reset-after" } },
  timeouts = { connect = "60s", first_token = "120s", idle = "120s", total = "120s" },
  keys = { { key = "key-of-alice", user = "alice" }, { key = "key-of-bob", user = "bob" } },
  admin = { key = "key-of-admin" },
}]]

-- So many clients that ask at once; prints each status and how often it came.
local CROWD = [[
local socket, clients, counts = require "socket", {}, {}
local body = '{"model":"smart","messages":[{"role":"user","content":"Hello"}]}'
local port, count = %d, %d
for i = 1, count do
  clients[i] = assert(socket.connect("127.0.0.1", port))
end
for i = 1, count do
  clients[i]:send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer key-of-alice\r\nContent-Type: application/json\r\n" ..
    "Content-Length: " .. #body .. "\r\n\r\n" .. body)
end
for i = 1, count do
  local status = (clients[i]:receive "*l" or ""):match "^HTTP/1.1 (%%d+)" or 0
  counts[status] = (counts[status] or 0) + 1
end
for status, times in pairs(counts) do
  print(status, times)
end]]

--- A policy that charges every caller these limits; `more`: other functions of it.
local function policy(limits, more)
  return ([[
local limit = require "gateway.limit"
local limits = { %s }
return { admit = function(request) return request.model ~= "mock/free" and limits or {} end, %s }
]]):format(limits, more or "")
end

describe("limits", function()
  local gateway

  local function start(limits, more)
    gateway = launch.start { config = CONFIG, policies = { mine = policy(limits, more) }, key = "key-of-alice" }
  end
  after_each(function() assert.equal(0, gateway:stop()) end)

  local function reload()
    assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "", key = "key-of-admin" }).status)
  end

  --- `count` chats from 20 connections -> how many answered 200, and one that did not.
  local function pass_of(count)
    local passed, asked, refused = 0, 0, nil
    local jobs = {}
    for i = 1, 20 do
      jobs[i] = function()
        local connection = http.connect { port = gateway.port }
        local request = http.format { path = "/v1/chat/completions", body = launch.body { model = "smart" },
          headers = { Authorization = "Bearer key-of-alice" } }
        while asked < count do
          asked = asked + 1
          assert(connection:send(request))
          local answer = assert(connection:answer()):read()
          passed = passed + (answer.status == 200 and 1 or 0)
          refused = answer.status ~= 200 and answer or refused
          assert.is_truthy(answer.status == 200 or answer.status == 429, answer.status)
        end
        connection:close()
      end
    end
    http.all(jobs)
    return passed, refused
  end

  --- Until a request of this model passes (what was held or reserved came back).
  local function passes_again(fields)
    return http.eventually(function() return gateway:chat(fields).status == 200 end)
  end

  local function tokens_left(fields)
    local answer = gateway:chat(fields or { model = "smart", max_tokens = 1 })
    return tonumber(answer.headers["x-ratelimit-remaining-tokens"]), answer
  end

  it("let ten pass where ten remain and a thousand ask, and a reload in the middle changes nothing", function()
    start 'limit { name = "few", per = "user", requests = "10/hour" }'
    assert.equal(4, pass_of(4))
    local passed = pass_of(3)
    reload()
    passed = passed + pass_of(400)
    gateway:edit_policy("mine", policy 'limit { name = "few", per = "user", requests = "10/hour", concurrent = 1000 }')
    reload()
    local more, refused = pass_of(600)
    assert.equal(6, passed + more)
    assert.equal(429, refused.status)
    assert.equal(3, gateway:generation())
    assert.equal(200, gateway:chat({ model = "smart" }, { key = "key-of-bob" }).status)
  end)

  it("hold a changed number from the next request on, with what was counted", function()
    start 'limit { name = "few", requests = "3/hour" }'
    assert.equal(3, pass_of(10))
    gateway:edit_policy("mine", policy 'limit { name = "few", requests = "5/hour" }')
    reload()
    assert.equal(2, pass_of(10))
  end)

  it("let ten pass where ten remain and a thousand ask at once", function()
    start 'limit { name = "few", per = "user", requests = "12/hour" }'
    assert.equal(2, pass_of(2))
    local crowds, counts = {}, {}
    for i = 1, 2 do -- in processes of their own: select(2) knows 1024 sockets
      crowds[i] = process.start { command = { "lua5.4", "-e", CROWD:format(gateway.port, 500) }, directory = gateway.folder, name = "crowd" .. i }
    end
    for _, crowd in ipairs(crowds) do
      assert.equal(0, crowd:wait())
      for status, count in crowd:out():gmatch "(%d+)%s+(%d+)" do
        counts[status] = (counts[status] or 0) + math.tointeger(tonumber(count))
      end
    end
    assert.same({ ["200"] = 10, ["429"] = 990 }, counts)
  end)

  --- Between which moments each request that was let in was charged, by the gateway's own log: milliseconds, ascending.
  local function moments_of_passed()
    local moments = {}
    for _, line in ipairs(gateway:log()) do
      if line.event == "request_complete" and line.status == 200 and line.provider then
        local h, m, sec = line.time:match "T(%d+):(%d+):([%d.]+)Z"
        local last = (h * 3600 + m * 60 + sec) * 1000
        moments[#moments + 1] = { first = last - line.duration_ms, last = last }
      end
    end
    table.sort(moments, function(a, b) return a.last < b.last end)
    return moments
  end

  it("at ten times what they allow, from 64 connections, hold in any window and waste little, also over a reload", function()
    local PER_SECOND, LASTS = 50, 6.0
    local rate = 'limit { name = "rate", requests = "50/s" }'
    start(rate)
    local times, refusals, refused, asked, reloaded, began = {}, {}, 0, 0, 0, socket.gettime()
    local jobs = {}
    for i = 1, 64 do
      jobs[i] = function()
        local connection = http.connect { port = gateway.port }
        local request = http.format { path = "/v1/chat/completions", body = launch.body { model = "smart" },
          headers = { Authorization = "Bearer key-of-alice" } }
        while socket.gettime() - began < LASTS do
          local before = socket.gettime()
          asked = asked + 1
          assert(connection:send(request))
          local answer = assert(connection:answer()):read()
          assert.is_truthy(answer.status == 200 or answer.status == 429, answer.status)
          if answer.status == 200 then
            times[#times + 1] = { before = before, after = socket.gettime() }
          else
            refused = refused + 1
            refusals[#refusals + 1] = refused % 10 == 0 and { before = before, after = socket.gettime() } or nil
          end
        end
        connection:close()
      end
    end
    jobs[#jobs + 1] = function() -- the same file, the same limit beside another one, the first again
      for _, limits in ipairs { rate, rate .. ', limit { name = "wide", requests = "100k/min" }', rate } do
        http.pause(LASTS / 5)
        gateway:edit_policy("mine", policy(limits, "settle = function() return {} end"))
        reload()
        reloaded = reloaded + 1
      end
    end
    http.all(jobs)
    local took = socket.gettime() - began
    assert.equal(3, reloaded)
    assert.is_true(asked >= 2 * PER_SECOND * took, ("only %d were asked for in %.1f s"):format(asked, took)) -- ten times on a machine that is quick
    assert.is_true(#refusals > 0)
    table.sort(times, function(a, b) return a.after < b.after end)
    for i = PER_SECOND + 1, #times do -- these were let in somewhere between the first of them being sent and the last being answered
      local first = math.huge
      for j = i - PER_SECOND, i do
        first = math.min(first, times[j].before)
      end
      assert.is_true(times[i].after - first >= 1, "51 within a second")
    end
    assert.is_truthy(http.eventually(function() return #moments_of_passed() == #times end))
    local moments = moments_of_passed()
    for i = PER_SECOND + 1, #moments do -- the log's clock shows milliseconds
      local first = math.huge
      for j = i - PER_SECOND, i do
        first = math.min(first, moments[j].first)
      end
      assert.is_true(moments[i].last - first > 1000 - 5, ("51 within %.1f ms"):format(moments[i].last - first))
    end
    -- Little is wasted: who was refused came when at least 97 of 100 of what may pass had passed within the second before
    -- and the tenth by which a window may be late.
    for _, refusal in ipairs(refusals) do
      local passed = 0
      for _, time in ipairs(times) do
        passed = passed + (time.after >= refusal.before - 1.1 and time.before <= refusal.after and 1 or 0)
      end
      assert.is_true(passed >= 0.97 * PER_SECOND, ("refused when %d had passed"):format(passed))
    end
  end)

  it("refuse with 429, the wait and the reason, and the log names the limit", function()
    start 'limit { name = "few", per = "user", requests = "2/min", tokens = "100k/day" }'
    pass_of(2)
    local answer = gateway:chat { model = "smart" }
    assert.equal(429, answer.status)
    local wait = tonumber(answer.headers["retry-after"])
    assert.is_true(wait >= 30 and wait <= 61, wait)
    assert.is_true(math.abs(tonumber(answer.headers["retry-after-ms"]) / 1000 - wait) <= 1)
    assert.is_nil(answer.headers["x-should-retry"])
    assert.same({ "2", "0", "100000" }, { answer.headers["x-ratelimit-limit-requests"], answer.headers["x-ratelimit-remaining-requests"],
      answer.headers["x-ratelimit-limit-tokens"] })
    assert.matches("^%d+m?%d*s$", answer.headers["x-ratelimit-reset-requests"])
    assert.matches("^2[34]h%d+m%d+s$", answer.headers["x-ratelimit-reset-tokens"])
    local body = answer:json().error
    assert.same({ "rate_limit_error", "rate_limit_exceeded" }, { body.type, body.code })
    assert.matches("^Limit 'few' of 2 requests per minute reached%. Try again in [%d.]+ s%.$", body.message)
    local line = gateway:record(answer.id)
    assert.same({ "limited", "few", "admit", "rate_limit_exceeded", 429 }, { line.cause, line.limit, line.step, line.error, line.status })
    assert.same({}, line.attempts)
  end)

  it("say what is left on every answer of a limited request, and nothing on others", function()
    start 'limit { name = "some", requests = "100/hour" }'
    local left = 100
    local function says(answer)
      left = left - 1
      assert.same({ "100", tostring(left) }, { answer.headers["x-ratelimit-limit-requests"], answer.headers["x-ratelimit-remaining-requests"] })
      assert.is_nil(answer.headers["x-ratelimit-limit-tokens"])
    end
    says(gateway:chat { model = "smart" })
    says(gateway:stream { model = "smart" })
    local failed = gateway:chat { model = "nowhere" }
    assert.equal(502, failed.status)
    says(failed)
    for _, fields in ipairs { { model = "mock/free" }, { model = "no-such-model" } } do
      assert.is_nil(gateway:chat(fields).headers["x-ratelimit-limit-requests"])
    end
  end)

  it("speak Anthropic on its routes, and nobody bills a count of tokens", function()
    start 'limit { name = "some", requests = "10/min", tokens = "1000/day" }'
    local function ask(path, max_tokens)
      return gateway:request { path = path, headers = { ["anthropic-version"] = "2023-06-01" },
        body = { model = "smart", max_tokens = max_tokens, messages = { { role = "user", content = "Hello there" } } } }
    end
    local answer = ask("/v1/messages", 100)
    assert.equal(200, answer.status)
    assert.same({ "10", "9", "1000" }, { answer.headers["anthropic-ratelimit-requests-limit"],
      answer.headers["anthropic-ratelimit-requests-remaining"], answer.headers["anthropic-ratelimit-tokens-limit"] })
    for _, unit in ipairs { "requests", "tokens" } do
      assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$", answer.headers["anthropic-ratelimit-" .. unit .. "-reset"])
    end
    assert.is_nil(answer.headers["x-ratelimit-limit-requests"])
    local usage = answer:json().usage
    answer = ask "/v1/messages/count_tokens"
    assert.equal(200, answer.status)
    assert.equal(1000 - usage.input_tokens - usage.output_tokens, tonumber(answer.headers["anthropic-ratelimit-tokens-remaining"]))
    answer = ask("/v1/messages", 5000)
    assert.equal(429, answer.status)
    assert.same({ "error", "rate_limit_error" }, { answer:json().type, answer:json().error.type })
  end)

  it("count the tokens that were used, streamed or not", function()
    start 'limit { name = "tokens", tokens = "100000/day" }'
    local left, answer = tokens_left { model = "smart", max_tokens = 50000 }
    assert.is_true(left < 50000)
    local expected = 100000 - answer:json().usage.total_tokens
    local stream = gateway:stream { model = "smart", max_tokens = 40000, stream_options = { include_usage = true } }
    assert.is_true(stream.done)
    expected = expected - stream.usage.total_tokens
    local again = gateway:chat { model = "smart", max_tokens = 1 }
    local reserved = expected - tonumber(again.headers["x-ratelimit-remaining-tokens"])
    assert.is_true(reserved > 0 and reserved < 100, reserved)
  end)

  it("give tokens back where no provider did anything, and keep what may have been done", function()
    start 'limit { name = "tokens", tokens = "100000/day" }'
    assert.equal(502, gateway:chat({ model = "nowhere", max_tokens = 90000 }).status)
    assert.is_true(tokens_left() > 99900)
    assert.equal(502, gateway:chat({ model = "broken", max_tokens = 90000 }).status)
    assert.is_true(tokens_left() < 10000)
  end)

  it("never let pass what asks for more than there can be, and say that waiting is of no use", function()
    start 'limit { name = "tokens", tokens = "1000/min" }'
    local answer = gateway:chat { model = "smart", max_tokens = 2000 }
    assert.equal(429, answer.status)
    assert.is_nil(answer.headers["retry-after"])
    assert.equal("false", answer.headers["x-should-retry"])
    assert.equal("Limit 'tokens' of 1000 tokens per minute: this request asks for more than that at once.", answer:json().error.message)
    assert.equal(200, gateway:chat({ model = "smart", max_tokens = 500 }).status)
  end)

  it("are not passed under by absurd numbers", function()
    start 'limit { name = "tokens", tokens = "1000/min" }'
    for _, most in ipairs { "9223372036854775807", "9223372036854775806", "4611686018427387904", "1125899906842625" } do
      local body = ('{"model":"smart","max_tokens":%s,"messages":[{"role":"user","content":"Hello"}]}'):format(most)
      for _, path in ipairs { "/v1/chat/completions", "/v1/responses" } do
        local asked = path:find "responses" and body:gsub("max_tokens", "max_output_tokens"):gsub("messages", "input") or body
        local answer = gateway:request { path = path, body = asked }
        assert.same({ 429, "false" }, { answer.status, answer.headers["x-should-retry"] }, answer.body)
      end
    end
    local answer = gateway:chat { model = "smart", max_tokens = 1 }
    assert.same({ 200, "1000" }, { answer.status, answer.headers["x-ratelimit-limit-tokens"] })
  end)

  it("reserve as many answers as are asked for", function()
    start 'limit { name = "tokens", tokens = "1000/min" }'
    assert.equal(200, gateway:chat({ model = "smart", max_tokens = 400, n = 2 }).status)
    for _, many in ipairs { "3", "127", "128" } do
      local answer = gateway:request { path = "/v1/chat/completions",
        body = ('{"model":"smart","max_tokens":400,"n":%s,"messages":[{"role":"user","content":"Hello"}]}'):format(many) }
      assert.same({ 429, "false" }, { answer.status, answer.headers["x-should-retry"] }, answer.body)
    end
    for _, many in ipairs { "129", "9223372036854775807", "4611686018427387905" } do -- no model makes that many
      local answer = gateway:request { path = "/v1/chat/completions",
        body = ('{"model":"smart","max_tokens":400,"n":%s,"messages":[{"role":"user","content":"Hello"}]}'):format(many) }
      assert.same({ 400, "n" }, { answer.status, answer:json().error.param }, answer.body)
    end
    local three = gateway:request { path = "/v1/completions", body = { model = "smart", max_tokens = 400, prompt = { "one", "two", "three" } } }
    assert.equal(429, three.status, three.body)
  end)

  it("hold slots as long as a request lasts, and free them when its client leaves", function()
    start 'limit { name = "slots", per = "user", concurrent = 2 }'
    local function hold() -- until its client leaves
      local answer = gateway:open_stream { model = "mock/fault-stall-event-6" }
      assert.equal(200, answer.status)
      return answer
    end
    local first, second = hold(), hold()
    local refused = gateway:chat { model = "smart" }
    assert.same({ 429, "1" }, { refused.status, refused.headers["retry-after"] })
    assert.equal("Limit 'slots' of 2 requests at a time reached.", refused:json().error.message)
    assert.equal(200, gateway:chat({ model = "smart" }, { key = "key-of-bob" }).status)
    first:close()
    assert.is_truthy(passes_again { model = "smart" })
    assert.is_true(gateway:stream({ model = "mock/gap-20" }).done)
    local third = hold()
    assert.equal(429, gateway:chat({ model = "smart" }).status)
    second:close()
    assert.is_truthy(passes_again { model = "smart" })
    third:close()
  end)

  for way, fields in pairs {
    ["an unreachable provider"] = { model = "nowhere" },
    ["a broken answer"] = { model = "broken" },
    ["a cut stream"] = { model = "mock/fault-cut-event-3", stream = true },
    ["a policy that fails"] = { model = "smart", seed = 1 },
    ["a policy that refuses"] = { model = "smart", seed = 2 },
    ["a success"] = { model = "smart" },
  } do
    it("free their slots after " .. way, function()
      start('limit { name = "slots", concurrent = 1 }', [[
        route = function(request)
          local seed = request.body().seed
          if seed == 2 then return nil, { status = 403 } end
          return seed == 1 and error "no" or request.targets
        end]])
      for _ = 1, 5 do
        local answer = gateway:chat(fields)
        assert.not_equal(429, answer.status)
      end
      assert.equal(200, gateway:chat({ model = "smart" }).status)
    end)
  end

  it("are charged all or none", function()
    start 'limit { name = "wide", requests = "100/hour" }, limit { name = "narrow", per = "user", requests = "3/hour" }'
    assert.equal(3, pass_of(50))
    assert.equal("narrow", gateway:record(gateway:chat({ model = "smart" }).id).limit)
    gateway:edit_policy("mine", policy 'limit { name = "wide", requests = "100/hour" }')
    reload()
    assert.equal("96", gateway:chat({ model = "smart" }).headers["x-ratelimit-remaining-requests"])
  end)

  it("are shown by explain, which charges nothing", function()
    start ''
    local status, out = launch.run { config = CONFIG:gsub("  keys = [^\n]+\n", ""),
      policies = { mine = policy 'limit { name = "few", per = { "user", "model" }, tokens = "10k/day" }' },
      files = { ["request.json"] = cjson.encode(launch.body { model = "smart" }) }, arguments = { "explain", "gateway.lua", "request.json" } }
    assert.equal(0, status)
    assert.same({ { name = "few", per = "user, model", tokens = "10k/day" } }, cjson.decode(out).limits)
  end)

  it("that are no limits fail the request, not the gateway", function()
    start('', 'settle = function() end')
    for returned, message in pairs {
      ["{ 'few' }"] = 'expected limits made by gateway.limit, got "few"',
      ["{ { name = 'few', requests = '1/s' } }"] = "expected limits made by gateway.limit, got a table",
      ["{ nil, false }"] = "expected limits made by gateway.limit, got false",
      ["1"] = "expected a list of limits, got 1",
    } do
      gateway:edit_policy("mine", ("return { admit = function(request) return request.max_tokens == 7 and %s or {} end }"):format(returned))
      reload()
      local answer = gateway:chat { model = "smart", max_tokens = 7 }
      assert.same({ 500, "policy_bad_result" }, { answer.status, answer:json().error.code })
      assert.is_truthy(gateway:log_line(function(line)
        return line.event == "policy_error" and line.message:find(message, 1, true)
      end), returned)
    end
    gateway:edit_policy("mine", 'local limit = require "gateway.limit"\nlocal few = limit { name = "few", requests = "1/hour" }\n'
      .. "return { admit = function() return { nil, few } end }")
    reload()
    assert.equal(1, pass_of(3))
  end)
end)
