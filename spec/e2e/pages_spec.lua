--- Any web page spends through a keyless loopback gateway: what a browser sends for a foreign page, or by a foreign name that leads here, is refused.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 1,
  providers = { mock = {} },
  models = { smart = { "mock/hello" } },
  cors = { origins = { "https://App.example.com:443", "http://localhost:3000" } },
  hosts = "LLM.internal, other.internal.",
  %s
}]]

local BODY = cjson.encode { model = "smart", max_tokens = 9, messages = { { role = "user", content = "Hello" } } }
local FORM = "application/x-www-form-urlencoded"

describe("a page, where no key is asked for,", function()
  local gateway

  setup(function() gateway = launch.start { config = CONFIG:format "" } end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function ask(fields)
    return gateway:request { path = fields.path or "/v1/chat/completions", method = fields.method, authority = fields.authority, headers = fields.headers,
      body = fields.method ~= "GET" and fields.method ~= "OPTIONS" and BODY or nil, content_type = fields.type }
  end

  local function assert_refused(code, answer, what)
    local failure = answer:json().error
    assert.same({ 403, code, "permission_error" }, { answer.status, failure.code or code, failure.type }, what)
    assert.is_nil(code == "origin_not_allowed" and answer.headers["access-control-allow-origin"] or nil, what)
    local record = gateway:record(answer.id)
    assert.same({ 403, code, "refused", {} }, { record.status, record.error, record.cause, record.attempts or {} }, what)
  end

  it("of a foreign origin gets nothing by any form of post, on any route", function()
    for _, type in ipairs { FORM, "text/plain", "application/json", "" } do
      assert_refused("origin_not_allowed", ask { type = type, headers = { Origin = "https://evil.example" } }, type)
    end
    for _, path in ipairs { "/v1/messages", "/v1/responses", "/completion", "/admin/reload", "/admin/providers/mock/circuit-breaker/reset", "/nothing" } do
      assert_refused("origin_not_allowed", ask { path = path, type = FORM, headers = { Origin = "https://evil.example" } }, path)
    end
    for _, path in ipairs { "/v1/models", "/v1/models/smart", "/providers", "/admin/providers/mock/circuit-breaker" } do
      assert_refused("origin_not_allowed", ask { method = "GET", path = path, headers = { Origin = "https://evil.example" } }, path)
    end
    assert.equal(1, gateway:generation())
  end)

  it("is refused in the dialect of its route", function()
    local body = ask({ path = "/v1/messages", headers = { Origin = "https://evil.example" } }):json()
    assert.same({ "error", "permission_error", nil }, { body.type, body.error.type, body.error.code })
  end)

  it("is only of an origin that is listed to the letter; null never is", function()
    for _, origin in ipairs { "null", "", "https://app.example.com.evil.example", "https://evilapp.example.com", "http://app.example.com",
      "https://app.example.com:8443", "https://app.example.com/", "https://app.example.com@evil.example", "https://app.example.com, https://evil.example",
      "http://localhost", "http://localhost:30000", "http://127.0.0.1:" .. gateway.port, "file://", "*" } do
      assert_refused("origin_not_allowed", ask { headers = { Origin = origin } }, origin)
    end
    for _, origin in ipairs { "https://app.example.com", "HTTPS://APP.EXAMPLE.COM", "https://app.example.com:443", "http://localhost:3000" } do
      local answer = ask { headers = { Origin = origin, ["Sec-Fetch-Site"] = "cross-site" } }
      assert.same({ 200, origin }, { answer.status, answer.headers["access-control-allow-origin"] })
    end
    local two = ask { headers = { { "Origin", "https://app.example.com" }, { "Origin", "https://evil.example" } } }
    assert.same({ 403, "origin_not_allowed" }, { two.status, two:json().error.code })
  end)

  it("that says no origin is known by Sec-Fetch-Site", function()
    assert_refused("origin_not_allowed", ask { method = "GET", path = "/v1/models", headers = { ["Sec-Fetch-Site"] = "cross-site" } })
    for _, site in ipairs { "Cross-Site", "cross-site ", "\tcross-site \t" } do
      assert_refused("origin_not_allowed", ask { headers = { ["Sec-Fetch-Site"] = site } }, site)
    end
    for _, site in ipairs { "none", "same-origin", "same-site" } do
      assert.equal(200, ask({ headers = { ["Sec-Fetch-Site"] = site } }).status)
    end
  end)

  it("gets no leave by a preflight, but that of a listed origin does", function()
    assert_refused("origin_not_allowed", ask { method = "OPTIONS", headers = { Origin = "https://evil.example", ["Access-Control-Request-Method"] = "POST" } })
    local answer = ask { method = "OPTIONS", headers = { Origin = "https://app.example.com", ["Access-Control-Request-Method"] = "POST" } }
    assert.same({ 204, "https://app.example.com" }, { answer.status, answer.headers["access-control-allow-origin"] })
  end)

  it("may not come by a foreign name that leads here", function()
    for _, host in ipairs { "evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "evillocalhost", "evil-localhost",
      "2130706433", "0x7f.0.0.1", "127.1", "llm.internal.evil.example", "xllm.internal", "example.com" } do
      assert_refused("host_not_allowed", ask { authority = host }, host)
    end
    for _, path in ipairs { "/v1/models", "/providers", "/nothing" } do
      assert_refused("host_not_allowed", ask { method = "GET", path = path, authority = "evil.example" }, path)
    end
    assert_refused("host_not_allowed", ask { path = "/admin/reload", authority = "evil.example" })
    assert_refused("host_not_allowed", ask { authority = "evil.example", headers = { Origin = "https://app.example.com" } })
  end)

  it("and programs may by addresses, localhost, and what the config names", function()
    for _, host in ipairs { "127.0.0.1", "127.0.0.1:8080", "127.9.9.9", "10.1.2.3:80", "[::1]",
      "[::1]:8080", "[::ffff:127.0.0.1]", "localhost", "LocalHost:8080",
      "localhost.", "a.localhost", "a.b.localhost:1", "llm.internal", "LLM.INTERNAL:8080", "llm.internal.", "other.internal", "app.example.com",
      "app.example.com:443", "127.0.0.1." } do
      assert.equal(200, ask({ authority = host }).status, host)
    end
    local connection = http.connect { port = gateway.port }
    assert(connection:send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " .. #BODY .. "\r\n\r\n" .. BODY))
    assert.matches("^HTTP/1%.[01] 200 ", (connection:drain()))
    connection:close()
  end)

  it("finds no other way in by the form of its request", function()
    for _, head in ipairs { "GET http://evil.example/v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\n", "GET /v1/models HTTP/1.1\r\n",
      "GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n", "GET /v1/models HTTP/1.1\r\nHost: evil.example@127.0.0.1\r\n",
      "GET /v1/models HTTP/1.1\r\nHost: \r\n", "GET /v1/models HTTP/1.1\r\nHost: ::1\r\n" } do
      local answer = http.request { port = gateway.port, raw = head .. "\r\n" }
      assert.equal(400, answer.status, head)
    end
  end)

  it("hears it before its body is read", function()
    for _, headers in ipairs { { Origin = "https://evil.example" }, { Host = "evil.example" } } do
      local connection = http.connect { port = gateway.port }
      assert(connection:send(("POST /v1/messages HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nContent-Length: 30\r\n\r\n{")
        :format(headers.Host or "127.0.0.1", headers.Origin or "https://app.example.com")))
      local answer = assert(connection:answer()):read()
      assert.same({ 403, "permission_error" }, { answer.status, answer:json().error.type })
      connection:close()
    end
  end)

  it("may look at the health, and sees no providers there", function()
    local foreign = { { authority = "evil.example" }, { headers = { Origin = "https://evil.example" } }, { headers = { ["Sec-Fetch-Site"] = "cross-site" } } }
    for _, fields in ipairs(foreign) do
      for _, path in ipairs { "/health", "/health/live", "/health/ready" } do
        fields.method, fields.path = "GET", path
        local answer = ask(fields)
        assert.equal(200, answer.status)
        assert.is_nil(answer:json().providers)
      end
    end
    assert.is_table(gateway:get("/health"):json().providers.mock)
  end)
end)

describe("a gateway that asks for no key", function()
  local gateway
  after_each(function() assert.equal(0, gateway:stop()) end)

  local function status(fields)
    fields.path = fields.path or "/v1/models"
    local answer = gateway:request(fields)
    local body = answer:json()
    return answer.status, type(body) == "table" and body.error and body.error.code or nil
  end

  it("takes every origin where all are listed, but null, and no foreign host the more", function()
    gateway = launch.start { config = 'return { providers = { mock = {} }, cors = { origins = env("CORS_ORIGINS", {}) } }', env = { CORS_ORIGINS = "*" } }
    assert.equal(200, (status { headers = { Origin = "https://evil.example" } }))
    assert.equal("*", gateway:get("/v1/models", { Origin = "https://evil.example" }).headers["access-control-allow-origin"])
    for _, origin in ipairs { "null", "NULL", "null ", "null\t", "" } do
      assert.same({ 403, "origin_not_allowed" }, { status { headers = { Origin = origin } } })
    end
    assert.same({ 403, "origin_not_allowed" }, { status { headers = { ["Sec-Fetch-Site"] = "cross-site" } } })
    assert.same({ 403, "host_not_allowed" }, { status { authority = "evil.example", headers = { Origin = "https://evil.example" } } })
  end)

  it("takes origins from the environment as words", function()
    gateway = launch.start { config = 'return { providers = { mock = {} }, cors = { origins = env("CORS_ORIGINS", {}) } }',
      env = { CORS_ORIGINS = "https://a.example, https://b.example:8443" } }
    assert.equal(200, (status { headers = { Origin = "https://a.example" } }))
    assert.equal(200, (status { authority = "b.example:8443", headers = { Origin = "https://b.example:8443" } }))
    assert.same({ 403, "origin_not_allowed" }, { status { headers = { Origin = "https://b.example" } } })
  end)

  it("of users is as wary when the admin has one, which then opens what it opens to any page", function()
    gateway = launch.start { config = CONFIG:format 'admin = { key = "sk-admin-secret-0005" },' }
    assert.same({ 403, "origin_not_allowed" }, { status { headers = { Origin = "https://evil.example" }, key = "sk-admin-secret-0005" } })
    assert.same({ 401, "missing_api_key" }, { status { path = "/providers" } })
    assert.same({ 401, "missing_api_key" }, { status { path = "/providers", headers = { Origin = "https://evil.example" } } })
    assert.same({ 401, "invalid_api_key" }, { status { path = "/providers", key = "sk-admin-secret-0006" } })
    assert.equal(200, (status { path = "/providers", key = "sk-admin-secret-0005", headers = { Origin = "https://evil.example" } }))
  end)

  it("and is open to the network looks at origins, and at no Host", function()
    gateway = launch.start { config = CONFIG:format "open = true," , env = { HOST = "0.0.0.0" } }
    assert.equal(200, (status { authority = "gateway.example.com" }))
    assert.same({ 403, "origin_not_allowed" }, { status { headers = { Origin = "https://evil.example" } } })
    assert.equal(200, (status { headers = { Origin = "https://app.example.com" } }))
  end)

  it("does not come to be by a reload of one that others can reach", function()
    local text = 'return { providers = { mock = {} }, workers = 1, keys = { { key = "sk-alice-secret-0001", user = "alice" } } }'
    gateway = launch.start { config = text, env = { HOST = "0.0.0.0" } }
    assert.equal(401, (status {}))
    gateway:edit_config 'return { providers = { mock = {} }, workers = 1, listen = "127.0.0.1:0" }'
    local line = assert(gateway:log_line(function(line) return line.event == "reload" end))
    assert.equal("refused", line.result)
    assert.matches("keys: the open listener can be reached from outside", line.message)
    assert.equal(401, (status {}))
  end)
end)
