--- Waiting for room: a policy that lets requests wait, a provider that takes one at a time.
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"

local CONFIG = [[
return {
  workers = %d,
  providers = {
    one = { kind = "openai", base_url = "%s/v1", key = "sk-one", limits = { concurrent = 1 } },
    two = { kind = "openai", base_url = "%s/v1", key = "sk-two", limits = { concurrent = 1 } },
    rate = { kind = "openai", base_url = "%s/v1", key = "sk-rate", limits = { requests = "2/s" } },
  },
  keys = {
    { key = "sk-ann-key", user = "ann" }, { key = "sk-bob-key", user = "bob" }, { key = "sk-vip-key", user = "vip", tier = "vip" },
    { key = "sk-hurry-key", user = "hurry", tier = "hurry" }, { key = "sk-brief-key", user = "brief", tier = "brief" },
  },
  policy = "policies/line.lua",
  log = { level = "debug" },
}]]

-- Tiers say how long, and how soon.
local POLICY = [[
local policy = {}
local wishes = {
  default = { wait = "60s", priority = 5 }, vip = { wait = "60s", priority = 0 }, brief = { wait = "100ms" },
}
function policy.route(request)
  if #request.targets > 0 then
    return request.targets
  elseif request.unfit[1].reason ~= "limit" then
    error "asked without a full target"
  end
  return nil, wishes[request.user.tier] or { status = 503, code = "full", message = "come again" }
end
function policy.settle(request)
  return { waited = request.waited_ms > 0 }
end
return policy]]

-- Many clients that ask and wait: in a process of its own, since select(2) knows 1024 sockets.
local CROWD = [[
local socket, clients = require "socket", {}
local body = '{"model":"one/hello","messages":[{"role":"user","content":"Hello"}]}'
local port, count = %d, %d
for i = 1, count do
  clients[i] = assert(socket.connect("127.0.0.1", port))
  clients[i]:send("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-bob-key\r\nContent-Type: application/json\r\n" ..
    "Content-Length: " .. #body .. "\r\n\r\n" .. body)
end
socket.sleep(60)]]

describe("waiting for room", function()
  local mock, gateway

  setup(function() mock = launch.mock() end)
  teardown(function() mock:stop() end)

  local function start(workers)
    mock:reset()
    gateway = launch.start {
      config = CONFIG:format(workers or 1, mock.origin, mock.origin, mock.origin), policies = { line = POLICY }, key = "sk-ann-key",
    }
  end
  after_each(function()
    assert.equal(0, gateway:stop())
    assert.is_nil(gateway.last_log:find "policy_error")
  end)

  --- A request that is sent, with its answer still to come.
  local function send(key, model)
    local connection = http.connect { port = gateway.port }
    assert(connection:send(http.format {
      path = "/v1/chat/completions", headers = { Authorization = "Bearer " .. key }, body = launch.body { model = model },
    }))
    return connection
  end

  --- How many requests have begun; what begins goes on at once to where it sends or stands in line.
  local function begun()
    local count = 0
    for _, line in ipairs(gateway:log()) do
      count = count + (line.event == "request_start" and 1 or 0)
    end
    return count
  end

  --- Sends one after another, each once the one before has begun; -> connections.
  local function line_up(list)
    local connections = {}
    for i, item in ipairs(list) do
      local before = begun()
      connections[i] = send(item[1], item[2])
      assert.is_truthy(http.eventually(function() return begun() > before end))
    end
    return connections
  end

  --- Models in the order in which the provider saw them.
  local function seen()
    local models = {}
    for i, row in ipairs(mock:ledger()) do
      models[i] = row.model
    end
    return models
  end

  local function finish(connections)
    for _, connection in ipairs(connections) do
      local answer = assert(connection:answer()):read()
      assert.equal(200, answer.status, answer.body)
      connection:close()
    end
  end

  --- Takes the one place until it is told to leave: nothing here depends on how long that is.
  local HOLDER = "fault-stall-head"
  local function leave(connections)
    table.remove(connections, 1):reset()
  end

  for _, workers in ipairs { 1, 2 } do
    it("serves everybody, one after another, and loses nobody: workers = " .. workers, function()
      start(workers)
      local asks = {}
      for i = 1, 10 do
        asks[i] = function()
          return gateway:chat({ model = "one/slow-60" }, { key = i % 2 == 0 and "sk-ann-key" or "sk-bob-key" })
        end
      end
      local answers = http.all(asks)
      local waited, rows = 0, mock:ledger()
      for _, answer in ipairs(answers) do
        assert.equal(200, answer.status, answer.body)
        assert.equal("1", answer.headers["x-attempts"])
        local record = gateway:record(answer.id)
        if record.queued_ms then
          waited = waited + 1
          assert.is_true(record.queued_ms > 0 and record.queued_ms <= record.duration_ms)
          assert.is_true(record.overhead_us < record.duration_ms * 1000 - record.queued_ms * 1000 + 1)
        end
        assert.equal(record.queued_ms ~= nil, record.labels.waited)
      end
      assert.is_true(waited >= 1 and waited <= 9, waited) -- nine where all were sent before the first was served
      assert.equal(10, #rows)
      assert.equal(1, mock:stats().max_in_flight or 1)
    end)
  end

  it("lets priority 0 overtake priority 5", function()
    start()
    local connections = line_up {
      { "sk-ann-key", "one/" .. HOLDER }, { "sk-ann-key", "one/slow-11" }, { "sk-bob-key", "one/slow-12" }, { "sk-vip-key", "one/slow-13" },
    }
    leave(connections)
    finish(connections)
    assert.same({ HOLDER, "slow-13", "slow-11", "slow-12" }, seen())
  end)

  it("lets users take turns", function()
    start()
    local connections = line_up {
      { "sk-vip-key", "one/" .. HOLDER },
      { "sk-ann-key", "one/slow-11" }, { "sk-ann-key", "one/slow-12" }, { "sk-ann-key", "one/slow-13" },
      { "sk-bob-key", "one/slow-21" }, { "sk-bob-key", "one/slow-22" },
    }
    leave(connections)
    finish(connections)
    assert.same({ HOLDER, "slow-11", "slow-21", "slow-12", "slow-22", "slow-13" }, seen())
  end)

  it("for one provider holds nobody up who wants another", function()
    start()
    local one, two, first, second = table.unpack(line_up {
      { "sk-ann-key", "one/" .. HOLDER }, { "sk-ann-key", "two/fault-stall-body" }, { "sk-ann-key", "one/slow-11" }, { "sk-ann-key", "two/slow-21" },
    })
    two:reset()
    finish { second }
    one:reset()
    finish { first }
    assert.same({ HOLDER, "fault-stall-body", "slow-21", "slow-11" }, seen())
  end)

  it("that ends without room is a 503 that says when to come again", function()
    start()
    local holder = line_up { { "sk-ann-key", "one/" .. HOLDER } }
    local answer = gateway:chat({ model = "one/hello" }, { key = "sk-brief-key" })
    assert.equal(503, answer.status)
    assert.equal("no_fit_target", answer:json().error.code)
    assert.matches("one/hello %(limit%)", answer:json().error.message)
    assert.is_truthy(tonumber(answer.headers["retry-after"]))
    local record = gateway:record(answer.id)
    assert.is_true(record.queued_ms >= 100 and record.queued_ms < 30000) -- not as long as others may
    assert.equal("route", record.step)
    leave(holder)
    assert.same({ HOLDER }, seen())
  end)

  it("is the policy's to allow", function()
    start()
    local holder = line_up { { "sk-ann-key", "one/" .. HOLDER } }
    local answer = gateway:chat({ model = "one/hello" }, { key = "sk-hurry-key" })
    assert.equal(503, answer.status)
    assert.equal("full", answer:json().error.code)
    assert.is_nil(gateway:record(answer.id).queued_ms)
    leave(holder)
  end)

  it("ends when the client leaves, and the next takes its place", function()
    start()
    local line_of = line_up { { "sk-ann-key", "one/" .. HOLDER }, { "sk-vip-key", "one/slow-11" }, { "sk-ann-key", "one/slow-12" } }
    table.remove(line_of, 2):reset()
    local line = gateway:log_line(function(line) return line.event == "request_complete" and line.cause == "client_closed" end)
    assert.equal(499, line.status)
    assert.is_true(line.queued_ms > 0)
    leave(line_of)
    finish(line_of)
    assert.same({ HOLDER, "slow-12" }, seen())
  end)

  it("is bounded: who comes when 1024 wait is refused at once", function()
    start()
    local waiting = line_up { { "sk-ann-key", "one/" .. HOLDER } }
    local crowd = {}
    for i = 1, 2 do
      crowd[i] = process.start { command = { "lua5.4", "-e", CROWD:format(gateway.port, 516) }, directory = gateway.folder, name = "crowd" .. i }
    end
    local refused = {}
    assert.is_truthy(http.eventually(function()
      refused = {}
      for _, line in ipairs(gateway:log()) do
        refused[#refused + 1] = line.event == "request_complete" and line or nil
      end
      return #refused >= 8
    end))
    for _, line in ipairs(refused) do
      assert.same({ 503, "shedding" }, { line.status, line.error })
    end
    assert.equal(1 + 1024 + 8, begun())
    assert.equal(8, #refused)
    local answer = gateway:chat({ model = "one/slow-15" }, { key = "sk-ann-key" })
    assert.same({ 503, "1" }, { answer.status, answer.headers["retry-after"] }, answer.body)
    for i = 1, 2 do
      crowd[i]:kill()
    end
    assert.is_truthy(http.eventually(function()
      return select(2, gateway.process:err():gsub('"cause":"client_closed"', "")) == 1024
    end))
    waiting[1]:reset()
    assert.equal(200, gateway:chat({ model = "one/hello" }).status)
    assert.equal(2, #mock:ledger())
  end)

  it("also for a rate: room comes by itself", function()
    start()
    local asks = {}
    for i = 1, 5 do
      asks[i] = function() return gateway:chat { model = "rate/hello" } end
    end
    for _, answer in ipairs(http.all(asks)) do
      assert.equal(200, answer.status, answer.body)
    end
    assert.equal(5, #mock:ledger())
  end)

  it("is finished by a drain", function()
    start()
    local waiting = line_up { { "sk-ann-key", "one/slow-400" }, { "sk-ann-key", "one/slow-11" } }
    gateway:signal "TERM"
    finish(waiting)
    assert.equal(0, gateway.process:wait())
  end)

  it("keeps the policy that it began with when the gateway is reloaded", function()
    start()
    local waiting = line_up { { "sk-ann-key", "one/" .. HOLDER }, { "sk-ann-key", "one/slow-11" } }
    gateway:edit_policy("line", "return { route = function() return nil, { status = 418, code = 'new' } end }")
    gateway:signal "HUP"
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "two/hello" }).status == 418 end))
    leave(waiting)
    finish(waiting)
  end)
end)
