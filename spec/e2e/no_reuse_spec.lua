--- A provider that says more than it was asked (rows U08 and U09 of the matrix of upstream faults): no client is given those bytes, and from then on none of
--- its connections carries a second request.
local launch = require "support.launch"
local http = require "support.http"
local socket = require "socket"
local tls = require "support.tls"

local CONFIG = [[
return {
  workers = %d,
  providers = {
    loud  = { kind = "openai", base_url = "%s/v1", key = "sk-loud-provider-key" },
    other = { kind = "openai", base_url = "%s/v1", key = "sk-other-provider-key" },
  },
  timeouts = { connect = "60s", tls = "60s", headers = "60s", first_token = "60s" },
  breaker = { failures = 1000 },
}]]

describe("a provider that answers a second time", function()
  local loud, other, doors, gateway

  local function start(workers, loud_origin, other_origin)
    gateway = launch.start { config = CONFIG:format(workers, loud_origin or loud.origin, other_origin or other.origin), env = { SSL_CERT_FILE = doors.ca } }
  end

  setup(function()
    loud, other = launch.mock(), launch.mock()
    doors = tls.start(loud.port)
  end)
  after_each(function()
    loud:reset()
    if gateway then
      assert.equal(0, gateway:stop())
    end
    gateway = nil
  end)
  teardown(function()
    loud:stop()
    other:stop()
    doors:stop()
  end)

  local function ask(model, stream)
    local answer = stream and gateway:stream { model = model } or gateway:chat { model = model }
    assert.equal(200, answer.status, answer.body)
    return answer
  end

  --- On how many connections `count` requests for a model come, one behind the other.
  local function connections(mock, model, count)
    local seen, number = {}, 0
    for i = 1, count do
      ask(model, i % 2 == 0)
    end
    for _, row in ipairs(mock:ledger(function(row) return model:sub(-#row.model) == row.model end)) do
      number = number + (seen[row.connection] and 0 or 1)
      seen[row.connection] = true
    end
    return number
  end

  local function lines()
    local count = 0
    for _, line in ipairs(gateway:log()) do
      count = count + (line.event == "no_reuse" and 1 or 0)
    end
    return count
  end

  for _, fault in ipairs { "stray", "excess" } do
    for _, secured in ipairs { false, true } do
      it(("is used by a connection each from then on: %s, %s"):format(fault, secured and "TLS" or "plain"), function()
        start(1, secured and ("https://localhost:%d"):format(doors.ports.fine))
        assert.equal(1, connections(loud, "loud/hello@before", 6))
        assert.equal(0, lines())
        ask("loud/fault-" .. fault)
        assert.is_truthy(gateway:log_line(function(line) return line.event == "no_reuse" end))
        assert.equal(6, connections(loud, "loud/hello@behind", 6))
        assert.equal(1, connections(other, "other/hello@" .. fault .. tostring(secured), 6))
        ask("loud/fault-" .. fault)
        assert.equal(1, lines())
      end)
    end
  end

  it("is known to all workers", function()
    start(2)
    ask "loud/fault-stray"
    assert.is_truthy(gateway:log_line(function(line) return line.event == "no_reuse" end))
    assert.equal(20, connections(loud, "loud/hello@workers", 20))
    assert.equal(1, lines())
  end)

  it("gives nobody the bytes of another's answer", function()
    start(1)
    local function ask_many(make)
      local jobs = {}
      for i = 1, 40 do
        jobs[i] = function() return make(i) end
      end
      return http.all(jobs)
    end
    ask_many(function() return gateway:chat { model = "loud/fault-stray" } end)
    loud:ledger_when(function(row) return row.model == "fault-stray" end, function(rows)
      for _, row in ipairs(rows) do
        if row.outcome == "open" then
          return false
        end
      end
      return #rows > 0
    end)
    for i, answer in ipairs(ask_many(function(i)
      local fields = { model = "loud/behind", messages = { { role = "user", content = "Mine is " .. i } } }
      return i % 2 == 0 and gateway:stream(fields) or gateway:chat(fields)
    end)) do
      assert.equal("This is the mock provider. You said: Mine is " .. i, answer.text or launch.text(answer))
      assert.equal("1", answer.headers["x-attempts"])
    end
  end)

  it("is none that says farewell to an idle connection, or closes it", function()
    local spy = assert(socket.bind("127.0.0.1", 0, 8))
    spy:settimeout(http.TIMEOUT)
    local _, port = spy:getsockname()
    start(1, nil, ("http://127.0.0.1:%d"):format(port))
    local body = '{"id":"x","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},'
      .. '"finish_reason":"stop"}]}'
    local function serve(upstream)
      local length = 0
      for line in function() return assert(upstream:receive "*l") end do
        if line == "" then
          break
        end
        length = tonumber(line:lower():match "^content%-length: (%d+)") or length
      end
      assert(upstream:receive(length))
      assert(upstream:send(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body)))
    end
    local function exchange(upstream)
      local client = http.connect { port = gateway.port }
      assert(client:send(http.format { path = "/v1/chat/completions", body = launch.body { model = "other/m" } }))
      upstream = upstream or assert(spy:accept())
      upstream:settimeout(http.TIMEOUT)
      serve(upstream)
      assert.equal(200, client:answer():read().status)
      client:close()
      return upstream
    end
    for _, farewell in ipairs { "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", "HTTP/1.0 408 Bye\r\n\r\n", "" } do
      local upstream = exchange()
      if farewell ~= "" then
        assert(upstream:send(farewell))
      end
      upstream:shutdown "send"
      local _, why = upstream:receive(1) -- the gateway lets it go
      assert.equal("closed", why)
      upstream:close()
    end
    local upstream = exchange()
    exchange(upstream) -- on the same connection
    assert.equal(0, lines())
    upstream:close()
    spy:close()
  end)
end)
