--- What is sound in a config and looks like a mistake all the same: said at load, with its place.
local configs = require "support.configs"
local remarks = require "gateway.remarks"
local unset = require "gateway.unset"

local POLICIES = {
  x = 'local settings = require "gateway.settings" local cure = settings.cure or {} return { admit = require("policies.y").admit }',
  y = 'local default_limit = require("gateway.settings").default_limit return { admit = function() return { default_limit } end }',
  unused = "return { route = function() return settings.never_read end }",
}

local function remarks_of(text)
  local checked = assert(configs.check(text))
  local raw = assert(load(text, "@gateway.lua", "t", {}))()
  return remarks.of(raw, checked, "gateway.lua", text, { name = "x", sources = POLICIES })
end

local function config(fields)
  return ("return {\n providers = { mock = {}, lab = { kind = 'openai', base_url = 'http://h' }, openai = {} },\n models = { smart = { 'mock/x' } },\n %s }")
    :format(fields)
end

local KEYS = "keys = { { key = '12345678', user = 'a', models = { %s } } }"

describe("config: what matches nothing is said", function()
  for text, said in pairs {
    [KEYS:format "'smrat'"] = { "gateway.lua:4: keys[1].models[1]: \"smrat\" matches no model that is on (did you mean 'smart'?)" },
    [KEYS:format "'smart', 'sma*', '*', 'mock/anything', 'lab/*', 'l*x', 'auto'"] = {},
    [KEYS:format "'openai/gpt-4o', 'gpt*', 'mock', 'mock/', 'la', 'smart*x'"] = {
      'gateway.lua:4: keys[1].models[1]: "openai/gpt-4o" matches no model that is on',
      'gateway.lua:4: keys[1].models[2]: "gpt*" matches no model that is on', "gateway.lua:4: keys[1].models[3]: \"mock\" matches no model that is on",
      'gateway.lua:4: keys[1].models[4]: "mock/" matches no model that is on', 'gateway.lua:4: keys[1].models[5]: "la" matches no model that is on',
      "gateway.lua:4: keys[1].models[6]: \"smart*x\" matches no model that is on (did you mean 'smart'?)" },
    ["settings = { default_limt = {}, default_limit = {} }"] = {
      "gateway.lua:4: settings.default_limt: no policy reads it (did you mean 'default_limit'?)" },
    ["settings = { never_read = 1, cure = {} }"] = { "gateway.lua:4: settings.never_read: no policy reads it" },
    ["settings = { cure = { contxt_length = { 'mock/x' }, quota = { 'mok/x' }, timeout = { 'mock/y', 'https://elsewhere/x' } } }"] = {
      "gateway.lua:4: settings.cure.contxt_length: no policy reads it (did you mean 'context_length'?)",
      "gateway.lua:4: settings.cure.quota[1]: there is no provider 'mok' (did you mean 'mock'?)" },
    ["timeouts = { connect = '20s', first_token = '11s', idle = '5s', tls = '10s', total = '10s' }"] = {
      "gateway.lua:4: timeouts.connect: 20s is longer than `total`, 10s, which passes first",
      "gateway.lua:4: timeouts.first_token: 11s is longer than `total`, 10s, which passes first" },
    ["timeouts = { first_token = '15m' }"] = { "gateway.lua:4: timeouts.first_token: 900s is longer than `total`, 600s, which passes first" },
    ["settings = { cure = { 'mock/x', quota = { 'mock/y', z = 1 }, [7] = { 'mok/z' } } }"] = {
      "gateway.lua:4: settings.cure[7][1]: there is no provider 'mok' (did you mean 'mock'?)" },
    ["timeouts = { first_token = '0s', total = '1s' }"] = {},
    ["timeouts = { total = '1s' }"] = {},
    [""] = {},
  } do
    it(text == "" and "an ordinary config" or text, function()
      assert.same(said, remarks_of(config(text)))
    end)
  end

  it("a first token that may come after the end of its provider's or its target's attempt", function()
    local said = remarks_of [[return { providers = { mock = { first_token = "9s", timeout = "8s",
      models = { m = { first_token = "7s", timeout = "6s" } } } },
      models = { a = { { "mock/x", first_token = "5s", timeout = "4s" }, { "mock/y", first_token = "4s", timeout = "4s" } } } }]]
    assert.same({ "gateway.lua:1: providers.mock.first_token: 9s is longer than `timeout`, 8s, which passes first",
      "gateway.lua:2: providers.mock.models.m.first_token: 7s is longer than `timeout`, 6s, which passes first",
      "gateway.lua:3: models.a[1].first_token: 5s is longer than `timeout`, 4s, which passes first" }, said)
  end)

  it("one that may come after an end that is said elsewhere, and an attempt that may end after its request", function()
    local said = remarks_of [[return { timeouts = { total = "30s" }, providers = { mock = { timeout = "20s", first_token = "5s",
      models = { m = { timeout = "3s" } } }, lab = { kind = "openai", base_url = "http://h", first_token = "31s", timeout = "40s" } },
      models = { a = { { "mock/x", first_token = "21s" }, { "mock/m", first_token = "4s" }, { "mock/y", first_token = "31s", timeout = "30s" } },
      b = { { "mock/z", first_token = "20s" }, { "lab/x", first_token = "35s", timeout = "50s" } } } }]]
    assert.same({
      "gateway.lua:2: providers.lab.first_token: 31s is longer than `timeouts.total`, 30s, which passes first",
      "gateway.lua:2: providers.lab.timeout: 40s is longer than `timeouts.total`, 30s, which passes first",
      "gateway.lua:3: models.a[1].first_token: 21s is longer than `timeout` of its provider, 20s, which passes first",
      "gateway.lua:3: models.a[2].first_token: 4s is longer than `timeout` of its provider, 3s, which passes first",
      "gateway.lua:3: models.a[3].first_token: 31s is longer than `timeout`, 30s, which passes first",
      "gateway.lua:4: models.b[2].first_token: 35s is longer than `timeouts.total`, 30s, which passes first",
      "gateway.lua:4: models.b[2].timeout: 50s is longer than `timeouts.total`, 30s, which passes first" }, said)
  end)

  it("a name all of whose targets are off", function()
    local said = remarks_of "return { providers = { mock = {}, openai = {} },\n models = { big = { 'openai/gpt-4o' }, smart = { 'mock/x', 'openai/gpt-4o' } } }"
    assert.same({ "gateway.lua:2: models.big: none of its targets is on: asking for it is a 404" }, said)
  end)
end)

describe("config: a variable that is not set is named where its absence changed something", function()
  --- The lines for a config that asks with env().
  local function lines_of(text, variables)
    local names = {}
    local function with(assumed, value)
      local chunk = assert(load(text, "@gateway.lua", "t", { tonumber = tonumber, env = function(name, default)
        local found = variables[name] or (name == assumed and value) or default
        if found == nil and not names[name] then
          names[name] = debug.getinfo(2, "l").currentline
        end
        return found
      end }))
      local ok, raw = pcall(chunk)
      return ok and raw or nil
    end
    local raw = with()
    return unset.lines("gateway.lua", raw, names, with)
  end

  it("with its line and the field", function()
    local text = 'local key = env "ONE"\nreturn {\n keys = key and { { key = key, user = "a" } },\n admin = { key = env "TWO" },\n' ..
      ' listen = env "THREE" or env "FOUR",\n port = env("FIVE", "80"), open = env "ONE" == nil, n = tonumber(env "SIX") }'
    assert.equal("gateway.lua:1: ONE is not set: no value for keys\ngateway.lua:4: TWO is not set: no value for admin.key\n" ..
      "gateway.lua:5: FOUR is not set: no value for listen\ngateway.lua:5: THREE is not set: no value for listen\n" ..
      "gateway.lua:6: SIX is not set: no value for n\n", lines_of(text, {}))
    assert.equal("gateway.lua:4: TWO is not set: no value for admin.key\ngateway.lua:6: SIX is not set: no value for n\n",
      lines_of(text, { ONE = "x", FOUR = "y" }))
  end)

  it("also where it turns a switch and nothing else", function()
    local text = 'return { open = env "LOCKED" == nil, a = { on = env "ON" == "1", off = false } }'
    assert.equal("gateway.lua:1: LOCKED is not set: it would turn open\ngateway.lua:1: ON is not set: it would turn a.on\n", lines_of(text, {}))
  end)

  it("but repeats no name that may be the key itself", function()
    local line = "gateway.lua:1: env expects the name of a variable, and what stands here is none that is set: no value for key\n"
    for _, name in ipairs { "sk-s3cr3t", "AIzaS3cr3tOfTheHouse", "s3cr3t_of_the_h0use", "a b", ("A"):rep(65) } do
      assert.equal(line, lines_of(("return { key = env %q }"):format(name), {}))
    end
    for _, name in ipairs { "my_key", "myKey2", "THE_KEY_OF_A_LONG_NAME_2" } do
      assert.equal(("gateway.lua:1: %s is not set: no value for key\n"):format(name), lines_of(("return { key = env %q }"):format(name), {}))
    end
  end)

  it("at most three fields of each", function()
    local text = 'local x = env "X" return { a = x, b = x, c = x, d = x, e = { x } }'
    assert.equal("gateway.lua:1: X is not set: no value for a, b, c and 2 more\n", lines_of(text, {}))
  end)
end)
