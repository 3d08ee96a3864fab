--- Active checks: a provider that dies leaves the candidates before a client notices, and comes back; nothing else makes it look ill.
local launch = require "support.launch"
local http = require "support.http"
local lfs = require "lfs"
local scripted = require "support.scripted"

local CONFIG = [[
return {
  workers = 2,
  providers = {
    a = { kind = "openai", base_url = "%s/v1", key = "sk-a", headers = { ["X-Team"] = "ml" }%s },
    b = { kind = "openai", base_url = "%s/v1", key = "sk-b" },
  },
  models = { both = { "a/hello", "b/hello" }, most = { "a/hello", "a/hallo", "b/hello" }, alone = { "a/hello" } },
  strategy = "round_robin",
}]]

local CHECK = ', check = { every = "1s", timeout = "1s", fall = 3 }'
local QUICK = ', check = { every = "1s", timeout = "1s", fall = 1, rise = 1 }' -- where no living provider is asked: one that stands still seems dead

describe("a check", function()
  local a, origin, b, gateway

  local function config(check)
    origin = a and a.origin or origin
    return CONFIG:format(origin, check, b.origin)
  end

  local function start(check)
    gateway = launch.start { config = config(check or CHECK) }
  end

  local function die()
    if a then
      a:stop()
      a = nil
    end
  end

  local function says(provider)
    return gateway:get("/health"):json().providers[provider or "a"].check
  end

  local function becomes(state)
    assert.is_truthy(http.eventually(function() return says() == state end), "it does not become " .. tostring(state))
  end

  local function lines(result)
    local found = {}
    for _, line in ipairs(gateway:log()) do
      if line.event == "check" and (result == nil or line.result == result) then
        found[#found + 1] = line
      end
    end
    return found
  end

  --- The one line of that result; the log is written a moment after the fact.
  local function line_of(result)
    local found = gateway:log_line(function(line) return line.event == "check" and line.result == result end)
    assert.equal(1, #lines(result))
    return found
  end

  local function left_out(answer)
    local map = {}
    for _, one in ipairs(gateway:record(answer.id).left_out or {}) do
      map[one.target] = one.reason
    end
    return map
  end

  --- Waits until the scripted provider was asked so many times more.
  local function asked(times)
    for _ = 1, times do
      a:forget()
      assert.is_truthy(http.eventually(function() return a:was_asked() end), "nobody asked")
    end
  end

  setup(function() b = launch.mock() end)
  teardown(function() b:stop() end)
  after_each(function()
    local status = gateway:stop()
    die()
    assert.equal(0, status)
  end)

  it("takes the targets of a dead provider out, without a client noticing, and brings them back", function()
    a = launch.mock()
    local port = a.port
    start()
    assert.equal("up", says())
    die()
    becomes "down"
    for _ = 1, 20 do
      local answer = gateway:chat { model = "both" }
      assert.same({ 200, "b", "1" }, { answer.status, answer.headers["x-provider"], answer.headers["x-attempts"] })
      assert.same({ ["a/hello"] = "check" }, left_out(answer))
    end
    local health = gateway:get("/health"):json()
    assert.same({ "degraded", "unhealthy", "closed" }, { health.status, health.providers.a.status, health.providers.a.breaker })
    assert.is_nil(health.providers.b.check, "nobody asks for a check of b")
    for _, page in ipairs(gateway:get("/providers"):json().providers) do
      if page.provider == "a" then
        assert.same({ "down", "unhealthy", 0, 0 }, { page.check, page.status, page.requests, page.tokens.input })
      end
    end
    local line = line_of "down"
    assert.same({ "warn", "a", "connection refused" }, { line.level, line.provider, line.message })

    a = launch.mock { arguments = { "--port", tostring(port) } }
    becomes "up"
    assert.equal("info", line_of("up").level)
    local warming, served
    assert.is_truthy(http.eventually(function()
      local answer = gateway:chat { model = "both" }
      assert.equal(200, answer.status)
      warming = warming or left_out(answer)["a/hello"] == "warming"
      served = served or answer.headers["x-provider"] == "a"
      return warming and served
    end), "it does not come back, or all at once")
  end)

  it("never takes out more than half of a pool", function()
    a = launch.mock()
    start(QUICK)
    die()
    becomes "down"
    for _, model in ipairs { "most", "alone" } do
      local answer = gateway:chat { model = model }
      assert.same({}, left_out(answer))
      assert.equal(model == "most" and 200 or 502, answer.status)
    end
  end)

  it("asks with the provider's key and headers", function()
    a = scripted.start()
    a:answer(200, "application/json", "{}")
    start(QUICK)
    asked(1)
    local request = a:request()
    assert.equal("GET /v1/models HTTP/1.1", request.line)
    assert.same({ "Bearer sk-a", "ml", "127.0.0.1:" .. a.port },
      { request.headers.authorization, request.headers["x-team"], request.headers.host })
  end)

  it("takes a refusal for a sign of life, with one warning, and a throttle for nothing; anything else is bad", function()
    local cases = {
      { 401, "up", "misconfigured" }, { 403, "up", "misconfigured" }, { 404, "up", "misconfigured" }, { 405, "up", "misconfigured" },
      { 200, "up" }, { 429, "up" }, { 500, "down", "down" }, { 302, "down", "down" }, { 400, "down", "down" },
      { 204, "up", expect = 204 }, { 200, "down", "down", expect = 204 }, { 404, "up", expect = 404 },
    }
    local providers = {}
    for i, case in ipairs(cases) do
      case.server = scripted.start()
      case.server:answer(case[1], "application/json", "")
      providers[i] = ([[p%d = { kind = "openai", base_url = "%s/x", key = "k",
        check = { path = "/up", every = "1s", timeout = "1s", fall = 4, expect = %s } }]]):format(i, case.server.origin, case.expect or "nil")
    end
    a = cases[1].server
    gateway = launch.start { config = ("return { providers = { %s } }"):format(table.concat(providers, ",\n")) }
    asked(4)
    for i, case in ipairs(cases) do
      local name = "p" .. i
      local expected, mine = { case[3] and ("%s: it answered %d"):format(case[3], case[1]) }, nil
      http.eventually(function()
        mine = {}
        for _, line in ipairs(lines()) do
          mine[#mine + 1] = line.provider == name and line.result .. ": " .. line.message or nil
        end
        return says(name) == case[2] and #mine >= #expected
      end)
      assert.equal(case[2], says(name), name)
      assert.same(expected, mine, name)
      assert.equal("GET /x/v1/up HTTP/1.1", case.server:request().line)
      if i > 1 then
        case.server:stop()
      end
    end
  end)

  it("does not wait longer than it is told to", function()
    a = launch.provider.deaf()
    a.origin = ("http://127.0.0.1:%d"):format(a.port)
    start ', check = { every = "1s", timeout = "50ms", fall = 1 }'
    becomes "down"
    assert.equal("no answer in time", line_of("down").message)
  end)

  it("keeps what it knows over a reload, and takes its marks along when it goes", function()
    a = launch.mock()
    start(QUICK)
    die()
    becomes "down"
    for generation = 2, 4 do
      gateway:signal "HUP"
      assert.is_truthy(http.eventually(function() return gateway:generation() == generation end))
      becomes "down"
      assert.same({ ["a/hello"] = "check" }, left_out(gateway:chat { model = "both" }))
    end
    assert.equal(1, #lines(), "it was up in between")
    gateway:edit_config(config "")
    assert.is_truthy(http.eventually(function() return gateway:generation() == 5 end))
    assert.is_nil(says())
    assert.is_truthy(http.eventually(function()
      local reason = left_out(gateway:chat { model = "both" })["a/hello"]
      return reason ~= "check" -- warming, or asked again
    end))
    gateway:edit_config(config(QUICK))
    assert.is_truthy(http.eventually(function() return gateway:generation() == 6 end))
    -- What was known went with the check: it is up, until it is found down once more.
    assert.is_truthy(http.eventually(function() return #lines "down" == 2 end), "what was known stayed")
    becomes "down"
  end)

  it("that asks elsewhere after a reload begins anew", function()
    a = launch.mock()
    start(QUICK)
    die()
    becomes "down"
    gateway:edit_config(config ', check = { path = "/other", every = "1s", fall = 2 }')
    assert.is_truthy(http.eventually(function() return gateway:generation() == 2 end))
    assert.is_truthy(http.eventually(function() return #lines "down" == 2 end), "it was never up in between")
    becomes "down"
  end)

  it("of the embedded mock finds it alive", function()
    a = launch.mock()
    gateway = launch.start { config = [[return { providers = { mock = { check = { every = "1s", rise = 1, fall = 5 } } } }]] }
    assert.is_truthy(http.eventually(function() return says "mock" == "up" end))
    assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    assert.same({}, lines())
  end)

  it("is a thread of its own, and nobody asks for it: none", function()
    local function threads()
      local count = 0
      for name in lfs.dir(("/proc/%d/task"):format(gateway.pid)) do
        count = count + (tonumber(name) and 1 or 0)
      end
      return count
    end
    a = launch.mock()
    start ""
    local without = threads()
    gateway:edit_config(config(QUICK))
    assert.is_truthy(http.eventually(function() return threads() == without + 1 end))
    gateway:edit_config(config "")
    assert.is_truthy(http.eventually(function() return threads() == without end))
  end)
end)
