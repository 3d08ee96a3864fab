--- Ending: readiness goes first, what is under way finishes, the exit status says how it went; a second signal does not wait.
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 2,
  providers = {
    openai = { base_url = "%s/v1", key = "sk-openai-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-anthropic-provider-key" },
  },
  drain = "%s",
}]]

describe("draining", function()
  local mock, gateway

  setup(function() mock = launch.mock() end)
  teardown(function() mock:stop() end)

  local function start(drain)
    gateway = launch.start { config = CONFIG:format(mock.origin, mock.origin, drain or "60s") }
  end
  after_each(function() gateway:stop() end)

  -- A stream that has begun and has about `gap` * 9 ms to go.
  local function begin_stream(model)
    local stream = gateway:open_stream { model = "openai/" .. model }
    assert.equal(200, stream.status)
    return stream
  end

  local function is_draining()
    return gateway:log_line(function(line) return line.event == "drain" end) ~= nil
  end

  it("with nothing under way ends at once, well", function()
    start()
    assert.equal(200, gateway:get("/health/ready").status)
    gateway:signal "TERM"
    assert.equal(0, gateway.process:wait())
  end)

  it("SIGINT does the same", function()
    start()
    gateway:signal "INT"
    assert.equal(0, gateway.process:wait())
  end)

  it("lets streams and whole answers finish, says it is not ready, and exits 0", function()
    start()
    local probe = http.connect { port = gateway.port }
    local ask = http.format { path = "/health/ready" }
    assert(probe:send(ask))
    assert.equal(200, probe:answer():read().status)
    local stream = begin_stream "gap-100"
    local whole = http.connect { port = gateway.port }
    assert(whole:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "openai/slow-600" } }))
    mock:ledger_when(function(row) return row.model == "slow-600" end, function(rows) return #rows == 1 end)
    gateway:signal "TERM"
    assert.is_true(is_draining())
    -- The connection that was idle may be closed by now; on one that still answers it is 503.
    probe:send(ask)
    local ready = probe:answer()
    if ready then
      ready:read()
      assert.equal(503, ready.status)
      assert.equal("draining", ready:json().status)
    end
    local answer = assert(whole:answer()):read()
    assert.equal(200, answer.status)
    stream.list = stream:events()
    launch.read_stream(stream)
    assert.is_true(stream.done)
    assert.is_true(stream.complete)
    assert.equal("This is the mock provider. You said: Hello there", stream.text)
    for _, connection in ipairs { probe, whole, stream.connection } do
      connection:close()
    end
    assert.equal(0, gateway.process:wait())
  end)

  it("accepts nobody new", function()
    start()
    local stream = begin_stream "gap-100"
    gateway:signal "TERM"
    assert.is_true(is_draining())
    assert.is_truthy(http.eventually(function()
      local ok, answer = pcall(http.request, { port = gateway.port, path = "/health/ready", timeout = 2 })
      return not ok or answer.status == 503
    end, 3))
    assert.is_true(select(2, pcall(function()
      stream.list = stream:events()
      launch.read_stream(stream)
      return stream.done
    end)))
    stream:close()
    assert.equal(0, gateway.process:wait())
  end)

  -- What is open when the time is up: a stream of each dialect, passed on and written anew, and one that was not begun.
  local function begin_all()
    local messages, open = { { role = "user", content = "Hello there" } }, {}
    for _, path in ipairs { "/v1/chat/completions", "/v1/completions", "/v1/responses", "/completion", "/v1/messages" } do
      for _, provider in ipairs { "openai", "claude" } do
        if path ~= "/v1/completions" or provider == "claude" then -- the mock has no completions
          local body = { model = provider .. "/fault-stall-event-6", stream = true, max_tokens = 9, messages = messages }
          if path == "/v1/completions" or path == "/v1/responses" then
            body.messages, body[path == "/v1/responses" and "input" or "prompt"], body.max_tokens = nil, "Hello there", nil
          end
          local name = path .. " " .. provider
          open[name] = gateway:open { path = path, body = body }
          assert.equal(200, open[name].status, name)
        end
      end
    end
    local waiting = http.connect { port = gateway.port }
    assert(waiting:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "openai/slow-60000", stream = true } }))
    assert.equal(1, #mock:ledger_when(function(row) return row.model == "slow-60000" and row.outcome == "open" end, function(rows) return #rows == 1 end))
    return open, waiting
  end

  local function assert_told(open, waiting)
    for name, stream in pairs(open) do
      local list, last = stream:events(), nil
      for _, event in ipairs(list) do
        assert.not_equal("[DONE]", event.data, name)
        last = event
      end
      assert.matches("The gateway is stopping", last.data, 1, true)
      assert.equal(name:find "/v1/messages" and "error" or name:find "/v1/responses" and "response.failed" or nil, last.name, name)
      assert.is_true(stream.complete, name)
      local record = gateway:record(stream.id)
      assert.same({ "draining", 200 }, { record.error, record.status }, name)
      stream:close()
    end
    local answer = assert(waiting:answer()):read()
    assert.same({ 503, "draining" }, { answer.status, answer:json().error.code })
    assert.is_nil(answer.headers["x-should-retry"])
    waiting:close()
    assert.equal(10, gateway:log_line(function(line) return line.event == "stopped" end).cut)
  end

  it("a second signal ends it at once, says so to whoever waits, and to the exit status", function()
    start()
    local open, waiting = begin_all()
    gateway:signal "TERM"
    assert.is_true(is_draining())
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait())
    assert_told(open, waiting)
  end)

  it("does not wait longer than the config says", function()
    start "300ms"
    local open, waiting = begin_all()
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait())
    assert_told(open, waiting)
  end)

  it("is not held up by a client who does not read", function()
    start()
    local stream = gateway:open_stream({ model = "openai/fault-endless-stream" }, { receive_buffer = 4096 })
    gateway:signal "TERM"
    assert.is_true(is_draining())
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait())
    stream:close()
  end)
end)
