--- SIGTERM loses no request that was accepted, leaves no client hanging, and never aborts: under load, with clients waiting in the listener, on kept
-- connections, amid uploads, in the start, in a reload, a second time. SIGTERMS=n ends that many gateways under load (make night).
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local provider = require "support.provider"

local CONFIG = "return { workers = 2, providers = { mock = {} } }"
local SIGTERMS = tonumber(os.getenv "SIGTERMS") or 14

local function ask(model, headers)
  return http.format { path = "/v1/chat/completions", body = launch.body { model = "mock/" .. (model or "hello") }, headers = headers }
end

local function is_draining(gateway)
  return gateway:log_line(function(line) return line.event == "drain" end) ~= nil
end

local function says_close(answer)
  return (answer.headers.connection or ""):lower() == "close"
end

describe("SIGTERM under load", function()
  -- Asks again and again until new connections are refused, on kept connections or on one for each request.
  local function client(port, kept, tally)
    local bytes = ask(tally.model)
    while true do
      local ok, connection = pcall(http.connect, { port = port })
      if not ok then
        tally.refused = tally.refused + (connection:find("refused", 1, true) and 1 or 0)
        return
      end
      repeat
        local sent = connection:send(bytes)
        local answer, why = connection:answer()
        local body = answer and answer:read():json()
        if not body or answer.status ~= 200 then
          tally.lost[#tally.lost + 1] = ("%s (sent: %s, kept: %s)"):format(answer and answer.status or why, sent, kept)
          break
        end
        tally.answered = tally.answered + 1
      until not kept or says_close(answer)
      connection:close()
    end
  end

  it("loses no request that was accepted: 8 kept and 6 reconnecting clients", function()
    local tally = { answered = 0, refused = 0, lost = {} }
    for round = 1, SIGTERMS do
      local gateway = launch.start { config = CONFIG }
      local clients, answered = {}, tally.answered
      tally.model = round % 2 == 0 and "hello" or "slow-10"
      for i = 1, 14 do
        clients[i] = function() client(gateway.port, i <= 8, tally) end
      end
      clients[#clients + 1] = function()
        http.eventually(function() return tally.answered - answered >= 40 + round end)
        gateway:signal "TERM"
      end
      http.all(clients)
      assert.equal(0, gateway.process:wait(), gateway.process:err():sub(-500))
      gateway:stop()
    end
    assert.same({}, tally.lost)
    assert.is_truthy(tally.answered >= 40 * SIGTERMS and tally.refused >= 14 * SIGTERMS, "no load: " .. tally.answered)
  end)

  it("answers those who wait in the listener", function()
    local gateway, waiting = launch.start { config = CONFIG }, {}
    gateway:signal "STOP"
    for i = 1, 100 do
      waiting[i] = http.connect { port = gateway.port }
      if i <= 90 then -- the rest speak when they were let in
        waiting[i]:send(ask "slow-20")
      end
    end
    gateway:signal "TERM"
    gateway:signal "CONT"
    is_draining(gateway)
    local answered = 0
    for i = 1, 100 do
      if i > 90 then
        waiting[i]:send(ask "hello")
      end
      local answer = waiting[i]:answer()
      answered = answered + (answer and answer:read().status == 200 and says_close(answer) and 1 or 0)
      waiting[i]:close()
    end
    assert.equal(100, answered)
    assert.equal(0, gateway.process:wait())
    gateway:stop()
  end)

  it("ends the mock as well", function()
    local mock = launch.mock()
    http.all { function() http.pause(0.05) mock.process:signal "TERM" end, function()
      while pcall(http.request, { port = mock.port, path = "/v1/chat/completions", body = launch.body { model = "hello" } }) do
        http.pause(0)
      end
    end }
    assert.equal(0, mock.process:wait())
    mock:stop()
  end)
end)

describe("while a gateway drains", function()
  it("new clients are refused at once, each of them", function()
    local gateway = launch.start { config = CONFIG }
    local stream = gateway:open_stream { model = "mock/gap-200" }
    gateway:signal "TERM"
    assert.is_true(is_draining(gateway))
    assert.is_truthy(http.eventually(function() return not pcall(http.connect, { port = gateway.port }) end))
    for _ = 1, 50 do -- one after the other, before a stream of two seconds ends: a SYN that is dropped costs a second
      assert.is_false((pcall(http.connect, { port = gateway.port })))
    end
    assert.is_nil(gateway.process:status())
    assert.is_nil(gateway:log_line(function(line) return line.event == "request_complete" end, 0))
    stream.list = stream:events()
    launch.read_stream(stream)
    assert.is_true(stream.done)
    stream:close()
    assert.equal(0, gateway.process:wait())
    gateway:stop()
  end)

  it("a client on a kept connection gets an answer and its leave, a silent one its leave", function()
    local gateway = launch.start { config = CONFIG }
    local busy, silent = http.connect { port = gateway.port }, http.connect { port = gateway.port }
    for _, connection in ipairs { busy, silent } do
      connection:send(ask())
      local answer = connection:answer()
      assert.same({ 200, false }, { answer:read().status, says_close(answer) })
    end
    gateway:signal "TERM"
    is_draining(gateway)
    busy:send(ask())
    local answer = assert(busy:answer(), "the request was lost")
    assert.same({ 200, true }, { answer:read().status, says_close(answer) })
    assert.is_true(busy:is_closed())
    assert.is_true(silent:is_closed())
    assert.equal(0, gateway.process:wait())
    gateway:stop()
  end)

  it("requests that are still coming are answered: half a head, half a body, one that waits for 100 Continue", function()
    local gateway = launch.start { config = CONFIG }
    local bytes, clients = ask(), {}
    local body_at = select(2, bytes:find("\r\n\r\n", 1, true))
    for i, cut in ipairs { 30, body_at + 10 } do
      clients[i] = { http.connect { port = gateway.port }, bytes:sub(cut + 1) }
      clients[i][1]:send(bytes:sub(1, cut))
    end
    local patient = http.connect { port = gateway.port }
    patient:send(bytes:gsub("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n"):sub(1, -(#bytes - body_at + 1)))
    assert.equal(100, patient:answer().status)
    clients[3] = { patient, bytes:sub(body_at + 1) }
    gateway:get "/health/live" -- the worker has read them
    gateway:signal "TERM"
    is_draining(gateway)
    http.pause(1.2) -- longer than a silent connection is left open
    for _, one in ipairs(clients) do
      one[1]:send(one[2])
      local answer = assert(one[1]:answer(), "the request was lost")
      assert.same({ 200, true }, { answer:read().status, says_close(answer) })
      one[1]:close()
    end
    assert.equal(0, gateway.process:wait())
    gateway:stop()
  end)

  it("drain_delay keeps the port open, and /health/ready says 503; a second signal ends that", function()
    local gateway = launch.start { config = CONFIG:gsub("{", '{ drain_delay = "60s",', 1) }
    assert.equal(200, gateway:get("/health/ready").status)
    gateway:signal "TERM"
    is_draining(gateway)
    assert.is_truthy(http.eventually(function() return gateway:get("/health/ready").status == 503 end))
    local answer = gateway:chat { model = "mock/hello" }
    assert.same({ 200, true }, { answer.status, says_close(answer) })
    assert.same({ 503, "draining" }, { (function(reload) return reload.status, reload:json().error.code end)(
      gateway:request { method = "POST", path = "/admin/reload" }) })
    gateway:signal "TERM"
    local status = gateway.process:wait() -- the last answer may not have been out to its last byte
    assert.equal(gateway:log_line(function(line) return line.event == "stopped" end).cut > 0 and 1 or 0, status)
    gateway:stop()
  end)

  it("a drain_delay that is over is followed by the drain", function()
    local gateway = launch.start { config = CONFIG:gsub("{", '{ drain_delay = "200ms",', 1) }
    local stream = gateway:open_stream { model = "mock/gap-100" }
    gateway:signal "TERM"
    stream.list = stream:events()
    launch.read_stream(stream)
    assert.is_true(stream.done)
    stream:close()
    assert.equal(0, gateway.process:wait())
    gateway:stop()
  end)
end)

describe("no SIGTERM aborts", function()
  it("a second one, with hundreds of requests asleep", function()
    local gateway, asleep = launch.start { config = CONFIG }, {}
    for i = 1, 300 do
      asleep[i] = http.connect { port = gateway.port }
      asleep[i]:send(ask "slow-60000")
    end
    assert.is_truthy(http.eventually(function() return gateway:get("/providers"):json().providers[1].in_flight == 300 end))
    gateway:signal "TERM"
    is_draining(gateway)
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait())
    for i = 1, 300 do
      local answer = asleep[i]:answer()
      assert.same({ 503, "draining" }, { answer:read().status, answer:json().error.code })
      asleep[i]:close()
    end
    assert.equal(300, gateway:log_line(function(line) return line.event == "stopped" end).cut)
    gateway:stop()
  end)

  it("one amid a start", function()
    local folder, ended = process.temporary_directory(), {}
    process.write_file(folder .. "/gateway.lua", CONFIG)
    for i = 1, 12 do
      local run = process.start { command = { provider.program(), "run" }, env = { PORT = "0", HOST = "127.0.0.1" }, directory = folder,
        name = "gateway" .. i, cwd = folder }
      http.pause(i * 0.006)
      run:signal "TERM"
      local status = run:wait()
      ended[status or "never"] = (ended[status or "never"] or 0) + 1
    end
    os.execute("rm -rf " .. process.quote(folder))
    assert.equal(12, (ended[0] or 0) + (ended[143] or 0), "143: before there was anything to drain") -- by the signal itself
  end)

  it("one amid a reload", function()
    local waits = 0
    for _ = 1, 4 do
      local gateway = launch.start { config = CONFIG }
      local connection = http.connect { port = gateway.port }
      gateway:edit_config(CONFIG .. " -- edited")
      connection:send(http.format { method = "POST", path = "/admin/reload" })
      gateway:signal "HUP"
      gateway:signal "TERM"
      local answer = connection:answer()
      waits = waits + (answer and answer:read() and 1 or 0)
      assert.equal(0, gateway.process:wait())
      gateway:stop()
    end
    assert.equal(4, waits)
  end)
end)
