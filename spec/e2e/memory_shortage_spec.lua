--- Memory that cannot be had: what is large is refused in words, what is small goes on, and afterwards all is as before.
local launch = require "support.launch"
local http = require "support.http"
local starve = require "support.starve"

local MB = 1024 * 1024
math.randomseed(tonumber(os.getenv "SEED" or "1"))
local ROUNDS = tonumber(os.getenv "SHORTAGES" or "300")

local CONFIG = [[
return {
  workers = 2, memory = "512MB", body_limit = "8MB", policy = "policies/looks.lua",
  providers = {
    lab = { kind = "openai", base_url = "%s/v1", key = "sk-openai-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-anthropic-provider-key" },
  },
  retry = { attempts = 3 }, breaker = { failures = 1000 },
}]]

-- A policy that decodes what it may.
local LOOKS = [[
return {
  admit = function(request)
    if request.client.headers["x-look"] and request.body().messages == nil then
      return nil, { status = 400, code = "odd", message = "no messages" }
    end
    return {}
  end,
}]]

local function prompt(model, size, stream)
  return ('{"model":"%s","stream":%s,"messages":[{"role":"user","content":"%s"}]}'):format(model, tostring(stream or false), ("x"):rep(size))
end

if os.execute("grep -q __asan_init " .. launch.provider.program()) then
  pending "a sanitizer has its own allocator, wants to be loaded first, and its shadow alone is larger than any limit on addresses"
  return
end

describe("where large allocations fail", function()
  local mock, gateway, hunger
  setup(function()
    mock, hunger = launch.mock(), starve.new()
    gateway = launch.start { config = CONFIG:format(mock.origin, mock.origin), policies = { looks = LOOKS }, env = hunger:env() }
  end)
  teardown(function()
    local status = gateway:stop()
    mock:stop()
    hunger:stop()
    assert.equal(0, status)
  end)

  -- Requests of every kind that make something large: name -> request, and what a good answer has in it.
  local chat, messages = "/v1/chat/completions", "/v1/messages"
  local cases = {
    { path = chat, body = prompt("lab/hello", 200000) },
    { path = chat, body = prompt("lab/hello", 3 * MB, true) },
    { path = chat, body = prompt("claude/hello", 200000) },
    { path = chat, body = prompt("claude/hello", 2 * MB, true) },
    { path = messages, body = prompt("lab/hello", 400000):gsub("^{", '{"max_tokens":100,') },
    { path = chat, body = prompt("lab/fault-big-1000", 10) },
    { path = chat, body = prompt("claude/fault-big-1000", 10) },
    { path = chat, body = prompt("lab/fault-huge-event", 10, true) },
    { path = "/v1/responses", body = ('{"model":"lab/hello","stream":true,"input":"%s"}'):format(("y"):rep(MB)) },
    { path = "/v1/responses", body = ('{"model":"claude/hello","input":"%s"}'):format(("y\\n"):rep(200000)) },
    { path = "/v1/embeddings", body = ('{"model":"lab/hello","input":[%s"x"]}'):format(('"' .. ('some text '):rep(30) .. '",'):rep(1000)) },
    { path = "/completion", body = ('{"model":"claude/hello","messages":[{"role":"user","content":"%s"}]}'):format(("z"):rep(300000)) },
    { path = chat, body = ('{"model":"claude/hello","messages":[%s{"role":"user","content":"x"}]}'):format(
      ('{"role":"user","content":"a"},{"role":"assistant","content":"b"},'):rep(4000)) },
    { path = chat, body = prompt("lab/hello", 5000), headers = { ["X-Look"] = "yes" } },
    { path = chat, body = prompt("lab/hello", 150000), headers = { ["X-Look"] = "yes" } },
  }

  --- Asks; what kind of answer came.
  local function outcome(case)
    local headers = {}
    for name, value in pairs(case.headers or {}) do
      headers[name] = value
    end
    local ok, answer = pcall(http.request, { port = gateway.port, method = "POST", path = case.path, body = case.body, headers = headers })
    if not ok then
      return "cut" -- amid an upload, or amid a stream
    elseif answer.status == 503 or answer.status == 529 then
      assert.is_truthy(answer.headers["retry-after"], answer.body)
      assert.is_truthy(answer.body:find("shedding", 1, true) or answer.body:find("overloaded", 1, true), answer.body)
      return "shed"
    end
    return answer.status == 200 and "served" or ("%d: %s"):format(answer.status, (answer.body or ""):sub(1, 300))
  end

  it("requests are served or shed, none is answered wrongly, and the process lives", function()
    for i, case in ipairs(cases) do
      assert.equal("served", outcome(case), "case " .. i)
    end
    local seen = {}
    for round = 1, ROUNDS do
      hunger:set(({ 20, 100, 300, 1000 })[round % 4 + 1])
      local case = cases[math.random(#cases)]
      local came = outcome(case)
      seen[came] = (seen[came] or 0) + 1
      assert.is_truthy(came == "served" or came == "shed" or came == "cut", came)
      assert.is_nil(gateway.process:status(), gateway.process:err():sub(-600))
      assert.equal(200, gateway:chat({ model = "lab/hello" }).status) -- the small one
    end
    local asked, refused = hunger:counts()
    assert.is_true(asked > ROUNDS and refused > ROUNDS // 4, ("%d of %d were refused"):format(refused, asked))
    assert.is_true((seen.served or 0) > ROUNDS // 20 and (seen.shed or 0) > ROUNDS // 20)
    hunger:set(0)
    for i, case in ipairs(cases) do
      assert.equal("served", outcome(case), "case " .. i)
    end
  end)
end)

describe("a reload for which there is no memory", function()
  it("is refused, and the gateway goes on with what it has", function()
    local hunger = starve.new()
    local gateway = launch.start {
      env = hunger:env(), key = "key-0000000000000001",
      files = { ["board.json"] = '{ "mock/hello": 1' .. (', "other/model-of-a-long-name": 2'):rep(5000) .. " }" },
      config = [[
local keys = {}
for i = 1, 3000 do keys[i] = { key = ("key-%016d"):format(i), user = "u" .. i } end
return { workers = 2, providers = { mock = {} }, keys = keys, admin = { key = "admin-key-0000000" }, leaderboard = "board.json" }]],
    }
    finally(function()
      assert.equal(0, gateway:stop())
      hunger:stop()
    end)
    local seen = { [200] = 0, [400] = 0 }
    for round = 1, math.max(12, ROUNDS // 50) do
      hunger:set(({ 30, 200, 1000 })[round % 3 + 1])
      local answer = gateway:request { method = "POST", path = "/admin/reload", key = "admin-key-0000000" }
      assert.is_truthy(seen[answer.status], answer.body)
      seen[answer.status] = seen[answer.status] + 1
      assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    end
    hunger:set(0)
    assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", key = "admin-key-0000000" }).status)
    assert.is_true(seen[400] > 0, "nothing was refused")
  end)
end)

describe("where addresses are few", function()
  local LIMIT, COUNT, SIZE = 250000000, 16, 15 * MB

  it("large bodies are shed, small requests served, and afterwards all is as before", function()
    local gateway = launch.start {
      config = [[return { workers = 2, body_limit = "16MB", providers = { mock = {} } }]], under = { "prlimit", "--as=" .. LIMIT },
    }
    finally(function() assert.equal(0, gateway:stop()) end)
    local line = gateway:log_line(function(one) return one.event == "memory" end)
    assert.same({ "RLIMIT_AS", LIMIT * 8 // 10 // MB }, { line.bound, line.may_mb })
    local body, done, smalls = prompt("mock/hello", SIZE), 0, 0
    local before = gateway.process:memory()
    local jobs, statuses = {}, {}
    for i = 1, COUNT do
      jobs[i] = function()
        local ok, answer = pcall(http.request, { port = gateway.port, method = "POST", path = "/v1/chat/completions", body = body })
        done = done + 1
        statuses[i] = ok and answer.status or "cut"
        assert.is_truthy(not ok or answer.status == 200 or (answer.status == 503 and answer.headers["retry-after"] == "1"), ok and answer.body)
      end
    end
    jobs[COUNT + 1] = function()
      while done < COUNT do
        assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
        smalls = smalls + 1
        http.pause(0.01)
      end
    end
    http.all(jobs)
    local text = table.concat(statuses, " ")
    assert.is_truthy(text:find("200", 1, true) and text:find("503", 1, true) and smalls > 0, text)
    assert.equal(200, gateway:chat(nil, { body = body }).status)
    assert.is_truthy(http.eventually(function() return gateway.process:memory() < before + 32 * 1024 end), "memory was not given back")
  end)

  it("a start says what is too little", function()
    local status, _, err = launch.run { arguments = { "run" }, config = [[return { memory = "8MB", providers = { mock = {} } }]] }
    assert.equal(1, status)
    assert.matches("8 MB of memory %(by config%) are too few: %d+ MB are taken at the start, and 8 MB more are the least", err)
    local gateway = launch.start { config = [[return { memory = "64MB", providers = { mock = {} } }]] } -- bodies: 25 MB or so, body_limit: 32 MB
    finally(function() assert.equal(0, gateway:stop()) end)
    assert.is_truthy(gateway:log_line(function(one) return one.event == "memory" and one.level == "warn" end).message:find("body_limit", 1, true))
    assert.equal(413, gateway:chat(nil, { body = prompt("mock/hello", 30 * MB) }).status)
    assert.equal(200, gateway:chat(nil, { body = prompt("mock/hello", 20 * MB) }).status)
  end)
end)

describe("an answer for which there is no memory", function()
  -- Large allocations fail at random: whichever piece it is that finds no room, an answer that looks whole is whole.
  it("never looks whole with a hole in it", function()
    local hunger, said = starve.new(), require("support.scripted").start()
    local arguments = ("x\\n"):rep(60000)
    local gateway = launch.start { env = hunger:env(), config = ([[return { workers = 1, breaker = { failures = 1000 }, retry = { attempts = 1 },
      providers = { lab = { kind = "openai", base_url = "%s/v1", key = "sk-openai-provider-key" },
        gem = { kind = "gemini", base_url = "%s/v1beta", key = "sk-gemini-provider-key" } } }]]):format(said.origin, said.origin) }
    finally(function()
      local status = gateway:stop()
      said:stop()
      hunger:stop()
      assert.equal(0, status)
    end)
    local call = ('"functionCall":{"name":"look","args":{"a":"%s"}}'):format(arguments)
    local gemini = ('{"candidates":[{"content":{"role":"model","parts":[{%s}]},"finishReason":"STOP"}]}'):format(call)
    local text = ('{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
      .. '"message":{"role":"assistant","content":"%s"}}]}'):format(arguments)
    local asks = {
      { provider = "gem", says = gemini, path = "/v1/messages", stream = false },
      { provider = "lab", says = text, path = "/v1/chat/completions", stream = true },
      { provider = "lab", says = text, path = "/v1/messages", stream = true },
    }
    for _, ask in ipairs(asks) do
      local whole, others = 0, 0
      said:answer(200, "application/json", ask.says)
      for _ = 1, 60 do
        hunger:set(300)
        local ok, answer = pcall(http.request, { port = gateway.port, method = "POST", path = ask.path,
          body = ('{"model":"%s/m","max_tokens":100000,"stream":%s,"messages":[{"role":"user","content":"x"}]}'):format(ask.provider, ask.stream) })
        if not ok or answer.status ~= 200 or not answer.complete or answer.body:find('"error"', 1, true) then
          others = others + 1
        else
          whole = whole + 1
          assert.is_true(#answer.body > #arguments, ("%s, stream %s: %d bytes: %s"):format(ask.path, ask.stream, #answer.body, answer.body:sub(1, 300)))
        end
      end
      assert.is_true(whole > 0 and others > 0, ("%d whole, %d others"):format(whole, others))
    end
  end)

  -- An answer is held as it came, as its text, and as it is said to the client: which of them finds no room goes by its length.
  it("is shed in whichever of its forms it does not fit, and no provider is blamed for it", function()
    local mock = launch.mock()
    local gateway = launch.start { config = ([[return {
      memory = "80MB", workers = 1, breaker = { failures = 1 }, retry = { attempts = 1 },
      providers = { lab = { kind = "openai", base_url = "%s/v1", key = "sk-openai-provider-key" },
        claude = { kind = "anthropic", base_url = "%s", key = "sk-anthropic-provider-key" } } }]]):format(mock.origin, mock.origin) }
    finally(function()
      local status = gateway:stop()
      mock:stop()
      assert.equal(0, status)
    end)
    local asks = {
      ["/v1/chat/completions"] = '{"model":"claude/fault-big-%d","max_tokens":9000000,"messages":[{"role":"user","content":"x"}]}',
      ["/v1/responses"] = '{"model":"claude/fault-big-%d","max_output_tokens":9000000,"input":"x"}',
      ["/v1/messages"] = '{"model":"lab/fault-big-%d","max_tokens":9000000,"messages":[{"role":"user","content":"x"}]}',
      ["/v1/completions"] = '{"model":"claude/fault-big-%d","max_tokens":9000000,"prompt":"x"}',
      ["/completion"] = '{"model":"claude/fault-big-%d","max_tokens":9000000,"messages":[{"role":"user","content":"x"}]}',
    }
    for path, ask in pairs(asks) do
      local seen = {}
      for size = 10, 26, 4 do
        local answer = gateway:request { method = "POST", path = path, body = ask:format(size * 1024) }
        local shed = answer.status == (path == "/v1/messages" and 529 or 503) and answer.headers["retry-after"] == "1"
        assert.is_true(answer.status == 200 or shed, ("%s, %d MB: %d %s"):format(path, size, answer.status, answer.body:sub(1, 300)))
        seen[answer.status] = true
      end
      assert.is_true(seen[200] == true and (seen[503] or seen[529]) == true, path)
    end
  end)
end)
