--- Two fields of one name in gateway.lua: Lua keeps the last and says nothing, so the load does.
local configs = require "support.configs"
local twins = require "gateway.twins"

describe("config: a field that is given twice", function()
  it("two providers of one name are refused, with both lines", function()
    local text = "return {\n  providers = {\n    openai = { key = 'a' },\n    mock = {},\n    openai = { key = 'b' },\n  },\n}"
    assert.equal("gateway.lua:5: providers.openai: is given on line 3 already, and Lua would keep only one of them", configs.complaint(text))
  end)

  it("so is every other field, wherever its table stands", function()
    for text, path in pairs {
      ["return { providers = { mock = {} }, providers = { mock = {} } }"] = "providers",
      ["return { providers = { lab = { kind = 'openai', kind = 'mock' } } }"] = "providers.lab.kind",
      ["return { providers = { ['a-b'] = {}, [\"a-b\"] = {} } }"] = "providers.a-b",
      ["return { models = { smart = { 'a/b' }, fast = { 'a/c' }, smart = { 'a/d' } } }"] = "models.smart",
      ["return { models = { smart = { { 'a/b', weight = 1 }, { 'a/c', weight = 1, weight = 2 } } } }"] = "models.smart[2].weight",
      ["return { keys = { { key = 'a', user = 'u' }, { key = 'a', user = 'u', tier = 'x', tier = 'y' } } }"] = "keys[2].tier",
      ["return { keys = x and { { tier = 'x', --[[ tier ]] tier = 'y' } } }"] = "keys[1].tier",
      ["local providers = { mock = {}, mock = {} } return { providers = providers }"] = "mock",
      ["return merge({ a = 1, a = 2 }, 3)"] = "a",
      ["local function f(x) if x then for i = 1, 2 do repeat x = { a = 1 } until x end end return x end return { a = f(1), a = f(2) }"] = "a",
      ["return { a = function() while x do local t = 'end' --[[ end ]] end end, b = 1, a = 2 }"] = "a",
      ["return { settings = { cure = { context_length = {}; context_length = {} } } }"] = "settings.cure.context_length",
    } do
      assert.equal(path, twins.find(text), text)
    end
  end)

  it("what only looks like it is none", function()
    for _, text in ipairs {
      "return { a = { x = 1 }, b = { x = 1 } }", "return { a = 'a = 1, a = 2', b = [[a = 1, a = 2]] }", "return { -- a = 1,\n a = 1 }",
      "return { a = env('X', 'a'), b = env('X', 'a') }", "return { { a = 1 }, { a = 1 } }", "local a = 1 a = 2 return { a = a }",
      "return { a == 1, a == 2 }", "return { a = x[1], b = x[1], [1] = 2, [2] = 3 }", "return { a = 1, ['b'] = 2, c = { 'a', 'a', 'a' } }",
      "return {", "return { a = '", "return { a = function(x, y) a, b = 1, 2 end }",
      "return { a = function(x) if x then a, b = 1, 2 else a, b = 3, 4 end end, b = f(function() b, b = 1, 2 end) }",
      "return { a = function() a, a = 1", "}}} return { a = 1 }",
    } do
      assert.is_nil(twins.find(text), text)
    end
  end)

  it("the shipped configs have none", function()
    for _, name in ipairs { "gateway.lua", "examples/team.lua", "examples/minimal.lua", "examples/two_providers.lua", "examples/local_first.lua" } do
      local file <close> = assert(io.open(name))
      assert.is_nil(twins.find(file:read "a"))
    end
  end)

  it("a file of a megabyte is read in one pass", function()
    local one, four = ("{ a = { b = 1 } }, "):rep(2000), ("{ a = { b = 1 } }, "):rep(8000)
    local function steps(text)
      local count = 0
      debug.sethook(function() count = count + 1 end, "", 100)
      twins.find("return { " .. text .. " }")
      debug.sethook()
      return count
    end
    assert.is_true(steps(four) < 6 * steps(one))
  end)
end)
