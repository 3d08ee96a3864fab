--- Keys: who may come in, what each may ask for; nothing that is refused goes upstream or is shown.
local launch = require "support.launch"
local http = require "support.http"

local CONFIG = [[
return {
  workers = 1,
  providers = { mock = {} },
  models = { ["gpt-house"] = { "mock/hello" }, ["gpt-garden"] = { "mock/hello" }, other = { "mock/hello" } },
  keys = {
    { key = "sk-alice-secret-0001", user = "alice", tier = "pro", models = { "gpt-*" } },
    { sha256 = "%s", user = "bob" },
    { key = "sk-carol-secret-0003", user = "carol", expires = "2020-01-01" },
    { key = "sk-dave-secret-00004", user = "dave", expires = "2099-01-01" },
  },
  admin = { key = "sk-admin-secret-0005" },
}]]

local function sha256(text)
  local pipe = assert(io.popen("printf %s '" .. text .. "' | sha256sum"))
  local hex = pipe:read "l":match "^%x+"
  pipe:close()
  return hex
end

describe("keys", function()
  local gateway

  setup(function() gateway = launch.start { config = CONFIG:format(sha256 "sk-bob-secret-0002") } end)
  teardown(function()
    assert.equal(0, gateway:stop())
    for _, secret in ipairs { "sk-alice-secret-0001", "sk-bob-secret-0002", "sk-admin-secret-0005", "sk-nobody" } do
      assert.is_nil(gateway.last_log:find(secret, 1, true), "a key is in the log")
    end
  end)

  local function chat(key, model, headers)
    return gateway:chat({ model = model or "gpt-house" }, { key = key, headers = headers })
  end

  it("none, wrong, nearly right or expired: 401 in their own words, and the key is not repeated", function()
    for key, code in pairs { [""] = "missing_api_key", ["sk-nobody-knows-this"] = "invalid_api_key", ["sk-alice-secret-000"] = "invalid_api_key",
      ["sk-alice-secret-00011"] = "invalid_api_key", ["SK-ALICE-SECRET-0001"] = "invalid_api_key", ["sk-carol-secret-0003"] = "key_expired" } do
      local answer = chat(key ~= "" and key or nil)
      assert.equal(401, answer.status)
      local body = answer:json().error
      assert.same({ code, "authentication_error" }, { body.code, body.type })
      assert.is_nil(key ~= "" and answer.body:find(key, 1, true) or nil)
      local record = gateway:record(answer.id)
      assert.same({ code, code == "key_expired" and "carol" or "anonymous" }, { record.error, record.user })
    end
    for _, value in ipairs { "", "Bearer", "Bearer ", "Basic c2stYWxpY2U=", "sk-alice-secret-0001" } do
      assert.equal("missing_api_key", chat(nil, nil, { Authorization = value }):json().error.code, value)
    end
  end)

  it("that are not good are told apart on every route, in its dialect", function()
    for path, dialect in pairs { ["/v1/chat/completions"] = "openai", ["/v1/responses"] = "openai", ["/v1/embeddings"] = "openai",
      ["/completion"] = "openai", ["/v1/models"] = "openai", ["/v1/messages"] = "anthropic", ["/v1/messages/count_tokens"] = "anthropic" } do
      local said = {}
      for _, key in ipairs { "", "sk-nobody-knows-this", "sk-carol-secret-0003" } do
        local answer = gateway:request { path = path, body = path ~= "/v1/models" and {} or nil, headers = { ["X-API-Key"] = key } }
        local body = answer:json()
        assert.same({ 401, "authentication_error" }, { answer.status, body.error.type })
        assert.equal(dialect == "anthropic" and "error" or nil, body.type)
        said[#said + 1] = dialect == "anthropic" and body.error.message or body.error.code
      end
      assert.same(dialect == "openai" and { "missing_api_key", "invalid_api_key", "key_expired" } or {
        "No API key provided. Send yours as 'Authorization: Bearer KEY'.",
        "Incorrect API key provided. Send yours as 'Authorization: Bearer KEY'.", "This API key has expired." }, said, path)
    end
  end)

  it("that are not good are refused before the client is told to send its body", function()
    local body = require("cjson").encode(launch.body { model = "gpt-house" })
    for _, path in ipairs { "/v1/chat/completions", "/v1/messages", "/admin/reload" } do
      for key, status in pairs { ["sk-nobody-knows-this"] = 401, ["sk-alice-secret-0001"] = path == "/admin/reload" and 401 or 100 } do
        for _, late in ipairs { true, false } do
          local connection, id = http.connect { port = gateway.port }, launch.next_id()
          local head = http.format { path = path, body = body, headers = { ["X-API-Key"] = key, ["X-Request-ID"] = id, Expect = "100-continue" } }
          assert(connection:send(late and head:sub(1, -#body - 1) or head))
          local answer = assert(connection:answer())
          assert.equal(status, answer.status, path)
          if status == 401 then
            assert.equal("authentication_error", answer:read():json().error.type)
            assert.equal(path == "/v1/messages" and "error" or nil, answer:json().type)
            assert.is_true(connection:is_closed(5))
            assert.equal(401, gateway:record(id).status)
          end
          connection:close()
        end
      end
    end
  end)

  it("given as a key or by its hash, in either header", function()
    for user, key in pairs { alice = "sk-alice-secret-0001", bob = "sk-bob-secret-0002", dave = "sk-dave-secret-00004" } do
      local answer = chat(key)
      assert.equal(200, answer.status)
      assert.equal(user, gateway:record(answer.id).user)
    end
    assert.equal(200, chat(nil, nil, { ["X-API-Key"] = "sk-alice-secret-0001" }).status)
    assert.equal(200, chat(nil, nil, { ["X-API-Key"] = " sk-alice-secret-0001 \t" }).status)
    assert.equal(200, chat(nil, nil, { Authorization = "bearer sk-alice-secret-0001" }).status)
    assert.equal(200, chat(nil, nil, { Authorization = "Basic cHJveHk6", ["X-API-Key"] = "sk-alice-secret-0001" }).status)
  end)

  it("carry a tier into the log", function()
    local answer = chat "sk-alice-secret-0001"
    assert.equal("pro", gateway:record(answer.id).tier)
  end)

  it("may be held to some models: 403, and /v1/models shows no others", function()
    assert.equal(200, chat("sk-alice-secret-0001", "gpt-garden").status)
    local answer = chat("sk-alice-secret-0001", "other")
    assert.same({ 403, "model_not_allowed", "model" }, { answer.status, answer:json().error.code, answer:json().error.param })
    assert.equal(403, chat("sk-alice-secret-0001", "mock/hello").status)
    local names = {}
    for _, model in ipairs(gateway:request({ path = "/v1/models", key = "sk-alice-secret-0001" }):json().data) do
      assert.matches("^gpt%-", model.id)
      names[#names + 1] = model.id
    end
    assert.is_truthy(#names >= 2)
    assert.equal(200, chat("sk-bob-secret-0002", "other").status)
  end)

  it("are asked for before the body is looked at, and everywhere but on /health", function()
    assert.equal(401, gateway:request({ path = "/v1/chat/completions", body = "not JSON" }).status)
    assert.equal(401, gateway:get("/v1/models").status)
    for _, path in ipairs { "/health", "/health/live", "/health/ready" } do
      assert.equal(200, gateway:get(path).status)
    end
  end)

  it("of users do not open admin routes, nor the admin's the others", function()
    assert.equal(401, gateway:request({ method = "POST", path = "/admin/reload", body = "" }).status)
    assert.equal(401, gateway:request({ method = "POST", path = "/admin/reload", body = "", key = "sk-alice-secret-0001" }).status)
    assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "", key = "sk-admin-secret-0005" }).status)
    assert.equal(401, chat("sk-admin-secret-0005").status)
  end)
end)

describe("admin routes, where users have keys and the admin has none,", function()
  local gateway
  after_each(function() assert.equal(0, gateway:stop()) end)

  local ADMIN = { { "GET", "/providers" }, { "POST", "/admin/reload" }, { "GET", "/admin/providers/mock/circuit-breaker" },
    { "POST", "/admin/providers/mock/circuit-breaker/reset" }, { "HEAD", "/providers" } }

  it("are closed to all that a proxy on the same host lets through, and the start says how to open them", function()
    gateway = launch.start { config = 'return { workers = 1, providers = { mock = {} }, keys = { { key = "sk-alice-secret-0001", user = "alice" } } }' }
    for _, route in ipairs(ADMIN) do
      for key, code in pairs { [""] = "missing_api_key", ["sk-alice-secret-0001"] = "invalid_api_key", ["sk-nobody-knows-this"] = "invalid_api_key" } do
        local connection = http.connect { port = gateway.port }
        assert(connection:send(http.format { method = route[1], path = route[2], body = route[1] == "POST" and "" or nil,
          headers = { ["X-API-Key"] = key, ["X-Forwarded-For"] = "127.0.0.1" } }))
        local answer = assert(connection:answer())
        assert.equal(401, answer.status, route[2])
        if route[1] ~= "HEAD" then
          local failure = answer:read():json().error
          assert.equal(code, failure.code)
          assert.matches("admin = { key = env", failure.message)
        end
        connection:close()
      end
    end
    assert.equal(1, gateway:generation())
    local start = assert(gateway:log_line(function(line) return line.event == "start" end))
    assert.matches("closed: no admin key is set %(config: admin = { key", start.admin)
  end)

  it("open with its key once it is set, without a restart", function()
    local text = 'return { workers = 1, providers = { mock = {} }, keys = { { key = "sk-alice-secret-0001", user = "alice" } }, admin = { key = %s } }'
    gateway = launch.start { config = text:format "nil" }
    assert.equal(401, gateway:request({ path = "/providers", key = "sk-admin-secret-0005" }).status)
    gateway:edit_config(text:format '"sk-admin-secret-0005"')
    assert(http.eventually(function() return gateway:request({ path = "/providers", key = "sk-admin-secret-0005" }).status == 200 end))
    assert.equal(401, gateway:get("/providers").status)
  end)

  it("are nothing to speak of where there are no keys at all", function()
    gateway = launch.start { config = "return { workers = 1, providers = { mock = {} } }" }
    assert.equal(200, gateway:get("/providers").status)
    assert.is_nil(assert(gateway:log_line(function(line) return line.event == "start" end)).admin)
  end)
end)
