--- What comes before the gateway's own start: signals while libraries begin, standard descriptors that are closed.
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local world = require "support.world"

local CONFIG = "return { workers = 1, providers = { mock = {} } }"
local HANGUP = 1

describe("a SIGHUP in the first milliseconds of a start", function()
  local early

  setup(function() early = world.new() end)
  teardown(function() early:stop() end)

  local function env()
    local map = early:env()
    map.WORLD_SIGNAL = tostring(HANGUP)
    return map
  end

  it("does not end it: the reload that it asks for comes when the gateway serves", function()
    local gateway = launch.start { config = CONFIG, env = env() }
    local line = gateway:log_line(function(one) return one.event == "reload" end)
    assert.equal("ok", line and line.result)
    assert.equal(0, gateway:stop())
  end)

  it("still ends what knows no reload", function()
    for _, arguments in ipairs { { "check" }, { "explain", "-" }, { "mock", "--port", "0" } } do
      assert.equal(128 + HANGUP, (launch.run { config = CONFIG, arguments = arguments, env = env() }), arguments[1])
    end
  end)
end)

describe("a start with standard descriptors closed", function()
  -- What each descriptor of a process leads to.
  local function leads_to(pid, fd)
    local pipe = assert(io.popen(("readlink /proc/%d/fd/%d"):format(pid, fd)))
    local name = pipe:read "l"
    pipe:close()
    return name
  end

  local function start(closing)
    local folder, port = process.temporary_directory(), http.free_port()
    process.write_file(folder .. "/gateway.lua", CONFIG)
    local program = launch.provider.program()
    local started = process.start {
      command = { "sh", "-c", ('exec "$0" run gateway.lua %s'):format(closing), program }, directory = folder, name = "gateway", cwd = folder,
      env = { HOST = "127.0.0.1", PORT = tostring(port) },
    }
    assert(http.eventually(function()
      assert(not started:status(), "the gateway did not start")
      local ok, answer = pcall(http.request, { port = port, path = "/health/live", timeout = 1 })
      return ok and answer.status == 200
    end), "the gateway does not answer")
    return started, folder, port
  end

  for _, case in ipairs { { "<&- >&- 2>&-", 0, 1, 2 }, { "2>&-", 2 }, { "<&-", 0 }, { ">&-", 1 } } do
    it(("gives their numbers to nothing else: %s"):format(case[1]), function()
      local started, folder, port = start(case[1])
      for i = 2, #case do
        assert.equal("/dev/null", leads_to(started.pid, case[i]))
      end
      local body = launch.body { model = "mock/hello" }
      for _ = 1, 3 do -- log lines: none of them is in an answer
        local answer = http.request { port = port, path = "/v1/chat/completions", body = body }
        assert.equal(200, answer.status)
        assert.is_string(launch.text(answer))
      end
      started:signal "TERM"
      assert.equal(0, started:wait())
      os.execute("rm -rf " .. process.quote(folder))
    end)
  end
end)

describe("a start with few descriptors", function()
  it("serves, or ends and says in one line what to raise", function()
    local program, list = launch.provider.program(), {}
    for limit = 4, 20 do
      local folder = process.temporary_directory()
      process.write_file(folder .. "/gateway.lua", 'return { workers = 1, listen = "127.0.0.1:0", providers = { mock = {} } }')
      list[limit] = process.start {
        command = { "prlimit", ("--nofile=%d:%d"):format(limit, limit), program, "run", "gateway.lua" }, directory = folder, name = "gateway", cwd = folder,
      }
    end
    local refused = 0
    for limit, one in pairs(list) do
      local words = http.eventually(function()
        return one:err():match '"event":"start","version"' or (one:status() and one:err():match '"event":"start","message":[^\n]*raise ulimit %-n')
      end)
      assert.is_truthy(words, ("%d: %s"):format(limit, one:err()))
      refused = refused + (one:status() or 0)
      one:kill()
      os.execute("rm -rf " .. process.quote(one.directory))
    end
    assert.is_true(refused > 0)
  end)
end)
