--- gateway.limit: what policies may write, and what the load says of everything else.
local limits = require "gateway.limits"
local runtime = require "gateway.runtime"
local testing = require "gateway.testing"

local function load(text, options)
  options = options or {}
  options.sources = { x = text }
  return testing.load("policies/x.lua", options)
end

describe("a limit", function()
  it("is what was written, read-only", function()
    local limit = limits.read { name = "pro", per = { "user", "model" }, requests = "100/min 5/s", tokens = "10M/day", concurrent = 4 }
    assert.is_true(runtime.limit.is_rule(limit))
    local seen = {}
    for key, value in pairs(limit) do
      seen[key] = value
    end
    assert.same({ name = "pro", per = "user, model", requests = "100/min 5/s", tokens = "10M/day", concurrent = 4 }, seen)
    assert.equal("pro", limit.name)
    assert.has_error(function() limit.name = "x" end, "a limit is read-only")
    assert.is_false(getmetatable(limit))
  end)

  it("is nothing else", function()
    for _, value in ipairs { 1, "pro", {}, io.stdout, print, true } do
      assert.is_false(runtime.limit.is_rule(value))
    end
    assert.is_false(runtime.limit.is_rule(nil))
  end)

  local NAME = 'limit: name: expected a word such as "pro" (it is the limit\'s identity), got '
  local UNKNOWN = "limit 'a': nobody knows %q (a limit has name, per, requests, tokens, concurrent, burst)"
  local CONTRADICTS = "limit 'a': %s: %q contradicts itself: expected more per longer window, each window once"
  local RATES = 'expected rates such as "60/min", "100k/day" or "5/s 1000/hour", got '
  for what, case in pairs {
    ["no table"] = { "60/min", 'limit: expected a table { name, requests, … }, got "60/min"' },
    ["no name"] = { { requests = "1/s" }, NAME .. 'nil' },
    ["a name of two words"] = { { name = "a b", requests = "1/s" }, NAME .. '"a b"' },
    ["a long name"] = { { name = ("x"):rep(65), requests = "1/s" }, NAME .. '"' .. ("x"):rep(60) .. '"' },
    ["no promise"] = { { name = "a", per = "user" }, "limit 'a': expected at least one of requests, tokens, concurrent" },
    ["a misspelt key"] = { { name = "a", request = "1/s" }, UNKNOWN:format "request" },
    ["money"] = { { name = "a", requests = "1/s", usd = "5/day" }, UNKNOWN:format "usd" },
    ["a wrong unit"] = { { name = "a", requests = "60/fortnight" }, "limit 'a': requests: " .. RATES .. '"60/fortnight"' },
    ["no unit"] = { { name = "a", tokens = 60 }, "limit 'a': tokens: " .. RATES .. "60" },
    ["none at all"] = { { name = "a", requests = "0/min" }, "limit 'a': requests: " .. RATES .. '"0/min"' },
    ["a negative rate"] = { { name = "a", requests = "-5/min" }, "limit 'a': requests: " .. RATES .. '"-5/min"' },
    ["a window twice"] = { { name = "a", requests = "5/min 6/min" }, CONTRADICTS:format("requests", "5/min 6/min") },
    ["an hour below its minute"] = { { name = "a", tokens = "100/hour 200/min" }, CONTRADICTS:format("tokens", "100/hour 200/min") },
    ["an unknown subject"] = { { name = "a", per = "planet", requests = "1/s" }, "limit 'a': per: expected \"user\" or \"model\", each once, got \"planet\"" },
    ["a subject twice"] = { { name = "a", per = { "user", "user" }, requests = "1/s" },
      "limit 'a': per: expected \"user\" or \"model\", each once, got \"user\"" },
    ["an empty subject"] = { { name = "a", per = {}, requests = "1/s" }, "limit 'a': per: expected \"user\", \"model\" or a list of them, got a table" },
    ["no slot"] = { { name = "a", concurrent = 0 }, "limit 'a': concurrent: expected at least 1, got 0" },
    ["half a slot"] = { { name = "a", concurrent = 1.5 }, "limit 'a': concurrent: expected a count such as 5000, \"100k\" or \"10M\", got 1.5" },
    ["an empty bucket"] = { { name = "a", requests = "1/s", burst = 0 }, "limit 'a': burst: expected at least 1, got 0" },
    ["a bucket of two rates"] = { { name = "a", requests = "1/s 30/min", burst = 5 },
      "limit 'a': burst: expected beside one rate of requests or of tokens (write another limit for the rest)" },
    ["a bucket of two units"] = { { name = "a", requests = "1/s", tokens = "1k/min", burst = 5 },
      "limit 'a': burst: expected beside one rate of requests or of tokens (write another limit for the rest)" },
    ["a bucket of slots"] = { { name = "a", concurrent = 3, burst = 5 },
      "limit 'a': burst: expected beside one rate of requests or of tokens (write another limit for the rest)" },
    ["a bucket that never fills"] = { { name = "a", requests = "1/day", burst = "1M" },
      "limit 'a': burst: expected at most what comes back within a year, 366" },
    ["an exponent"] = { { name = "a", requests = "1e15/s" }, "limit 'a': requests: " .. RATES .. '"1e15/s"' },
    ["more than can be counted"] = { { name = "a", requests = "9999999999999999/s" }, "limit 'a': requests: " .. RATES .. '"9999999999999999/s"' },
    ["a NUL"] = { { name = "a", requests = "5/s\0" }, "limit 'a': requests: " .. RATES .. '"5/s\\0"' },
    ["a bucket too fast for the clock"] = { { name = "a", tokens = "2M/s", burst = 5 }, "limit 'a': burst: expected a rate of at most 1000000/s beside it" },
    ["too many windows"] = { { name = "a", requests = "1/s 2/min 3/hour 4/day", tokens = "1/s 2/min 3/hour" },
      "limit 'a': expected at most 6 windows in all" },
  } do
    it("with " .. what .. " fails", function()
      assert.same({ nil, case[2] }, { limits.read(case[1]) })
    end)
  end

  it("takes plain data of the config", function()
    local policy = load([[
      local limit, settings = require "gateway.limit", require "gateway.settings"
      local mine = limit(settings.mine)
      return { admit = function() return { mine } end }]], { settings = { mine = { name = "mine", per = { "user" }, requests = "3/s" } } })
    assert.equal("3/s", policy.admit(testing.request())[1].requests)
  end)
end)

describe("gateway.limit", function()
  it("fails the load, and names the line", function()
    assert.has_error(function() load 'local limit = require "gateway.limit"\nlimit { name = "a" }\nreturn {}' end,
      "policies/x.lua:2: limit 'a': expected at least one of requests, tokens, concurrent")
  end)

  it("makes one limit of a name", function()
    assert.has_error(function()
      load 'local limit = require "gateway.limit"\nlimit { name = "a", requests = "1/s" }\nlimit { name = "a", requests = "2/s" }\nreturn {}'
    end, "policies/x.lua:3: limit 'a': there is one of that name already (the name is its identity)")
    for _ = 1, 2 do -- once per load
      load 'local limit = require "gateway.limit"\nlocal a = limit { name = "a", requests = "1/s" }\nreturn { admit = function() return { a } end }'
    end
  end)

  it("belongs at the top of a file", function()
    local policy = load 'local limit = require "gateway.limit"\nreturn { admit = function()\nreturn { limit { name = "a", requests = "1/s" } } end }'
    assert.has_error(function() policy.admit(testing.request()) end, "policies/x.lua:3: limit belongs at the top of a file")
  end)
end)
