--- Memory: few large bodies starve no other caller, what is not needed any more is given back, and what does not fit is refused in time.
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local MB = 1024 * 1024

local CONFIG = [[
return {
  workers = 1, memory = "192MB", body_limit = "8MB", policy = "policies/kept.lua",
  providers = {
    lab = { kind = "openai", base_url = "%s/v1", key = "sk-openai-provider-key" },
    claude = { kind = "anthropic", base_url = "%s", key = "sk-anthropic-provider-key" },
  },
  models = { all = { "lab/hello" } },
  keys = { { key = "key-of-alice-000000", user = "alice" }, { key = "key-of-bob-00000000", user = "bob" } },
  timeouts = { first_token = "600s", idle = "600s", headers = "600s" }, retry = { attempts = 1 },
}]]

-- What is left of a request when it is settled.
local KEPT = [[
return {
  settle = function(request)
    return { client = request.client.user, tag = request.client.metadata.tag, asked = request.model, body = type(request.body()) }
  end,
}]]

local ALICE, BOB = "key-of-alice-000000", "key-of-bob-00000000"

--- A chat body with a prompt of `size` bytes.
local function prompt(model, size, stream)
  return ('{"model":"%s","stream":%s,"messages":[{"role":"user","content":"%s"}]}'):format(model, tostring(stream or false), ("x"):rep(size))
end

describe("memory", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG, policies = { kept = KEPT } })
  local bodies
  setup(function()
    start()
    bodies = gateway:log_line(function(line) return line.event == "memory" end).bodies_mb
  end)
  teardown(stop)

  --- An upload of which the last byte is held back: its connection, and the answer if it was refused meanwhile.
  local function upload(key, size, headers)
    local body = prompt("lab/hello", size)
    local connection = http.connect { port = gateway.port }
    connection:send(http.format { method = "POST", path = "/v1/chat/completions", headers = headers or { Authorization = "Bearer " .. key,
      ["Content-Length"] = tostring(#body) } })
    connection:send(body:sub(1, -2))
    return connection, body
  end

  local function small(key)
    return gateway:chat({ model = "lab/hello" }, { key = key })
  end

  it("that slow large uploads of one user hold leaves others their room, and small requests always", function()
    local held, refused = {}, 0
    for _ = 1, bodies // 7 + 2 do -- more than there is room for
      local connection = upload(ALICE, 7 * MB)
      held[#held + 1] = connection
    end
    for i = 1, #held do
      local readable = require("socket").select({ held[i].sock }, nil, 0.05)
      if #readable > 0 then
        local answer = held[i]:answer()
        answer:read()
        assert.same({ 503, "1", "shedding" }, { answer.status, answer.headers["retry-after"], answer:json().error.code })
        refused = refused + 1
      end
    end
    local least, most = bodies // 3 // 14, bodies * 2 // 3 // 7 -- a body in growth may hold twice what came
    local said = gateway:log_line(function(line) return line.event == "shedding" end)
    assert.is_true(said.refused >= 1 and said.bodies_mb > 0 and said.level == "warn")
    assert.is_true(#held - refused >= least and #held - refused <= most, ("%d of %d were refused, of %d MB"):format(refused, #held, bodies))
    for _ = 1, 10 do
      assert.equal(200, small(BOB).status)
      assert.equal(200, small(ALICE).status)
    end
    assert.equal(200, gateway:chat(nil, { key = BOB, body = prompt("lab/hello", 60 * 1024) }).status)
    assert.equal(200, gateway:chat(nil, { key = BOB, body = prompt("lab/hello", 7 * MB) }).status)
    for _, connection in ipairs(held) do
      connection:close()
    end
    assert.is_truthy(http.eventually(function()
      return gateway:chat(nil, { key = ALICE, body = prompt("lab/hello", 7 * MB) }).status == 200
    end))
  end)

  it("of a large body is not given to a caller that is not known", function()
    local answer = gateway:chat(nil, { key = "no-such-key-0000000", body = prompt("lab/hello", MB) })
    assert.equal(401, answer.status)
    local connection = upload("no-such-key-0000000", 7 * MB)
    assert.equal(401, connection:answer().status) -- before its last byte came
    connection:close()
  end)

  --- Streams that have begun and go on for long, as many as `count` says; resident memory in MB before and with them.
  local function open_streams(count, body, path)
    local before, streams = gateway.process:memory(), {}
    for i = 1, count do
      streams[i] = gateway:open { method = "POST", path = path or "/v1/chat/completions", key = ALICE, body = body }
      assert.equal(200, streams[i].status)
      assert.is_truthy(streams[i]:event())
    end
    return before // 1024, gateway.process:memory() // 1024, streams
  end

  for name, case in pairs {
    ["passed on"] = { body = prompt("lab/fault-stall-event-3", 7 * MB, true) },
    ["translated"] = { body = prompt("claude/fault-stall-event-6", 7 * MB, true) },
    ["translated for responses"] = { path = "/v1/responses",
      body = ('{"model":"lab/fault-stall-event-3","stream":true,"input":"%s","instructions":"be brief"}'):format(("x"):rep(7 * MB)) },
  } do
    it("of a prompt is free once its stream has begun: " .. name, function()
      local before, with, streams = open_streams(bodies // 7 + 4, case.body, case.path) -- more than there is room for at once
      assert.is_true(with - before < 7 * #streams // 2 or gateway.process:is_sanitized(), ("%d MB, then %d"):format(before, with))
      for _, stream in ipairs(streams) do
        stream:close()
      end
    end)
  end

  it("of a prompt is free while its answer is waited for, where no other attempt may follow", function()
    local held = {}
    for i = 1, bodies // 7 + 4 do
      held[i] = http.connect { port = gateway.port }
      held[i]:send(http.format { method = "POST", path = "/v1/chat/completions", headers = { Authorization = "Bearer " .. ALICE },
        body = prompt("lab/fault-stall-head", 7 * MB) })
      assert.is_truthy(http.eventually(function() return #mock:ledger(function(row) return row.model == "fault-stall-head" end) == i end))
    end
    for _, connection in ipairs(held) do
      connection:close()
    end
  end)

  it("of a prompt is free, and what is said of the request at its end is the same", function()
    local tool = { type = "function", name = "look_up", parameters = { type = "object" }, ["function"] = { name = "look_up" } }
    for _, size in ipairs { 1000, MB } do
      for _, path in ipairs { "/v1/chat/completions", "/v1/responses" } do
        local text = ("x"):rep(size)
        local answer = gateway:open { method = "POST", path = path, key = ALICE, body = {
          model = "lab/hello", stream = true, user = "u-1", metadata = { tag = "blue" }, instructions = "be brief", input = text,
          messages = { { role = "user", content = text } }, tools = { tool },
        } }
        assert.equal(200, answer.status)
        answer.list = answer:events()
        answer:close()
        local record = gateway:record(answer.id).labels
        assert.same({ "u-1", "blue", "lab/hello" }, { record.client, record.tag, record.asked })
        assert.equal(size > 65536 and "nil" or "table", record.body)
        if path:find "resp" then
          local last = answer.list[#answer.list].data
          assert.is_truthy(last:find('"instructions":"be brief"', 1, true) and last:find('"name":"look_up"', 1, true), last)
        end
      end
    end
  end)
end)
