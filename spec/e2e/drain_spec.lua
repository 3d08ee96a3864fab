--- Ending: readiness goes first, what is under way finishes, the exit status says how it went; a second signal does not wait.
local house = require "support.house"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 2,
  providers = { openai = { base_url = "%s/v1", key = "sk-openai-provider-key" } },
  drain = "%s",
}]]

describe("draining", function()
  local mock, gateway

  setup(function() mock = house.mock() end)
  teardown(function() mock:stop() end)

  local function start(drain)
    gateway = house.start { config = CONFIG:format(mock.origin, drain or "20s") }
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
    assert.equal(0, gateway.process:wait(5))
  end)

  it("SIGINT does the same", function()
    start()
    gateway:signal "INT"
    assert.equal(0, gateway.process:wait(5))
  end)

  it("lets streams and whole answers finish, says it is not ready, and exits 0", function()
    start()
    local probe = http.connect { port = gateway.port }
    local ask = http.format { path = "/health/ready" }
    assert(probe:send(ask))
    assert.equal(200, probe:answer():read().status)
    local stream = begin_stream "gap-100"
    local whole = http.connect { port = gateway.port }
    assert(whole:send(http.format { path = "/v1/chat/completions", body = house.body { model = "openai/slow-600" } }))
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
    house.read_stream(stream)
    assert.is_true(stream.done)
    assert.is_true(stream.complete)
    assert.equal("This is the mock provider. You said: Hello there", stream.text)
    for _, connection in ipairs { probe, whole, stream.connection } do
      connection:close()
    end
    assert.equal(0, gateway.process:wait(5))
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
      house.read_stream(stream)
      return stream.done
    end)))
    stream:close()
    assert.equal(0, gateway.process:wait(5))
  end)

  it("a second signal ends it at once, and the exit status says that something was cut", function()
    start()
    local stream = begin_stream "fault-stall-event-6"
    gateway:signal "TERM"
    assert.is_true(is_draining())
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait(3))
    stream:close()
  end)

  it("does not wait longer than the config says", function()
    start "300ms"
    local stream = begin_stream "fault-stall-event-6"
    gateway:signal "TERM"
    assert.equal(1, gateway.process:wait(5))
    stream:close()
  end)
end)
