--- Streams that do not end, streams that drip, streams that fall silent, and many that wait (rows U31 to U33 of the matrix of upstream faults).
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local socket = require "socket"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    mock  = { kind = "openai", base_url = "%s/v1", key = "sk-mock-provider-key" },
    brief = { kind = "openai", base_url = "%s/v1", key = "sk-mock-provider-key", timeout = "500ms" },
  },
  models = { endless = { { "mock/fault-endless-stream", price = { 1, 2 } } } },
  timeouts = { connect = "60s", headers = "60s", first_token = "60s", idle = "%s", total = "%s" },
  breaker = { failures = 1000 },
}]]

-- ---------------------------------------------------------------- what falls silent

-- Begun before everything else in this file and looked at behind it: silence takes its time.
local SILENT = [[
return {
  workers = 1,
  providers = {
    openai = { base_url = "http://127.0.0.1:%d/v1", key = "sk-provider-key" },
    claude = { kind = "anthropic", base_url = "http://127.0.0.1:%d", key = "sk-provider-key" },
  },
  timeouts = { connect = "60s", idle = "%s" },
  breaker = { failures = 1000 },
}]]

local HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
local COMMENT, EVENT = ": ping\n\n", 'event: ping\ndata: {"type":"ping"}\n\n'
local MESSAGES = { { role = "user", content = "Hello" } }

-- A client's route, what it asks, and its ping; the providers it is tried with.
local CLIENTS = {
  { "/v1/chat/completions", { messages = MESSAGES }, COMMENT, "openai", "claude" },
  { "/v1/completions", { prompt = "Hello" }, COMMENT, "openai", "claude" },
  { "/v1/responses", { input = "Hello" }, COMMENT, "openai", "claude" },
  { "/completion", { messages = MESSAGES }, COMMENT, "openai", "claude" },
  { "/v1/messages", { messages = MESSAGES, max_tokens = 9 }, EVENT, "claude", "openai" },
}

-- What a provider says before it falls silent amid an event, and the rest. By the path it was asked at.
local function chunks(choice, finish)
  local text = ""
  for _, said in ipairs { choice:format "w1", choice:format "w2", finish } do
    text = text .. ('data: {"id":"c1","object":"x","created":1,"model":"m","choices":[{"index":0,%s}]}\n\n'):format(said)
  end
  return text .. "data: [DONE]\n\n"
end

local function named(events)
  return (events:gsub('{"type":"([^"]+)"', "event: %1\ndata: %0"):gsub("}\n", "}\n\n"))
end

local SAID = {
  ["/v1/chat/completions"] = chunks('"delta":{"content":"%s"},"finish_reason":null', '"delta":{},"finish_reason":"stop"'),
  ["/v1/completions"] = chunks('"text":"%s","finish_reason":null', '"text":"","finish_reason":"stop"'),
  ["/v1/messages"] = named [[
{"type":"message_start","message":{"id":"x","role":"assistant","model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}
{"type":"content_block_start","index":0,"content_block":{"kind":"text","text":""}}
{"type":"content_block_delta","index":0,"delta":{"kind":"text_delta","text":"w1"}}
{"type":"content_block_delta","index":0,"delta":{"kind":"text_delta","text":"w2"}}
{"type":"content_block_stop","index":0}
{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}
{"type":"message_stop"}
]]:gsub('"kind"', '"type"'),
}

local silence = { streams = {} }

-- A client's stream that its provider, a socket of the spec's, begins and leaves amid an event.
function silence:begin(gateway, client, target)
  local body = { model = target .. "/x", stream = true }
  for name, value in pairs(client[2]) do
    body[name] = value
  end
  local connection, id = http.connect { port = gateway.port }, launch.next_id()
  assert(connection:send(http.format { path = client[1], body = body, headers = { ["X-Request-ID"] = id } }))
  local provider = assert(self.server:accept())
  provider:settimeout(http.TIMEOUT)
  local path, length = assert(provider:receive "*l"):match "^POST (%S+)", nil
  for line in function() return assert(provider:receive "*l") end do
    length = tonumber(line:lower():match "^content%-length: (%d+)") or length
    if line == "" then break end
  end
  assert(provider:receive(length))
  local half = assert(SAID[path], path):find "w2"
  assert(provider:send(HEAD .. SAID[path]:sub(1, half)))
  return { id = id, gateway = gateway, answer = assert(connection:answer()), ping = client[3], provider = provider, rest = SAID[path]:sub(half + 1) }
end

setup(function()
  silence.server = assert(socket.bind("127.0.0.1", 0))
  silence.server:settimeout(http.TIMEOUT)
  local _, port = silence.server:getsockname()
  silence.brief = launch.start { config = SILENT:format(port, port, "20s") } -- one ping and the end
  silence.patient = launch.start { config = SILENT:format(port, port, "300s") }
  for _, client in ipairs(CLIENTS) do
    for i = 4, #client do
      for _, name in ipairs { "brief", "patient" } do
        silence.streams[table.concat({ name, client[1], client[i] }, " ")] = silence:begin(silence[name], client, client[i])
      end
    end
  end
end)

teardown(function()
  for _, stream in pairs(silence.streams) do
    stream.provider:close()
    stream.answer:close()
  end
  silence.server:close()
  assert.equal(0, silence.brief:stop())
  assert.equal(0, silence.patient:stop())
end)

describe("a stream", function()
  local mock, gateway

  local function start(idle, total)
    gateway = launch.start { config = CONFIG:format(mock.origin, mock.origin, idle, total) }
  end

  setup(function() mock = launch.mock() end)
  teardown(function() mock:stop() end)
  after_each(function()
    assert.equal(0, gateway:stop())
    mock:reset()
  end)

  -- Reads to the end and keeps what came last. It is too much to keep in memory.
  local function read_tail(answer)
    local tail, bytes = "", 0
    while true do
      local piece = answer:piece(socket.gettime() + 60)
      if not piece then
        return tail, bytes
      end
      bytes = bytes + #piece
      tail = (tail .. piece):sub(-4096)
    end
  end

  local function assert_cut(tail, words)
    local last = tail:match "data: ([^\n]*)\n\n$"
    assert.is_string(last, "no event at the end")
    local failure = cjson.decode(last).error
    assert.is_table(failure, "no error at the end")
    assert.matches(words, failure.message, 1, true)
    assert.is_nil(tail:find("[DONE]", 1, true))
  end

  --- A stream that has begun. Where a deadline is short, a machine that stands still lets it pass before that.
  local function begin(fields, request)
    local answer
    assert.is_truthy(http.eventually(function()
      request.id = launch.next_id()
      request.headers, request.body = nil, nil
      answer = gateway:open_stream(fields, request)
      return answer.status == 200
    end), "it never begins in time")
    return answer
  end

  --- The provider was left: its ledger says so.
  local function assert_left(id)
    local rows = mock:ledger_when(gateway:record(id).request_id, function(rows) return rows[1] and rows[1].outcome == "client_closed" end)
    assert.same({ 1, "client_closed" }, { #rows, rows[1] and rows[1].outcome })
  end

  it("U31 that goes on beyond its tokens is cut, counted against its provider, and paid for", function()
    start("60s", "60s")
    local answer = gateway:open_stream { model = "endless", max_tokens = 16 }
    local tail, bytes = read_tail(answer)
    assert.is_true(answer.complete)
    assert_cut(tail, "does not end")
    assert.is_truthy(bytes < 128 << 20, bytes .. " bytes")
    local record = gateway:record(answer.id)
    assert.same({ "unavailable", "stream", "content_started" }, { record.attempts[1].outcome, record.attempts[1].phase, record.attempts[1].sent })
    assert.is_true(record.tokens.estimated)
    assert.is_truthy(record.tokens.output >= (1 << 20) // 4 and record.tokens.output < 1 << 20)
    assert.is_truthy(math.abs(record.cost_usd - (record.tokens.input + 2 * record.tokens.output) / 1e6) < 1e-9)
    assert.equal(1, gateway:get("/admin/providers/mock/circuit-breaker"):json().failures)
    assert_left(answer.id)
    local _, peak = gateway.process:memory()
    assert.is_truthy(peak < 64 * 1024 or gateway.process:is_sanitized(), ("peak of %d KB"):format(peak))
  end)

  it("U31 that does not end is ended by the request's time, also for a client who does not read, and never held", function()
    start("60s", "1s")
    local before = gateway.process:memory()
    for _, fast in ipairs { true, false } do -- who reads what comes at once would get all that a stream may be within that time
      local answer = begin({ model = fast and "mock/gap-500" or "mock/fault-endless-stream" }, { receive_buffer = 4096 })
      local id = answer.id
      if not fast then
        assert_left(id) -- before a byte of the body was read
      end
      local tail = read_tail(answer)
      assert_cut(tail, "deadline total passed")
      assert_left(id)
      assert.same({ "timeout", "total" }, { gateway:record(id).attempts[1].outcome, gateway:record(id).attempts[1].deadline })
    end
    local after = gateway.process:memory()
    assert.is_truthy(after - before < 16 * 1024 or gateway.process:is_sanitized(), ("grew by %d KB"):format(after - before))
  end)

  it("U31 that does not end is ended by its provider's time", function()
    start("60s", "60s")
    local answer = begin({ model = "brief/gap-200" }, {})
    assert_cut(read_tail(answer), "timeout of the step passed")
    assert_left(answer.id)
  end)

  it("U31 without an end is no whole answer", function()
    start("60s", "60s")
    local answer = gateway:chat { model = "endless" }
    assert.same({ 502, "upstream_error" }, { answer.status, answer:json().error.code })
    assert.matches("larger than 64 MB", gateway:record(answer.id).attempts[1].message)
    assert_left(answer.id)
  end)

  it("U32 that drips goes on for as long as it drips", function()
    start("500ms", "60s")
    local answer
    http.eventually(function() -- a machine that stands still for idle's time ends it: not each time
      answer = gateway:stream { model = "mock/gap-100" }
      return answer.done
    end)
    assert.is_true(answer.done)
    assert.equal("This is the mock provider. You said: Hello there", answer.text)
    local record = gateway:record(answer.id)
    assert.same({ 1, "ok" }, { #record.attempts, record.attempts[1].outcome })
    assert.is_truthy(record.duration_ms > 500, "it did not drip")
  end)

  it("U33 that waits costs little, and many of them no more each", function()
    start("60s", "60s")
    local WAITING = 400
    local body = cjson.encode(launch.body { model = "mock/slow-60000", stream = true })
    local clients = {}
    local function in_flight()
      return gateway:get("/providers"):json().providers[2].in_flight + gateway:get("/providers"):json().providers[1].in_flight
    end
    local function wait(count)
      for _ = 1, count do
        local client = assert(socket.connect("127.0.0.1", gateway.port))
        assert(client:send(("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
        clients[#clients + 1] = client
      end
      assert.is_truthy(http.eventually(function() return in_flight() == #clients end), "not all of them were asked for")
    end
    wait(20)
    local before = gateway.process:memory()
    wait(WAITING)
    local each = (gateway.process:memory() - before) / WAITING
    assert.is_truthy(each <= 48 or gateway.process:is_sanitized(), ("%.1f KB each"):format(each))
    for _, client in ipairs(clients) do
      client:close()
    end
    assert.is_truthy(http.eventually(function() return in_flight() == 0 end), "one that left holds on")
  end)
end)

describe("U32 a stream whose provider falls silent amid an event", function()
  -- Events up to the first one that `pick` takes, that one with them. What stands in them is JSON, or the event is not whole.
  local function read_to(stream, pick)
    local deadline, seen = socket.gettime() + 60, {}
    while true do
      local event, why = stream.answer:event(deadline)
      assert.is_nil(why)
      if not event then
        return seen
      end
      seen[#seen + 1] = event
      assert.is_truthy(event.data == nil or event.data == "[DONE]" or cjson.decode(event.data))
      if pick(event) then
        return seen, true
      end
    end
  end

  local function says(words)
    return function(event) return event.data ~= nil and event.data:find(words, 1, true) ~= nil end
  end

  for _, client in ipairs(CLIENTS) do
    for i = 4, #client do
      local name = client[1] .. " " .. client[i]

      it("pings its client, and is ended by idle all the same: " .. name, function()
        local stream = silence.streams["brief " .. name]
        assert.is_true(select(2, read_to(stream, says "w1")))
        local rest, pings = read_to(stream, function() return false end), 0
        for _, event in ipairs(rest) do
          pings = pings + (event.raw == stream.ping and 1 or 0)
          assert.is_nil(event.raw:find("w2", 1, true))
          assert.is_nil(event.raw:find("[DONE]", 1, true))
        end
        assert.equal(1, pings)
        assert.matches("deadline idle passed", rest[#rest].data, 1, true)
        local record = stream.gateway:record(stream.id)
        assert.same({ "timeout", "idle" }, { record.attempts[1].outcome, record.attempts[1].deadline })
      end)

      it("goes on behind the ping: " .. name, function()
        local stream = silence.streams["patient " .. name]
        assert.is_true(select(2, read_to(stream, says "w1")))
        assert.is_true(select(2, read_to(stream, function(event) return event.raw == stream.ping end)))
        assert(stream.provider:send(stream.rest))
        stream.provider:close()
        assert.is_true(select(2, read_to(stream, says "w2")))
        read_to(stream, function() return false end)
        assert.is_true(stream.answer.complete)
        assert.equal("ok", stream.gateway:record(stream.id).cause)
      end)
    end
  end
end)
