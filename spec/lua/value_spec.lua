--- JSON to values of Lua and back, as adapters have it.
local process = require "support.process"
local runtime = require "gateway.runtime"

local json = runtime.value

local function through(text)
  return json.encode((json.decode(text)))
end

describe("gateway.json", function()
  for _, text in ipairs {
    "{}", "[]", "[[]]", '{"a":[]}', "0", "-1", "9007199254740993", "-9223372036854775808", "9223372036854775807", "1.5", "0.1", "true", "false",
    '""', '"Grüße"', '"\\u0000\\n\\"\\\\"', "[1,null,2]", "[null]", '{"a":1,"b":"x","c":{"d":[]}}',
  } do
    it("keeps " .. text, function()
      assert.equal(text, through(text))
    end)
  end

  for text, written in pairs {
    ['{"b":1,"a":2}'] = '{"a":2,"b":1}', ['{"a":{},"z":1}'] = '{"z":1,"a":{}}', ['{"a":null,"b":1}'] = '{"b":1}', [" [ 1 , 2 ] "] = "[1,2]",
    ["1e2"] = "100.0", ["1.0"] = "1.0", ["-0"] = "0", ['"\\u00e9\\ud83d\\ude00"'] = '"é😀"', ['{"a":1,"a":2}'] = '{"a":2}',
    ["18446744073709551616"] = "1.8446744073709552e+19",
  } do
    it("writes " .. text .. " as " .. written, function()
      assert.equal(written, through(text))
    end)
  end

  for _, text in ipairs { "", "{", "[1,]", "nul", "01", '{"a" 1}', '"\1"', "1 2", "[1e999]", ("["):rep(65) .. ("]"):rep(65), '"\xff"' } do
    it(("does not take %q"):format(text:sub(1, 20)), function()
      assert.same({ nil, "not valid JSON" }, { json.decode(text) })
    end)
  end

  it("knows integers from other numbers", function()
    local value = json.decode "[1, 1.0, 1e0, 9223372036854775808]"
    local kinds = {}
    for i, number in ipairs(value) do
      kinds[i] = math.type(number)
    end
    assert.same({ "integer", "float", "float", "float" }, kinds)
  end)

  it("tells lists from objects", function()
    assert.equal("{}", json.encode {})
    assert.equal("[]", json.encode(json.array {}))
    assert.equal("[]", json.encode(json.array()))
    assert.equal("[1]", json.encode { 1 })
    local list = json.decode "[1,2]"
    list[2], list[1] = nil, nil
    assert.equal("[]", json.encode(list))
    assert.equal(list, json.array(list))
  end)

  it("writes null where it is said", function()
    assert.equal('{"a":null}', json.encode { a = json.null })
    assert.equal(json.null, json.decode("[null]")[1])
    assert.equal("null", json.encode(nil))
  end)

  it("finds the same numbers again", function()
    for _, number in ipairs { 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, 123456789.123, -2.5e-7 } do
      assert.equal(number, json.decode(json.encode(number)))
    end
  end)

  for what, case in pairs {
    ["a function"] = { function() end, "a function cannot be JSON" },
    ["a hole"] = { { 1, nil, 3 }, "a list has a hole" },
    ["keys of both kinds"] = { { 1, a = 2 }, "a list has other keys" },
    ["a key that is no text"] = { { [2.5] = 1 }, "a key that is no text" },
    ["infinity"] = { { math.huge }, "not finite" },
    ["a metatable"] = { setmetatable({}, {}), "a table has a metatable" },
  } do
    it("refuses " .. what, function()
      assert.error_matches(function() json.encode(case[1]) end, case[2])
    end)
  end

  it("refuses what has no end, and what is too much", function()
    local endless = {}
    endless.more = endless
    assert.error_matches(function() json.encode(endless) end, "nested deeper than 64")
    local wide = { ("x"):rep(1000) }
    for _ = 1, 20 do
      wide = { wide, wide }
    end
    assert.error_matches(function() json.encode(wide) end, "longer than 1024 KB")
    assert.error_matches(function() json.decode((" "):rep(1024 * 1024) .. "1") end, "longer than 1024 KB")
    local many = {}
    for i = 1, 5000 do
      many["k" .. i] = i
    end
    assert.error_matches(function() json.encode(many) end, "too many members")
  end)

  it("takes what the reader takes, and nothing else", function()
    math.randomseed(11)
    local base = '{"a":[1,-2.5e3,true,false,null,"x\\u00e9\\n"],"b":{"c":[],"d":{}}}'
    local bytes, taken = '{}[]",:\\u0e9-.tfn \1\xc3', 0
    for _ = 1, 3000 do
      local text = base
      for _ = 1, math.random(1, 3) do
        local at, byte = math.random(1, #text), math.random(1, #bytes)
        text = text:sub(1, at - 1) .. bytes:sub(byte, byte) .. text:sub(at + math.random(0, 1))
      end
      local value, why = json.decode(text)
      assert.equal(runtime.json.check(text) == true, why == nil, text)
      taken = taken + (why == nil and 1 or 0)
      if why == nil then
        assert.equal(json.encode(value), json.encode((json.decode(json.encode(value)))))
      end
    end
    assert.is_true(taken > 100 and taken < 2900)
  end)

  it("charges a call for what it makes", function()
    local call = runtime.call
    local limits = call.limits
    local short, long = ("[1" .. (",1"):rep(1000) .. "]"), ("[1" .. (",1"):rep(300000) .. "]")
    assert.is_true((call.run(json.decode, limits.call_instructions, 1 << 26, 1, short)))
    local ok, kind = call.run(json.decode, limits.call_instructions, 1 << 26, 1, long)
    assert.same({ false, "policy_timeout" }, { ok, kind })
  end)

  it("gives back any value that it made", function()
    math.randomseed(7)
    local function any(depth)
      local kind = math.random(depth > 4 and 4 or 6)
      if kind == 1 then
        return math.random(-1 << 40, 1 << 40)
      elseif kind == 2 then
        return math.random() * 10 ^ math.random(-20, 20)
      elseif kind == 3 then
        return math.random() < 0.5
      elseif kind == 4 then
        local bytes = {}
        for i = 1, math.random(0, 8) do
          bytes[i] = utf8.char(math.random(1, 0x7ff))
        end
        return table.concat(bytes)
      end
      local made = kind == 5 and json.array {} or {}
      for i = 1, math.random(0, 5) do
        made[kind == 5 and i or "k" .. i] = any(depth + 1)
      end
      return made
    end
    for _ = 1, 300 do
      local value = any(0)
      local text = json.encode(value)
      local again = json.decode(text)
      assert.same(value, again)
      assert.equal(text, json.encode(again))
    end
  end)

  it("says so where no memory is left for an object of thousands of members", function()
    local starve = require("support.starve").new()
    local script = ([[
      package.cpath = %q
      local value, object = require("gateway.runtime").value, {}
      for i = 1, 3000 do object["k" .. i] = i end
      collectgarbage "stop"
      select("#", table.unpack({}, 1, 9000)) -- the stack has grown before memory is gone
      local file = assert(io.open(os.getenv "STARVE", "r+b"))
      file:write(string.pack("<i4", 1000))
      file:close()
      print(select(2, pcall(value.encode, object)))]]):format((package.cpath:gsub("build/%a+/lua", "build/lua")))
    local env = starve:env() -- before any sanitizer: it is the plain module that is asked
    local run = process.start { command = { "lua5.4", "-e", script }, env = env, directory = starve.folder, name = "encode" }
    local status = run:wait()
    local said = run:out()
    starve:stop()
    assert.equal(0, status)
    assert.equal("encode: there is no memory for its members\n", said)
  end)
end)
