--- A log line says what was called, from where and with whose key: also of a 404, and of what the server refuses by itself.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 1, body_limit = "64KB",
  providers = { mock = {} },
  models = { smart = { "mock/hello" } },
  keys = {
    { key = "sk-alice-secret-0001", user = "alice", name = "alice's laptop" },
    { key = "sk-bob-secret-00002", user = "bob" },
    { key = "sk-carol-secret-0003", user = "carol", name = "old one", expires = "2020-01-01" },
  },
  admin = { key = "sk-admin-secret-0005" },
  policy = "policies/mine.lua",
  %s
}]]
-- The fact says what the line says.
local POLICY = { mine = 'return { admit = function(request) return nil, { status = 403, code = "told", message = request.client.address } end }' }

describe("the log line", function()
  local gateway
  after_each(function() assert.equal(0, gateway:stop()) end)

  local function start(more)
    gateway = launch.start { config = CONFIG:format(more or ""), policies = POLICY }
  end

  local function line_of(fields)
    local answer = gateway:request(fields)
    return assert(gateway:record(answer.id)), answer
  end

  it("names method, path without its query, the client's address and the key", function()
    start()
    local line = line_of { path = "/v1/chat/completions?api_key=sk-in-the-query", body = launch.body { model = "smart" }, key = "sk-alice-secret-0001" }
    assert.same({ "POST", "/v1/chat/completions", "127.0.0.1", "alice's laptop", "alice" },
      { line.method, line.path, line.client_address, line.key_name, line.user })
    line = line_of { path = "/nothing/at/all?x=sk-in-the-query", method = "DELETE" }
    assert.same({ 404, "DELETE", "/nothing/at/all", "127.0.0.1", nil }, { line.status, line.method, line.path, line.client_address, line.key_name })
    line = line_of { path = "/v1/chat/completions", method = "PUT", body = "" }
    assert.same({ 405, "PUT", "/v1/chat/completions" }, { line.status, line.method, line.path })
    for _, path in ipairs { "/v1/models", "/nothing", "/v1/messages/nothing", "/v1/completions" } do -- 200, 404, 404, 405
      assert.equal("bob", line_of({ path = path, key = "sk-bob-secret-00002" }).key_name, path)
    end
    assert.same({ "admin", "old one" }, { line_of({ path = "/nothing", key = "sk-admin-secret-0005" }).key_name,
      line_of({ path = "/nothing", key = "sk-carol-secret-0003" }).key_name })
    assert.is_nil(line_of({ path = "/nothing", key = "sk-nobody-knows-this" }).key_name)
    assert.equal("admin", line_of({ path = "/providers", key = "sk-admin-secret-0005" }).key_name)
    line = line_of { path = "/v1/models", key = "sk-carol-secret-0003" }
    assert.same({ 401, "key_expired", "old one", "carol" }, { line.status, line.error, line.key_name, line.user })
    assert.is_nil(line_of({ path = "/v1/models", key = "sk-nobody-knows-this" }).key_name)
    line = line_of { path = "/" .. ("x"):rep(5000) }
    assert.equal("/" .. ("x"):rep(255), line.path)
    assert.is_nil(gateway.process:err():find("sk-in-the-query", 1, true))
  end)

  local function refusal(status)
    return assert(gateway:log_line(function(line) return line.event == "request_complete" and line.status == status end), status)
  end

  it("is there for what the server refuses by itself, with the id it answered", function()
    start()
    for status, case in pairs {
      [400] = { "GET /v1/models?x=sk-in-the-query HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET", "/v1/models" },
      [413] = { "POST /v1/messages HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n", "POST", "/v1/messages" },
      [431] = { "GET /v1/models/x HTTP/1.1\r\nHost: a\r\nX-Long: " .. ("x"):rep(9000) .. "\r\n\r\n", "GET", "/v1/models/x" },
      [501] = { "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", nil, nil },
      [505] = { "GET /v1/models HTTP/2.0\r\nHost: a\r\n\r\n", "GET", "/v1/models" },
      [417] = { "POST /completion HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 1\r\n\r\n", "POST", "/completion" },
    } do
      local answer = http.request { port = gateway.port, raw = case[1] }
      assert.equal(status, answer.status)
      local line = refusal(status)
      assert.same({ case[2], case[3], "127.0.0.1", "refused", answer.headers["x-request-id"] },
        { line.method, line.path, line.client_address, line.cause, line.request_id })
      assert.is_string(line.error)
      assert.is_string(line.error_message)
    end
    assert.is_nil(gateway.process:err():find("sk-in-the-query", 1, true))
  end)

  it("has the address that proxies of the config say, and no other's word counts", function()
    start 'proxies = { "127.0.0.1", "10.0.0.0/8", "fd00::/8" },'
    for _, case in ipairs {
      { {}, "127.0.0.1" },
      { { "203.0.113.7" }, "203.0.113.7" },
      { { "6.6.6.6, 203.0.113.7" }, "203.0.113.7" }, -- what stands before the first stranger is that one's own word
      { { "203.0.113.7, 10.1.2.3" }, "203.0.113.7" },
      { { "6.6.6.6,203.0.113.7 ,10.1.2.3,  fd00::5" }, "203.0.113.7" },
      { { "203.0.113.7:4711, [fd00::5]:443" }, "203.0.113.7" },
      { { "[2001:db8::7]:4711" }, "2001:db8::7" },
      { { "2001:DB8:0:0::7" }, "2001:db8::7" },
      { { "::ffff:203.0.113.7" }, "203.0.113.7" },
      { { "10.9.9.9, 10.1.2.3" }, "10.9.9.9" }, -- all are ours: the farthest
      { { "6.6.6.6", "203.0.113.7" }, "203.0.113.7" }, -- two fields are one list
      { { "203.0.113.7", "10.1.2.3" }, "203.0.113.7" },
      { { "203.0.113.7, , ", "" }, "203.0.113.7" },
      { { "203.0.113.7, unknown" }, "127.0.0.1" }, -- no address ends it
      { { "203.0.113.7, garbage, 10.1.2.3" }, "10.1.2.3" },
      { { "203.0.113.7, 1.2.3.4.5" }, "127.0.0.1" },
      { { (" ,"):rep(2000) }, "127.0.0.1" },
      { { "203.0.113.7" .. (", 10.0.0.1"):rep(400) }, "203.0.113.7" },
    } do
      local headers = {}
      for i, value in ipairs(case[1]) do
        headers[i] = { i % 2 == 1 and "X-Forwarded-For" or "x-forwarded-for", value }
      end
      local id = launch.next_id()
      headers[#headers + 1] = { "X-Request-ID", id }
      local answer = http.request { port = gateway.port, path = "/v1/chat/completions", body = cjson.encode(launch.body { model = "smart" }),
        headers = { { "Authorization", "Bearer sk-alice-secret-0001" }, table.unpack(headers) } }
      local said = table.concat(case[1], " | "):sub(1, 60)
      assert.equal(case[2], answer:json().error.message, said)
      assert.equal(case[2], gateway:record(id).client_address, said)
    end
  end)

  it("believes none where the config names none", function()
    start()
    assert.equal("127.0.0.1", line_of({ path = "/nothing", headers = { ["X-Forwarded-For"] = "203.0.113.7", Forwarded = "for=203.0.113.7" } }).client_address)
  end)

  it("believes none who is not one of them", function()
    start 'proxies = "10.0.0.0/8, 127.0.0.2",'
    assert.equal("127.0.0.1", line_of({ path = "/nothing", headers = { ["X-Forwarded-For"] = "203.0.113.7" } }).client_address)
  end)

  it("of a client that left says what it called", function()
    local mock = launch.mock()
    finally(function() mock:stop() end)
    gateway = launch.start { config = ('return { workers = 1, providers = { lab = { kind = "openai", base_url = "%s/v1" } } }'):format(mock.origin) }
    local id = launch.next_id()
    local connection = http.connect { port = gateway.port }
    assert(connection:send(http.format { path = "/v1/chat/completions", headers = { ["X-Request-ID"] = id }, body = launch.body { model = "lab/slow-60000" } }))
    http.eventually(function() return gateway:get("/providers"):json().providers[1].in_flight > 0 end)
    connection:close()
    local line = assert(gateway:record(id))
    assert.same({ "client_closed", "POST", "/v1/chat/completions", "127.0.0.1" }, { line.cause, line.method, line.path, line.client_address })
  end)
end)

describe("proxies of a config", function()
  it("are addresses and networks, or are refused", function()
    for _, value in ipairs { '"example.com"', '{ "10.0.0.0/33" }', '{ "10.0.0.1:80" }', "{ 1 }", '"*"' } do
      local config = "return { providers = { mock = {} },\nproxies = " .. value .. " }"
      local status, out, err = launch.run { config = config, arguments = { "check", "gateway.lua" } }
      assert.equal(1, status)
      assert.matches("gateway%.lua:2: proxies%[1%]: expected an address or a network", out .. err)
    end
  end)
end)
