--- A policy that loads but fails is found on trial: by check, at the start and by a reload, before a request of anyone's meets it.
local cjson = require "cjson"
local launch = require "support.launch"
local http = require "support.http"
local process = require "support.process"

local CONFIG = [[
return {
  providers = { mock = {}, openai = {}, lab = { kind = "openai", base_url = "http://127.0.0.1:9/v1", limits = { concurrent = 1 } } },
  models = { smart = { "mock/one", "mock/two" }, tight = { "lab/small" }, gone = { "openai/gpt-4o" } },
  policy = "policies/mine.lua",
  keys = { { key = "key-of-alice", user = "alice", tier = "pro" }, { key = "key-of-bob", user = "bob", models = { "smart" } } },
  admin = { key = "key-of-admin" },
}]]

local function check(policy, config)
  return launch.run { config = config or CONFIG, policies = { mine = policy }, arguments = { "check" } }
end

-- Each goes wrong on the line that is named.
local WRONG = {
  ["reads a fact that is none"] = { "return {\n route = function(request) return request.targts end }", 2, "has no fact 'targts'" },
  ["returns no plan"] = { "return {\n\n route = function() return 42 end }", 3, "expected a plan" },
  ["names a target that nobody knows"] = { "return {\n route = function() return { 'nowhere/nothing' } end }", 2, "nobody knows a target" },
  ["never ends"] = { "return {\n route = function()\n while true do end\n end }", 3, "stopped after 1000000 instructions" },
  ["eats memory"] = { "return {\n route = function()\n local t = {} for i = 1, 1e9 do t[i] = { i } end\n end }", 3, "KB of memory" },
  ["raises in admit"] = { "return {\n admit = function()\n error 'on purpose'\n end }", 3, "on purpose" },
  ["returns nothing from admit"] = { "return {\n admit = function() end }", 2, "admit: expected a result" },
  ["returns nine limits"] = { [[
local limit = require "gateway.limit"
local list = {}
for i = 1, 9 do list[i] = limit { name = "l" .. i, requests = "1/s" } end
return { admit = function() return list end }]], 4, "admit: expected limits" },
  ["refuses in words that make no sense"] = { "return {\n route = function() return nil, { status = 200 } end }", 2, "status: expected 400 to 599" },
  ["fails for one dialect"] = { "return {\n route = function(r) return r.dialect ~= 'responses' and r.targets or 7 end }", 2, "/v1/responses" },
  ["fails for streams"] = { "return {\n route = function(r) return r.stream and r.target or r.targets end }", 2, "streamed" },
  ["fails for one tier"] = { "return {\n route = function(r) return r.user.tier == 'pro' and {} or r.targets end }", 2, 'tier "pro"' },
  ["fails for one model"] = { "return {\n route = function(r) return r.model == 'tight' and {} or r.targets end }", 2, 'model "tight"' },
  ["fails for auto"] = { "return {\n route = function(r) return r.model == 'auto' and {} or r.targets end }", 2, 'model "auto"' },
  ["fails for one strategy that it exports"] = { [[
local fine = { route = function(request) return request.targets end }
local odd = { route = function(request) return request.target end }
return {
  strategies = { round_robin = fine, odd = odd },
  route = function(r) return (r.strategy == "odd" and odd or fine).route(r) end }]], 2, 'strategy "odd"' },
  ["lets wait in words that make no sense"] = {
    "return {\n route = function(r) if #r.targets == 0 then return nil, { wait = '2 weeks' } end return r.targets end }", 2, "all targets full" },
  ["fails for one who waited"] = { "return {\n route = function(r) return r.waited_ms > 0 and {} or r.targets end }", 2, "after waiting" },
  ["fails in another file"] = { "return {\n admit = require('policies.other').admit }", 1, "no fact 'usr'",
    other = "return { admit = function(request) return request.usr end }" },
}

describe("a policy that fails on trial", function()
  for what, case in pairs(WRONG) do
    it(what .. ": check refuses it with its file and line, and so does a start", function()
      local place = ("policies/%s.lua:%d: "):format(case.other and "other" or "mine", case[2])
      for _, command in ipairs { "check", "run" } do
        local status, out, err = launch.run { config = CONFIG, policies = { mine = case[1], other = case.other }, arguments = { command },
          env = { PORT = "0" } }
        assert.same({ 1, "" }, { status, out })
        local said = command == "check" and err:match "^gateway: (.*)\n$" or cjson.decode(err:match "([^\n]+)\n$").message
        assert.equal(place, said:sub(1, #place))
        assert.is_truthy(said:find(case[3], 1, true), said)
        assert.is_truthy(said:find("(asked on trial: ", 1, true), said)
      end
    end)
  end

  it("is not taken by a reload, and the one in force serves on", function()
    local gateway = launch.start { config = CONFIG, policies = { mine = "return { route = function(r) return r.targets end }" }, key = "key-of-alice" }
    for _, what in ipairs { "reads a fact that is none", "fails for one tier", "never ends" } do
      gateway:edit_policy("mine", WRONG[what][1])
      local answer = gateway:request { method = "POST", path = "/admin/reload", body = "", key = "key-of-admin" }
      assert.same({ 400, "reload_refused" }, { answer.status, answer:json().error.code })
      assert.matches("^policies/mine%.lua:%d+: ", answer:json().error.message)
      local chat = gateway:chat { model = "smart" }
      assert.same({ 200, "mine@1" }, { chat.status, chat.headers["x-policy"] })
    end
    assert.is_falsy(gateway:log_line(function(line) return line.event == "policy_error" end, 0))
    assert.equal(0, gateway:stop())
  end)

  it("is heard of when it is mended in a folder of its own while it is tried", function()
    local slow = [[local calls = 0
      return { route = function(r) calls = calls + 1 for _ = 1, 9e5 do end if calls > 70 then error "late" end return r.targets end }]]
    local right = "return { route = function(r) return r.targets end }"
    for _, pause in ipairs { 0.25, 0.3, 0.35 } do -- it is looked for every 250 ms, and tried for about as long
      local gateway = launch.start { config = CONFIG, policies = { mine = right }, key = "key-of-alice" }
      assert(os.execute(("mkdir %s/other"):format(gateway.folder)))
      gateway:edit_policy("../other/new", slow)
      gateway:edit_config((CONFIG:gsub("policies/mine", "other/new")))
      http.pause(pause)
      gateway:edit_policy("../other/new", right)
      assert.is_truthy(http.eventually(function() return gateway:chat({ model = "smart" }).headers["x-policy"]:find("new@", 1, true) end),
        "the last edit was not heard")
      assert.equal(0, gateway:stop())
    end
  end)

  it("in a folder of its own, or beside a file of data that is broken, is taken as soon as that is mended: a refused config's files are watched", function()
    local gateway = launch.start { config = CONFIG, policies = { mine = "return { route = function(r) return r.targets end }" }, key = "key-of-alice" }
    local function refused(count)
      assert.is_truthy(http.eventually(function()
        local seen = 0
        for _, line in ipairs(gateway:log()) do
          seen = seen + ((line.event == "reload" and line.result == "refused") and 1 or 0)
        end
        return seen >= count
      end))
    end
    local function is_taken(name)
      assert.is_truthy(http.eventually(function() return gateway:chat({ model = "smart" }).headers["x-policy"]:find(name .. "@", 1, true) end))
    end
    assert(os.execute(("mkdir %s/other"):format(gateway.folder)))
    gateway:edit_policy("../other/new", WRONG["fails for one tier"][1])
    gateway:edit_config((CONFIG:gsub("policies/mine", "other/new")))
    refused(1)
    gateway:edit_policy("../other/new", "return { route = function(r) return r.targets end }")
    is_taken "new"
    gateway:edit_config((CONFIG:gsub("providers", 'leaderboard = "board.json", providers', 1)))
    refused(2)
    process.write_file(gateway.folder .. "/board.json", '{ "one": 1 }')
    is_taken "mine"
    assert.equal(0, gateway:stop())
  end)

  it("can still be explained: that is how one looks into it", function()
    local status, out = launch.run { config = CONFIG, policies = { mine = WRONG["reads a fact that is none"][1] },
      files = { ["request.json"] = cjson.encode(launch.body { model = "smart" }) }, arguments = { "explain", "gateway.lua", "request.json" } }
    assert.equal(0, status)
    assert.equal("policy_error", cjson.decode(out).refusal.kind)
  end)

  it("is found among 600 models where one fails, and among 2,000 where one dialect does", function()
    local function config(count)
      local names = {}
      for i = 1, count do
        names[i] = ("m%d = { 'mock/one' },"):format(i)
      end
      return ("return { providers = { mock = {} }, policy = 'policies/mine.lua', models = { %s } }"):format(table.concat(names))
    end
    local _, _, err = check("return { route = function(r) return r.model == 'm417' and {} or r.targets end }", config(600))
    assert.is_truthy(err:find('model "m417"', 1, true), err)
    _, _, err = check("return { route = function(r) return r.route == '/v1/messages' and {} or r.targets end }", config(2000))
    assert.is_truthy(err:find("/v1/messages", 1, true), err)
  end)
end)

describe("a policy that is sound passes its trial", function()
  for what, policy in pairs {
    ["refuses everybody by right"] = "return { admit = function() return nil, { status = 403, code = 'closed' } end }",
    ["refuses in route"] = "return { route = function() return nil, { status = 429, code = 'later', retry_after_s = 1 } end }",
    ["names a target that is off"] = "return { route = function() return { 'openai/gpt-4o', 'mock/one' } end }",
    ["names one that no list has"] = "return { route = function() return { 'mock/never-heard-of' } end }",
    ["raises over a full house, which is answered as one"] =
      "return { route = function(r) if #r.targets == 0 then error 'full' end return r.targets end }",
    ["goes by the client's address, which every client has"] =
      "return { admit = function(r) return r.client.address:match '^%d+' + 0 > 0 and {} or nil end }",
    ["waits"] = "return { route = function(r) if #r.targets == 0 then return nil, { wait = '2s' } end return r.targets end }",
  } do
    it(what, function()
      local status, out, err = check(policy)
      assert.same({ 0, "ok" }, { status, out:match "(%w+)\n$" }, err)
    end)
  end

  for name in io.popen("ls policies"):read("a"):gmatch "([%w_]+)%.lua" do
    it("policies/" .. name .. ".lua", function()
      local config = CONFIG:gsub("policies/mine", "policies/" .. name):gsub("admin", 'settings = {}, admin', 1)
      local status, out, err = check("return { route = function(r) return r.targets end }", config)
      assert.same({ 0, "ok" }, { status, out:match "(%w+)\n$" }, err)
    end)
  end

  it("a start without any provider passes, whatever the policy does", function()
    local status, out, err = check(WRONG["never ends"][1],
      'return { providers = { openai = {} }, models = { smart = { "openai/gpt-4o" } }, policy = "policies/mine.lua" }')
    assert.same({ 0, "ok" }, { status, out:match "(%w+)\n$" }, err)
  end)

  it("after at most 2,000 calls, and it is over soon where each call uses its budget up", function()
    local counting = [[
local calls = 0
local function count() calls = calls + 1 if calls > 2000 then error "too many" end end
local list = {}
for i = 1, 20 do list["s" .. i] = { route = function(r) count() return r.targets end } end
list.round_robin = list.s1
return { strategies = list, admit = function() count() %s return {} end, route = list.s1.route }]]
    for _, work in ipairs { "", "for _ = 1, 300000 do end" } do
      local status, out, err = check(counting:format(work))
      assert.same({ 0, "ok" }, { status, out:match "(%w+)\n$" }, err)
    end
  end)
end)

describe("a trial", function()
  -- Says with each refusal how often it was asked.
  local POLICY = [[
local limit = require "gateway.limit"
local few = limit { name = "few", per = "user", requests = "2/day", concurrent = 1 }
local calls = 0
return {
  admit = function(request)
    calls = calls + 1
    if request.model == "tight" then
      return nil, { status = 403, message = ("call %d, turn %d"):format(calls, request.turn) }
    end
    return { few }
  end,
}]]

  it("charges nothing, keeps nothing and leaves no names behind", function()
    local gateway = launch.start { config = CONFIG:gsub("providers", "workers = 1, providers", 1), policies = { mine = POLICY }, key = "key-of-alice" }
    local function providers()
      local list = {}
      for _, provider in ipairs(gateway:request({ path = "/providers", key = "key-of-admin" }):json().providers) do
        list[provider.provider] = { provider.models, provider.requests }
      end
      return list
    end
    local before = providers()
    assert.same({ { "one", "two" }, 0 }, before.mock)
    assert.equal("call 1, turn 0", gateway:chat({ model = "tight" }):json().error.message)
    assert.equal(200, gateway:chat({ model = "smart" }).status)
    for i = 2, 4 do
      assert.equal(200, gateway:request({ method = "POST", path = "/admin/reload", body = "", key = "key-of-admin" }).status)
      assert.equal(("call 1, turn %d"):format(i - 1), gateway:chat({ model = "tight" }):json().error.message)
    end
    assert.equal("1", gateway:chat({ model = "smart" }).headers["x-attempts"])
    assert.equal(429, gateway:chat({ model = "smart" }).status)
    assert.same({ { "one", "two" }, 2 }, providers().mock)
    assert.equal(0, gateway:stop())
  end)
end)
