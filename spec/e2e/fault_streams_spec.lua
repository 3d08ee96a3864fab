--- Streams that do not end, streams that drip, and many that wait (rows U31 to U33 of the matrix of upstream faults).
local house = require "support.house"
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
  timeouts = { headers = "60s", first_token = "60s", idle = "%s", total = "%s" },
  breaker = { failures = 1000 },
}]]

describe("a stream", function()
  local mock, gateway

  local function start(idle, total)
    gateway = house.start { config = CONFIG:format(mock.origin, mock.origin, idle, total) }
  end

  setup(function() mock = house.mock() end)
  teardown(function() mock:stop() end)
  after_each(function()
    assert.equal(0, gateway:stop())
    mock:reset()
  end)

  -- Reads to the end and keeps what came last. Nobody wants so much of it in memory.
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
    local failure = require("cjson").decode(last).error
    assert.is_table(failure, "no error at the end")
    assert.matches(words, failure.message, 1, true)
    assert.is_nil(tail:find("[DONE]", 1, true))
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
      local id = house.next_id()
      local answer = gateway:open_stream({ model = fast and "mock/gap-500" or "mock/fault-endless-stream" }, { id = id, receive_buffer = 4096 })
      assert.equal(200, answer.status)
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
    local answer = gateway:open_stream { model = "brief/gap-200" }
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
    local answer = gateway:stream { model = "mock/gap-100" }
    assert.is_true(answer.done)
    assert.equal("This is the mock provider. You said: Hello there", answer.text)
    local record = gateway:record(answer.id)
    assert.same({ 1, "ok" }, { #record.attempts, record.attempts[1].outcome })
    assert.is_truthy(record.duration_ms > 500, "it did not drip")
  end)

  it("U33 that waits costs little, and many of them no more each", function()
    start("60s", "60s")
    local WAITING = 400
    local body = require("cjson").encode(house.body { model = "mock/slow-60000", stream = true })
    local clients = {}
    local function in_flight()
      return gateway:get("/providers"):json().providers[2].in_flight + gateway:get("/providers"):json().providers[1].in_flight
    end
    local function wait(count)
      for _ = 1, count do
        local client = assert(socket.connect("127.0.0.1", gateway.port))
        assert(client:send(("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
        clients[#clients + 1] = client
      end
      assert.is_truthy(http.eventually(function() return in_flight() == #clients end, 20), "not all of them were asked for")
    end
    wait(20)
    local before = gateway.process:memory()
    wait(WAITING)
    local each = (gateway.process:memory() - before) / WAITING
    assert.is_truthy(each <= 48 or gateway.process:is_sanitized(), ("%.1f KB each"):format(each))
    for _, client in ipairs(clients) do
      client:close()
    end
    assert.is_truthy(http.eventually(function() return in_flight() == 0 end, 20), "one that left holds on")
  end)
end)
