local loader = require "gateway.policy"
local runtime = require "gateway.runtime"

local function load(sources, options)
  if type(sources) == "string" then
    sources = { x = sources }
  end
  local given = { name = "x", sources = sources }
  for key, value in pairs(options or {}) do
    given[key] = value
  end
  return loader.load(given)
end

local function run(fn, ...)
  return select(2, assert(runtime.call.run(fn, 1000000, 1 << 20, 1, ...)))
end

describe("a tier that the policy does not know", function()
  local places = { fre = "gateway.lua:7: keys[2].tier", pro = "gateway.lua:6: keys[1].tier" }
  local two = "return { tiers = { 'free', 'pro' }, admit = function() return {} end }"

  it("is refused at load, with its place and the nearest name", function()
    local policy, message = load(two, { tiers = places })
    assert.is_nil(policy)
    assert.equal("gateway.lua:7: keys[2].tier: expected one of free, pro (policies/x.lua), got \"fre\" (did you mean 'free'?)", message)
    assert.is_truthy(load(two, { tiers = { pro = places.pro } }))
    assert.is_truthy(load(two))
  end)

  it("is refused when a key has no tier and \"default\" is none of the policy's", function()
    local _, message = load(two, { tiers = { default = "gateway.lua:2: keys[1].tier" } })
    assert.matches('keys%[1%]%.tier: expected one of free, pro .* got "default"', message)
  end)

  it("is not looked for where the policy says nothing of tiers", function()
    assert.is_truthy(load("return { admit = function() return {} end }", { tiers = places }))
  end)

  it("is found through a policy that hands on another's tiers", function()
    local sources = { x = "return { tiers = require('policies.y').tiers, route = require('policies.y').route }",
      y = "return { tiers = { 'pro' }, route = function() end }" }
    assert.matches("keys%[2%]%.tier: expected one of pro", select(2, load(sources, { tiers = places })))
  end)

  it("names that are none are refused", function()
    for text, message in pairs { ["{ free = 1 }"] = "tiers: expected a list of names, found the key free",
      ["{ 7 }"] = "tiers%[1%]: expected a name, got a number", ["'free'"] = "tiers: expected a table, got a string" } do
      assert.matches(message, select(2, load(("return { tiers = %s, admit = function() end }"):format(text))))
    end
  end)

  it("the shipped policies know theirs", function()
    local testing = require "gateway.testing"
    for _, name in ipairs { "tiers", "default", "queue" } do
      local tiers = testing.load("policies/" .. name .. ".lua").tiers
      table.sort(tiers)
      assert.same({ "default", "free", "pro" }, tiers)
    end
  end)
end)

describe("loading a policy", function()
  it("gives its functions, and defaults for those it lacks", function()
    local policy = assert(load "return { route = function(request) return { request.targets[1] } end }")
    assert.equal("x", policy.name)
    assert.same({ "t" }, run(policy.route, { targets = { "t", "u" } }))
    assert.same({}, run(policy.admit, {}))
    assert.same({}, run(policy.settle, {}))
    local rest = {}
    assert.equal(rest, run(policy.recover, { fallback = true, replayable = true }, { kind = "timeout", sent = "uncertain" }, rest))
    assert.is_nil(policy.strategies)
  end)

  it("routes in the order of the config where the policy does not", function()
    local policy = assert(load "return { settle = function() return {} end }")
    local targets = { "t", "u" }
    assert.equal(targets, run(policy.route, { targets = targets }))
  end)

  it("does not go on after a failure where that is pointless, by default", function()
    local policy = assert(load "return { settle = function() return {} end }")
    local open = { fallback = true, replayable = false }
    assert.is_nil(run(policy.recover, { fallback = false }, { kind = "timeout" }, { 1 }))
    assert.is_nil(run(policy.recover, open, { kind = "invalid_request" }, { 1 }))
    assert.is_nil(run(policy.recover, open, { kind = "unavailable", sent = "uncertain" }, { 1 }))
    assert.same({ 1 }, run(policy.recover, open, { kind = "unavailable", sent = "not_sent" }, { 1 }))
  end)

  it("says in one line where what is wrong", function()
    for _, case in ipairs {
      { "\n\nfoo(", "policies/x.lua:3: unexpected symbol near <eof>" },
      { "\nlocal x = nil + 1", "policies/x.lua:2: attempt to perform arithmetic on a nil value" },
      { "\nerror 'no'", "policies/x.lua:2: no" },
      { "local s = s.x", "policies/x.lua:1: attempt to index a nil value (global 's')" },
      { "while true do end", "policies/x.lua:1: stopped after 10000000 instructions" },
      { "local t = {} while true do t[#t + 1] = ('x'):rep(9000) .. #t end", "policies/x.lua:1: more than 8192 KB of memory" },
      { "return 7", "policies/x.lua: expected a table to be returned, got number" },
      { "", "policies/x.lua: expected a table to be returned, got nil" },
      { "return setmetatable({}, {})", "policies/x.lua: expected a plain table to be returned, got one with a metatable" },
      { "return {}", "policies/x.lua: expected at least one of admit, route, recover, settle" },
      { "return { rout = 1 }", "policies/x.lua: 'rout' is none of admit, route, recover, settle, strategies" },
      { "return { [1] = 1 }", "policies/x.lua: '1' is none of admit, route, recover, settle, strategies" },
      { "return { route = 'x' }", "policies/x.lua: route: expected a function, got a string" },
      { "return { route = function() end, strategies = 7 }", "policies/x.lua: strategies: expected a table, got a number" },
      { "return { route = function() end, strategies = { 'a' } }", "policies/x.lua: strategies: expected names, got a number" },
      { "return { route = function() end, strategies = { a = {} } }", "policies/x.lua: strategies.a: expected a policy with a function route" },
      { "return { strategies = {} }", "policies/x.lua: expected at least one of admit, route, recover, settle" },
      { string.dump(function() end), "policies/x.lua: attempt to load a binary chunk (mode is 't')" },
      { "local print = print\nprint 'x'", "policies/x.lua:2: attempt to call a nil value (local 'print')" },
      { "counter = 1", "policies/x.lua:1: 'counter' is not declared: policies have no globals, write local counter" },
      { "return require 'os'",
        "policies/x.lua:1: 'os' cannot be required: expected policies.* or one of gateway.limit, gateway.order, gateway.pattern, gateway.settings" },
      { "return require 'gateway.policy'", "policies/x.lua:1: 'gateway.policy' cannot be required" },
      { "return require 'policies.../secret'", "policies/x.lua:1: 'policies.../secret' cannot be required" },
      { "return require 'policies.y'", "policies/x.lua:1: there is no policies/y.lua" },
      { "return require(7)", "policies/x.lua:1: bad argument #1 to 'require' (string expected, got number)" },
      { "return require 'policies.x'", "policies/x.lua:1: policies.x requires itself, perhaps through others" },
    } do
      local policy, message = load(case[1])
      assert.is_nil(policy)
      assert.equal(case[2], message:sub(1, #case[2]))
      assert.is_nil(message:find("\n", 1, true))
    end
    assert.same({ nil, "policies/x.lua: there is no such file" }, { load {} })
    assert.same({ nil, "my/x.lua:1: no" }, { load("error 'no'", { folder = "my" }) })
  end)

  it("lets policies require each other, each loaded once", function()
    local policy = assert(load {
      x = "local y, z = require 'policies.y', require 'policies.z' return { route = function() return y.value, z.y == y end }",
      y = "return { value = {} }",
      z = "return { y = require 'policies.y' }",
    })
    local _, value, same = runtime.call.run(policy.route, 1000, 1 << 20, 2)
    assert.same({ {}, true }, { value, same })
  end)

  it("refuses a circle, naming the file that closes it", function()
    local _, message = load { x = "\nrequire 'policies.y'", y = "\n\nrequire 'policies.z'", z = "\n\n\nrequire 'policies.x'" }
    assert.equal("policies/z.lua:4: policies.x requires itself, perhaps through others", message)
    _, message = load { x = "require 'policies.y'", y = "\nfoo()" }
    assert.equal("policies/y.lua:2: attempt to call a nil value (global 'foo')", message)
  end)

  it("gives every load modules of its own", function()
    local sources = {
      x = "local y = require 'policies.y' return { route = function() return y.bump() end }",
      y = "local n = 0 return { bump = function() n = n + 1 return n end }",
    }
    local one, two = assert(load(sources)), assert(load(sources))
    assert.equal(1, run(one.route))
    assert.equal(2, run(one.route))
    assert.equal(1, run(two.route))
  end)

  it("hands out modules and settings that nobody can change", function()
    for _, text in ipairs {
      "require('policies.y').value = 2", "require('policies.y').deep.value = 2", "require('policies.y').list[1] = 2",
      "table.insert(require('policies.y').list, 2)", "require('gateway.order').by = nil", "require('gateway.pattern').any = nil",
      "require('gateway.settings').a = 1", "require('gateway.settings').list[2] = 1", "table.remove(require('gateway.settings').list)",
      "setmetatable(require('policies.y'), {})", "for k, v in pairs(require('policies.y')) do require('policies.y')[k] = v end",
      "table.sort(require('gateway.settings').list)", "table.move({ 1 }, 1, 1, 1, require('gateway.settings').list)",
    } do
      local _, message = load({ x = text, y = "return { value = 1, deep = { value = 1 }, list = { 1 } }" }, { settings = { list = { 2, 1 } } })
      assert.truthy(message:find "read%-only" or message:find "protected metatable", text .. " -> " .. message)
    end
  end)

  it("shows modules and settings to be read in every way", function()
    local policy = assert(load({ x = [[
      local settings = require "gateway.settings"
      local seen = {}
      for key, value in pairs(settings) do
        seen[#seen + 1] = key .. "=" .. tostring(value)
      end
      for i, name in ipairs(settings.list) do
        seen[#seen + 1] = i .. name
      end
      table.sort(seen)
      local text = table.concat(seen, " ") .. " " .. #settings.list .. " " .. table.concat(settings.list, "+") .. " " .. table.unpack(settings.list)
      return { route = function() return text end } ]] }, { settings = { list = { "a", "b" }, flag = true } }))
    assert.equal("1a 2b flag=true list=table 2 a+b a", run(policy.route))
  end)

  it("does not see the config's settings change, nor changes them", function()
    local settings = { n = 1 }
    local policy = assert(load({ x = "local s = require 'gateway.settings' return { route = function() return s.n end }" }, { settings = settings }))
    settings.n = 2
    assert.equal(1, run(policy.route))
    settings.self = settings -- a circle is no trouble
    assert(load({ x = "local s = require 'gateway.settings' assert(s.self.self.n == 2) return { route = function() end }" }, { settings = settings }))
  end)

  it("wants require at the top of a file", function()
    local policy = assert(load {
      x = "local y = require 'policies.y' return { route = function() return require('policies.y') == y end, admit = function() require 'policies.z' end }",
      y = "return { route = function() end }", z = "return {}",
    })
    assert.is_true(run(policy.route), "what is loaded already is at hand")
    local _, _, message = runtime.call.run(policy.admit, 1000, 1 << 20, 0)
    assert.equal("policies/x.lua:1: require belongs at the top of a file", message)
  end)

  it("knows the strategies of a policy, and checks the config's against them", function()
    local text = "local p = { route = function() end } return { route = p.route, strategies = { fast = p, cheap = p } }"
    local policy = assert(load(text, { strategy = "fast" }))
    assert.same({ fast = true, cheap = true }, policy.strategies)
    local _, message = load(text, { strategy = "fsat", config = "my.lua" })
    assert.equal('my.lua: strategy: expected one of cheap, fast (policies/x.lua), got "fsat" (did you mean \'fast\'?)', message)
    _, message = load(text, { strategy = "fsat", strategy_place = "my.lua:3: strategy" })
    assert.matches("^my.lua:3: strategy: expected one of ", message)
    assert(load("return { route = function() end }", { strategy = "round_robin" }), "the default is nothing to complain of")
    _, message = load("return { route = function() end }", { strategy = "fast", strategy_place = "my.lua:3: strategy" })
    assert.equal("my.lua:3: strategy: policies/x.lua has no strategies to choose from: leave it out", message)
  end)

  it("takes more helpers from the house", function()
    local policy = assert(load("local l = require 'gateway.limit' return { admit = function() return l.n end }",
      { helpers = { ["gateway.limit"] = { n = 3 } } }))
    assert.equal(3, run(policy.admit))
  end)
end)
