--- What a start says and where: the address that is listened on, JSON lines where no person reads, and no to a port that another gateway has.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local provider = require "support.provider"

local CONFIG = "return { providers = { mock = {} }, open = true }"

local function start_line(gateway)
  return gateway:log_line(function(line) return line.event == "start" end)
end

describe("the address in the start's line", function()
  local function said(listen, host)
    local gateway = launch.start { host = host, config = CONFIG:gsub("{", ("{ listen = %q,"):format(listen), 1) }
    local line = start_line(gateway)
    local pipe = assert(io.popen(line.try .. " -s -o /dev/null -w '%{http_code}'"))
    local status = pipe:read "a"
    pipe:close()
    assert.equal(0, gateway:stop())
    assert.equal("200", status, line.try)
    return line.address, line.try
  end

  for listen, expected in pairs { ["0.0.0.0:0"] = { "^http://0%.0%.0%.0:%d+$", "^curl http://127%.0%.0%.1:%d+/" },
      [":0"] = { "^http://0%.0%.0%.0:%d+$", "^curl http://127%.0%.0%.1:%d+/" },
      ["[::]:0"] = { "^http://%[::%]:%d+$", "^curl http://127%.0%.0%.1:%d+/" },
      ["[::1]:0"] = { "^http://%[::1%]:%d+$", "^curl http://%[::1%]:%d+/", "::1" },
      ["127.0.0.2:0"] = { "^http://127%.0%.0%.2:%d+$", "^curl http://127%.0%.0%.2:%d+/", "127.0.0.2" } } do
    it(("is what is listened on (%s), and its curl line works"):format(listen), function()
      local address, try = said(listen, expected[3])
      assert.matches(expected[1], address)
      assert.matches(expected[2], try)
    end)
  end
end)

describe("on a standard error that is no terminal", function()
  local function assert_json(text)
    local lines = {}
    for line in text:gmatch "[^\n]+" do
      local ok, value = pcall(cjson.decode, line)
      assert.is_true(ok and type(value) == "table", "no JSON: " .. line)
      assert.is_truthy(value.time and value.level and value.event, line)
      lines[#lines + 1] = value
    end
    assert.is_truthy(#lines > 0, "nothing was said")
    return lines
  end

  it("every line of a whole life is a JSON object", function()
    local gateway = launch.start { config = 'return { providers = { mock = {}, openai = { key = env "OPENAI_API_KEY" } } }' }
    gateway:chat { model = "mock/hello" }
    gateway:edit_config "return {"
    assert.is_truthy(gateway:log_line(function(line) return line.event == "reload" end))
    assert.equal(0, gateway:stop())
    assert_json(gateway.last_log)
    assert.equal("off: OPENAI_API_KEY is not set", start_line(gateway).providers.openai)
  end)

  it("so is what stops a start: a wrong config, a port in use, a wrong command, the mock's too", function()
    local holder = assert(require("socket").bind("127.0.0.1", 0))
    local port = tostring(math.tointeger(tonumber((select(2, holder:getsockname())))))
    for _, case in ipairs { { 1, "providers", "return {}", "run" }, { 1, "cannot listen on 127.0.0.1:" .. port, CONFIG, "run" },
        { 2, "chekc", CONFIG, "chekc" }, { 2, "--prot", CONFIG, "run", "--prot" },
        { 1, "127.0.0.1:" .. port, CONFIG, "mock", "--port", port },
        { 1, "/nowhere/ledger", CONFIG, "mock", "--port", "0", "--ledger", "/nowhere/ledger" } } do
      local status, _, err = launch.run { config = case[3], arguments = { table.unpack(case, 4) }, env = { HOST = "127.0.0.1", PORT = port } }
      assert.equal(case[1], status, err)
      local lines = assert_json(err)
      assert.equal("error", lines[#lines].level)
      assert.is_truthy(lines[#lines].message:find(case[2], 1, true), err)
    end
    holder:close()
  end)

  it("log.format is obeyed there and on a terminal; without it a terminal gets text", function()
    local folder = process.temporary_directory()
    for i, case in ipairs { { "", true, "on http://127" }, { ', log = { format = "json" }', true, '{"time"' },
        { ', log = { format = "text" }', false, "on http://127" } } do
      process.write_file(folder .. "/gateway.lua", CONFIG:gsub(" }$", case[1] .. " }"))
      local command = ("sh -c 'echo $$ > pid; exec %s run gateway.lua'"):format(provider.program())
      if case[2] then
        command = ("script -qefc %s /dev/null"):format(process.quote(command))
      end
      local run = process.start { command = { "sh", "-c", "exec " .. command .. " 2>&1" }, env = { HOST = "127.0.0.1", PORT = "0" },
        directory = folder, name = "gateway" .. i, cwd = folder }
      local said = http.eventually(function() return run:out():find("curl http://127", 1, true) and run:out() end)
      os.execute("kill $(cat " .. process.quote(folder .. "/pid") .. ")") -- not `script`, whose end would only have it reload
      run:wait()
      run:kill()
      assert.is_truthy(said, run:out())
      assert.is_truthy(said:find(case[3], 1, true), said)
    end
    os.execute("rm -rf " .. process.quote(folder))
  end)
end)

describe("a port that another gateway has", function()
  -- Starts one on `listen` beside another that has the port: its exit status and what it said, or nil where it runs.
  local function second(listen)
    return launch.run { config = CONFIG:gsub("{", ("{ listen = %q, workers = 3,"):format(listen), 1), arguments = { "run" }, seconds = 8 }
  end

  for _, case in ipairs { { "127.0.0.1", "127.0.0.1" }, { "0.0.0.0", "127.0.0.1" }, { "127.0.0.1", "0.0.0.0" }, { "[::]", "127.0.0.1" },
      { "127.0.0.1", "[::]" },
      { "[::1]", "[::]" } } do
    it(("is refused to a second one in words: %s beside %s"):format(case[2], case[1]), function()
      local first = launch.start { host = case[1] == "[::1]" and "::1" or nil,
        config = CONFIG:gsub("{", ('{ listen = "%s:0", workers = 2,'):format(case[1]), 1) }
      local status, _, err = second(("%s:%d"):format(case[2], first.port))
      local stopped = first:stop()
      assert.equal(1, status, err)
      assert.matches("cannot listen on .*:" .. first.port .. ": .*another", err)
      assert.equal(0, stopped)
    end)
  end

  it("goes to one of several that start at once", function()
    local port, folder, runs = provider.refused(), process.temporary_directory(), {}
    process.write_file(folder .. "/gateway.lua", CONFIG:gsub("{", ('{ listen = "127.0.0.1:%d", workers = 2,'):format(port), 1))
    for i = 1, 6 do
      runs[i] = process.start { command = { provider.program(), "run" }, directory = folder, name = "gateway" .. i, cwd = folder }
    end
    local function ended()
      local count = 0
      for _, run in ipairs(runs) do
        count = count + (run:status() == 1 and 1 or 0)
      end
      return count
    end
    assert.is_truthy(http.eventually(function() return ended() == 5 end, 30), "not one but " .. 6 - ended() .. " have the port")
    assert.equal(200, http.request({ port = port, path = "/health/live" }).status)
    for _, run in ipairs(runs) do
      run:signal "TERM"
    end
    assert.is_truthy(http.eventually(function()
      for _, run in ipairs(runs) do
        if not run:status() then
          return false
        end
      end
      return true
    end))
    assert.equal(5, ended())
    os.execute("rm -rf " .. process.quote(folder))
  end)

  it("goes to a successor as soon as the one that has it was told to stop, while its streams run on", function()
    local config = CONFIG:gsub("{", ('{ listen = "127.0.0.1:%d", workers = 2,'):format(provider.refused()), 1)
    local first = launch.start { config = config }
    local stream = first:open_stream { model = "mock/gap-200" }
    first:signal "TERM"
    local heir = launch.start { config = config }
    stream.list = stream:events()
    launch.read_stream(stream)
    assert.is_true(stream.done)
    stream:close()
    assert.equal(0, first.process:wait())
    first:stop()
    assert.equal(200, heir:chat({ model = "mock/hello" }).status)
    assert.equal(0, heir:stop())
  end)
end)

describe("a command line that is wrong", function()
  -- Exit status 2 and one line that says what was not understood and what was meant.
  for _, case in ipairs { { "check", "chekc" }, { "--version", "version" }, { "--version", "-v" }, { "--version", "-V" }, { "--help", "--hlep" },
      { "explain", "explian" }, { "mock", "mok", "--port", "0" }, { "run", "rnu", "gateway.lua" }, { "--help", "run", "--halp" },
      { nil, "run", "--port", "8080" }, { nil, "run", "gateway.lua", "other.lua" }, { nil, "gateway.lua", "--quiet" }, { nil, "check", "--quiet" },
      { nil, "check", "gateway.lua", "other.lua" }, { "--user", "explain", "--usr", "alice", "request.json" }, { nil, "explain" },
      { nil, "explain", "--user" }, { nil, "explain", "a", "b", "c" }, { "--port", "mock", "--prot", "0" },
      { "--gap-ms", "mock", "--gap", "0" }, { "--port", "mock", "--port=0" },
      { nil, "mock", "--port", "http" }, { nil, "mock", "--port", "-1" }, { nil, "mock", "--port" }, { nil, "mock", "9000" }, { nil, "frobnicate" } } do
    it("is refused: " .. table.concat(case, " ", 2, #case < 2 and 3 or #case), function()
      local status, out, err = launch.run { config = CONFIG, arguments = { table.unpack(case, 2) }, seconds = 10 }
      assert.equal(2, status, err)
      assert.same({ "", 1 }, { out, select(2, err:gsub("\n", "\n")) })
      if case[1] then
        assert.is_truthy(err:find(("did you mean '%s'?"):format(case[1]), 1, true), err)
      end
    end)
  end

  it("does not hide a config of any name", function()
    for _, name in ipairs { "chekc", "./version", "my.conf" } do
      local status, out, err = launch.run { config = CONFIG, files = { [name:gsub("^%./", "")] = "return {}" }, arguments = { name } }
      assert.equal(1, status)
      assert.is_truthy((out .. err):find("providers", 1, true), err)
    end
    assert.same({ 1, true }, { (function(status, _, err) return status, err:find("No such file", 1, true) ~= nil end)(
      launch.run { config = CONFIG, arguments = { "nothing.lua" } }) })
  end)
end)
