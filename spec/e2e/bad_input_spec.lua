--- What clients send that cannot be served: one answer, in their dialect, that says what is wrong; nothing goes upstream.
local launch = require "support.launch"
local http = require "support.http"
local pair = require "support.pair"

local CONFIG = [[
return {
  workers = 1,
  providers = { openai = { base_url = "%s/v1", key = "sk-openai-provider-key" } },
  models = { ["gpt-house"] = { "openai/hello" }, ["gpt-garden"] = { "openai/hello" }, smart = { "openai/hello" } },
}]]

local MESSAGES = '"messages":[{"role":"user","content":"hi"}]'

-- body, status, code, param (where it can be told)
local BODIES = {
  { "nothing", "", 400 },
  { "blanks", "  \n ", 400 },
  { "not JSON", "hello", 400, "invalid_json" },
  { "half of it", '{"model":"smart","messages":[{"role"', 400, "invalid_json" },
  { "something behind it", ('{"model":"smart",%s} x'):format(MESSAGES), 400, "invalid_json" },
  { "a list", "[1,2]", 400 },
  { "a string", '"hello"', 400 },
  { "null", "null", 400 },
  { "no model", ("{%s}"):format(MESSAGES), 400, nil, "model" },
  { "model a number", ('{"model":5,%s}'):format(MESSAGES), 400, nil, "model" },
  { "model null", ('{"model":null,%s}'):format(MESSAGES), 400, nil, "model" },
  { "model empty", ('{"model":"",%s}'):format(MESSAGES), 400, nil, "model" },
  { "model with NUL", ('{"model":"smart\\u0000x",%s}'):format(MESSAGES), 400, nil, "model" },
  { "no messages", '{"model":"smart"}', 400, nil, "messages" },
  { "messages a string", '{"model":"smart","messages":"hi"}', 400, nil, "messages" },
  { "messages empty", '{"model":"smart","messages":[]}', 400, nil, "messages" },
  { "messages of numbers", '{"model":"smart","messages":[1]}', 400, nil, "messages[0]" },
  { "stream a string", ('{"model":"smart","stream":"yes",%s}'):format(MESSAGES), 400, nil, "stream" },
  { "max_tokens a string", ('{"model":"smart","max_tokens":"many",%s}'):format(MESSAGES), 400, nil, "max_tokens" },
  { "max_tokens negative", ('{"model":"smart","max_tokens":-1,%s}'):format(MESSAGES), 400, nil, "max_tokens" },
  { "model twice", ('{"model":"smart","model":"gpt-house",%s}'):format(MESSAGES), 400, "duplicate_key", "model" },
  { "model twice, once escaped", ('{"model":"smart","mode\\u006c":"gpt-house",%s}'):format(MESSAGES), 400, "duplicate_key", "model" },
  { "stream twice", ('{"model":"smart","stream":false,"stream":true,%s}'):format(MESSAGES), 400, "duplicate_key", "stream" },
  { "messages twice", ('{"model":"smart",%s,%s}'):format(MESSAGES, MESSAGES), 400, "duplicate_key", "messages" },
  { "65 levels", ('{"model":"smart",%s,"x":%s1%s}'):format(MESSAGES, ("["):rep(64), ("]"):rep(64)), 400 },
  { "100,000 levels", ('{"model":"smart",%s,"x":%s'):format(MESSAGES, ("["):rep(100000)), 400 },
  { "broken UTF-8", ('{"model":"smart","user":"\xff\xfe",%s}'):format(MESSAGES), 400 },
  { "raw control bytes", ('{"model":"smart","user":"a\1b",%s}'):format(MESSAGES), 400, "invalid_json" },
  { "a trailing comma", ('{"model":"smart",%s,}'):format(MESSAGES), 400, "invalid_json" },
  { "NaN", ('{"model":"smart","temperature":NaN,%s}'):format(MESSAGES), 400, "invalid_json" },
  { "an unknown provider", ('{"model":"smart","provider":"nobody",%s}'):format(MESSAGES), 400, nil, "provider" },
  { "an unknown strategy", ('{"model":"smart","routing_strategy":"nonsense",%s}'):format(MESSAGES), 400, nil, "routing_strategy" },
}

describe("bad input", function()
  local mock, gateway, start, stop = pair.of(launch.mock, { config = CONFIG })
  setup(start)
  teardown(stop)

  local function assert_refused(answer, status, code, param)
    assert.equal(status, answer.status)
    assert.equal("application/json", answer.headers["content-type"])
    local body = assert(answer:json(), "the refusal is not JSON").error
    assert.equal("string", type(body.message))
    assert.equal("string", type(body.type))
    assert.is_truthy(body.param ~= nil and body.code ~= nil, "all four keys")
    if code then
      assert.equal(code, body.code)
    end
    if param then
      assert.equal(param, body.param)
    end
    assert.is_truthy(#answer.headers["x-request-id"] > 0)
    return body
  end

  for _, case in ipairs(BODIES) do
    it("in a body: " .. case[1], function()
      local before = mock:stats().requests
      local answer = gateway:request { method = "POST", path = "/v1/chat/completions", body = case[2] }
      assert_refused(answer, case[3], case[4], case[5])
      assert.equal(before, mock:stats().requests)
    end)
  end

  it("64 levels are still served", function()
    local body = ('{"model":"smart",%s,"metadata":%s1%s}'):format(MESSAGES, ("["):rep(62), ("]"):rep(62))
    assert.equal(200, gateway:request({ method = "POST", path = "/v1/chat/completions", body = body }).status)
  end)

  it("a body of 40 MB: 413, and the memory is given back", function()
    local body = ('{"model":"smart","x":"%s",%s}'):format(("x"):rep(40 * 1024 * 1024), MESSAGES)
    local connection = http.connect { port = gateway.port }
    local sent = connection:send(http.format { path = "/v1/chat/completions", body = body })
    local answer = connection:answer()
    assert.is_truthy(answer, "no answer; all was sent: " .. tostring(sent))
    assert_refused(answer:read(), 413, "request_too_large")
    assert.matches("at most 33554432 bytes", answer:json().error.message)
    connection:close()
    assert.equal(200, gateway:chat({ model = "smart" }).status)
  end)

  it("on Anthropic's paths: its shape, whoever refuses", function()
    local connection = http.connect { port = gateway.port }
    connection:send("POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\nContent-Length: 999999999\r\n\r\n")
    local answers = { [413] = { connection:answer():read(), "request_too_large" },
      [405] = { gateway:get "/v1/messages", "invalid_request_error" }, [404] = { gateway:get "/v1/messages/batches", "not_found_error" },
      [415] = { gateway:request { path = "/v1/messages", body = "a=b", content_type = "text/plain" }, "invalid_request_error" } }
    connection:close()
    for status, case in pairs(answers) do
      local answer, body = case[1], case[1]:json()
      assert.same({ status, "error", case[2] }, { answer.status, body.type, body.error.type })
      assert.is_truthy(#body.request_id > 0 and #answer.headers["x-request-id"] > 0)
    end
  end)

  it("a body of 30 MB is served", function()
    local answer = gateway:chat { model = "smart", messages = { { role = "user", content = ("word "):rep(6000000) } } }
    assert.equal(200, answer.status)
    assert.equal(6000000, answer:json().usage.prompt_tokens)
  end)

  it("an unknown model: 404 with the nearest names", function()
    local body = assert_refused(gateway:chat { model = "gpt-hous" }, 404, "model_not_found", "model")
    assert.matches("gpt%-house", body.message)
    assert_refused(gateway:chat { model = "nobody/hello" }, 404, "model_not_found")
    assert_refused(gateway:chat { model = ("x"):rep(5000) }, 404, "model_not_found")
  end)

  it("an unknown path, a wrong method, a wrong type", function()
    assert_refused(gateway:get "/nothing/here", 404, "not_found")
    assert_refused(gateway:get "/v1/chat/completions", 405, "method_not_allowed")
    local answer = gateway:request { method = "POST", path = "/v1/models", body = "{}" }
    assert_refused(answer, 405, "method_not_allowed")
    assert.matches("GET", answer.headers.allow)
    assert_refused(gateway:request { path = "/v1/chat/completions", body = "a=b", content_type = "text/plain" }, 415, "unsupported_media_type")
    assert_refused(gateway:request { path = "/v1/chat/completions", body = "{}", headers = { ["Content-Encoding"] = "gzip" } }, 415, "unsupported_media_type")
  end)

  it("curl -d without a header works all the same", function()
    local body = ('{"model":"smart",%s}'):format(MESSAGES)
    assert.equal(200, gateway:request({ path = "/v1/chat/completions", body = body, content_type = "application/x-www-form-urlencoded" }).status)
    assert.equal(200, gateway:request({ path = "/v1/chat/completions", body = body, content_type = "" }).status)
    assert.equal(200, gateway:request({ path = "/v1/chat/completions", body = body, content_type = "application/json; charset=utf-8" }).status)
  end)

  -- Framing that two readers could read two ways: one refusal, then the end of the connection.
  for what, raw in pairs {
    ["two lengths"] = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    ["length and chunks"] = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ["a negative length"] = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n",
    ["an unknown coding"] = "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ["a blank before the colon"] = "GET /health HTTP/1.1\r\nHost : x\r\n\r\n",
    ["no host"] = "GET /health HTTP/1.1\r\n\r\n",
    ["a folded header"] = "GET /health HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n",
    ["a bare LF"] = "GET /health HTTP/1.1\nHost: x\n\n",
    ["garbage"] = "\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ["a proxy's request"] = "GET http://example.com/ HTTP/1.1\r\nHost: x\r\n\r\n",
    ["CONNECT"] = "CONNECT example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n",
  } do
    it("in framing: " .. what, function()
      local before = mock:stats().requests
      local connection = http.connect { port = gateway.port }
      assert(connection:send(raw .. "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"))
      local answer = connection:answer()
      assert.is_truthy(answer, "no answer")
      assert.is_truthy(answer.status >= 400 and answer.status < 600, answer.head)
      answer:read()
      assert.is_truthy(connection:is_closed(), "the connection stays open, or a second answer came")
      connection:close()
      assert.equal(before, mock:stats().requests)
    end)
  end

  it("too long a head: 431 or 414", function()
    local connection = http.connect { port = gateway.port }
    connection:send("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " .. ("x"):rep(100000) .. "\r\n\r\n")
    assert.equal(431, connection:answer().status)
    connection:close()
  end)

  it("in Anthropic's dialect is answered in it, where the route is there", function()
    local answer = gateway:request { path = "/v1/messages", body = "{" }
    assert.is_truthy(answer.status == 400 or answer.status == 404)
    if answer.status == 400 then
      assert.equal("error", answer:json().type)
    end
  end)
end)
