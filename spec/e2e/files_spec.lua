--- Files that cannot be read: each is said in true words and changes nothing; none of them makes the process wait.
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"
local shortage = require "support.shortage"

local CONFIG = [[
return {
  providers = { mock = {}, lab = { kind = "odd.lua", base_url = "http://127.0.0.1:9" } },
  models = { smart = { "mock/one" } }, leaderboard = "board.json", prices = "prices.json", policy = "policies/mine.lua",
}]]
local ADAPTER = process.read_file "examples/providers/house.lua"
local PRICES = '{"gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6}}'
local FILES = { [".env"] = "A=b\n", ["board.json"] = '{"one": 0.5}', ["prices.json"] = PRICES, ["odd.lua"] = ADAPTER }
local POLICIES = { mine = 'local other = require "policies.other"\nreturn { route = other.route }', other = [[
return { route = function(request) return request.targets end }]] }

local PLACES = { "gateway.lua", ".env", "policies/mine.lua", "policies/other.lua", "board.json", "prices.json", "odd.lua" }

local function run(command, ...)
  assert(os.execute(command:format(...)))
end

--- Puts something else in the place of a file, and the file back.
local function with(folder, place, make, check)
  local path = process.quote(folder .. "/" .. place)
  run("mv %s %s.kept", path, path)
  run(make, path)
  check()
  run("rm -rf %s && mv %s.kept %s", path, path, path)
end

local KINDS = {
  ["a FIFO"] = { make = "mkfifo %s", says = "is a FIFO %(named pipe%), expected a regular file" },
  ["a directory"] = { make = "mkdir %s", says = "is a directory, expected a regular file" },
  ["a socket"] = {
    make = "python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' %s", says = "is a socket, expected a regular file",
  },
  ["a device without an end"] = { make = "ln -s /dev/zero %s", says = "is a device, expected a regular file" },
  ["a link in a circle"] = { make = "path=%s; ln -s $path $path", says = "Too many levels of symbolic links" },
  ["a link that leads nowhere"] = { make = "ln -s /nowhere/nothing %s", says = "No such file or directory" },
  ["a file of 5 MB"] = { make = "truncate -s 5M %s", says = "is too large, expected at most 4096 KB" },
}

describe("files that cannot be read", function()
  local gateway

  setup(function()
    gateway = launch.start { config = CONFIG, policies = POLICIES, files = FILES }
  end)
  teardown(function() assert.equal(0, gateway:stop()) end)

  local function reload()
    return gateway:request { method = "POST", path = "/admin/reload", body = "", timeout = 20 }
  end

  for what, kind in pairs(KINDS) do
    it(what .. " in the place of any file: the reload is refused, nothing waits, and the file itself is taken again", function()
      for _, place in ipairs(PLACES) do
        with(gateway.folder, place, kind.make, function()
          local answer = reload()
          local message = answer:json().error.message
          assert.equal(400, answer.status, place)
          assert.is_truthy(message:find(place, 1, true), message)
          assert.matches(kind.says, message)
          assert.equal(200, gateway:chat({ model = "smart" }).status)
        end)
      end
      assert.equal(200, reload().status)
    end)
  end

  it("a shortage of descriptors is not called a missing file", function()
    shortage.allow_exactly(gateway.pid, 1) -- the file is opened, and nothing beside it
    gateway:signal "HUP"
    local line = gateway:log_line(function(entry) return entry.event == "reload" and entry.message:find "open files" end, 2)
    shortage.allow(gateway.pid)
    assert.equal("refused", line.result)
    assert.matches("^policies/mine%.lua: .*Too many open files", line.message)
    assert.equal(200, reload().status)
  end)
end)

describe("a start on files that cannot be read", function()
  local CREDENTIALS = [[return { providers = { mock = {}, vertex_ai = { credentials = "sa.json" } } }]]

  it("ends and names a FIFO in the place of each", function()
    for _, place in ipairs { "gateway.lua", ".env", "policies/default.lua", "board.json", "prices.json", "odd.lua", "sa.json" } do
      local config = place == "sa.json" and CREDENTIALS or CONFIG:gsub("policies/mine", "policies/default")
      local folder = process.temporary_directory()
      run("cp -R policies %s/", folder)
      for name, text in pairs(FILES) do
        process.write_file(folder .. "/" .. name, text)
      end
      process.write_file(folder .. "/gateway.lua", config)
      run("rm -f %s/%s && mkfifo %s/%s", folder, place, folder, place)
      local one = process.start { command = { launch.provider.program(), "check" }, directory = folder, cwd = folder }
      local status = one:wait(20)
      one:kill()
      assert.equal(1, status, place)
      assert.is_truthy(one:err():find(place .. ": is a FIFO", 1, true), one:err())
      run("rm -rf %s", folder)
    end
  end)
end)

describe("a reload while the folder of policies is away", function()
  local LIMITED = [[
local limit = require "gateway.limit"
local tight = limit { name = "tight", requests = "2/day" }
return { admit = function() return { tight } end }]]

  for what, options in pairs {
    ["policies/default.lua, which nobody named"] = { config = "return { providers = { mock = {} } }", name = "default" },
    ["a policy that the config names"] = { config = 'return { providers = { mock = {} }, policy = "policies/mine.lua" }', name = "mine" },
  } do
    it("is refused and lifts no limit: " .. what, function()
      local gateway = launch.start { config = options.config, policies = { [options.name] = LIMITED } }
      local function statuses()
        return { gateway:chat({ model = "mock/a" }).status, gateway:chat({ model = "mock/a" }).status, gateway:chat({ model = "mock/a" }).status }
      end
      assert.same({ 200, 200, 429 }, statuses())
      run("mv %s/policies %s/away", gateway.folder, gateway.folder)
      local line = gateway:log_line(function(entry) return entry.event == "reload" end)
      assert.equal("refused", line.result)
      assert.matches("policies/" .. options.name .. "%.lua: there is no such file", line.message)
      assert.same({ 429, 429, 429 }, statuses())
      run("mv %s/away %s/policies", gateway.folder, gateway.folder)
      assert.is_truthy(http.eventually(function() return gateway:generation() == 2 end), "the folder came back")
      assert.equal(options.name .. "@2", gateway:chat({ model = "mock/a" }).headers["x-policy"])
      assert.same({ 429, 429, 429 }, statuses())
      assert.equal(0, gateway:stop())
    end)
  end

  it("a config that names no policy any more is refused as well", function()
    local named = 'return { providers = { mock = {} }, policy = "policies/mine.lua" }'
    local gateway = launch.start { config = named, policies = { mine = LIMITED } }
    run("rm %s/policies/default.lua", gateway.folder)
    gateway:edit_config "return { providers = { mock = {} } }"
    local answer = gateway:request { method = "POST", path = "/admin/reload", body = "" }
    assert.same({ 400, "reload_refused" }, { answer.status, answer:json().error.code })
    assert.matches("never goes from a policy's file to the built%-in policy", answer:json().error.message)
    assert.equal("mine@1", gateway:chat({ model = "mock/a" }).headers["x-policy"])
    assert.equal(0, gateway:stop())
  end)

  it("the built-in policy has no strategies: asking for one is the client's mistake, in its own dialect", function()
    local gateway = launch.start { config = "return { providers = { mock = {} } }", no_policies = true }
    for _, name in ipairs { "nonsense", "quality", "round_robin" } do
      local answer = gateway:chat { model = "mock/a", routing_strategy = name }
      assert.equal(400, answer.status)
      assert.equal("routing_strategy", answer:json().error.param)
      assert.matches("^Unknown routing strategy%. .* none to choose from", answer:json().error.message)
    end
    local answer = gateway:chat({ model = "mock/a", max_tokens = 9, routing_strategy = "nonsense" }, { path = "/v1/messages" })
    assert.equal(400, answer.status)
    assert.same({ "error", "invalid_request_error" }, { answer:json().type, answer:json().error.type })
    assert.equal(0, gateway:stop())
  end)

  it("without a policy's file at the start the built-in one serves, and a file that comes is taken by itself", function()
    local gateway = launch.start { config = "return { providers = { mock = {} } }", no_policies = true }
    assert.equal("builtin@1", gateway:chat({ model = "mock/a" }).headers["x-policy"])
    run("mkdir %s/policies", gateway.folder)
    gateway:edit_policy("default", LIMITED)
    assert.is_truthy(http.eventually(function() return gateway:chat({ model = "mock/a" }).headers["x-policy"] == "default@2" end))
    assert.equal(0, gateway:stop())
  end)
end)
