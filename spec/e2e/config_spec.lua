--- Starting, checking and explaining: what is wrong is named with file, line and field, and nothing starts half.
local cjson = require "cjson"
local launch = require "support.launch"

-- config, what must be said
local WRONG = {
  { "does not compile", "return { providers = ", "gateway%.lua:1" },
  { "returns nothing", "local x = 1", "gateway%.lua" },
  { "no providers", "return {}", "providers" },
  { "unknown key", "return { providers = { mock = {} }, providres = {} }", "providres" },
  { "a unit that does not parse", 'return {\n providers = { mock = {} },\n timeouts = { idle = "soon" } }', "gateway%.lua:3: timeouts%.idle" },
  { "a wrong type", "return { providers = { mock = {} }, workers = {} }", "workers" },
  { "an unknown kind", 'return { providers = { lab = { kind = "nonsense" } } }', "providers%.lab%.kind" },
  { "a target of nobody", 'return { providers = { mock = {} }, models = { smart = { "nobody/x" } } }', "models%.smart%[1%]" },
  { "no such policy", 'return { providers = { mock = {} }, policy = "policies/nothing.lua" }', "nothing%.lua" },
  { "no such strategy", 'return { providers = { mock = {} }, strategy = "nonsense" }', "strategy" },
  { "a strategy that a policy without any cannot follow", 'return { providers = { mock = {} },\n policy = "policies/quality.lua", strategy = "quality" }',
    "gateway%.lua:2: strategy: policies/quality%.lua has no strategies" },
  { "a tier that the policy does not know", [[return { providers = { mock = {} },
    keys = { { key = "sk-12345678", user = "a", tier = "pro" },
             { key = "sk-23456789", user = "b", tier = "fre" } } }]], "gateway%.lua:3: keys%[2%]%.tier: .*did you mean 'free'" },
  { "a name to listen on that does not resolve", 'return {\n providers = { mock = {} }, open = true,\n listen = "nowhere.invalid:8080" }',
    "gateway%.lua:3: listen: nowhere%.invalid does not resolve: " },
  { "an address that is not this machine's", 'return { providers = { mock = {} }, open = true, listen = "192.0.2.7:8080" }',
    "gateway%.lua:1: listen: 192%.0%.2%.7 is no address of this machine" },
  { "two providers of one name", 'return { providers = {\n mock = {},\n mock = { kind = "openai", base_url = "http://h" } } }',
    "gateway%.lua:3: providers%.mock: is given on line 2 already" },
  { "open to the world without keys", 'return { providers = { mock = {} }, listen = "0.0.0.0:0" }', "listen: 0%.0%.0%.0.*keys" },
  { "an admin key that is a user's", 'return { providers = { mock = {} }, keys = { { key = "sk-12345678", user = "a" } }, admin = { key = "sk-12345678" } }',
    "admin%.key: the same key as keys%[1%]" },
  { "a key without a user", 'return { providers = { mock = {} }, keys = { { key = "sk-12345678" } } }', "keys%[1%].user" },
  { "a name that is not declared, in place of the keys", 'local users = {}\nreturn { providers = { mock = {} },\n keys = usres }',
    "gateway%.lua:3: 'usres' is not declared: " },
  { "a name that is not declared, in place of the policy", 'return { providers = { mock = {} }, policy = default }',
    "gateway%.lua:1: 'default' is not declared: " },
  { "a mistyped function", 'return { providers = { mock = { enabled = evn "X" } } }', "gateway%.lua:1: 'evn' is not declared: " },
  { "a key without quotes", 'return { providers = { openai = { key = gsk_s3cr3tOfTheHouse } } }',
    "gateway%.lua:1: a name here is not declared: write text in quotes" },
  { "io in the config", 'return { providers = { mock = {} }, x = io.open("/etc/passwd") }', "gateway%.lua:1" },
  { "an address that is none", 'return { providers = { mock = {} }, listen = "nowhere" }', "listen" },
}

describe("the config", function()
  for _, command in ipairs { "run", "check" } do
    for _, case in ipairs(WRONG) do
      it(("%s refuses: %s"):format(command, case[1]), function()
        local status, out, err = launch.run { config = case[2], arguments = { command, "gateway.lua" } }
        assert.equal(1, status)
        assert.matches(case[3], out .. err)
        assert.is_truthy(#(out .. err) < 2000, "not one clear line")
      end)
    end
  end

  it("refuses a strategy where there is no policy to follow it", function()
    local status, out, err = launch.run { no_policies = true, arguments = { "check" },
      config = 'return { providers = { mock = {} },\n strategy = "quality" }' }
    assert.equal(1, status)
    assert.matches("gateway%.lua:2: strategy: the built%-in policy has none", out .. err)
  end)

  it("check says ok", function()
    local status, out = launch.run { config = "return { providers = { mock = {} } }", arguments = { "check" } }
    assert.equal(0, status)
    assert.matches("^gateway %S+ on http://127%.0%.0%.1:8080, %d+ workers?\n  mock +on\ntry:\n  curl [^\n]+\nok\n$", out) -- as a start would
  end)

  it("check names unset variables and what matches nothing, then says ok; a start logs the latter", function()
    local config = [[return {
      providers = { mock = {}, lab = { kind = "openai", base_url = "http://127.0.0.1:1", key = env "LAB_KYE" } },
      keys = { { key = env("A_KEY", "sk-12345678"), user = "a", tier = "pro", models = { "mokc/*" } } },
      settings = { default_limti = { name = "x", requests = "1/min" } }, policy = "policies/default.lua" }]]
    local status, out = launch.run { config = config, arguments = { "check" }, env = { LAB_KYE = "", A_KEY = "" } }
    assert.equal(0, status)
    assert.matches("gateway%.lua:3: keys%[1%]%.models%[1%]: \"mokc/%*\" matches no model that is on", out)
    assert.matches("gateway%.lua:4: settings%.default_limti: no policy reads it %(did you mean 'default_limit'%?%)", out)
    assert.matches("gateway%.lua:2: LAB_KYE is not set: no value for providers%.lab%.key", out)
    assert.matches("\nok\n$", out)
    assert.is_nil(out:find("A_KEY", 1, true)) -- a default stood in for it
    local gateway = launch.start { config = config, key = "sk-12345678" }
    assert.is_truthy(launch.http.eventually(function()
      return gateway.process:err():find '"event":"config","message":"gateway%.lua:%d: keys%[1%]%.models%[1%]: '
    end))
    assert.equal(0, gateway:stop())
  end)

  it("check names the variable that a refused config lacks", function()
    local status, out, err = launch.run { arguments = { "check" }, env = { ALICE_KYE = "" },
      config = 'return { providers = { mock = {} },\n keys = { { key = env "ALICE_KYE", user = "alice" } } }' }
    assert.equal(1, status)
    assert.matches("gateway%.lua:2: ALICE_KYE is not set: no value for keys%[1%]%.key", out)
    assert.matches("gateway%.lua:2: keys%[1%]: expected key or sha256", err)
  end)

  it("a broken policy is named with its line", function()
    local status, out, err = launch.run { config = 'return { providers = { mock = {} }, policy = "policies/mine.lua" }',
      policies = { mine = "return {\n  route = function(request\n}" }, arguments = { "check" } }
    assert.equal(1, status)
    assert.matches("policies/mine%.lua:%d", out .. err)
  end)

  it("secrets are not shown in complaints", function()
    local _, out, err = launch.run { config = 'return { providers = { openai = { key = "sk-very secret key-987" } } }', arguments = { "check" } }
    assert.is_nil((out .. err):find("secret", 1, true))
  end)

  it("the stock config starts without any key, and says how to try it", function()
    local file = assert(io.open "gateway.lua", "there is no stock gateway.lua")
    local stock = file:read "a"
    file:close()
    local gateway = launch.start { config = stock }
    local start = gateway:log_line(function(line) return line.event == "start" end)
    assert.matches("curl http://127%.0%.0%.1:%d+/v1/chat/completions", start.try)
    assert.equal("on", start.providers.mock)
    assert.equal(200, gateway:chat({ model = "mock/hello" }).status)
    assert.equal(0, gateway:stop())
  end)

  it("the stock config limits everybody when the environment says so", function()
    local gateway = launch.start { config = assert(require("support.process").read_file "gateway.lua"),
      env = { DEFAULT_RATE_LIMIT_CAPACITY = "2", DEFAULT_RATE_LIMIT_REFILL_RATE = "0.05" } }
    local statuses = {}
    for i = 1, 3 do
      statuses[i] = gateway:chat({ model = "mock/hello" }).status
    end
    assert.same({ 200, 200, 429 }, statuses)
    assert.equal(0, gateway:stop())
  end)

  it("HOST and PORT are honoured, listen in the file goes before them", function()
    local port = launch.provider.refused()
    local gateway = launch.start { config = "return { providers = { mock = {} } }", env = { PORT = tostring(port) } }
    assert.equal(port, gateway.port)
    assert.equal(0, gateway:stop())
  end)

  it(".env beside the config is read, and never overrides the environment", function()
    local config = 'return { providers = { mock = {} }, models = { [env "NAME_A"] = { "mock/a" }, [env "NAME_B"] = { "mock/b" } } }'
    local gateway = launch.start { config = config, files = { [".env"] = 'NAME_A=from-file\nNAME_B="also from file"\n' }, env = { NAME_B = "from-env" } }
    assert.equal(200, gateway:chat({ model = "from-file" }).status)
    assert.equal(200, gateway:chat({ model = "from-env" }).status)
    assert.equal(0, gateway:stop())
  end)

  it("a port in use is said, and the exit is 1", function()
    local first = launch.start { config = "return { providers = { mock = {} } }" }
    local holder = assert(require("socket").bind("127.0.0.1", 0))
    local _, port = holder:getsockname()
    local status, _, err = launch.run { config = "return { providers = { mock = {} } }", env = { HOST = "127.0.0.1", PORT = tostring(port) },
      arguments = { "run", "gateway.lua" } }
    holder:close()
    assert.equal(1, status)
    assert.matches("cannot listen on 127%.0%.0%.1:" .. math.tointeger(tonumber(port)), err)
    assert.equal(0, first:stop())
  end)

  it("a provider without its key is off, and the start says why", function()
    local gateway = launch.start { config = 'return { providers = { mock = {}, openai = { key = env "OPENAI_API_KEY" }, groq = { enabled = false } } }' }
    local start = gateway:log_line(function(line) return line.event == "start" end)
    assert.equal("off: OPENAI_API_KEY is not set", start.providers.openai)
    assert.equal("off: enabled = false", start.providers.groq)
    assert.equal(0, gateway:stop())
  end)

  it("explains for a user of the config", function()
    local function explain(arguments)
      local command = { "explain" }
      table.move(arguments, 1, #arguments, 2, command)
      command[#command + 1] = "gateway.lua"
      command[#command + 1] = "request.json"
      return launch.run { files = { ["request.json"] = cjson.encode(launch.body { model = "mock/x" }) }, arguments = command,
        config = 'return { providers = { mock = {} }, keys = { { key = "key-of-alice", user = "alice", tier = "pro" } }, policy = "policies/mine.lua" }',
        policies = { mine = 'return { admit = function(r) return nil, { status = 403, code = r.user.id, message = r.user.tier } end }' } }
    end
    local status, out = explain { "--user", "alice" }
    assert.equal(0, status)
    assert.is_truthy(out:find("alice", 1, true), out)
    status, out = explain {}
    assert.equal(0, status)
    assert.is_truthy(out:find("anonymous", 1, true), out)
    assert.equal(2, (explain { "--user", "nobody" }))
  end)

  it("explain prints facts and plan and sends nothing", function()
    local status, out = launch.run { config = 'return { providers = { mock = {} }, models = { smart = { "mock/a", "mock/b" } } }',
      files = { ["request.json"] = cjson.encode(launch.body { model = "smart" }) }, arguments = { "explain", "gateway.lua", "request.json" } }
    assert.equal(0, status)
    local explained = cjson.decode(out)
    assert.same({ { target = "mock/a" }, { target = "mock/b" } }, explained.plan)
    assert.equal("smart", explained.facts.model)
    assert.same({ "mock/a", "mock/b" }, { explained.targets[1].name, explained.targets[2].name })
    local refused = launch.run { config = "return { providers = { mock = {} } }",
      files = { ["request.json"] = cjson.encode(launch.body { model = "nobody-knows" }) }, arguments = { "explain", "gateway.lua", "request.json" } }
    assert.equal(1, refused)
  end)

  it("--help and --version fit", function()
    for _, arguments in ipairs { { "--help" }, { "run", "--help" }, { "check", "--help" }, { "explain", "--help" }, { "mock", "--help" } } do
      local status, out = launch.run { config = "", arguments = arguments }
      assert.equal(0, status)
      local _, lines = out:gsub("\n", "\n")
      assert.is_truthy(lines > 2 and lines < 24)
    end
    local status, out = launch.run { config = "", arguments = { "--version" } }
    assert.equal(0, status)
    assert.matches("^gateway %S+\n$", out)
    assert.equal(2, (launch.run { config = "", arguments = { "--nonsense" } }))
  end)
end)
