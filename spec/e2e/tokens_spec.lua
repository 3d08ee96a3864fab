--- Access tokens of Google Cloud: asked for when the gateway starts, renewed, kept over reloads, missing without harm, and never shown.
local cjson = require "cjson"
local google = require "support.google"
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 2,
  providers = {
    vertex_ai = { base_url = "%s", location = "us-east1", %s },
    mock = {},
  },
  models = { alone = { "vertex_ai/gemini-2.5-flash" }, both = { "vertex_ai/gemini-2.5-flash", "mock/hello" } },
  strategy = "priority",
}]]

local FROM_FILE = 'credentials = "sa.json"'
local SAID = '{"candidates":[{"content":{"role":"model","parts":[{"text":"hi"}]},"finishReason":"STOP"}],' ..
  '"usageMetadata":{"promptTokenCount":1,"candidatesTokenCount":1,"totalTokenCount":2}}'

describe("an access token", function()
  local endpoint, vertex, gateway

  local function token(text, seconds)
    endpoint:answer(200, "application/json", cjson.encode { access_token = text, expires_in = seconds or 3600, token_type = "Bearer" })
  end

  local function account(over)
    over = over or {}
    over.token_uri = endpoint.origin .. "/token"
    return google.service_account(over)
  end

  local function start(options)
    options = options or {}
    gateway = launch.start {
      config = CONFIG:format(vertex.origin, options.entry or FROM_FILE), env = options.env,
      files = { ["sa.json"] = options.file or account(), [".env"] = options.dot_env },
    }
  end

  local function asked_with()
    return vertex:request().headers.authorization
  end

  --- The token that a request is sent with now; nil where it was refused.
  local function used()
    local answer = gateway:chat { model = "alone" }
    return answer.status == 200 and asked_with():match "^Bearer (.*)$" or nil, answer
  end

  local function becomes(text)
    assert.is_truthy(http.eventually(function() return used() == text end), "it does not become " .. tostring(text))
  end

  local function lines(result)
    local found = {}
    for _, line in ipairs(gateway:log()) do
      if line.event == "token" and (result == nil or line.result == result) then
        found[#found + 1] = line
      end
    end
    return found
  end

  local function reload(generation)
    gateway:signal "HUP"
    assert.is_truthy(http.eventually(function() return gateway:generation() == generation end))
  end

  local function health()
    return gateway:get("/health"):json().providers.vertex_ai
  end

  before_each(function()
    gateway = nil
    endpoint, vertex = scripted.start(), scripted.start()
    vertex:answer(200, "application/json", SAID)
    token "ya29.first-canary-0001"
  end)
  after_each(function()
    local status = gateway and gateway:stop()
    endpoint:stop()
    vertex:stop()
    assert.equal(gateway and 0 or nil, status)
  end)

  it("is there before the first request, asked for with a claim that the account signed", function()
    start()
    assert.equal("ya29.first-canary-0001", (used()))
    assert.equal("POST /v1/projects/my-project-1/locations/us-east1/publishers/google/models/gemini-2.5-flash:generateContent HTTP/1.1",
      vertex:request().line)
    local request = endpoint:request()
    assert.same({ "POST /token HTTP/1.1", "127.0.0.1:" .. endpoint.port, "application/x-www-form-urlencoded" },
      { request.line, request.headers.host, request.headers["content-type"] })
    local claims, header = google.verify(google.form(request.body).assertion)
    assert.same({ "kid-canary-0123456789", "robot@my-project-1.iam.gserviceaccount.com", endpoint.origin .. "/token", 3600 },
      { header.kid, claims.iss, claims.aud, claims.exp - claims.iat })
    assert.is_truthy(math.abs(os.time() - claims.iat) < 3600)
    assert.same({ "good", "healthy" }, { health().token, health().status })
    assert.equal("taken", gateway:log_line(function(line) return line.event == "token" end).result)
  end)

  it("comes by the variable in .env alone, for streams as well", function()
    start { entry = "", dot_env = "GOOGLE_APPLICATION_CREDENTIALS=sa.json\n" }
    vertex:answer(200, "text/event-stream", "data: " .. SAID .. "\r\n\r\n")
    assert.equal("hi", gateway:stream({ model = "alone" }).text)
    assert.equal("Bearer ya29.first-canary-0001", asked_with())
  end)

  it("of a user is asked for with the refresh token, and says whose project pays", function()
    start { file = google.user { token_uri = endpoint.origin .. "/token" }, env = { VERTEXAI_PROJECT = "p-1" } }
    assert.equal("ya29.first-canary-0001", (used()))
    assert.equal("payer-1", vertex:request().headers["x-goog-user-project"])
    assert.same({ grant_type = "refresh_token", client_id = "12345.apps.googleusercontent.com", client_secret = google.SECRETS.client_secret,
      refresh_token = google.SECRETS.refresh_token }, google.form(endpoint:request().body))
  end)

  it("of the machine is asked for at the metadata server", function()
    start { entry = 'credentials = "metadata", project = "p-1"', env = { GCE_METADATA_HOST = "127.0.0.1:" .. endpoint.port } }
    assert.equal("ya29.first-canary-0001", (used()))
    local request = endpoint:request()
    assert.same({ "GET /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1", "Google", "" },
      { request.line, request.headers["metadata-flavor"], request.body })
  end)

  it("is renewed before it ends, without a request in between that has none", function()
    token("ya29.first-canary-0001", 8)
    start()
    assert.equal("ya29.first-canary-0001", (used()))
    token "ya29.second-canary-0002"
    assert.is_truthy(http.eventually(function()
      local text, answer = used()
      assert.equal(200, answer.status)
      return text == "ya29.second-canary-0002"
    end), "it is not renewed")
    assert.equal(1, #lines(), "renewals are no news")
  end)

  it("is shared by all that have the same credentials", function()
    start { entry = FROM_FILE .. ' }, other = { kind = "vertex_ai", credentials = "sa.json", base_url = "' .. vertex.origin .. '", project = "p-2"' }
    assert.equal("ya29.first-canary-0001", (used()))
    assert.equal(200, gateway:chat({ model = "other/gemini-2.5-pro" }).status)
    assert.equal("Bearer ya29.first-canary-0001", asked_with())
    assert.equal(1, endpoint:count())
  end)

  it("stays over reloads; another account gets its own", function()
    start()
    for generation = 2, 4 do
      reload(generation)
      assert.equal("ya29.first-canary-0001", (used()))
    end
    assert.equal(1, endpoint:count())
    token "ya29.second-canary-0002"
    process.write_file(gateway.folder .. "/sa.json", account { client_email = "another@x.iam" }) -- seen like any other file of the config
    assert.is_truthy(http.eventually(function() return gateway:generation() == 5 end))
    becomes "ya29.second-canary-0002"
    assert.equal(2, endpoint:count())
    assert.equal("another@x.iam", google.verify(google.form(endpoint:request().body).assertion).iss)
    process.write_file(gateway.folder .. "/sa.json", "broken")
    assert.is_truthy(gateway:log_line(function(line) return line.event == "reload" and line.result == "refused" end))
    assert.equal("ya29.second-canary-0002", (used()))
  end)

  it("that does not come leaves its targets out, says why, once, and heals", function()
    endpoint:answer(503, "application/json", '{"error":"temporarily_unavailable","error_description":"try later"}')
    start()
    local text, answer = used()
    assert.is_nil(text)
    assert.same({ 503, "no_fit_target" }, { answer.status, answer:json().error.code })
    assert.matches("vertex_ai/gemini%-2%.5%-flash %(token%)", answer:json().error.message)
    assert.is_truthy(tonumber(answer.headers["retry-after"]) >= 1, answer.headers["retry-after"])
    assert.same({ { target = "vertex_ai/gemini-2.5-flash", reason = "token" } }, gateway:record(answer.id).left_out)
    local other = gateway:chat { model = "both" }
    assert.same({ 200, "mock", "1" }, { other.status, other.headers["x-provider"], other.headers["x-attempts"] })
    assert.same({ { target = "vertex_ai/gemini-2.5-flash", reason = "token" } }, gateway:record(other.id).left_out)
    assert.same({ "missing", "unhealthy", "closed" }, { health().token, health().status, health().breaker })
    assert.equal("degraded", gateway:get("/health"):json().status)
    assert.equal("missing", gateway:get("/providers"):json().providers[2].token)
    assert.is_false(vertex:was_asked())
    assert.is_truthy(http.eventually(function() return endpoint:count() >= 3 end), "it is not asked for again")
    assert.equal(1, #lines())
    assert.same({ "warn", "vertex_ai", "missing", "it answered 503: temporarily_unavailable: try later" },
      { lines()[1].level, lines()[1].provider, lines()[1].result, lines()[1].message })
    token "ya29.second-canary-0002"
    becomes "ya29.second-canary-0002"
    assert.equal("good", health().token)
    assert.equal("info", gateway:log_line(function(line) return line.event == "token" and line.result == "taken" end).level)
  end)

  it("is used to its end while no new one comes", function()
    token("ya29.first-canary-0001", 4)
    start()
    endpoint:answer(500, "text/html", "<html>")
    assert.is_truthy(gateway:log_line(function(line) return line.event == "token" and line.result == "kept" end))
    assert.is_truthy(http.eventually(function()
      local text, answer = used()
      assert.is_truthy(text == "ya29.first-canary-0001" or (text == nil and answer.status == 503))
      return text == nil
    end), "it does not end")
    token "ya29.second-canary-0002"
    becomes "ya29.second-canary-0002"
  end)

  it("that Vertex refuses is renewed early, once", function()
    start()
    vertex:answer(401, "application/json", '{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}')
    token "ya29.second-canary-0002"
    assert.equal(401, gateway:chat({ model = "alone" }).status)
    assert.is_truthy(http.eventually(function()
      gateway:chat { model = "alone" }
      return asked_with() == "Bearer ya29.second-canary-0002"
    end), "it is not renewed")
    for _ = 1, 5 do
      assert.equal(401, gateway:chat({ model = "alone" }).status)
    end
    reload(2)
    assert.equal(2, endpoint:count())
    vertex:answer(200, "application/json", SAID)
    assert.equal("ya29.second-canary-0002", (used()))
    assert.equal(2, endpoint:count())
  end)

  it("is not asked for anew when a project is forbidden", function()
    start()
    vertex:answer(403, "application/json", '{"error":{"code":403,"message":"no","status":"PERMISSION_DENIED"}}')
    for _ = 1, 3 do
      assert.is_truthy(gateway:chat({ model = "alone" }).status ~= 200)
    end
    reload(2)
    assert.equal(1, endpoint:count())
  end)

  it("goes along with the checks of its provider, which wait for it", function()
    endpoint:answer(500, "text/html", "<html>")
    start { entry = FROM_FILE .. ', check = { path = "/up", every = "1s" }' }
    assert.is_truthy(http.eventually(function() return endpoint:count() >= 3 end), "it is not asked for again")
    assert.is_false(vertex:was_asked())
    token "ya29.first-canary-0001"
    assert.is_truthy(http.eventually(function() return vertex:was_asked() end))
    local request = vertex:request()
    assert.same({ "GET /v1/up HTTP/1.1", "Bearer ya29.first-canary-0001" }, { request.line, request.headers.authorization })
  end)

  it("is not waited for longer than five seconds", function()
    local deaf = launch.provider.deaf()
    local file = google.service_account { token_uri = ("http://127.0.0.1:%d/token"):format(deaf.port) }
    start { file = file }
    local text, answer = used()
    assert.is_nil(text)
    assert.same({ 503, "1" }, { answer.status, answer.headers["retry-after"] })
    assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    deaf:stop()
  end)

  it("is not asked for by check and explain", function()
    local options = { config = CONFIG:format(vertex.origin, FROM_FILE), arguments = { "check" },
      files = { ["sa.json"] = account(), ["request.json"] = '{ "model": "both", "messages": [ { "role": "user", "content": "Hello" } ] }' } }
    local status, out = launch.run(options)
    assert.same({ 0, "ok\n" }, { status, launch.last_line(out) })
    options.arguments = { "explain", "gateway.lua", "request.json" }
    status, out = launch.run(options)
    assert.equal(0, status)
    assert.equal("vertex_ai/gemini-2.5-flash", cjson.decode(out).plan[1].target)
    assert.is_false(endpoint:was_asked())
    options.files["sa.json"] = account { private_key = "-----BEGIN canary" }
    options.arguments = { "check" }
    local err
    status, out, err = launch.run(options)
    assert.equal(1, status)
    assert.matches("gateway.lua:4: providers.vertex_ai.credentials.private_key: sa.json: expected an RSA key", err)
    assert.is_nil((out .. err):find("canary", 1, true))
  end)

  it("is shown nowhere, nor what it is asked for with", function()
    local shown = {}
    local function look(text)
      shown[#shown + 1] = text
    end
    -- The endpoint repeats what it was sent; then Vertex does.
    start { file = google.user { token_uri = endpoint.origin .. "/token" }, env = { VERTEXAI_PROJECT = "p-1" } }
    vertex:answer(400, "application/json", '{"error":{"code":400,"message":"you sent Bearer ya29.first-canary-0001","status":"INVALID_ARGUMENT"}}')
    look(gateway:chat({ model = "alone" }).body)
    look(gateway:chat({ model = "alone", stream = true }).body)
    endpoint:answer(400, "application/json", cjson.encode { error = "invalid_grant",
      error_description = ("%s and %s are wrong"):format(google.SECRETS.client_secret, google.SECRETS.refresh_token) })
    process.write_file(gateway.folder .. "/sa.json", google.user { token_uri = endpoint.origin .. "/token", client_id = "another" })
    assert.is_truthy(gateway:log_line(function(line) return line.event == "token" and line.result == "missing" end))
    look(gateway:chat({ model = "alone" }).body)
    endpoint:answer(500, "text/html", "<html>")
    process.write_file(gateway.folder .. "/sa.json", account())
    assert.is_truthy(http.eventually(function() return google.form(endpoint:request().body).assertion end))
    local assertion = google.form(endpoint:request().body).assertion
    endpoint:answer(400, "application/json", cjson.encode { error = "invalid_grant", error_description = "bad " .. assertion })
    assert.is_truthy(gateway:log_line(function(line) return line.event == "token" and line.message:find "bad " end))
    for _, path in ipairs { "/health", "/providers", "/admin/providers/vertex_ai/circuit-breaker" } do
      look(gateway:get(path).body)
    end
    look(gateway.process:err())
    look(gateway.process:out())
    local text = table.concat(shown, "\n")
    assert.matches("invalid_grant", text)
    for _, secret in ipairs { "first-canary", google.SECRETS.client_secret:sub(4, 16), google.SECRETS.refresh_token:sub(4, 18),
      assertion:match "%.([^.]+)$":sub(1, 20), google.key().pem:sub(100, 120) } do
      assert.is_nil(text:find(secret, 1, true), "shown: " .. secret)
    end
  end)
end)
