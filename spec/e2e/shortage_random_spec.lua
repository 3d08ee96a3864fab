--- Random shortages (SHORTAGES=n, SEED=n): of descriptors, of what accept4, socket and open need, one upon the other, amid traffic. When one is over
--- the gateway serves at once, on each of its workers, towards clients and providers.
local launch = require "support.launch"
local http = require "support.http"
local lfs = require "lfs"
local process = require "support.process"
local shortage = require "support.shortage"
local socket = require "socket"

local COUNT = tonumber(os.getenv "SHORTAGES" or 40)
local SEED = tonumber(os.getenv "SEED" or os.time())

local CONFIG = [[
return {
  workers = 2, retry = { attempts = 1 }, policy = "policies/mine.lua",
  providers = { lab = { kind = "openai", base_url = "http://127.0.0.1:%d/v1", key = "sk-lab" } },
}]]
local POLICY = "return { route = function(request) return request.targets end } -- "

local ERRORS = {
  accept4 = { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM", "ECONNABORTED", "EPERM", "EPROTO", "EINTR", "EINVAL", "EACCES", "EHOSTUNREACH" },
  socket = { "EMFILE", "ENFILE", "ENOBUFS", "ENOMEM" },
  open = { "EMFILE", "ENFILE", "ENOMEM" },
}
local CALLS = { "accept4", "socket", "open", "descriptors" }
local KEPT_MAX = 6

local LIVE = http.format { path = "/health/live" }
local CHAT = http.format { path = "/v1/chat/completions", body = launch.body { model = "lab/hello" } }

describe(("after each of %d random shortages (SEED=%d)"):format(COUNT, SEED), function()
  local mock, gateway, short
  local kept, edits = {}, 0

  setup(function()
    math.randomseed(SEED)
    mock = launch.mock { arguments = { "--close" } }
    short = shortage.new(http.free_port())
    gateway = launch.start { config = CONFIG:format(mock.port), env = short:env(), policies = { mine = POLICY } }
  end)
  teardown(function()
    for _, client in ipairs(kept) do
      client:close()
    end
    local status = gateway:stop()
    short:stop()
    mock:stop()
    assert.equal(0, status)
  end)

  local function pick(list)
    return list[math.random(#list)]
  end

  local function begin()
    local call = pick(CALLS)
    if call == "descriptors" then
      shortage.allow(gateway.pid, math.random(0, 3))
    else
      short:of(call, pick(ERRORS[call]))
    end
    return call
  end

  local function over()
    short:over()
    shortage.allow(gateway.pid)
  end

  -- What clients do meanwhile, without a look at answers.
  local ACTIONS = {
    function() -- comes and asks
      local client = http.connect { port = gateway.port }
      client:send(pick { LIVE, CHAT })
      kept[#kept + 1] = client
    end,
    function() -- asks again
      if #kept > 0 then
        pick(kept):send(pick { LIVE, CHAT })
      end
    end,
    function() -- leaves
      if #kept > 0 then
        table.remove(kept, math.random(#kept)):close()
      end
    end,
    function() http.pause(math.random() * 0.06) end,
    function()
      edits = edits + 1
      gateway:edit_policy("mine", POLICY .. edits)
    end,
  }

  local function live_through()
    local calls = {}
    for _ = 1, math.random(2) do
      calls[#calls + 1] = begin()
      for _ = 1, math.random(4) do
        pick(ACTIONS)()
      end
    end
    if math.random(100) == 1 then
      http.pause(1.2) -- so long that clients are turned away
    end
    while #kept > KEPT_MAX do
      table.remove(kept, 1):close()
    end
    return table.concat(calls, "+")
  end

  -- The status of a whole answer; nil: there was none.
  local function served(bytes)
    local client = http.connect { port = gateway.port }
    local answer = client:send(bytes) and client:answer()
    local status = answer and answer:read().status
    client:close()
    return status
  end

  it("clients and providers are served again, within a second", function()
    local late = 0
    for i = 1, COUNT do
      local what = live_through()
      over()
      local from = socket.gettime()
      for _, bytes in ipairs { LIVE, CHAT, LIVE, LIVE } do -- new connections: the kernel spreads them over the workers
        assert.equal(200, served(bytes), ("shortage %d of %s, SEED=%d"):format(i, what, SEED))
      end
      late = late + (socket.gettime() - from > 1 and 1 or 0)
    end
    -- One in a hundred may be this machine's own: it stands still for a while now and then.
    assert.is_true(late <= 1 + COUNT // 100, ("%d of %d came late"):format(late, COUNT))
    if short:counts "open" == 0 then -- no reload met a shortage by chance: one shall
      short:of("open", pick(ERRORS.open))
      gateway:signal "HUP"
      assert.is_truthy(http.eventually(function() return short:counts "open" > 0 end), "open never failed")
      over()
      assert.equal(200, served(CHAT))
    end
    for _, call in ipairs { "accept4", "socket" } do
      assert.is_true(COUNT < 40 or short:counts(call) > 0, call .. " never failed")
    end
    local health = gateway:get("/health"):json()
    assert.same({ "closed", 0 }, { health.providers.lab.breaker, health.providers.lab.error_rate })
  end)
end)

-- As many as a worker takes: 10,000. Only where shortages are many, at night: it needs 20,000 descriptors and 200 MB.
if os.getenv "SHORTAGES" then
  describe("a worker with as many connections as it takes", function()
    it("turns others away in words, and hears again when one or all of them left", function()
      local gateway = launch.start { config = [[return { workers = 1, providers = { mock = {} } }]] }
      local crowd = process.start {
        command = { "python3", lfs.currentdir() .. "/spec/support/crowd.py", tostring(gateway.port), "10000" }, directory = gateway.folder, name = "crowd",
      }
      assert.is_truthy(http.eventually(function()
        assert(not crowd:status(), "the crowd ended: " .. crowd:err())
        return crowd:out() == "inside\n"
      end))
      local answer = gateway:get "/health/live"
      assert.same({ 503, "1", "shedding" }, { answer.status, answer.headers["retry-after"], answer:json().error.code })
      crowd:signal "USR1"
      assert.is_truthy(http.eventually(function() return gateway:get("/health/live").status == 200 end))
      crowd:kill()
      assert.equal(200, gateway:get("/health/live").status)
      assert.equal("connection limit", gateway:log_line(function(line) return line.event == "accept" end).error)
      assert.is_truthy(gateway:log_line(function(line) return line.event == "accept" and line.result == "ok" end))
      assert.equal(0, gateway:stop())
    end)
  end)
end
