--- Shortages of descriptors and of what else the system gives: no worker stays deaf, none spins, and what was refused is refused in words.
local launch = require "support.launch"
local http = require "support.http"
local shortage = require "support.shortage"
local socket = require "socket"
local tls = require "support.tls"

local CONFIG = [[
return {
  workers = 1, retry = { attempts = 1 },
  providers = {
    lab = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-lab" },
    named = { kind = "openai", base_url = "http://localhost:%d/v1", key = "sk-lab" },
    secured = { kind = "openai", base_url = "https://localhost:%d/v1", key = "sk-lab" },
  },
}]]

local CHECKED = [[
return {
  workers = 1,
  providers = { lab = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-lab", check = { every = "1s", fall = 1 } } },
}]]

describe("after a shortage", function()
  local mock, doors, gateway, short
  local kept = {}

  setup(function()
    mock = launch.mock { arguments = { "--close" } } -- a connection for each request
    doors = tls.start(mock.port)
    short = shortage.new(http.free_port())
    local env = short:env()
    env.SSL_CERT_FILE = doors.ca
    gateway = launch.start { config = CONFIG:format(mock.port, mock.port, doors.ports.fine), env = env }
  end)
  teardown(function()
    local status = gateway:stop()
    short:stop()
    doors:stop()
    mock:stop()
    assert.equal(0, status)
  end)
  after_each(function()
    short:over()
    shortage.allow(gateway.pid)
    for _, connection in ipairs(kept) do
      connection:close()
    end
    kept = {}
  end)

  local LIVE = http.format { path = "/health/live" }

  -- A client that connects and asks, and is kept.
  local function ask()
    local connection = http.connect { port = gateway.port }
    kept[#kept + 1] = connection
    assert(connection:send(LIVE))
    return connection
  end

  local function status_of(connection, seconds)
    local answer, why = connection:answer(seconds and socket.gettime() + seconds)
    return answer and answer:read().status or why, answer
  end

  -- The accept lines of the log: results in their order.
  local function told()
    local list = {}
    for _, line in ipairs(gateway:log()) do
      list[#list + 1] = line.event == "accept" and line or nil
    end
    return list
  end

  local function accept_errors()
    return gateway:get("/health"):json().accept_errors
  end

  -- Its connections: those that clients left and it still holds, those towards providers.
  local function held()
    return shortage.connections(gateway.pid)
  end

  -- Trouble of an earlier test is over, and its connections are gone.
  local function calm()
    assert(http.eventually(function() return held() == 0 end), "the gateway keeps connections of an earlier test")
    assert(http.eventually(function()
      local lines = told()
      return #lines % 2 == 0
    end), "the log does not say that accepting works again")
    local lines, errors = #told(), accept_errors()
    assert(http.eventually(function() return held() == 0 end))
    return lines, errors
  end

  describe("of room for a second client", function()
    for _, case in ipairs { { "and the first stays", true }, { "and the first left", false } } do
      it("a worker hears again: the limit is lifted, " .. case[1], function()
        local lines, errors = calm()
        shortage.allow_exactly(gateway.pid, 1)
        local first = ask()
        assert.equal(200, status_of(first))
        assert.is_truthy(http.eventually(function() return #told() > lines end)) -- the accept4 behind it found no descriptor
        assert.equal("EMFILE", told()[lines + 1].error)
        local second = ask()
        if not case[2] then
          first:close()
        else
          shortage.allow(gateway.pid)
        end
        assert.equal(200, status_of(second))
        shortage.allow(gateway.pid)
        assert.equal(200, status_of(ask()))
        assert.is_true(accept_errors() > errors)
        first:close()
        second:close()
        kept[#kept]:close()
        calm()
        local over = told()[lines + 2]
        assert.same({ "ok", 0 }, { over.result, over.turned_away })
      end)
    end
  end)

  it("of any descriptor for the first client a worker hears again", function()
    calm()
    shortage.allow_exactly(gateway.pid, 0)
    local first = ask()
    local _, before = short:counts "accept4"
    assert.is_truthy(http.eventually(function() return select(2, short:counts "accept4") > before end))
    shortage.allow(gateway.pid)
    assert.equal(200, status_of(first))
  end)

  it("that lasts, clients were turned away in words, and those inside were served", function()
    local lines = calm()
    shortage.allow_exactly(gateway.pid, 1)
    local inside = ask()
    assert.equal(200, status_of(inside))
    for _ = 1, 3 do
      local connection = ask()
      local status, answer = status_of(connection)
      assert.equal(503, status)
      assert.equal("1", answer.headers["retry-after"])
      assert.equal("shedding", answer:json().error.code)
      assert.is_true(connection:is_closed())
    end
    assert(inside:send(LIVE))
    assert.equal(200, status_of(inside))
    shortage.allow(gateway.pid)
    assert.equal(200, status_of(ask()))
    for _, connection in ipairs(kept) do
      connection:close()
    end
    calm()
    assert.equal(3, told()[lines + 2].turned_away)
    assert.equal(lines + 2, #told()) -- one line when it began, one when it was over
  end)

  for _, name in ipairs { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPERM", "EPROTO", "EINTR", "EINVAL", "EACCES", "EHOSTUNREACH" } do
    it(("of accept4 (%s) who waited is served, and the worker did not spin"):format(name), function()
      local failed = short:counts "accept4"
      local kept_one = ask()
      assert.equal(200, status_of(kept_one))
      short:of("accept4", name)
      local waiting = ask()
      assert.is_truthy(short:felt("accept4", failed))
      assert(kept_one:send(LIVE)) -- who is inside is served meanwhile
      assert.equal(200, status_of(kept_one))
      local from = socket.gettime()
      http.pause(0.05)
      local calls = short:counts "accept4" - failed
      local per_second = calls / (socket.gettime() - from)
      assert.is_true(per_second < 2000, ("%.0f calls a second"):format(per_second))
      short:over()
      assert.equal(200, status_of(waiting))
    end)
  end

  describe("towards the providers", function()
    -- A chat over a connection that stands already.
    local function chat(connection, provider)
      assert(connection:send(http.format { path = "/v1/chat/completions", body = launch.body { model = provider .. "/hello" } }))
      return assert(connection:answer()):read()
    end

    local function assert_shed(answer)
      assert.equal(503, answer.status)
      assert.equal("shedding", answer:json().error.code)
      assert.equal("1", answer.headers["retry-after"])
    end

    local function assert_blameless(provider)
      local health = gateway:get("/health"):json().providers[provider]
      assert.same({ "healthy", "closed", 0 }, { health.status, health.breaker, health.error_rate })
    end

    for _, name in ipairs { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM" } do
      it(("(socket: %s) requests failed in words, no breaker moved, and the next one is served"):format(name), function()
        short:of("socket", name)
        local connection = ask()
        assert.equal(200, status_of(connection))
        for _ = 1, 8 do -- more than open a breaker
          assert_shed(chat(connection, "lab"))
        end
        short:over()
        assert.equal(200, chat(connection, "lab").status)
        assert_blameless "lab"
      end)
    end

    -- The look-up of a name, the file of certificates: what a first request to a provider opens beside its socket.
    for _, provider in ipairs { "named", "secured" } do
      it(("(no descriptor for the first request to %s) requests failed in words, and the next one is served"):format(provider), function()
        calm()
        local connection = ask()
        assert.equal(200, status_of(connection))
        shortage.allow_exactly(gateway.pid, 0)
        for _ = 1, 8 do
          assert_shed(chat(connection, provider))
        end
        shortage.allow(gateway.pid)
        assert.equal(200, chat(connection, provider).status)
        assert_blameless(provider)
      end)
    end
  end)
end)

describe("a shortage that meets checks", function()
  local mock, short, gateway

  before_each(function()
    mock, short = launch.mock(), shortage.new(http.free_port())
  end)
  after_each(function()
    local status = gateway:stop()
    short:stop()
    mock:stop()
    assert.equal(0, status)
  end)

  local function check()
    return gateway:get("/health"):json().providers.lab.check
  end

  local function is_asked_again()
    local asked = #mock:ledger()
    return http.eventually(function() return #mock:ledger() > asked end)
  end

  it("lets them judge no provider by it", function()
    gateway = launch.start { config = CHECKED:format(mock.port), env = short:env() }
    short:of("socket", "EMFILE")
    assert.is_truthy(short:felt("socket", 1)) -- twice: what the first came to is known
    assert.equal("up", check())
    short:over()
    assert.is_truthy(is_asked_again())
    assert.equal("up", check())
  end)
end)

describe("a shortage that meets a reload", function()
  local CHANGED = [[return { workers = 1, providers = { mock = {} }, models = { changed = { "mock/hello" } } }]]

  for _, call in ipairs { "open", "epoll_create1" } do
    it(("refuses it once (%s), and lets it be when it is over"):format(call), function()
      local short = shortage.new(http.free_port())
      local gateway = launch.start { config = [[return { workers = 1, providers = { mock = {} } }]], env = short:env() }
      local function reloads()
        local list = {}
        for _, line in ipairs(gateway:log()) do
          list[#list + 1] = line.event == "reload" and line.result or nil
        end
        return list
      end
      short:of(call, "EMFILE")
      gateway:edit_config(CHANGED)
      assert.is_truthy(http.eventually(function() return #reloads() > 0 end))
      local failed = short:counts(call)
      assert.is_truthy(short:felt(call, failed + 1)) -- it is looked again, and nothing is said
      assert.same({ "refused" }, reloads())
      short:over()
      assert.is_truthy(http.eventually(function() return gateway:chat({ model = "changed" }).status == 200 end))
      assert.is_truthy(http.eventually(function() return #reloads() > 1 end))
      assert.same({ "refused", "ok" }, reloads())
      assert.equal(0, gateway:stop())
      short:stop()
    end)
  end
end)
