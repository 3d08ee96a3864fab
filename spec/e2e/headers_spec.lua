--- The headers on answers and on what goes upstream, CORS, health, the log line: the names of the contract.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 1,
  providers = {
    openai = { base_url = "%s/v1", key = "sk-openai-provider-key" },
    echo   = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-echo-provider-key", headers = { ["X-Team"] = "ml" } },
    claude = { kind = "anthropic", base_url = "http://127.0.0.1:%d/v1", key = "sk-ant-key" },
  },
  models = { smart = { { "openai/hello", price = { 1, 2 } } } },
  cors = { origins = { "https://app.example.com" } },
  strategy = "round_robin",
}]]

describe("headers", function()
  local mock, gateway, listener

  setup(function()
    mock = launch.mock()
    listener = assert(require("socket").bind("127.0.0.1", 0))
    local _, port = listener:getsockname()
    gateway = launch.start { config = CONFIG:format(mock.origin, math.tointeger(tonumber(port)), math.tointeger(tonumber(port))) }
  end)
  teardown(function()
    local status = gateway:stop()
    listener:close()
    mock:stop()
    assert.equal(0, status)
  end)

  it("say who served it, how, and how long it took", function()
    for _, answer in ipairs { gateway:chat { model = "smart" }, gateway:stream { model = "smart" } } do
      assert.equal(200, answer.status)
      assert.equal("openai", answer.headers["x-provider"])
      assert.equal("hello", answer.headers["x-model"])
      assert.equal("1", answer.headers["x-attempts"])
      assert.equal("BYPASS", answer.headers["x-cache-status"])
      assert.equal("default@1", answer.headers["x-policy"])
      assert.matches("^gateway;dur=%d+%.%d+, upstream;dur=%d+%.%d+$", answer.headers["server-timing"])
      assert.equal(answer.id, answer.headers["x-request-id"])
    end
  end)

  it("carry a request id on every answer: the caller's where it is one, else ours", function()
    for _, path in ipairs { "/health", "/health/live", "/health/ready", "/v1/models", "/nothing" } do
      assert.equal("my-id_1.x", gateway:get(path, { ["X-Request-ID"] = "my-id_1.x" }).headers["x-request-id"])
    end
    local ours = {}
    for _, bad in ipairs { "a b", "x;y", ("x"):rep(129), "\xff" } do
      local answer = gateway:get("/health/live", { ["X-Request-ID"] = bad })
      if answer.status == 200 then
        ours[#ours + 1] = answer.headers["x-request-id"]
        assert.matches("^%x+$", ours[#ours])
      end
    end
    assert.is_truthy(#ours >= 3)
    assert.are_not.equal(ours[1], ours[2])
  end)

  it("Server-Timing leaves the provider's time out of ours", function()
    local own, upstream
    http.eventually(function() -- ours is long only where the gateway was held up: not each time
      local answer = gateway:chat { model = "openai/slow-200" }
      own, upstream = answer.headers["server-timing"]:match "gateway;dur=([%d.]+), upstream;dur=([%d.]+)"
      return tonumber(own) < tonumber(upstream)
    end, 10)
    assert.is_truthy(tonumber(upstream) >= 190, upstream)
    assert.is_truthy(tonumber(own) < tonumber(upstream), own)
  end)

  -- What arrives upstream, to the byte.
  local REPLIES = {
    ["/v1/chat/completions"] = '{"id":"x","object":"chat.completion","created":1,"model":"x",'
      .. '"choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}',
    ["/v1/messages"] = '{"id":"msg_1","type":"message","role":"assistant","model":"x","content":[{"type":"text","text":"ok"}],'
      .. '"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}',
  }

  local function upstream_request(headers, body, path)
    local result
    path = path or "/v1/chat/completions"
    http.all {
      function()
        local answer = gateway:chat({ model = "echo/x" }, { headers = headers, body = body, path = path, method = "POST" })
        assert.equal(200, answer.status)
      end,
      function()
        listener:settimeout(0)
        local client = assert(http.eventually(function() return (listener:accept()) end))
        client:settimeout(http.TIMEOUT)
        local lines, length = {}, 0
        for line in function() return client:receive "*l" end do
          if line == "" then
            break
          end
          lines[#lines + 1] = line
          length = tonumber(line:lower():match "^content%-length: (%d+)") or length
        end
        result = { line = lines[1], headers = {}, body = client:receive(length) }
        for i = 2, #lines do
          local name, value = lines[i]:match "^([^:]+): (.*)$"
          assert.is_nil(result.headers[name:lower()], "twice: " .. name)
          result.headers[name:lower()] = value
        end
        local reply = REPLIES[path]
        client:send(("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"):format(#reply, reply))
        client:close()
      end,
    }
    return result
  end

  it("upstream are the provider's auth, ours, the config's, and an allow-list of the client's", function()
    local got = upstream_request {
      Authorization = "Bearer sk-clients-own", Cookie = "session=1", ["X-Forwarded-For"] = "10.0.0.1", ["X-Api-Key"] = "sk-clients-other",
      ["X-Team"] = "client", ["X-Request-ID"] = "their-id", traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    }
    assert.equal("POST /v1/chat/completions HTTP/1.1", got.line)
    assert.equal("Bearer sk-echo-provider-key", got.headers.authorization)
    assert.equal("ml", got.headers["x-team"])
    assert.matches("^gateway/", got.headers["user-agent"])
    assert.matches("^00%-0af7651916cd43dd8448eb211c80319c%-%x+%-01$", got.headers.traceparent)
    assert.are_not.equal("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", got.headers.traceparent)
    assert.matches("^%x+$", got.headers["x-request-id"])
    assert.is_nil(got.headers.cookie)
    assert.is_nil(got.headers["x-api-key"])
    assert.is_nil(got.headers["x-forwarded-for"])
  end)

  it("and the body goes as it came, but for the model and our extensions", function()
    local body = '{ "model" : "echo/x", "routing_strategy":"round_robin", "big": 12345678901234567890, "empty": [], "fallback" : true,\n'
      .. ' "messages": [{"role":"user","content":"\\u00e9"}], "provider":"echo" }'
    local got = upstream_request({}, body)
    assert.matches('"big": 12345678901234567890, "empty": %[%]', got.body)
    assert.matches('"content":"\\u00e9"', got.body)
    local sent = cjson.decode(got.body)
    assert.equal("x", sent.model)
    assert.is_nil(sent.routing_strategy)
    assert.is_nil(sent.fallback)
    assert.is_nil(sent.provider)
  end)

  it("of Anthropic's clients: betas and the body go on as they came, the key and the version are ours", function()
    local body = '{"model" : "claude/x","max_tokens":9, "big":12345678901234567890, "context_management":{"edits":[]},\n'
      .. ' "messages": [{"role":"user","content":[{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}]}]}'
    local headers = { ["anthropic-beta"] = "context-management-2025-06-27", ["anthropic-version"] = "1999-01-01", ["x-api-key"] = "sk-theirs" }
    local got = upstream_request(headers, body, "/v1/messages")
    assert.equal("POST /v1/messages HTTP/1.1", got.line)
    assert.equal("context-management-2025-06-27", got.headers["anthropic-beta"])
    assert.equal("2023-06-01", got.headers["anthropic-version"])
    assert.equal("sk-ant-key", got.headers["x-api-key"])
    assert.equal(body:gsub("claude/x", "x"), got.body)
    assert.is_nil(upstream_request({}, body, "/v1/messages").headers["anthropic-beta"])
  end)

  it("of Anthropic's clients: no header of theirs ends early and begins another", function()
    local body = '{"model":"claude/x","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
    for _, name in ipairs { "anthropic-beta", "anthropic-version", "x-api-key", "X-Request-ID" } do
      for _, value in ipairs { "a\r\n x-evil: 1", "a\r\n\tx-evil: 1", "a\rx-evil: 1", "a\nx-evil: 1", "a\n x-evil: 1", "a\0x-evil: 1",
        "a\r\n\r\nGET /evil" } do
        local answer = gateway:request { path = "/v1/messages", body = body, headers = { [name] = value } }
        assert.equal(400, answer.status, ("%s: %q"):format(name, value))
      end
    end
    listener:settimeout(0)
    assert.is_nil((listener:accept())) -- nothing of it went upstream
    listener:settimeout(nil)
    local got = upstream_request({ ["anthropic-beta"] = 'a, "b": c%0d%0ax-evil: 1' }, body, "/v1/messages")
    assert.equal('a, "b": c%0d%0ax-evil: 1', got.headers["anthropic-beta"])
    assert.is_nil(got.headers["x-evil"])
  end)

  it("of CORS: only for the origins of the config", function()
    local yes = gateway:get("/health", { Origin = "https://app.example.com" })
    assert.equal("https://app.example.com", yes.headers["access-control-allow-origin"])
    for _, name in ipairs { "X-Request-ID", "request-id", "X-Dropped-Params", "X-Tokens-Estimated", "Retry-After" } do
      assert.is_truthy((yes.headers["access-control-expose-headers"] .. ","):find(name .. ",", 1, true), name)
    end
    assert.is_nil(gateway:get("/health", { Origin = "https://evil.example.com" }).headers["access-control-allow-origin"])
    local preflight = gateway:request { method = "OPTIONS", path = "/v1/chat/completions",
      headers = { Origin = "https://app.example.com", ["Access-Control-Request-Method"] = "POST" } }
    assert.equal(204, preflight.status)
    assert.matches("POST", preflight.headers["access-control-allow-methods"])
  end)

  it("provider and strategy may be wished for by header", function()
    assert.equal(200, gateway:chat({ model = "smart" }, { headers = { ["X-Provider"] = "openai", ["X-Routing-Strategy"] = "weighted" } }).status)
    local unfit = gateway:chat({ model = "smart" }, { headers = { ["X-Provider"] = "echo" } })
    assert.equal(400, unfit.status)
    assert.equal(400, gateway:chat({ model = "smart" }, { headers = { ["X-Provider"] = "nobody" } }).status)
  end)

  it("health, ready, live and models have their shapes", function()
    assert.same({ status = "alive" }, gateway:get("/health/live"):json())
    assert.equal("ready", gateway:get("/health/ready"):json().status)
    local health = gateway:get("/health"):json()
    assert.equal("healthy", health.status)
    assert.equal("string", type(health.version))
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", health.timestamp)
    assert.equal("closed", health.providers.openai.breaker)
    assert.equal("number", type(health.providers.openai.success_rate))
    local models = gateway:get("/v1/models"):json()
    assert.equal("list", models.object)
    local found = {}
    for _, model in ipairs(models.data) do
      found[model.id] = model.object
    end
    assert.equal("model", found.smart)
    assert.equal("smart", gateway:get("/v1/models/smart"):json().id)
    assert.equal(404, gateway:get("/v1/models/nobody-knows").status)
  end)

  it("keep a connection for the next request, also behind errors and streams", function()
    local connection = http.connect { port = gateway.port }
    for _, request in ipairs {
      { path = "/health" }, { path = "/nothing" }, { path = "/v1/chat/completions", body = "{" },
      { path = "/v1/chat/completions", body = launch.body { model = "smart" } },
      { path = "/v1/chat/completions", body = launch.body { model = "smart", stream = true } }, { path = "/health/live" },
    } do
      assert(connection:send(http.format(request)))
      local answer = assert(connection:answer(), request.path):read()
      assert.is_true(answer.complete)
    end
    connection:close()
  end)

  it("the log line holds what the contract says, and no secrets or bodies", function()
    local answer = gateway:chat { model = "smart", messages = { { role = "user", content = "a very private question" } } }
    local record = gateway:record(answer.id)
    assert.matches("^%x+$", record.request_id)
    for name, value in pairs { event = "request_complete", level = "info", route = "chat_completions", user = "anonymous", tier = "default",
      model = "smart", served_model = "hello", provider = "openai", policy = "default@1", strategy = "round_robin", status = 200, stream = false,
      cached = false, cause = "ok" } do
      assert.equal(value, record[name], name)
    end
    assert.same({ "openai/hello", "ok" }, { record.attempts[1].target, record.attempts[1].outcome })
    assert.same({ input = 4, output = 11 }, record.tokens)
    assert.is_truthy(math.abs(record.cost_usd - (4 * 1 + 11 * 2) / 1e6) < 1e-12)
    assert.is_truthy(record.duration_ms >= record.attempts[1].ms)
    assert.equal("number", type(record.overhead_us))
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d+Z$", record.time)
    local log = gateway.process:err()
    assert.is_nil(log:find("private question", 1, true))
    assert.is_nil(log:find("sk-openai-provider-key", 1, true))
  end)
end)
