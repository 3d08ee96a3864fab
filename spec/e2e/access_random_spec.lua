--- Who may, at random: form, Origin, Host, Sec-Fetch-Site, key, route and kind of gateway, against a table of what each is worth.
--
-- The table below is the promise, written down apart from the code: for each route who may ask it and whether any page may. REQUESTS says how many
-- are sent (`make night`: 100,000); a request that is answered otherwise is printed with its seed: SEED=n sends the same ones again.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"

local REQUESTS = tonumber(os.getenv "REQUESTS") or 5000
local SEED = tonumber(os.getenv "SEED") or os.time()

local CHAT = { model = "mock/hello", max_tokens = 9, input = "Hello", prompt = "Hello", messages = { { role = "user", content = "Hello" } } }

-- who: whose key it wants, where there are any. any_page: may be asked by foreign pages and under foreign names. Later columns stand behind these.
local ROUTES = {
  { "POST", "/v1/chat/completions", who = "user", any_page = false, body = true, status = 200 },
  { "POST", "/v1/completions", who = "user", any_page = false, body = true },
  { "POST", "/v1/embeddings", who = "user", any_page = false, body = true },
  { "POST", "/v1/responses", who = "user", any_page = false, body = true },
  { "POST", "/v1/messages", who = "user", any_page = false, body = true, status = 200 },
  { "POST", "/v1/messages/count_tokens", who = "user", any_page = false, body = true },
  { "POST", "/completion", who = "user", any_page = false, body = true, status = 200 },
  { "GET", "/v1/models", who = "user", any_page = false, status = 200 },
  { "HEAD", "/v1/models", who = "user", any_page = false, status = 200 },
  { "GET", "/v1/models/mock%2Fhello", who = "user", any_page = false, status = 200 },
  { "GET", "/providers", who = "admin", any_page = false, status = 200 },
  { "HEAD", "/providers", who = "admin", any_page = false, status = 200 },
  { "GET", "/admin/providers/mock/circuit-breaker", who = "admin", any_page = false, status = 200 },
  { "POST", "/admin/providers/mock/circuit-breaker/reset", who = "admin", any_page = false, status = 200 },
  { "POST", "/admin/reload", who = "admin", any_page = false, status = 200, rare = true },
  { "GET", "/health", who = "all", any_page = true, status = 200 },
  { "GET", "/health/live", who = "all", any_page = true, status = 200 },
  { "GET", "/health/ready", who = "all", any_page = true, status = 200 },
  { "OPTIONS", "/health", who = "all", any_page = true, status = 204 },
  { "OPTIONS", "/v1/chat/completions", who = "all", any_page = false, status = 204 },
  { "OPTIONS", "/admin/reload", who = "all", any_page = false, status = 204 },
  { "GET", "/nothing", who = "all", any_page = false, status = 404 },
  { "POST", "/v1/messages/nothing", who = "all", any_page = false, body = true, status = 404 },
  { "GET", "/v1/chat/completions", who = "all", any_page = false, status = 405 },
  { "PUT", "/admin/reload", who = "all", any_page = false, body = true, status = 405 },
  { "DELETE", "/v1/models", who = "all", any_page = false, status = 405 },
}

-- listed: "config" where the config names it, "any" where only "*" does, "never".
local ORIGINS = {
  {}, {}, {}, {}, -- most programs send none
  { "https://app.example.com", listed = "config" }, { "HTTPS://App.Example.COM:443", listed = "config" }, { "http://localhost:3000", listed = "config" },
  { "https://app.example.com:8443", listed = "any" }, { "http://app.example.com", listed = "any" }, { "https://evil.example", listed = "any" },
  { "https://app.example.com.evil.example", listed = "any" }, { "http://127.0.0.1:3000", listed = "any" }, { "http://localhost", listed = "any" },
  { "https://app.example.com, https://evil.example", listed = "any" }, { "null", listed = "never" }, { "NULL", listed = "never" }, { "", listed = "never" },
}

local SITES = { false, false, false, "none", "same-origin", "same-site", "cross-site", "Cross-Site" }

-- known: true, "origin" where an origin of that host is listed, "host" where `hosts` has it, false.
local HOSTS = {
  { "127.0.0.1", known = true }, { "127.0.0.1:8080", known = true }, { "localhost", known = true }, { "LOCALHOST.:80", known = true },
  { "[::1]:8080", known = true },
  { "10.1.2.3", known = true }, { "any.localhost:1", known = true }, { "app.example.com", known = "origin" }, { "App.Example.Com:8443", known = "origin" },
  { "LLM.internal:80", known = "host" }, { "llm.internal.", known = "host" }, { "evil.example", known = false }, { "evil.example:8080", known = false },
  { "127.0.0.1.evil.example", known = false }, { "localhost.evil.example", known = false }, { "evillocalhost", known = false }, { "0x7f.1", known = false },
  { "2130706433", known = false }, { "llm.internal.evil.example", known = false }, { "sub.app.example.com", known = false },
}

local KEYS = {
  { false }, { false }, { "sk-alice-secret-0001", whose = "user" }, { "sk-carol-secret-0003", whose = "expired" }, { "sk-admin-secret-0005", whose = "admin" },
  { "sk-nobody-knows-this" },
}

local FORMS = { "application/json", "application/x-www-form-urlencoded", "text/plain", "" }

local LIST = 'cors = { origins = { "https://app.example.com", "http://localhost:3000" } }, hosts = { "llm.internal" },'
local USERS = 'keys = { { key = "sk-alice-secret-0001", user = "alice" }, { key = "sk-carol-secret-0003", user = "carol", expires = "2020-01-01" } },'
local ADMIN = 'admin = { key = "sk-admin-secret-0005" },'

local KINDS = {
  { name = "loopback without keys", config = LIST, loopback = true },
  { name = "loopback with the admin's", config = LIST .. ADMIN, loopback = true, admin = true },
  { name = "loopback with users'", config = LIST .. USERS, loopback = true, users = true },
  { name = "loopback with all keys", config = LIST .. USERS .. ADMIN, loopback = true, users = true, admin = true },
  { name = "loopback, every origin", config = 'cors = { origins = "*" },', loopback = true, every = true },
  { name = "open to the network", config = LIST .. "open = true,", env = { HOST = "0.0.0.0" } },
}

-- ---------------------------------------------------------------- the oracle

local function is_listed(kind, origin)
  return origin.listed == "config" or (kind.every and origin.listed == "any")
end

--- What refuses this page or name, or nil.
local function page_refusal(kind, case)
  if case.origin[1] and not is_listed(kind, case.origin) then
    return "origin_not_allowed"
  elseif not case.origin[1] and case.site and case.site:lower() == "cross-site" then
    return "origin_not_allowed"
  end
  local known = case.host.known
  if kind.loopback and not (known == true or (known and not kind.every)) then
    return "host_not_allowed"
  end
end

--- The code of the refusal, or nil where it may.
local function refusal(kind, case)
  local who, whose = case.route.who, case.key.whose
  if who == "admin" and (kind.admin or kind.users or not kind.loopback) then
    return not (kind.admin and whose == "admin") and (case.key[1] and "invalid_api_key" or "missing_api_key") or nil
  elseif who == "user" and kind.users then
    return whose ~= "user" and (not case.key[1] and "missing_api_key" or whose == "expired" and "key_expired" or "invalid_api_key") or nil
  elseif case.route.any_page or kind.users then
    return nil
  end
  return page_refusal(kind, case)
end

-- ---------------------------------------------------------------- asking

local function pick(list)
  return list[math.random(#list)]
end

local function draw()
  local case = { route = pick(ROUTES), origin = pick(ORIGINS), site = pick(SITES), host = pick(HOSTS), key = pick(KEYS), form = pick(FORMS) }
  return case.route.rare and math.random(8) > 1 and draw() or case
end

local function request_of(case)
  local headers = { Origin = case.origin[1], ["Sec-Fetch-Site"] = case.site or nil }
  if case.key[1] then
    local bearer = math.random(2) == 1
    headers[bearer and "Authorization" or "X-API-Key"] = (bearer and "Bearer " or "") .. case.key[1]
  end
  local method = case.route[1]
  return http.format { method = method, path = case.route[2], authority = case.host[1], headers = headers, content_type = case.form,
    body = case.route.body and CHAT or (method == "POST" or method == "PUT") and "" or nil }
end

--- One request on the gateway's kept connection, or on a new one where the last answer closed it.
local function ask(gateway, bytes, has_body)
  for _ = 1, 2 do
    gateway.kept = gateway.kept or http.connect { port = gateway.port }
    local answer = gateway.kept:send(bytes) and gateway.kept:answer()
    if answer and has_body then
      answer:read()
    end
    if not answer or (answer.headers.connection or ""):lower() == "close" then
      gateway.kept:close()
      gateway.kept = nil
    end
    if answer then
      return answer
    end
  end
  error("no answer to " .. bytes, 0)
end

local function code_of(answer)
  local body = answer:json()
  return type(body) == "table" and type(body.error) == "table" and body.error.code or nil
end

local STATUS = { missing_api_key = 401, invalid_api_key = 401, key_expired = 401, origin_not_allowed = 403, host_not_allowed = 403 }

--- What is wrong with the answer, or nil.
local function complaint(kind, case, answer)
  local code = refusal(kind, case)
  local allowed = answer.headers["access-control-allow-origin"]
  local listed = case.origin[1] and is_listed(kind, case.origin) or false
  if (allowed ~= nil) ~= listed then
    return "Access-Control-Allow-Origin: " .. tostring(allowed)
  elseif code then
    local said = case.route[1] == "HEAD" and code or code_of(answer) or code -- Anthropic's errors have no code
    return (answer.status ~= STATUS[code] or said ~= code) and ("expected %d %s, got %d %s"):format(STATUS[code], code, answer.status, tostring(said)) or nil
  elseif answer.status == 401 or answer.status == 403 then
    return ("expected to pass, got %d %s"):format(answer.status, tostring(code_of(answer)))
  end
  local expected = case.route.status
  if expected == 200 and case.route.body and case.form == "text/plain" then
    expected = 415
  end
  return expected and answer.status ~= expected and ("expected %d, got %d"):format(expected, answer.status) or nil
end

describe("the table of who may", function()
  it("names every route that the gateway has", function()
    local file = assert(io.open "runtime/gateway/routes.c")
    local text, count = file:read "a", 0
    file:close()
    for name, method, path in text:gmatch '{"([%w_]+)", "(%u+)", "(/[^"]*)"' do
      local found = false
      for _, route in ipairs(ROUTES) do
        found = found or (route[1] == method and route[2]:sub(1, #path) == path and (route[2] == path or path:sub(-1) == "/"))
      end
      assert.is_true(found, name)
      count = count + 1
    end
    assert.is_true(count >= 16, count)
  end)
end)

describe("who may, at random,", function()
  local gateways = {}

  setup(function()
    for i, kind in ipairs(KINDS) do
      gateways[i] = launch.start { env = kind.env,
        config = ("return { workers = 1, log = { level = 'warn' }, providers = { mock = {} }, %s }"):format(kind.config) }
    end
  end)
  teardown(function()
    for _, gateway in ipairs(gateways) do
      if gateway.kept then
        gateway.kept:close()
      end
      assert.equal(0, gateway:stop())
    end
  end)

  it("is who the table says", function()
    math.randomseed(SEED)
    local seen = {}
    for number = 1, REQUESTS do
      local place = math.random(#KINDS)
      local case = draw()
      local bytes = request_of(case)
      local answer = ask(gateways[place], bytes, case.route[1] ~= "HEAD")
      local wrong = complaint(KINDS[place], case, answer)
      assert(not wrong, ("SEED=%d, request %d, %s: %s\n%s%s"):format(SEED, number, KINDS[place].name, wrong or "", bytes, answer.body or answer.head))
      local outcome = refusal(KINDS[place], case) or "may"
      seen[outcome] = (seen[outcome] or 0) + 1
    end
    for _, outcome in ipairs { "may", "missing_api_key", "invalid_api_key", "key_expired", "origin_not_allowed", "host_not_allowed" } do
      assert.is_truthy((seen[outcome] or 0) > REQUESTS / 200, ("%s came %d times: %s"):format(outcome, seen[outcome] or 0, cjson.encode(seen)))
    end
  end)
end)
