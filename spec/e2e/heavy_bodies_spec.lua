--- Bodies that are made to be dear: one does not stop a worker, and none passes a limit of tokens because its bulk stands where no text is looked for.
-- SPDX-License-Identifier: MIT
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"
local process = require "support.process"
local scripted = require "support.scripted"

local ANTHROPIC = [[{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],
  "stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}]]

describe("one body does not stop a worker", function()
  local provider, gateway, start, stop = pair.of(scripted.start, { config = [[
    return { workers = 1, providers = { ant = { kind = "anthropic", base_url = "%s", key = "k" } } }]] })
  setup(function()
    start()
    provider:answer(200, "application/json", ANTHROPIC)
  end)
  teardown(stop)

  --- Seconds of CPU that the gateway has used.
  local function cpu()
    local fields = process.read_file(("/proc/%d/stat"):format(gateway.pid)):match "%) (.*)$"
    local user, system = fields:match("^" .. ("%S+ "):rep(11) .. "(%d+) (%d+)")
    return (user + system) / 100
  end

  local function used_by(path, body)
    local before = cpu()
    local answer = gateway:request { path = path, body = body }
    return cpu() - before, answer
  end

  local function list(count, piece)
    local pieces = {}
    for i = 1, count do
      pieces[i] = piece:gsub("#", i)
    end
    return table.concat(pieces, ",")
  end

  local HI = '"messages":[{"role":"user","content":"%s"}]'
  local MODEL = '"model":"ant/claude-sonnet-4-5","max_tokens":9,'

  --- It costs at most so many times what a plain body of its length costs; a tick of the clock is 10 ms. Others are served behind it.
  local function is_cheap(path, body, status)
    local plain = used_by("/v1/chat/completions", "{" .. MODEL .. HI:format(("x"):rep(#body)) .. "}")
    local dear, answer = used_by(path, body)
    assert.equal(status, answer.status)
    assert.is_truthy(dear <= 25 * (plain + 0.02), ("%.2f s of CPU, a plain one of its length %.2f s"):format(dear, plain))
    assert.equal(200, gateway:get("/health/live").status)
    return answer
  end

  for _, path in ipairs { "/v1/chat/completions", "/completion" } do
    it("2.3 MB of unknown members to " .. path, function()
      local answer = is_cheap(path, "{" .. MODEL .. HI:format "hi" .. "," .. list(180000, '"k#":1') .. "}", 400)
      assert.equal("k257", answer:json().error.param)
    end)
  end

  it("20,000 tools of which 28 MB of names may be called", function()
    local long = ("n"):rep(1300)
    local tools = list(20000, '{"type":"function","function":{"name":"f#"}}')
    local allowed = list(20000, '{"type":"function","function":{"name":"g#' .. long .. '"}}')
    is_cheap("/v1/chat/completions", "{" .. MODEL .. HI:format "hi" .. ',"tools":[' .. tools
      .. '],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[' .. allowed .. "]}}}", 200)
  end)

  it("with more than a request may hold, 40,000 tools or 100,000 items, and that is what is said", function()
    for _, count in ipairs { 40000, 80000 } do
      local tools = list(count, '{"type":"function","function":{"name":"f.!#' .. ("n"):rep(60) .. '"}}')
      local failure = is_cheap("/v1/chat/completions", "{" .. MODEL .. HI:format "hi" .. ',"tools":[' .. tools .. "]}", 413):json().error
      assert.same({ "request_too_large", "the request needs more memory than one request may have" }, { failure.code, failure.message })
    end
    local input = list(100000, '{"type":"function_call_output","call_id":"c#","output":"r"}')
    local failure = is_cheap("/v1/responses", '{"model":"ant/claude-sonnet-4-5","input":[' .. input .. "]}", 413):json().error
    assert.same({ "request_too_large", "the request has too many parts" }, { failure.code, failure.message })
  end)
end)

describe("a prompt weighs something wherever its bulk stands", function()
  local gateway

  local POLICY = [[
local limit = require "gateway.limit"
local limits = { limit { name = "tokens", per = "user", tokens = "%s/min" } }
return { admit = function() return limits end }]]

  local function start(tokens)
    gateway = launch.start {
      config = [[return { workers = 2, policy = "policies/mine.lua", providers = { mock = {} }, keys = { { key = "key-of-alice", user = "alice" } } }]],
      policies = { mine = POLICY:format(tokens) }, key = "key-of-alice",
    }
  end
  after_each(function() gateway:stop() end)

  local PROSE = ("The river rose in the night. "):rep(36000) -- a megabyte
  local PLACES = {
    name = '"messages":[{"role":"user","content":"hi","name":"%s"}]',
    prediction = '"messages":[{"role":"user","content":"hi"}],"prediction":{"type":"content","content":"%s"}',
    response_format = '"messages":[{"role":"user","content":"hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"x",'
      .. '"schema":{"description":"%s"}}}',
    reasoning_content = '"messages":[{"role":"assistant","content":"hi","reasoning_content":"%s"}]',
    ["function_call.arguments"] = '"messages":[{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"%s"}}]',
    ["an unknown part"] = '"messages":[{"role":"user","content":[{"type":"video","video":"%s"}]}]',
    ["a key that is given twice"] = '"messages":[{"role":"user","content":"hi","x":1,"x":"%s"}]',
    file = '"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,%s"}}]}]',
  }

  it("none passes a limit that it is larger than", function()
    start "10k"
    local jobs, statuses = {}, {}
    for place, frame in pairs(PLACES) do
      jobs[#jobs + 1] = function()
        statuses[place] = gateway:request({ path = "/v1/chat/completions",
          body = '{"model":"mock/hello",' .. frame:gsub("%%s", function() return PROSE end) .. "}" }).status
      end
    end
    http.all(jobs)
    for place in pairs(PLACES) do
      assert.equal(429, statuses[place], place)
    end
  end)

  it("what is in flight counts: of 20 at once so many pass as the limit has room for", function()
    start "300k"
    local body = '{"model":"mock/fault-stall-event-3","stream":true,' .. PLACES.name:gsub("%%s", function() return PROSE end) .. "}"
    local answers, jobs, passed = {}, {}, 0
    for i = 1, 20 do
      jobs[i] = function() answers[i] = gateway:open { path = "/v1/chat/completions", body = body } end
    end
    http.all(jobs)
    for _, answer in ipairs(answers) do
      assert.is_truthy(answer.status == 200 or answer.status == 429, answer.status)
      passed = passed + (answer.status == 200 and 1 or 0)
      answer:close()
    end
    assert.equal(1, passed)
  end)
end)
